/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate_to: live migration, libvirtd to libvirtd (peer to peer), so that it survives this
 * process.
 *
 * The steps, and what is true of the two copies when the connection breaks there:
 *
 *   BEGIN, PREPARE   target paused and empty                     source runs
 *   PERFORM          memory flows                                source runs
 *   PERFORM3_DONE    all memory is there, source paused          nobody runs: either one may,
 *                                                                but only one
 *   FINISH           target complete, and paused (arrival.h)     the same; if libvirt gets no
 *                                                                answer, it resumes the source
 *   CONFIRM          source destroyed                            only the target is left
 *   RESUME           ours: target resumed                        target runs
 *
 * libvirt goes on with all but the last step whatever becomes of this process; so it outlives the
 * clusterd that has ordered it, and the next one waits for it (presence.h).
 *
 * A source found paused afterwards is never resumed or destroyed here: this process sees one side
 * only. clusterd asks both and decides.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "arrival.h"
#include "host.h"
#include "job.h"
#include "presence.h"

/* The job's final figures come as a separate event, normally before the call's answer. */
enum { FIGURES_WAIT_MS = 300 };

/*
 * Where the memory goes: to the host that target_uri names, for the name that the target has for
 * itself may lead over another network or nowhere. False where the URI has no host.
 */
static bool memory_uri(const char *target_uri, char *ret_uri, size_t size) {
    const char *host = strstr(target_uri, "://");
    if (host == NULL) {
        return false;
    }
    host += 3;
    size_t authority = strcspn(host, "/?");
    const char *at = memchr(host, '@', authority);
    if (at != NULL) {
        authority -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?");
    if (len == 0 || len > authority) {
        return false;
    }
    int n = snprintf(ret_uri, size, "tcp://%.*s", (int)len, host);
    return n > 0 && (size_t)n < size;
}

/* The XML for the target: the running definition as libvirt completed it, with the new generation.
 * The caller frees it. */
static int target_xml(struct operation *operation, char **ret_xml) {
    const unsigned int flags = VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_SECURE;
    struct definition definition;
    char reason[256];

    char *xml = virDomainGetXMLDesc(operation->domain, flags);
    if (xml == NULL) {
        return -EIO;
    }
    int r = definition_parse(xml, strlen(xml), &definition, reason, sizeof(reason));
    free(xml);
    if (r < 0) {
        return r;
    }
    r = definition_set_mark(&definition, operation->params->generation, DISKS_KEPT);
    if (r == 0) {
        r = definition_print(&definition, ret_xml);
    }
    definition_finish(&definition);
    return r;
}

/* Parameters of the migration. virTypedParamsFree frees them. */
static int fill_params(const struct params *params, const char *xml,
                       virTypedParameterPtr *ret_params, int *ret_count) {
    const uint64_t bytes_per_megabit = 1000 * 1000 / 8;
    virTypedParameterPtr list = NULL;
    char uri[300];
    int count = 0;
    int max = 0;

    int r = virTypedParamsAddString(&list, &count, &max, VIR_MIGRATE_PARAM_DEST_XML, xml);
    if (r == 0 && memory_uri(params->target_uri, uri, sizeof(uri))) {
        r = virTypedParamsAddString(&list, &count, &max, VIR_MIGRATE_PARAM_URI, uri);
    }
    if (r == 0 && params->bandwidth_mbps > 0) {
        /* libvirt counts in MiB/s; a limit must not become 0, which means no limit. */
        unsigned long long mib = params->bandwidth_mbps * bytes_per_megabit / (1024 * 1024);
        r = virTypedParamsAddULLong(&list, &count, &max, VIR_MIGRATE_PARAM_BANDWIDTH,
                                    mib > 0 ? mib : 1);
    }
    if (r < 0) {
        virTypedParamsFree(list, count);
        return -EIO;
    }
    *ret_params = list;
    *ret_count = count;
    return 0;
}

/*
 * A soft error of the guest's disk during the migration would stop the guest, and it would arrive
 * stopped: abort instead, so that the VM is where it was. It arrives paused: see arrival.h.
 */
static unsigned int migration_flags(const struct params *params) {
    unsigned int flags =
        VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_ABORT_ON_ERROR | VIR_MIGRATE_PAUSED;
    if (params->shared) {
        flags |= VIR_MIGRATE_UNSAFE;
    }
    if (params->auto_converge) {
        flags |= VIR_MIGRATE_AUTO_CONVERGE;
    }
    return flags;
}

/*
 * From the moment in which the guest stood still here to the one in which it went on there. What
 * libvirt measures ends when the copy has arrived; where its word of the beginning was lost, that
 * has to do.
 */
static void read_blackout(struct operation *operation, const struct arrival *arrival) {
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
    operation->report.blackout_ms = blackout_ms;
    pthread_mutex_unlock(&operation->lock);
}

/* The target's copy is the VM. Does the guest run there? */
static void judge_arrival(struct operation *operation, const struct arrival *arrival) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    report->state = AGENT_VM_OFF;
    report->generation = 0;
    report->detail = NULL;
    if (arrival->resumed_ms != 0) {
        read_blackout(operation, arrival);
        report_set(report, VM_OK, "%s", "");
        return;
    }
    report->detail = "handed-over";
    report_set(report, VM_FAILED, "%s has moved from %s to %s but could not be resumed there: %s",
               params->name, ocf_node(), params->target, arrival->why);
}

