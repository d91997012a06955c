/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim: the cluster takes over a VM. Does libvirt have it on this node already?
 *
 *   it is active here                         ok, with its state: the cluster must not start it
 *   the same, with a TPM that libvirt runs    failed: its state is on this node's own disk
 *   its memory is saved here                  failed: a start from its disk would lose that memory
 *   another VM of its name is active          failed: libvirt would not start it here
 *   its definition here has autostart         autostart is removed: only the cluster starts it
 *   a definition of another VM has its name   reported: the VM cannot start here
 *
 * The definition itself is not changed. libvirt starts a transient domain in spite of it, and never
 * from a saved image.
 */
#include "actions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../shared/ocf.h"
#include "host.h"
#include "tpm.h"

/* 0, also if there is none; -EIO: reported. */
static int look_up(struct operation *operation, virDomainPtr found, virDomainPtr *ret_domain) {
    if (found == NULL && !host_error_is_absent()) {
        report_set(&operation->report, VM_FAILED, "%s: cannot look for it: %s",
                   operation->params->name, host_error());
        return -EIO;
    }
    *ret_domain = found;
    return 0;
}

static bool is_saved(virDomainPtr domain) {
    return virDomainHasManagedSaveImage(domain, 0) == 1;
}

/* Notes in `note` that there was one. -EIO: reported. */
static int clear_autostart(struct operation *operation, char *note, size_t size) {
    int autostart = 0;

    if (virDomainIsPersistent(operation->domain) != 1 ||
        virDomainGetAutostart(operation->domain, &autostart) < 0 || autostart == 0) {
        return 0;
    }
    operation_step(operation, "disabling its autostart");
    if (virDomainSetAutostart(operation->domain, 0) < 0) {
        report_set(
            &operation->report, VM_FAILED,
            "libvirt would start %s by itself at boot, and its autostart cannot be disabled: %s",
            operation->params->name, host_error());
        return -EIO;
    }
    snprintf(note, size,
             "libvirt had a definition of %s with autostart; its autostart was disabled",
             operation->params->name);
    return 0;
}

/* libvirt runs its TPM by itself: after a failure of this node the VM would have another one. */
static bool has_foreign_tpm(virDomainPtr domain) {
    struct definition definition;
    char reason[256];

    if (host_read_definition(domain, 0, &definition, reason, sizeof(reason)) < 0) {
        return false;
    }
    bool foreign = tpm_is_libvirts(&definition);
    definition_finish(&definition);
    return foreign;
}

/* The domain with the VM's UUID. */
static void claim_own(struct operation *operation) {
    struct report *report = &operation->report;
    const char *text;
    char note[512] = "";

    int r = host_read_state(operation, &text);
    if (r == -EIO) {
        report_set(report, VM_FAILED, "%s: cannot read its state: %s", operation->params->name,
                   host_error());
        return;
    }
    if (r == 0 && clear_autostart(operation, note, sizeof(note)) < 0) {
        return;
    }
    if (report->state == AGENT_VM_OFF && r == 0 && is_saved(operation->domain)) {
        report_set(report, VM_FAILED,
                   "the memory of %s is saved there (virsh managedsave): start it and shut it down "
                   "there first, or discard that memory (virsh managedsave-remove %s)",
                   operation->params->name, operation->params->name);
        return;
    }
    if (report->state != AGENT_VM_OFF && r == 0 && has_foreign_tpm(operation->domain)) {
        report_set(
            report, VM_FAILED,
            "%s runs there with a TPM whose state libvirt has on that node's own disk: shut "
            "it down there first, and copy " TPM_STATE_FILE
            " from /var/lib/libvirt/swtpm/%s/tpm2 to the directory that its definition names",
            operation->params->name, operation->params->uuid);
        return;
    }
    report_set(report, VM_OK, "%s", note);
}

/* Another VM with that name. */
static void judge_namesake(struct operation *operation, virDomainPtr namesake) {
    struct report *report = &operation->report;
    const char *name = operation->params->name;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    (void)virDomainGetUUIDString(namesake, uuid);
    report->state = AGENT_VM_OFF;
    if (virDomainIsActive(namesake) == 0) {
        report_set(report, VM_OK,
                   "libvirt has a definition named %s of another VM (uuid %s) there: until it is "
                   "removed, %s cannot start there (virsh undefine %s)",
                   name, uuid, name, uuid);
    } else {
        report_set(report, VM_FAILED,
                   "another VM named %s (uuid %s) runs there under libvirt: shut it down, or add "
                   "this one under another name",
                   name, uuid);
    }
}

void action_claim(struct operation *operation) {
    struct report *report = &operation->report;
    const struct params *params = operation->params;
    virDomainPtr namesake = NULL;

    if (host_connect(operation) < 0) {
        return;
    }
    /* A call that waits in libvirtd's queue may still start it; two rounds, as for a monitor. */
    for (int round = 0; round < 2; round++) {
        if (host_pass_queue(operation) < 0) {
            return;
        }
    }
    operation_step(operation, "looking for the VM");
    if (look_up(operation, virDomainLookupByUUIDString(operation->conn, params->uuid),
                &operation->domain) < 0) {
        return;
    }
    if (operation->domain != NULL) {
        claim_own(operation);
        return;
    }
    if (look_up(operation, virDomainLookupByName(operation->conn, params->name), &namesake) < 0) {
        return;
    }
    if (namesake != NULL) {
        judge_namesake(operation, namesake);
        virDomainFree(namesake);
        return;
    }
    report->state = AGENT_VM_OFF;
    report_set(report, VM_OK, "%s", "");
}
