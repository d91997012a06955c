/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start: a transient domain from the definition, marked with its generation.
 *
 * This is on the failover path, so it starts first and looks afterwards: libvirt itself refuses a
 * name or UUID that is in use, and only then does it matter which VM has it.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/ocf.h"
#include "host.h"
#include "launch.h"
#include "outside.h"

enum { LOOK_AGAIN_MS = 100 };

int read_definition(struct operation *operation, struct definition *ret_definition) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    char uuid[DEFINITION_UUID_SIZE];
    char reason[256];
    struct definition definition;

    if (definition_parse(operation->xml, operation->xml_len, &definition, reason, sizeof(reason)) <
        0) {
        report_set(report, VM_FAILED, "%s: its definition cannot be read: %s", params->name,
                   reason);
        report->exit_code = OCF_ERR_CONFIGURED;
        return -EINVAL;
    }
    const char *name = definition_name(&definition);
    if (strcmp(name, params->name) != 0) {
        report_set(report, VM_FAILED, "%s: its definition is of a VM named \"%s\"", params->name,
                   name);
    } else if (definition_uuid(&definition, uuid) < 0) {
        report_set(report, VM_FAILED, "%s: its definition has no valid <uuid>", params->name);
    } else if (params->uuid[0] != '\0' && strcmp(uuid, params->uuid) != 0) {
        report_set(report, VM_FAILED, "%s: its definition has the UUID %s, not %s", params->name,
                   uuid, params->uuid);
    } else {
        *ret_definition = definition;
        return 0;
    }
    report->exit_code = OCF_ERR_CONFIGURED;
    definition_finish(&definition);
    return -EINVAL;
}

void judge_present(struct operation *operation, const char *wish) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    const char *text = "in an unknown state";

    (void)host_read_state(operation, &text);
    host_machine(operation->domain, report->machine);
    if (report->state == AGENT_VM_RUNNING && report->generation == params->generation) {
        report_set(report, VM_OK, "%s runs on %s already, with generation %" PRIu64, params->name,
                   ocf_node(), report->generation);
    } else if (report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_FAILED,
                   "%s: cannot %s it as generation %" PRIu64
                   ": it runs on %s already, with generation %" PRIu64
                   "; destroy that one first, if you may",
                   params->name, wish, params->generation, ocf_node(), report->generation);
    } else {
        report_set(report, VM_FAILED,
                   "%s: cannot %s it as generation %" PRIu64
                   ": it is on %s already, %s, with generation %" PRIu64
                   "; resume or destroy that one first",
                   params->name, wish, params->generation, ocf_node(), text, report->generation);
    }
}

/*
 * libvirt refused because the VM is here already, or because it cannot start. If an earlier order's
 * agent was killed, libvirtd may still be at work on it: then its result is ours.
 */
static void explain_failure(struct operation *operation, bool hung) {
    struct report *report = &operation->report;
    const char *text;

    report_set(report, VM_FAILED, "%s: cannot start on %s: %s", operation->params->name, ocf_node(),
               hung ? LAUNCH_HUNG : host_error());
    host_settle(operation);
    while (report->state == AGENT_VM_PAUSED && report->detail != NULL &&
           strcmp(report->detail, "starting") == 0 && operation_stopped(operation) == STOP_NONE) {
        (void)operation_pause(operation, operation_changes(operation), LOOK_AGAIN_MS);
        (void)host_read_state(operation, &text);
    }
    if (report->state == AGENT_VM_RUNNING || report->state == AGENT_VM_PAUSED) {
        judge_present(operation, "start");
    }
}

/* It was not begun: something that it needs besides its disks is missing, or it is here already. A
 * request of an earlier order's agent that waits in libvirtd may still start it. */
static void explain_refusal(struct operation *operation, int r) {
    struct report *report = &operation->report;

    if (r != -EEXIST && host_pass_queue(operation) < 0) {
        return;
    }
    host_settle(operation);
    if (report->state == AGENT_VM_RUNNING || report->state == AGENT_VM_PAUSED) {
        judge_present(operation, "start");
    }
}

static void create(struct operation *operation, const struct definition *definition,
                   struct outside *outside, const char *xml) {
    struct report *report = &operation->report;
    const struct params *params = operation->params;
    static struct launch launch; /* its thread may use it until the process ends */

    if (host_connect(operation) < 0) {
        return;
    }
    if (!operation_may_begin(operation, "its start")) {
        return;
    }
    operation_check_begun(operation);
    int r = outside_begin(operation, definition, outside, OUTSIDE_START);
    if (r < 0) {
        explain_refusal(operation, r);
        return;
    }
    if (!operation_may_begin(operation, "its start")) { /* that may have taken a while */
        outside_failed(operation, outside);
        host_settle(operation);
        return;
    }
    operation_step(operation, "starting the VM");
    launch_begin(&launch, operation);
    operation->domain = virDomainCreateXML(operation->conn, xml, 0);
    bool hung = launch_end(&launch);
    if (operation->domain == NULL) {
        explain_failure(operation, hung);
        if (report->state == AGENT_VM_OFF) {
            outside_failed(operation, outside);
        }
        return;
    }
    outside_runs(operation, outside);
    report->state = AGENT_VM_RUNNING;
    report->generation = params->generation;
    host_machine(operation->domain, report->machine);
    report_set(report, VM_OK, "%s", "");
}

void action_start(struct operation *operation) {
    static struct outside outside;
    struct definition ordered;
    struct definition definition;
    char *xml = NULL;

    operation_step(operation, "reading the definition");
    if (read_definition(operation, &ordered) < 0) {
        return;
    }
    if (read_definition(operation, &definition) < 0) {
        definition_finish(&ordered);
        return;
    }
    int r = outside_read(operation, &ordered, &definition, &outside);
    if (r == 0) {
        r = definition_set_mark(&definition, operation->params->generation, DISKS_OF_DEFINITION);
    }
    if (r == 0) {
        r = definition_print(&definition, &xml);
    }
    if (r == -ENOMEM) {
        report_set(&operation->report, VM_FAILED, "%s: out of memory", operation->params->name);
    } else if (r == 0) {
        create(operation, &ordered, &outside, xml);
    }
    free(xml);
    definition_finish(&definition);
    definition_finish(&ordered);
}
