/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disks of a VM's checkpoint: all that it writes to. Each must be an image that can keep an
 * internal snapshot: a qcow2 file.
 */
#ifndef AGENTS_VM_CHECKPOINT_PLAN_H
#define AGENTS_VM_CHECKPOINT_PLAN_H

#include <stddef.h>
#include <libxml/tree.h>

#include "definition.h"
#include "move_plan.h"

struct checkpoint_disk {
    char disk[MOVE_DISK_SIZE]; /* <target dev=> */
    const char *path;          /* belongs to the document */
    const xmlNode *element;
};

struct checkpoint_plan {
    size_t count;
    struct checkpoint_disk disks[MOVE_FILES_MAX];
};

/* Pure: no file is accessed. -EINVAL with the refusal. */
int checkpoint_plan(const struct definition *definition, struct checkpoint_plan *ret_plan,
                    struct move_refusal *refusal);

#endif
