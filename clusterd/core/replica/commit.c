/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of an active view: placed by the sequencer, appended there, stored, acknowledged,
 * committed.
 *
 * An acknowledgement follows the STORED of what it acknowledges, never the delivery: that a message
 * came back to its sender does not mean that anybody has it on a disk.
 */
#include "core/replica/replica.h"

#include "base/check.h"
#include "base/mutant.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct core_store *replica_store(struct replica *r, uint64_t epoch, uint64_t index,
                                 struct outbox *out) {
    if (r->n_stores == r->stores_capacity) {
        uint32_t capacity = r->stores_capacity ? r->stores_capacity * 2 : 16;
        struct replica_pending_store *stores = realloc(r->stores, capacity * sizeof(*stores));
        if (!stores) {
            out->error = -ENOMEM;
            return &out->spare.store;
        }
        r->stores = stores;
        r->stores_capacity = capacity;
    }
    r->stores[r->n_stores++] =
        (struct replica_pending_store){.seq = ++r->store_seq,
                                       .epoch = epoch,
                                       .index = index,
                                       .chain = index ? log_last_chain(&r->log) : 0,
                                       .since_ms = r->last_step_ms};
    struct core_store *store = &outbox_add(out, CORE_ACTION_STORE)->store;
    store->seq = r->store_seq;
    store->commit_index = r->commit_index;
    return store;
}

static void send_ack(struct replica *r, uint64_t index, uint64_t chain, struct outbox *out) {
    struct message m = {.type = MESSAGE_ACK, .body.msg_ack = {.index = index, .chain = chain}};
    replica_send(r, &m, out);
}

int replica_append(struct replica *r, const struct wire_bytes *entries, uint32_t n,
                   struct outbox *out) {
    struct core_entry *stored = arena_array(&out->arena, n, sizeof(*stored));
    if (!stored) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        int err = log_append(&r->log, r->epoch, entries[i].data, entries[i].size);
        if (err < 0) {
            return err;
        }
        stored[i] = (struct core_entry){
            .index = log_last_index(&r->log),
            .epoch = r->epoch,
            .data = arena_copy(&out->arena, entries[i].data, entries[i].size),
            .size = entries[i].size,
        };
        if (!stored[i].data) {
            return -ENOMEM;
        }
    }
    struct core_store *store = replica_store(r, r->epoch, log_last_index(&r->log), out);
    store->entries = stored;
    store->n_entries = n;
    for (uint32_t i = 0; i < n; i++) {
        replica_note_needs(r, log_needs(stored[i].data, stored[i].size, out), store);
    }
    if (MUTANT(ack_before_stored)) {
        send_ack(r, log_last_index(&r->log), log_last_chain(&r->log), out);
    }
    return 0;
}

int replica_stored(struct replica *r, uint64_t seq, struct outbox *out) {
    uint64_t index = 0, chain = 0;
    bool promised = false;
    uint32_t done = 0;
    while (done < r->n_stores && r->stores[done].seq <= seq) {
        const struct replica_pending_store *s = &r->stores[done++];
        if (s->index) {
            r->stored_index = s->index;
        }
        if (s->epoch != r->epoch) {
            continue; /* of an earlier view: after our promise nothing of it is acknowledged */
        }
        if (s->index) {
            index = s->index;
            chain = s->chain;
        } else if (r->phase == REPLICA_PROMISE) {
            promised = true;
        }
    }
    memmove(r->stores, r->stores + done, (r->n_stores - done) * sizeof(*r->stores));
    r->n_stores -= done;
    if (promised) {
        struct message m = {.type = MESSAGE_PROMISED,
                            .body.msg_promised = {.proposal = r->proposal}};
        replica_send(r, &m, out);
    }
    if (index && r->phase == REPLICA_ACTIVE && index > r->base_index) {
        send_ack(r, index, chain, out);
    }
    return 0;
}

static bool acked(const struct replica *r, const struct replica_peer *p) {
    return p->in_view && p->acked_index >= r->candidate;
}

static bool disagrees(const struct replica *r, const struct replica_peer *p) {
    (void)r;
    return p->in_view && p->disagrees;
}

