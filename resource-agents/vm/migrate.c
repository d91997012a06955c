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
 * libvirt carries out all steps but the last whatever happens to this process. So this process
 * outlives the clusterd that ordered the move, and the next clusterd waits for it (presence.h).
 *
 * With encryption, certificates that are missing are found before BEGIN (here) or in PREPARE (on
 * the target), so before any memory flows. There is no second try without encryption (stream.h).
 *
 * A source found paused afterwards is never resumed or destroyed here: this process sees only one
 * side. clusterd asks both and decides.
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
#include "passes.h"
#include "presence.h"
#include "stream.h"
#include "tpm.h"

/* The XML for the target: the running definition as libvirt completed it, with the new generation.
 * The caller frees it. -EOPNOTSUPP: it has a TPM, whose swtpm on the target would need the state
 * while the one here still uses it; and nobody starts one there. */
static int target_xml(struct operation *operation, char **ret_xml) {
    const unsigned int flags = VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_SECURE;
    struct definition definition;
    char reason[256];

    int r = host_read_definition(operation->domain, flags, &definition, reason, sizeof(reason));
    if (r < 0) {
        return r;
    }
    if (tpm_element(&definition) != NULL) {
        r = -EOPNOTSUPP;
    }
    if (r == 0) {
        r = definition_set_mark(&definition, operation->params->generation, DISKS_KEPT);
    }
    if (r == 0) {
        r = definition_print(&definition, ret_xml);
    }
    definition_finish(&definition);
    return r;
}

/* Parameters of the migration. virTypedParamsFree frees them. */
static int fill_params(const struct params *params, const struct stream *stream, const char *xml,
                       virTypedParameterPtr *ret_params, int *ret_count) {
    virTypedParameterPtr list = NULL;
    int count = 0;
    int max = 0;

    int r = virTypedParamsAddString(&list, &count, &max, VIR_MIGRATE_PARAM_DEST_XML, xml);
    if (r == 0 && stream->uri[0] != '\0') {
        r = virTypedParamsAddString(&list, &count, &max, VIR_MIGRATE_PARAM_URI, stream->uri);
    }
    if (r == 0 && stream->encrypted && stream->host[0] != '\0') {
        r = virTypedParamsAddString(&list, &count, &max, VIR_MIGRATE_PARAM_TLS_DESTINATION,
                                    stream->host);
    }
    if (r == 0 && params->bandwidth_mbps > 0) {
        r = virTypedParamsAddULLong(&list, &count, &max, VIR_MIGRATE_PARAM_BANDWIDTH,
                                    params_bandwidth_mib(params));
    }
    if (r == 0) {
        r = passes_throttle(params, &list, &count, &max);
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
 * stopped. Abort instead, so that the VM stays where it was. It arrives paused: see arrival.h.
 */
static unsigned int migration_flags(const struct params *params, const struct stream *stream) {
    unsigned int flags =
        VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_ABORT_ON_ERROR | VIR_MIGRATE_PAUSED;
    if (stream->encrypted) {
        flags |= VIR_MIGRATE_TLS;
    }
    if (params->shared) {
        flags |= VIR_MIGRATE_UNSAFE;
    }
    if (params->auto_converge) {
        flags |= VIR_MIGRATE_AUTO_CONVERGE;
    }
    return flags;
}

/*
 * The three parts end where the guest continued. An event may reach this process long after what it
 * tells of, so the longer blackout, which libvirt measured, says when the guest stopped.
 */
static void read_figures(struct operation *operation, const struct arrival *arrival,
                         const struct passes *passes) {
    int64_t blackout_ms = arrival_blackout_ms(arrival);

    pthread_mutex_lock(&operation->lock);
    operation->report.blackout_ms = blackout_ms;
    operation->report.figures = operation->events.figures;
    /* QEMU tells of the throttle only while it is on; libvirt may ask later. */
    if (passes->last.throttle > operation->report.figures.throttled_percent) {
        operation->report.figures.throttled_percent = passes->last.throttle;
    }
    if (passes->began_ms != 0 && blackout_ms >= 0 &&
        passes->began_ms + (uint64_t)blackout_ms <= arrival->resumed_ms) {
        operation->report.figures.prepare_ms = passes->began_ms - operation->started_ms;
        operation->report.figures.memory_ms =
            arrival->resumed_ms - (uint64_t)blackout_ms - passes->began_ms;
    }
    pthread_mutex_unlock(&operation->lock);
}

/* The target's copy is the VM. Does the guest run there? */
static void judge_arrival(struct operation *operation, const struct arrival *arrival,
                          const struct passes *passes) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    report->state = AGENT_VM_OFF;
    report->generation = 0;
    report->detail = NULL;
    if (arrival->resumed_ms != 0) {
        read_figures(operation, arrival, passes);
        report_set(report, VM_OK, "%s", "");
        return;
    }
    report->detail = "handed-over";
    report_set(report, VM_FAILED, "%s has moved from %s to %s but could not be resumed there: %s",
               params->name, ocf_node(), params->target, arrival->why);
}

/* libvirt reports that the VM moved. Is the source really gone? */
static void judge_success(struct operation *operation, struct arrival *arrival,
                          const struct passes *passes) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    const char *text = "in an unknown state";

    if (host_read_state(operation, &text) == -ENOENT || report->state == AGENT_VM_OFF) {
        arrival_complete(arrival);
    }
    operation_step(operation, "resuming the VM on the target");
    if (arrival_end(arrival)) {
        judge_arrival(operation, arrival, passes);
        return;
    }
    report_set(report, VM_FAILED,
               "%s moved from %s to %s, but its source is still here, %s; ask %s which copy runs",
               params->name, ocf_node(), params->target, text, params->target);
}

