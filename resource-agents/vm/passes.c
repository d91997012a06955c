/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Follows the passes of a live migration. See passes.h. */
#include "passes.h"

#include <errno.h>
#include <inttypes.h>
#include <libvirt/libvirt.h>

#include "../shared/ocf.h"
#include "host.h"
#include "job.h"

static void permit(const struct passes *passes, virDomainPtr domain, uint64_t ms) {
    const struct params *params = passes->operation->params;

    /* It fails if the guest has stopped already, which is all that it is for. */
    if (virDomainMigrateSetMaxDowntime(domain, ms, 0) < 0) {
        ocf_log("%s on %s: a blackout of %" PRIu64 " ms cannot be permitted: %s", params->name,
                ocf_node(), ms, host_error());
    }
}

/* If it fails, the move only takes longer. */
static void limit_memory(const struct passes *passes, virDomainPtr domain) {
    const struct params *params = passes->operation->params;

    if (passes->memory_mib > 0 &&
        virDomainMigrateSetMaxSpeed(domain, (unsigned long)passes->memory_mib, 0) < 0) {
        ocf_log("%s on %s: its memory is sent at the limit of one disk: %s", params->name,
                ocf_node(), host_error());
    }
}

/* libvirt's thread for events, which also may ask for the figures of the job. */
static void on_border(virConnectPtr conn, virDomainPtr domain, int number, void *data) {
    struct passes *passes = data;
    struct operation *operation = passes->operation;
    struct progress progress;
    (void)conn;
    (void)domain; /* of the worker's connection */

    if (number == 1) {
        pthread_mutex_lock(&operation->lock);
        passes->began_ms = ocf_now_ms();
        pthread_mutex_unlock(&operation->lock);
        /* It connects: now, and not while the guest stands still. */
        limit_memory(passes, events_domain(operation));
    }
    if (number < 2 || operation_stopped(operation) != STOP_NONE ||
        job_progress(events_domain(operation), &progress) < 0) {
        return;
    }
    const struct pass pass = {.number = (uint64_t)number,
                              .at_ms = ocf_now_ms(),
                              .remaining_bytes = progress.remaining_bytes,
                              .rate_bps = progress.rate_bps,
                              .throttle = progress.throttle_percent};
    pthread_mutex_lock(&operation->lock);
    bool suspended = passes->converge.suspends;
    enum converge_step step = converge_at_border(&passes->converge, &pass);
    uint64_t permitted_ms = passes->converge.permitted_ms;
    suspended = passes->converge.suspends && !suspended;
    passes->last = pass;
    pthread_mutex_unlock(&operation->lock);

    if (suspended) {
        ocf_log("%s on %s: its move does not converge: it is suspended for about %" PRIu64 " ms",
                operation->params->name, ocf_node(), converge_needed_ms(&pass));
    }
    switch (step) {
    case CONVERGE_GO_ON: break;
    case CONVERGE_PERMIT: permit(passes, events_domain(operation), permitted_ms); break;
    case CONVERGE_ABORT: operation_stop(operation, STOP_NOT_CONVERGING); break;
    }
}

int passes_throttle(const struct params *params, virTypedParameterPtr *list, int *count, int *max) {
    if (!params->auto_converge) {
        return 0;
    }
    int r = virTypedParamsAddInt(list, count, max, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL,
                                 CONVERGE_THROTTLE_FIRST);
    return r < 0 ? r
                 : virTypedParamsAddInt(list, count, max, VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT,
                                        CONVERGE_THROTTLE_STEP);
}

int passes_begin(struct passes *passes, struct operation *operation, uint64_t memory_mib) {
    const struct params *params = operation->params;
    unsigned long long former_ms = 0;
    uint64_t limit_ms = params->max_downtime_ms > 0 ? params->max_downtime_ms : CONVERGE_USUAL_MS;

    *passes = (struct passes){.operation = operation, .memory_mib = memory_mib};
    converge_init(&passes->converge, limit_ms, params->if_not_converging, params->auto_converge);
    if (virDomainMigrateGetMaxDowntime(operation->domain, &former_ms, 0) == 0) {
        passes->former_ms = former_ms;
    }
    permit(passes, operation->domain, passes->converge.permitted_ms);
    return virConnectDomainEventRegisterAny(operation->conn, operation->domain,
                                            VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
                                            VIR_DOMAIN_EVENT_CALLBACK(on_border), passes, NULL) < 0
               ? -EIO
               : 0;
}

void passes_restore(struct passes *passes) {
    if (passes->former_ms > 0) {
        permit(passes, passes->operation->domain, passes->former_ms);
    }
}

struct pass passes_last(struct passes *passes) {
    pthread_mutex_lock(&passes->operation->lock);
    struct pass last = passes->last;
    pthread_mutex_unlock(&passes->operation->lock);
    return last;
}
