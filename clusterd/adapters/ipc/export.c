/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster as the planner hands it to the engine, in the format of clusterd-cluster.json(5):
 * `clusterctl export` writes it and `clusterctl plan` reads it. The source is the planner's
 * problem, not the model: a plan made elsewhere is the plan that would be made here.
 */
#include "adapters/ipc/view.h"

#include "base/check.h"
#include "core/model/settings.h"
#include "placement/words.h"

#include <string.h>

static const char *const states[PLACEMENT_NODE_STATE_COUNT] = {PLACEMENT_WORDS_OF_STATES};
static const char *const mobilities[] = {PLACEMENT_WORDS_OF_MOBILITIES};
static const char *const kinds[PLACEMENT_RULE_KIND_COUNT] = {
    [PLACEMENT_APART] = "apart",
    [PLACEMENT_TOGETHER] = "together",
    [PLACEMENT_ON_NODES] = "on",
    [PLACEMENT_NOT_ON_NODES] = "not-on",
};
static const char *const scopes[PLACEMENT_SCOPE_COUNT] = {PLACEMENT_WORDS_OF_SCOPES};

static const char *node_name(const struct placement_problem *p, uint32_t node) {
    return p->nodes[node].name;
}

static json_t *node_names(const struct placement_problem *p, const struct placement_set *set) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < set->n; i++) {
        json_array_append_new(list, json_of_text(node_name(p, set->index[i])));
    }
    return list;
}

static json_t *vm_names(const struct placement_problem *p, const struct placement_set *set) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < set->n; i++) {
        json_array_append_new(list, json_of_text(p->vms[set->index[i]].name));
    }
    return list;
}

static json_t *texts(const char *const *names, const struct placement_set *set) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < set->n; i++) {
        json_array_append_new(list, json_of_text(names[set->index[i]]));
    }
    return list;
}

/* Zeros are left out: the file stays short and readable. */
static void put_number(json_t *object, const char *key, uint64_t number) {
    if (number > 0) {
        json_object_set_new(object, key, json_of_number(number));
    }
}

static void put_text(json_t *object, const char *key, const char *text) {
    if (text && text[0]) {
        json_object_set_new(object, key, json_of_text(text));
    }
}

static void put_node(json_t *object, const char *key, const struct placement_problem *p,
                     uint32_t node) {
    if (node != PLACEMENT_NONE) {
        json_object_set_new(object, key, json_of_text(node_name(p, node)));
    }
}

static void put_flag(json_t *object, const char *key, bool flag) {
    if (flag) {
        json_object_set_new(object, key, json_true());
    }
}

static void put_list(json_t *object, const char *key, json_t *list) {
    if (json_array_size(list) > 0) {
        json_object_set(object, key, list);
    }
    json_decref(list);
}

/* Further resources of a row of amounts, by name. A missing one means: the node has none, the VM
 * needs none. But a missing load means: the load is what the VM needs. Therefore `needs` (mostly
 * the row itself) says which ones to write. */
static void put_resources(json_t *object, const struct placement_problem *p, const uint64_t *row,
                          const uint64_t *needs) {
    json_t *resources = json_object();
    for (uint32_t r = PLACEMENT_CPU + 1; r < p->n_resources; r++) {
        if (needs[r] > 0) {
            json_object_set_new(resources, p->resources[r].name, json_of_number(row[r]));
        }
    }
    if (json_object_size(resources) > 0) {
        json_object_set(object, "resources", resources);
    }
    json_decref(resources);
}

static json_t *amounts(const struct placement_problem *p, const uint64_t *row,
                       const uint64_t *needs) {
    json_t *object = json_pack("{so so}", "cpu", json_of_number(row[PLACEMENT_CPU]), "mem",
                               json_of_number(row[PLACEMENT_MEMORY]));
    put_resources(object, p, row, needs);
    return object;
}

static json_t *render_one_node(const struct planner_problem *planner, uint32_t i,
                               const struct model_node *row) {
    const struct placement_problem *p = &planner->p;
    const struct placement_node *node = &p->nodes[i];
    json_t *object =
        json_pack("{so ss}", "name", json_of_text(node->name), "state", states[node->state]);
    const uint64_t *has = planner_capacities(planner, i);
    json_t *sums = amounts(p, has, has);
    json_object_update(object, sums);
    json_decref(sums);
    put_number(object, "cpu_overcommit_permille", node->cpu_overcommit_permille);
    put_number(object, "vms_max", node->vms_max);
    put_number(object, "threshold_permille", node->threshold_permille);
    put_number(object, "bandwidth_mb_s", node->bandwidth_mb_s);
    put_text(object, "site", row->site);
    put_text(object, "rack", row->rack);
    /* Also write an empty list: a missing list would mean "all". */
    json_object_set_new(object, "volumes", texts(p->volume_names, &node->volumes));
    json_object_set_new(object, "cpu_models", texts(planner->cpu_models, &node->cpu_models));
    json_object_set_new(object, "machines", texts(planner->machines, &node->machines));
    json_object_set_new(object, "networks", texts(p->network_names, &node->networks));
    return object;
}

/* The machine type with which the VM starts; and the one with which it runs, if that differs. A
 * saved VM continues with the latter, too. */
static void put_machine(json_t *object, const struct planner_problem *planner, uint32_t i) {
    const struct placement_vm *vm = &planner->p.vms[i];
    uint32_t start = vm->host == PLACEMENT_NONE ? vm->machine : planner->start_machines[i];
    if (start != PLACEMENT_NONE) {
        put_text(object, "machine", planner->machines[start]);
    }
    if (vm->machine != start && vm->machine != PLACEMENT_NONE) {
        put_text(object, "bound_machine", planner->machines[vm->machine]);
    }
}

