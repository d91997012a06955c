/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves that were asked for, and returns after a drain. A VM that cannot be moved stays where it
 * runs.
 */
#include "core/policy/inside.h"
#include "core/model/settings.h"

#include <errno.h>

#define RETURN_ATTEMPTS 2u

/* Why a VM that should have come back has not, in words. */
static const char *why_not_back(struct core *c, const struct operation_vm *row,
                                const struct model_vm *vm, const struct planner_verdict *place) {
    const char *here = model_node_name(&c->model, vm->owner);
    const char *why = policy_stands_still(&c->model, vm)
                          ? "it stands still; " POLICY_STANDS_STILL_HINT
                      : row->state == OPERATION_FAILED ? row->reason
                                                       : place->reason;
    return outbox_text(&c->out, "it is on %s%s%s", here, why && why[0] ? ": " : "", why ? why : "");
}

/* Those that return in certain hours; "": none. */
static const char *tell_of_waiting(struct core *c, uint32_t id) {
    const struct model_node *node = model_node_by_id(&c->model, id);
    char hours[SETTING_TEXT];
    uint32_t n = 0;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        n += vm->return_to == id;
    }
    if (!node || !node->failback_due || n == 0) {
        return "";
    }
    return outbox_text(&c->out, "%u VM%s to it in the hours %s (UTC)", n,
                       n == 1 ? " returns" : "s return",
                       setting_text(SETTING_failback_hours,
                                    setting_get(&c->model, SETTING_failback_hours), hours));
}

/* VMs that were drained away come back if the node can take them now. */
static int resume_node(struct core *c, const struct model_operation *op) {
    const struct operation_vm *v = op->vms.items;
    uint32_t open = 0, away = 0;
    const char *last = "", *why = "";
    for (uint32_t i = 0; i < op->vms.n; i++) {
        const struct model_vm *vm = model_vm_by_id(&c->model, v[i].vm);
        bool under_way = vm && vm->operation == op->id;
        if (!vm || vm->return_to != op->node || (vm->owner == op->node && !under_way) ||
            vm->wanted != WANTED_RUNNING) {
            continue;
        }
        away++;
        last = vm->name;
        if (v[i].state != OPERATION_RUNNING && v[i].attempts >= RETURN_ATTEMPTS) {
            why = why_not_back(c, &v[i], vm, &(struct planner_verdict){0});
            continue;
        }
        bool busy = vm->order != ORDER_NONE || vm->state == VM_RESOLVING || under_way;
        struct planner_verdict place = {0};
        int err = busy || !policy_movable(&c->model, vm)
                      ? 0
                      : planner_check(&c->model, vm->id, op->node, &c->out.arena, &place);
        if (err < 0) {
            return err;
        }
        open += busy || place.possible;
        why = why_not_back(c, &v[i], vm, &place);
        if (place.possible && !place.waits && policy_move_slots(c, op->node) > 0 &&
            policy_move_slots(c, vm->owner) > 0 && c->policy.budget > 0) {
            /* One per pass: the next check counts it. */
            return policy_order(c, vm, policy_usual_order(vm), vm->owner, op->node, op->id,
                                "return");
        }
    }
    if (open) {
        return 0;
    }
    return away == 0
               ? policy_end(c, op->id, OPERATION_DONE, tell_of_waiting(c, op->node))
               : policy_end(c, op->id, OPERATION_FAILED,
                            policy_tell_of(c, away, last, "is not back", "are not back", why));
}

/* The node that was requested. What was possible then may no longer be; if any node will do, the
 * best one of now takes its place. */
static int choose_target(struct core *c, const struct model_operation *op,
                         const struct model_vm *vm, uint32_t *ret_to,
                         struct planner_verdict *ret_place) {
    uint32_t to = op->node;
    struct planner_verdict place;
    int err = planner_check_move(&c->model, vm->id, to, &c->out.arena, &place);
    if (err == 0 && op->any && (!place.possible || !policy_node_ready(c, to))) {
        struct planner_explanation all;
        err = planner_explain(&c->model, vm->id, &c->out.arena, &all);
        to = err == 0 && all.best ? all.best : to;
        err = err < 0 ? err : planner_check_move(&c->model, vm->id, to, &c->out.arena, &place);
    }
    if (err < 0) {
        return err;
    }
    *ret_to = to;
    *ret_place = place;
    return 0;
}

