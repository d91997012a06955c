/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror-continue: the guest that `mirror` left standing still on its copies goes on. It is ordered
 * once the cluster has entered the copies into the VM's definition. May be repeated.
 *
 * With virtlockd, libvirt (9.0) cannot resume such a guest: the lease of a copy was taken when QEMU
 * began to copy and is the VM's already, so the resume finds it busy. Then QEMU is told directly.
 * That is done only if the lease in the way is that of a copy of this very move, which nobody else
 * can use.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "host.h"
#include "mirror_disks.h"

static void fail(struct operation *operation, const char *why) {
    report_set(&operation->report, VM_FAILED, "%s on %s: cannot go on, on its new files: %s",
               operation->params->name, ocf_node(), why);
}

/* libvirt's last error is about the lease of one of the copies. */
static bool own_lease_is_in_the_way(const struct mirror_disks *disks) {
    bool names_copy = false;

    if (virGetLastErrorCode() != VIR_ERR_RESOURCE_BUSY) {
        return false;
    }
    for (size_t i = 0; i < disks->list.count; i++) {
        names_copy = names_copy || strstr(host_error(), disks->items[i].names->to) != NULL;
    }
    return names_copy;
}

static int tell_qemu(struct operation *operation) {
    char *answer = NULL;

    int r = virDomainQemuMonitorCommand(operation->domain, "{\"execute\":\"cont\"}", &answer,
                                        VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT);
    free(answer);
    return r;
}

static void let_go_on(struct operation *operation, const struct mirror_disks *disks) {
    operation_step(operation, "letting the guest go on");
    operation_check_begun(operation);
    int r = virDomainResume(operation->domain);
    if (r < 0 && own_lease_is_in_the_way(disks)) {
        r = tell_qemu(operation);
    }
    if (r < 0) {
        fail(operation, host_error());
        host_settle(operation);
        return;
    }
    operation->report.state = AGENT_VM_RUNNING;
    operation->report.detail = NULL;
    report_set(&operation->report, VM_OK, "%s", "");
}

/* Is it the right copy, and stands still on its copies? */
static bool may_go_on(struct operation *operation, struct mirror_disks *disks) {
    struct report *report = &operation->report;
    const char *text;
    char why[512];

    if (host_read_state(operation, &text) < 0) {
        fail(operation, host_error());
        return false;
    }
    if (report->generation != operation->params->generation) {
        snprintf(why, sizeof(why), "the copy here is of generation %" PRIu64 ", not %" PRIu64,
                 report->generation, operation->params->generation);
        report->state = AGENT_VM_UNKNOWN;
        fail(operation, why);
        return false;
    }
    if (report->state == AGENT_VM_RUNNING) {
        report_set(report, VM_OK, "%s runs on %s already", operation->params->name, ocf_node());
        return false;
    }
    if (mirror_read(operation, disks, why, sizeof(why)) < 0) {
        fail(operation, why);
        return false;
    }
    if (!mirror_all_are(disks, MIRROR_COPY)) {
        fail(operation, "not all of its disks are the new files");
        return false;
    }
    return true;
}

void action_mirror_continue(struct operation *operation) {
    static struct mirror_disks disks;
    char reason[512];

    if (mirror_parse(operation->params, &disks, reason, sizeof(reason)) < 0) {
        fail(operation, reason);
        return;
    }
    if (host_open(operation) == 0 && may_go_on(operation, &disks) &&
        operation_may_begin(operation, "its continuing on its new files")) {
        let_go_on(operation, &disks);
    }
}
