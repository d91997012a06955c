/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start: a transient domain from the definition, marked with its generation.
 *
 * It lies on the failover path, so it asks first and looks afterwards: libvirt itself refuses a
 * name or UUID that is in use, and only then it matters who is there.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/ocf.h"
#include "host.h"

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
 * libvirt refused: because the VM is here already, or because it cannot start. An earlier order may
 * still be at work in libvirtd, if its agent was killed: then its end is ours.
 */
static void explain_failure(struct operation *operation) {
    struct report *report = &operation->report;
    const char *text;

    report_set(report, VM_FAILED, "%s: cannot start on %s: %s", operation->params->name, ocf_node(),
               host_error());
    host_settle(operation);
    while (report->state == AGENT_VM_PAUSED && report->detail != NULL &&
           strcmp(report->detail, "starting") == 0 && operation_stopped(operation) == STOP_NONE) {
        pthread_mutex_lock(&operation->lock);
        operation_wait(operation, operation->events.changes, ocf_now_ms() + LOOK_AGAIN_MS);
        pthread_mutex_unlock(&operation->lock);
        (void)host_read_state(operation, &text);
    }
    if (report->state == AGENT_VM_RUNNING || report->state == AGENT_VM_PAUSED) {
        judge_present(operation, "start");
    }
}

static void create(struct operation *operation, const char *xml) {
    struct report *report = &operation->report;
    const struct params *params = operation->params;

    if (host_connect(operation) < 0) {
        return;
    }
    if (!operation_may_begin(operation, "its start")) {
        return;
    }
    operation_step(operation, "starting the VM");
    operation_check_begun(operation);
    operation->domain = virDomainCreateXML(operation->conn, xml, 0);
    if (operation->domain == NULL) {
        explain_failure(operation);
        return;
    }
    report->state = AGENT_VM_RUNNING;
    report->generation = params->generation;
    host_machine(operation->domain, report->machine);
    report_set(report, VM_OK, "%s", "");
}

void action_start(struct operation *operation) {
    struct definition definition;
    char *xml = NULL;

    operation_step(operation, "reading the definition");
    if (read_definition(operation, &definition) < 0) {
        return;
    }
    if (definition_set_mark(&definition, operation->params->generation, DISKS_OF_DEFINITION) < 0 ||
        definition_print(&definition, &xml) < 0) {
        report_set(&operation->report, VM_FAILED, "%s: out of memory", operation->params->name);
    } else {
        create(operation, xml);
    }
    free(xml);
    definition_finish(&definition);
}
