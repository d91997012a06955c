/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads beside the loop, for what takes long or may block.
 */
#ifndef CLUSTERD_ADAPTERS_THREAD_H
#define CLUSTERD_ADAPTERS_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <time.h>

/* The thread is not real-time, even if its creator is, and takes no signals: those are for the
 * loop. A negative errno: there is no thread. */
int thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *data), void *data);

/* For a mutex that such a thread shares with the loop: while the loop waits for it, its holder has
 * the loop's priority. */
void thread_mutex_init(pthread_mutex_t *mutex);

/* For pthread_cond_timedwait() until thread_deadline(): its clock is not the wall's. */
void thread_cond_init(pthread_cond_t *cond);
struct timespec thread_deadline(unsigned wait_ms);

#endif
