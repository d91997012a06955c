/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for calls that may never return: the loop goes on meanwhile.
 *
 * One job at a time, in order. While a job hangs, those behind it wait; the process can end all the
 * same.
 */
#ifndef CLUSTERD_ADAPTERS_BLOCKING_THREAD_H
#define CLUSTERD_ADAPTERS_BLOCKING_THREAD_H

#include <qb/qbloop.h>

struct blocking_thread; /* opaque */

/* A member of what the caller allocates; exactly one of done() and drop() ends the job. */
struct blocking_job {
    void (*run)(struct blocking_job *job);  /* in the thread */
    void (*done)(struct blocking_job *job); /* in the loop; the job is the caller's again */
    void (*drop)(struct blocking_job *job); /* in any thread, after blocking_thread_destroy() began:
                                             * frees the job and what it holds */
    struct blocking_job *next;
};

/* -ENOMEM, -EAGAIN: no thread. Others: no eventfd. */
int blocking_thread_create(qb_loop_t *loop, struct blocking_thread **ret_thread);
void blocking_thread_run(struct blocking_thread *thread, struct blocking_job *job);
/*
 * Waits at most `wait_ms` for the jobs that were given; they are dropped once they have run. A
 * thread that hangs for longer is left behind, and frees all this if it ever goes on. NULL is fine.
 */
void blocking_thread_destroy(struct blocking_thread *thread, unsigned wait_ms);

#endif
