/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model as a placement problem; see planner/problem.h.
 */
#include "core/planner/problem.h"
#include "core/timeouts.h"

#include "core/model/settings.h"

#include <errno.h>
#include <string.h>

static const struct model_node *node_at(const struct model *m, uint32_t i) {
    return (const struct model_node *)m->nodes.rows + i;
}

static const struct model_vm *vm_at(const struct model *m, uint32_t i) {
    return (const struct model_vm *)m->vms.rows + i;
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
    if (node->libvirt[0] != '\0') {
        return PLACEMENT_NODE_NO_HYPERVISOR;
    }
    return node->configured && ids_contain(&m->members, node->id) && !node->fence_asked
               ? PLACEMENT_NODE_ACCEPTS
               : PLACEMENT_NODE_LOST;
}

static int healthy_volumes(const struct planner_problem *pr, const struct model *m, uint32_t node,
                           struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, m->volumes.n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    const struct model_volume *volumes = m->volumes.rows;
    for (uint32_t i = 0; i < m->volumes.n; i++) {
        const struct model_health *health = model_health_of(m, volumes[i].id, node);
        if (health && health->state == VOLUME_OK) {
            v[n++] = i;
        }
    }
    *ret = (struct placement_set){.index = v, .n = n};
    return 0;
}

/* The number of a name among those seen before it: sites and racks are numbers to the solver. */
static uint32_t place_number(const struct model *m, uint32_t node, bool rack) {
    const struct model_node *own = node_at(m, node);
    for (uint32_t i = 0; i < node; i++) {
        const struct model_node *other = node_at(m, i);
        if (strcmp(rack ? other->rack : other->site, rack ? own->rack : own->site) == 0) {
            return i;
        }
    }
    return node;
}

/* A number of the model, clamped to the solver's range. Failing instead would stop every node,
 * again after each restart. */
static uint64_t amount(uint64_t v) {
    return v < PLACEMENT_AMOUNT_MAX ? v : PLACEMENT_AMOUNT_MAX;
}

