/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a live move would take, as the agent predicts it. This list is the only one: the agent's
 * last line, its decoder, the answer to the client follow from it, with the same names.
 *
 *     #define X(S, TYPE, field, LIMIT) ...     as for the fields of a record (wire/record.h)
 *     PREDICTION_FIELDS(X, S)
 */
#ifndef CLUSTERD_WIRE_PREDICTION_H
#define CLUSTERD_WIRE_PREDICTION_H

/* clang-format off */
#define PREDICTION_FIELDS(F, S)                                                               \
    F(S, U32, converges, 0)            /* 1; 0: it would be aborted or suspended */ \
    F(S, U64, predicted_ms, 0)         /* in all */                                 \
    F(S, U64, predicted_blackout_ms, 0)                                                       \
    F(S, U32, predicted_passes, 0)                                                            \
    F(S, U32, predicted_throttle, 0)   /* percent */                                \
    F(S, U64, measured_bps, 0)         /* that the guest dirties */                 \
    F(S, U64, memory_bytes, 0)         /* in use */                                 \
    F(S, U64, assumed_bps, 0)          /* that the network carries */
/* clang-format on */

#endif
