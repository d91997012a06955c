/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads beside the loop; see thread.h.
 */
#include "adapters/thread.h"

#include <sched.h>
#include <signal.h>

/* Those that a fault in the thread itself raises stay open: blocked, they would end the process
 * without a word. */
static void set_signals(pthread_attr_t *attributes) {
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t blocked;
    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        (void)sigdelset(&blocked, faults[i]);
    }
    (void)pthread_attr_setsigmask_np(attributes, &blocked);
}

int thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *data), void *data) {
    pthread_attr_t attributes;
    const struct sched_param ordinary = {0};
    int error = pthread_attr_init(&attributes);
    if (error != 0) {
        return -error;
    }
    (void)pthread_attr_setstacksize(&attributes, stack_bytes);
    (void)pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    (void)pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
    (void)pthread_attr_setschedparam(&attributes, &ordinary);
    set_signals(&attributes);
    error = pthread_create(ret_thread, &attributes, run, data);
    (void)pthread_attr_destroy(&attributes);
    return -error;
}

void thread_mutex_init(pthread_mutex_t *mutex) {
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    (void)pthread_mutex_init(mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
}

void thread_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct timespec thread_deadline(unsigned wait_ms) {
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* the log uses this: CHECK() would log */
    t.tv_sec += (time_t)(wait_ms / 1000);
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}
