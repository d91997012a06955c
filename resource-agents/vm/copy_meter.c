/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far a copy of files is. See copy_meter.h. */
#include "copy_meter.h"

#include <errno.h>
#include <time.h>

#include "../shared/ocf.h"

enum { PROGRESS_MS = 500 };

static void report(const struct copy_meter *meter, uint64_t done, uint64_t rate_bps) {
    uint64_t total = atomic_load(&meter->total_bytes);
    /* The data may have grown since it was counted; the copy then fails, but not here. */
    uint64_t known = done < total ? done : total;
    uint64_t percent = total > 0 ? known * 100 / total : 0;
    struct progress progress = {
        .percent = percent < 99 ? percent : 99, /* the last percent is the new names */
        .rate_bps = rate_bps,
        .remaining_bytes = total - known,
        .done_bytes = known,
        .total_bytes = total,
    };
    report_progress(&progress);
}

static void *meter_main(void *data) {
    struct copy_meter *meter = data;
    uint64_t reported_ms = ocf_now_ms();
    uint64_t reported = 0;

    pthread_mutex_lock(&meter->lock);
    while (!meter->ended) {
        uint64_t due_ms = reported_ms + PROGRESS_MS;
        struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                               .tv_nsec = (long)(due_ms % 1000) * 1000000};
        (void)pthread_cond_timedwait(&meter->changed, &meter->lock, &due);
        uint64_t now_ms = ocf_now_ms();
        /* Nothing may follow the final line, which the main thread may write from here on. */
        if (meter->ended || now_ms < due_ms || operation_stopped(meter->operation) != STOP_NONE) {
            reported_ms = now_ms < due_ms ? reported_ms : now_ms;
            continue;
        }
        uint64_t done = atomic_load(&meter->done_bytes);
        report(meter, done, (done - reported) * 1000 / (now_ms - reported_ms));
        reported = done;
        reported_ms = now_ms;
    }
    pthread_mutex_unlock(&meter->lock);
    return NULL;
}

int copy_meter_start(struct copy_meter *meter, const struct operation *operation) {
    pthread_condattr_t attr;

    meter->operation = operation;
    atomic_init(&meter->total_bytes, 0);
    meter->ended = false;
    atomic_init(&meter->done_bytes, 0);
    pthread_mutex_init(&meter->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&meter->changed, &attr);
    pthread_condattr_destroy(&attr);
    return -pthread_create(&meter->thread, NULL, meter_main, meter);
}

void copy_meter_stop(struct copy_meter *meter) {
    pthread_mutex_lock(&meter->lock);
    meter->ended = true;
    pthread_cond_signal(&meter->changed);
    pthread_mutex_unlock(&meter->lock);
    pthread_join(meter->thread, NULL);
}

int copy_meter_add(struct copy_meter *meter, uint64_t bytes) {
    atomic_fetch_add(&meter->done_bytes, bytes);
    return operation_stopped(meter->operation) == STOP_NONE ? 0 : -ECANCELED;
}