static int fill_nodes(struct planner_problem *pr, const struct model *m,
                      const struct planner_facts *facts, uint64_t *capacities) {
    uint32_t overcommit = (uint32_t)setting_get(m, SETTING_cpu_overcommit_percent) * 10;
    uint64_t mbps = setting_get(m, SETTING_migrate_bandwidth_mbps) *
                    setting_get(m, SETTING_migrations_per_node);
    for (uint32_t i = 0; i < m->nodes.n; i++) {
        const struct model_node *node = node_at(m, i);
        pr->node_ids[i] = node->id;
        pr->nodes[i] = (struct placement_node){
            .name = arena_strdup(pr->arena, node->name),
            .state = node_state(m, node),
            .site = place_number(m, i, false),
            .rack = place_number(m, i, true),
            .cpu_overcommit_permille = overcommit,
            .vms_max = node->vms_max,
            .threshold_permille = facts ? facts->threshold_permille : 0,
            .bandwidth_mb_s = (uint32_t)(mbps < 8000000 ? (mbps + 7) / 8 : 1000000),
        };
        uint64_t *row = &capacities[(size_t)i * pr->p.n_resources];
        row[PLACEMENT_MEMORY] = amount(node->memory_mb);
        row[PLACEMENT_CPU] = amount((uint64_t)node->cpus * 1000);
        planner_resources_fill(pr, &node->resources, row);
        int err = healthy_volumes(pr, m, node->id, &pr->nodes[i].volumes);
        if (err < 0 || !pr->nodes[i].name) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int vm_volumes(const struct planner_problem *pr, const struct model *m,
                      const struct model_vm *vm, struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, vm->volumes.n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < vm->volumes.n; i++) {
        const struct model_volume *volume = model_volume_by_name(m, vm->volumes.v[i]);
        if (volume) {
            v[n++] = (uint32_t)(volume - (const struct model_volume *)m->volumes.rows);
        }
    }
    *ret = (struct placement_set){.index = v, .n = n};
    return 0;
}

/*
 * Where a VM that is off is tried first: a saved VM at the target of its move; one that returns to
 * a node that was drained there; a VM without preferred owners where it belonged, so that after a
 * power loss all are where they were.
 */
static int preferred_owners(const struct planner_problem *pr, const struct model *m,
                            const struct model_vm *vm, struct placement_set *ret) {
    uint32_t home = vm->state == VM_SAVED && vm->restore_node ? vm->restore_node : vm->owner;
    bool off = vm->state == VM_OFF || vm->state == VM_SAVED;
    const struct model_operation *op =
        vm->state == VM_OFF && vm->operation ? model_operation_by_id(m, vm->operation) : NULL;
    bool returns = op && op->kind == OPERATION_RESUME && vm->return_to;
    home = returns ? vm->return_to : home;
    if (off && home && (vm->preferred.n == 0 || vm->state == VM_SAVED || returns)) {
        return planner_node_set(pr, &(struct wire_ids){.v = &home, .n = 1}, ret);
    }
    return planner_node_set(pr, &vm->preferred, ret);
}

/* A moving VM takes room where it is and where it is going. */
static void take_room(const struct planner_problem *pr, const struct model *m,
                      const struct model_vm *vm, struct placement_vm *v) {
    if (vm->state == VM_OFF || vm->state == VM_SAVED) {
        return;
    }
    bool goes_off = vm->state == VM_SAVING || vm->state == VM_STOPPING;
    uint32_t other = goes_off ? vm->restore_node : vm->target;
    const struct model_operation *op =
        vm->state == VM_RUNNING && vm->operation && vm->order == ORDER_NONE
            ? model_operation_by_id(m, vm->operation)
            : NULL;
    /* A move that has been requested and waits for its turn. */
    if (op && op->kind == OPERATION_MOVE && op->state == OPERATION_RUNNING && !op->cancelled) {
        other = op->node;
    }
    v->host = planner_node_index(pr, vm->owner);
    v->also_on = planner_node_index(pr, other);
    if (v->host == PLACEMENT_NONE || v->host == v->also_on) {
        v->also_on = PLACEMENT_NONE;
    }
}

/* An automatic move failed not long ago, and would fail again. */
static bool has_failed_to_move(const struct model *m, const struct model_vm *vm, uint64_t wall_ms) {
    MODEL_EACH(model_operation, op, &m->operations) {
        const struct operation_vm *row = op->vms.items;
        bool failed = op->kind == OPERATION_MOVE && op->cause != CAUSE_PERSON &&
                      op->state == OPERATION_FAILED && op->vms.n == 1 && row->vm == vm->id;
        if (failed && wall_ms < op->ended_ms + TIMEOUT_MOVE_RETRY_MS) {
            return true;
        }
    }
    return false;
}

/* Whether the VM may be moved to make room for others: not if something is being done with it, or
 * if it is paused. (This does not apply to a VM requested by name.) */
static enum placement_mobility mobility(const struct model *m, const struct model_vm *vm,
                                        const struct planner_facts *facts) {
    if (vm->mobility == MOBILITY_FIXED) {
        return PLACEMENT_FIXED;
    }
    bool free = vm->state == VM_RUNNING && !vm->paused && vm->order == ORDER_NONE &&
                vm->operation == 0 && vm->wanted == WANTED_RUNNING && vm->return_to == 0 &&
                !has_failed_to_move(m, vm, facts ? facts->wall_ms : 0);
    return free && vm->mobility == MOBILITY_LIVE ? PLACEMENT_MOVABLE_LIVE : PLACEMENT_MOVABLE_COLD;
}

/* Nodes that have refused the VM for good are left out as long as the operation that asked them is
 * in progress. A new request may follow a repair there. */
static int leave_out_refusals(struct planner_problem *pr, const struct model *m) {
    MODEL_EACH(model_operation, op, &m->operations) {
        const struct operation_vm *rows = op->vms.items;
        for (uint32_t i = 0; op->state == OPERATION_RUNNING && i < op->vms.n; i++) {
            const struct model_vm *vm = rows[i].refused.n ? model_vm_by_id(m, rows[i].vm) : NULL;
            if (!vm || (vm->state != VM_RUNNING && vm->state != VM_SAVED)) {
                continue;
            }
            uint32_t index = planner_vm_index(pr, vm->id);
            if (index == PLACEMENT_NONE) {
                continue;
            }
            struct placement_set *out = &pr->vms[index].excluded;
            struct placement_set refused;
            uint32_t *v = arena_array(pr->arena, out->n + rows[i].refused.n, sizeof(*v));
            if (!v || planner_node_set(pr, &rows[i].refused, &refused) < 0) {
                return -ENOMEM;
            }
            uint32_t n = 0;
            for (uint32_t k = 0; k < out->n + refused.n; k++) {
                uint32_t node = k < out->n ? out->index[k] : refused.index[k - out->n];
                bool twice = false;
                for (uint32_t w = 0; w < n; w++) {
                    twice = twice || v[w] == node;
                }
                v[n] = node;
                n += !twice;
            }
            *out = (struct placement_set){.index = v, .n = n};
        }
    }
    return 0;
}

static int fill_vm(const struct planner_problem *pr, const struct model *m,
                   const struct planner_facts *facts, const struct model_vm *vm,
                   struct placement_vm *v) {
    *v = (struct placement_vm)PLACEMENT_VM_INIT;
    v->name = arena_strdup(pr->arena, vm->name);
    v->priority = (int32_t)vm->priority;
    v->no_auto_start = vm->no_auto_start;
    v->mobility = mobility(m, vm, facts);
    take_room(pr, m, vm, v);
    v->return_to = planner_node_index(pr, vm->return_to);
    int err = v->name ? vm_volumes(pr, m, vm, &v->volumes) : -ENOMEM;
    if (err == 0) {
        err = planner_node_set(pr, &vm->possible, &v->possible);
    }
    if (err == 0) {
        err = preferred_owners(pr, m, vm, &v->preferred);
    }
    if (err == 0) {
        err = planner_node_set(pr, &vm->avoid, &v->excluded);
    }
    return err;
}

static int fill_vms(struct planner_problem *pr, const struct model *m,
                    const struct planner_facts *facts, uint64_t *needs) {
    for (uint32_t i = 0; i < m->vms.n; i++) {
        const struct model_vm *vm = vm_at(m, i);
        pr->vm_ids[i] = vm->id;
        uint64_t *row = &needs[(size_t)i * pr->p.n_resources];
        row[PLACEMENT_MEMORY] = amount(vm->memory_mb);
        row[PLACEMENT_CPU] = amount((uint64_t)vm->vcpus * 1000);
        planner_resources_fill(pr, &vm->resources, row);
        int err = fill_vm(pr, m, facts, vm, &pr->vms[i]);
        if (err < 0) {
            return err;
        }
    }
    return leave_out_refusals(pr, m);
}

/*
 * What VMs really use. Memory: what they have, because a guest keeps what it has touched. CPU: the
 * node's measured load, divided among its VMs by their vCPUs, because clusterd does not know the
 * load of each VM. A node that has reported nothing counts as idle: unknown is not too much.
 * Further resources count as nothing either: a vGPU is taken or not, and a node whose last one is
 * taken is not busy because of that.
 */
static int fill_loads(struct planner_problem *pr, const struct planner_facts *facts) {
    size_t n = (size_t)pr->p.n_vms * pr->p.n_resources;
    uint64_t *loads = arena_array(pr->arena, n, sizeof(*loads));
    uint64_t *vcpus = arena_array(pr->arena, pr->p.n_nodes, sizeof(*vcpus));
    uint64_t *busy = arena_array(pr->arena, pr->p.n_nodes, sizeof(*busy));
    if (!loads || !vcpus || !busy) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < pr->p.n_vms; i++) {
        if (pr->vms[i].host != PLACEMENT_NONE) {
            vcpus[pr->vms[i].host] += planner_needs(pr, i)[PLACEMENT_CPU];
        }
    }
    for (uint32_t i = 0; i < facts->n_loads; i++) {
        uint32_t node = planner_node_index(pr, facts->loads[i].node);
        if (node != PLACEMENT_NONE) {
            busy[node] = planner_capacities(pr, node)[PLACEMENT_CPU] *
                         facts->loads[i].cpu_busy_permille / 1000;
        }
    }
    /* Thresholds refer to overcommitted capacity, measured load to physical CPUs: scale the load by
     * the overcommit ratio. */
    uint64_t over = pr->p.n_nodes ? pr->nodes[0].cpu_overcommit_permille : 1000;
    for (uint32_t i = 0; i < pr->p.n_vms; i++) {
        uint32_t host = pr->vms[i].host;
        const uint64_t *needs = planner_needs(pr, i);
        uint64_t *row = &loads[(size_t)i * pr->p.n_resources];
        row[PLACEMENT_MEMORY] = needs[PLACEMENT_MEMORY];
        uint64_t share = host == PLACEMENT_NONE || vcpus[host] == 0
                             ? 0
                             : busy[host] * 1000 / vcpus[host]; /* permille of its vcpus */
        row[PLACEMENT_CPU] =
            needs[PLACEMENT_CPU] * (share < 1000 ? share : 1000) / 1000 * over / 1000;
    }
    pr->p.loads = loads;
    return 0;
}

