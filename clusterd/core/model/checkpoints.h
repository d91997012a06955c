/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints of VMs. What they hold is in the images, as an internal snapshot named
 * "clusterd-ID" in each disk: it goes wherever the image goes. That they exist, and whether they
 * are whole, is here. (libvirt's own list of snapshots is on one node's disk, forbids migrations,
 * and is lost with the node.)
 */
#ifndef CLUSTERD_CORE_MODEL_CHECKPOINTS_H
#define CLUSTERD_CORE_MODEL_CHECKPOINTS_H

#include "wire/record.h"

#include <stdbool.h>

struct model;
struct model_vm;

/* clang-format off */
#define WIRE_FIELDS_model_checkpoint(F, S)                                    \
    F(S, U64, id, 0)         /* unique, also among clusters; see below */     \
    F(S, U32, vm, 0)                                                          \
    F(S, STR, name, WIRE_MAX_NAME) /* no two of one VM are the same */        \
    F(S, U64, time_ms, 0)    /* wall clock */                                 \
    F(S, STRS, disks, WIRE_MAX_STORAGE_FILES) /* <target dev=> of each */     \
    F(S, U8, whole, 1)       /* all disks have it */                          \
    F(S, U8, running, 1)     /* the VM ran: the disks are as after a power cut */
WIRE_STRUCT(model_checkpoint);
/* clang-format on */

/*
 * The number of a checkpoint that the command with that log index and time begins. Images outlive a
 * cluster, and log indexes begin anew with the next: a snapshot that was left in an image must not
 * be taken for one of this cluster. Exact as a number of JSON (53 bits) until 2039.
 */
static inline uint64_t model_checkpoint_number(uint64_t time_ms, uint64_t index) {
    return time_ms << 12 | (index & 0xfff);
}

#define MODEL_MAX_CHECKPOINTS 20000u /* in the cluster */

/* NULL: there is none. */
const struct model_checkpoint *model_checkpoint_by_id(const struct model *m, uint64_t id);
const struct model_checkpoint *model_checkpoint_by_name(const struct model *m, uint32_t vm,
                                                        const char *name);
uint32_t model_checkpoints_of_vm(const struct model *m, uint32_t vm); /* how many */
/* Its disks are being set back, so some of them may be older than others; or a node may still write
 * to them (model_journal.held_by). It does not start meanwhile. */
bool model_vm_is_reverting(const struct model *m, const struct model_vm *vm);

#endif
