/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each node's database, as store/store.c treats it: what arrives during a commit goes into the next
 * transaction; STORED says what is safe. A crash leaves the running transaction done or not done,
 * never half, and loses what waits. A disk may be slow, full or broken; a database may be lost, or
 * replaced by an older copy.
 */
#include "sim/world.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *copy_bytes(const void *data, size_t size) {
    void *copy = malloc(size ? size : 1);
    CHECK(copy != NULL);
    if (size) {
        memcpy(copy, data, size);
    }
    return copy;
}

static struct store *store_copy(const struct core_store *put) {
    struct store *copy = calloc(1, sizeof(*copy));
    CHECK(copy != NULL);
    copy->put = *put;
    struct core_entry *entries = copy_bytes(put->entries, put->n_entries * sizeof(*entries));
    for (uint32_t i = 0; i < put->n_entries; i++) {
        entries[i].data = copy_bytes(entries[i].data, entries[i].size);
    }
    copy->put.entries = entries;
    if (put->snapshot) {
        copy->put.snapshot = copy_bytes(put->snapshot, put->snapshot_size);
    }
    return copy;
}

static void store_free(struct store *store) {
    for (uint32_t i = 0; i < store->put.n_entries; i++) {
        free((void *)(uintptr_t)store->put.entries[i].data);
    }
    free((void *)(uintptr_t)store->put.entries);
    free((void *)(uintptr_t)store->put.snapshot);
    free(store);
}

static void stores_free(struct store *store) {
    while (store) {
        struct store *next = store->next;
        store_free(store);
        store = next;
    }
}

/* ---- the database ---- */

static void database_finish(struct database *db) {
    shared_drop(db->snapshot.bytes);
    log_finish(&db->log);
    *db = (struct database){0};
    log_init(&db->log);
}

static void database_copy(const struct database *from, struct database *to) {
    database_finish(to);
    *to = *from;
    if (to->snapshot.bytes) {
        to->snapshot.bytes->owners++;
    }
    log_init(&to->log);
    log_reset(&to->log, from->log.base_index, from->log.base_epoch, from->log.base_chain);
    for (uint32_t i = 0; i < from->log.n; i++) {
        const struct log_item *item = &from->log.items[i];
        CHECK(log_append(&to->log, item->epoch, item->data, item->size) == 0);
    }
}

static void put_snapshot(struct database *db, const struct core_store *put) {
    shared_drop(db->snapshot.bytes);
    db->snapshot = (struct snapshot){.bytes = shared_new(put->snapshot, put->snapshot_size),
                                     .index = put->snapshot_index,
                                     .epoch = put->snapshot_epoch,
                                     .chain = put->snapshot_chain};
    const struct log_item *item = log_at(&db->log, put->snapshot_index);
    if (item && item->chain == put->snapshot_chain && !put->truncate_from) {
        log_trim(&db->log, put->snapshot_index);
    } else if (put->snapshot_index != db->log.base_index) {
        log_reset(&db->log, put->snapshot_index, put->snapshot_epoch, put->snapshot_chain);
    }
}

static void apply_store(struct sim *s, uint32_t node, const struct core_store *put) {
    struct database *db = &s->nodes[node].disk.db;
    if (put->promised && put->promised < db->promised) {
        sim_fail(s, "%s stores a promise lower than the one before", s->names[node]);
    }
    db->promised = put->promised ? put->promised : db->promised;
    db->needs = put->needs > db->needs ? put->needs : db->needs;
    if (put->truncate_from && !put->snapshot) {
        if (put->truncate_from <= db->commit_index) {
            sim_fail(s, "%s drops committed entries from its disk", s->names[node]);
        }
        if (put->truncate_from > db->log.base_index) {
            log_truncate(&db->log, put->truncate_from);
        }
    }
    if (put->commit_index > db->commit_index) {
        db->commit_index = put->commit_index;
    }
    if (put->snapshot) {
        put_snapshot(db, put);
    }
    for (uint32_t i = 0; i < put->n_entries; i++) {
        const struct core_entry *e = &put->entries[i];
        if (e->index != log_last_index(&db->log) + 1) {
            sim_fail(s, "%s stores entry %llu behind %llu", s->names[node],
                     (unsigned long long)e->index, (unsigned long long)log_last_index(&db->log));
            return;
        }
        CHECK(log_append(&db->log, e->epoch, e->data, e->size) == 0);
    }
}

bool disk_has(const struct sim *s, uint32_t node, uint64_t index, uint64_t chain) {
    const struct database *db = &s->nodes[node].disk.db;
    const struct log_item *item = log_at(&db->log, index);
    if (item) {
        return item->chain == chain;
    }
    return index <= db->log.base_index; /* in the snapshot, which was made of committed entries */
}

bool sim_disk_holds(const struct sim *s, uint32_t node, const char *text) {
    const struct database *db = &s->nodes[node].disk.db;
    const struct shared *snapshot = db->snapshot.bytes;
    bool holds = snapshot && memmem(snapshot->data, snapshot->size, text, strlen(text));
    for (uint32_t i = 0; !holds && i < db->log.n; i++) {
        const struct log_item *item = &db->log.items[i];
        holds = memmem(item->data, item->size, text, strlen(text)) != NULL;
    }
    return holds;
}

/* ---- transactions ---- */

static void commit(struct sim *s, uint64_t node, uint64_t number);

