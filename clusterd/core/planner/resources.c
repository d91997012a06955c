/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Further resources as the engine counts them: after memory and CPU, by name ascending, so that all
 * nodes, and every reader of an export, number them the same way.
 */
#include "core/planner/problem.h"

#include "core/model/resources.h"

#include <errno.h>
#include <string.h>

#define FIRST_FURTHER (PLACEMENT_CPU + 1u)

_Static_assert(FIRST_FURTHER + WIRE_MAX_RESOURCES == PLACEMENT_RESOURCES_MAX,
               "what the cluster takes, the engine must");
_Static_assert(WIRE_MAX_AMOUNT == PLACEMENT_AMOUNT_MAX, "likewise");

int planner_resources_init(struct planner_problem *pr, const struct model *m) {
    struct resource_names names;
    resource_names_in_use(m, NULL, &names);
    struct placement_resource *v = arena_array(pr->arena, FIRST_FURTHER + names.n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    /* If there is a table of resources, the engine takes every name from it, so it lists memory and
     * cpu too. */
    v[PLACEMENT_MEMORY] = (struct placement_resource){.name = "memory", .unit = "MB"};
    v[PLACEMENT_CPU] = (struct placement_resource){.name = "cpu", .unit = "cpu", .per_unit = 1000};
    for (uint32_t i = 0; i < names.n; i++) {
        v[FIRST_FURTHER + i].name = arena_strdup(pr->arena, names.v[i]);
        if (!v[FIRST_FURTHER + i].name) {
            return -ENOMEM;
        }
    }
    pr->p.resources = v;
    pr->p.n_resources = FIRST_FURTHER + names.n;
    return 0;
}

void planner_resources_fill(const struct planner_problem *pr, const struct wire_list *list,
                            uint64_t *row) {
    for (uint32_t r = FIRST_FURTHER; list->n > 0 && r < pr->p.n_resources; r++) {
        row[r] = resources_amount(list, pr->p.resources[r].name);
    }
}
