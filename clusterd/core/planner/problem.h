/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model as a placement problem.
 *
 * A problem holds no pointers into the model: names and numbers are copied into its arena. So it
 * can be handed to another thread while the model changes.
 */
#ifndef CLUSTERD_CORE_PLANNER_PROBLEM_H
#define CLUSTERD_CORE_PLANNER_PROBLEM_H

#include "base/arena.h"
#include "core/model/model.h"
#include "placement/placement.h"

#include <stdbool.h>
#include <stdint.h>

struct planner_load { /* how busy a node's cpus are, averaged over a while */
    uint32_t node;
    uint32_t cpu_busy_permille;
};

struct planner_facts {
    uint64_t wall_ms; /* now, by the wall clock: only to tell how old something is */
    /* The question is about a loss: a VM then starts again, on any CPU, and its own "no auto start"
     * counts. */
    bool loss;
    uint32_t drained;            /* the question is about a drain of that node; 0: no */
    uint32_t threshold_permille; /* BALANCE */
    const struct planner_load *loads;
    uint32_t n_loads;
};

struct planner_problem {
    struct arena *arena;
    struct placement_problem p;
    struct placement_node *nodes;
    struct placement_vm *vms;
    uint32_t *node_ids, *vm_ids; /* by index: the model's */
    const char **cpu_models;     /* names of all cpu models, see planner/cpu.c */
    const char **machines;       /* names of all machine types, see planner/machine.c */
    uint32_t *start_machines;    /* of each VM: the type that its start wants, or NONE */
};

/* -ENOMEM. `facts` may be NULL. Nothing of it has to be freed but the arena. */
int planner_problem_init(struct planner_problem *pr, const struct model *m,
                         const struct planner_facts *facts, struct arena *arena);
/* PLACEMENT_NONE: it is not in the problem. */
uint32_t planner_node_index(const struct planner_problem *pr, uint32_t id);
uint32_t planner_vm_index(const struct planner_problem *pr, uint32_t id);

/* Rows of p.capacities and p.needs: p.n_resources amounts. */
const uint64_t *planner_capacities(const struct planner_problem *pr, uint32_t node);
const uint64_t *planner_needs(const struct planner_problem *pr, uint32_t vm);

/* planner/resources.c: which there are; and a node's or a VM's into its row. */
int planner_resources_init(struct planner_problem *pr, const struct model *m);
void planner_resources_fill(const struct planner_problem *pr, const struct wire_list *list,
                            uint64_t *row);
/* planner/rules.c */
int planner_rules_init(struct planner_problem *pr, const struct model *m);
/* planner/machine.c: machine types, including those that bind running guests. */
int planner_machines_init(struct planner_problem *pr, const struct model *m,
                          const struct planner_facts *facts);
/* planner/networks.c: bridges and networks. */
int planner_networks_init(struct planner_problem *pr, const struct model *m);
/* planner/cpu.c: guest CPU models, and the CPUs that bind a running guest. */
int planner_cpus_init(struct planner_problem *pr, const struct model *m,
                      const struct planner_facts *facts);
/* It would start again on its next node, so what it runs with now does not bind it: after a loss,
 * or because a drain, or the return after it, restarts it. `facts` may be NULL. */
bool planner_starts_anew(const struct model *m, const struct model_vm *vm,
                         const struct planner_facts *facts);

/* Node ids to indices; nodes that are gone are left out. -ENOMEM. */
int planner_node_set(const struct planner_problem *pr, const struct wire_ids *ids,
                     struct placement_set *ret);

#endif
