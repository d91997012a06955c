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
/* Room of at least so many bytes for a search's own arrays, aligned; kept until the next call.
 * NULL: no memory; the caller leaves its part out, and the solve is refused in the end. */
void *placement_search_room(struct placement_solver *solver, size_t size);

/* state.c */
void placement_state_reset(struct placement_solver *solver);
uint32_t placement_rule_domain(const struct placement_problem *problem,
                               const struct placement_rule *rule, uint32_t node);
/* The VM begins, or ceases, to count for its rule on the node. Not of rules that are of nodes. */
void placement_rule_locate(struct placement_solver *solver, uint32_t vm,
                           const struct membership *membership, uint32_t node);
void placement_rule_leave(struct placement_solver *solver, uint32_t vm,
                          const struct membership *membership, uint32_t node);
bool placement_rule_broken(const struct placement_solver *solver, uint32_t vm,
                           const struct membership *membership, uint32_t node);
/* By the rules that count both ends of a move, if they count now what is taken: may the VM, which
 * is at `from` or (NONE) nowhere, come to the node? */
bool placement_way_allows(const struct placement_solver *solver, uint32_t vm, uint32_t from,
                          uint32_t node);
/* Where the VM is, or is about to arrive, when the plan begins. */
uint32_t placement_began_at(const struct placement_solver *solver, uint32_t vm);
/* Hard affinity, at the end: each VM that was placed or moved is where others of the rule stay; if
 * none stays, all are together. */
bool placement_together_holds(const struct placement_solver *solver, uint32_t rule);
/* Weights of soft rules broken if the plan ends here: VMs that were asked for and stay count. */
uint64_t placement_soft_at_end(struct placement_solver *solver);
/* Count for the rules anew, from the assignment. */
void placement_rules_recount(struct placement_solver *solver);
/* From now on (not) as at the end of the plan; counts anew. */
void placement_see_end(struct placement_solver *solver, bool at_end);
/* A hard affinity over parts allows no node that is in none, whoever else is where. */
bool placement_in_no_part(const struct placement_rule *rule, uint32_t node);
/* The VM, which is nowhere, to a node; and off the node where it is. */
void placement_put(struct placement_solver *solver, uint32_t vm, uint32_t node);
void placement_take(struct placement_solver *solver, uint32_t vm);
/* The VM, which is nowhere: it stays where it is when the plan begins, or down. */
void placement_stay(struct placement_solver *solver, uint32_t vm);
/* Of a VM that was asked for: the assignment gives it a place. */
bool placement_is_placed(const struct placement_solver *solver, uint32_t vm);
/* The VM must be nowhere at the moment, or on another node. */
bool placement_fits(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* As above, without waiting for others to leave. */
bool placement_fits_now(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* By its own and the node's properties, whatever other VMs do. */
bool placement_allowed(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* As above, on the way to somewhere else: where the request wants it in the end is no matter. */
bool placement_may_pass(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* By hard rules; the VM must be nowhere at the moment. */
bool placement_rules_allow(const struct placement_solver *solver, uint32_t vm, uint32_t node);
/* All of the three; the VM must be nowhere at the moment. */
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
/* The node that comes nearest to being possible and the first obstacle there; NONE if no nodes. */
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

/* exact.c: true if it was done to the end: s->steps is then the best way to the best state.
 * *ret_proven: there is no better one. */
bool placement_exact(struct placement_solver *solver, bool *ret_proven);

/* chain.c: places for all that was asked for, with the fewest moves; false if none was found.
 * *ret_fewest: nothing was left out in the search for fewer left down and fewer moves;
 * *ret_proven: and that was enough to know that no plan leaves fewer down. */
bool placement_chain(struct placement_solver *solver, bool *ret_fewest, bool *ret_proven);
/* A part of the plan anew; true if it may be better (fewer left, or fewer moves). */
bool placement_chain_part(struct placement_solver *solver, uint64_t work);

/* pack.c: places for VMs that were asked for; false: none of which a plan can be made. *ret_all:
 * all that can be placed at all are. It goes on at the next call. */
bool placement_pack(struct placement_solver *solver, bool *ret_all);

/* bound.c: works out s->least_down, and which VMs of the plan's unplaced are hopeless. */
void placement_bound(struct placement_solver *solver);
/* The plan leaves no more down than must be; levels compared from the highest. */
bool placement_bound_reached(const struct placement_solver *solver);

/* soften.c: the plan with fewer soft rules broken; true if there is one. */
bool placement_soften(struct placement_solver *solver);

/* balance.c: moves off nodes that are above their threshold. */
void placement_balance(struct placement_solver *solver);
uint32_t placement_nodes_over(const struct placement_solver *solver);
/* Whether the node would be above its threshold with the VM, which is not there. */
bool placement_over_with(const struct placement_solver *solver, uint32_t vm, uint32_t node);

/* sequence.c: from the assignment, which it changes where a VM cannot get there; or (path) from the
 * order in s->steps. */
void placement_sequence(struct placement_solver *solver);
void placement_sequence_path(struct placement_solver *solver);
/* ready_ms of the plan's moves. */
void placement_times(struct placement_solver *solver);
uint64_t placement_move_ms(const struct placement_solver *solver, uint32_t vm, uint32_t from,
                           uint32_t to);

/* solve.c: no node can take it, whatever else is done. */
bool placement_has_no_node(const struct placement_solver *solver, uint32_t vm);
/* The assignment that the plan leads to. */
void placement_load_plan(struct placement_solver *solver);

/* admit.c */
void placement_admission_finish(struct placement_solver *solver);

/* A VM takes part in two steps at most, but for small problems, where the way may be winding. */
static inline uint32_t placement_steps_max(const struct placement_solver *s) {
    return 2 * s->problem->n_vms + 64;
}

static inline uint32_t random_below(struct placement_solver *s, uint32_t n) {
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((s->random >> 32) * n) >> 32);
}
