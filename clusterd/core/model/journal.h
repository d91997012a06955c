/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: what is under way that a crash must not leave half done, and how far it is.
 *
 * A row is there as long as there is something to decide. It is written before the node begins the
 * step that it names, so whoever finds it after a crash knows the furthest that can have happened;
 * what did happen, libvirt is asked. What follows from phase and answer is a table in apply/, one
 * for each kind, as apply/resolve.c has it for moves (whose journal is the VM's own row). An
 * operation is only the story of it for people: it may be forgotten at any time, and nothing may be
 * decided by it.
 *
 * No command writes a row yet. The first kind will be a storage move; until there is one, fields
 * may be changed here without a new version, since an empty journal is not a part of a snapshot or
 * of the digest (model.c).
 */
#ifndef CLUSTERD_CORE_MODEL_JOURNAL_H
#define CLUSTERD_CORE_MODEL_JOURNAL_H

#include "wire/record.h"

/* clang-format off */
#define WIRE_FIELDS_model_journal(F, S)                                       \
    F(S, U64, id, 0)         /* log index of the command that began it */     \
    F(S, U8, kind, 0)                                                         \
    F(S, U32, vm, 0)         /* at most one row a VM */                       \
    F(S, U32, node, 0)       /* who is at work */                             \
    F(S, U64, generation, 0) /* of the VM's copy that it works on: with another one it is void */ \
    F(S, U8, phase, 0)       /* of its kind: the furthest that it can be */   \
    F(S, U64, since_ms, 0)   /* wall clock of the last change of phase */     \
    F(S, U64, operation, 0)  /* its story; 0: none, or forgotten */
WIRE_STRUCT(model_journal);
/* clang-format on */

#endif