static json_t *render_one_vm(const struct model *m, const struct planner_problem *planner,
                             uint32_t i) {
    const struct model_vm *row = (const struct model_vm *)m->vms.rows + i;
    const struct placement_problem *p = &planner->p;
    const struct placement_vm *vm = &p->vms[i];
    bool by_name = strcmp(row->cpu_mode, "custom") == 0;
    json_t *object =
        json_pack("{so so}", "name", json_of_text(vm->name), "host",
                  vm->host == PLACEMENT_NONE ? json_null() : json_of_text(node_name(p, vm->host)));
    const uint64_t *needs = planner_needs(planner, i);
    json_t *sums = amounts(p, needs, needs);
    json_object_update(object, sums);
    json_decref(sums);
    if (vm->priority != 0) {
        json_object_set_new(object, "priority", json_integer(vm->priority));
    }
    put_flag(object, "stay_off", vm->host == PLACEMENT_NONE && !planner_to_be_started(m, row));
    put_flag(object, "no_auto_start", vm->no_auto_start);
    put_number(object, "start_ms", vm->start_ms);
    if (vm->mobility != PLACEMENT_MOVABLE_LIVE) {
        json_object_set_new(object, "mobility", json_string(mobilities[vm->mobility]));
    }
    put_node(object, "also_on", p, vm->also_on);
    put_node(object, "return_to", p, vm->return_to);
    if (vm->cpu_model != PLACEMENT_NONE) {
        put_text(object, by_name ? "cpu_model" : "bound_cpu_model",
                 planner->cpu_models[vm->cpu_model]);
    }
    put_machine(object, planner, i);
    put_list(object, "volumes", texts(p->volume_names, &vm->volumes));
    put_list(object, "networks", texts(p->network_names, &vm->networks));
    put_list(object, "possible", node_names(p, &vm->possible));
    put_list(object, "preferred", node_names(p, &vm->preferred));
    put_list(object, "excluded", node_names(p, &vm->excluded));
    if (p->loads) {
        json_object_set_new(object, "load",
                            amounts(p, &p->loads[(size_t)i * p->n_resources], needs));
    }
    return object;
}

static json_t *render_one_rule(const struct placement_problem *p,
                               const struct placement_rule *rule) {
    json_t *object = json_pack("{ss ss so}", "type", kinds[rule->kind], "strength",
                               rule->strength == PLACEMENT_HARD ? "hard" : "soft", "vms",
                               vm_names(p, &rule->vms));
    put_text(object, "name", rule->name);
    if (rule->kind == PLACEMENT_ON_NODES || rule->kind == PLACEMENT_NOT_ON_NODES) {
        json_object_set_new(object, "nodes", node_names(p, &rule->nodes));
    } else {
        CHECK(scopes[rule->scope]);
        json_object_set_new(object, "scope", json_string(scopes[rule->scope]));
    }
    put_number(object, "weight", rule->strength == PLACEMENT_SOFT ? rule->weight : 0);
    return object;
}

static json_t *render_resources(const struct placement_problem *p) {
    json_t *list = json_array();
    for (uint32_t r = PLACEMENT_CPU + 1; r < p->n_resources; r++) {
        const struct placement_resource *resource = &p->resources[r];
        json_t *object = json_pack("{so}", "name", json_of_text(resource->name));
        put_text(object, "unit", resource->unit);
        put_number(object, "per_unit", resource->per_unit);
        json_array_append_new(list, object);
    }
    return list;
}

/* As clusterd solves: it takes the first answer. */
static json_t *render_solve(const struct model *m, const struct placement_problem *p) {
    return json_pack("{sb sb so so}", "move_others", setting_get(m, SETTING_failover_may_move) != 0,
                     "drain_moves_others", setting_get(m, SETTING_drain_may_move) != 0,
                     "improve_ms", json_of_number(0), "seed", json_of_number(p->seed));
}

static json_t *render_problem(const struct model *m, const struct planner_problem *planner) {
    const struct placement_problem *p = &planner->p;
    json_t *volumes = json_array(), *nodes = json_array(), *vms = json_array(),
           *rules = json_array();
    for (uint32_t i = 0; i < p->n_volumes; i++) {
        json_array_append_new(volumes, json_of_text(p->volume_names[i]));
    }
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        json_array_append_new(nodes, render_one_node(planner, i,
                                                     (const struct model_node *)m->nodes.rows + i));
    }
    for (uint32_t i = 0; i < p->n_vms; i++) {
        json_array_append_new(vms, render_one_vm(m, planner, i));
    }
    for (uint32_t i = 0; i < p->n_rules; i++) {
        json_array_append_new(rules, render_one_rule(p, &p->rules[i]));
    }
    return json_pack("{si so so so so so so}", "version", 1, "solve", render_solve(m, p),
                     "resources", render_resources(p), "volumes", volumes, "nodes", nodes, "vms",
                     vms, "rules", rules);
}

json_t *render_cluster(struct ipc_view *view, struct ipc_error *ret_error) {
    struct planner_load loads[WIRE_MAX_NODES];
    const uint32_t n_loads = view->core ? core_get_loads(view->core, loads) : 0;
    const struct planner_facts facts =
        planner_balance_facts(view->model, view->wall_ms, loads, n_loads);
    struct planner_problem planner;
    int error = planner_problem_init(&planner, view->model, &facts, view->arena);
    if (error < 0) {
        (void)ipc_fail(ret_error, "failed", "", "the cluster cannot be exported: %s",
                       strerror(-error));
        return NULL;
    }
    if (planner.p.n_nodes == 0) {
        (void)ipc_fail(ret_error, "failed", "see: clusterctl status",
                       "this clusterd knows no nodes yet");
        return NULL;
    }
    return json_pack("{so}", "cluster", render_problem(view->model, &planner));
}
