/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model as a placement problem, and the solver's answer in the model's terms; see planner.h.
 */
#include "core/planner.h"

#include "core/settings.h"
#include "placement/placement.h"

#include <errno.h>
#include <string.h>

#define RESOURCES 2u /* memory, cpu */

struct problem {
    const struct model *m;
    struct arena *arena;
    struct placement_problem p;
    struct placement_node *nodes;
    struct placement_vm *vms;
    const char **cpu_models; /* distinct ones that VMs ask for by name */
    uint32_t n_cpu_models;
    struct placement_solver *solver;
    const struct placement_plan *plan;
};

static const struct model_node *node_at(const struct problem *pr, uint32_t i) {
    return (const struct model_node *)pr->m->nodes.rows + i;
}

static const struct model_vm *vm_at(const struct problem *pr, uint32_t i) {
    return (const struct model_vm *)pr->m->vms.rows + i;
}

static uint32_t node_index(const struct problem *pr, uint32_t id) {
    for (uint32_t i = 0; id && i < pr->m->nodes.n; i++) {
        if (node_at(pr, i)->id == id) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}

static uint32_t vm_index(const struct problem *pr, uint32_t id) {
    const struct model_vm *vm = model_vm_by_id(pr->m, id);
    return vm ? (uint32_t)(vm - (const struct model_vm *)pr->m->vms.rows) : PLACEMENT_NONE;
}

static enum placement_node_state node_state(const struct model *m, const struct model_node *node) {
    switch ((enum node_state)node->state) {
    case NODE_ONLINE: break;
    case NODE_JOINING: return PLACEMENT_NODE_JOINING;
    case NODE_SILENT:
    case NODE_LOST: return PLACEMENT_NODE_LOST;
    case NODE_FENCING: return PLACEMENT_NODE_FENCING;
    case NODE_FENCED: return PLACEMENT_NODE_FENCED;
    case NODE_NEVER_SEEN:
    case NODE_OFFLINE: return PLACEMENT_NODE_OFFLINE;
    }
    if (node->service != SERVICE_ACTIVE) {
        return node->service == SERVICE_DRAINED ? PLACEMENT_NODE_DRAINED : PLACEMENT_NODE_DRAINING;
    }
    return node->configured && ids_contain(&m->members, node->id) && !node->fence_asked
               ? PLACEMENT_NODE_ACCEPTS
               : PLACEMENT_NODE_LOST;
}

/* ids of nodes to their indices; those not known any more are left out. */
static int node_set(struct problem *pr, const uint32_t *ids, uint32_t n,
                    struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = node_index(pr, ids[i]);
        if (index != PLACEMENT_NONE) {
            v[count++] = index;
        }
    }
    *ret = (struct placement_set){.index = v, .n = count};
    return 0;
}

static int healthy_volumes(struct problem *pr, const struct model_node *node,
                           struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, pr->m->volumes.n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    const struct model_volume *volumes = pr->m->volumes.rows;
    for (uint32_t i = 0; i < pr->m->volumes.n; i++) {
        const struct model_health *health = model_health_of(pr->m, volumes[i].id, node->id);
        if (health && health->state == VOLUME_OK) {
            v[n++] = i;
        }
    }
    *ret = (struct placement_set){.index = v, .n = n};
    return 0;
}

/* Which of the models asked for by name the node's QEMU offers. A node that has not told its list
 * offers all. */
static int offered_models(struct problem *pr, const struct model_node *node,
                          struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, pr->n_cpu_models, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < pr->n_cpu_models; i++) {
        bool offered = node->cpu_models.n == 0;
        for (uint32_t k = 0; k < node->cpu_models.n && !offered; k++) {
            offered = strcmp(node->cpu_models.v[k], pr->cpu_models[i]) == 0;
        }
        if (offered) {
            v[n++] = i;
        }
    }
    *ret = (struct placement_set){.index = v, .n = n};
    return 0;
}

/* The number of a name among those seen before it: sites and racks are numbers to the solver. */
static uint32_t place_number(const struct problem *pr, uint32_t node, bool rack) {
    const struct model_node *own = node_at(pr, node);
    for (uint32_t i = 0; i < node; i++) {
        const struct model_node *other = node_at(pr, i);
        if (strcmp(rack ? other->rack : other->site, rack ? own->rack : own->site) == 0) {
            return i;
        }
    }
    return node;
}

/* A number of the model as the solver takes it: more than it can count in is no reason for all
 * nodes to give up, for ever. */
static uint64_t amount(uint64_t v) {
    return v < PLACEMENT_AMOUNT_MAX ? v : PLACEMENT_AMOUNT_MAX;
}

