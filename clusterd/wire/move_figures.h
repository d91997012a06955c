/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a live move when it is over. This list is the only one: the agent's last line,
 * its decoder, the report to the cluster, the operation's row and the output for clients follow
 * from it, with the same names.
 *
 * In a replicated row it must come last, since fields are only appended: once another field follows
 * it there, a new figure is a field of its own.
 *
 *     #define X(S, TYPE, field, LIMIT) ...     as for the fields of a record (wire/record.h)
 *     MOVE_FIGURES(X, S)
 */
#ifndef CLUSTERD_WIRE_MOVE_FIGURES_H
#define CLUSTERD_WIRE_MOVE_FIGURES_H

/* clang-format off */
#define MOVE_FIGURES(F, S)                                                                 \
    F(S, U64, prepare_ms, 0)       /* from the beginning until memory flowed */ \
    F(S, U64, memory_ms, 0)        /* from there until the guest stopped */     \
    F(S, U64, sent_bytes, 0)                                                               \
    F(S, U32, passes, 0)           /* over the memory */                        \
    F(S, U32, throttled_percent, 0) /* by how much the guest was slowed down */
/* clang-format on */

/* Initialisers that copy the figures from another struct:  {MOVE_FIGURES(FIGURE_OF, line)} */
#define FIGURE_OF(from, TYPE, field, LIMIT) .field = (from)->field,

#endif
