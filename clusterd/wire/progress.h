/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The numbers that a move reports while it runs. This list is their only one: the agent's line, its
 * decoder, the message to the other nodes and what clients get follow from it. The name is the same
 * in all of them. A new number is appended here, filled in resource-agents/vm/job.c, and shown in
 * cli/output/progress.c.
 *
 *     #define X(S, TYPE, field, LIMIT) ...     as for the fields of a record (wire/record.h)
 *     PROGRESS_FIELDS(X, S)
 */
#ifndef CLUSTERD_WIRE_PROGRESS_H
#define CLUSTERD_WIRE_PROGRESS_H

/* clang-format off */
#define PROGRESS_FIELDS(F, S)                                                             \
    F(S, U32, percent, 0)                                                                 \
    F(S, U32, iteration, 0)       /* times that the memory has been gone through */       \
    F(S, U64, rate_bps, 0)        /* bytes per second sent */                             \
    F(S, U64, dirty_bps, 0)       /* bytes per second that the guest writes anew */       \
    F(S, U64, remaining_bytes, 0)
/* clang-format on */

/* Initialisers that take them over from another struct:  {PROGRESS_FIELDS(PROGRESS_OF, line)} */
#define PROGRESS_OF(from, TYPE, field, LIMIT) .field = (from)->field,

#endif
