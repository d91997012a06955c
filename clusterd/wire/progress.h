/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The numbers that a running move or copy reports. This list is the only one: the agent's line, its
 * decoder, the message to the other nodes and the output for clients follow from it, with the same
 * names. To add a number: append it here, fill it in in resource-agents/vm/job.c
 * and resource-agents/vm/copy_meter.c, show it in cli/output/progress.c.
 *
 *     #define X(S, TYPE, field, LIMIT) ...     as for the fields of a record (wire/record.h)
 *     PROGRESS_FIELDS(X, S)
 */
#ifndef CLUSTERD_WIRE_PROGRESS_H
#define CLUSTERD_WIRE_PROGRESS_H

/* clang-format off */
#define PROGRESS_FIELDS(F, S)                                                             \
    F(S, U32, percent, 0)                                                                 \
    F(S, U32, iteration, 0)       /* passes over the memory */       \
    F(S, U64, rate_bps, 0)        /* bytes per second sent */                             \
    F(S, U64, dirty_bps, 0)       /* bytes per second that the guest dirties */       \
    F(S, U64, remaining_bytes, 0)                                                         \
    F(S, U64, done_bytes, 0)                                                              \
    F(S, U64, total_bytes, 0)                                                             \
    F(S, U32, throttle_percent, 0) /* the guest is slowed down by so much */
/* clang-format on */

/* Initialisers that copy the numbers from another struct:  {PROGRESS_FIELDS(PROGRESS_OF, line)} */
#define PROGRESS_OF(from, TYPE, field, LIMIT) .field = (from)->field,

#endif
