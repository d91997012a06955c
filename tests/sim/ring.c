/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corosync, first half: who is in which ring, who is in the group (CPG), who has quorum
 * (votequorum). The order of messages within a ring is in ring_order.c.
 *
 * While a node is out of reach, the ring orders nothing more. After token and consensus, the nodes
 * that reach each other form a new ring. Before they learn of it, every node gets what its part of
 * the old ring has received (extended virtual synchrony). Group and quorum are reported over two
 * sockets; either may come first.
 */
#include "sim/world.h"

#include "base/check.h"
#include "wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LMS_WINDOW_US (10 * SIM_SECOND)

static uint32_t bit(uint32_t node) {
    return UINT32_C(1) << node;
}

static bool talks(const struct sim *s, uint32_t node) {
    const struct node *n = &s->nodes[node];
    return n->power && !n->frozen && n->corosync.up;
}

bool ring_reaches(const struct sim *s, uint32_t a, uint32_t b) {
    return s->nodes[a].power && s->nodes[b].power && !s->nodes[a].frozen && !s->nodes[b].frozen &&
           s->group[a] == s->group[b];
}

static uint32_t component(const struct sim *s, uint32_t node) {
    uint32_t set = 0;
    for (uint32_t i = 1; i <= s->n && talks(s, node); i++) {
        set |= talks(s, i) && ring_reaches(s, node, i) ? bit(i) : 0;
    }
    return set;
}

/* ---- quorum ---- */

static uint32_t count(uint32_t set) {
    return (uint32_t)__builtin_popcount(set);
}

bool ring_waits_for_all(const struct sim *s) {
    return s->options.quorum != SIM_MAJORITY && !(s->options.quorum & SIM_NO_WAIT_FOR_ALL);
}

void sim_set_quorum(struct sim *s, uint32_t quorum) {
    s->options.quorum = quorum;
}

/* The device's vote goes to the part that has the lowest node that is on. */
static uint32_t device_votes(const struct sim *s, const struct ring *ring) {
    for (uint32_t i = 1; ring && i <= s->n; i++) {
        if (talks(s, i)) {
            return ring->members & bit(i) ? 1 : 0;
        }
    }
    return 0;
}

static bool is_quorate(struct sim *s, uint32_t node) {
    struct corosync *c = &s->nodes[node].corosync;
    uint32_t votes = c->ring ? count(c->ring->members) : 0;
    uint32_t all = count(s->nodes[node].list);
    if (votes == all) {
        c->wait_for_all = false;
    }
    if (ring_waits_for_all(s) && c->wait_for_all) {
        return false;
    }
    if (s->options.quorum & SIM_TWO_NODE) {
        return votes >= 1;
    }
    if (s->options.quorum & SIM_LAST_MAN_STANDING) {
        return votes >= c->expected / 2 + 1;
    }
    if (s->options.quorum & SIM_QUORUM_DEVICE) {
        return votes + device_votes(s, c->ring) >= (all + 1) / 2 + 1;
    }
    return votes >= all / 2 + 1;
}

void ring_tell_quorum(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->alive) {
        return;
    }
    struct item *item = item_new(ITEM_QUORUM);
    for (uint32_t i = 1; n->corosync.ring && i <= s->n; i++) {
        if (n->corosync.ring->members & bit(i)) {
            item->ring[item->n++] = i;
        }
    }
    item->quorate = n->corosync.quorate;
    node_post(s, node, STREAM_QUORUM, item, sim_delay(s, 300));
}

static void lower_expected(struct sim *s, uint64_t node, uint64_t timer) {
    struct corosync *c = &s->nodes[node].corosync;
    if (c->up && c->ring && c->lms_timer == timer && c->quorate) {
        c->expected = count(c->ring->members);
    }
}

static void quorum_of_new_ring(struct sim *s, uint32_t node) {
    struct corosync *c = &s->nodes[node].corosync;
    uint32_t votes = count(c->ring->members);
    c->expected = votes > c->expected ? votes : c->expected;
    c->quorate = is_quorate(s, node);
    c->lms_timer++;
    if (s->options.quorum & SIM_LAST_MAN_STANDING && votes < c->expected) {
        sim_at(s, LMS_WINDOW_US, lower_expected, node, c->lms_timer);
    }
    ring_tell_quorum(s, node);
}

