/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for calls that may never return; see blocking_thread.h.
 *
 *     loop ── run ──► waiting ──► thread: job->run() ──► finished, eventfd ──► loop: job->done()
 *
 * The loop and the thread share what stands here. The last of them frees it: at the end of the
 * process that is the loop, unless a job hangs.
 */
#include "adapters/blocking_thread.h"

#include "adapters/thread.h"
#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREAD_STACK_BYTES ((size_t)512 * 1024)

struct job_list {
    struct blocking_job *first, **last;
};

struct blocking_thread {
    qb_loop_t *loop;
    int event_fd;
    pthread_t thread;

    pthread_mutex_t mutex; /* protects the members below */
    pthread_cond_t changed;
    struct job_list waiting, finished;
    bool closing;   /* the loop takes no results any more */
    bool abandoned; /* the loop did not wait: the thread frees this */
    bool ended;
};

static void list_init(struct job_list *list) {
    *list = (struct job_list){.last = &list->first};
}

static void list_push(struct job_list *list, struct blocking_job *job) {
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

static struct blocking_job *list_pop(struct job_list *list) {
    struct blocking_job *job = list->first;
    if (job) {
        list->first = job->next;
        list->last = list->first ? list->last : &list->first;
    }
    return job;
}

static void thread_free(struct blocking_thread *t) {
    struct blocking_job *job = NULL;
    while ((job = list_pop(&t->finished))) {
        job->drop(job);
    }
    if (t->event_fd >= 0) {
        (void)close(t->event_fd);
    }
    (void)pthread_cond_destroy(&t->changed);
    (void)pthread_mutex_destroy(&t->mutex);
    free(t);
}

static void *thread_main(void *data) {
    struct blocking_thread *t = data;
    const uint64_t one = 1;
    struct blocking_job *job = NULL;
    (void)pthread_mutex_lock(&t->mutex);
    while (t->waiting.first || !t->closing) {
        if (!(job = list_pop(&t->waiting))) {
            (void)pthread_cond_wait(&t->changed, &t->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&t->mutex);
        job->run(job);
        (void)pthread_mutex_lock(&t->mutex);
        list_push(&t->finished, job);
        CHECK(write(t->event_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    }
    t->ended = true;
    bool abandoned = t->abandoned;
    (void)pthread_cond_broadcast(&t->changed);
    (void)pthread_mutex_unlock(&t->mutex);
    if (abandoned) {
        thread_free(t);
    }
    return NULL;
}

static int32_t on_finished(int32_t fd, int32_t revents, void *data) {
    struct blocking_thread *t = data;
    uint64_t count = 0;
    (void)revents;
    if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        return 0;
    }
    for (; count > 0; count--) {
        (void)pthread_mutex_lock(&t->mutex);
        struct blocking_job *job = list_pop(&t->finished);
        (void)pthread_mutex_unlock(&t->mutex);
        CHECK(job);
        job->done(job);
    }
    return 0;
}

int blocking_thread_create(qb_loop_t *loop, struct blocking_thread **ret_thread) {
    struct blocking_thread *t = calloc(1, sizeof(*t));
    if (!t) {
        return -ENOMEM;
    }
    t->loop = loop;
    thread_mutex_init(&t->mutex);
    thread_cond_init(&t->changed);
    list_init(&t->waiting);
    list_init(&t->finished);
    t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = t->event_fd < 0
                    ? -errno
                    : qb_loop_poll_add(loop, QB_LOOP_HIGH, t->event_fd, POLLIN, t, on_finished);
    if (error == 0) {
        error = thread_start(&t->thread, THREAD_STACK_BYTES, thread_main, t);
        if (error < 0) {
            (void)qb_loop_poll_del(loop, t->event_fd);
        }
    }
    if (error < 0) {
        thread_free(t);
        return error;
    }
    *ret_thread = t;
    return 0;
}

void blocking_thread_run(struct blocking_thread *t, struct blocking_job *job) {
    (void)pthread_mutex_lock(&t->mutex);
    list_push(&t->waiting, job);
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->mutex);
}

void blocking_thread_destroy(struct blocking_thread *t, unsigned wait_ms) {
    if (!t) {
        return;
    }
    const struct timespec deadline = thread_deadline(wait_ms);
    (void)qb_loop_poll_del(t->loop, t->event_fd);
    (void)pthread_mutex_lock(&t->mutex);
    t->closing = true;
    (void)pthread_cond_broadcast(&t->changed);
    while (!t->ended && pthread_cond_timedwait(&t->changed, &t->mutex, &deadline) == 0) {
    }
    bool ended = t->ended;
    t->abandoned = !ended;
    if (!ended) {
        (void)pthread_detach(t->thread);
    }
    (void)pthread_mutex_unlock(&t->mutex);
    if (ended) {
        (void)pthread_join(t->thread, NULL);
        thread_free(t);
    }
}