int planner_problem_init(struct planner_problem *pr, const struct model *m,
                         const struct planner_facts *facts, struct arena *arena) {
    *pr = (struct planner_problem){.arena = arena};
    if (planner_resources_init(pr, m) < 0) {
        return -ENOMEM;
    }
    size_t n_nodes = m->nodes.n, n_vms = m->vms.n, n_resources = pr->p.n_resources;
    pr->nodes = arena_array(arena, n_nodes, sizeof(*pr->nodes));
    pr->vms = arena_array(arena, n_vms, sizeof(*pr->vms));
    pr->node_ids = arena_array(arena, n_nodes, sizeof(*pr->node_ids));
    pr->vm_ids = arena_array(arena, n_vms, sizeof(*pr->vm_ids));
    uint64_t *capacities = arena_array(arena, n_nodes * n_resources, sizeof(*capacities));
    uint64_t *needs = arena_array(arena, n_vms * n_resources, sizeof(*needs));
    const char **volumes = arena_array(arena, m->volumes.n, sizeof(*volumes));
    if (!pr->nodes || !pr->vms || !pr->node_ids || !pr->vm_ids || !capacities || !needs ||
        !volumes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < m->volumes.n; i++) {
        volumes[i] = arena_strdup(arena, ((const struct model_volume *)m->volumes.rows)[i].name);
        if (!volumes[i]) {
            return -ENOMEM;
        }
    }
    pr->p = (struct placement_problem){
        .nodes = pr->nodes,
        .vms = pr->vms,
        .n_nodes = m->nodes.n,
        .n_vms = m->vms.n,
        .n_volumes = m->volumes.n,
        .n_resources = pr->p.n_resources,
        .resources = pr->p.resources,
        .capacities = capacities,
        .needs = needs,
        .volume_names = volumes,
    };
    int err = fill_nodes(pr, m, facts, capacities);
    if (err == 0) {
        err = fill_vms(pr, m, facts, needs);
    }
    if (err == 0) {
        err = planner_cpus_init(pr, m, facts);
    }
    if (err == 0) {
        err = planner_machines_init(pr, m, facts);
    }
    if (err == 0) {
        err = planner_networks_init(pr, m);
    }
    if (err == 0) {
        err = planner_rules_init(pr, m);
    }
    if (err == 0 && facts && facts->threshold_permille) {
        err = fill_loads(pr, facts);
    }
    return err;
}