/* ---- the group ---- */

void ring_tell_group(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->alive) {
        return;
    }
    struct item *item = item_new(ITEM_GROUP);
    item->n = n->corosync.n_group;
    memcpy(item->processes, n->corosync.group, sizeof(item->processes));
    node_post(s, node, STREAM_CPG, item, sim_delay(s, 100));
}

static uint32_t own_pid(const struct node *n) {
    return n->corosync.member_pid ? n->corosync.member_pid : n->corosync.ghost_pid;
}

/* Those of the former group that came along, then those who are here now: two events. */
static void group_of_new_ring(struct sim *s, uint32_t node, uint32_t came_along) {
    struct corosync *c = &s->nodes[node].corosync;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n_group; i++) {
        if (came_along & bit(c->group[i].node)) {
            c->group[kept++] = c->group[i];
        }
    }
    if (kept != c->n_group) {
        c->n_group = kept;
        ring_tell_group(s, node);
    }
    uint32_t before = c->n_group;
    for (uint32_t i = 1; i <= s->n; i++) {
        uint32_t pid = c->ring->members & bit(i) ? own_pid(&s->nodes[i]) : 0;
        bool known = pid == 0;
        for (uint32_t k = 0; k < c->n_group; k++) {
            known = known || (c->group[k].node == i && c->group[k].pid == pid);
        }
        if (!known && c->n_group < 2 * SIM_NODES) {
            c->group[c->n_group++] = (struct ring_process){.node = i, .pid = pid};
        }
    }
    if (c->n_group != before) {
        ring_tell_group(s, node);
    }
}

/* ---- forming a ring ---- */

static struct ring *ring_new(struct sim *s, uint32_t members) {
    struct ring *r = calloc(1, sizeof(*r));
    s->rings = realloc(s->rings, (s->n_rings + 1) * sizeof(struct ring *));
    CHECK(r != NULL && s->rings != NULL);
    r->id = ++s->next_ring;
    r->members = members;
    s->rings[s->n_rings++] = r;
    return r;
}

static void drop_unused_rings(struct sim *s) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n_rings; i++) {
        bool used = false;
        for (uint32_t k = 1; k <= s->n; k++) {
            used = used || s->nodes[k].corosync.ring == s->rings[i];
        }
        if (used) {
            s->rings[kept++] = s->rings[i];
        } else {
            ring_free_messages(s->rings[i]);
            free(s->rings[i]);
        }
    }
    s->n_rings = kept;
}

/* Each part of an old ring that comes along hands its members what any of them has. */
static void recover_old_rings(struct sim *s, uint32_t set, uint32_t *came_along) {
    for (uint32_t i = 1; i <= s->n; i++) {
        struct ring *old = set & bit(i) ? s->nodes[i].corosync.ring : NULL;
        came_along[i] = bit(i);
        for (uint32_t k = 1; old && k <= s->n; k++) {
            if (set & bit(k) && s->nodes[k].corosync.ring == old) {
                came_along[i] |= bit(k);
            }
        }
    }
    uint32_t done = 0;
    for (uint32_t i = 1; i <= s->n; i++) {
        if (set & bit(i) && !(done & bit(i)) && s->nodes[i].corosync.ring) {
            ring_recover(s, s->nodes[i].corosync.ring, came_along[i]);
            done |= came_along[i];
        }
    }
}

static void form_part(struct sim *s, uint32_t set) {
    uint32_t came_along[SIM_NODES];
    recover_old_rings(s, set, came_along);
    struct ring *ring = ring_new(s, set);
    for (uint32_t i = 1; i <= s->n; i++) {
        if (set & bit(i)) {
            s->nodes[i].corosync.ring = ring;
        }
    }
    power_ring_formed(s, set);
    for (uint32_t i = 1; i <= s->n; i++) {
        if (set & bit(i)) {
            quorum_of_new_ring(s, i);
            group_of_new_ring(s, i, came_along[i]);
        }
    }
    for (uint32_t i = 1; i <= s->n; i++) {
        if (set & bit(i)) {
            ring_flush(s, i);
        }
    }
}

