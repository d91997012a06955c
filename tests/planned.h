/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the policy would be told now, asked at once: for tests. clusterd itself asks the same
 * questions by way of policy/solve.h, which answers beside the loop where that takes long.
 */
#ifndef CLUSTERD_TESTS_PLANNED_H
#define CLUSTERD_TESTS_PLANNED_H

#include "core/planner/planner.h"

static inline int planned(const struct model *m, const struct planner_facts *facts,
                          const struct planner_question *question, struct arena *arena,
                          struct planner_plan *ret_plan) {
    struct planner_problem pr;
    int err = planner_problem_init(&pr, m, facts, arena);
    return err < 0 ? err : planner_solve(&pr, question, ret_plan);
}

/* All VMs that should run and do not: where they would start, and what would move to make room. */
static inline int planned_starts(const struct model *m, uint64_t wall_ms, bool may_move_others,
                                 struct arena *arena, struct planner_plan *ret_plan) {
    struct planner_facts facts = {.wall_ms = wall_ms};
    struct planner_question question;
    int err = planner_starts_question(m, may_move_others, arena, &question);
    return err < 0 ? err : planned(m, &facts, &question, arena, ret_plan);
}

/* The moves of balance. */
static inline int planned_balance(const struct model *m, uint64_t wall_ms,
                                  const struct planner_load *loads, uint32_t n_loads,
                                  struct arena *arena, struct planner_plan *ret_plan) {
    struct planner_facts facts = planner_balance_facts(m, wall_ms, loads, n_loads);
    struct planner_question question;
    int err = planner_balance_question(m, wall_ms, arena, &question);
    return err < 0 ? err : planned(m, &facts, &question, arena, ret_plan);
}

#endif
