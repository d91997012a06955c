/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stable storage; see store/store.h.
 *
 *     main loop ── put ──► queue ──► thread: BEGIN, all of the queue, COMMIT (fsync)
 *                                      │
 *     main loop ◄── eventfd ───────────┘ stored_seq
 *
 * The same thread copies the WAL into the database: after STORED has been reported and when nobody
 * waits, unless the WAL has grown so large that it must be done now. Where entries were deleted, it
 * empties the WAL as well: that still holds what they said, passwords of removed fence devices
 * among it.
 */
#include "adapters/store/store.h"

#include "adapters/logging.h"
#include "adapters/realtime.h"
#include "adapters/store/schema.h"
#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define THREAD_STACK_BYTES ((size_t)256 * 1024)
#define WAL_IDLE_PAGES 1000 /* 4 MiB: checkpoint when idle */
#define WAL_MAX_PAGES 16000 /* 64 MiB: checkpoint now */
#define SCRUB_RETRY_S 2     /* while somebody reads: a backup, an export */

/* A copy of a core_store and of all that it points to, in one block of memory. */
struct store_job {
    struct store_job *next;
    struct core_store put;
    uint64_t node; /* not 0: claim the database for this node instead */
    struct core_entry entries[];
};

struct sqlite_store {
    qb_loop_t *loop;
    struct event_sink sink;
    struct database db; /* belongs to the thread once it runs */
    struct arena loaded;
    struct core_stored_state state;
    uint64_t node;
    int event_fd;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex; /* protects the members below */
    pthread_cond_t wakeup;
    struct store_job *first, **last;
    uint64_t stored_seq;
    int error;
    bool closing;
    int wal_pages; /* belongs to the thread, as does `scrub` */
    bool scrub;    /* the WAL may hold what was deleted */
};

/* ---- thread ---- */

static int run_statement(struct sqlite_store *s, enum statement which) {
    sqlite3_stmt *statement = s->db.statements[which];
    int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return sqlite_errno(code);
}

static void bind_u64(struct sqlite_store *s, enum statement which, int column, uint64_t value) {
    (void)sqlite3_bind_int64(s->db.statements[which], column, (sqlite3_int64)value);
}

static void bind_blob(struct sqlite_store *s, enum statement which, int column, const uint8_t *data,
                      uint32_t size) {
    /* sqlite would bind a NULL pointer as SQL's NULL. */
    (void)sqlite3_bind_blob64(s->db.statements[which], column, data ? (const void *)data : "", size,
                              SQLITE_STATIC);
}

static int write_meta(struct sqlite_store *s, const char *key, uint64_t value) {
    (void)sqlite3_bind_text(s->db.statements[STATEMENT_META], 1, key, -1, SQLITE_STATIC);
    bind_u64(s, STATEMENT_META, 2, value);
    bind_u64(s, STATEMENT_META, 3, meta_crc(key, value));
    return run_statement(s, STATEMENT_META);
}

static int write_snapshot(struct sqlite_store *s, const struct core_store *put) {
    bind_u64(s, STATEMENT_SNAPSHOT, 1, put->snapshot_index);
    bind_u64(s, STATEMENT_SNAPSHOT, 2, put->snapshot_epoch);
    bind_u64(s, STATEMENT_SNAPSHOT, 3, put->snapshot_chain);
    bind_blob(s, STATEMENT_SNAPSHOT, 4, put->snapshot, put->snapshot_size);
    bind_u64(s, STATEMENT_SNAPSHOT, 5,
             row_crc(put->snapshot_index, put->snapshot_epoch, put->snapshot_chain, put->snapshot,
                     put->snapshot_size));
    int error = run_statement(s, STATEMENT_SNAPSHOT);
    if (error == 0) {
        bind_u64(s, STATEMENT_TRIM, 1, put->snapshot_index);
        error = run_statement(s, STATEMENT_TRIM);
    }
    return error;
}

static int write_entry(struct sqlite_store *s, const struct core_entry *entry) {
    bind_u64(s, STATEMENT_APPEND, 1, entry->index);
    bind_u64(s, STATEMENT_APPEND, 2, entry->epoch);
    bind_blob(s, STATEMENT_APPEND, 3, entry->data, entry->size);
    bind_u64(s, STATEMENT_APPEND, 4,
             row_crc(entry->index, entry->epoch, 0, entry->data, entry->size));
    return run_statement(s, STATEMENT_APPEND);
}

static int write_job(struct sqlite_store *s, const struct store_job *job) {
    const struct core_store *put = &job->put;
    int error = job->node ? write_meta(s, "node", job->node) : 0;
    if (error == 0 && put->promised) {
        error = write_meta(s, "promised", put->promised);
    }
    if (error == 0 && put->commit_index) {
        error = write_meta(s, "commit_index", put->commit_index);
    }
    if (error == 0 && put->needs) {
        error = database_raise(&s->db, put->needs);
    }
    if (error == 0 && put->snapshot) {
        error = write_snapshot(s, put);
    }
    if (error == 0 && put->truncate_from) {
        bind_u64(s, STATEMENT_TRUNCATE, 1, put->truncate_from);
        error = run_statement(s, STATEMENT_TRUNCATE);
    }
    for (uint32_t i = 0; error == 0 && i < put->n_entries; i++) {
        error = write_entry(s, &put->entries[i]);
    }
    return error;
}

