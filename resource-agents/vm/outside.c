/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM needs besides its disks. See outside.h. */
#include "outside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../shared/ocf.h"
#include "firmware.h"
#include "host.h"
#include "kept.h"
#include "tpm.h"

#define INSTALL_IT "; install on this node the package that has it"

/* "cannot start on n2": for all failures here. */
static int fail(struct operation *operation, enum outside_for why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct operation *operation, enum outside_for why, const char *format, ...) {
    char reason[700];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    report_set(&operation->report, VM_FAILED, "%s: cannot %s on %s: %s", operation->params->name,
               why == OUTSIDE_START ? "start" : "restore", ocf_node(), reason);
    return -EIO;
}

int outside_read(struct operation *operation, const struct definition *ordered,
                 const struct definition *libvirts, struct outside *ret_outside) {
    const struct params *params = operation->params;
    static char uuid[DEFINITION_UUID_SIZE];
    struct outside *outside = ret_outside;

    *outside = (struct outside){.has_tpm = tpm_element(ordered) != NULL};
    if (!outside->has_tpm && tpm_element(libvirts) == NULL) {
        return 0;
    }
    outside->tpm = (struct tpm_vm){.name = params->name, .uuid = uuid};
    if (definition_uuid(ordered, uuid) < 0 || tpm_element(libvirts) == NULL ||
        tpm_state_dir(ordered, outside->tpm.state) < 0 ||
        tpm_socket(params->name, outside->tpm.socket) < 0) {
        report_set(&operation->report, VM_FAILED,
                   "%s: its definition has no emulated TPM with a directory for its state, or its "
                   "name is too long for one; remove the VM and add it again",
                   params->name);
        return -EINVAL;
    }
    return tpm_connect(libvirts, outside->tpm.socket);
}

/* ---- firmware ---- */

/* A file that is the same on each node: is it here, and what the definition takes it for? */
static int check_firmware(struct operation *operation, enum outside_for why, const char *what,
                          const char *path, const char *format, const char *way_out) {
    if (path == NULL) {
        return 0;
    }
    const char *is = firmware_format(path);
    if (is == NULL) {
        operation->report.refused = errno == ENOENT;
        return fail(operation, why, "%s %s: %s%s", what, path, strerror(errno), way_out);
    }
    /* Only these two can be told apart; that is all that firmware comes in. */
    bool known = format != NULL && (strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0);
    if (known && strcmp(is, format) != 0) {
        return fail(operation, why,
                    "%s %s is %s here, and %s in the definition; the nodes need the same firmware",
                    what, path, is, format);
    }
    return 0;
}

static int check_nvram(struct operation *operation, const struct firmware *firmware,
                       struct outside *outside, enum outside_for why) {
    const char *uuid = operation->params->uuid;
    if (firmware->nvram == NULL || uuid[0] == '\0') {
        return 0;
    }
    snprintf(outside->nvram, sizeof(outside->nvram), "%s", firmware->nvram);
    int r = kept_look(firmware->nvram, uuid, KEPT_NVRAM, outside->record);
    if (r == KEPT_THERE) {
        return check_firmware(operation, why, "the file of its UEFI variables", firmware->nvram,
                              firmware->nvram_format, "");
    }
    if (r == KEPT_NEVER_MADE && why == OUTSIDE_START) {
        return check_firmware(operation, why, "the template of its UEFI variables", firmware->blank,
                              firmware->blank_format, INSTALL_IT);
    }
    if (r == KEPT_NO_VOLUME) {
        return fail(operation, why,
                    "the file of its UEFI variables, %s, is on no volume of the cluster: is it "
                    "mounted?",
                    firmware->nvram);
    }
    if (r < 0) {
        return fail(operation, why, "the file of its UEFI variables, %s: %s", firmware->nvram,
                    strerror(-r));
    }
    return fail(operation, why,
                "the file of its UEFI variables is lost: there is no %s any more, and a new one "
                "would not have the guest's boot entries and keys; put it back, or remove %s to "
                "have a new one made at the next start",
                firmware->nvram, outside->record);
}

/* ---- the TPM ---- */

static int begin_tpm(struct operation *operation, struct outside *outside, enum outside_for why) {
    struct tpm_failure failure;

    /* Its swtpm would be taken for one that an earlier start has left. */
    if (operation->domain == NULL) {
        operation->domain = virDomainLookupByUUIDString(operation->conn, outside->tpm.uuid);
    }
    if (operation->domain != NULL && virDomainIsActive(operation->domain) != 0) {
        return -EEXIST;
    }
    if (operation->domain != NULL) {
        virDomainFree(operation->domain); /* a definition, which starts nothing */
        operation->domain = NULL;
    } else if (!host_error_is_absent()) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot look for it: %s",
                   operation->params->name, ocf_node(), host_error());
        return -EIO;
    }
    operation_step(operation, "starting its TPM");
    if (tpm_begin(&outside->tpm, why == OUTSIDE_START, &failure) < 0) {
        operation->report.refused = failure.refused;
        return fail(operation, why, "%s", failure.reason);
    }
    return 0;
}

int outside_begin(struct operation *operation, const struct definition *ordered,
                  struct outside *outside, enum outside_for why) {
    struct firmware firmware = firmware_of(ordered);

    operation_step(operation, "looking at its firmware");
    int r = check_firmware(operation, why, "its firmware", firmware.loader, firmware.loader_format,
                           INSTALL_IT);
    r = r < 0 ? r : check_nvram(operation, &firmware, outside, why);
    return r < 0 || !outside->has_tpm ? r : begin_tpm(operation, outside, why);
}

void outside_failed(struct operation *operation, const struct outside *outside) {
    int r = outside->has_tpm ? tpm_end(&outside->tpm) : 0;
    if (r < 0) {
        ocf_log("%s on %s: the swtpm of its TPM does not end: %s", operation->params->name,
                ocf_node(), strerror(-r));
    }
}

void outside_runs(struct operation *operation, const struct outside *outside) {
    int r = outside->record[0] != '\0' ? kept_record(outside->record, outside->nvram) : 0;
    if (r < 0) {
        ocf_log("%s on %s: the record of its UEFI variables, %s: %s; a lost file would not be "
                "noticed",
                operation->params->name, ocf_node(), outside->record, strerror(-r));
    }
}