static void form(struct sim *s, uint64_t formation, uint64_t b) {
    (void)b;
    if (formation != s->formation) {
        return; /* it has changed again meanwhile */
    }
    uint32_t done = 0;
    for (uint32_t i = 1; i <= s->n; i++) {
        uint32_t set = component(s, i);
        const struct ring *ring = s->nodes[i].corosync.ring;
        if (set == 0 || done & bit(i)) {
            continue;
        }
        done |= set;
        if (!ring || ring->broken || ring->members != set) {
            form_part(s, set);
        }
    }
    drop_unused_rings(s);
}

static void break_ring(struct sim *s, struct ring *r) {
    if (!r->broken) {
        r->broken = true;
        r->broken_us = s->now_us;
    }
}

/* Whoever cannot reach another now could do so until this moment. */
static void note_reach(struct sim *s) {
    for (uint32_t i = 1; i <= s->n; i++) {
        for (uint32_t k = 1; k <= s->n; k++) {
            if (ring_reaches(s, i, k)) {
                s->reached_us[i][k] = UINT64_MAX;
            } else if (s->reached_us[i][k] == UINT64_MAX) {
                s->reached_us[i][k] = s->now_us;
            }
        }
    }
}

void ring_connectivity_changed(struct sim *s) {
    bool lost = false, found = false;
    note_reach(s);
    for (uint32_t i = 1; i <= s->n; i++) {
        struct ring *ring = s->nodes[i].corosync.ring;
        uint32_t set = component(s, i);
        if (set == 0) {
            continue;
        }
        if (!ring) {
            found = true;
        } else if (ring->members & ~set) {
            break_ring(s, ring);
            lost = true;
        } else if (ring->members != set) {
            found = true; /* merging breaks the ring when it happens, not before */
        }
    }
    /* Also of a node that is frozen or dead: its ring has lost it, and orders nothing more. */
    for (uint32_t i = 1; i <= s->n; i++) {
        struct ring *ring = s->nodes[i].corosync.ring;
        if (ring && component(s, i) != ring->members) {
            if (ring->members & ~component(s, i)) {
                break_ring(s, ring);
            }
        }
    }
    if (lost || found) {
        s->formation++;
        uint64_t us = lost && s->options.ring_us ? s->options.ring_us
                      : lost ? 220000 + sim_random(s, s->options.calm ? 100000 : 2300000)
                             : 10000 + sim_random(s, 300000);
        sim_at(s, us, form, s->formation, 0);
    }
}

void sim_lose_token(struct sim *s) {
    sim_trace(s, "the token is lost");
    for (uint32_t i = 1; i <= s->n; i++) {
        if (s->nodes[i].corosync.ring) {
            break_ring(s, s->nodes[i].corosync.ring);
        }
    }
    s->formation++;
    sim_at(s, 50000 + sim_random(s, 1000000), form, s->formation, 0);
}

/* ---- corosync itself ---- */

void ring_start_corosync(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    struct corosync *c = &n->corosync;
    if (!n->power || c->up) {
        return;
    }
    bool newer = c->newer;
    ring_drop_queue(c);
    *c = (struct corosync){
        .up = true, .wait_for_all = true, .expected = count(n->list), .newer = newer};
    c->last = &c->first;
    ring_connectivity_changed(s);
    if (n->alive) {
        node_post(s, node, STREAM_CPG, item_new(ITEM_CONNECT), sim_delay(s, 200000));
    }
}

static void start_later(struct sim *s, uint64_t node, uint64_t boot) {
    if (s->nodes[node].boot == boot) {
        sim_trace(s, "%s: corosync starts", s->names[node]);
        ring_start_corosync(s, (uint32_t)node);
    }
}

void ring_end_corosync(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    struct corosync *c = &n->corosync;
    if (!c->up) {
        return;
    }
    c->up = false;
    if (c->ring) {
        break_ring(s, c->ring);
    }
    c->ring = NULL;
    c->n_group = 0;
    c->quorate = false;
    c->ghost_pid = 0;
    c->member_pid = 0;
    ring_drop_queue(c);
    if (n->alive) {
        node_post(s, node, STREAM_CPG, item_new(ITEM_DISCONNECT), sim_delay(s, 200));
    }
    ring_connectivity_changed(s);
}

