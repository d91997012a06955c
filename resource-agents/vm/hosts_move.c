/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-move: a VM moves from one host to another, without a cluster and without clusterd. See
 * hosts.h. It outlives the clusterctl that ordered it, as migrate_to outlives clusterd.
 */
#include "actions.h"

#include <stdlib.h>

#include "../shared/jsonl.h"
#include "host.h"
#include "hosts.h"
#include "presence.h"
#include "tpm.h"

static void send_plan(const struct hosts *hosts, const struct hosts_plan *plan) {
    json_t *files = json_array();

    for (size_t i = 0; i < plan->files.count; i++) {
        const struct move_file *file = &plan->files.files[i];
        json_array_append_new(
            files, json_pack("{so so so so sI sI}", "disk", jsonl_text(file->disk), "from",
                             jsonl_text(file->from), "to", jsonl_text(file->to), "format",
                             jsonl_text(file->format), "bytes", (json_int_t)plan->sizes[i],
                             "allocated", (json_int_t)file->allocated));
    }
    json_t *line =
        json_pack("{s{so so so ss so}}", "plan", "vm", jsonl_text(hosts->operation->params->name),
                  "from", jsonl_text(hosts->from_name), "to", jsonl_text(hosts->to_name), "how",
                  plan->live ? "live" : "off", "files", files);
    jsonl_send(line, JSONL_IMPORTANT_MS);
}

/* What the VM's definition would be there: for whoever wants to check it first. */
static void send_definition(const struct hosts_plan *plan) {
    char *text = NULL;

    if (definition_print(&plan->definition, &text) == 0) {
        jsonl_send(json_pack("{so}", "definition", jsonl_text(text)), JSONL_IMPORTANT_MS);
        free(text);
    }
}

static void move(struct hosts *hosts, struct hosts_plan *plan) {
    struct operation *operation = hosts->operation;

    send_plan(hosts, plan);
    if (operation->params->dry_run) {
        send_definition(plan);
        report_set(&operation->report, VM_OK, "%s", "");
    } else if (operation_may_begin(operation, "its move")) {
        (plan->live ? hosts_move_live : hosts_move_off)(hosts, plan);
    }
}

static void work(struct hosts *hosts, struct operation *operation) {
    static struct hosts_plan plan;

    if (hosts_open(hosts, operation) < 0) {
        return;
    }
    if (presence_announce(operation) < 0) {
        (void)hosts_refuse(hosts, "an earlier move of it is still at work on this machine; wait "
                                  "for it");
        return;
    }
    if (hosts_settle(hosts) == 0 && hosts_plan_make(hosts, &plan) == 0) {
        move(hosts, &plan);
    }
}

void action_host_move(struct operation *operation) {
    static struct hosts hosts;

    if (events_prepare() < 0) {
        report_set(&operation->report, VM_FAILED, "libvirt's event loop: %s", host_error());
        return;
    }
    work(&hosts, operation);
    hosts_close(&hosts);
}

/* libvirt removes the state of a TPM together with a definition, and a newer one knows the
 * directory on the volume. So a VM with a TPM is not defined, not even for a dry run. */
static bool may_be_defined(struct operation *operation) {
    struct report *report = &operation->report;
    struct definition definition;
    char reason[256];

    if (definition_parse(operation->xml, operation->xml_len, &definition, reason, sizeof(reason)) <
        0) {
        report_set(report, VM_FAILED, "%s: its definition cannot be read: %s",
                   operation->params->name, reason);
        return false;
    }
    bool has_tpm = tpm_element(&definition) != NULL;
    definition_finish(&definition);
    if (has_tpm) {
        report_set(
            report, VM_FAILED,
            "%s has a TPM, whose state would stay behind; this move cannot take it along yet",
            operation->params->name);
        report->refused = true;
    }
    return !has_tpm;
}

/* host-define: the definition of a VM that leaves the cluster, while it is off. */
void action_host_define(struct operation *operation) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    if (!may_be_defined(operation)) {
        return;
    }
    operation->conn = hosts_connect(operation, params->uri);
    if (operation->conn == NULL) {
        return;
    }
    report->state = AGENT_VM_OFF;
    operation->domain = virDomainLookupByName(operation->conn, params->name);
    if (operation->domain != NULL) {
        report_set(report, VM_FAILED,
                   "%s: libvirt on the node has a VM of that name already; if an export was "
                   "interrupted, remove its definition: virsh undefine --keep-nvram %s",
                   params->name, params->name);
        report->refused = true;
        return;
    }
    if (!host_error_is_absent()) {
        report_set(report, VM_FAILED, "%s: libvirt on the node: %s", params->name, host_error());
        return;
    }
    operation->domain = virDomainDefineXMLFlags(operation->conn, operation->xml, 0);
    report_set(report, operation->domain != NULL ? VM_OK : VM_FAILED, "%s%s",
               operation->domain != NULL ? ""
                                         : "libvirt on the node does not take its definition: ",
               operation->domain != NULL ? "" : host_error());
}

/* host-forget: a definition that the cluster has taken over. Its files are the cluster's now. */
void action_host_forget(struct operation *operation) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    operation->conn = hosts_connect(operation, params->uri);
    if (operation->conn == NULL) {
        return;
    }
    operation->domain = virDomainLookupByName(operation->conn, params->name);
    report->state = AGENT_VM_OFF;
    if (operation->domain == NULL) {
        report_set(report, host_error_is_absent() ? VM_OK : VM_FAILED, "%s", host_error());
        return;
    }
    /* Only what is off, and only the definition: a copy that runs is none of ours. */
    if (virDomainIsActive(operation->domain) == 0 &&
        virDomainUndefineFlags(operation->domain, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) == 0) {
        report_set(report, VM_OK, "%s", "");
        return;
    }
    report_set(report, VM_FAILED, "%s: its definition cannot be removed: %s", params->name,
               host_error());
}
