/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node's clusterd starts, stops, is killed, exits by itself, is frozen and starved.
 */
#include "sim/world.h"

#include <errno.h>
#include <string.h>

#define RESTART_US SIM_SECOND /* systemd's RestartSec */

static void drop_inbox(struct node *n) {
    while (n->inbox) {
        struct item *next = n->inbox->next;
        item_free(n->inbox);
        n->inbox = next;
    }
    n->inbox_last = &n->inbox;
}

void node_restart(struct sim *s, uint64_t node, uint64_t life) {
    struct node *n = &s->nodes[node];
    if (n->power && !n->alive && n->life == life && !n->stopped && !s->options.no_restart) {
        sim_start_clusterd(s, (uint32_t)node);
    }
}

void node_end_clusterd(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->alive) {
        return;
    }
    n->alive = false;
    agents_of_clusterd_end(s, node);
    drop_inbox(n);
    disk_crash(s, node);
    if (n->corosync.member_pid) {
        n->corosync.member_pid = 0;
        ring_send(s, node, RING_LEAVE, n->pid, NULL, 0);
    }
    n->connected = false;
    n->watch_run = 0;
    sim_at(s, 0, node_core_end, (uint64_t)(uintptr_t)n->core, 0);
    n->core = NULL;
    n->life++;
    uint64_t first = s->last_request < MAX_REQUESTS ? 1 : s->last_request - MAX_REQUESTS + 1;
    for (uint64_t id = first; id <= s->last_request; id++) {
        struct request *r = &s->requests[id % MAX_REQUESTS];
        if (r->node == node && r->code < 0) {
            r->id = 0; /* whoever waited has been told that the connection broke */
        }
    }
}

/* Only a disk that does not store may end a clusterd; or a database that somebody has replaced. */
void node_dies_of(struct sim *s, uint32_t node, int error) {
    struct node *n = &s->nodes[node];
    bool bad_disk = n->disk.failed || n->disk.mode != DISK_FINE ||
                    (n->disk.mended_us && s->now_us < n->disk.mended_us + 3 * SIM_SECOND);
    bool expected = ((error == -EIO || error == -ETIME) && bad_disk) ||
                    ((error == -ENOTRECOVERABLE || error == -EBADMSG) && n->disk.tampered) ||
                    (error == -ENOMEM && s->options.memory_fails);
    sim_trace(s, "%s: clusterd ends with error %d", s->names[node], -error);
    if (!expected) {
        sim_fail(s, "the core of %s gave up: errno %d", s->names[node], -error);
    }
    bool replace = error != -EIO && error != -ETIME && error != -ENOMEM;
    node_end_clusterd(s, node);
    if (replace) {
        sim_disk_wipe(s, node); /* what its message tells the administrator to do */
    }
    sim_at(s, RESTART_US, node_restart, node, n->life);
}

void sim_start_clusterd(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->power || n->alive) {
        return;
    }
    sim_trace(s, "%s: clusterd starts", s->names[node]);
    n->alive = true;
    n->stopped = false;
    n->pid = s->next_pid++;
    n->stuck_until_us = 0;
    n->starves_until_us = 0;
    n->dies_after = 0;
    n->garbled = false;
    n->ran_us = 0;
    n->doubt_us = 0;
    n->knows_us = 0;
    n->wakeup_us = UINT64_MAX;
    memset(n->stream_us, 0, sizeof(n->stream_us));
    if (n->corosync.up) {
        node_post(s, node, STREAM_CPG, item_new(ITEM_CONNECT), sim_delay(s, 5000));
    }
}

void sim_kill_clusterd(struct sim *s, uint32_t node) {
    if (s->nodes[node].alive) {
        sim_trace(s, "%s: clusterd is killed", s->names[node]);
        node_end_clusterd(s, node);
        sim_at(s, RESTART_US, node_restart, node, s->nodes[node].life);
    }
}

void sim_kill_clusterd_soon(struct sim *s, uint32_t node, uint32_t actions) {
    if (s->nodes[node].alive) {
        sim_trace(s, "%s: clusterd will be killed after %u more actions", s->names[node], actions);
        s->nodes[node].dies_after = actions;
    }
}

void sim_stop_clusterd(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (!n->alive || !n->core) {
        return;
    }
    sim_trace(s, "%s: clusterd is asked to stop", s->names[node]);
    n->stopped = true;
    struct item *item = item_new(ITEM_EVENT);
    item->event.type = CORE_EVENT_STOP;
    node_post(s, node, STREAM_AGENTS, item, 0);
}

/* ---- time that a clusterd does not get ---- */

void sim_starve_clusterd(struct sim *s, uint32_t node, uint64_t event_us, uint64_t us) {
    struct node *n = &s->nodes[node];
    if (n->alive) {
        sim_trace(s, "%s: clusterd starves for %llu ms, %llu ms for each event", s->names[node],
                  (unsigned long long)us / 1000, (unsigned long long)event_us / 1000);
        n->starve_us = event_us;
        n->starves_until_us = s->now_us + us;
    }
}

void sim_freeze_clusterd(struct sim *s, uint32_t node, uint64_t us) {
    struct node *n = &s->nodes[node];
    if (n->alive) {
        sim_trace(s, "%s: clusterd does not run for %llu ms", s->names[node],
                  (unsigned long long)us / 1000);
        n->stuck_until_us = s->now_us + us;
        sim_at(s, us, node_thaw, node, n->life);
    }
}

void sim_thaw_clusterd(struct sim *s, uint32_t node) {
    struct node *n = &s->nodes[node];
    if (n->alive && s->now_us < n->stuck_until_us) {
        sim_trace(s, "%s: clusterd goes on", s->names[node]);
        n->stuck_until_us = s->now_us;
        node_drain(s, node);
    }
}

static void thaw_node(struct sim *s, uint64_t node, uint64_t boot) {
    struct node *n = &s->nodes[node];
    if (n->boot == boot && n->frozen) {
        sim_trace(s, "%s: goes on", s->names[node]);
        n->frozen = false;
        ring_connectivity_changed(s);
        node_drain(s, (uint32_t)node);
    }
}

void sim_freeze_node(struct sim *s, uint32_t node, uint64_t us) {
    struct node *n = &s->nodes[node];
    if (n->power && !n->frozen) {
        sim_trace(s, "%s: stands still for %llu ms", s->names[node], (unsigned long long)us / 1000);
        n->frozen = true;
        ring_connectivity_changed(s);
        sim_at(s, us, thaw_node, node, n->boot);
    }
}

void sim_jump_wall_clock(struct sim *s, uint32_t node, int64_t ms) {
    sim_trace(s, "%s: its wall clock jumps by %lld ms", s->names[node], (long long)ms);
    s->nodes[node].wall_jump_ms += ms;
}