static int move_vm(struct core *c, const struct model_operation *op) {
    const struct operation_vm *row = op->vms.items;
    const struct model_vm *vm = op->vms.n ? model_vm_by_id(&c->model, row->vm) : NULL;
    if (!vm || vm->operation != op->id) {
        return policy_end(c, op->id, OPERATION_FAILED, "the VM is gone and cannot be moved");
    }
    if (policy_stands_still(&c->model, vm)) {
        return policy_end(c, op->id, OPERATION_FAILED,
                          outbox_text(&c->out, "%s stands still: " POLICY_STANDS_STILL_HINT,
                                      vm->name));
    }
    if (!policy_movable(&c->model, vm) || row->attempts > 0) {
        return 0;
    }
    uint32_t to;
    struct planner_verdict place;
    int err = choose_target(c, op, vm, &to, &place);
    if (err < 0) {
        return err;
    }
    if (!policy_node_ready(c, to)) {
        return policy_end(c, op->id, OPERATION_FAILED,
                          outbox_text(&c->out, "%s takes no VMs", model_node_name(&c->model, to)));
    }
    if (policy_move_slots(c, vm->owner) == 0 || policy_move_slots(c, to) == 0 ||
        (place.possible && place.waits)) {
        return 0; /* its turn will come */
    }
    if (!place.possible) {
        return policy_end(c, op->id, OPERATION_FAILED,
                          outbox_text(&c->out, "%s cannot go to %s: %s", vm->name,
                                      model_node_name(&c->model, to), place.reason));
    }
    bool quick = op->mode == MOVE_QUICK ||
                 (op->mode == MOVE_AUTO && vm->mobility == MOBILITY_QUICK && vm->volumes.n > 0);
    return policy_order(c, vm, quick ? ORDER_SAVE : ORDER_MIGRATE, vm->owner, to, op->id, "move");
}

/* Nothing of it is under way any more: what it has done, and what not. */
static const char *tell_of_cancelled(struct core *c, const struct model_operation *op) {
    const struct operation_vm *v = op->vms.items;
    uint32_t done = 0;
    for (uint32_t i = 0; i < op->vms.n; i++) {
        done += v[i].state == OPERATION_DONE;
    }
    if (op->vms.n != 1) {
        return outbox_text(&c->out, "it was ended on request; %u of %u VMs had been moved", done,
                           op->vms.n);
    }
    const struct model_vm *vm = model_vm_by_id(&c->model, v[0].vm);
    return vm && vm->state == VM_RUNNING
               ? outbox_text(&c->out, "it was ended on request; %s runs on %s", v[0].name,
                             model_node_name(&c->model, vm->owner))
               : outbox_text(&c->out, "it was ended on request; %s is %s", v[0].name,
                             vm ? vm_state_name(vm->state) : "gone");
}

int policy_moves(struct core *c) {
    uint32_t before = c->policy_inflight;
    MODEL_EACH(model_operation, op, &c->model.operations) {
        if (op->state != OPERATION_RUNNING || c->policy_inflight != before) {
            continue;
        }
        int err = 0;
        if (op->cancelled && !op->late && !policy_orders_stand(c, op->id)) {
            err = policy_end(c, op->id, OPERATION_CANCELLED, tell_of_cancelled(c, op));
        } else if (op->kind == OPERATION_RESUME && !op->cancelled) {
            err = resume_node(c, op);
        } else if (op->kind == OPERATION_MOVE && !op->cancelled) {
            err = move_vm(c, op);
        }
        if (err < 0) {
            return err;
        }
    }
    return 0;
}