static int write_jobs(struct sqlite_store *s, const struct store_job *jobs) {
    int error = run_statement(s, STATEMENT_BEGIN);
    if (error < 0) {
        return error;
    }
    for (const struct store_job *job = jobs; error == 0 && job; job = job->next) {
        error = write_job(s, job);
        s->scrub = s->scrub || job->put.snapshot || job->put.truncate_from;
    }
    if (error == 0) {
        error = run_statement(s, STATEMENT_COMMIT);
    }
    if (error < 0) {
        log_error("cluster.db: cannot be written: %s (%s); this node cannot go on",
                  strerror(-error), sqlite3_errmsg(s->db.handle));
        (void)run_statement(s, STATEMENT_ROLLBACK);
    }
    return error;
}

static int on_wal(void *data, sqlite3 *handle, const char *name, int pages) {
    (void)handle;
    (void)name;
    ((struct sqlite_store *)data)->wal_pages = pages;
    return SQLITE_OK;
}

/* Never waits for a reader: it is tried again. */
static void checkpoint(struct sqlite_store *s) {
    int mode = s->scrub ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    (void)sqlite3_busy_timeout(s->db.handle, 0);
    int code = sqlite3_wal_checkpoint_v2(s->db.handle, NULL, mode, NULL, NULL) & 0xff;
    (void)sqlite3_busy_timeout(s->db.handle, DATABASE_BUSY_MS);
    if (code != SQLITE_OK && code != SQLITE_BUSY) {
        log_warning("cluster.db: checkpoint failed: %s", sqlite3_errmsg(s->db.handle));
    }
    s->scrub = s->scrub && code == SQLITE_BUSY;
    s->wal_pages = 0; /* also after a failure: the next commit counts anew */
}

static void tell(struct sqlite_store *s) {
    const uint64_t one = 1;
    ssize_t n = write(s->event_fd, &one, sizeof(one));
    CHECK(n == (ssize_t)sizeof(one));
}

static uint64_t free_jobs(struct store_job *jobs) {
    uint64_t last_seq = 0;
    while (jobs) {
        struct store_job *next = jobs->next;
        last_seq = jobs->put.seq > last_seq ? jobs->put.seq : last_seq; /* a claim has none */
        free(jobs);
        jobs = next;
    }
    return last_seq;
}

