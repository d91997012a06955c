/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop and destroy.
 *
 *   off already -----------------------------------------------------------> ok
 *   paused, or grace_ms=0 --> destroy -------------------------------------> ok
 *   a job runs (migration, save) --> abort it --> it left all the same ----> failed: it moved away
 *                                             '-> shut down
 *   shut down: press the power button again and again --> the guest ends --> ok
 *                                                     '-> grace is over ---> destroy --> ok
 *
 * The end arrives as an event, so a guest that shuts down quickly costs only its own time.
 */
#include "actions.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "../shared/ocf.h"
#include "host.h"
#include "job.h"
#include "qemu_kill.h"

enum {
    PRESS_AGAIN_MS = 3000, /* a guest that is still booting ignores the button */
    ABORT_WAIT_MS = 5000,
    ABORT_RETRY_MS = 100,
    DESTROY_PATIENCE_MS = 1500, /* QEMU needs a few ms to end, unless its storage hangs */
    DESTROY_NEEDS_MS = 2500,    /* that, and a kill: the part of a stop's time kept for them */
};

static void end_off(struct operation *operation, const char *how) {
    operation->report.state = AGENT_VM_OFF;
    operation->report.detail = NULL;
    report_set(&operation->report, VM_OK, "%s", how);
}

/*
 * While the worker is in libvirt's destroy, kills a QEMU that does not end by itself. libvirt then
 * sees it end, and destroys the domain properly.
 */
static void *impatient_main(void *data) {
    struct operation *operation = data;
    const char *name = operation->params->name;
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virDomainGetUUIDString(operation->domain, uuid) < 0) {
        return NULL;
    }
    uint64_t due_ms = ocf_now_ms() + DESTROY_PATIENCE_MS;
    for (uint64_t now = ocf_now_ms(); now < due_ms; now = ocf_now_ms()) {
        (void)poll(NULL, 0, (int)(due_ms - now));
    }
    if (atomic_load(&operation->destroying)) {
        int r = qemu_kill(name, uuid);
        ocf_log("%s on %s: QEMU did not end within %d ms and %s%s", name, ocf_node(),
                DESTROY_PATIENCE_MS,
                r == 0 ? "was killed" : "cannot be killed: ", r == 0 ? "" : strerror(-r));
    }
    return NULL;
}

static int destroy_impatiently(struct operation *operation) {
    pthread_t impatient;

    atomic_store(&operation->destroying, true);
    if (pthread_create(&impatient, NULL, impatient_main, operation) == 0) {
        pthread_detach(impatient);
    }
    int r = virDomainDestroyFlags(operation->domain, VIR_DOMAIN_DESTROY_DEFAULT);
    atomic_store(&operation->destroying, false);
    return r;
}

/* Powers off at once. A domain that has gone by then is as good. */
static void destroy(struct operation *operation, const char *how) {
    const struct params *params = operation->params;

    operation_step(operation, "destroying the VM");
    if (destroy_impatiently(operation) == 0 || host_error_is_absent()) {
        end_off(operation, how);
        return;
    }
    report_set(&operation->report, VM_FAILED, "%s on %s: cannot destroy it: %s", params->name,
               ocf_node(), host_error());
    host_settle(operation);
    if (operation->report.state == AGENT_VM_OFF) {
        end_off(operation, how);
    }
}

static struct events events_now(struct operation *operation) {
    pthread_mutex_lock(&operation->lock);
    struct events events = operation->events;
    pthread_mutex_unlock(&operation->lock);
    return events;
}

/* The domain ended during the stop: by itself, or by leaving for another node? */
static void judge_end(struct operation *operation, int detail) {
    if (detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED || detail == VIR_DOMAIN_EVENT_STOPPED_SAVED) {
        operation->report.state = AGENT_VM_OFF;
        report_set(&operation->report, VM_FAILED,
                   "%s was %s before it could be stopped on %s; look for it there",
                   operation->params->name,
                   detail == VIR_DOMAIN_EVENT_STOPPED_SAVED ? "saved to a file"
                                                            : "moved to another node",
                   ocf_node());
        return;
    }
    end_off(operation, detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED
                           ? "QEMU died while the guest shut down"
                           : "");
}

