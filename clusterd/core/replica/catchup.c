/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Catching up: the source, whose log won, gives each member that is behind what it lacks, up to the
 * view's base.
 *
 * It starts after the member's last committed entry, because below that all logs are equal. So the
 * member finds by itself where its own, uncommitted tail differs, and drops it. If the source no
 * longer holds such old entries, a snapshot of its model comes first. The next piece is sent when
 * the last one has come back to the source: other messages get through in between, and memory stays
 * bounded.
 */
#include "core/replica/replica.h"

#include "base/check.h"
#include "base/mutant.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------- source ---- */

static int take_feed_snapshot(struct replica *r) {
    const struct model *m = r->model;
    struct buffer b;
    buffer_init(&b);
    model_encode(m, &b);
    size_t size = 0;
    uint8_t *data = buffer_steal(&b, &size);
    buffer_finish(&b);
    const struct log_item *item = log_at(&r->log, m->index);
    if (!data) {
        return -ENOMEM;
    }
    free(r->feed_snapshot);
    r->feed_snapshot = data;
    r->feed_snapshot_size = (uint32_t)size;
    r->feed_snapshot_index = m->index;
    r->feed_snapshot_epoch = item ? item->epoch : r->log.base_epoch;
    r->feed_snapshot_chain = item ? item->chain : r->log.base_chain;
    r->feed_snapshot_digest = replica_snapshot_digest(
        r->feed_snapshot_index, r->feed_snapshot_epoch, r->feed_snapshot_chain, data, size);
    return 0;
}

int replica_begin_feeding(struct replica *r, struct outbox *out) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        struct replica_peer *p = &r->peers[i];
        if (!p->in_view || p->id == r->self ||
            (p->state.last_index == r->base_index && p->state.last_epoch == r->base_epoch)) {
            continue;
        }
        p->feeding = true;
        p->feed_index = p->state.commit_index + 1;
        p->feed_offset_bytes = UINT64_MAX; /* no snapshot */
        if (p->feed_index <= r->log.base_index) {
            /* One snapshot serves all: it is of the applied state, which only grows. */
            int err = take_feed_snapshot(r);
            if (err < 0) {
                return err;
            }
            p->feed_offset_bytes = 0;
        }
        int err = replica_feed(r, p, out);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

static void feed_snapshot(struct replica *r, struct replica_peer *p, struct outbox *out) {
    uint64_t left = r->feed_snapshot_size - p->feed_offset_bytes;
    uint32_t size = left < MESSAGE_CHUNK_BYTES ? (uint32_t)left : MESSAGE_CHUNK_BYTES;
    struct message m = {
        .type = MESSAGE_SNAPSHOT,
        .body.msg_snapshot = {.target = p->id,
                              .index = r->feed_snapshot_index,
                              .epoch = r->feed_snapshot_epoch,
                              .chain = r->feed_snapshot_chain,
                              .total_bytes = r->feed_snapshot_size,
                              .offset_bytes = p->feed_offset_bytes,
                              .data = {.data = r->feed_snapshot + p->feed_offset_bytes,
                                       .size = size},
                              .digest = r->feed_snapshot_digest},
    };
    replica_send(r, &m, out);
    p->feed_offset_bytes += size;
    if (p->feed_offset_bytes == r->feed_snapshot_size) {
        p->feed_offset_bytes = UINT64_MAX;
        p->feed_index = r->feed_snapshot_index + 1;
    }
}

/* Sends the next piece. Even an empty suffix is sent: it tells a member with a longer, lost tail to
 * drop it. */
