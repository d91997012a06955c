/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that runs moves to another host without a cluster, with its disks: libvirtd to libvirtd, so
 * that it is decided even if this process dies. See hosts.h; the phases are those of migrate.c.
 *
 *     the target's files are made     in the journal of the source, one by one
 *     libvirt copies disks, memory    and again what the guest writes meanwhile
 *     the copy arrives, paused        its definition has the journal "arrives"
 *     libvirt removes the source      and its definition
 *     the copy is resumed             arrival.h
 *     the journal ends                files of the source are removed, if that was asked for
 */
#include "hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "arrival.h"
#include "host.h"
#include "passes.h"
#include "stream.h"

/* What the move needs of libvirt. */
struct request {
    virTypedParameterPtr list;
    int count;
    int max;
    unsigned int flags;
};

static int add_text(struct request *request, const char *name, const char *text) {
    return virTypedParamsAddString(&request->list, &request->count, &request->max, name, text) < 0
               ? -EIO
               : 0;
}

/*
 * libvirt limits each disk by this, and then the memory (9.0: three disks took three times as much;
 * 11.3 by its source). So each disk gets its share; the memory gets all of it, see passes.h.
 */
static int add_bandwidth(const struct params *params, size_t disks, struct request *request) {
    unsigned long long mib = params_bandwidth_mib(params);

    if (mib == 0) {
        return 0;
    }
    mib = disks > 1 ? mib / disks : mib;
    return virTypedParamsAddULLong(&request->list, &request->count, &request->max,
                                   VIR_MIGRATE_PARAM_BANDWIDTH, mib > 0 ? mib : 1) < 0
               ? -EIO
               : 0;
}

static int add_definitions(struct hosts *hosts, struct hosts_plan *plan, struct request *request) {
    char *running = NULL;
    char *defined = NULL;

    int r = hosts_print_arrival(hosts, plan, &plan->definition, &running);
    r = r < 0 ? r : add_text(request, VIR_MIGRATE_PARAM_DEST_XML, running);
    if (r == 0 && plan->defined.doc != NULL) {
        r = hosts_print_arrival(hosts, plan, &plan->defined, &defined);
        r = r < 0 ? r : add_text(request, VIR_MIGRATE_PARAM_PERSIST_XML, defined);
    }
    free(running);
    free(defined);
    return r;
}

static int fill_request(struct hosts *hosts, struct hosts_plan *plan, const struct stream *stream,
                        struct request *request) {
    int r = add_definitions(hosts, plan, request);

    if (r == 0 && stream->uri[0] != '\0') {
        r = add_text(request, VIR_MIGRATE_PARAM_URI, stream->uri);
    }
    if (r == 0 && stream->encrypted && stream->host[0] != '\0') {
        r = add_text(request, VIR_MIGRATE_PARAM_TLS_DESTINATION, stream->host);
    }
    for (size_t i = 0; r == 0 && i < plan->files.count; i++) {
        r = add_text(request, VIR_MIGRATE_PARAM_MIGRATE_DISKS, plan->files.files[i].disk);
    }
    if (r == 0) {
        r = add_bandwidth(hosts->operation->params, plan->files.count, request);
    }
    if (r == 0 && passes_throttle(hosts->operation->params, &request->list, &request->count,
                                  &request->max) < 0) {
        r = -EIO;
    }
    request->flags =
        VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_ABORT_ON_ERROR | VIR_MIGRATE_PAUSED;
    if (plan->files.count > 0) {
        request->flags |= VIR_MIGRATE_NON_SHARED_DISK; /* not SYNCHRONOUS_WRITES: see mirror.c */
    }
    if (plan->persistent) {
        request->flags |= VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE;
    }
    if (hosts->operation->params->auto_converge) {
        request->flags |= VIR_MIGRATE_AUTO_CONVERGE;
    }
    if (stream->encrypted) {
        request->flags |= VIR_MIGRATE_TLS;
    }
    if (hosts->operation->params->shared) {
        request->flags |=
            VIR_MIGRATE_UNSAFE; /* the administrator's word, against libvirt's doubt */
    }
    return r;
}

/* ---- how it ended ---- */