static int fill_nodes(struct problem *pr, uint64_t *capacities) {
    uint32_t overcommit = (uint32_t)setting_get(pr->m, SETTING_cpu_overcommit_percent) * 10;
    for (uint32_t i = 0; i < pr->m->nodes.n; i++) {
        const struct model_node *node = node_at(pr, i);
        pr->nodes[i] = (struct placement_node){
            .name = node->name,
            .state = node_state(pr->m, node),
            .site = place_number(pr, i, false),
            .rack = place_number(pr, i, true),
            .cpu_overcommit_permille = overcommit,
        };
        capacities[i * RESOURCES + PLACEMENT_MEMORY] = amount(node->memory_mb);
        capacities[i * RESOURCES + PLACEMENT_CPU] = amount((uint64_t)node->cpus * 1000);
        int err = healthy_volumes(pr, node, &pr->nodes[i].volumes);
        if (err == 0) {
            err = offered_models(pr, node, &pr->nodes[i].cpu_models);
        }
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

static uint32_t model_number(const struct problem *pr, const struct model_vm *vm) {
    if (strcmp(vm->cpu_mode, "custom") != 0 || vm->cpu_model[0] == '\0') {
        return PLACEMENT_NONE;
    }
    for (uint32_t i = 0; i < pr->n_cpu_models; i++) {
        if (strcmp(pr->cpu_models[i], vm->cpu_model) == 0) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}

static int collect_models(struct problem *pr) {
    pr->cpu_models = arena_array(pr->arena, pr->m->vms.n, sizeof(*pr->cpu_models));
    if (!pr->cpu_models) {
        return -ENOMEM;
    }
    MODEL_EACH(model_vm, vm, &pr->m->vms) {
        if (strcmp(vm->cpu_mode, "custom") == 0 && vm->cpu_model[0] &&
            model_number(pr, vm) == PLACEMENT_NONE) {
            pr->cpu_models[pr->n_cpu_models++] = vm->cpu_model;
        }
    }
    return 0;
}

static int vm_volumes(struct problem *pr, const struct model_vm *vm, struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, vm->volumes.n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < vm->volumes.n; i++) {
        const struct model_volume *volume = model_volume_by_name(pr->m, vm->volumes.v[i]);
        if (volume) {
            v[n++] = (uint32_t)(volume - (const struct model_volume *)pr->m->volumes.rows);
        }
    }
    *ret = (struct placement_set){.index = v, .n = n};
    return 0;
}

/*
 * Where a VM that is off is tried first: a saved one where its move wanted it; one without
 * preferred owners where it belonged, so that after a power loss all stand where they stood.
 */
static int preferred_owners(struct problem *pr, const struct model_vm *vm,
                            struct placement_set *ret) {
    uint32_t home = vm->state == VM_SAVED && vm->restore_node ? vm->restore_node : vm->owner;
    bool off = vm->state == VM_OFF || vm->state == VM_SAVED;
    if (off && home && (vm->preferred.n == 0 || vm->state == VM_SAVED)) {
        return node_set(pr, &home, 1, ret);
    }
    return node_set(pr, vm->preferred.v, vm->preferred.n, ret);
}

static int fill_vms(struct problem *pr, uint64_t *needs) {
    for (uint32_t i = 0; i < pr->m->vms.n; i++) {
        const struct model_vm *vm = vm_at(pr, i);
        struct placement_vm *v = &pr->vms[i];
        *v = (struct placement_vm)PLACEMENT_VM_INIT;
        v->name = vm->name;
        v->priority = (int32_t)vm->priority;
        v->cpu_model = model_number(pr, vm);
        if (vm->state != VM_OFF && vm->state != VM_SAVED) {
            v->host = node_index(pr, vm->owner);
            v->also_on = node_index(pr, vm->target);
        } else if (vm->state == VM_SAVED) {
            v->also_on = PLACEMENT_NONE;
        }
        v->return_to = node_index(pr, vm->return_to);
        needs[i * RESOURCES + PLACEMENT_MEMORY] = amount(vm->memory_mb);
        needs[i * RESOURCES + PLACEMENT_CPU] = amount((uint64_t)vm->vcpus * 1000);
        int err = vm_volumes(pr, vm, &v->volumes);
        if (err == 0) {
            err = node_set(pr, vm->possible.v, vm->possible.n, &v->possible);
        }
        if (err == 0) {
            err = preferred_owners(pr, vm, &v->preferred);
        }
        if (err == 0) {
            err = node_set(pr, vm->avoid.v, vm->avoid.n, &v->excluded);
        }
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

static int problem_init(struct problem *pr, const struct model *m, struct arena *arena) {
    *pr = (struct problem){.m = m, .arena = arena};
    pr->nodes = arena_array(arena, m->nodes.n, sizeof(*pr->nodes));
    pr->vms = arena_array(arena, m->vms.n, sizeof(*pr->vms));
    uint64_t *capacities = arena_array(arena, m->nodes.n * RESOURCES, sizeof(*capacities));
    uint64_t *needs = arena_array(arena, (size_t)m->vms.n * RESOURCES, sizeof(*needs));
    const char **volumes = arena_array(arena, m->volumes.n, sizeof(*volumes));
    if (!pr->nodes || !pr->vms || !capacities || !needs || !volumes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < m->volumes.n; i++) {
        volumes[i] = ((const struct model_volume *)m->volumes.rows)[i].name;
    }
    int err = collect_models(pr);
    if (err == 0) {
        err = fill_nodes(pr, capacities);
    }
    if (err == 0) {
        err = fill_vms(pr, needs);
    }
    if (err < 0) {
        return err;
    }
    pr->p = (struct placement_problem){
        .nodes = pr->nodes,
        .vms = pr->vms,
        .n_nodes = m->nodes.n,
        .n_vms = m->vms.n,
        .n_volumes = m->volumes.n,
        .n_cpu_models = pr->n_cpu_models,
        .n_resources = RESOURCES,
        .capacities = capacities,
        .needs = needs,
        .volume_names = volumes,
    };
    return placement_solver_create(&pr->solver);
}

static void problem_finish(struct problem *pr) {
    placement_solver_destroy(pr->solver);
}

static int take_plan(struct problem *pr, struct planner_plan *ret) {
    const struct placement_plan *plan = pr->plan;
    uint32_t n = plan->n_moves + plan->n_unplaced;
    struct planner_choice *v = arena_array(pr->arena, n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        const struct placement_move *move = &plan->moves[i];
        v[i] = (struct planner_choice){
            .vm = vm_at(pr, move->vm)->id,
            .from = move->from == PLACEMENT_NONE ? 0 : node_at(pr, move->from)->id,
            .to = node_at(pr, move->to)->id,
            .reason = "",
        };
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        uint32_t vm = plan->unplaced[i].vm;
        char text[PLACEMENT_TEXT_MAX];
        struct placement_explanation explanation;
        int err = placement_explain(pr->solver, vm, NULL, &explanation);
        if (err < 0) {
            return err;
        }
        (void)placement_explanation_text(&pr->p, vm, &explanation, text, sizeof(text));
        const struct model_vm *row = vm_at(pr, vm);
        v[plan->n_moves + i] = (struct planner_choice){
            .vm = row->id,
            .from = row->state == VM_OFF || row->state == VM_SAVED ? 0 : row->owner,
            .reason = arena_strdup(pr->arena, text),
        };
        if (!v[plan->n_moves + i].reason) {
            return -ENOMEM;
        }
    }
    *ret = (struct planner_plan){.v = v, .n = n};
    return 0;
}

static int solve(struct problem *pr, enum placement_kind kind, struct placement_set vms,
                 struct placement_set nodes) {
    struct placement_request request = {.kind = kind, .vms = vms, .nodes = nodes};
    return placement_solve(pr->solver, &pr->p, &request, &pr->plan);
}

int planner_place(const struct model *m, const uint32_t *vms, uint32_t n, struct arena *arena,
                  struct planner_plan *ret_plan) {
    struct problem pr;
    uint32_t *indices = arena_array(arena, n, sizeof(*indices));
    int err = indices ? problem_init(&pr, m, arena) : -ENOMEM;
    if (err < 0) {
        return err;
    }
    for (uint32_t i = 0; i < n; i++) {
        indices[i] = vm_index(&pr, vms[i]);
    }
    err = solve(&pr, PLACEMENT_PLACE, (struct placement_set){.index = indices, .n = n},
                (struct placement_set){0});
    if (err == 0) {
        err = take_plan(&pr, ret_plan);
    }
    problem_finish(&pr);
    return err;
}

int planner_drain(const struct model *m, uint32_t node, struct arena *arena,
                  struct planner_plan *ret_plan) {
    struct problem pr;
    int err = problem_init(&pr, m, arena);
    if (err < 0) {
        return err;
    }
    uint32_t index = node_index(&pr, node);
    err = solve(&pr, PLACEMENT_DRAIN, (struct placement_set){0},
                (struct placement_set){.index = &index, .n = 1});
    if (err == 0) {
        err = take_plan(&pr, ret_plan);
    }
    problem_finish(&pr);
    return err;
}

static int explain_node(struct problem *pr, uint32_t vm, uint32_t node,
                        const struct placement_verdict *found,
                        const struct placement_explanation *all, struct planner_verdict *ret) {
    char text[PLACEMENT_TEXT_MAX];
    (void)placement_verdict_text(&pr->p, vm, node, found, text, sizeof(text));
    uint64_t memory = pr->p.capacities[node * RESOURCES + PLACEMENT_MEMORY];
    uint64_t cpu = pr->p.capacities[node * RESOURCES + PLACEMENT_CPU] *
                   pr->nodes[node].cpu_overcommit_permille / 1000;
    uint64_t memory_used = 0, cpu_used = 0;
    for (uint32_t i = 0; i < pr->p.n_vms; i++) {
        if (i != vm && (pr->vms[i].host == node || pr->vms[i].also_on == node)) {
            memory_used += pr->p.needs[i * RESOURCES + PLACEMENT_MEMORY];
            cpu_used += pr->p.needs[i * RESOURCES + PLACEMENT_CPU];
        }
    }
    uint64_t need = pr->p.needs[vm * RESOURCES + PLACEMENT_MEMORY];
    cpu_used += pr->p.needs[vm * RESOURCES + PLACEMENT_CPU];
    *ret = (struct planner_verdict){
        .node = node_at(pr, node)->id,
        .possible = found->obstacles == 0,
        .chosen = all->chosen == node,
        .current = pr->vms[vm].host == node,
        .runner_up = all->runner_up == node,
        .verdict = placement_reason_name(found->reason),
        .reason = arena_strdup(pr->arena, text),
        .memory_free_mb = memory > memory_used ? memory - memory_used : 0,
        .memory_mb = memory,
        .memory_need_mb = need,
        .cpu_free_permille = cpu > cpu_used ? (uint32_t)((cpu - cpu_used) * 1000 / cpu) : 0,
        .free_after_permille = found->free_after_permille,
    };
    return ret->reason ? 0 : -ENOMEM;
}

static int explain_vm(struct problem *pr, uint32_t vm, struct planner_explanation *ret) {
    uint32_t index = vm_index(pr, vm);
    if (index == PLACEMENT_NONE) {
        return -ENOENT;
    }
    int err = solve(pr, PLACEMENT_PLACE, (struct placement_set){.index = &index, .n = 1},
                    (struct placement_set){0});
    struct placement_verdict *found = arena_array(pr->arena, pr->p.n_nodes, sizeof(*found));
    struct planner_verdict *v = arena_array(pr->arena, pr->p.n_nodes, sizeof(*v));
    struct placement_explanation all = {0};
    if (err == 0 && (!found || !v)) {
        err = -ENOMEM;
    }
    if (err == 0) {
        err = placement_explain(pr->solver, index, found, &all);
    }
    for (uint32_t i = 0; err == 0 && i < pr->p.n_nodes; i++) {
        err = explain_node(pr, index, i, &found[i], &all, &v[i]);
    }
    if (err < 0) {
        return err;
    }
    char text[PLACEMENT_TEXT_MAX];
    (void)placement_explanation_text(&pr->p, index, &all, text, sizeof(text));
    *ret = (struct planner_explanation){
        .v = v,
        .n = pr->p.n_nodes,
        .best = all.chosen == PLACEMENT_NONE ? 0 : node_at(pr, all.chosen)->id,
        .summary = arena_strdup(pr->arena, text),
    };
    return ret->summary ? 0 : -ENOMEM;
}

int planner_explain(const struct model *m, uint32_t vm, struct arena *arena,
                    struct planner_explanation *ret) {
    struct problem pr;
    int err = problem_init(&pr, m, arena);
    if (err < 0) {
        return err;
    }
    struct planner_explanation explanation;
    err = explain_vm(&pr, vm, &explanation);
    problem_finish(&pr);
    if (err == 0) {
        *ret = explanation;
    }
    return err;
}

int planner_check(const struct model *m, uint32_t vm, uint32_t node, struct arena *arena,
                  bool *ret_possible, const char **ret_reason) {
    struct planner_explanation explanation;
    int err = planner_explain(m, vm, arena, &explanation);
    if (err < 0) {
        return err;
    }
    for (uint32_t i = 0; i < explanation.n; i++) {
        if (explanation.v[i].node == node) {
            *ret_possible = explanation.v[i].possible;
            *ret_reason = explanation.v[i].reason;
            return 0;
        }
    }
    return -ENOENT;
}

int planner_problem(const struct model *m, struct arena *arena, struct planner_problem *ret) {
    struct problem *pr = arena_alloc(arena, sizeof(*pr));
    if (!pr) {
        return -ENOMEM;
    }
    int err = problem_init(pr, m, arena);
    if (err < 0) {
        return err;
    }
    problem_finish(pr);
    *ret = (struct planner_problem){.problem = &pr->p, .cpu_models = pr->cpu_models};
    return 0;
}