/* It was stopped by us, and the VM runs on. False: that is not what happened. */
static bool judge_stop(struct operation *operation, struct passes *passes) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    if (report->state != AGENT_VM_RUNNING) {
        return false;
    }
    switch (operation_stopped(operation)) {
    case STOP_NONE: return false;
    case STOP_CANCELLED:
        report_set(report, VM_CANCELLED,
                   "%s: its move from %s to %s was cancelled; it keeps running here", params->name,
                   ocf_node(), params->target);
        return true;
    case STOP_OUT_OF_TIME:
        report_set(report, VM_FAILED,
                   "%s: its move from %s to %s took more than its %" PRIu64
                   " ms and was aborted; it keeps running here; allow auto-converge, more downtime "
                   "or more bandwidth",
                   params->name, ocf_node(), params->target, params->timeout_ms);
        return true;
    case STOP_NOT_CONVERGING: break;
    }
    struct pass last = passes_last(passes);
    report_set(report, VM_FAILED,
               "%s: its move from %s to %s does not converge and was aborted; it keeps running "
               "here: after %" PRIu64 " passes, the guest slowed down by %" PRIu64
               " %%, it still needs a blackout of %" PRIu64 " ms and %" PRIu64
               " ms are permitted; allow more downtime or more bandwidth, or let it be suspended "
               "(vm move --max-downtime, --bandwidth, --if-not-converging suspend)",
               params->name, ocf_node(), params->target, last.number - 1, last.throttle,
               converge_needed_ms(&last), passes->converge.limit_ms);
    return true;
}

/* libvirt's words for a libvirtd that died meanwhile name neither it nor its node. */
static void explain(const struct operation *operation, const struct arrival *arrival, char *why,
                    size_t why_size) {
    char error[512];

    snprintf(error, sizeof(error), "%s", host_error());
    const char *lost = virConnectIsAlive(operation->conn) == 0 ? ocf_node()
                       : virConnectIsAlive(arrival->conn) == 0 ? operation->params->target
                                                               : NULL;
    if (lost != NULL) {
        snprintf(why, why_size, "the connection to libvirt on %s broke off (%s)", lost, error);
    } else {
        snprintf(why, why_size, "%s", error);
    }
}

static void judge_failure(struct operation *operation, struct arrival *arrival,
                          const struct stream *stream, struct passes *passes) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    bool refused = host_error_is_refusal();
    char why[640];

    explain(operation, arrival, why, sizeof(why));
    if (arrival_end(arrival)) {
        judge_arrival(operation, arrival, passes); /* only the answer was lost */
        return;
    }
    report->refused = operation_stopped(operation) == STOP_NONE && refused;
    host_settle(operation);
    passes_restore(passes);
    if (judge_stop(operation, passes)) {
        return;
    }
    const char *refusal = NULL;
    const char *refuser =
        stream->encrypted ? stream_refused_by(why, ocf_node(), params->target, &refusal) : NULL;
    if (refuser != NULL && report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_FAILED,
                   "%s: cannot move from %s to %s: its memory is to be encrypted, but QEMU on %s "
                   "cannot use its certificates: %s; see CERTIFICATES in clusterd.conf(5)",
                   params->name, ocf_node(), params->target, refuser, refusal);
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

static void migrate(struct operation *operation, struct arrival *arrival,
                    const struct stream *stream) {
    static struct passes passes; /* libvirt's thread may use it until the process ends */
    const struct params *params = operation->params;
    virTypedParameterPtr list = NULL;
    char *xml = NULL;
    int count = 0;

    int r = target_xml(operation, &xml);
    if (r == 0) {
        r = fill_params(params, stream, xml, &list, &count);
    }
    if (r == -EOPNOTSUPP) {
        report_set(&operation->report, VM_FAILED,
                   "%s: cannot move live from %s to %s: it has a TPM, and the TPM's state cannot "
                   "change hands while the guest runs; move it with --quick",
                   params->name, ocf_node(), params->target);
        return;
    }
    if (r < 0) {
        report_set(&operation->report, VM_FAILED,
                   "%s: cannot move from %s to %s: cannot prepare its definition: %s", params->name,
                   ocf_node(), params->target, r == -EIO ? host_error() : strerror(-r));
        free(xml);
        return;
    }
    operation_step(operation, "moving the VM");
    operation_check_begun(operation);
    if (passes_begin(&passes, operation, 0) < 0) {
        ocf_log("%s on %s: cannot follow the passes of its move: %s; it may not converge",
                params->name, ocf_node(), host_error());
    }
    r = virDomainMigrateToURI3(operation->domain, params->target_uri, list, (unsigned int)count,
                               migration_flags(params, stream));
    if (r == 0) {
        judge_success(operation, arrival, &passes);
    } else {
        judge_failure(operation, arrival, stream, &passes);
    }
    virTypedParamsFree(list, count);
    free(xml);
}

void action_migrate_to(struct operation *operation) {
    const struct params *params = operation->params;
    static struct arrival arrival; /* its thread may use it until the process ends */
    struct stream stream;
    char why[512];

    stream_to(params->target_uri, &stream);
    if (events_prepare() < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: libvirt's event loop: %s",
                   params->name, ocf_node(), host_error());
        return;
    }
    if (host_open(operation) < 0 || !may_begin(operation)) {
        return;
    }
    if (stream.encrypted && !stream_has_certificates("/etc", why, sizeof(why))) {
        report_set(
            &operation->report, VM_FAILED,
            "%s: cannot move from %s to %s: its memory is to be encrypted, but %s has no %s; "
            "see CERTIFICATES in clusterd.conf(5)",
            params->name, ocf_node(), params->target, ocf_node(), why);
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
        migrate(operation, &arrival, &stream);
    }
}
