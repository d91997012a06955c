/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor, migrate_from and resume: the state on this node, now or as soon as it is final. */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "host.h"
#include "job.h"
#include "presence.h"

/* Not every end of a job sends an event on both sides: check again at intervals. */
enum { LOOK_AGAIN_MS = 500 };

static void tell_generation(const struct report *report) {
    jsonl_send(json_pack("{sI}", "generation", (json_int_t)report->generation), JSONL_IMPORTANT_MS);
}

static void end_absent(struct operation *operation) {
    report_set(&operation->report, VM_OK, "%s is not on %s", operation->params->name, ocf_node());
    operation->report.exit_code = OCF_NOT_RUNNING;
}

static void cannot_read(struct operation *operation) {
    report_set(&operation->report, VM_FAILED, "%s on %s: cannot read its state: %s",
               operation->params->name, ocf_node(), host_error());
}

static bool wait_for_job(struct operation *operation) {
    for (;;) {
        uint64_t seen = operation_changes(operation);
        int kind = job_kind(operation->domain);
        if (kind < 0) {
            return true; /* no job, or no domain any more; the next step will show */
        }
        operation_step(operation, "waiting for the VM's job");
        if (!operation_pause(operation, seen, LOOK_AGAIN_MS)) {
            report_set(&operation->report, VM_FAILED, "%s on %s: %s still runs on it (%s)",
                       operation->params->name, ocf_node(), job_kind_text(kind),
                       operation_stop_text(operation));
            return false;
        }
    }
}

/* Connects, with events if the action waits for them. 0, -ENOENT (absent) or another negative errno
 * (reported). */
static int open_following(struct operation *operation) {
    if (events_prepare() < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: libvirt's event loop: %s",
                   operation->params->name, ocf_node(), host_error());
        return -EIO;
    }
    int r = host_open(operation);
    if (r == 0 && events_start(operation, EVENTS_ONLY) < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot follow its events: %s",
                   operation->params->name, ocf_node(), host_error());
        r = -EIO;
    }
    return r;
}

/*
 * "Absent" counts only if no call waits in libvirtd that could still start the VM. The first round
 * shows that all earlier calls were taken up. The second gives the last of them time to put the
 * domain on libvirt's list, which is the first thing that a start does.
 */
static int look_behind_queue(struct operation *operation) {
    int r = -ENOENT;

    for (int round = 0; round < 2 && r == -ENOENT; round++) {
        operation->report.state = AGENT_VM_UNKNOWN;
        r = host_pass_queue(operation);
        if (r == 0) {
            r = host_find(operation);
        }
    }
    return r;
}

/* The current state, which will change. */
static void tell_busy(struct operation *operation) {
    const char *text;

    if (host_open(operation) == 0) {
        (void)host_read_state(operation, &text);
    } else {
        operation->report.state = AGENT_VM_UNKNOWN; /* not there yet, or gone already */
    }
    report_set(&operation->report, VM_FAILED,
               "%s on %s: its migration or save, ordered by clusterd, is still in progress (%s)",
               operation->params->name, ocf_node(), operation_stop_text(operation));
}

void action_monitor(struct operation *operation) {
    struct report *report = &operation->report;
    const char *text;

    if (operation->params->wait_job && presence_await(operation) < 0) {
        tell_busy(operation);
        return;
    }
    int r = operation->params->wait_job ? open_following(operation) : host_open(operation);
    if (r == -ENOENT && operation->params->wait_job) {
        r = look_behind_queue(operation);
        if (r == 0 && events_start(operation, EVENTS_ONLY) < 0) {
            report_set(report, VM_FAILED, "%s on %s: cannot follow its events: %s",
                       operation->params->name, ocf_node(), host_error());
            return;
        }
    }
    if (r == -ENOENT) {
        end_absent(operation);
        return;
    }
    if (r < 0) {
        return;
    }
    if (operation->params->wait_job && !wait_for_job(operation)) {
        struct report failure = *report;
        (void)host_read_state(operation, &text);
        failure.state = report->state;
        failure.generation = report->generation;
        *report = failure;
        return;
    }
    r = host_read_state(operation, &text);
    if (r == -EIO) {
        cannot_read(operation);
    } else if (r == -ENOENT || report->state == AGENT_VM_OFF) {
        end_absent(operation);
    } else {
        tell_generation(report);
        report_set(report, VM_OK, "%s is %s on %s", operation->params->name, text, ocf_node());
    }
}

void action_migrate_from(struct operation *operation) {
    struct report *report = &operation->report;
    const struct params *params = operation->params;
    const char *text;

    int r = open_following(operation);
    if (r == -ENOENT) {
        report->exit_code = OCF_NOT_RUNNING;
    }
    while (r == 0) {
        uint64_t seen = operation_changes(operation);
        r = host_read_state(operation, &text);
        if (r == -EIO) {
            cannot_read(operation);
        } else if (r == -ENOENT) {
            report_set(report, VM_FAILED, "%s did not arrive on %s: the migration to it failed",
                       params->name, ocf_node());
            report->exit_code = OCF_NOT_RUNNING;
        } else if (report->state == AGENT_VM_RUNNING) {
            tell_generation(report);
            report_set(report, VM_OK, "%s runs on %s", params->name, ocf_node());
            return;
        } else if (report->detail == NULL || (strcmp(report->detail, "incoming") != 0 &&
                                              strcmp(report->detail, "migration") != 0 &&
                                              strcmp(report->detail, "starting") != 0 &&
                                              strcmp(report->detail, "user") != 0)) {
            report_set(report, VM_FAILED, "%s arrived on %s, but is %s; resume or destroy it",
                       params->name, ocf_node(), text);
            return;
        } else if (!operation_pause(operation, seen, LOOK_AGAIN_MS)) {
            report_set(report, VM_FAILED, "%s on %s: %s while it was %s", params->name, ocf_node(),
                       operation_stop_text(operation), text);
            return;
        }
    }
}

void action_resume(struct operation *operation) {
    struct report *report = &operation->report;
    const struct params *params = operation->params;
    const char *text;

    if (host_open(operation) < 0) {
        return;
    }
    if (host_read_state(operation, &text) == -EIO) {
        cannot_read(operation);
        return;
    }
    if (report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_OK, "%s runs on %s already", params->name, ocf_node());
        return;
    }
    if (params->generation != 0 && report->generation != params->generation) {
        report_set(report, VM_FAILED,
                   "%s on %s: cannot resume it: the copy here is of generation %" PRIu64
                   ", not %" PRIu64,
                   params->name, ocf_node(), report->generation, params->generation);
        return;
    }
    if (report->state != AGENT_VM_PAUSED ||
        (report->detail != NULL && strcmp(report->detail, "incoming") == 0)) {
        report_set(report, VM_FAILED, "%s on %s: cannot resume it: it is %s", params->name,
                   ocf_node(), text);
        return;
    }
    operation_step(operation, "resuming the VM");
    bool suspended = report->detail != NULL && strcmp(report->detail, "suspended") == 0;
    int r =
        suspended ? virDomainPMWakeup(operation->domain, 0) : virDomainResume(operation->domain);
    if (r < 0) {
        report_set(report, VM_FAILED, "%s on %s: cannot resume it: %s", params->name, ocf_node(),
                   host_error());
        host_settle(operation);
        return;
    }
    report->state = AGENT_VM_RUNNING;
    report->detail = NULL;
    report_set(report, VM_OK, "%s", "");
}
