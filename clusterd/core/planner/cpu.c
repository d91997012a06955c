/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which CPUs a guest can run. The solver gets a set of numbers, of three kinds:
 *
 *     a model by name      offered by the nodes whose QEMU lists it
 *     "as on node i"       offered by the nodes whose QEMU lists the same models as node i's
 *     "at least node i"    offered by the nodes that list all of node i's, and perhaps more
 *
 * A running guest with its host's very CPU (host-passthrough, maximum) moves only to a node "as"
 * its host. One with host-model moves to a node with "at least" its host's models; libvirt would
 * refuse less. The list of models is all that the cluster knows of a node's CPU: if the lists
 * differ, so do the CPUs; if not, microcode and stepping may still differ. A node that has not
 * reported its list gets the benefit of the doubt. A guest that is off, or whose host is lost, or
 * that a drain restarts, can start on any of them.
 */
#include "core/model/machine.h"
#include "core/planner/problem.h"

#include <errno.h>
#include <string.h>

static bool at_least(const struct model_node *node, const struct model_node *least) {
    for (uint32_t i = 0; i < least->cpu_models.n; i++) {
        if (!cpu_is_offered(node, least->cpu_models.v[i])) {
            return false;
        }
    }
    return true;
}

static bool as(const struct model_node *node, const struct model_node *other) {
    return node->cpu_models.n == 0 || (at_least(node, other) && at_least(other, node));
}

/* Models that VMs request by name, each once. */
struct named {
    const char **v;
    uint32_t n;
};

static uint32_t number_of(const struct named *named, const struct model_vm *vm) {
    bool by_name = cpu_is_by_name(vm->cpu_mode, vm->cpu_model);
    for (uint32_t i = 0; by_name && i < named->n; i++) {
        if (strcmp(named->v[i], vm->cpu_model) == 0) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}

static int collect(const struct planner_problem *pr, const struct model *m, struct named *named) {
    named->v = arena_array(pr->arena, m->vms.n, sizeof(*named->v));
    if (!named->v) {
        return -ENOMEM;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (cpu_is_by_name(vm->cpu_mode, vm->cpu_model) && number_of(named, vm) == PLACEMENT_NONE) {
            named->v[named->n++] = vm->cpu_model;
        }
    }
    return 0;
}

/* For each node the first node with the very same list, so that few lists are compared word by
 * word. */
static int find_twins(const struct planner_problem *pr, const struct model *m,
                      uint32_t **ret_twins) {
    const struct model_node *rows = m->nodes.rows;
    uint32_t *twins = arena_array(pr->arena, m->nodes.n, sizeof(*twins));
    if (!twins) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < m->nodes.n; i++) {
        twins[i] = i;
        for (uint32_t k = 0; k < i && twins[i] == i; k++) {
            bool same = twins[k] == k && rows[k].cpu_models.n == rows[i].cpu_models.n;
            for (uint32_t w = 0; same && w < rows[i].cpu_models.n; w++) {
                same = strcmp(rows[k].cpu_models.v[w], rows[i].cpu_models.v[w]) == 0;
            }
            twins[i] = same ? k : i;
        }
    }
    *ret_twins = twins;
    return 0;
}

static int offers(struct planner_problem *pr, const struct model *m, const struct named *named,
                  const uint32_t *twins, uint32_t node) {
    const struct model_node *rows = m->nodes.rows;
    uint32_t *v = arena_array(pr->arena, named->n + 2 * (size_t)m->nodes.n, sizeof(*v));
    uint32_t n = 0;
    if (!v) {
        return -ENOMEM;
    }
    if (twins[node] != node) {
        pr->nodes[node].cpu_models = pr->nodes[twins[node]].cpu_models;
        return 0;
    }
    for (uint32_t i = 0; i < named->n; i++) {
        if (cpu_is_offered(&rows[node], named->v[i])) {
            v[n++] = i;
        }
    }
    for (uint32_t i = 0; i < m->nodes.n; i++) {
        if (twins[i] != i) {
            continue; /* guests are bound to its twin instead */
        }
        if (as(&rows[node], &rows[i])) {
            v[n++] = named->n + 2 * i;
        }
        if (at_least(&rows[node], &rows[i])) {
            v[n++] = named->n + 2 * i + 1;
        }
    }
    pr->nodes[node].cpu_models = (struct placement_set){.index = v, .n = n};
    return 0;
}

static void bind(struct planner_problem *pr, const struct model *m, const struct named *named,
                 const uint32_t *twins, uint32_t i, bool anew) {
    const struct model_vm *vm = (const struct model_vm *)m->vms.rows + i;
    struct placement_vm *v = &pr->vms[i];
    bool model = strcmp(vm->cpu_mode, "host-model") == 0;
    bool same =
        strcmp(vm->cpu_mode, "host-passthrough") == 0 || strcmp(vm->cpu_mode, "maximum") == 0;
    v->cpu_model = number_of(named, vm);
    if ((!model && !same) || v->host == PLACEMENT_NONE) {
        return;
    }
    if (!anew) {
        v->cpu_model = named->n + 2 * twins[v->host] + model;
    } else if (v->mobility == PLACEMENT_MOVABLE_LIVE) {
        v->mobility = PLACEMENT_MOVABLE_COLD; /* it may start anywhere, but makes no room */
    }
}

/* The names of all three kinds. They are copied because they outlive the model. */
static int name_all(struct planner_problem *pr, const struct named *named) {
    uint32_t n = pr->p.n_cpu_models;
    pr->cpu_models = arena_array(pr->arena, n, sizeof(*pr->cpu_models));
    bool failed = !pr->cpu_models;
    for (uint32_t i = 0; !failed && i < n; i++) {
        if (i < named->n) {
            pr->cpu_models[i] = arena_strdup(pr->arena, named->v[i]);
        } else {
            uint32_t node = (i - named->n) / 2;
            const char *sort = (i - named->n) % 2 ? "at least" : "as on";
            pr->cpu_models[i] = arena_printf(pr->arena, "%s %s", sort, pr->nodes[node].name);
        }
        failed = !pr->cpu_models[i];
    }
    return failed ? -ENOMEM : 0;
}

int planner_cpus_init(struct planner_problem *pr, const struct model *m,
                      const struct planner_facts *facts) {
    const struct model_vm *vms = m->vms.rows;
    struct named named = {0};
    uint32_t *twins = NULL;
    int err = collect(pr, m, &named);
    if (err == 0) {
        err = find_twins(pr, m, &twins);
    }
    for (uint32_t i = 0; err == 0 && i < pr->p.n_nodes; i++) {
        err = offers(pr, m, &named, twins, i);
    }
    for (uint32_t i = 0; err == 0 && i < pr->p.n_vms; i++) {
        bind(pr, m, &named, twins, i, planner_starts_anew(m, &vms[i], facts));
    }
    pr->p.n_cpu_models = named.n + 2 * m->nodes.n;
    return err == 0 ? name_all(pr, &named) : err;
}
