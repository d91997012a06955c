/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: work under way that a crash must not leave half done, and how far it has got.
 *
 * A row exists as long as there is something to decide. It is written before the node begins the
 * step that it names. So after a crash it says how far the work can have got, and libvirt is asked
 * how far it did get. A table in apply/, one for each kind, says what follows from phase and
 * answer, as apply/resolve.c does for moves (whose journal is the VM's own row). An operation is
 * only the story for people: it may be forgotten at any time, and nothing may be decided by it.
 *
 * A row's files are the truth about which files on the volumes may be removed, and when.
 */
#ifndef CLUSTERD_CORE_MODEL_JOURNAL_H
#define CLUSTERD_CORE_MODEL_JOURNAL_H

#include "wire/command.h"
#include "wire/record.h"

enum journal_kind { JOURNAL_STORAGE = 1, JOURNAL_CHECKPOINT };
/* Of STORAGE; the drawing is in apply/storage.c. */
enum storage_phase {
    STORAGE_COPY = 1,
    STORAGE_UNDO,
    STORAGE_FINISH,
    STORAGE_MIRROR,
    STORAGE_CONTINUE
};
/* Of CHECKPOINT; the drawing is in apply/checkpoint.c. No phase of two kinds is the same. */
enum checkpoint_phase { CHECKPOINT_CREATE = 16, CHECKPOINT_REVERT, CHECKPOINT_REMOVE };

/* clang-format off */
#define WIRE_FIELDS_model_journal(F, S)                                       \
    F(S, U64, id, 0)         /* log index of the command that began it */     \
    F(S, U8, kind, 0)        /* enum journal_kind */                          \
    F(S, U32, vm, 0)         /* at most one row for each VM */                \
    F(S, U8, phase, 0)       /* of its kind: the furthest that it can be */   \
    F(S, U64, since_ms, 0)   /* wall clock of the last change of phase */     \
    F(S, U64, operation, 0)  /* its story; 0: none, or forgotten */           \
    F(S, LIST, files, storage_file)                                           \
    F(S, STR, xml, WIRE_MAX_XML) /* the VM's definition once it is done */    \
    F(S, STRS, volumes, 64)  /* likewise: names */                            \
    F(S, STR, reason, WIRE_MAX_TEXT) /* why the last step of this phase failed; "": it has not */ \
    F(S, U64, checkpoint, 0) /* CHECKPOINT: id of its row */                  \
    F(S, U64, first_order, 0) /* CHECKPOINT: log index of the first order of this phase; 0: none */ \
    F(S, U32, held_by, 0)    /* CHECKPOINT: a node that may still write; 0: none, see checkpoint.c */ \
    F(S, U64, held_since, 0) /* log index of the order because of which it may */
WIRE_STRUCT(model_journal);
/* clang-format on */

#endif
