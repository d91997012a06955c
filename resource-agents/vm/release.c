/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * release: a VM of the cluster goes on as libvirt's own, where it runs. The reverse of adopt.c.
 *
 *   OURS, TRANSIENT ---- defined ----> OURS, PERSISTENT ---- mark removed ----> libvirt's
 *
 * The mark is the one step that decides, so it comes last: whoever finds the VM without it finds
 * its definition, too. If the agent dies in between, the VM is the cluster's, and the same order
 * again ends the work. A VM that stays the cluster's, or has ended, loses the definition again.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "host.h"
#include "job.h"

static void fail(struct operation *operation, const char *what) {
    report_set(&operation->report, VM_FAILED, "%s on %s: %s: %s", operation->params->name,
               ocf_node(), what, host_error());
}

/* The definition is what it is started from later: never another than the cluster has now. And with
 * a job, it could neither move on nor be adopted again. 0; -EINVAL, -EIO: reported. */
static int check(struct operation *operation, const struct definition *ordered) {
    struct definition runs;
    char text[400];

    if (host_read_definition(operation->domain, 0, &runs, text, sizeof(text)) < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot read its definition: %s",
                   operation->params->name, ocf_node(), text);
        return -EIO;
    }
    bool same = definition_has_same_disks(&runs, ordered, text, sizeof(text));
    int r = same ? job_obstacle(operation->domain, &runs, text, sizeof(text)) : -EINVAL;
    definition_finish(&runs);
    if (r == -EIO) {
        fail(operation, "cannot read its jobs");
    } else if (r < 0) {
        report_set(&operation->report, VM_FAILED, "%s cannot be released on %s: %s",
                   operation->params->name, ocf_node(), text);
    }
    return r;
}

static int define(struct operation *operation) {
    operation_step(operation, "giving libvirt its definition");
    operation_check_begun(operation);
    virDomainPtr defined = virDomainDefineXMLFlags(operation->conn, operation->xml, 0);
    if (defined == NULL) {
        fail(operation, "libvirt does not take its definition");
        return -EIO;
    }
    virDomainFree(defined);
    return 0;
}

/* From here on it is not the cluster's. */
static int remove_mark(struct operation *operation) {
    operation_step(operation, "removing the mark of the cluster");
    operation_check_begun(operation);
    if (virDomainSetMetadata(operation->domain, VIR_DOMAIN_METADATA_ELEMENT, NULL,
                             DEFINITION_PREFIX, DEFINITION_NAMESPACE, VIR_DOMAIN_AFFECT_LIVE) < 0 &&
        virGetLastErrorCode() != VIR_ERR_NO_DOMAIN_METADATA) {
        fail(operation, "libvirt cannot remove the mark of the cluster");
        host_settle(operation);
        return -EIO;
    }
    operation->report.generation = 0;
    return 0;
}

/* It stays the cluster's, or has ended, which is reported already: libvirt shall not be able to
 * start it. If that fails, nobody may start it: it is not known what becomes of it. */
static void take_back(struct operation *operation) {
    struct report *report = &operation->report;

    if (operation->domain == NULL || virDomainIsPersistent(operation->domain) == 0) {
        return;
    }
    if (virDomainUndefineFlags(operation->domain, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0 &&
        !host_error_is_absent()) {
        bool off = report->state == AGENT_VM_OFF;
        report_set(report, VM_FAILED,
                   "%s on %s: libvirt still has a definition of its own: %s; remove it there "
                   "(virsh undefine --keep-nvram %s)",
                   operation->params->name, ocf_node(), host_error(), operation->params->name);
        report->state = off ? AGENT_VM_UNKNOWN : report->state;
    }
}

static void let_go(struct operation *operation, const struct definition *ordered) {
    struct report *report = &operation->report;
    /* Without the mark, an earlier order came so far. */
    bool defined = report->generation == 0 && virDomainIsPersistent(operation->domain) == 1;

    if (!operation_may_begin(operation, "its release")) {
        return;
    }
    if (!defined && (check(operation, ordered) < 0 || define(operation) < 0)) {
        take_back(operation);
    } else if (remove_mark(operation) == 0) {
        report_set(report, VM_OK, "%s", "");
    } else if (report->state == AGENT_VM_OFF || report->generation != 0) {
        take_back(operation);
    }
}

static void has_ended(struct operation *operation) {
    report_set(&operation->report, VM_FAILED, "%s cannot be released: it no longer runs on %s",
               operation->params->name, ocf_node());
    if (operation->domain != NULL && operation_may_begin(operation, "the end of its release")) {
        take_back(operation);
    }
}

static void look(struct operation *operation, const struct definition *ordered) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    const char *text;

    int r = host_find_certain(operation, &text);
    if (r == -ENOENT) {
        has_ended(operation);
    } else if (r < 0) {
        return;
    } else if (report->generation != 0 && report->generation != params->generation) {
        report_set(report, VM_FAILED,
                   "%s cannot be released as generation %" PRIu64 ": it is on %s with generation "
                   "%" PRIu64,
                   params->name, params->generation, ocf_node(), report->generation);
    } else if (report->state == AGENT_VM_PAUSED && report->generation != 0) {
        report_set(report, VM_FAILED, "%s cannot be released while it stands still: on %s it is %s",
                   params->name, ocf_node(), text);
        if (operation_may_begin(operation, "the end of its release")) {
            take_back(operation);
        }
    } else {
        let_go(operation, ordered);
    }
}

void action_release(struct operation *operation) {
    struct definition definition;

    operation_step(operation, "reading the definition");
    if (read_definition(operation, &definition) < 0) {
        return;
    }
    look(operation, &definition);
    definition_finish(&definition);
}
