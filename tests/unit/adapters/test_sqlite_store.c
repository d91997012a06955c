/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: what was told as STORED is there after any end of the process, and what is damaged is
 * refused.
 */
#include "harness.h"

#include "adapters/store/schema.h"
#include "adapters/store/store.h"
#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness h;
static struct sqlite_store *store;
static char dir[96];
static char message[STORE_MAX_MESSAGE];

static int setup(void **state) {
    (void)state;
    store = NULL;
    harness_init(&h);
    (void)snprintf(dir, sizeof(dir), "%s/state", h.dir);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sqlite_store_close(store);
    (void)umount2(dir, MNT_DETACH);
    harness_finish(&h);
    return 0;
}

static int open_store(void) {
    sqlite_store_close(store);
    store = NULL;
    int error = sqlite_store_open(h.loop, dir, harness_sink(&h), &store, message);
    if (error < 0) {
        print_message("%s\n", message);
    }
    return error;
}

static void put_entries(uint64_t seq, uint64_t first, uint32_t n, uint64_t epoch,
                        const char *data) {
    struct core_entry entries[16];
    assert_true(n <= 16);
    for (uint32_t i = 0; i < n; i++) {
        entries[i] = (struct core_entry){.index = first + i,
                                         .epoch = epoch,
                                         .data = (const uint8_t *)data,
                                         .size = (uint32_t)strlen(data)};
    }
    const struct core_store put = {
        .seq = seq, .promised = epoch, .entries = entries, .n_entries = n};
    sqlite_store_put(store, &put);
}

static void wait_stored(uint64_t seq) {
    const struct core_event *event = NULL;
    do {
        event = harness_wait(&h, 10000);
        assert_int_equal(event->type, CORE_EVENT_STORED);
        assert_int_equal(event->stored.error, 0);
    } while (event->stored.seq < seq);
    assert_int_equal(event->stored.seq, seq);
}

