/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log's thread; see log_writer.h.
 *
 * Once a line was dropped, all are until half of the queue is written. Otherwise, with a reader
 * that is slow but not stopped, every second line would be about dropped ones.
 */
#include "adapters/log_writer.h"

#include "adapters/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_STACK_BYTES ((size_t)256 * 1024)

struct log_writer {
    log_writer_fn write;
    void *context;
    pthread_t thread;

    pthread_mutex_t mutex; /* protects the members below */
    pthread_cond_t changed;
    struct log_line lines[LOG_WRITER_LINES]; /* a ring; texts are the writer's own */
    uint32_t first, n;
    uint64_t dropped; /* since the last line about this */
    bool writing;
    bool closing;
    bool abandoned; /* nobody waits any more: the thread frees this */
    bool ended;
};

static void writer_free(struct log_writer *w) {
    for (; w->n > 0; w->n--) {
        free((char *)(uintptr_t)w->lines[w->first].text);
        w->first = (w->first + 1) % LOG_WRITER_LINES;
    }
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}

/* ---- with the mutex ---- */

static bool push(struct log_writer *w, enum log_level level, const char *text) {
    char *copy = w->n < LOG_WRITER_LINES ? strdup(text) : NULL;
    if (!copy) {
        return false;
    }
    struct log_line *line = &w->lines[(w->first + w->n++) % LOG_WRITER_LINES];
    line->level = level;
    line->text = copy;
    (void)clock_gettime(CLOCK_REALTIME, &line->when);
    return true;
}

static struct log_line pop(struct log_writer *w) {
    struct log_line line = w->lines[w->first];
    w->first = (w->first + 1) % LOG_WRITER_LINES;
    w->n--;
    return line;
}

/* All lines that came after the queued ones were dropped: the end of the queue is their place. */
static void tell_dropped(struct log_writer *w) {
    char text[128];
    (void)snprintf(text, sizeof(text),
                   "%" PRIu64 " lines were dropped here: whatever reads this log was too slow",
                   w->dropped);
    if (push(w, LOG_LEVEL_WARNING, text)) {
        w->dropped = 0;
    }
}

static bool is_idle(const struct log_writer *w) {
    return w->n == 0 && w->dropped == 0 && !w->writing;
}

/* ---- thread ---- */

static void write_first(struct log_writer *w) {
    struct log_line line = pop(w);
    w->writing = true;
    (void)pthread_mutex_unlock(&w->mutex);
    w->write(w->context, &line);
    free((char *)(uintptr_t)line.text);
    (void)pthread_mutex_lock(&w->mutex);
    w->writing = false;
}

static void *thread_main(void *data) {
    struct log_writer *w = data;
    (void)pthread_mutex_lock(&w->mutex);
    while (w->n > 0 || !w->closing) {
        if (w->dropped > 0 && w->n <= LOG_WRITER_LINES / 2) {
            tell_dropped(w);
        }
        if (w->n > 0) {
            write_first(w);
        } else {
            (void)pthread_cond_broadcast(&w->changed); /* for log_writer_flush() */
            (void)pthread_cond_wait(&w->changed, &w->mutex);
        }
    }
    w->ended = true;
    bool abandoned = w->abandoned;
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->mutex);
    if (abandoned) {
        writer_free(w);
    }
    return NULL;
}

/* ---- any thread ---- */

int log_writer_create(log_writer_fn write, void *context, struct log_writer **ret_writer) {
    struct log_writer *w = calloc(1, sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    w->write = write;
    w->context = context;
    thread_mutex_init(&w->mutex);
    thread_cond_init(&w->changed);
    int error = thread_start(&w->thread, THREAD_STACK_BYTES, thread_main, w);
    if (error < 0) {
        writer_free(w);
        return error;
    }
    *ret_writer = w;
    return 0;
}

void log_writer_put(struct log_writer *w, enum log_level level, const char *text) {
    (void)pthread_mutex_lock(&w->mutex);
    if (w->dropped > 0 || !push(w, level, text)) {
        w->dropped++;
    }
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->mutex);
}

bool log_writer_flush(struct log_writer *w, unsigned wait_ms) {
    const struct timespec deadline = thread_deadline(wait_ms);
    (void)pthread_mutex_lock(&w->mutex);
    while (!is_idle(w) && pthread_cond_timedwait(&w->changed, &w->mutex, &deadline) == 0) {
    }
    bool idle = is_idle(w);
    (void)pthread_mutex_unlock(&w->mutex);
    return idle;
}

void log_writer_destroy(struct log_writer *w, unsigned wait_ms) {
    if (!w) {
        return;
    }
    const struct timespec deadline = thread_deadline(wait_ms);
    (void)pthread_mutex_lock(&w->mutex);
    w->closing = true;
    (void)pthread_cond_broadcast(&w->changed);
    while (!w->ended && pthread_cond_timedwait(&w->changed, &w->mutex, &deadline) == 0) {
    }
    bool ended = w->ended;
    w->abandoned = !ended;
    if (!ended) {
        (void)pthread_detach(w->thread);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    if (ended) {
        (void)pthread_join(w->thread, NULL);
        writer_free(w);
    }
}
