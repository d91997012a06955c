/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - is this plan one that can be carried out, step by step?
 *
 * Written from placement.h alone and shared with nothing of the engine. It knows capacities, node
 * states and what runs where; no rules (the measurements have none).
 */
#pragma once

#include "cluster.h"

struct bench_verdict {
    uint32_t started;      /* VMs that ran nowhere (any more) and run at the end */
    uint32_t moved;        /* running VMs that are elsewhere at the end, or moved at all */
    uint32_t moved_others; /* of them those that were not asked for */
    uint32_t overloaded;   /* nodes above a capacity at any step because something was added */
    uint32_t nodes_over;   /* above their threshold_permille at the end (loads are the needs) */
    uint32_t wrong;        /* faults of the plan; `error` has the first */
    char error[BENCH_ERROR_MAX];
};

/* -ENOMEM; else 0, whatever the verdict is. */
int bench_check(const struct placement_problem *problem, const struct placement_request *request,
                const struct placement_plan *plan, struct bench_verdict *ret_verdict);