void sim_kill_corosync(struct sim *s, uint32_t node, uint64_t back_us) {
    if (s->nodes[node].corosync.up) {
        sim_trace(s, "%s: corosync is killed", s->names[node]);
        ring_end_corosync(s, node);
        sim_at(s, back_us, start_later, node, s->nodes[node].boot);
    }
}

void ring_free_all(struct sim *s) {
    for (uint32_t i = 1; i <= s->n; i++) {
        s->nodes[i].corosync.ring = NULL;
    }
    drop_unused_rings(s);
    free(s->rings);
    s->rings = NULL;
}

/* ---- network ---- */

void sim_partition(struct sim *s, const uint32_t *groups) {
    char text[64] = "";
    size_t used = 0;
    for (uint32_t i = 1; i <= s->n; i++) {
        s->group[i] = groups[i];
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, " %s:%u", s->names[i], groups[i]);
    }
    sim_trace(s, "the network is cut:%s", text);
    ring_connectivity_changed(s);
}

void sim_heal_network(struct sim *s) {
    sim_trace(s, "the network is whole");
    memset(s->group, 0, sizeof(s->group));
    ring_connectivity_changed(s);
}

static void ghost_goes(struct sim *s, uint64_t node, uint64_t boot) {
    struct node *n = &s->nodes[node];
    if (n->boot == boot && n->corosync.up && n->corosync.ghost_pid) {
        ring_send(s, (uint32_t)node, RING_LEAVE, n->corosync.ghost_pid, NULL, 0);
        n->corosync.ghost_pid = 0;
    }
}

void sim_ghost(struct sim *s, uint32_t node, uint64_t us) {
    struct node *n = &s->nodes[node];
    if (n->alive && n->corosync.member_pid && n->corosync.ghost_pid == 0) {
        sim_trace(s, "%s: clusterd is killed, and its corosync does not notice for %llu ms",
                  s->names[node], (unsigned long long)us / 1000);
        n->corosync.ghost_pid = n->pid;
        n->corosync.member_pid = 0;
        node_end_clusterd(s, node);
        sim_at(s, us, ghost_goes, node, n->boot);
        sim_at(s, us / 2, node_restart, node, n->life);
    }
}

void sim_try_again(struct sim *s, uint32_t node, uint64_t us) {
    s->nodes[node].corosync.stuck_until_us = s->now_us + us;
}

/* corosync-cfgtool -R: votequorum counts anew at once. */
void sim_node_list(struct sim *s, uint32_t node, uint32_t list) {
    struct corosync *c = &s->nodes[node].corosync;
    s->nodes[node].list = list;
    s->there |= list;
    if (c->up && c->ring) {
        c->expected = count(list);
        c->quorate = is_quorate(s, node);
        ring_tell_quorum(s, node);
    }
}

/* One that was stopped, or that could not be started, is not started. */
void sim_install(struct sim *s, uint32_t node, uint32_t protocol, bool tells_versions) {
    protocol = protocol == PROTOCOL_HIGHEST ? 0 : protocol;
    if (s->nodes[node].speaks != protocol || s->nodes[node].tells_no_versions == tells_versions) {
        sim_trace(s, "%s: a clusterd that speaks protocol %u is installed", s->names[node],
                  protocol ? protocol : PROTOCOL_HIGHEST);
        s->nodes[node].speaks = protocol;
        s->nodes[node].tells_no_versions = !tells_versions;
        sim_kill_clusterd(s, node);
    }
}

void sim_speak_newer(struct sim *s, uint32_t node, bool newer) {
    if (s->nodes[node].corosync.newer != newer) {
        sim_trace(s, "%s: clusterd speaks %s protocol", s->names[node],
                  newer ? "a newer" : "the common");
        sim_kill_clusterd(s, node); /* the other one is started in its place */
        s->nodes[node].corosync.newer = newer;
    }
}
