/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * save: the first half of a quick migration. The guest's state goes to STATE_FILE on the volume,
 * completely or not at all:
 *
 *   STATE_FILE.part    being written; libvirt marks its header once it is complete
 *   STATE_FILE         complete and on the disk; the domain is gone
 *
 * With the second name, this process guarantees that the guest has not run since: libvirt resumes a
 * guest if its daemon did not see the save end, whether the file is complete or not. So this
 * process outlives the clusterd that ordered the save, and the next clusterd waits for it
 * (presence.h). Only the same order, if it is repeated, may rename a file left behind.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "host.h"
#include "job.h"
#include "presence.h"
#include "state_file.h"

static void fail(struct operation *operation, const char *what, const char *why) {
    report_set(&operation->report, VM_FAILED, "%s: cannot save on %s: %s: %s",
               operation->params->name, ocf_node(), what, why);
}

/* Gives a complete file its final name. */
static void finish(struct operation *operation, const char *part) {
    const char *file = operation->params->state_file;
    struct report *report = &operation->report;

    operation_step(operation, "flushing the saved state to the disk");
    int r = state_file_publish(part, file);
    if (r < 0) {
        report_set(report, VM_FAILED,
                   "%s: its state is complete in %s, but the file cannot be renamed to %s: %s; "
                   "save it again to continue",
                   operation->params->name, part, file, strerror(-r));
        return;
    }
    uint64_t suspended_ms = operation->events.suspended_ms;
    if (suspended_ms != 0) {
        report->blackout_ms = (int64_t)(ocf_now_ms() - suspended_ms);
    }
    report_set(report, VM_OK, "%s", "");
}

/* The domain is not here: has an earlier order saved it? */
static void finish_earlier(struct operation *operation, const char *part) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    struct state_info info;
    bool published = state_file_exists(params->state_file);
    const char *file = published ? params->state_file : part;

    if (state_file_read(operation->conn, file, &info) < 0) {
        report_set(
            report, VM_FAILED,
            "%s: cannot save on %s: it is not running there, and %s is not a saved state of it",
            params->name, ocf_node(), params->state_file);
        return;
    }
    bool ours = (params->uuid[0] == '\0' || strcmp(info.uuid, params->uuid) == 0) &&
                (params->generation == 0 || info.generation == params->generation);
    if (!ours) {
        report_set(report, VM_FAILED,
                   "%s: cannot save on %s: it is not running there, and %s is of %s with "
                   "generation %" PRIu64,
                   params->name, ocf_node(), file, info.uuid, info.generation);
        return;
    }
    report->generation = info.generation;
    if (published) {
        report_set(report, VM_OK, "%s was saved to %s before", params->name, file);
    } else {
        finish(operation, part);
    }
}

/* False, with the report, if the existing file must not be replaced. */
static bool may_replace(struct operation *operation) {
    const char *file = operation->params->state_file;
    struct report *report = &operation->report;
    struct state_info info;

    if (!state_file_exists(file)) {
        return true;
    }
    if (state_file_read(operation->conn, file, &info) < 0) {
        report_set(
            report, VM_FAILED,
            "%s: cannot save on %s: %s exists and is not a saved state (%s); remove it by hand",
            operation->params->name, ocf_node(), file, host_error());
        return false;
    }
    if (info.generation != report->generation) {
        report_set(report, VM_FAILED,
                   "%s: cannot save on %s: %s holds a state of generation %" PRIu64
                   ", while generation %" PRIu64 " runs; remove it by hand if it is not needed",
                   operation->params->name, ocf_node(), file, info.generation, report->generation);
        return false;
    }
    /* This generation runs: its older state is not only of no use, but must not be found if this
     * save breaks off. */
    int r = state_file_remove(file);
    if (r < 0) {
        fail(operation, file, strerror(-r));
    }
    return r == 0;
}

static bool may_begin(struct operation *operation) {
    const char *text;

    if (host_read_state(operation, &text) == -EIO) {
        fail(operation, "cannot read its state", host_error());
        return false;
    }
    if (operation->report.state != AGENT_VM_RUNNING) {
        fail(operation, "it is not running", text);
        return false;
    }
    int kind = job_kind(operation->domain);
    if (kind >= 0) {
        fail(operation, "wait for it or cancel it", job_kind_text(kind));
        return false;
    }
    if (presence_announce(operation) < 0) {
        fail(operation, "wait for it", "an earlier operation is still working on it");
        return false;
    }
    return may_replace(operation);
}

static void save(struct operation *operation, const char *part) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    char why[512];

    int r = state_file_make_room(params->state_file, part);
    if (r < 0) {
        fail(operation, params->state_file, strerror(-r));
        return;
    }
    if (!operation_may_begin(operation, "its save")) {
        return;
    }
    operation_step(operation, "saving the VM");
    operation_check_begun(operation);
    if (virDomainSaveFlags(operation->domain, part, NULL, 0) == 0) {
        report->state = AGENT_VM_OFF;
        report->detail = NULL;
        finish(operation, part);
        return;
    }
    snprintf(why, sizeof(why), "%s", host_error());
    host_settle(operation);
    if (report->state == AGENT_VM_RUNNING) {
        (void)unlink(part);
    }
    if (operation_stopped(operation) == STOP_CANCELLED && report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_CANCELLED, "%s: its save on %s was cancelled; it keeps running here",
                   params->name, ocf_node());
    } else if (operation_stopped(operation) == STOP_OUT_OF_TIME) {
        fail(operation, part, "it took too long and was aborted");
    } else {
        fail(operation, part, why);
    }
}

void action_save(struct operation *operation) {
    char part[STATE_FILE_PATH_MAX];

    if (snprintf(part, sizeof(part), "%s" STATE_FILE_PART, operation->params->state_file) >=
        (int)sizeof(part)) {
        fail(operation, operation->params->state_file, strerror(ENAMETOOLONG));
        return;
    }
    if (events_prepare() < 0) {
        fail(operation, "libvirt's event loop", host_error());
        return;
    }
    int r = host_open(operation);
    if (r == -ENOENT) {
        finish_earlier(operation, part);
        return;
    }
    if (r < 0 || !may_begin(operation)) {
        return;
    }
    if (events_start(operation, EVENTS_WITH_JOB) < 0) {
        fail(operation, "cannot follow its events", host_error());
        return;
    }
    save(operation, part);
}