/* libvirt reports that the VM moved. Is the source really gone? */
static void judge_success(struct operation *operation, struct arrival *arrival) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    const char *text = "in an unknown state";

    if (host_read_state(operation, &text) == -ENOENT || report->state == AGENT_VM_OFF) {
        arrival_complete(arrival);
    }
    operation_step(operation, "resuming the VM on the target");
    if (arrival_end(arrival)) {
        judge_arrival(operation, arrival);
        return;
    }
    report_set(report, VM_FAILED,
               "%s moved from %s to %s, but its source is still here, %s; ask %s which copy runs",
               params->name, ocf_node(), params->target, text, params->target);
}

static void judge_failure(struct operation *operation, struct arrival *arrival) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    enum stop_reason stop = operation_stopped(operation);
    char why[512];

    snprintf(why, sizeof(why), "%s", host_error());
    if (arrival_end(arrival)) {
        judge_arrival(operation, arrival); /* only the answer was lost */
        return;
    }
    report->refused = stop == STOP_NONE && host_error_is_refusal();
    host_settle(operation);
    if (stop == STOP_CANCELLED && report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_CANCELLED,
                   "%s: its move from %s to %s was cancelled; it keeps running here", params->name,
                   ocf_node(), params->target);
        return;
    }
    if (stop == STOP_OUT_OF_TIME && report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_FAILED,
                   "%s: its move from %s to %s took more than its %" PRIu64
                   " ms and was aborted; it keeps running here; allow auto-converge, more downtime "
                   "or more bandwidth",
                   params->name, ocf_node(), params->target, params->timeout_ms);
        return;
    }
    const char *now = "; it is not known where it runs now";
    switch (report->state) {
    case AGENT_VM_RUNNING: now = ""; break; /* it is where it was: nothing to do */
    case AGENT_VM_PAUSED:
        now = "; it is paused here and may run there: ask both nodes before it is resumed or "
              "destroyed";
        break;
    case AGENT_VM_OFF: now = "; it is no longer here: ask the other node"; break;
    case AGENT_VM_UNKNOWN: break;
    }
    report_set(report, VM_FAILED, "%s: cannot move from %s to %s: %s%s", params->name, ocf_node(),
               params->target, why, now);
}

/* Reasons against a migration, checked before it begins. */
static bool may_begin(struct operation *operation) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    const char *text;

    int r = host_read_state(operation, &text);
    if (r == -EIO) {
        report_set(report, VM_FAILED, "%s on %s: cannot read its state: %s", params->name,
                   ocf_node(), host_error());
        return false;
    }
    if (report->state != AGENT_VM_RUNNING) {
        report_set(report, VM_FAILED, "%s: cannot move from %s to %s: it is %s", params->name,
                   ocf_node(), params->target, text);
        return false;
    }
    int kind = job_kind(operation->domain);
    if (kind >= 0) {
        report_set(report, VM_FAILED,
                   "%s: cannot move from %s to %s: %s runs on it already; wait for it or cancel it",
                   params->name, ocf_node(), params->target, job_kind_text(kind));
        return false;
    }
    if (presence_announce(operation) < 0) {
        report_set(report, VM_FAILED,
                   "%s: cannot move from %s to %s: an earlier operation is still working on it; "
                   "wait for it",
                   params->name, ocf_node(), params->target);
        return false;
    }
    return true;
}

static void migrate(struct operation *operation, struct arrival *arrival) {
    const struct params *params = operation->params;
    virTypedParameterPtr list = NULL;
    char *xml = NULL;
    int count = 0;

    int r = target_xml(operation, &xml);
    if (r == 0) {
        r = fill_params(params, xml, &list, &count);
    }
    if (r < 0) {
        report_set(&operation->report, VM_FAILED,
                   "%s: cannot move from %s to %s: cannot prepare its definition: %s", params->name,
                   ocf_node(), params->target, r == -EIO ? host_error() : strerror(-r));
        free(xml);
        return;
    }
    if (params->max_downtime_ms > 0 &&
        virDomainMigrateSetMaxDowntime(operation->domain, params->max_downtime_ms, 0) < 0) {
        ocf_log("%s on %s: its longest blackout cannot be set: %s", params->name, ocf_node(),
                host_error());
    }
    operation_step(operation, "moving the VM");
    operation_check_begun(operation);
    r = virDomainMigrateToURI3(operation->domain, params->target_uri, list, (unsigned int)count,
                               migration_flags(params));
    if (r == 0) {
        judge_success(operation, arrival);
    } else {
        judge_failure(operation, arrival);
    }
    virTypedParamsFree(list, count);
    free(xml);
}

void action_migrate_to(struct operation *operation) {
    const struct params *params = operation->params;
    static struct arrival arrival; /* its thread may use it until the process ends */
    char why[512];

    if (events_prepare() < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: libvirt's event loop: %s",
                   params->name, ocf_node(), host_error());
        return;
    }
    if (host_open(operation) < 0 || !may_begin(operation)) {
        return;
    }
    if (events_start(operation, EVENTS_WITH_JOB) < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot follow its events: %s",
                   params->name, ocf_node(), host_error());
        return;
    }
    if (arrival_begin(&arrival, operation, why, sizeof(why)) < 0) {
        report_set(&operation->report, VM_FAILED, "%s: cannot move from %s to %s: %s", params->name,
                   ocf_node(), params->target, why);
        return;
    }
    if (operation_may_begin(operation, "its move to another node")) {
        migrate(operation, &arrival);
    }
}