int replica_feed(struct replica *r, struct replica_peer *p, struct outbox *out) {
    if (!p || !p->feeding) {
        return 0;
    }
    if (p->feed_offset_bytes != UINT64_MAX) {
        feed_snapshot(r, p, out);
        return 0;
    }
    uint32_t n = 0;
    uint64_t bytes = 0;
    struct suffix_entry *entries = arena_array(&out->arena, REPLICA_FEED_ENTRIES, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    while (p->feed_index <= r->base_index && n < REPLICA_FEED_ENTRIES &&
           (n == 0 || bytes < MESSAGE_CHUNK_BYTES)) {
        const struct log_item *item = log_at(&r->log, p->feed_index);
        if (!item) {
            p->feeding = false; /* compacted away meanwhile: the member's deadline starts over */
            return 0;
        }
        entries[n++] = (struct suffix_entry){.index = p->feed_index,
                                             .epoch = item->epoch,
                                             .data = {.data = item->data, .size = item->size}};
        bytes += item->size;
        p->feed_index++;
    }
    p->feeding = p->feed_index <= r->base_index;
    struct message m = {
        .type = MESSAGE_SUFFIX,
        .body.msg_suffix = {.target = p->id, .entries = {.items = entries, .n = n}},
    };
    replica_send(r, &m, out);
    return 0;
}

/* -------------------------------------------------------------------------------- member ---- */

static uint64_t epoch_at(const struct log *log, uint64_t index) {
    const struct log_item *item = log_at(log, index);
    return item ? item->epoch : log->base_epoch;
}

/* Takes over one entry of the source. 1: it was new and must be stored; 0: we had it. Its content
 * is not checked, because it may date from a time when nothing was; the chain at the base proves
 * it. */
static int take_entry(struct replica *r, const struct suffix_entry *e, uint64_t *truncate_from) {
    if (e->index <= r->log.base_index || e->index <= r->commit_index) {
        return 0;
    }
    const struct log_item *own = log_at(&r->log, e->index);
    if (own && (own->epoch == e->epoch || MUTANT(tail_kept))) {
        return 0;
    }
    bool in_order = e->epoch <= r->base_epoch && e->epoch >= epoch_at(&r->log, e->index - 1);
    if (e->index > log_last_index(&r->log) + 1 || e->index > r->base_index ||
        (!in_order && !MUTANT(suffix_epoch_unread))) {
        return -EBADMSG;
    }
    if (own) {
        CHECK(e->index > r->commit_index); /* what is committed is never dropped */
        log_truncate(&r->log, e->index);
        *truncate_from = e->index;
    }
    int err = log_append(&r->log, e->epoch, e->data.data, e->data.size);
    return err < 0 ? err : 1;
}

static int drop_tail_beyond_base(struct replica *r, struct outbox *out) {
    if (log_last_index(&r->log) <= r->base_index) {
        return 0;
    }
    log_truncate(&r->log, r->base_index + 1);
    struct core_store *store = replica_store(r, r->epoch, log_last_index(&r->log), out);
    store->truncate_from = r->base_index + 1;
    return 0;
}

/*
 * What the source has sent is not its log, or makes no sense. Everything taken from that index on
 * is dropped (0: nothing was taken) and requested again.
 */
static int catch_up_anew(struct replica *r, uint64_t from, const char *what, struct outbox *out) {
    if (from > r->commit_index && log_last_index(&r->log) >= from) {
        log_truncate(&r->log, from);
        replica_store(r, r->epoch, log_last_index(&r->log), out)->truncate_from = from;
    }
    r->bad_catchups++;
    return replica_damaged(r, replica_peer(r, r->source), what, out);
}

int replica_finish_catchup(struct replica *r, struct outbox *out) {
    if (log_last_index(&r->log) < r->base_index ||
        epoch_at(&r->log, r->base_index) != r->base_epoch) {
        return 0; /* more is to come */
    }
    if (r->commit_index > r->base_index) {
        return catch_up_anew(r, r->taken_from, "a piece of its state", out);
    }
    int err = drop_tail_beyond_base(r, out);
    if (err < 0) {
        return err;
    }
    if (log_last_chain(&r->log) != r->base_chain && r->bad_catchups < REPLICA_MAX_CATCHUPS) {
        /* If nothing was taken, it is what we had beyond the last committed entry. */
        uint64_t from = r->taken_from ? r->taken_from : r->commit_index + 1;
        return catch_up_anew(r, from, "a piece of its log", out);
    }
    if (log_last_chain(&r->log) != r->base_chain) {
        outbox_log(out, SEVERITY_ERROR,
                   "after catching up this node's log differs from node %u's at index %llu: its "
                   "database is damaged; stop clusterd here, move cluster.db away and start it "
                   "again: it will take a copy from the others",
                   r->source, (unsigned long long)r->base_index);
        return -ENOTRECOVERABLE;
    }
    struct wire_bytes *entries = arena_array(&out->arena, r->n_deferred, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < r->n_deferred; i++) {
        entries[i] = (struct wire_bytes){.data = r->deferred[i].data, .size = r->deferred[i].size};
    }
    if (replica_peer(r, r->self)->forgetful) {
        return replica_enter_exchange(r, r->last_step_ms, out); /* with all that it lacked */
    }
    r->catching = false;
    r->bad_catchups = 0;
    r->deadline_ms = UINT64_MAX;
    err = replica_append(r, entries, r->n_deferred, out);
    replica_drop_deferred(r);
    return err;
}

int replica_on_suffix(struct replica *r, const struct msg_suffix *m, uint64_t now_ms,
                      struct outbox *out) {
    if (m->target != r->self || !r->catching) {
        return 0;
    }
    const struct suffix_entry *entries = m->entries.items;
    struct core_entry *stored = arena_array(&out->arena, m->entries.n, sizeof(*stored));
    if (!stored) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    uint64_t truncate_from = 0;
    int taken = 0;
    for (uint32_t i = 0; i < m->entries.n && taken >= 0; i++) {
        const struct suffix_entry *e = &entries[i];
        taken = take_entry(r, e, &truncate_from);
        if (taken <= 0) {
            continue;
        }
        r->taken_from = r->taken_from && r->taken_from < e->index ? r->taken_from : e->index;
        const uint8_t *data = arena_copy(&out->arena, e->data.data, e->data.size);
        if (!data) {
            return -ENOMEM;
        }
        stored[n++] = (struct core_entry){
            .index = e->index, .epoch = e->epoch, .data = data, .size = e->data.size};
    }
    if (n > 0) {
        struct core_store *store = replica_store(r, r->epoch, log_last_index(&r->log), out);
        store->truncate_from = truncate_from;
        store->entries = stored;
        store->n_entries = n;
        for (uint32_t i = 0; i < n; i++) {
            replica_note_needs(r, log_needs(stored[i].data, stored[i].size, out), store);
        }
    }
    if (taken < 0) {
        return taken == -EBADMSG ? catch_up_anew(r, r->taken_from, "a piece of its log", out)
                                 : taken;
    }
    r->deadline_ms = now_ms + TIMEOUT_CATCHUP_MS;
    return replica_finish_catchup(r, out);
}

int replica_on_snapshot(struct replica *r, const struct msg_snapshot *m, uint64_t now_ms,
                        struct outbox *out) {
    (void)out;
    if (m->target != r->self || !r->catching) {
        return 0;
    }
    if (m->offset_bytes == 0) {
        buffer_clear(&r->incoming);
    }
    if (m->offset_bytes != r->incoming.size) {
        r->deadline_ms = now_ms;
        return 0;
    }
    buffer_append(&r->incoming, m->data.data, m->data.size);
    if (r->incoming.failed) {
        return -ENOMEM;
    }
    r->deadline_ms = now_ms + TIMEOUT_CATCHUP_MS;
    if (r->incoming.size == m->total_bytes) {
        r->snapshot_arrived = true;
        r->arrived_index = m->index;
        r->arrived_epoch = m->epoch;
        r->arrived_chain = m->chain;
        r->arrived_digest = m->digest;
    }
    return 0;
}

/* Epochs never fall along a log, so its own lies between these two. One above the base's may be one
 * that nobody has promised. */
static bool epoch_fits(const struct replica *r) {
    if (r->arrived_index == r->base_index) {
        return r->arrived_epoch == r->base_epoch && r->arrived_chain == r->base_chain;
    }
    return r->arrived_epoch >= epoch_at(&r->log, r->commit_index) &&
           r->arrived_epoch <= r->base_epoch;
}

bool replica_snapshot_fits(const struct replica *r) {
    return r->arrived_index > r->commit_index && r->arrived_index <= r->base_index &&
           epoch_fits(r) &&
           replica_snapshot_digest(r->arrived_index, r->arrived_epoch, r->arrived_chain,
                                   r->incoming.data, r->incoming.size) == r->arrived_digest;
}

int replica_snapshot_refused(struct replica *r, struct outbox *out) {
    r->snapshot_arrived = false;
    buffer_clear(&r->incoming);
    return catch_up_anew(r, r->taken_from, "a piece of its state", out);
}

int replica_snapshot_loaded(struct replica *r, struct outbox *out) {
    r->snapshot_arrived = false;
    /* Later entries that are the same log stay: somebody may count on our having them. */
    const struct log_item *same = log_at(&r->log, r->arrived_index);
    bool keep = same && same->chain == r->arrived_chain;
    if (keep) {
        log_trim(&r->log, r->arrived_index);
    } else {
        log_reset(&r->log, r->arrived_index, r->arrived_epoch, r->arrived_chain);
    }
    r->commit_index = r->arrived_index;
    r->applied_index = r->arrived_index;
    r->compacted_index = r->arrived_index;
    struct core_store *store = replica_store(r, r->epoch, r->arrived_index, out);
    store->truncate_from = keep ? 0 : 1;
    store->snapshot = arena_copy(&out->arena, r->incoming.data, r->incoming.size);
    store->snapshot_size = (uint32_t)r->incoming.size;
    store->snapshot_index = r->arrived_index;
    store->snapshot_epoch = r->arrived_epoch;
    store->snapshot_chain = r->arrived_chain;
    replica_note_needs(r, r->model->needs, store);
    r->snapshot_bytes = r->incoming.size;
    r->kept_bytes = r->log.bytes;
    buffer_finish(&r->incoming);
    buffer_init(&r->incoming);
    if (!store->snapshot) {
        return -ENOMEM;
    }
    return replica_finish_catchup(r, out);
}
