/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens the database, creates or checks its schema, prepares the statements; see store/schema.h.
 *
 * A lock file, not sqlite's own exclusive mode, keeps a second clusterd out: `sqlite3 cluster.db
 * .backup` must work while clusterd runs.
 */
#include "adapters/store/schema.h"

#include "adapters/logging.h"
#include "adapters/store/store.h"
#include "base/check.h"
#include "base/hash.h"
#include "wire/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_KIB "2000"

static const char *const statement_texts[N_STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_META] = "INSERT OR REPLACE INTO meta (key, value, crc) VALUES (?1, ?2, ?3)",
    [STATEMENT_SNAPSHOT] = "INSERT OR REPLACE INTO snapshot VALUES (1, ?1, ?2, ?3, ?4, ?5)",
    [STATEMENT_TRIM] = "DELETE FROM log WHERE idx <= ?1",
    [STATEMENT_TRUNCATE] = "DELETE FROM log WHERE idx >= ?1",
    [STATEMENT_APPEND] = "INSERT INTO log (idx, epoch, data, crc) VALUES (?1, ?2, ?3, ?4)",
};

static const char schema[] = "BEGIN IMMEDIATE;"
                             "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL, crc "
                             "INTEGER NOT NULL) WITHOUT ROWID;"
                             "CREATE TABLE snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), idx "
                             "INTEGER NOT NULL, epoch INTEGER NOT NULL,"
                             " chain INTEGER NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL);"
                             "CREATE TABLE log (idx INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, "
                             "data BLOB NOT NULL, crc INTEGER NOT NULL);"
                             "PRAGMA user_version = 1;"
                             "COMMIT;";

int sqlite_errno(int code) {
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return 0;
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_NOMEM: return -ENOMEM;
    /* Nothing that clusterd writes is too big to be read: only a damaged length is. */
    case SQLITE_TOOBIG:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return -EBADMSG;
    case SQLITE_READONLY: return -EROFS;
    case SQLITE_PERM:
    case SQLITE_AUTH: return -EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return -EBUSY;
    default: return -EIO;
    }
}

static void put_u64(uint8_t *out, uint64_t v) {
    for (size_t i = 0; i < 8; i++) {
        out[i] = (uint8_t)(v >> (8 * i));
    }
}

uint32_t row_crc(uint64_t a, uint64_t b, uint64_t c, const void *data, size_t size) {
    uint8_t head[32];
    put_u64(head, a);
    put_u64(head + 8, b);
    put_u64(head + 16, c);
    put_u64(head + 24, crc32c(data, size));
    return crc32c(head, sizeof(head));
}

uint32_t meta_crc(const char *key, uint64_t value) {
    return row_crc(value, 0, 0, key, strlen(key));
}

static int lock_take(const char *state_dir, int *ret_fd, char *message) {
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/lock", state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int error = -errno;
        (void)snprintf(message, STORE_MAX_MESSAGE, "%.300s: %s", path, strerror(-error));
        return error;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)snprintf(message, STORE_MAX_MESSAGE,
                       "another clusterd uses %.300s; two must never run on one database",
                       state_dir);
        (void)close(fd);
        return -EBUSY;
    }
    *ret_fd = fd;
    return 0;
}

/* A file that others may read (restored from a backup, or copied) is mended, not refused: a node
 * must not stay down for what needs nobody's decision. That its secrets may be known is another
 * matter. */
static int file_hide(int fd, const char *path) {
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if ((st.st_mode & 077) == 0) {
        return 0;
    }
    if (fchmod(fd, 0600) < 0) {
        return -errno;
    }
    log_warning("%s could be used by other users (mode %04o): now only by its owner (0600); if "
                "others are on this machine, change the passwords of the fence devices",
                path, (unsigned)(st.st_mode & 07777));
    return 0;
}

/* What belongs to the database and is there after a crash; sqlite makes them anew with its mode. */
static int companions_hide(const char *path) {
    static const char *const ends[] = {"-wal", "-shm"};
    int error = 0;
    for (size_t i = 0; error == 0 && i < ARRAY_SIZE(ends); i++) {
        char name[4096 + 8];
        (void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
            error = file_hide(fd, name);
            (void)close(fd);
        } else if (errno != ENOENT) {
            error = -errno;
        }
    }
    return error;
}

/* sqlite would make the file readable for all; and the directory entry must be as durable as the
 * file. */
static int file_make(const char *state_dir, const char *path, char *message) {
    if (mkdir(state_dir, 0700) < 0 && errno != EEXIST) {
        int error = -errno;
        (void)snprintf(message, STORE_MAX_MESSAGE, "state_dir %.300s cannot be created: %s",
                       state_dir, strerror(-error));
        return error;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int directory = fd < 0 ? -1 : open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || directory < 0 || fsync(directory) < 0 ? -errno : file_hide(fd, path);
    error = error == 0 ? companions_hide(path) : error;
    if (error < 0) {
        (void)snprintf(message, STORE_MAX_MESSAGE, "%.300s: %s", path, strerror(-error));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (directory >= 0) {
        (void)close(directory);
    }
    return error;
}

static int read_version(sqlite3 *handle, int *ret_version) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            *ret_version = sqlite3_column_int(statement, 0);
        }
    }
    (void)sqlite3_finalize(statement);
    return sqlite_errno(code);
}

static bool is_newer(int version) {
    return version != 0 && version != SCHEMA_VERSION_FIRST &&
           (version < 0 || (uint32_t)version > PROTOCOL_HIGHEST);
}

static void say_newer(const char *path, int version, char *message) {
    (void)snprintf(message, STORE_MAX_MESSAGE,
                   "%.300s was written by a newer clusterd: it needs protocol %d, and this one "
                   "speaks %u at most; nothing was changed; install the newer clusterd on this "
                   "node again",
                   path, version, PROTOCOL_HIGHEST);
}

int database_raise(struct database *db, uint32_t version) {
    char text[64];
    if (version <= db->version) {
        return 0;
    }
    (void)snprintf(text, sizeof(text), "PRAGMA user_version = %u", version);
    int error = sqlite_errno(sqlite3_exec(db->handle, text, NULL, NULL, NULL));
    db->version = error == 0 ? version : db->version;
    return error;
}

static int configure(struct database *db, const char *path, char *message) {
    static const char pragmas[] = "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA wal_autocheckpoint = 0;"
                                  "PRAGMA journal_size_limit = 4194304;"
                                  "PRAGMA cache_size = -" CACHE_KIB ";"
                                  "PRAGMA cell_size_check = ON;"
                                  "PRAGMA secure_delete = ON;"
                                  "PRAGMA temp_store = MEMORY;";
    int version = 0;
    int error = read_version(db->handle, &version);
    if (error == 0 && is_newer(version)) {
        say_newer(path, version, message);
        return -EPROTONOSUPPORT;
    }
    if (error == 0) {
        error = sqlite_errno(sqlite3_exec(db->handle, pragmas, NULL, NULL, NULL));
    }
    if (error == 0 && version == 0) {
        error = sqlite_errno(sqlite3_exec(db->handle, schema, NULL, NULL, NULL));
    }
    db->version = version > 0 ? (uint32_t)version : SCHEMA_VERSION_FIRST;
    for (size_t i = 0; error == 0 && i < N_STATEMENTS; i++) {
        error =
            sqlite_errno(sqlite3_prepare_v3(db->handle, statement_texts[i], -1,
                                            SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL));
    }
    if (error < 0) {
        (void)snprintf(message, STORE_MAX_MESSAGE, "%.300s: %s", path, sqlite3_errmsg(db->handle));
    }
    return error;
}

int database_open(const char *state_dir, struct database *ret_database, char *ret_message) {
    struct database db = {.lock_fd = -1};
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/cluster.db", state_dir);
    int error = file_make(state_dir, path, ret_message);
    if (error == 0) {
        error = lock_take(state_dir, &db.lock_fd, ret_message);
    }
    if (error == 0) {
        /* NOMUTEX: one thread at a time uses it, first the one that loads, then the one that
         * stores. */
        error = sqlite_errno(
            sqlite3_open_v2(path, &db.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
        if (error < 0) {
            (void)snprintf(ret_message, STORE_MAX_MESSAGE, "%.300s: %s", path,
                           db.handle ? sqlite3_errmsg(db.handle) : "out of memory");
        }
    }
    if (error == 0) {
        (void)sqlite3_extended_result_codes(db.handle, 1);
        (void)sqlite3_busy_timeout(db.handle, DATABASE_BUSY_MS);
        error = configure(&db, path, ret_message);
    }
    if (error < 0) {
        database_close(&db);
        return error;
    }
    *ret_database = db;
    return 0;
}

/* The transaction covers everything that is read until the database is closed. */
static int begin_reading(struct database *db, const char *path, char *message) {
    int version = 0;
    int error = sqlite_errno(sqlite3_exec(db->handle, "BEGIN", NULL, NULL, NULL));
    if (error == 0) {
        error = read_version(db->handle, &version);
    }
    if (error < 0) {
        (void)snprintf(message, STORE_MAX_MESSAGE, "%.300s: %s", path, sqlite3_errmsg(db->handle));
    } else if (version == 0) {
        (void)snprintf(message, STORE_MAX_MESSAGE,
                       "%.300s: clusterd has not written anything there yet", path);
        error = -ENODATA;
    } else if (is_newer(version)) {
        say_newer(path, version, message);
        error = -EPROTONOSUPPORT;
    }
    db->version = version > 0 ? (uint32_t)version : 0;
    return error;
}

int database_open_readonly(const char *state_dir, struct database *ret_database,
                           char *ret_message) {
    struct database db = {.lock_fd = -1};
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/cluster.db", state_dir);
    int error = access(path, R_OK) < 0 ? -errno : 0;
    if (error < 0) {
        (void)snprintf(ret_message, STORE_MAX_MESSAGE, "%.300s: %s", path, strerror(-error));
        return error;
    }
    error = sqlite_errno(
        sqlite3_open_v2(path, &db.handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL));
    if (error < 0) {
        (void)snprintf(ret_message, STORE_MAX_MESSAGE, "%.300s: %s", path,
                       db.handle ? sqlite3_errmsg(db.handle) : "out of memory");
    } else {
        (void)sqlite3_busy_timeout(db.handle, DATABASE_BUSY_MS);
        error = begin_reading(&db, path, ret_message);
    }
    if (error < 0) {
        database_close(&db);
        return error;
    }
    *ret_database = db;
    return 0;
}

void database_close(struct database *db) {
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        (void)sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    (void)sqlite3_close(db->handle);
    db->handle = NULL;
    if (db->lock_fd >= 0) {
        (void)close(db->lock_fd);
        db->lock_fd = -1;
    }
}
