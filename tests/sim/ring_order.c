/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corosync, second half: one order of all messages of a ring.
 *
 * A message waits at its sender for the token. The token gives it its place; then it arrives at
 * each member in its own time. It is delivered when it and all messages before it have arrived:
 * agreed order, not safe delivery. A sender may get its own message back when no other node has it.
 * When the next ring forms, the messages of the broken ring are handed out: all that any member of
 * the part has; but after the first message that the part lacks, only messages of the part's own
 * members.
 */
#include "sim/world.h"

#include "base/check.h"
#include "base/hash.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_US 150u
#define FLIGHT_US 120u

static uint32_t bit(uint32_t node) {
    return UINT32_C(1) << node;
}

static struct ring_message *at(const struct ring *r, uint64_t sequence) {
    return &r->messages[sequence - r->first];
}

void ring_free_messages(struct ring *r) {
    for (uint64_t i = r->first; i < r->next; i++) {
        shared_drop(at(r, i)->bytes);
    }
    free(r->messages);
    r->messages = NULL;
    r->first = r->next;
}

void ring_drop_queue(struct corosync *c) {
    while (c->first) {
        struct out_message *next = c->first->next;
        shared_drop(c->first->bytes);
        free(c->first);
        c->first = next;
    }
    c->last = &c->first;
}

void ring_drop_delivered(struct ring *r) {
    uint64_t lowest = r->next;
    for (uint32_t i = 1; i < SIM_NODES; i++) {
        if (r->members & bit(i) && r->delivered[i] < lowest) {
            lowest = r->delivered[i];
        }
    }
    if (lowest - r->first < 64) {
        return; /* not worth the move */
    }
    for (uint64_t i = r->first; i < lowest; i++) {
        shared_drop(at(r, i)->bytes);
    }
    memmove(r->messages, at(r, lowest), (r->next - lowest) * sizeof(*r->messages));
    r->first = lowest;
}

/* ---- delivery ---- */

static void join_or_leave(struct sim *s, uint32_t node, const struct ring_message *m) {
    struct corosync *c = &s->nodes[node].corosync;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n_group; i++) {
        if (c->group[i].node != m->sender || c->group[i].pid != m->pid) {
            c->group[kept++] = c->group[i];
        }
    }
    c->n_group = kept;
    if (m->kind == RING_JOIN && c->n_group < 2 * SIM_NODES) {
        c->group[c->n_group++] = (struct ring_process){.node = m->sender, .pid = m->pid};
    }
    ring_tell_group(s, node);
}

static bool is_in_group(const struct node *n, uint32_t node) {
    for (uint32_t i = 0; i < n->corosync.n_group; i++) {
        if (n->corosync.group[i].node == node && n->corosync.group[i].pid == n->pid) {
            return true;
        }
    }
    return false;
}

static void deliver(struct sim *s, uint32_t node, const struct ring_message *m) {
    struct node *n = &s->nodes[node];
    if (m->kind != RING_DATA) {
        join_or_leave(s, node, m);
        return;
    }
    /* A process gets the group's messages once it is in it; its forerunner's are not its own. */
    if (!n->alive || !n->connected || !is_in_group(n, node) ||
        (m->sender == node && m->pid != n->pid)) {
        return;
    }
    struct item *item = item_new(ITEM_EVENT);
    item->bytes = m->bytes;
    item->bytes->owners++;
    item->sent_us = m->sender == node ? m->sent_us : 0;
    item->event.type = CORE_EVENT_MESSAGE;
    item->event.message =
        (struct core_message){.sender = m->sender, .data = m->bytes->data, .size = m->bytes->size};
    node_post(s, node, STREAM_CPG, item, sim_delay(s, 30));
}

static void arrived(struct sim *s, uint64_t node, uint64_t ring_id) {
    struct ring *r = s->nodes[node].corosync.ring;
    if (!r || r->id != ring_id || s->nodes[node].frozen) {
        return;
    }
    uint64_t limit = r->broken ? r->broken_us : s->now_us;
    while (r->delivered[node] < r->next) {
        const struct ring_message *m = at(r, r->delivered[node]);
        if (m->arrives_us[node] > limit || m->arrives_us[node] > s->now_us) {
            break;
        }
        r->delivered[node]++;
        deliver(s, (uint32_t)node, m);
    }
    ring_drop_delivered(r);
}

/* ---- order ---- */

