/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to one domain while an operation works on it. See events.h. */
#include "events.h"

#include "base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <libvirt/libvirt.h>

#include "../shared/ocf.h"
#include "job.h"
#include "operation.h"

/* The protocol allows five lines a second at most. */
enum { PROGRESS_MS = 250, CANCEL_RETRY_MS = 20 };

/* A switch-over takes some tens of milliseconds, or as long as it was permitted to. */
enum { SWITCHOVER_MS = 2000 };

/* So long an abort may be on its way to QEMU (libvirt 9.0 on a busy machine), and so old may be
 * what it is based on. */
enum { NEAR_MS = 500, STALE_MS = 100, NEAR_PATIENCE_MS = 1000 };

int events_init(struct events *events) {
    *events = (struct events){.downtime_ms = -1};
    events->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return events->wake_fd < 0 ? -errno : 0;
}

int events_prepare(void) {
    return virEventRegisterDefaultImpl() < 0 ? -EIO : 0;
}

void events_wake(struct events *events) {
    uint64_t one = 1;
    (void)!write(events->wake_fd, &one, sizeof(one)); /* a full counter wakes as well */
}

/*
 * libvirt's client (9.0) may leave the request of a second thread unsent until the first one, which
 * waits for the end of its job, looks up: at its next keepalive, up to 5 s later.
 */
virDomainPtr events_domain(struct operation *operation) {
    static pthread_mutex_t opens = PTHREAD_MUTEX_INITIALIZER;
    static bool tried = false;
    static virDomainPtr own = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];

    pthread_mutex_lock(&opens);
    if (!tried && operation->domain != NULL &&
        virDomainGetUUIDString(operation->domain, uuid) == 0) {
        char *uri = virConnectGetURI(virDomainGetConnect(operation->domain));
        virConnectPtr conn = uri != NULL ? virConnectOpen(uri) : NULL;
        free(uri);
        own = conn != NULL ? virDomainLookupByUUIDString(conn, uuid) : NULL;
        tried = true;
    }
    virDomainPtr domain = own != NULL ? own : operation->domain;
    pthread_mutex_unlock(&opens);
    return domain;
}

/* Every change goes through this function. */
static void begin_change(struct operation *operation) {
    pthread_mutex_lock(&operation->lock);
    operation->events.changes++;
}

static void end_change(struct operation *operation) {
    pthread_cond_broadcast(&operation->changed);
    pthread_mutex_unlock(&operation->lock);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail,
                        void *data) {
    struct operation *operation = data;
    (void)conn;
    (void)domain;

    begin_change(operation);
    if (event == VIR_DOMAIN_EVENT_STOPPED) {
        operation->events.stopped = true;
        operation->events.stop_detail = detail;
    } else if (event == VIR_DOMAIN_EVENT_SUSPENDED) {
        operation->events.suspended_ms = ocf_now_ms();
    }
    end_change(operation);
    return 0;
}

static void on_job_completed(virConnectPtr conn, virDomainPtr domain, virTypedParameterPtr params,
                             int count, void *data) {
    struct operation *operation = data;
    unsigned long long downtime = 0;
    (void)conn;
    (void)domain;

    bool known = virTypedParamsGetULLong(params, count, VIR_DOMAIN_JOB_DOWNTIME, &downtime) == 1;
    begin_change(operation);
    operation->events.job_done = true;
    operation->events.downtime_ms = known ? (int64_t)downtime : -1;
    operation->events.figures = job_completed(params, count);
    end_change(operation);
}

static void on_block_job(virConnectPtr conn, virDomainPtr domain, const char *disk, int type,
                         int status, void *data) {
    struct operation *operation = data;
    (void)conn;
    (void)domain;
    (void)disk;
    (void)type;
    (void)status;

    begin_change(operation); /* whoever waits asks libvirt */
    end_change(operation);
}

static void on_close(virConnectPtr conn, int reason, void *data) {
    struct operation *operation = data;
    (void)conn;
    (void)reason;

    begin_change(operation);
    operation->events.closed = true;
    end_change(operation);
}

/* Not for ever: it may hang, or be near all the time. */
static bool in_the_way(struct operation *operation, bool switches_over) {
    uint64_t now_ms = ocf_now_ms();

    pthread_mutex_lock(&operation->lock);
    struct events *events = &operation->events;
    /* The event may have been lost, or have come before this process. */
    uint64_t *since_ms = switches_over ? &events->busy_ms : &events->near_ms;
    *since_ms = *since_ms != 0 ? *since_ms : now_ms;
    uint64_t until_ms = *since_ms + NEAR_PATIENCE_MS;
    uint64_t late_ms =
        operation->deadline_ms - (operation->deadline_ms - operation->soft_deadline_ms) / 2;
    if (switches_over) {
        until_ms = (events->suspended_ms != 0 ? events->suspended_ms : *since_ms) + SWITCHOVER_MS;
    } else if (until_ms > late_ms) {
        until_ms = late_ms;
    }
    pthread_mutex_unlock(&operation->lock);
    return now_ms < until_ms;
}