/* A job keeps libvirt from pressing the button, and a stop has precedence over a migration. */
static void abort_job(struct operation *operation) {
    uint64_t due_ms = ocf_now_ms() + ABORT_WAIT_MS;

    if (job_kind(operation->domain) < 0) {
        return;
    }
    operation_step(operation, "aborting the VM's job");
    for (;;) {
        uint64_t seen = operation_changes(operation);
        if (events_abort_job(operation) != -EBUSY || ocf_now_ms() >= due_ms ||
            operation_stopped(operation) != STOP_NONE) {
            break;
        }
        (void)operation_pause(operation, seen, ABORT_RETRY_MS);
    }
    pthread_mutex_lock(&operation->lock);
    while (!operation->events.job_done && !operation->events.stopped && !operation->events.closed &&
           operation_wait(operation, operation->events.changes, due_ms)) {
    }
    pthread_mutex_unlock(&operation->lock);
}

/*
 * Waits until the guest has ended, while the events thread presses the power button. If QEMU hangs,
 * that call hangs too, but here the grace still ends in time, and a destroy kills the QEMU. True if
 * the guest ended.
 */
static bool shut_down(struct operation *operation, uint64_t due_ms) {
    operation_step(operation, "waiting for the guest to shut down");
    events_press_button(operation, PRESS_AGAIN_MS);
    pthread_mutex_lock(&operation->lock);
    while (!operation->events.stopped && !operation->events.closed &&
           operation_wait(operation, operation->events.changes, due_ms)) {
    }
    bool stopped = operation->events.stopped;
    pthread_mutex_unlock(&operation->lock);
    return stopped;
}

static void stop_gracefully(struct operation *operation) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    uint64_t due_ms = operation->started_ms + params->grace_ms;

    if (due_ms + DESTROY_NEEDS_MS > operation->soft_deadline_ms) {
        due_ms = operation->soft_deadline_ms > DESTROY_NEEDS_MS
                     ? operation->soft_deadline_ms - DESTROY_NEEDS_MS
                     : 0;
    }
    abort_job(operation);
    if (shut_down(operation, due_ms)) {
        judge_end(operation, events_now(operation).stop_detail);
        return;
    }
    if (operation_stopped(operation) == STOP_CANCELLED) {
        report_set(
            report, VM_CANCELLED,
            "%s on %s: its stop was cancelled; the guest may still react to the power button",
            params->name, ocf_node());
        host_settle(operation);
        return;
    }
    if (events_now(operation).closed) {
        report_set(report, VM_FAILED, "%s on %s: libvirtd ended during its stop", params->name,
                   ocf_node());
        host_settle(operation);
        if (report->state == AGENT_VM_OFF) {
            end_off(operation, "");
            return;
        }
        if (report->state == AGENT_VM_UNKNOWN) {
            return;
        }
    }
    destroy(operation, "the guest did not shut down in time and was powered off");
}

/* Finds the domain for a stop. False if there is nothing left to do. */
static bool find(struct operation *operation) {
    int r = host_open(operation);
    if (r == -ENOENT) {
        end_off(operation, "");
    }
    return r == 0;
}

void action_destroy(struct operation *operation) {
    if (find(operation)) {
        destroy(operation, "");
    }
}

void action_stop(struct operation *operation) {
    const char *text;

    if (operation->params->grace_ms == 0) {
        action_destroy(operation);
        return;
    }
    if (events_prepare() < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: libvirt's event loop: %s",
                   operation->params->name, ocf_node(), host_error());
        return;
    }
    if (!find(operation)) {
        return;
    }
    if (events_start(operation, EVENTS_ONLY) < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot follow its events: %s",
                   operation->params->name, ocf_node(), host_error());
        host_settle(operation);
        return;
    }
    int r = host_read_state(operation, &text);
    if (r == -ENOENT) {
        end_off(operation, "");
    } else if (r == 0 && operation->report.state == AGENT_VM_PAUSED) {
        destroy(operation, "the guest was paused, so it could not shut down and was powered off");
    } else {
        stop_gracefully(operation);
    }
}
