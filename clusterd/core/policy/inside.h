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

/* Whether a step that does not help may be repeated: the pause doubles if the same step is wanted
 * again soon after it has ended. `kind`: enum order_kind, or PACE_LEFTOVER. */
bool policy_is_its_time(struct core *c, uint32_t vm, uint32_t kind, uint32_t node);

/* ---- moving.c ---- */

#define POLICY_STANDS_STILL_HINT "fix what has stopped it (clusterctl vm show), or stop it"

/* Something is still under way for the operation. */
bool policy_orders_stand(const struct core *c, uint64_t operation);
/* How many more VMs may begin to move from or to the node now. */
uint32_t policy_move_slots(const struct core *c, uint32_t node);
/* How a drain and a return take the VM elsewhere, as long as nothing has failed. */
enum order_kind policy_usual_order(const struct model_vm *vm);
/* "web could not be moved: ...", "3 VMs could not be moved; the last, web: ..." */
const char *policy_tell_of(struct core *c, uint32_t n, const char *vm, const char *one,
                           const char *many, const char *reason);
/* Runs, and nothing else is being done with it. */
bool policy_movable(const struct model *m, const struct model_vm *vm);
/* The same, but the guest stands still. */
bool policy_stands_still(const struct model *m, const struct model_vm *vm);

/* ---- the rules, one file each; those of policy.c itself are static ---- */

int policy_fencing(struct core *c);
int policy_resolve(struct core *c);
int policy_renew(struct core *c);
int policy_stops(struct core *c);
int policy_retries(struct core *c);
int policy_adopts(struct core *c);
int policy_releases(struct core *c);
int policy_starts(struct core *c);
int policy_drains(struct core *c);
int policy_moves(struct core *c);
int policy_failback(struct core *c);
int policy_balance(struct core *c);
int policy_leftovers(struct core *c);

#endif