/* From now on only a guest that writes nothing is handed over. */
static void forbid_switch_over(struct operation *operation) {
    pthread_mutex_lock(&operation->lock);
    bool done = operation->events.forbidden;
    operation->events.forbidden = true;
    pthread_mutex_unlock(&operation->lock);
    if (!done) {
        (void)virDomainMigrateSetMaxDowntime(events_domain(operation), 1, 0);
    }
}

int events_abort_job(struct operation *operation) {
    virDomainPtr domain = events_domain(operation);
    uint64_t began_ms = ocf_now_ms();
    bool over = job_switches_over(domain);
    bool near = !over && job_may_switch_over(domain, NEAR_MS);
    bool stale = ocf_now_ms() - began_ms > STALE_MS;

    if ((over || near || stale) && in_the_way(operation, over)) {
        if (near) {
            forbid_switch_over(operation);
        }
        return -EBUSY;
    }
    return virDomainAbortJob(domain) < 0 ? -EIO : 0;
}

/*
 * Aborts the domain's job if the operation is to stop. There may be no job yet, or it may be past
 * the point of no return: then libvirt refuses, and the next tick tries again until the worker's
 * call returns.
 */
static void on_tick(int timer, void *data) {
    struct operation *operation = data;
    struct progress progress;

    if (operation_stopped(operation) != STOP_NONE) {
        virEventUpdateTimeout(timer, CANCEL_RETRY_MS);
        (void)events_abort_job(operation);
        return;
    }
    if (job_progress(events_domain(operation), &progress) == 0) {
        report_progress(&progress);
    }
}

static void on_wake(int watch, int fd, int events, void *data) {
    uint64_t count;
    (void)watch;
    (void)events;

    (void)!read(fd, &count, sizeof(count));
    if (data != NULL) {
        (void)events_abort_job(data);
    }
}

static void on_press(int timer, void *data) {
    struct operation *operation = data;

    pthread_mutex_lock(&operation->lock);
    bool stopped = operation->events.stopped;
    int every_ms = operation->events.press_every_ms;
    pthread_mutex_unlock(&operation->lock);
    virEventUpdateTimeout(timer, stopped ? -1 : every_ms);
    if (!stopped) {
        (void)virDomainShutdown(operation->domain); /* the next one follows a failed one */
    }
}

void events_press_button(struct operation *operation, int every_ms) {
    pthread_mutex_lock(&operation->lock);
    operation->events.press_every_ms = every_ms;
    pthread_mutex_unlock(&operation->lock);
    if (virEventAddTimeout(0, on_press, operation, NULL) < 0) {
        ocf_log("%s on %s: cannot press its power button; it will be destroyed",
                operation->params->name, ocf_node());
    }
}

static void *events_main(void *data) {
    (void)data;
    while (virEventRunDefaultImpl() == 0) {
    }
    ocf_log("on %s: libvirt's event loop ended; further events are lost", ocf_node());
    return NULL;
}

int events_start(struct operation *operation, enum events_mode mode) {
    virConnectPtr conn = operation->conn;
    bool with_job = mode == EVENTS_WITH_JOB;
    pthread_t thread;

    CHECK(conn != NULL && operation->domain != NULL);

    if (virConnectDomainEventRegisterAny(conn, operation->domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), operation,
                                         NULL) < 0 ||
        virConnectDomainEventRegisterAny(conn, operation->domain, VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_job_completed), operation,
                                         NULL) < 0 ||
        (mode == EVENTS_OF_DISKS &&
         virConnectDomainEventRegisterAny(conn, operation->domain, VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                                          VIR_DOMAIN_EVENT_CALLBACK(on_block_job), operation,
                                          NULL) < 0) ||
        virConnectRegisterCloseCallback(conn, on_close, operation, NULL) < 0 ||
        virEventAddHandle(operation->events.wake_fd, VIR_EVENT_HANDLE_READABLE, on_wake,
                          with_job ? operation : NULL, NULL) < 0 ||
        (with_job && virEventAddTimeout(PROGRESS_MS, on_tick, operation, NULL) < 0)) {
        return -EIO;
    }
    if (pthread_create(&thread, NULL, events_main, NULL) != 0) {
        return -EIO;
    }
    pthread_detach(thread);
    return 0;
}
