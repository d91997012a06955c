/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ring asks of corosync and must wait for: to read the configuration, to connect, to close
 * a connection. Each is a job of the blocking thread. Only corosync/ring.c uses this.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_RING_JOB_H
#define CLUSTERD_ADAPTERS_COROSYNC_RING_JOB_H

#include "adapters/blocking_thread.h"
#include "adapters/corosync/config.h"
#include "adapters/corosync/connection.h"

enum ring_job_kind { RING_JOB_READ, RING_JOB_OPEN, RING_JOB_CLOSE };

struct ring_job {
    struct blocking_job base;
    enum ring_job_kind kind;
    int error;                          /* of corosync_config_read(), corosync_connection_open() */
    char message[COROSYNC_MAX_MESSAGE]; /* if error < 0 */
    struct corosync_config config;      /* READ: names point into it */
    struct corosync_connection connection; /* OPEN */
    struct corosync_callbacks callbacks;   /* OPEN */
    void (*done)(void *context, struct ring_job *job);
    void *context;
};

/* NULL: out of memory. The loop calls `done`, which takes the job: for ring_job_close() if it has
 * opened a connection, else for ring_job_free(). */
struct ring_job *ring_job_read(void (*done)(void *context, struct ring_job *job), void *context);
struct ring_job *ring_job_open(const struct corosync_callbacks *callbacks,
                               void (*done)(void *context, struct ring_job *job), void *context);
void ring_job_run(struct blocking_thread *thread, struct ring_job *job);
void ring_job_free(struct ring_job *job);
/* Detaches the job's connection, and has the thread close it and free the job. */
void ring_job_close(struct blocking_thread *thread, struct ring_job *job);

#endif
