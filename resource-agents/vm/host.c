/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt on this node. See host.h. */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "definition.h"
#include "job.h"
#include "xml.h"

/* libvirtd needs about a second to restart; do not spend more of a recovery's time on waiting for
 * it. */
enum { CONNECT_WAIT_MS = 5000, CONNECT_RETRY_MS = 50 };

static void silent(void *data, virErrorPtr error) {
    (void)data;
    (void)error;
}

void host_silence(void) {
    virSetErrorFunc(NULL, silent);
}

const char *host_error(void) {
    static _Thread_local char text[512];
    const char *message = virGetLastErrorMessage();

    snprintf(text, sizeof(text), "%s", message != NULL ? message : "no reason given");
    ocf_one_line(text);
    return text;
}

bool host_error_is_absent(void) {
    return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
}

bool host_error_is_refusal(void) {
    switch (virGetLastErrorCode()) {
    case VIR_ERR_CONFIG_UNSUPPORTED: /* "unsupported configuration": no such machine type, ... */
    case VIR_ERR_CPU_INCOMPATIBLE:   /* its CPU lacks a feature of the guest's CPU */
    case VIR_ERR_XML_ERROR: /* a libvirt that does not know an element */ return true;
    default: return false;
    }
}

/* Errors that another try may cure: nobody listens yet, or libvirtd ended during the call. */
static bool may_pass(void) {
    int code = virGetLastErrorCode();
    return code == VIR_ERR_SYSTEM_ERROR || code == VIR_ERR_RPC || code == VIR_ERR_INTERNAL_ERROR;
}

int host_connect(struct operation *operation) {
    const struct params *params = operation->params;
    uint64_t give_up_ms = ocf_now_ms() + CONNECT_WAIT_MS;

    operation_step(operation, "connecting");
    if (give_up_ms > operation->soft_deadline_ms) {
        give_up_ms = operation->soft_deadline_ms;
    }
    for (;;) {
        operation->conn = virConnectOpen(params->uri);
        if (operation->conn != NULL) {
            return 0;
        }
        if (!may_pass() || ocf_now_ms() >= give_up_ms) {
            report_set(
                &operation->report, VM_FAILED,
                "%s on %s: cannot reach libvirt at %s: %s; check whether libvirtd is running",
                params->name, ocf_node(), params->uri, host_error());
            return -EIO;
        }
        (void)operation_pause(operation, operation_changes(operation), CONNECT_RETRY_MS);
        if (operation_stopped(operation) == STOP_CANCELLED) {
            (void)operation_may_begin(operation, "its connection to libvirt");
            return -ECANCELED;
        }
    }
}

int host_find(struct operation *operation) {
    const struct params *params = operation->params;

    operation_step(operation, "looking for the VM");
    operation->domain = params->uuid[0] != '\0'
                            ? virDomainLookupByUUIDString(operation->conn, params->uuid)
                            : virDomainLookupByName(operation->conn, params->name);
    if (operation->domain != NULL) {
        return 0;
    }
    if (host_error_is_absent()) {
        operation->report.state = AGENT_VM_OFF;
        report_set(&operation->report, VM_FAILED, "%s is not on %s", params->name, ocf_node());
        return -ENOENT;
    }
    report_set(&operation->report, VM_FAILED, "%s on %s: cannot look for it: %s", params->name,
               ocf_node(), host_error());
    return -EIO;
}

int host_pass_queue(struct operation *operation) {
    operation_step(operation, "waiting for earlier requests in libvirtd");
    /* A call of ordinary priority that does nothing: libvirtd's workers take such calls in order.
     * No driver knows the format, so the answer is always a refusal. */
    char *text = virConnectDomainXMLToNative(operation->conn, "none", "<domain/>", 0);
    free(text);
    if (text == NULL && may_pass()) {
        report_set(&operation->report, VM_FAILED,
                   "%s on %s: cannot tell whether libvirtd still has to start it: %s",
                   operation->params->name, ocf_node(), host_error());
        return -EIO;
    }
    return 0;
}

int host_open(struct operation *operation) {
    int r = host_connect(operation);
    return r < 0 ? r : host_find(operation);
}

static struct host_state paused_state(int reason) {
    switch (reason) {
    case VIR_DOMAIN_PAUSED_USER:
        return (struct host_state){AGENT_VM_PAUSED, "user", "paused by an administrator"};
    case VIR_DOMAIN_PAUSED_MIGRATION:
        return (struct host_state){AGENT_VM_PAUSED, "migration", "paused by a migration"};
    case VIR_DOMAIN_PAUSED_SAVE:
        return (struct host_state){AGENT_VM_PAUSED, "save", "paused by a save"};
    case VIR_DOMAIN_PAUSED_IOERROR:
        return (struct host_state){AGENT_VM_PAUSED, "io-error",
                                   "paused by an I/O error of its disk"};
    case VIR_DOMAIN_PAUSED_WATCHDOG:
        return (struct host_state){AGENT_VM_PAUSED, "watchdog", "paused by its watchdog"};
    case VIR_DOMAIN_PAUSED_SHUTTING_DOWN:
        return (struct host_state){AGENT_VM_PAUSED, "shutting-down", "about to end"};
    case VIR_DOMAIN_PAUSED_CRASHED:
        return (struct host_state){AGENT_VM_PAUSED, "crashed", "paused after a panic of the guest"};
    case VIR_DOMAIN_PAUSED_STARTING_UP:
        return (struct host_state){AGENT_VM_PAUSED, "starting", "being started"};
    case VIR_DOMAIN_PAUSED_POSTCOPY:
    case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
        return (struct host_state){AGENT_VM_PAUSED, "post-copy", "paused in a post-copy migration"};
    default: return (struct host_state){AGENT_VM_PAUSED, "other", "paused"};
    }
}