static void begin(struct sim *s, uint32_t node) {
    struct disk *d = &s->nodes[node].disk;
    if (d->committing || !d->first) {
        return;
    }
    d->committing = d->first;
    d->first = NULL;
    uint64_t us = sim_delay(s, 700);
    if (d->mode == DISK_SLOW) {
        us += sim_random(s, sim_chance(s, 20) ? 1500000 : 60000);
    }
    sim_at(s, us, commit, node, ++d->commits);
}

static void apply_all(struct sim *s, uint32_t node, uint64_t *ret_seq) {
    struct disk *d = &s->nodes[node].disk;
    for (const struct store *store = d->committing; store; store = store->next) {
        apply_store(s, node, &store->put);
        *ret_seq = store->put.seq;
    }
}

static void commit(struct sim *s, uint64_t node, uint64_t number) {
    struct node *n = &s->nodes[node];
    struct disk *d = &n->disk;
    if (d->commits != number || !d->committing) {
        return;
    }
    if (n->frozen || d->mode == DISK_HANGS) {
        sim_at(s, 20000, commit, node, number);
        return;
    }
    struct item *item = item_new(ITEM_EVENT);
    item->event.type = CORE_EVENT_STORED;
    if (d->mode >= DISK_FULL || d->failed) {
        d->failed = true;
        item->event.stored.error = d->mode == DISK_FULL ? -ENOSPC : -EIO;
        item->event.stored.seq = d->committing->put.seq;
    } else {
        apply_all(s, (uint32_t)node, &item->event.stored.seq);
    }
    stores_free(d->committing);
    d->committing = NULL;
    node_post(s, (uint32_t)node, STREAM_STORE, item, sim_delay(s, 30));
    begin(s, (uint32_t)node);
}

void disk_put(struct sim *s, uint32_t node, const struct core_store *put) {
    struct disk *d = &s->nodes[node].disk;
    struct store **last = &d->first;
    while (*last) {
        last = &(*last)->next;
    }
    *last = store_copy(put);
    begin(s, node);
}

void disk_crash(struct sim *s, uint32_t node) {
    struct disk *d = &s->nodes[node].disk;
    uint64_t seq;
    if (d->committing && d->mode < DISK_FULL && !d->failed && sim_chance(s, 50)) {
        apply_all(s, node, &seq);
    }
    stores_free(d->committing);
    stores_free(d->first);
    d->committing = NULL;
    d->first = NULL;
    d->failed = false;
    d->commits++;
}

void disk_fill_boot(const struct sim *s, uint32_t node, struct core_stored_state *ret_state,
                    struct core_entry **ret_entries) {
    const struct database *db = &s->nodes[node].disk.db;
    struct core_entry *entries = calloc(db->log.n ? db->log.n : 1, sizeof(*entries));
    CHECK(entries != NULL);
    for (uint32_t i = 0; i < db->log.n; i++) {
        entries[i] = (struct core_entry){.index = db->log.base_index + 1 + i,
                                         .epoch = db->log.items[i].epoch,
                                         .data = db->log.items[i].data,
                                         .size = db->log.items[i].size};
    }
    *ret_state = (struct core_stored_state){
        .promised = db->promised,
        .commit_index = db->commit_index,
        .snapshot_index = db->snapshot.index,
        .snapshot_epoch = db->snapshot.epoch,
        .snapshot_chain = db->snapshot.chain,
        .snapshot = db->snapshot.bytes ? db->snapshot.bytes->data : NULL,
        .snapshot_size = db->snapshot.bytes ? db->snapshot.bytes->size : 0,
        .entries = entries,
        .n_entries = db->log.n,
    };
    *ret_entries = entries;
}

void disk_finish(struct disk *disk) {
    stores_free(disk->committing);
    stores_free(disk->first);
    database_finish(&disk->db);
    database_finish(&disk->kept);
    log_finish(&disk->db.log);
    log_finish(&disk->kept.log);
}

/* ---- what happens to disks ---- */

void sim_disk_mode(struct sim *s, uint32_t node, enum sim_disk mode) {
    static const char *const names[] = {"is fine", "is slow", "hangs", "is full", "is broken"};
    if (s->nodes[node].disk.mode != mode) {
        sim_trace(s, "%s: its disk %s", s->names[node], names[mode]);
        s->nodes[node].disk.mode = mode;
        s->nodes[node].disk.mended_us = s->now_us;
    }
}

void sim_disk_remember(struct sim *s, uint32_t node) {
    struct disk *d = &s->nodes[node].disk;
    sim_trace(s, "%s: a copy of its database is put away", s->names[node]);
    database_copy(&d->db, &d->kept);
    d->has_kept = true;
}

void sim_disk_replace(struct sim *s, uint32_t node) {
    struct disk *d = &s->nodes[node].disk;
    if (d->has_kept && !s->nodes[node].alive) {
        sim_trace(s, "%s: its database is replaced by an older copy (%llu instead of %llu entries)",
                  s->names[node], (unsigned long long)log_last_index(&d->kept.log),
                  (unsigned long long)log_last_index(&d->db.log));
        database_copy(&d->kept, &d->db);
        d->tampered = true;
    }
}

void sim_disk_wipe(struct sim *s, uint32_t node) {
    struct disk *d = &s->nodes[node].disk;
    if (!s->nodes[node].alive) {
        sim_trace(s, "%s: its database is lost", s->names[node]);
        database_finish(&d->db);
        d->tampered = true;
        s->nodes[node].flipped = false;
    }
}
