/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files on the volumes that no VM needs any more, and that are to be removed: the memory of a VM
 * that was saved for a quick move.
 *
 * A state file always has an owner. As long as a restore may still read it, the owner is the VM's
 * own row (model_vm.state_file), which is written before the save is ordered and which cannot be
 * removed meanwhile. The same log entry that clears that field makes a row here. It stays until a
 * node has reported that nothing of the file is left, whatever becomes of the VM: a volume that is
 * gone for days should not keep anybody from removing the VM.
 *
 *     VM's row ── the VM runs, is off, was stopped ──► row here ── LEFTOVER_REPORT ok ──► (no row)
 *                                                       │    ▲
 *                                         LEFTOVER_ORDER└────┘ failed, or its node has gone
 *
 * A removal can come late, but never too early: each save has a path of its own (its order's log
 * index is in it), so that a path that is here is never needed again. It may be repeated by any
 * node, also while an agent that nobody waits for is still at work.
 */
#ifndef CLUSTERD_CORE_MODEL_LEFTOVER_H
#define CLUSTERD_CORE_MODEL_LEFTOVER_H

#include "wire/record.h"

#include <stdbool.h>

/* clang-format off */
#define WIRE_FIELDS_model_leftover(F, S)                                                  \
    F(S, STR, path, WIRE_MAX_PATH)   /* the state file; the agent knows its other names */ \
    F(S, U32, vm, 0)                 /* which may be gone */                              \
    F(S, STR, name, WIRE_MAX_NAME)   /* of that VM */                                     \
    F(S, STR, volume, WIRE_MAX_NAME) /* where the file is */                              \
    F(S, U64, since_ms, 0)           /* wall clock: not needed since */                   \
    F(S, U64, order, 0)              /* log index of the standing order; 0: there is none */ \
    F(S, U32, node, 0)               /* who acts on it */                                 \
    F(S, STR, reason, WIRE_MAX_TEXT) /* why the last removal failed; "": none has */
WIRE_STRUCT(model_leftover);
/* clang-format on */

struct model;

const struct model_leftover *model_leftover_by_path(const struct model *m, const char *path);
/* The node that it names may still be at work on it. */
bool model_leftover_stands(const struct model *m, const struct model_leftover *row);

#endif
