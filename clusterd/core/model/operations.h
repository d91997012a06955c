/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of operations. A row holds all facts about one kind.
 *
 * MOVES      it moves VMs: it has failed for a VM that ends up off, or is found where it was
 * WITH_VMS   it ends with the last of its VMs; any other ends when the policy finds nothing left to
 *            do for it (drain, resume), or when the node is off (fence)
 * CANCELS    a client may cancel it
 *
 * An operation is the story of what was asked for. Nothing may depend on it after a crash: what
 * must be decided then is in the VM's row (apply/resolve.c), or in a table of its own.
 *
 * The numbers are written to disk: never change or reuse one. 7 was another kind once.
 */
#ifndef CLUSTERD_CORE_MODEL_OPERATIONS_H
#define CLUSTERD_CORE_MODEL_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define OPERATION_KINDS(X)                                                                         \
    X(DRAIN,   1, "drain",   OPERATION_MOVES | OPERATION_CANCELS)                                  \
    X(MOVE,    2, "move",    OPERATION_MOVES | OPERATION_WITH_VMS | OPERATION_CANCELS)             \
    X(START,   3, "start",   OPERATION_WITH_VMS | OPERATION_CANCELS)                               \
    X(STOP,    4, "stop",    OPERATION_WITH_VMS | OPERATION_CANCELS)                               \
    X(RECOVER, 5, "recover", OPERATION_WITH_VMS)                                                   \
    X(FENCE,   6, "fence",   0)                                                                    \
    X(RESUME,  8, "resume",  OPERATION_MOVES | OPERATION_CANCELS)                                  \
    X(STORAGE, 9, "storage move", OPERATION_WITH_VMS | OPERATION_CANCELS)                          \
    X(CHECKPOINT, 10, "checkpoint", OPERATION_WITH_VMS)                                            \
    X(REVERT,  11, "revert",  OPERATION_WITH_VMS)                                                  \
    X(CHECKPOINT_REMOVE, 12, "checkpoint removal", OPERATION_WITH_VMS)                             \
    X(ADOPT,   13, "adoption", OPERATION_WITH_VMS)                                                 \
    X(RELEASE, 14, "release", OPERATION_WITH_VMS | OPERATION_CANCELS)
/* clang-format on */

enum operation_kind {
#define X(NAME, number, word, how) OPERATION_##NAME = number,
    OPERATION_KINDS(X)
#undef X
};

enum operation_trait {
    OPERATION_MOVES = 1u << 0,
    OPERATION_WITH_VMS = 1u << 1,
    OPERATION_CANCELS = 1u << 2
};

/* false for a kind that this version does not know. */
bool operation_has(uint8_t kind, enum operation_trait trait);

#endif
