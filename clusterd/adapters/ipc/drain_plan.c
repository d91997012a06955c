/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain would do with each VM (--dry-run): where it goes, how, and about how long that
 * takes.
 *
 * The estimate is what the VM's own last move took, of those that the cluster remembers; else
 * another VM's, in proportion to their memory; else the memory at the bandwidth that the settings
 * allow. A guest that writes more than usual takes longer, so it says "about"; and null if nothing
 * is known.
 */
#include "adapters/ipc/view.h"

#include "core/model/settings.h"
#include "core/planner/planner.h"

#include <string.h>

static enum move_mode mode_of(const struct model_vm *vm) {
    switch ((enum vm_move_policy)vm->move_policy) {
    case MOVE_POLICY_RESTART: return MOVE_RESTART;
    case MOVE_POLICY_SHUT_DOWN: return MOVE_SHUT_DOWN;
    case MOVE_POLICY_LIVE_OR_QUICK:
        return vm->mobility == MOBILITY_QUICK && vm->volumes.n > 0 ? MOVE_QUICK : MOVE_LIVE;
    case MOVE_POLICY_LIVE:
    case MOVE_POLICY_STAY: break;
    }
    return MOVE_LIVE;
}

/* 0: unknown. */
static uint64_t about_ms(const struct model *m, const struct model_vm *vm, enum move_mode mode) {
    uint64_t own = 0, others = 0, mbps = setting_get(m, SETTING_migrate_bandwidth_mbps);
    MODEL_EACH(model_operation, op, &m->operations) { /* the latest come last */
        const struct operation_vm *rows = op->vms.items;
        for (uint32_t i = 0; i < op->vms.n; i++) {
            const struct model_vm *of = model_vm_by_id(m, rows[i].vm);
            if (rows[i].state != OPERATION_DONE || rows[i].mode != mode || !of ||
                of->memory_mb == 0) {
                continue;
            }
            own = of == vm ? rows[i].total_ms : own;
            others = rows[i].total_ms * vm->memory_mb / of->memory_mb;
        }
    }
    uint64_t sent = mbps && mode == MOVE_LIVE ? vm->memory_mb * 8389 / mbps : 0; /* Mbit * 1000 */
    return own ? own : others ? others : sent;
}

static json_t *node_or_null(const struct model *m, uint32_t node) {
    return node ? json_of_text(model_node_name(m, node)) : json_null();
}

struct sum {
    uint64_t about_ms;
    bool unknown, remains;
};

/* `how`: the word of its mode; or "stay"; or "none": it cannot be moved as it is. */
static void add(json_t *list, const struct model *m, const struct planner_choice *choice,
                const char *how, uint64_t about) {
    const struct model_vm *vm = model_vm_by_id(m, choice->vm);
    bool shuts_down = strcmp(how, "restart") == 0 || strcmp(how, "shut-down") == 0;
    json_array_append_new(
        list, json_pack("{so so so so ss so so}", "vm", json_of_text(vm->name), "from",
                        node_or_null(m, choice->from), "to", node_or_null(m, choice->to), "reason",
                        json_of_text(choice->reason), "how", how, "about_ms",
                        about ? json_of_number(about) : json_null(), "longest_ms",
                        shuts_down ? json_of_number(setting_get(m, SETTING_stop_grace_ms))
                                   : json_null()));
}

/* Those for which the planner was asked; and the ones that it moves out of their way. */
static void add_moves(json_t *list, const struct model *m, const struct planner_plan *plan,
                      uint32_t node, struct sum *sum) {
    for (uint32_t i = 0; i < plan->n; i++) {
        struct planner_choice choice = plan->v[i];
        const struct model_vm *vm = model_vm_by_id(m, choice.vm);
        bool leaves = choice.from == node;
        if (!vm || (choice.to == 0 && !planner_blocks_drain(m, &choice))) {
            continue; /* it needs no place */
        }
        if (vm->owner == node && vm->paused && choice.to != 0) {
            choice.to = 0;
            choice.reason = "it stands still";
            sum->remains = true;
            add(list, m, &choice, "none", 0);
            continue;
        }
        enum move_mode mode = leaves ? mode_of(vm) : MOVE_LIVE;
        uint64_t about = choice.to ? about_ms(m, vm, mode) : 0;
        choice.reason =
            choice.asked || choice.reason[0] ? choice.reason : "it makes room for others";
        sum->about_ms += about;
        sum->unknown = sum->unknown || (about == 0 && mode != MOVE_RESTART);
        add(list, m, &choice, move_mode_name((uint8_t)mode), about);
    }
}

/* Those that need no place. */
static void add_others(json_t *list, const struct model *m, uint32_t node, struct sum *sum) {
    MODEL_EACH(model_vm, vm, &m->vms) {
        bool there = vm->owner == node && model_vm_may_run_on(vm, node);
        struct planner_choice choice = {.vm = vm->id, .from = node};
        if (ids_contain(&vm->foreign, node)) {
            choice.reason = "somebody runs it there under libvirt";
            sum->remains = true;
            add(list, m, &choice, "none", 0);
        } else if (!there || vm->wanted != WANTED_RUNNING || planner_leaves(vm)) {
            continue;
        } else if (vm->move_policy == MOVE_POLICY_STAY) {
            choice.reason = "its move policy is stay: the node does not become empty";
            sum->remains = true;
            add(list, m, &choice, "stay", 0);
        } else {
            choice.reason = vm->paused ? "it stands still" : "off until the node is resumed";
            sum->remains = sum->remains || vm->paused;
            add(list, m, &choice, vm->paused ? "none" : "shut-down", 0);
        }
    }
}

int plan_drain(struct ipc_view *view, const char *node, json_t **ret_plan,
               struct ipc_error *ret_error) {
    const struct model *m = view->model;
    const struct model_node *row = model_node_by_name(m, node);
    struct planner_plan plan;
    struct sum sum = {0};
    if (!row) {
        return ipc_fail(ret_error, "not-found", "clusterctl node list", "there is no node %s",
                        node);
    }
    int error = planner_drain(m, view->wall_ms, row->id, view->arena, &plan);
    if (error < 0) {
        return ipc_fail(ret_error, "failed", "", "%s: no plan: %s", node, strerror(-error));
    }
    json_t *list = json_array();
    add_moves(list, m, &plan, row->id, &sum);
    add_others(list, m, row->id, &sum);
    /* As many at a time as the node may move. */
    uint64_t at_once = setting_get(m, SETTING_migrations_per_node), n = json_array_size(list);
    at_once = n > 0 && n < at_once ? n : at_once;
    *ret_plan = json_pack("{so so sb}", "plan", list, "about_ms",
                          sum.unknown || sum.about_ms == 0 ? json_null()
                                                           : json_of_number(sum.about_ms / at_once),
                          "becomes_empty", (int)!sum.remains);
    return 0;
}
