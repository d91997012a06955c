/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a copy of files is: counted by the worker, reported by a thread of its own, because one
 * flush of a slow disk may take longer than people want to wait for a sign of life.
 */
#ifndef AGENTS_VM_COPY_METER_H
#define AGENTS_VM_COPY_METER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "operation.h"

struct copy_meter {
    const struct operation *operation;
    _Atomic(uint64_t) done_bytes;
    /* Each byte of data counts twice: it is copied, then compared. Grows until all are counted. */
    _Atomic(uint64_t) total_bytes;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended; /* guarded by the lock */
};

/* Begins to report. 0 or a negative errno. */
int copy_meter_start(struct copy_meter *meter, const struct operation *operation);

/* No line is reported after this. */
void copy_meter_stop(struct copy_meter *meter);

/* The worker has done so much more. -ECANCELED if the operation is to stop. */
int copy_meter_add(struct copy_meter *meter, uint64_t bytes);

#endif
