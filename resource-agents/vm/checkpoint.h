/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the actions on checkpoints share: the disks they are told, the snapshot's name, their
 * failures. */
#ifndef AGENTS_VM_CHECKPOINT_H
#define AGENTS_VM_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "move_plan.h"
#include "operation.h"

enum { CHECKPOINT_NAME_SIZE = 32 };

struct checkpoint {
    struct operation *operation;
    struct move_request disks; /* its overrides: disk and path */
    char snapshot[CHECKPOINT_NAME_SIZE];
    bool has[MOVE_FILES_MAX]; /* the disk has the snapshot */
};

/* Reads the parameters. False: the report says why. */
bool checkpoint_begin(struct operation *operation, struct checkpoint *ret_checkpoint);

size_t checkpoint_count(const struct checkpoint *checkpoint); /* of disks that have it */

/* Sets the report, with VM and node before the text; its state stays. Always -1. */
int checkpoint_fail(const struct checkpoint *checkpoint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
