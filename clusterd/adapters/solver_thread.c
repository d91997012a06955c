/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for solving; see solver_thread.h.
 *
 *     main loop ── run ──► queue ──► thread: solve_job_run() ──► done, eventfd ──► main loop
 *                                                                                  SOLVED
 */
#include "adapters/solver_thread.h"

#include "adapters/thread.h"
#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define JOBS_MAX 16u /* the core runs at most one job of each purpose */
#define THREAD_STACK_BYTES ((size_t)1024 * 1024)

struct queued_job {
    uint64_t id;
    struct solve_job *job;
};

struct job_queue {
    struct queued_job v[JOBS_MAX];
    uint32_t n;
};

struct solver {
    qb_loop_t *loop;
    struct event_sink sink;
    int event_fd;
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t mutex; /* protects the members below */
    pthread_cond_t wakeup;
    struct job_queue waiting, done;
    bool closing;
};

static void put(struct job_queue *queue, struct queued_job job) {
    CHECK(queue->n < JOBS_MAX);
    queue->v[queue->n++] = job;
}

static struct queued_job take(struct job_queue *queue) {
    struct queued_job first = queue->v[0];
    queue->n--;
    for (uint32_t i = 0; i < queue->n; i++) {
        queue->v[i] = queue->v[i + 1];
    }
    return first;
}

static void *thread_main(void *data) {
    struct solver *s = data;
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&s->mutex);
    while (!s->closing) {
        if (s->waiting.n == 0) {
            (void)pthread_cond_wait(&s->wakeup, &s->mutex);
            continue;
        }
        struct queued_job job = take(&s->waiting);
        (void)pthread_mutex_unlock(&s->mutex);
        solve_job_run(job.job);
        (void)pthread_mutex_lock(&s->mutex);
        put(&s->done, job);
        CHECK(write(s->event_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static int32_t on_done(int32_t fd, int32_t revents, void *data) {
    struct solver *s = data;
    uint64_t count = 0;
    (void)revents;
    if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        return 0;
    }
    (void)pthread_mutex_lock(&s->mutex);
    struct job_queue done = s->done;
    s->done.n = 0;
    (void)pthread_mutex_unlock(&s->mutex);
    for (uint32_t i = 0; i < done.n; i++) {
        const struct core_event event = {.type = CORE_EVENT_SOLVED, .solved = {.id = done.v[i].id}};
        sink_post(&s->sink, &event);
    }
    return 0;
}

static int start_thread(struct solver *s) {
    int error = thread_start(&s->thread, THREAD_STACK_BYTES, thread_main, s);
    s->has_thread = error == 0;
    return error;
}

int solver_create(qb_loop_t *loop, struct event_sink sink, struct solver **ret_solver) {
    struct solver *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->loop = loop;
    s->sink = sink;
    thread_mutex_init(&s->mutex);
    (void)pthread_cond_init(&s->wakeup, NULL);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = s->event_fd < 0
                    ? -errno
                    : qb_loop_poll_add(loop, QB_LOOP_MED, s->event_fd, POLLIN, s, on_done);
    if (error < 0) {
        solver_destroy(s);
        return error;
    }
    *ret_solver = s;
    return 0;
}

void solver_destroy(struct solver *s) {
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
    if (s->event_fd >= 0) {
        (void)qb_loop_poll_del(s->loop, s->event_fd);
        (void)close(s->event_fd);
    }
    (void)pthread_cond_destroy(&s->wakeup);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}

void solver_run(struct solver *s, uint64_t id, struct solve_job *job) {
    const struct core_event event = {.type = CORE_EVENT_SOLVED, .solved = {.id = id}};
    if (!s->has_thread && start_thread(s) < 0) {
        solve_job_run(job); /* late is better than never */
        sink_post(&s->sink, &event);
        return;
    }
    (void)pthread_mutex_lock(&s->mutex);
    put(&s->waiting, (struct queued_job){.id = id, .job = job});
    (void)pthread_cond_signal(&s->wakeup);
    (void)pthread_mutex_unlock(&s->mutex);
}
