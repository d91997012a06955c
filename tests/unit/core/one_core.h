/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One core in a usable view of three nodes, without a cluster: for its parts that look at the core
 * only. It is n1.
 */
#ifndef TESTS_CORE_ONE_CORE_H
#define TESTS_CORE_ONE_CORE_H

#include "core/core_internal.h"
#include "unit/core/one_model.h"

/* The model is the bench's until solo_begin(), then the core's. */
void solo_begin(struct core *c, struct bench *b);
void solo_end(struct core *c);
/* The outbox is emptied, as at the beginning of each step. */
void solo_step(struct core *c, uint64_t now_ms);
/* Of this step. */
uint32_t solo_actions(const struct core *c, enum core_action_type type);

#endif