static void sql(const char *text) {
    char path[128];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof(path), "%s/cluster.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_new_database(void **state) {
    struct stat st;
    char path[128];
    (void)state;
    (void)umask(0022);
    assert_int_equal(open_store(), 0);
    const struct core_stored_state *s = sqlite_store_state(store);
    assert_int_equal(s->promised, 0);
    assert_int_equal(s->n_entries, 0);
    assert_null(s->snapshot);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof(path), "%s/cluster.db", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)snprintf(path, sizeof(path), "%s/cluster.db-wal", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static unsigned mode_of(const char *name) {
    struct stat st;
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* Restored from a backup, with what a killed clusterd has left beside it. */
static void test_open_to_others(void **state) {
    static const char *const names[] = {"cluster.db", "cluster.db-wal", "cluster.db-shm"};
    char path[160];
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        int error = open_store();
        _exit(error == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        assert_int_equal(chmod(path, 0644), 0);
    }
    assert_int_equal(open_store(), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mode_of(names[i]), 0600);
    }
}

/* The size of the WAL; -1: none. */
static off_t wal_size(void) {
    struct stat st;
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/cluster.db-wal", dir);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

/* The store's thread empties the WAL when it has nothing else to do. `fd`: inotify, on its size. */
static void wait_scrubbed(int fd) {
    char events[4096];
    while (wal_size() > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_true(read(fd, events, sizeof(events)) > 0);
    }
}

/* Whether any file of the database, in any of its bytes, holds the word. */
static bool files_hold(const char *word) {
    char command[300];
    (void)snprintf(command, sizeof(command), "grep -rlaF '%s' '%s'", word, dir);
    return system(command) == 0;
}

/* A snapshot of all that there is up to `index`. */
static void put_snapshot(uint64_t seq, uint64_t index) {
    const struct core_store snap = {.seq = seq,
                                    .snapshot = (const uint8_t *)"SNAPSHOT",
                                    .snapshot_size = 8,
                                    .snapshot_index = index,
                                    .snapshot_epoch = 1};
    sqlite_store_put(store, &snap);
    wait_stored(seq);
}

/* inotify: the WAL's changes. */
static int watch_wal(void) {
    char path[160];
    int fd = inotify_init1(IN_CLOEXEC);
    (void)snprintf(path, sizeof(path), "%s/cluster.db-wal", dir);
    assert_true(fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0);
    return fd;
}

/* What is gone from the log is gone from the files, in long entries as in short ones. */
static void test_deleted_is_gone(void **state) {
    static char large[40000];
    (void)state;
    (void)snprintf(large, sizeof(large), "%030000d%s%09000d", 0, "open-sesame", 0);
    assert_int_equal(open_store(), 0);
    int fd = watch_wal();
    put_entries(1, 1, 1, 1, "password=open-sesame");
    put_entries(2, 2, 1, 1, large);
    put_entries(3, 3, 3, 1, "harmless");
    wait_stored(3);
    assert_true(files_hold("open-sesame"));
    put_snapshot(4, 3);
    wait_scrubbed(fd);
    (void)close(fd);
    assert_false(files_hold("open-sesame"));
    assert_true(files_hold("harmless")); /* it does look into them */
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_state(store)->n_entries, 2);
}

/* A backup keeps what it reads; it goes when the backup has ended, without another change. */
static void test_deleted_while_somebody_reads(void **state) {
    char path[160];
    sqlite3 *reader = NULL;
    (void)state;
    assert_int_equal(open_store(), 0);
    int fd = watch_wal();
    put_entries(1, 1, 1, 1, "password=open-sesame");
    wait_stored(1);
    (void)snprintf(path, sizeof(path), "%s/cluster.db", dir);
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM log", NULL, NULL, NULL), SQLITE_OK);
    put_snapshot(2, 1);
    assert_true(files_hold("open-sesame"));
    assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    wait_scrubbed(fd);
    (void)close(fd);
    assert_false(files_hold("open-sesame"));
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
}

static void test_what_is_put_is_loaded(void **state) {
    (void)state;
    assert_int_equal(open_store(), 0);
    put_entries(1, 1, 3, UINT64_C(0x8000000000000001), "one");
    put_entries(2, 4, 2, UINT64_C(0x8000000000000002), "");
    const struct core_store commit = {.seq = 3, .commit_index = 4};
    sqlite_store_put(store, &commit);
    wait_stored(3);
    assert_int_equal(open_store(), 0);
    const struct core_stored_state *s = sqlite_store_state(store);
    assert_int_equal(s->promised, UINT64_C(0x8000000000000002));
    assert_int_equal(s->commit_index, 4);
    assert_int_equal(s->n_entries, 5);
    assert_int_equal(s->entries[2].index, 3);
    assert_int_equal(s->entries[2].size, 3);
    assert_memory_equal(s->entries[2].data, "one", 3);
    assert_int_equal(s->entries[4].size, 0);
}

static void test_truncate_and_snapshot(void **state) {
    (void)state;
    assert_int_equal(open_store(), 0);
    put_entries(1, 1, 9, 1, "old");
    const struct core_entry entry = {
        .index = 7, .epoch = 2, .data = (const uint8_t *)"new", .size = 3};
    const struct core_store put = {
        .seq = 2, .promised = 2, .truncate_from = 7, .entries = &entry, .n_entries = 1};
    sqlite_store_put(store, &put);
    const struct core_store snap = {.seq = 3,
                                    .snapshot = (const uint8_t *)"SNAPSHOT",
                                    .snapshot_size = 8,
                                    .snapshot_index = 5,
                                    .snapshot_epoch = 1,
                                    .snapshot_chain = UINT64_MAX};
    sqlite_store_put(store, &snap);
    wait_stored(3);
    assert_int_equal(open_store(), 0);
    const struct core_stored_state *s = sqlite_store_state(store);
    assert_int_equal(s->snapshot_index, 5);
    assert_int_equal(s->snapshot_chain, UINT64_MAX);
    assert_int_equal(s->snapshot_size, 8);
    assert_memory_equal(s->snapshot, "SNAPSHOT", 8);
    assert_int_equal(s->n_entries, 2);
    assert_int_equal(s->entries[0].index, 6);
    assert_int_equal(s->entries[1].epoch, 2);
}

static void test_large_snapshot(void **state) {
    const uint32_t size = 50u << 20;
    uint8_t *data = malloc(size);
    (void)state;
    assert_non_null(data);
    for (uint32_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    assert_int_equal(open_store(), 0);
    const struct core_store snap = {.seq = 1,
                                    .promised = 1,
                                    .snapshot = data,
                                    .snapshot_size = size,
                                    .snapshot_index = 5,
                                    .snapshot_epoch = 1};
    sqlite_store_put(store, &snap);
    wait_stored(1);
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_state(store)->snapshot_size, size);
    assert_memory_equal(sqlite_store_state(store)->snapshot, data, size);
    free(data);
}

/* A child stores as fast as it can and tells through a pipe what it was told; then it is killed. */
static void store_until_killed(int fd) {
    assert_int_equal(open_store(), 0);
    for (uint64_t seq = sqlite_store_state(store)->n_entries + 1;; seq++) {
        put_entries(seq, seq, 1, 1, "data");
        if (seq % 7 == 0) {
            wait_stored(seq);
            if (write(fd, &seq, sizeof(seq)) != (ssize_t)sizeof(seq)) {
                _exit(1);
            }
        }
    }
}

static void test_kill(void **state) {
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        uint64_t told = 0, seq = 0;
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            store_until_killed(fds[1]);
        }
        (void)close(fds[1]);
        for (unsigned i = 0;
             i < 20 + 13 * round && read(fds[0], &seq, sizeof(seq)) == (ssize_t)sizeof(seq); i++) {
            told = seq;
        }
        (void)kill(pid, SIGKILL);
        while (read(fds[0], &seq, sizeof(seq)) == (ssize_t)sizeof(seq)) {
            told = seq;
        }
        (void)waitpid(pid, NULL, 0);
        (void)close(fds[0]);
        assert_int_equal(open_store(), 0);
        assert_true(told > 0);
        assert_true(sqlite_store_state(store)->n_entries >= told);
        sqlite_store_close(store);
        store = NULL;
    }
}

