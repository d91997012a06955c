/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine types, as a node's QEMU offers them. To the solver they are numbers, one for each type
 * that a VM requests.
 *
 * A definition may name an alias ("pc", "q35"). Each QEMU resolves it to its own newest type when
 * it starts a VM, so a VM that is off starts wherever the alias is known. A VM that runs or was
 * saved can only go where QEMU has the very type it was started with. If its node is lost, it
 * starts again by its definition. A node that has not reported its types, and a VM whose type is
 * unknown, fit everywhere.
 */
#include "core/model/machine.h"
#include "core/planner/problem.h"

#include <errno.h>
#include <string.h>

struct type {
    const char *arch, *name;
};

struct types { /* that VMs ask for, each once */
    struct type *v;
    uint32_t n;
};

static uint32_t number_of(struct types *types, const char *arch, const char *name) {
    if (name[0] == '\0') {
        return PLACEMENT_NONE;
    }
    for (uint32_t i = 0; i < types->n; i++) {
        if (strcmp(types->v[i].name, name) == 0 && strcmp(types->v[i].arch, arch) == 0) {
            return i;
        }
    }
    types->v[types->n] = (struct type){.arch = arch, .name = name};
    return types->n++;
}

static int offers(struct planner_problem *pr, const struct model_node *node,
                  const struct types *types, uint32_t i) {
    uint32_t *v = arena_array(pr->arena, types->n, sizeof(*v));
    uint32_t n = 0;
    if (!v) {
        return -ENOMEM;
    }
    for (uint32_t k = 0; k < types->n; k++) {
        if (node->machines.n == 0 ||
            machine_find(&node->machines, types->v[k].arch, types->v[k].name)) {
            v[n++] = k;
        }
    }
    pr->nodes[i].machines = (struct placement_set){.index = v, .n = n};
    return 0;
}

static bool has(const struct placement_set *set, uint32_t number) {
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] == number) {
            return true;
        }
    }
    return false;
}

/* Wherever it could start it could go as it runs, too. */
static bool starts_only_where_it_can_go(const struct planner_problem *pr, uint32_t start,
                                        uint32_t running) {
    for (uint32_t i = 0; i < pr->p.n_nodes; i++) {
        bool there = start == PLACEMENT_NONE || has(&pr->nodes[i].machines, start);
        if (there && running != PLACEMENT_NONE && !has(&pr->nodes[i].machines, running)) {
            return false;
        }
    }
    return true;
}

static void bind(struct planner_problem *pr, uint32_t i, uint32_t running, bool anew) {
    struct placement_vm *v = &pr->vms[i];
    uint32_t start = pr->start_machines[i];
    if (!anew) {
        v->machine = running != PLACEMENT_NONE ? running : start;
        return;
    }
    v->machine = start;
    if (v->mobility == PLACEMENT_MOVABLE_LIVE && v->host != PLACEMENT_NONE &&
        !starts_only_where_it_can_go(pr, start, running)) {
        v->mobility = PLACEMENT_MOVABLE_COLD; /* it may start anywhere, so it makes no room */
    }
}

int planner_machines_init(struct planner_problem *pr, const struct model *m,
                          const struct planner_facts *facts) {
    const struct model_vm *vms = m->vms.rows;
    struct types types = {.v = arena_array(pr->arena, 2 * (size_t)m->vms.n, sizeof(*types.v))};
    uint32_t *running = arena_array(pr->arena, m->vms.n, sizeof(*running));
    pr->start_machines = arena_array(pr->arena, m->vms.n, sizeof(*pr->start_machines));
    if (!types.v || !running || !pr->start_machines) {
        return -ENOMEM;
    }
    uint32_t i = 0;
    MODEL_EACH(model_vm, vm, &m->vms) {
        pr->start_machines[i] = number_of(&types, vm->arch, vm->machine);
        running[i++] = number_of(&types, vm->arch, vm->machine_running);
    }
    i = 0;
    MODEL_EACH(model_node, node, &m->nodes) {
        if (offers(pr, node, &types, i++) < 0) {
            return -ENOMEM;
        }
    }
    for (i = 0; i < pr->p.n_vms; i++) {
        bind(pr, i, running[i], planner_starts_anew(m, &vms[i], facts));
    }
    pr->machines = arena_array(pr->arena, types.n, sizeof(*pr->machines));
    for (i = 0; pr->machines && i < types.n; i++) {
        pr->machines[i] = arena_strdup(pr->arena, types.v[i].name);
        if (!pr->machines[i]) {
            return -ENOMEM;
        }
    }
    pr->p.n_machines = types.n;
    pr->p.machine_names = pr->machines;
    return pr->machines ? 0 : -ENOMEM;
}
