/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the policy's rules share: proposing a command, an order, a move; and when to look again.
 */
#include "core/apply/order.h"

#include "base/check.h"
#include "core/policy/inside.h"
#include "core/timeouts.h"

void policy_wake_at(struct core *c, uint64_t when_ms) {
    if (when_ms < c->policy.wakeup_ms) {
        c->policy.wakeup_ms = when_ms;
    }
}

int policy_propose(struct core *c, uint32_t type, const void *command) {
    CHECK(core_is_coordinator(c) && replica_usable(&c->replica));
    if (c->policy.budget == 0) {
        policy_wake_at(c, c->now_ms);
        return 0;
    }
    c->policy.budget--;
    return pending_propose(c, PENDING_POLICY, type, command);
}

int policy_order(struct core *c, const struct model_vm *vm, enum order_kind kind, uint32_t node,
                 uint32_t target, uint64_t operation, const char *reason) {
    struct cmd_vm_order order = {.vm = vm->id,
                                 .generation = vm->generation,
                                 .serial = vm->serial,
                                 .kind = (uint8_t)kind,
                                 .node = node,
                                 .target = target,
                                 .operation = operation,
                                 .reason = reason};
    /* An order that will be refused would change nothing but the index, and would be proposed
     * again, for ever. */
    return order_fits(&c->model, vm, &order) ? policy_propose(c, COMMAND_VM_ORDER, &order) : 0;
}

int policy_end(struct core *c, uint64_t operation, enum operation_state state, const char *reason) {
    struct cmd_operation_end end = {
        .operation = operation, .state = (uint8_t)state, .reason = reason};
    return policy_propose(c, COMMAND_OPERATION_END, &end);
}

bool policy_node_ready(const struct core *c, uint32_t id) {
    const struct model_node *node = model_node_by_id(&c->model, id);
    return node && node->state == NODE_ONLINE && ids_contain(&c->model.members, id);
}

uint32_t policy_moves_on(const struct core *c, uint32_t node) {
    uint32_t n = 0;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool restarts = vm->state == VM_STOPPING && vm->restore_node;
        bool moves = vm->state == VM_MIGRATING || vm->state == VM_SAVING || vm->state == VM_SAVED ||
                     vm->state == VM_RESTORING || restarts;
        n += moves && (vm->owner == node || vm->target == node || vm->restore_node == node);
    }
    return n;
}

/* For whom the VM is moved: the first VM of the plan that is to come to its place. */
static const char *room_for(struct core *c, const struct planner_plan *plan, uint32_t node) {
    for (uint32_t i = 0; i < plan->n; i++) {
        if (plan->v[i].to == node) {
            const struct model_vm *vm = model_vm_by_id(&c->model, plan->v[i].vm);
            return vm ? vm->name : "other VMs";
        }
    }
    return "other VMs";
}

int policy_move(struct core *c, const struct model_vm *vm, uint32_t to, enum move_cause cause,
                const char *reason) {
    struct cmd_vm_move move = {.vm = vm->name,
                               .to = model_node_name(&c->model, to),
                               .mode = MOVE_LIVE,
                               .cause = (uint8_t)cause,
                               .serial = vm->serial,
                               .reason = reason};
    return policy_propose(c, COMMAND_VM_MOVE, &move);
}

int policy_make_room(struct core *c, const struct planner_plan *plan,
                     const struct planner_choice *choice) {
    const struct model_vm *vm = model_vm_by_id(&c->model, choice->vm);
    return policy_move(c, vm, choice->to, CAUSE_ROOM,
                       outbox_text(&c->out, "it makes room on %s for %s",
                                   model_node_name(&c->model, choice->from),
                                   room_for(c, plan, choice->from)));
}

/*
 * Without this, a QEMU that survives destroy is ordered destroyed again after every commit, and a
 * stop whose agent always ends without a result is ordered as often. The pause doubles if the same
 * step is wanted again soon after it has ended.
 */
bool policy_is_its_time(struct core *c, uint32_t vm, uint32_t kind, uint32_t node) {
    struct policy_pace *paces = c->policy.paces[vm % POLICY_PACE_ROWS];
    struct policy_pace *oldest = &paces[0], *found = NULL;
    for (uint32_t i = 0; i < POLICY_PACES; i++) {
        struct policy_pace *p = &paces[i];
        bool same = p->vm == vm && p->node == node && p->kind == kind;
        found = same ? p : found;
        oldest = p->next_ms < oldest->next_ms ? p : oldest;
    }
    if (found && c->now_ms < found->next_ms) {
        policy_wake_at(c, found->next_ms);
        return false;
    }
    bool again = found && c->now_ms < found->next_ms + found->pause_ms;
    uint64_t pause_ms = again ? 2 * found->pause_ms : TIMEOUT_STEP_MS;
    pause_ms = pause_ms < TIMEOUT_STEP_MAX_MS ? pause_ms : TIMEOUT_STEP_MAX_MS;
    *(found ? found : oldest) = (struct policy_pace){.vm = vm,
                                                     .node = node,
                                                     .kind = kind,
                                                     .next_ms = c->now_ms + pause_ms,
                                                     .pause_ms = pause_ms};
    return true;
}