static void test_second_one_is_refused(void **state) {
    struct sqlite_store *second = NULL;
    (void)state;
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_open(h.loop, dir, harness_sink(&h), &second, message), -EBUSY);
    assert_non_null(strstr(message, "another clusterd"));
    sql("SELECT count(*) FROM log"); /* but a backup may read */
}

/* One that this clusterd cannot read is refused in one line, and left as it is. */
static void test_newer_version(void **state) {
    char text[64];
    (void)state;
    assert_int_equal(open_store(), 0);
    sqlite_store_close(store);
    store = NULL;
    (void)snprintf(text, sizeof(text), "PRAGMA user_version = %u", PROTOCOL_HIGHEST + 1);
    sql(text);
    assert_int_equal(open_store(), -EPROTONOSUPPORT);
    assert_non_null(strstr(message,
                           "cluster.db was written by a newer clusterd: it needs protocol 6, "
                           "and this one speaks 5 at most; nothing was changed; install"));
}

static int user_version(void) {
    sqlite3 *handle = NULL;
    sqlite3_stmt *statement = NULL;
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/cluster.db", dir);
    assert_int_equal(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(handle);
    return version;
}

/* A database is as new as the newest of what was ever written into it. */
static void test_version_follows_the_format(void **state) {
    const struct core_store plain = {.seq = 1, .promised = 3};
    const struct core_store newer = {.seq = 2, .promised = 4, .needs = PROTOCOL_HIGHEST};
    const struct core_store older = {.seq = 3, .promised = 5, .needs = PROTOCOL_LOWEST};
    (void)state;
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_state(store)->needs, 0);
    sqlite_store_put(store, &plain);
    wait_stored(1);
    assert_int_equal(user_version(), 1);
    sqlite_store_put(store, &newer);
    wait_stored(2);
    assert_int_equal(user_version(), PROTOCOL_HIGHEST);
    sqlite_store_put(store, &older);
    wait_stored(3);
    assert_int_equal(user_version(), PROTOCOL_HIGHEST);
    sqlite_store_close(store);
    store = NULL;
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_state(store)->needs, PROTOCOL_HIGHEST);
}

static void damage(const char *text) {
    assert_int_equal(open_store(), 0);
    if (sqlite_store_state(store)->n_entries == 0) {
        put_entries(1, 1, 9, 3, "entry");
        const struct core_store snap = {.seq = 2,
                                        .snapshot = (const uint8_t *)"S",
                                        .snapshot_size = 1,
                                        .snapshot_index = 2,
                                        .snapshot_epoch = 3};
        sqlite_store_put(store, &snap);
        wait_stored(2);
    }
    sqlite_store_close(store);
    store = NULL;
    sql("ATTACH '/dev/null' AS x; DETACH x;");
    sql("SAVEPOINT s; RELEASE s;");
    sql(text);
    assert_int_equal(open_store(), -EBADMSG);
    assert_non_null(strstr(message, "is damaged"));
}