struct host_state host_state_of(int state, int reason) {
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED: return (struct host_state){AGENT_VM_RUNNING, NULL, "running"};
    case VIR_DOMAIN_SHUTDOWN:
        return (struct host_state){AGENT_VM_RUNNING, "shutting-down", "shutting down"};
    case VIR_DOMAIN_PAUSED: return paused_state(reason);
    case VIR_DOMAIN_PMSUSPENDED:
        return (struct host_state){AGENT_VM_PAUSED, "suspended", "suspended by the guest itself"};
    /* With on_crash=preserve QEMU stays and keeps memory and disks. */
    case VIR_DOMAIN_CRASHED:
        return (struct host_state){AGENT_VM_PAUSED, "crashed", "crashed and preserved"};
    case VIR_DOMAIN_SHUTOFF: return (struct host_state){AGENT_VM_OFF, NULL, "off"};
    default:
        return (struct host_state){AGENT_VM_UNKNOWN, NULL, "in a state that libvirt does not name"};
    }
}

bool host_is_incoming(virDomainPtr domain, int state, int reason) {
    if (state != VIR_DOMAIN_PAUSED ||
        (reason != VIR_DOMAIN_PAUSED_MIGRATION && reason != VIR_DOMAIN_PAUSED_STARTING_UP)) {
        return false;
    }
    return job_kind(domain) == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN;
}

uint64_t host_generation(virDomainPtr domain, bool *ret_foreign) {
    char *text = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, DEFINITION_NAMESPACE, 0);
    uint64_t generation = text != NULL ? metadata_generation(text) : 0;
    if (ret_foreign != NULL) {
        const virError *error = virGetLastError();
        *ret_foreign =
            generation == 0 &&
            (text != NULL || (error != NULL && error->code == VIR_ERR_NO_DOMAIN_METADATA));
    }
    free(text);
    return generation;
}

int host_read_definition(virDomainPtr domain, unsigned int flags, struct definition *ret_definition,
                         char *reason, size_t reason_size) {
    char *xml = virDomainGetXMLDesc(domain, flags);

    if (xml == NULL) {
        snprintf(reason, reason_size, "%s", host_error());
        return -EIO;
    }
    int r = definition_parse(xml, strlen(xml), ret_definition, reason, reason_size);
    free(xml);
    return r;
}

void host_machine(virDomainPtr domain, char ret_machine[HOST_MACHINE_SIZE]) {
    struct definition definition;
    char reason[128];

    ret_machine[0] = '\0';
    if (host_read_definition(domain, 0, &definition, reason, sizeof(reason)) == 0) {
        const char *machine =
            xml_attr(xml_child(xml_child(definition.domain, "os"), "type"), "machine");
        if (machine != NULL && strlen(machine) < HOST_MACHINE_SIZE) {
            (void)snprintf(ret_machine, HOST_MACHINE_SIZE, "%s", machine);
        }
        definition_finish(&definition);
    }
}

int host_read_state(struct operation *operation, const char **ret_text) {
    struct report *report = &operation->report;
    int state;
    int reason;

    operation_step(operation, "reading the VM's state");
    if (virDomainGetState(operation->domain, &state, &reason, 0) < 0) {
        if (!host_error_is_absent()) {
            return -EIO;
        }
        report->state = AGENT_VM_OFF;
        report->detail = NULL;
        *ret_text = "off";
        return -ENOENT;
    }
    struct host_state known = host_state_of(state, reason);
    if (host_is_incoming(operation->domain, state, reason)) {
        known.detail = "incoming";
        known.text = "arriving from another node";
    }
    report->state = known.state;
    report->detail = known.detail;
    report->generation = host_generation(operation->domain, NULL);
    *ret_text = known.text;
    return 0;
}

int host_find_certain(struct operation *operation, const char **ret_text) {
    int r = host_connect(operation);

    for (int round = 0; r == 0 && round < 2; round++) {
        r = host_pass_queue(operation);
    }
    r = r < 0 ? r : host_find(operation);
    if (r < 0) {
        return r;
    }
    r = host_read_state(operation, ret_text);
    if (r == -EIO) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot read its state: %s",
                   operation->params->name, ocf_node(), host_error());
        return r;
    }
    if (r == -ENOENT) { /* it has just gone, and nothing is left of it */
        virDomainFree(operation->domain);
        operation->domain = NULL;
    }
    return operation->report.state == AGENT_VM_OFF ? -ENOENT : r;
}

void host_settle(struct operation *operation) {
    struct report saved = operation->report;
    const char *text;
    int r = 0;

    operation->report.state = AGENT_VM_UNKNOWN;
    if (operation->conn == NULL || virConnectIsAlive(operation->conn) != 1) {
        r = host_connect(operation);
    }
    if (r == 0) {
        r = host_find(operation);
    }
    if (r == 0) {
        (void)host_read_state(operation, &text);
    }
    /* Looking must not change the operation's own message. */
    saved.state = operation->report.state;
    saved.detail = operation->report.detail;
    saved.generation = operation->report.generation;
    operation->report = saved;
}
