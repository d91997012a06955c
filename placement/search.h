/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * search.h - what the files of the placement library offer each other; see internal.h.
 */
#pragma once

#include "internal.h"

/* check.c */
int placement_problem_check(const struct placement_problem *problem);
int placement_request_check(const struct placement_problem *problem,
                            const struct placement_request *request);

/* compile.c */
int placement_compile(struct placement_solver *solver, const struct placement_problem *problem,
                      const struct placement_request *request);
/* At least this many bytes for a search's own arrays, aligned; kept until the next call. NULL: no
 * memory; the caller skips its search, and in the end the solve is refused. */
void *placement_search_room(struct placement_solver *solver, size_t size);

/* state.c */
void placement_state_reset(struct placement_solver *solver);
uint32_t placement_rule_domain(const struct placement_problem *problem,
                               const struct placement_rule *rule, uint32_t node);
/* The VM begins, or ceases, to count for its rule on the node. Not for rules about nodes. */
void placement_rule_locate(struct placement_solver *solver, uint32_t vm,
                           const struct membership *membership, uint32_t node);
void placement_rule_leave(struct placement_solver *solver, uint32_t vm,
                          const struct membership *membership, uint32_t node);
bool placement_rule_broken(const struct placement_solver *solver, uint32_t vm,
                           const struct membership *membership, uint32_t node);
/* May the VM, which is at `from` or (NONE) nowhere, come to the node? Asks only the rules that
 * count both ends of a move; they must count current occupancy. */
bool placement_way_allows(const struct placement_solver *solver, uint32_t vm, uint32_t from,
                          uint32_t node);
/* Where the VM is, or is about to arrive, when the plan begins. */
uint32_t placement_began_at(const struct placement_solver *solver, uint32_t vm);
/* Hard affinity, at the end: each VM that was placed or moved is where others of the rule stay; if
 * none stays, all are together. */
bool placement_together_holds(const struct placement_solver *solver, uint32_t rule);
/* Weights of soft rules broken if the plan ends here: VMs that were asked for and stay count. */
uint64_t placement_soft_at_end(struct placement_solver *solver);
/* Counts for the rules again, from the assignment. */
void placement_rules_recount(struct placement_solver *solver);
/* From now on rules see what they see at the end of the plan, or not; counts again. */
void placement_see_end(struct placement_solver *solver, bool at_end);
/* A hard affinity over parts never allows a node that is in no part. */
bool placement_in_no_part(const struct placement_rule *rule, uint32_t node);
/* Puts the VM, which is nowhere, on a node; and takes it off its node. */
void placement_put(struct placement_solver *solver, uint32_t vm, uint32_t node);
void placement_take(struct placement_solver *solver, uint32_t vm);
/* The VM, which is nowhere: it stays where it is when the plan begins, or down. */
void placement_stay(struct placement_solver *solver, uint32_t vm);
/* The assignment gives a place to this VM, which was asked for. */
bool placement_is_placed(const struct placement_solver *solver, uint32_t vm);
/* The VM must be nowhere at the moment, or on another node. */
bool placement_fits(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* As above, without waiting for others to leave. */
bool placement_fits_now(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* By its own and the node's properties, whatever other VMs do. */
bool placement_allowed(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* As above, but only on the way to another node: where the request wants it in the end does not
 * matter. */
bool placement_may_pass(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* By hard rules; the VM must be nowhere at the moment. */
bool placement_rules_allow(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* Fits, is allowed, and the rules allow it; the VM must be nowhere at the moment. */
bool placement_can_go(const struct placement_solver *solver, uint32_t vm, uint32_t node);
uint64_t placement_soft_delta(const struct placement_solver *solver, uint32_t vm, uint32_t node);

/* judge.c */
void placement_task_begin(struct placement_solver *solver, uint32_t vm, struct task *ret_task);
uint32_t placement_judge_obstacles(const struct placement_solver *solver, const struct task *task,
                                   uint32_t node);
void placement_judge_score(const struct placement_solver *solver, const struct task *task,
                           uint32_t node, struct score *ret_score);
enum placement_reason placement_first_obstacle(uint32_t obstacles);
bool placement_score_better(const struct score *a, const struct score *b);
void placement_judge_verdict(const struct placement_solver *solver, const struct task *task,
                             uint32_t node, struct placement_verdict *ret_verdict);
/* The nearest miss among the nodes, and the first obstacle there; NONE if there are no nodes. */
uint32_t placement_judge_nearest(const struct placement_solver *solver, const struct task *task,
                                 enum placement_reason *ret_reason);

/* greedy.c */
void placement_collect(struct placement_solver *solver);
/* decision.level of a VM that was asked for. */
uint32_t placement_level(const struct placement_solver *solver, uint32_t vm);
/* The best node for a VM that is nowhere at the moment, or NONE. */
uint32_t placement_best_node(struct placement_solver *solver, uint32_t vm);
/* Decide all, in order. */
void placement_greedy(struct placement_solver *solver);

/* exact.c: true if the search was complete: s->steps is then the best way to the best state.
 * *ret_proven: there is no better one. */
bool placement_exact(struct placement_solver *solver, bool *ret_proven);

/* chain.c: places for all VMs asked for, with the fewest moves; false if none were found.
 * *ret_fewest: the search for fewer left down and fewer moves skipped nothing.
 * *ret_proven: that also proves that no plan leaves fewer down. */
bool placement_chain(struct placement_solver *solver, bool *ret_fewest, bool *ret_proven);
/* Solves a part of the plan again; true if it may be better (fewer left, or fewer moves). */
bool placement_chain_part(struct placement_solver *solver, uint64_t work);

/* pack.c: places for VMs that were asked for; false: they make no plan. *ret_all: all VMs that can
 * be placed at all are. It continues at the next call. */
bool placement_pack(struct placement_solver *solver, bool *ret_all);

/* bound.c: works out s->least_down, and which of the plan's unplaced VMs are hopeless. */
void placement_bound(struct placement_solver *solver);
/* The plan leaves no more down than it must; levels compared from the highest. */
bool placement_bound_reached(const struct placement_solver *solver);

/* soften.c: the plan with fewer soft rules broken; true if there is one. */
bool placement_soften(struct placement_solver *solver);

/* balance.c: moves off nodes that are above their threshold. */
void placement_balance(struct placement_solver *solver);
uint32_t placement_nodes_over(const struct placement_solver *solver);
/* Whether the node would be above its threshold with the VM, which is not there. */
bool placement_over_with(const struct placement_solver *solver, uint32_t vm, uint32_t node);

/* sequence.c: from the assignment, which it changes if a VM cannot get to its place; or (path) from
 * the order in s->steps. */
void placement_sequence(struct placement_solver *solver);
void placement_sequence_path(struct placement_solver *solver);
/* ready_ms of the plan's moves. */
void placement_times(struct placement_solver *solver);
uint64_t placement_move_ms(const struct placement_solver *solver, uint32_t vm, uint32_t from,
                           uint32_t to);

/* solve.c: no node can take the VM, whatever else is done. */
bool placement_has_no_node(const struct placement_solver *solver, uint32_t vm);
/* The assignment that the plan leads to. */
void placement_load_plan(struct placement_solver *solver);

/* admit.c */
void placement_admission_finish(struct placement_solver *solver);

/* A VM takes part in at most two steps, except in small problems, where the path may be long. */
static inline uint32_t placement_steps_max(const struct placement_solver *s) {
    return 2 * s->problem->n_vms + 64;
}

static inline uint32_t random_below(struct placement_solver *s, uint32_t n) {
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((s->random >> 32) * n) >> 32);
}
