/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node with bad memory or a faulty build of clusterd: now and then something in a message is
 * damaged before its checksum is made, and the checksum is right.
 *
 * No receiver can notice damage that stays readable and says something else (a running VM counts as
 * off). Therefore, of the changes that come as messages of their own, only unreadable ones are
 * sent.
 */
#include "sim/world.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/replica/replica.h"
#include "wire/command.h"
#include "wire/message.h"

#include <string.h>

#define TRIES 30u

static bool entry_can_be_read(struct wire_bytes entry, struct arena *arena) {
    struct log_command c;
    if (wire_decode(&log_command_record, entry.data, entry.size, arena, &c, NULL) < 0) {
        return false;
    }
    const struct wire_record *record = command_record(c.type);
    void *command = record ? arena_alloc(arena, record->size) : NULL;
    return command && wire_decode(record, c.body.data, c.body.size, arena, command, NULL) == 0;
}

static bool is_same(struct wire_bytes a, struct wire_bytes b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* It can be read, and some change in it is another one than was sent, or is missing. */
static bool is_a_lie(const struct message *m, const struct message *sent, struct arena *arena) {
    if (m->type == MESSAGE_PROPOSE) {
        struct wire_bytes entry = m->body.msg_propose.entry;
        return !is_same(entry, sent->body.msg_propose.entry) && entry_can_be_read(entry, arena);
    }
    if (m->type != MESSAGE_ENTRIES) {
        return false;
    }
    const struct wire_list *list = &m->body.msg_entries.entries;
    const struct wire_list *sent_list = &sent->body.msg_entries.entries;
    const struct entry_bytes *entries = list->items, *sent_entries = sent_list->items;
    bool other = list->n != sent_list->n;
    for (uint32_t i = 0; i < list->n; i++) {
        if (!entry_can_be_read(entries[i].data, arena)) {
            return false;
        }
        other = other || !is_same(entries[i].data, sent_entries[i].data);
    }
    return list->n > 0 && other;
}

static void set_checksum(struct shared *bytes) {
    uint32_t crc = crc32c(bytes->data + 8, bytes->size - 8);
    for (int i = 0; i < 4; i++) {
        bytes->data[4 + i] = (uint8_t)(crc >> (8 * i));
    }
}

static void damage(struct sim *s, struct shared *bytes) {
    uint64_t n = 1 + sim_random(s, 3);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = MESSAGE_HEADER_BYTES + sim_random(s, bytes->size - MESSAGE_HEADER_BYTES);
        uint8_t *byte = &bytes->data[at];
        *byte ^= (uint8_t)(sim_chance(s, 50) ? 1u << sim_random(s, 8) : 1 + sim_random(s, 255));
    }
    set_checksum(bytes);
}

static struct shared *encoded(const struct message *m) {
    struct buffer b;
    buffer_init(&b);
    message_encode(m, &b);
    struct shared *bytes = shared_new(b.data, (uint32_t)b.size);
    buffer_finish(&b);
    return bytes;
}

/* By its round, the sender takes it for an older one of its own; and the others count by it: of
 * the list in corosync.conf it says another than they have, so that the one of the log holds. */
static struct shared *damaged_votes(struct sim *s, const struct message *sent) {
    struct message m = *sent;
    struct msg_state *state = &m.body.msg_state;
    struct state_vote *vote = state->lists.items;
    state->round /= 2;
    vote[sim_random(s, state->lists.n)].votes += 8; /* a majority on its own */
    state->list ^= UINT64_C(1) << sim_random(s, 64);
    return encoded(&m);
}

/* One that nobody has promised, or one that is over. */
static uint64_t other_epoch(struct sim *s, uint64_t epoch) {
    return sim_chance(s, 50) ? epoch | UINT64_C(1) << (32 + sim_random(s, 30)) : 0;
}

/* What a member that catches up is given: the epoch was damaged before a digest was made of it.
 * NULL: this message is nothing of that. */
static struct shared *damaged_epoch(struct sim *s, const struct message *sent) {
    struct message m = *sent;
    struct msg_snapshot *snapshot = &m.body.msg_snapshot;
    if (m.type == MESSAGE_SNAPSHOT && snapshot->data.size == snapshot->total_bytes) {
        snapshot->epoch = other_epoch(s, snapshot->epoch);
        snapshot->digest =
            replica_snapshot_digest(snapshot->index, snapshot->epoch, snapshot->chain,
                                    snapshot->data.data, snapshot->data.size);
        return encoded(&m);
    }
    if (m.type == MESSAGE_SUFFIX && m.body.msg_suffix.entries.n > 0) {
        struct suffix_entry *entries = m.body.msg_suffix.entries.items;
        struct suffix_entry *e = &entries[sim_random(s, m.body.msg_suffix.entries.n)];
        e->epoch = other_epoch(s, e->epoch);
        return encoded(&m);
    }
    return NULL;
}

static void send_instead(struct sim *s, uint32_t node, struct shared **bytes,
                         struct shared *damaged) {
    s->nodes[node].garbled = true;
    s->n_garbled++;
    shared_drop(*bytes);
    *bytes = damaged;
}

void garble(struct sim *s, uint32_t node, struct shared **bytes) {
    struct arena arena;
    struct message sent, m;
    arena_init(&arena);
    CHECK(message_decode((*bytes)->data, (*bytes)->size, &arena, &sent) == 0);
    if (s->nodes[node].garbles_votes) { /* an older build's STATE has no digest to betray it */
        if (sent.type == MESSAGE_STATE && sent.body.msg_state.lists.n > 0 &&
            sent.body.msg_state.digest != 0) {
            send_instead(s, node, bytes, damaged_votes(s, &sent));
        }
        arena_finish(&arena);
        return;
    }
    struct shared *epoch = sim_chance(s, 50) ? damaged_epoch(s, &sent) : NULL;
    if (epoch) {
        send_instead(s, node, bytes, epoch);
        arena_finish(&arena);
        return;
    }
    for (uint32_t i = 0; i < TRIES; i++) {
        struct shared *other = shared_new((*bytes)->data, (*bytes)->size);
        damage(s, other);
        if (message_decode(other->data, other->size, &arena, &m) < 0 ||
            !is_a_lie(&m, &sent, &arena)) {
            send_instead(s, node, bytes, other);
            arena_finish(&arena);
            return;
        }
        shared_drop(other);
    }
    arena_finish(&arena);
}

uint64_t sim_garbled(const struct sim *s) {
    return s->n_garbled;
}

void sim_garble(struct sim *s, uint32_t node, uint32_t percent, uint64_t us) {
    sim_trace(s, "%s: its memory is bad for %llu ms", s->names[node],
              (unsigned long long)us / 1000);
    s->nodes[node].garble_percent = percent;
    s->nodes[node].garbles_votes = false;
    s->nodes[node].garbles_until_us = s->now_us + us;
}

void sim_garble_votes(struct sim *s, uint32_t node, uint64_t us) {
    sim_garble(s, node, 100, us);
    s->nodes[node].garbles_votes = true;
}
