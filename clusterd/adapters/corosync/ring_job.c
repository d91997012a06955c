/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs that wait for corosync; see corosync/ring_job.h.
 */
#include "adapters/corosync/ring_job.h"

#include <stdlib.h>

static void run(struct blocking_job *base) {
    struct ring_job *job = (struct ring_job *)base;
    switch (job->kind) {
    case RING_JOB_READ: job->error = corosync_config_read(&job->config, job->message); break;
    case RING_JOB_OPEN:
        job->error = corosync_connection_open(&job->connection, &job->callbacks, job->message);
        break;
    case RING_JOB_CLOSE: corosync_connection_close(&job->connection); break;
    }
}

static void on_done(struct blocking_job *base) {
    struct ring_job *job = (struct ring_job *)base;
    if (job->kind == RING_JOB_CLOSE) {
        ring_job_free(job);
    } else {
        job->done(job->context, job);
    }
}

/* The ring is gone: nobody takes what was opened. */
static void drop(struct blocking_job *base) {
    struct ring_job *job = (struct ring_job *)base;
    corosync_connection_close(&job->connection);
    ring_job_free(job);
}

static struct ring_job *job_new(enum ring_job_kind kind) {
    struct ring_job *job = calloc(1, sizeof(*job));
    if (job) {
        job->base = (struct blocking_job){.run = run, .done = on_done, .drop = drop};
        job->kind = kind;
        job->connection = (struct corosync_connection){.cpg_fd = -1, .quorum_fd = -1};
    }
    return job;
}

struct ring_job *ring_job_read(void (*done)(void *context, struct ring_job *job), void *context) {
    struct ring_job *job = job_new(RING_JOB_READ);
    if (job) {
        job->done = done;
        job->context = context;
    }
    return job;
}

struct ring_job *ring_job_open(const struct corosync_callbacks *callbacks,
                               void (*done)(void *context, struct ring_job *job), void *context) {
    struct ring_job *job = job_new(RING_JOB_OPEN);
    if (job) {
        job->callbacks = *callbacks;
        job->done = done;
        job->context = context;
    }
    return job;
}

void ring_job_run(struct blocking_thread *thread, struct ring_job *job) {
    blocking_thread_run(thread, &job->base);
}

void ring_job_free(struct ring_job *job) {
    free(job);
}

void ring_job_close(struct blocking_thread *thread, struct ring_job *job) {
    corosync_connection_detach(&job->connection);
    job->kind = RING_JOB_CLOSE;
    ring_job_run(thread, job);
}
