/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the model's ids to the indices of a placement problem, and to the rows of its tables.
 */
#include "core/planner/problem.h"

#include <errno.h>

uint32_t planner_node_index(const struct planner_problem *pr, uint32_t id) {
    for (uint32_t i = 0; id && i < pr->p.n_nodes; i++) {
        if (pr->node_ids[i] == id) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}

/* Ids ascend, as in the model. */
uint32_t planner_vm_index(const struct planner_problem *pr, uint32_t id) {
    uint32_t low = 0, high = pr->p.n_vms;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pr->vm_ids[middle] == id) {
            return middle;
        }
        if (pr->vm_ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return PLACEMENT_NONE;
}

const uint64_t *planner_capacities(const struct planner_problem *pr, uint32_t node) {
    return &pr->p.capacities[(size_t)node * pr->p.n_resources];
}

const uint64_t *planner_needs(const struct planner_problem *pr, uint32_t vm) {
    return &pr->p.needs[(size_t)vm * pr->p.n_resources];
}

int planner_node_set(const struct planner_problem *pr, const struct wire_ids *ids,
                     struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, ids->n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < ids->n; i++) {
        uint32_t index = planner_node_index(pr, ids->v[i]);
        if (index != PLACEMENT_NONE) {
            v[count++] = index;
        }
    }
    *ret = (struct placement_set){.index = v, .n = count};
    return 0;
}