static void test_damage(void **state) {
    static const char *const cases[] = {
        "UPDATE log SET data = 'fntry' WHERE idx = 5",
        "UPDATE log SET epoch = 2 WHERE idx = 5",
        "DELETE FROM log WHERE idx = 5",
        "DELETE FROM log WHERE idx = 3",
        "UPDATE snapshot SET data = 'T'",
        "UPDATE meta SET value = 9 WHERE key = 'promised'",
        "DELETE FROM meta WHERE key = 'promised'",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char command[160];
        print_message("%s\n", cases[i]);
        damage(cases[i]);
        (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        assert_int_equal(system(command), 0);
    }
}

/* A damaged length may be more than sqlite can hold. Exit code 5 follows, for which
 * clusterd.service does not start clusterd again. */
static void test_what_errors_mean(void **state) {
    (void)state;
    assert_int_equal(sqlite_errno(SQLITE_TOOBIG), -EBADMSG);
    assert_int_equal(sqlite_errno(SQLITE_CORRUPT_VTAB), -EBADMSG);
    assert_int_equal(sqlite_errno(SQLITE_NOTADB), -EBADMSG);
    assert_int_equal(sqlite_errno(SQLITE_FULL), -ENOSPC);
    assert_int_equal(sqlite_errno(SQLITE_IOERR_READ), -EIO);
    assert_int_equal(sqlite_errno(SQLITE_ROW), 0);
}

static void test_not_a_database(void **state) {
    char command[320];
    (void)state;
    (void)snprintf(command, sizeof(command),
                   "mkdir '%s' && yes clusterd | head -c 9000 > '%s/cluster.db'", dir, dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(open_store(), -EBADMSG);
}

static void test_full_disk(void **state) {
    static char large[60000];
    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("none", dir, "tmpfs", 0, "size=600k") < 0) {
        print_message("no tmpfs can be mounted here\n");
        skip();
    }
    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_error(store), 0);
    uint64_t stored = 0;
    const struct core_event *event = NULL;
    for (uint64_t seq = 1; seq < 30; seq++) {
        put_entries(seq, seq, 1, 1, large);
        event = harness_wait(&h, 10000);
        assert_int_equal(event->type, CORE_EVENT_STORED);
        if (event->stored.error != 0) {
            break;
        }
        stored = seq;
    }
    assert_int_equal(event->stored.error, -ENOSPC);
    assert_int_equal(sqlite_store_error(store), -ENOSPC);
    put_entries(40, 40, 1, 1, "x"); /* nothing goes on after that */
    assert_int_equal(harness_wait(&h, 10000)->stored.error, -ENOSPC);
    sqlite_store_close(store);
    store = NULL;
    char command[200];
    (void)snprintf(command, sizeof(command), "mount -o remount,size=4M '%s'", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_state(store)->n_entries, stored);
}

static void test_belongs_to_one_node(void **state) {
    (void)state;
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_claim(store, 2, message), 0);
    assert_int_equal(sqlite_store_claim(store, 2, message), 0);
    assert_int_equal(open_store(), 0);
    assert_int_equal(sqlite_store_claim(store, 3, message), -EXDEV);
    assert_non_null(strstr(message, "node id 2"));
    assert_int_equal(sqlite_store_claim(store, 2, message), 0);
}

static void test_no_directory(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/proc/nothing/state");
    assert_true(open_store() < 0);
    assert_non_null(strstr(message, dir));
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_new_database),
        T(test_what_is_put_is_loaded),
        T(test_truncate_and_snapshot),
        T(test_large_snapshot),
        T(test_kill),
        T(test_damage),
        T(test_second_one_is_refused),
        T(test_newer_version),
        T(test_version_follows_the_format),
        T(test_what_errors_mean),
        T(test_not_a_database),
        T(test_open_to_others),
        T(test_deleted_is_gone),
        T(test_deleted_while_somebody_reads),
        T(test_full_disk),
        T(test_belongs_to_one_node),
        T(test_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