/* The highest index that enough of the view's votes have stored. All entries after base are of this
 * epoch. */
static void advance_commit(struct replica *r) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        uint64_t index = r->peers[i].in_view ? r->peers[i].acked_index : 0;
        if (index <= r->commit_index || index > log_last_index(&r->log)) {
            continue;
        }
        r->candidate = index;
        if (replica_enough(r, acked, MUTANT(one_vote_short))) {
            CHECK(index > r->commit_index && index <= log_last_index(&r->log));
            r->commit_index = index;
        }
    }
}

static int on_ack(struct replica *r, struct replica_peer *peer, const struct msg_ack *ack,
                  struct outbox *out) {
    const struct log_item *item = log_at(&r->log, ack->index);
    uint64_t last = r->catching ? r->base_index + r->n_deferred : log_last_index(&r->log);
    if (ack->index > last && !MUTANT(ack_unread)) {
        return replica_damaged(r, peer, "an acknowledgement", out); /* of what was never sent */
    }
    bool said = peer->disagrees;
    peer->disagrees = !r->catching && item && item->chain != ack->chain;
    if (peer->disagrees) {
        if (!said) { /* it says so of each further entry */
            outbox_log(out, SEVERITY_ERROR,
                       "node %u acknowledges a log that differs from ours at index %llu: it is not "
                       "counted",
                       peer->id, (unsigned long long)ack->index);
        }
        if (replica_majority(r, &r->lists, disagrees, 0)) {
            return -ENOTRECOVERABLE; /* it is we who are wrong */
        }
        return 0;
    }
    peer->acked_index = ack->index;
    peer->kept_epoch = r->epoch;
    peer->kept_index = ack->index;
    if (!r->catching) {
        advance_commit(r);
    }
    return 0;
}

/* Further ones wait here and travel together in the next message. */
#define MESSAGES_IN_FLIGHT 2u

/* Sends entries out: with their place if this node is the sequencer, else to the sequencer. */
static void send_entries(struct replica *r, struct entry_bytes *entries, uint32_t n,
                         struct outbox *out) {
    struct message m = {.type = MESSAGE_ENTRIES,
                        .body.msg_entries.entries = {.items = entries, .n = n}};
    if (r->sequencer == r->self) {
        m.body.msg_entries.index = r->next_index;
        r->next_index += n;
    }
    r->n_in_flight++;
    replica_send(r, &m, out);
}

static int on_entries(struct replica *r, struct replica_peer *peer, const struct msg_entries *m,
                      uint64_t now_ms, struct outbox *out) {
    struct entry_bytes *entries = m->entries.items;
    if (peer->id == r->self && r->n_in_flight > 0) {
        r->n_in_flight--;
    }
    int err = replica_check_entries(r, entries, m->entries.n, &out->arena);
    if (m->entries.n == 0 || (m->index != 0 && peer->id != r->sequencer)) {
        err = -EBADMSG;
    }
    if (err < 0) {
        return err == -EBADMSG ? replica_damaged(r, peer, "a change", out) : err;
    }
    if (m->index == 0) {
        if (r->sequencer == r->self) {
            send_entries(r, entries, m->entries.n, out);
        }
        return 0;
    }
    uint64_t next = r->catching ? r->base_index + r->n_deferred + 1 : log_last_index(&r->log) + 1;
    if (m->index != next) {
        /* A hole: the ring is breaking. Nothing more of this view can be appended here. */
        return replica_enter_exchange(r, now_ms, out);
    }
    struct wire_bytes *bytes = arena_array(&out->arena, m->entries.n, sizeof(*bytes));
    if (!bytes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < m->entries.n; i++) {
        bytes[i] = entries[i].data;
        err = r->catching ? replica_defer(r, &bytes[i]) : 0;
        if (err < 0) {
            return err;
        }
    }
    return r->catching ? 0 : replica_append(r, bytes, m->entries.n, out);
}

