/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the model to a placement problem and back: the one way in which clusterd asks "where". The
 * policy orders by it, requests are checked by it, `vm explain` and --dry-run show it; so what is
 * shown is what would be done.
 *
 * Everything returned lives in the caller's arena.
 */
#ifndef CLUSTERD_CORE_PLANNER_H
#define CLUSTERD_CORE_PLANNER_H

#include "base/arena.h"
#include "core/model.h"

#include <stdbool.h>
#include <stdint.h>

struct planner_choice {
    uint32_t vm;
    uint32_t from;      /* 0: it is off */
    uint32_t to;        /* 0: nowhere; then `reason` says why */
    const char *reason; /* one line */
};

struct planner_plan {
    struct planner_choice *v;
    uint32_t n;
};

/* Where the given VMs (ids) would go, together, in order of priority and size; nothing else moves.
 * -ENOMEM, -ENOTSUP. */
int planner_place(const struct model *m, const uint32_t *vms, uint32_t n, struct arena *arena,
                  struct planner_plan *ret_plan);
/* As above for all VMs of a node that is to be drained. */
int planner_drain(const struct model *m, uint32_t node, struct arena *arena,
                  struct planner_plan *ret_plan);

struct planner_verdict {
    uint32_t node;
    bool possible;
    bool chosen;
    bool current;
    bool runner_up;
    const char *verdict; /* short word, e.g. "no-memory" */
    const char *reason;  /* one line for a person, with figures */
    uint64_t memory_free_mb, memory_mb, memory_need_mb;
    uint32_t cpu_free_permille; /* share of the node's cpus left after placing */
    uint32_t
        free_after_permille; /* the score: the smallest free share of any resource after placing */
};

struct planner_explanation {
    struct planner_verdict *v; /* every configured node, ascending id */
    uint32_t n;
    uint32_t best;       /* 0: nowhere */
    const char *summary; /* one line */
};

int planner_explain(const struct model *m, uint32_t vm, struct arena *arena,
                    struct planner_explanation *ret);
/* The problem behind all of the above, for whoever shows it: nodes, VMs and volumes in the order of
 * the model's rows. */
struct placement_problem;
struct planner_problem {
    const struct placement_problem *problem;
    const char *const *cpu_models; /* names of the problem's cpu models */
};
int planner_problem(const struct model *m, struct arena *arena, struct planner_problem *ret);
/* Whether the VM may go to that node now; if not, *ret_reason says why in one line. */
int planner_check(const struct model *m, uint32_t vm, uint32_t node, struct arena *arena,
                  bool *ret_possible, const char **ret_reason);

#endif
