/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last step of a live migration. See arrival.h. */
#include "arrival.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../shared/ocf.h"
#include "host.h"
#include "operation.h"
#include "qemu_kill.h"

enum {
    /* A target that hangs is given up after (count + 1) intervals; clusterd then decides. */
    KEEPALIVE_S = 2,
    KEEPALIVE_COUNT = 3,
    RESUME_WAIT_MS = 10000,
    /* The job's final figures come as a separate event, normally before the call's answer. */
    FIGURES_WAIT_MS = 300,
};

static void changed(struct arrival *arrival) {
    pthread_cond_broadcast(&arrival->operation->changed);
    pthread_mutex_unlock(&arrival->operation->lock);
}

/* Everything has arrived. libvirt names the copy, which saves a call later. */
static int on_target(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *data) {
    struct arrival *arrival = data;
    char uuid[VIR_UUID_STRING_BUFLEN];
    (void)conn;
    (void)detail;

    if (event != VIR_DOMAIN_EVENT_SUSPENDED || virDomainGetUUIDString(domain, uuid) < 0 ||
        strcmp(uuid, arrival->uuid) != 0) {
        return 0;
    }
    pthread_mutex_lock(&arrival->operation->lock);
    if (arrival->domain == NULL && virDomainRef(domain) == 0) {
        arrival->domain = domain;
    }
    changed(arrival);
    return 0;
}

static void hand_over(struct arrival *arrival) {
    pthread_mutex_lock(&arrival->operation->lock);
    arrival->handed_over = true;
    changed(arrival);
}

/*
 * QEMU has ended: by itself, or because libvirt has confirmed the migration? libvirt records its
 * phase before it acts, and no libvirtd ever lets a source continue in that phase.
 */
static void on_source_ended(int watch, int fd, int events, void *data) {
    struct arrival *arrival = data;
    (void)fd;
    (void)events;

    virEventUpdateHandle(watch, 0);
    if (qemu_was_confirmed(arrival->operation->params->name, arrival->uuid)) {
        hand_over(arrival);
    }
}

/* Without this, libvirt's own report has to do, which comes later. */
static void follow_source(struct arrival *arrival) {
    const struct params *params = arrival->operation->params;
    /* A source on another host (host-move) has its QEMU there. */
    bool here = strstr(params->uri, ":///") != NULL;
    int fd = here ? qemu_open(params->name, arrival->uuid) : -EREMOTE;

    if (fd < 0 ||
        virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_source_ended, arrival, NULL) < 0) {
        ocf_log("%s on %s: cannot follow its QEMU: %s; the blackout will be longer", params->name,
                ocf_node(), fd < 0 ? strerror(-fd) : host_error());
    }
}

/* libvirt's name for the copy on the target; the event may have brought it. */
static virDomainPtr copy_there(struct arrival *arrival) {
    return arrival->domain != NULL ? arrival->domain
                                   : virDomainLookupByUUIDString(arrival->conn, arrival->uuid);
}

static void *arrival_main(void *data) {
    struct arrival *arrival = data;
    struct operation *operation = arrival->operation;

    pthread_mutex_lock(&operation->lock);
    while (!arrival->handed_over && !arrival->over) {
        pthread_cond_wait(&operation->changed, &operation->lock);
    }
    bool handed_over = arrival->handed_over;
    pthread_mutex_unlock(&operation->lock);

    virDomainPtr domain = handed_over ? copy_there(arrival) : NULL;
    bool resumed = domain != NULL && virDomainResume(domain) == 0;

    pthread_mutex_lock(&operation->lock);
    if (resumed) {
        arrival->resumed_ms = ocf_now_ms();
    } else if (handed_over) {
        snprintf(arrival->why, sizeof(arrival->why), "%s", host_error());
    }
    arrival->done = true;
    changed(arrival);
    return NULL;
}

int arrival_begin(struct arrival *arrival, struct operation *operation, char *why,
                  size_t why_size) {
    pthread_t thread;

    *arrival = (struct arrival){.operation = operation};
    operation_step(operation, "connecting to the target");
    arrival->conn = virConnectOpen(operation->params->target_uri);
    if (arrival->conn == NULL || virDomainGetUUIDString(operation->domain, arrival->uuid) < 0 ||
        virConnectSetKeepAlive(arrival->conn, KEEPALIVE_S, KEEPALIVE_COUNT) < 0 ||
        virConnectDomainEventRegisterAny(arrival->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_target), arrival, NULL) < 0) {
        const char *error = host_error();
        snprintf(
            why, why_size, "cannot reach libvirt at %s: %s%s", operation->params->target_uri, error,
            strstr(error, "certificate") != NULL ? "; see CERTIFICATES in clusterd.conf(5)" : "");
        return -EIO;
    }
    follow_source(arrival);
    int r = pthread_create(&thread, NULL, arrival_main, arrival);
    if (r != 0) {
        snprintf(why, why_size, "%s", strerror(r));
        return -EIO;
    }
    pthread_detach(thread);
    return 0;
}

void arrival_complete(struct arrival *arrival) {
    hand_over(arrival);
}

bool arrival_end(struct arrival *arrival) {
    struct operation *operation = arrival->operation;
    uint64_t due_ms = ocf_now_ms() + RESUME_WAIT_MS;
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                           .tv_nsec = (long)(due_ms % 1000) * 1000000};
    int r = 0;

    pthread_mutex_lock(&operation->lock);
    arrival->over = true;
    pthread_cond_broadcast(&operation->changed);
    while (!arrival->done && r == 0) {
        r = pthread_cond_timedwait(&operation->changed, &operation->lock, &due);
    }
    if (!arrival->done) {
        snprintf(arrival->why, sizeof(arrival->why), "no answer from libvirt there");
    }
    bool handed_over = arrival->handed_over;
    pthread_mutex_unlock(&operation->lock);
    return handed_over;
}

int64_t arrival_blackout_ms(const struct arrival *arrival) {
    struct operation *operation = arrival->operation;
    uint64_t due_ms = ocf_now_ms() + FIGURES_WAIT_MS;

    pthread_mutex_lock(&operation->lock);
    while (!operation->events.job_done &&
           operation_wait(operation, operation->events.changes, due_ms)) {
    }
    int64_t blackout_ms = operation->events.downtime_ms;
    uint64_t began_ms = operation->events.suspended_ms;
    if (began_ms != 0 && arrival->resumed_ms >= began_ms &&
        (int64_t)(arrival->resumed_ms - began_ms) > blackout_ms) {
        blackout_ms = (int64_t)(arrival->resumed_ms - began_ms);
    }
    pthread_mutex_unlock(&operation->lock);
    return blackout_ms;
}