/* With the mutex held. The end of a reader is no event here; hence the time. */
static void wait_for_work(struct sqlite_store *s) {
    struct timespec until;
    if (!s->scrub) {
        (void)pthread_cond_wait(&s->wakeup, &s->mutex);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SCRUB_RETRY_S;
    if (pthread_cond_clockwait(&s->wakeup, &s->mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT) {
        s->wal_pages = 1;
    }
}

/* With the mutex held: waits for work. NULL: the end. */
static struct store_job *take_jobs(struct sqlite_store *s) {
    while (!s->first && !s->closing) {
        if (s->wal_pages > WAL_IDLE_PAGES || (s->scrub && s->wal_pages > 0)) {
            (void)pthread_mutex_unlock(&s->mutex);
            checkpoint(s);
            (void)pthread_mutex_lock(&s->mutex);
            continue;
        }
        wait_for_work(s);
    }
    struct store_job *jobs = s->first;
    s->first = NULL;
    s->last = &s->first;
    return jobs;
}

static void *thread_main(void *data) {
    struct sqlite_store *s = data;
    struct store_job *jobs = NULL;
    realtime_thread();
    (void)pthread_mutex_lock(&s->mutex);
    while ((jobs = take_jobs(s))) {
        int error = s->error;
        (void)pthread_mutex_unlock(&s->mutex);
        if (error == 0) {
            error = write_jobs(s, jobs);
        }
        uint64_t seq = free_jobs(jobs);
        (void)pthread_mutex_lock(&s->mutex);
        s->error = error;
        s->stored_seq = seq > s->stored_seq ? seq : s->stored_seq;
        tell(s);
        if (s->wal_pages > WAL_MAX_PAGES && error == 0) {
            (void)pthread_mutex_unlock(&s->mutex);
            checkpoint(s);
            (void)pthread_mutex_lock(&s->mutex);
        }
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* ---- main loop ---- */

static int32_t on_stored(int32_t fd, int32_t revents, void *data) {
    struct sqlite_store *s = data;
    uint64_t count = 0;
    (void)revents;
    if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        return 0;
    }
    struct core_event event = {.type = CORE_EVENT_STORED};
    (void)pthread_mutex_lock(&s->mutex);
    event.stored.seq = s->stored_seq;
    event.stored.error = s->error;
    (void)pthread_mutex_unlock(&s->mutex);
    if (event.stored.seq > 0 || event.stored.error != 0) {
        sink_post(&s->sink, &event);
    }
    return 0;
}

static uint8_t *place(uint8_t **at, const uint8_t *data, uint32_t size) {
    uint8_t *copy = *at;
    if (size) {
        memcpy(copy, data, size);
    }
    *at += size;
    return copy;
}

static struct store_job *job_create(const struct core_store *put) {
    size_t bytes = put->snapshot ? put->snapshot_size : 0;
    for (uint32_t i = 0; i < put->n_entries; i++) {
        bytes += put->entries[i].size;
    }
    size_t head = sizeof(struct store_job) + put->n_entries * sizeof(struct core_entry);
    struct store_job *job = calloc(1, head + bytes);
    if (!job) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)job + head;
    job->put = *put;
    job->put.entries = job->entries;
    for (uint32_t i = 0; i < put->n_entries; i++) {
        job->entries[i] = put->entries[i];
        job->entries[i].data = place(&at, put->entries[i].data, put->entries[i].size);
    }
    if (put->snapshot) {
        job->put.snapshot = place(&at, put->snapshot, put->snapshot_size);
    }
    return job;
}

static void enqueue(struct sqlite_store *s, struct store_job *job) {
    (void)pthread_mutex_lock(&s->mutex);
    if (job) {
        *s->last = job;
        s->last = &job->next;
    } else {
        s->error = s->error ? s->error : -ENOMEM;
        tell(s);
    }
    (void)pthread_cond_signal(&s->wakeup);
    (void)pthread_mutex_unlock(&s->mutex);
}

void sqlite_store_put(struct sqlite_store *s, const struct core_store *put) {
    enqueue(s, job_create(put));
}

int sqlite_store_error(struct sqlite_store *s) {
    if (!s) {
        return 0;
    }
    (void)pthread_mutex_lock(&s->mutex);
    int error = s->error;
    (void)pthread_mutex_unlock(&s->mutex);
    return error;
}

int sqlite_store_claim(struct sqlite_store *s, uint32_t node, char *ret_message) {
    if (s->node == node) {
        return 0;
    }
    if (s->node != 0) {
        (void)snprintf(ret_message, STORE_MAX_MESSAGE,
                       "cluster.db belongs to node id %llu, but this is node id %u: the disk was "
                       "copied, or corosync.conf has changed; move the file away, and this node "
                       "gets all data from the others",
                       (unsigned long long)s->node, node);
        return -EXDEV;
    }
    struct store_job *job = calloc(1, sizeof(*job));
    if (!job) {
        (void)snprintf(ret_message, STORE_MAX_MESSAGE, "out of memory");
        return -ENOMEM;
    }
    job->node = node;
    s->node = node;
    enqueue(s, job);
    return 0;
}

const struct core_stored_state *sqlite_store_state(const struct sqlite_store *s) {
    return &s->state;
}

void sqlite_store_forget(struct sqlite_store *s) {
    arena_finish(&s->loaded);
    s->state = (struct core_stored_state){0};
}

static int thread_start(struct sqlite_store *s) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) {
        return -error;
    }
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    error = pthread_create(&s->thread, &attributes, thread_main, s);
    (void)pthread_attr_destroy(&attributes);
    s->has_thread = error == 0;
    return -error;
}

int sqlite_store_open(qb_loop_t *loop, const char *state_dir, struct event_sink sink,
                      struct sqlite_store **ret_store, char *ret_message) {
    (void)snprintf(ret_message, STORE_MAX_MESSAGE, "out of memory");
    struct sqlite_store *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->loop = loop;
    s->sink = sink;
    s->last = &s->first;
    s->db.lock_fd = -1;
    arena_init(&s->loaded);
    (void)pthread_mutex_init(&s->mutex, NULL);
    (void)pthread_cond_init(&s->wakeup, NULL);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = s->event_fd < 0 ? -errno : database_open(state_dir, &s->db, ret_message);
    if (error == 0) {
        error = database_load(&s->db, &s->loaded, &s->state, &s->node, ret_message);
    }
    if (error == 0) {
        (void)sqlite3_wal_hook(s->db.handle, on_wal, s);
        s->scrub = true; /* the last clusterd may have been killed before it did it */
        s->wal_pages = 1;
        error = qb_loop_poll_add(loop, QB_LOOP_HIGH, s->event_fd, POLLIN, s, on_stored);
    }
    if (error == 0) {
        error = thread_start(s);
    }
    if (error < 0) {
        sqlite_store_close(s);
        return error;
    }
    *ret_store = s;
    return 0;
}

void sqlite_store_close(struct sqlite_store *s) {
    if (!s) {
        return;
    }
    if (s->has_thread) {
        (void)pthread_mutex_lock(&s->mutex);
        s->closing = true;
        (void)pthread_cond_signal(&s->wakeup);
        (void)pthread_mutex_unlock(&s->mutex);
        (void)pthread_join(s->thread, NULL);
    }
    (void)free_jobs(s->first);
    database_close(&s->db);
    if (s->event_fd >= 0) {
        (void)qb_loop_poll_del(s->loop, s->event_fd);
        (void)close(s->event_fd);
    }
    arena_finish(&s->loaded);
    (void)pthread_cond_destroy(&s->wakeup);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}
