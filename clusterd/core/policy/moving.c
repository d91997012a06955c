/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What drains, moves and returns share.
 */
#include "core/policy/inside.h"
#include "core/model/settings.h"

bool policy_orders_stand(const struct core *c, uint64_t operation) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool starts = vm->state == VM_OFF && vm->wanted == WANTED_RUNNING;
        bool under_way =
            vm->order != ORDER_NONE || vm->state == VM_SAVED || vm->state == VM_RESOLVING || starts;
        if (vm->operation == operation && under_way) {
            return true;
        }
    }
    return false;
}

uint32_t policy_move_slots(const struct core *c, uint32_t node) {
    uint64_t limit = setting_get(&c->model, SETTING_migrations_per_node);
    uint32_t used = policy_moves_on(c, node);
    return used < limit ? (uint32_t)(limit - used) : 0;
}

enum order_kind policy_usual_order(const struct model_vm *vm) {
    bool quick =
        vm->mobility == MOBILITY_QUICK && vm->volumes.n > 0 && vm->move_policy != MOVE_POLICY_LIVE;
    return vm->move_policy == MOVE_POLICY_RESTART ? ORDER_STOP : quick ? ORDER_SAVE : ORDER_MIGRATE;
}

const char *policy_tell_of(struct core *c, uint32_t n, const char *vm, const char *one,
                           const char *many, const char *reason) {
    return n == 1 ? outbox_text(&c->out, "%s %s: %s", vm, one, reason)
                  : outbox_text(&c->out, "%u VMs %s; the last, %s: %s", n, many, vm, reason);
}

/* A guest that stands still (its disk is full, a person paused it) is left alone: a migration, and
 * its resolving, are made for guests that run. */
bool policy_movable(const struct model *m, const struct model_vm *vm) {
    return vm->state == VM_RUNNING && !vm->paused && vm->order == ORDER_NONE &&
           vm->wanted == WANTED_RUNNING && !model_vm_is_held(m, vm);
}

bool policy_stands_still(const struct model *m, const struct model_vm *vm) {
    return vm->state == VM_RUNNING && vm->paused && vm->order == ORDER_NONE &&
           vm->wanted == WANTED_RUNNING && !model_vm_is_held(m, vm);
}