static void arrived(struct hosts *hosts, const struct arrival *arrival) {
    struct report *report = &hosts->operation->report;
    const char *name = hosts->operation->params->name;

    report->state = AGENT_VM_OFF;
    if (arrival->resumed_ms == 0) {
        (void)hosts_fail(hosts,
                         "it has arrived but could not be resumed: %s; run the same command "
                         "again",
                         arrival->why);
        return;
    }
    operation_step(hosts->operation, "ending the move");
    hosts->there = arrival->domain != NULL ? arrival->domain
                                           : virDomainLookupByUUIDString(hosts->to, hosts->uuid);
    if (hosts->there != NULL) {
        hosts_complete(hosts, hosts->there);
    }
    report->blackout_ms = arrival_blackout_ms(arrival);
    report_set(report, VM_OK, "%s has moved from %s to %s", name, hosts->from_name, hosts->to_name);
}

/* libvirt gave the move up. Where is the VM, and what is left? */
static void not_arrived(struct hosts *hosts, const char *why) {
    struct operation *operation = hosts->operation;
    struct report *report = &operation->report;
    enum stop_reason stop = operation_stopped(operation);

    host_settle(operation);
    if (report->state != AGENT_VM_RUNNING) {
        (void)hosts_fail(hosts,
                         "%s; it does not run on %s; run the same command again, which looks "
                         "at both hosts",
                         why, hosts->from_name);
        return;
    }
    /* The connection may have broken, and not the migration. */
    if (hosts_leaves_now(operation->domain)) {
        (void)hosts_fail(hosts,
                         "%s; but its migration goes on; run the same command again, which waits "
                         "for its end",
                         why);
        return;
    }
    if (hosts_undo_files(hosts) < 0) {
        return; /* the report says which file stays */
    }
    if (stop == STOP_CANCELLED) {
        report_set(report, VM_CANCELLED,
                   "%s: its move from %s to %s was cancelled; it keeps running on %s",
                   operation->params->name, hosts->from_name, hosts->to_name, hosts->from_name);
        return;
    }
    const char *hint = strstr(why, "nsafe migration") != NULL
                           ? "; if both hosts reach the same storage, say so (--shared)"
                           : "";
    switch (stop) {
    case STOP_OUT_OF_TIME: why = "its time was over"; break;
    case STOP_NOT_CONVERGING:
        why = "its guest changes its memory faster than it can be sent";
        break;
    case STOP_NONE:
    case STOP_CANCELLED: break;
    }
    (void)hosts_fail(hosts, "%s; it keeps running on %s%s", why, hosts->from_name, hint);
}

static void migrate(struct hosts *hosts, struct arrival *arrival, const struct request *request) {
    struct operation *operation = hosts->operation;
    static struct passes passes; /* libvirt's thread may use it until the process ends */
    const char *text = "in an unknown state";
    char why[512] = "";

    operation_step(operation, "moving the VM");
    if (passes_begin(&passes, operation, params_bandwidth_mib(operation->params)) < 0) {
        ocf_log("%s: cannot follow the passes of its move: %s; it may not converge",
                operation->params->name, host_error());
    }
    int r = virDomainMigrateToURI3(operation->domain, operation->params->target_uri, request->list,
                                   (unsigned int)request->count, request->flags);
    if (r < 0) {
        snprintf(why, sizeof(why), "%s", host_error());
    } else if (host_read_state(operation, &text) == -ENOENT ||
               operation->report.state == AGENT_VM_OFF) {
        arrival_complete(arrival);
    } else {
        snprintf(why, sizeof(why), "its source is still there, %s", text);
    }
    if (arrival_end(arrival)) {
        arrived(hosts, arrival);
    } else {
        passes_restore(&passes);
        not_arrived(hosts, why);
    }
}

void hosts_move_live(struct hosts *hosts, struct hosts_plan *plan) {
    struct operation *operation = hosts->operation;
    static struct arrival arrival; /* its thread may use it until the process ends */
    struct request request = {.count = 0};
    struct stream stream;
    char why[512];

    stream_to(operation->params->target_uri, &stream);
    if (fill_request(hosts, plan, &stream, &request) < 0 ||
        events_start(operation, EVENTS_WITH_JOB) < 0) {
        (void)hosts_fail(hosts, "it cannot be prepared: %s", host_error());
    } else if (arrival_begin(&arrival, operation, why, sizeof(why)) < 0) {
        (void)hosts_fail(hosts, "%s", why);
    } else if (hosts_make_files(hosts, plan) == 0) {
        migrate(hosts, &arrival, &request);
    }
    virTypedParamsFree(request.list, request.count);
}
