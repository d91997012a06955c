/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which disks a checkpoint has. See checkpoint_plan.h. */
#include "checkpoint_plan.h"

#include <errno.h>
#include <string.h>

#include "copy_list.h"
#include "tpm.h"
#include "xml.h"

/* It is not a disk that the guest writes to. */
static bool is_left_out(const xmlNode *disk) {
    const char *device = xml_attr(disk, "device");

    return xml_attr_is(disk, "device", "cdrom") || xml_attr_is(disk, "device", "floppy") ||
           (xml_child(disk, "readonly") != NULL && (device == NULL || strcmp(device, "disk") == 0));
}

static int refuse_disk(const struct definition *definition, const xmlNode *disk, const char *target,
                       const char *path, struct move_refusal *refusal) {
    const char *type = xml_attr(disk, "type");
    const char *format = xml_attr(xml_child(disk, "driver"), "type");

    if (path == NULL || path[0] == '\0' || (type != NULL && strcmp(type, "file") != 0) ||
        xml_attr_is(disk, "device", "lun")) {
        return move_refuse(refusal, disk,
                           "%s is a block or network disk, which cannot keep a checkpoint; only "
                           "qcow2 files can",
                           target);
    }
    if (format == NULL || strcmp(format, "qcow2") != 0) {
        return move_refuse(refusal, disk,
                           "%s is of format %s (%s), which cannot keep a checkpoint; convert it "
                           "to qcow2: while the VM runs, clusterctl vm move %s --disk "
                           "%s=PATH,format=qcow2; while it is off, qemu-img convert",
                           target, format != NULL ? format : "raw", path,
                           definition_name(definition), target);
    }
    if (xml_child(disk, "shareable") != NULL) {
        return move_refuse(refusal, disk,
                           "%s is shareable: other VMs write to it, and would be set back as well",
                           target);
    }
    if (path[0] != '/' || !copy_path_is_clean(path) || strstr(path, ",format=") != NULL) {
        return move_refuse(refusal, disk,
                           "%s: the path of its file (%s) is not absolute, or has control "
                           "characters or \",format=\" in it; rename the file first",
                           target, path);
    }
    return 0;
}

static int add_disk(struct checkpoint_plan *plan, const struct definition *definition,
                    const xmlNode *disk, struct move_refusal *refusal) {
    const char *target = xml_attr(xml_child(disk, "target"), "dev");
    const char *path = xml_attr(xml_child(disk, "source"), "file");

    if (target == NULL || target[0] == '\0' || strlen(target) >= MOVE_DISK_SIZE) {
        return move_refuse(refusal, disk, "a disk has no <target dev=...>, or too long a one");
    }
    int r = refuse_disk(definition, disk, target, path, refusal);
    if (r < 0) {
        return r;
    }
    if (plan->count == MOVE_FILES_MAX) {
        return move_refuse(refusal, disk, "the VM has more than %d disks", MOVE_FILES_MAX);
    }
    struct checkpoint_disk *item = &plan->disks[plan->count++];
    *item = (struct checkpoint_disk){.path = path, .element = disk};
    memcpy(item->disk, target, strlen(target) + 1);
    return 0;
}

/* What is not on a disk would stay as it is, and no longer fit the disks. */
static int refuse_others(const struct definition *definition, struct move_refusal *refusal) {
    const xmlNode *os = xml_child(definition->domain, "os");
    const xmlNode *nvram = xml_child(os, "nvram");
    const xmlNode *tpm = tpm_element(definition);

    if (tpm != NULL) {
        return move_refuse(refusal, tpm,
                           "its TPM would not be set back with its disks, and a guest that "
                           "encrypts its disk by it might not start then: there are no "
                           "checkpoints of a VM with a TPM");
    }
    if (nvram != NULL || xml_attr_is(os, "firmware", "efi")) {
        return move_refuse(refusal, nvram != NULL ? nvram : os,
                           "its UEFI variables would not be set back with its disks: there are no "
                           "checkpoints of a VM with UEFI variables of its own");
    }
    return 0;
}

int checkpoint_plan(const struct definition *definition, struct checkpoint_plan *ret_plan,
                    struct move_refusal *refusal) {
    const xmlNode *devices = xml_child(definition->domain, "devices");
    int r = refuse_others(definition, refusal);

    ret_plan->count = 0;
    for (const xmlNode *disk = xml_child(devices, "disk"); r == 0 && disk != NULL;
         disk = xml_next(disk)) {
        r = is_left_out(disk) ? 0 : add_disk(ret_plan, definition, disk, refusal);
    }
    if (r == 0 && ret_plan->count == 0) {
        return move_refuse(refusal, definition->domain, "it has no disk");
    }
    return r;
}
