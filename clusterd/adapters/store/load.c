/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads the database and checks all of it; see store/schema.h.
 *
 * What must hold: each row's CRC is right; the log follows the snapshot without a gap; epochs never
 * fall; no epoch is above the promised one. A node whose database breaks a rule must not vote with
 * it.
 */
#include "adapters/store/schema.h"

#include "adapters/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct loading {
    struct database *db;
    struct arena *arena;
    struct core_stored_state *state;
    uint64_t node;
    char *message;
};

static int damaged(struct loading *l, const char *what, uint64_t index) {
    (void)snprintf(l->message, STORE_MAX_MESSAGE,
                   "cluster.db is damaged: %s (%llu); if the cluster is quorate without this node, "
                   "move the file away and "
                   "start clusterd again: it gets all data from the others",
                   what, (unsigned long long)index);
    return -EBADMSG;
}

static int prepare(struct loading *l, const char *text, sqlite3_stmt **ret_statement) {
    int error = sqlite_errno(sqlite3_prepare_v2(l->db->handle, text, -1, ret_statement, NULL));
    if (error < 0) {
        (void)snprintf(l->message, STORE_MAX_MESSAGE, "cluster.db: %s",
                       sqlite3_errmsg(l->db->handle));
    }
    return error;
}

/* 1: a row; 0: the end; or an error. */
static int step(struct loading *l, sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        return 1;
    }
    int error = sqlite_errno(code);
    if (error < 0) {
        (void)snprintf(l->message, STORE_MAX_MESSAGE, "cluster.db: %s",
                       sqlite3_errmsg(l->db->handle));
    }
    return error;
}

static uint64_t column_u64(sqlite3_stmt *statement, int column) {
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static int column_blob(struct loading *l, sqlite3_stmt *statement, int column,
                       const uint8_t **ret_data, uint32_t *ret_size) {
    const void *data = sqlite3_column_blob(statement, column);
    int size = sqlite3_column_bytes(statement, column);
    *ret_size = size > 0 ? (uint32_t)size : 0;
    *ret_data = arena_copy(l->arena, data, *ret_size);
    return *ret_data ? 0 : -ENOMEM;
}

static int load_meta(struct loading *l) {
    sqlite3_stmt *statement = NULL;
    int error = prepare(l, "SELECT key, value, crc FROM meta", &statement);
    while (error == 0 && (error = step(l, statement)) == 1) {
        const char *key = (const char *)sqlite3_column_text(statement, 0);
        uint64_t value = column_u64(statement, 1);
        if (!key || meta_crc(key, value) != (uint32_t)sqlite3_column_int64(statement, 2)) {
            error = damaged(l, "a counter has a wrong checksum", value);
            break;
        }
        if (strcmp(key, "promised") == 0) {
            l->state->promised = value;
        } else if (strcmp(key, "commit_index") == 0) {
            l->state->commit_index = value;
        } else if (strcmp(key, "node") == 0) {
            l->node = value;
        }
        error = 0;
    }
    (void)sqlite3_finalize(statement);
    return error;
}

static int load_snapshot(struct loading *l) {
    struct core_stored_state *s = l->state;
    sqlite3_stmt *statement = NULL;
    int error = prepare(l, "SELECT idx, epoch, chain, data, crc FROM snapshot", &statement);
    if (error == 0 && (error = step(l, statement)) == 1) {
        s->snapshot_index = column_u64(statement, 0);
        s->snapshot_epoch = column_u64(statement, 1);
        s->snapshot_chain = column_u64(statement, 2);
        error = column_blob(l, statement, 3, &s->snapshot, &s->snapshot_size);
        if (error == 0 &&
            row_crc(s->snapshot_index, s->snapshot_epoch, s->snapshot_chain, s->snapshot,
                    s->snapshot_size) != (uint32_t)sqlite3_column_int64(statement, 4)) {
            error = damaged(l, "the snapshot has a wrong checksum, at index", s->snapshot_index);
        }
        if (error == 0 && s->snapshot_epoch > s->promised) {
            error =
                damaged(l, "the snapshot is of an epoch above the promised one", s->snapshot_epoch);
        }
    }
    (void)sqlite3_finalize(statement);
    return error;
}

static int load_entry(struct loading *l, sqlite3_stmt *statement, uint64_t index,
                      uint64_t last_epoch, struct core_entry *ret_entry) {
    ret_entry->index = column_u64(statement, 0);
    ret_entry->epoch = column_u64(statement, 1);
    int error = column_blob(l, statement, 2, &ret_entry->data, &ret_entry->size);
    if (error < 0) {
        return error;
    }
    if (ret_entry->index != index) {
        return damaged(l, "a log entry is missing, index", index);
    }
    if (row_crc(index, ret_entry->epoch, 0, ret_entry->data, ret_entry->size) !=
        (uint32_t)sqlite3_column_int64(statement, 3)) {
        return damaged(l, "a log entry has a wrong checksum, index", index);
    }
    if (ret_entry->epoch < last_epoch || ret_entry->epoch > l->state->promised) {
        return damaged(l, "a log entry has an invalid epoch, index", index);
    }
    return 0;
}

static int count_log(struct loading *l, uint64_t *ret_n) {
    sqlite3_stmt *statement = NULL;
    int error = prepare(l, "SELECT count(*) FROM log", &statement);
    if (error == 0 && (error = step(l, statement)) == 1) {
        *ret_n = column_u64(statement, 0);
        error = 0;
    }
    (void)sqlite3_finalize(statement);
    return error;
}

static int load_log(struct loading *l) {
    struct core_stored_state *s = l->state;
    sqlite3_stmt *statement = NULL;
    uint64_t n = 0;
    int error = count_log(l, &n);
    struct core_entry *entries =
        error == 0 && n < UINT32_MAX ? arena_array(l->arena, n, sizeof(*entries)) : NULL;
    if (error == 0) {
        error = entries
                    ? prepare(l, "SELECT idx, epoch, data, crc FROM log ORDER BY idx", &statement)
                    : -ENOMEM;
    }
    uint64_t last_epoch = s->snapshot_epoch;
    while (error == 0 && s->n_entries < n && (error = step(l, statement)) == 1) {
        struct core_entry *entry = &entries[s->n_entries];
        error = load_entry(l, statement, s->snapshot_index + 1 + s->n_entries, last_epoch, entry);
        last_epoch = entry->epoch;
        s->n_entries += error == 0;
    }
    s->entries = entries;
    (void)sqlite3_finalize(statement);
    return error;
}

int database_load(struct database *db, struct arena *arena, struct core_stored_state *ret_state,
                  uint64_t *ret_node, char *ret_message) {
    struct core_stored_state state = {0};
    struct loading l = {.db = db, .arena = arena, .state = &state, .message = ret_message};
    (void)snprintf(ret_message, STORE_MAX_MESSAGE, "cluster.db: %s", strerror(ENOMEM));
    int error = load_meta(&l);
    if (error == 0) {
        error = load_snapshot(&l);
    }
    if (error == 0) {
        error = load_log(&l);
    }
    if (error == 0 && state.commit_index > state.snapshot_index + state.n_entries) {
        error = damaged(&l, "more is committed than the log holds, index", state.commit_index);
    }
    if (error == 0) {
        state.needs = db->version > SCHEMA_VERSION_FIRST ? db->version : 0;
        *ret_state = state;
        *ret_node = l.node;
    }
    return error;
}
