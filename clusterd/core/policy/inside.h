/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the policy share, from the bottom up.
 */
#ifndef CLUSTERD_CORE_POLICY_INSIDE_H
#define CLUSTERD_CORE_POLICY_INSIDE_H

#include "core/core_internal.h"
#include "core/planner/planner.h"
#include "core/policy/policy.h"

/* ---- ordering.c ---- */

int policy_propose(struct core *c, uint32_t type, const void *command);
int policy_order(struct core *c, const struct model_vm *vm, enum order_kind kind, uint32_t node,
                 uint32_t target, uint64_t operation, const char *reason);
/* A move that the coordinator wants: an operation, as if somebody had requested it. */
int policy_move(struct core *c, const struct model_vm *vm, uint32_t to, enum move_cause cause,
                const char *reason);
/* The move of a plan that makes room for others; the operation says for which VM. */
int policy_make_room(struct core *c, const struct planner_plan *plan,
                     const struct planner_choice *choice);
int policy_end(struct core *c, uint64_t operation, enum operation_state state, const char *reason);
bool policy_node_ready(const struct core *c, uint32_t node);
/* VMs that are moving from or to the node now. */
uint32_t policy_moves_on(const struct core *c, uint32_t node);

/* ---- the rules, one file each; those of policy.c itself are static ---- */

int policy_fencing(struct core *c);
int policy_resolve(struct core *c);
int policy_renew(struct core *c);
int policy_stops(struct core *c);
int policy_retries(struct core *c);
int policy_starts(struct core *c);
int policy_drains(struct core *c);
int policy_moves(struct core *c);
int policy_balance(struct core *c);

#endif