static struct ring_message *append(struct ring *r) {
    if (r->next - r->first == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 64;
        r->messages = realloc(r->messages, r->capacity * sizeof(*r->messages));
        CHECK(r->messages != NULL);
    }
    struct ring_message *m = &r->messages[r->next++ - r->first];
    memset(m, 0, sizeof(*m));
    return m;
}

static void give_place(struct sim *s, uint32_t node, const struct out_message *out) {
    struct ring *r = s->nodes[node].corosync.ring;
    struct ring_message *m = append(r);
    m->kind = out->kind;
    m->sender = node;
    m->pid = out->pid;
    m->sent_us = out->sent_us;
    m->bytes = out->bytes;
    for (uint32_t i = 1; i <= s->n; i++) {
        if (r->members & bit(i)) {
            uint64_t us = i == node ? sim_delay(s, 20) : sim_delay(s, FLIGHT_US);
            m->arrives_us[i] = s->now_us + us;
            sim_at(s, us, arrived, i, r->id);
        }
    }
}

static void token(struct sim *s, uint64_t node, uint64_t boot) {
    struct corosync *c = &s->nodes[node].corosync;
    if (s->nodes[node].boot != boot || !c->up || s->nodes[node].frozen) {
        return;
    }
    if (!c->ring || c->ring->broken) {
        return; /* ring_flush() comes when there is a new one */
    }
    if (s->now_us < c->stuck_until_us) {
        sim_at(s, c->stuck_until_us - s->now_us, token, node, boot);
        return;
    }
    while (c->first) {
        struct out_message *out = c->first;
        c->first = out->next;
        give_place(s, (uint32_t)node, out);
        free(out);
    }
    c->last = &c->first;
}

void ring_flush(struct sim *s, uint32_t node) {
    if (s->nodes[node].corosync.first) {
        sim_at(s, sim_delay(s, TOKEN_US), token, node, s->nodes[node].boot);
    }
}

/* A clusterd of a later version says so in each header; see wire/message.h. */
static void make_newer(struct shared *bytes) {
    bytes->data[8] = PROTOCOL_HIGHEST + 1;
    uint32_t crc = crc32c(bytes->data + 8, bytes->size - 8);
    for (int i = 0; i < 4; i++) {
        bytes->data[4 + i] = (uint8_t)(crc >> (8 * i));
    }
}

void ring_send(struct sim *s, uint32_t node, enum message_kind kind, uint32_t pid,
               const uint8_t *data, uint32_t size) {
    struct corosync *c = &s->nodes[node].corosync;
    if (!c->up || (kind == RING_DATA && c->member_pid == 0)) {
        return; /* the adapter drops it: there is no view to send it in */
    }
    struct out_message *out = calloc(1, sizeof(*out));
    CHECK(out != NULL);
    out->kind = kind;
    out->pid = pid;
    out->sent_us = s->now_us;
    out->bytes = data ? shared_new(data, size) : NULL;
    const struct node *n = &s->nodes[node];
    if (kind == RING_DATA && s->now_us < n->garbles_until_us && sim_chance(s, n->garble_percent)) {
        garble(s, node, &out->bytes);
    }
    if (c->newer && kind == RING_DATA) {
        make_newer(out->bytes);
    }
    bool waiting = c->first != NULL;
    *c->last = out;
    c->last = &out->next;
    if (!waiting && c->ring) {
        sim_at(s, sim_delay(s, TOKEN_US), token, node, s->nodes[node].boot);
    }
}

/* ---- what a broken ring leaves ---- */

static bool anybody_has(const struct sim *s, const struct ring *old, const struct ring_message *m,
                        uint32_t who) {
    uint64_t limit = old->broken ? old->broken_us : s->now_us;
    for (uint32_t i = 1; i <= s->n; i++) {
        if (who & bit(i) && (m->sender == i || m->arrives_us[i] <= limit)) {
            return true;
        }
    }
    return false;
}

void ring_recover(struct sim *s, struct ring *old, uint32_t who) {
    for (uint32_t i = 1; i <= s->n; i++) {
        if (!(who & bit(i))) {
            continue;
        }
        bool hole = false;
        for (uint64_t k = old->first; k < old->next; k++) {
            const struct ring_message *m = at(old, k);
            if (!anybody_has(s, old, m, who)) {
                hole = true;
            } else if (k >= old->delivered[i] && (!hole || who & bit(m->sender))) {
                deliver(s, i, m);
            }
        }
        old->delivered[i] = old->next;
    }
}
