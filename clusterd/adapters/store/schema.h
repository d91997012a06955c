/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The database: its tables; how it is opened, checked and loaded. Only store/ uses this.
 *
 * PRAGMA user_version says who can read it. 1: every clusterd. A higher number: only a clusterd
 * that speaks that version of the protocol (core/model/needed_protocol.h), because an entry or the
 * snapshot needs it. The transaction that writes the first such entry raises the number; an older
 * clusterd then refuses the database instead of misreading it. An older clusterd can replace a
 * newer one as long as nothing new has been used.
 *
 *   meta      key, value, crc            promised, commit_index, node
 *   snapshot  one row: idx, epoch, chain, data, crc
 *   log       idx, epoch, data, crc      from the snapshot's idx + 1 without a gap
 *
 * sqlite's 64-bit integers are signed; clusterd's unsigned ones are stored as the same bits. Each
 * row's CRC-32C covers all of the row: the file system is not trusted to return what was written.
 *
 * The files hold passwords. Only root may read them, and what is deleted is overwritten.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_SCHEMA_H
#define CLUSTERD_ADAPTERS_STORE_SCHEMA_H

#include "base/arena.h"
#include "core/core.h"

#include <sqlite3.h>
#include <stdint.h>

#define SCHEMA_VERSION_FIRST 1
#define DATABASE_BUSY_MS 2000 /* a backup is just beginning or ending */

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_META,
    STATEMENT_SNAPSHOT,
    STATEMENT_TRIM,
    STATEMENT_TRUNCATE,
    STATEMENT_APPEND,
    N_STATEMENTS
};

struct database {
    sqlite3 *handle;
    sqlite3_stmt *statements[N_STATEMENTS];
    int lock_fd;      /* held while the database is open */
    uint32_t version; /* PRAGMA user_version */
};

/* ret_message: STORE_MAX_MESSAGE bytes, set on error. */
int database_open(const char *state_dir, struct database *ret_database, char *ret_message);
/* For reading while clusterd runs, or does not: takes no lock, creates and changes nothing, and
 * sees the state of one moment. */
int database_open_readonly(const char *state_dir, struct database *ret_database, char *ret_message);
void database_close(struct database *db);

/* Loads everything, checked, into the arena. */
int database_load(struct database *db, struct arena *arena, struct core_stored_state *ret_state,
                  uint64_t *ret_node, char *ret_message);

/* Within the open transaction: from now on, only a clusterd that speaks that version reads it. */
int database_raise(struct database *db, uint32_t version);

uint32_t row_crc(uint64_t a, uint64_t b, uint64_t c, const void *data, size_t size);
uint32_t meta_crc(const char *key, uint64_t value);
/* sqlite's error as a negative errno. */
int sqlite_errno(int code);

#endif