int replica_active_message(struct replica *r, struct replica_peer *peer, const struct message *m,
                           uint64_t now_ms, struct outbox *out) {
    bool feeds = m->type == MESSAGE_SUFFIX || m->type == MESSAGE_SNAPSHOT;
    if (feeds && peer->id != r->source) { /* the view rests on nobody else's log */
        return replica_damaged(r, peer, "a piece of a log that nobody has asked for", out);
    }
    switch (m->type) {
    case MESSAGE_ENTRIES: return on_entries(r, peer, &m->body.msg_entries, now_ms, out);
    case MESSAGE_ACK: return on_ack(r, peer, &m->body.msg_ack, out);
    case MESSAGE_SUFFIX:
        if (peer->id == r->self) {
            return replica_suffix_is_ours(r, &m->body.msg_suffix)
                       ? replica_feed(r, replica_peer(r, m->body.msg_suffix.target), out)
                       : replica_damaged(r, peer, "a piece of its log", out);
        }
        return replica_on_suffix(r, &m->body.msg_suffix, now_ms, out);
    case MESSAGE_SNAPSHOT:
        if (peer->id == r->self) {
            return replica_snapshot_is_ours(r, &m->body.msg_snapshot)
                       ? replica_feed(r, replica_peer(r, m->body.msg_snapshot.target), out)
                       : replica_damaged(r, peer, "a piece of its state", out);
        }
        return replica_on_snapshot(r, &m->body.msg_snapshot, now_ms, out);
    case MESSAGE_STATE:
    case MESSAGE_PROPOSE:
    case MESSAGE_PROMISED:
    case MESSAGE_HEARTBEAT:
    case MESSAGE_PROGRESS: break;
    }
    return 0;
}

/*
 * One message for as many commands as fit: what was decided together is stored together. While
 * messages of ours are on their way, new commands wait for the first of them to come back. A single
 * command loses no time by that. Of many commands, each costs only a share of a message, both on
 * the ring and in every member that must look at it.
 */
void replica_flush(struct replica *r, struct outbox *out) {
    uint32_t first = 0;
    while (first < r->n_outgoing && r->n_in_flight < MESSAGES_IN_FLIGHT) {
        uint64_t bytes = 0;
        uint32_t n = 0;
        while (first + n < r->n_outgoing &&
               (n == 0 || bytes + r->outgoing[first + n].data.size + 16 < MESSAGE_CHUNK_BYTES)) {
            bytes += r->outgoing[first + n].data.size + 16;
            n++;
        }
        send_entries(r, r->outgoing + first, n, out);
        first += n;
    }
    if (first > 0) {
        replica_drop_sent(r, first);
    }
}

/*
 * The newest entries stay in memory, within bounds on number and size: a node that was away for a
 * moment needs no snapshot.
 */
static void trim_log(struct replica *r, uint64_t snapshot_index) {
    uint64_t keep_from = snapshot_index, bytes = 0;
    for (uint32_t n = 0; n < r->keep_entries && keep_from > r->log.base_index; n++) {
        bytes += log_at(&r->log, keep_from)->size;
        if (bytes > REPLICA_KEEP_BYTES) {
            break;
        }
        keep_from--;
    }
    log_trim(&r->log, keep_from);
}

int replica_compact(struct replica *r, const struct model *m, struct outbox *out) {
    CHECK(m->index == r->applied_index);
    const struct log_item *item = log_at(&r->log, m->index);
    if (!item) {
        return 0;
    }
    struct buffer snapshot;
    buffer_init(&snapshot);
    model_encode(m, &snapshot);
    uint8_t *data = snapshot.failed ? NULL : arena_copy(&out->arena, snapshot.data, snapshot.size);
    size_t size = snapshot.size;
    buffer_finish(&snapshot);
    if (!data) {
        return -ENOMEM;
    }
    struct core_store *store = replica_store(r, r->epoch, 0, out);
    if (out->error) {
        return out->error;
    }
    r->stores[r->n_stores - 1].epoch =
        0; /* neither a promise nor entries: nothing to say when done */
    store->snapshot = data;
    store->snapshot_size = (uint32_t)size;
    store->snapshot_index = m->index;
    store->snapshot_epoch = item->epoch;
    store->snapshot_chain = item->chain;
    replica_note_needs(r, m->needs, store);
    r->snapshot_bytes = size;
    trim_log(r, m->index);
    r->kept_bytes = r->log.bytes;
    r->compacted_index = m->index;
    return 0;
}
