/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves, drains, returns. A VM that cannot be moved stays where it runs.
 *
 * A drain moves a few VMs at a time and plans for all that are left together. It tries each VM
 * live, and after two failures quickly (if drain_allow_quick is set). It ends when the node is
 * empty or nothing more can be done.
 *
 * A node that can never take the VM (its QEMU lacks the machine type, say) is not asked again, and
 * its refusal does not lead to a save: another node is tried live, and if there is none the VM
 * stays (planner/problem.c leaves such nodes out). A VM that was saved and that nobody can restore
 * goes back (policy/start.c).
 *
 * If drain_may_move is set, a plan may move others to make room. It is carried out like a
 * failover's plan (policy/start.c): from its front, and the rest is planned again.
 */
#include "core/policy/inside.h"
#include "core/model/settings.h"

#include <errno.h>

#define LIVE_ATTEMPTS 2u
#define ALL_ATTEMPTS 3u
#define RETURN_ATTEMPTS 2u
#define STANDS_STILL_HINT "fix what has stopped it (clusterctl vm show), or stop it"

static bool orders_stand(const struct core *c, uint64_t operation) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool under_way =
            vm->order != ORDER_NONE || vm->state == VM_SAVED || vm->state == VM_RESOLVING;
        if (vm->operation == operation && under_way) {
            return true;
        }
    }
    return false;
}

static uint32_t move_slots(const struct core *c, uint32_t node) {
    uint64_t limit = setting_get(&c->model, SETTING_migrations_per_node);
    uint32_t used = policy_moves_on(c, node);
    return used < limit ? (uint32_t)(limit - used) : 0;
}

static const struct operation_vm *row_of(const struct model_operation *op, uint32_t vm) {
    const struct operation_vm *v = op->vms.items;
    for (uint32_t i = 0; i < op->vms.n; i++) {
        if (v[i].vm == vm) {
            return &v[i];
        }
    }
    return NULL;
}

/* Nodes that refused for good are not counted: they say nothing about the other nodes. */
static uint32_t attempts_of(const struct model_operation *op, uint32_t vm) {
    const struct operation_vm *row = row_of(op, vm);
    return row && row->attempts > row->refused.n ? row->attempts - row->refused.n : 0;
}

/* "web could not be moved: ...", "3 VMs could not be moved; the last, web: ..." */
static const char *tell_of(struct core *c, uint32_t n, const char *vm, const char *one,
                           const char *many, const char *reason) {
    return n == 1 ? outbox_text(&c->out, "%s %s: %s", vm, one, reason)
                  : outbox_text(&c->out, "%u VMs %s; the last, %s: %s", n, many, vm, reason);
}

static const struct operation_vm *last_failed(const struct model_operation *op) {
    const struct operation_vm *v = op->vms.items;
    for (uint32_t i = op->vms.n; i > 0; i--) {
        if (v[i - 1].state == OPERATION_FAILED) {
            return &v[i - 1];
        }
    }
    return NULL;
}

/* Someone who asked for live moves is told which guests were paused by a quick move instead, and
 * why; "": none were. (A VM that is never moved live was moved as configured.) */
static const char *tell_of_quick(struct core *c, const struct model_operation *op) {
    const struct operation_vm *v = op->vms.items, *longest = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < op->vms.n; i++) {
        if (v[i].state == OPERATION_DONE && v[i].mode == MOVE_QUICK && v[i].live_failure[0]) {
            longest = longest && longest->blackout_ms >= v[i].blackout_ms ? longest : &v[i];
            n++;
        }
    }
    if (n == 0) {
        return "";
    }
    const char *time = longest->blackout_ms ? outbox_text(&c->out, " for %llu ms",
                                                          (unsigned long long)longest->blackout_ms)
                                            : "";
    return n == 1 ? outbox_text(&c->out,
                                "%s stood still%s: it was moved quickly because its live move "
                                "failed: %s",
                                longest->name, time, longest->live_failure)
                  : outbox_text(&c->out,
                                "%u VMs stood still, %s longest%s: they were moved quickly because "
                                "their live moves failed: %s",
                                n, longest->name, time, longest->live_failure);
}

/* A guest that stands still (its disk is full, a person paused it) is left alone: a migration, and
 * its resolving, are made for guests that run. */
static bool movable(const struct model_vm *vm) {
    return vm->state == VM_RUNNING && !vm->paused && vm->order == ORDER_NONE &&
           vm->wanted == WANTED_RUNNING;
}

static bool stands_still(const struct model_vm *vm) {
    return vm->state == VM_RUNNING && vm->paused && vm->order == ORDER_NONE &&
           vm->wanted == WANTED_RUNNING;
}

static enum order_kind drain_order(const struct core *c, const struct model_vm *vm,
                                   uint32_t attempts) {
    bool allowed = vm->mobility == MOBILITY_QUICK ||
                   (attempts >= LIVE_ATTEMPTS && setting_get(&c->model, SETTING_drain_allow_quick));
    bool quick = allowed && vm->volumes.n > 0;
    return quick ? ORDER_SAVE : ORDER_MIGRATE;
}

struct drain_rest {
    uint32_t left;        /* VMs that are on the node, or may be */
    uint32_t given_up;    /* of them: tried often enough, or standing still */
    const char *standing; /* one that stands still; "": none */
};

/* The VMs of the node that can be ordered away now, and how many are left in all. */
static uint32_t to_be_drained(struct core *c, const struct model_node *node,
                              const struct model_operation *op, uint32_t *vms,
                              struct drain_rest *ret_rest) {
    uint32_t n = 0;
    *ret_rest = (struct drain_rest){.standing = ""};
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool on_its_way = vm->saved_on == node->id && vm->operation; /* and may come back */
        if (!model_vm_may_run_on(vm, node->id) && !on_its_way) {
            continue;
        }
        ret_rest->left++;
        if (vm->owner == node->id && stands_still(vm)) {
            ret_rest->given_up++;
            ret_rest->standing = vm->name;
        } else if (vm->owner != node->id || !movable(vm)) {
            continue;
        } else if (attempts_of(op, vm->id) >= ALL_ATTEMPTS) {
            ret_rest->given_up++;
        } else {
            vms[n++] = vm->id;
        }
    }
    return n;
}

static int end_drain(struct core *c, const struct model_operation *op,
                     const struct drain_rest *rest) {
    if (rest->given_up == 0) {
        return policy_end(c, op->id, OPERATION_DONE, tell_of_quick(c, op));
    }
    const struct operation_vm *last = last_failed(op);
    bool stands = rest->standing[0] != '\0';
    return policy_end(c, op->id, OPERATION_FAILED,
                      tell_of(c, rest->given_up,
                              stands ? rest->standing
                              : last ? last->name
                                     : "a VM",
                              "could not be moved", "could not be moved",
                              stands ? "it stands still: " STANDS_STILL_HINT
                              : last ? last->reason
                                     : ""));
}

/* Orders what can be ordered now. */
static int carry_out(struct core *c, const struct model_operation *op,
                     const struct drain_rest *rest, const struct planner_plan *plan,
                     uint32_t slots) {
    uint32_t nowhere = 0;
    const char *reason = "", *last = "";
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < plan->n; i++) {
        const struct planner_choice *choice = &plan->v[i];
        const struct model_vm *vm = model_vm_by_id(&c->model, choice->vm);
        if (choice->to == 0) {
            const struct operation_vm *row = row_of(op, choice->vm);
            nowhere++;
            last = vm->name;
            reason = row && row->refused.n ? row->reason : choice->reason;
        } else if (choice->stage > 0) {
            continue; /* room is being made for it */
        } else if (!choice->asked) {
            err = policy_make_room(c, plan, choice);
        } else if (slots > 0 && move_slots(c, choice->to) > 0) {
            slots--;
            err = policy_order(c, vm, drain_order(c, vm, attempts_of(op, vm->id)), op->node,
                               choice->to, op->id, "drain");
        }
    }
    if (err == 0 && nowhere + rest->given_up == rest->left) {
        err = policy_end(c, op->id, OPERATION_FAILED,
                         tell_of(c, nowhere, last, "has no other place", "have no other place",
                                 reason));
    }
    return err;
}

static int drain_node(struct core *c, const struct model_node *node) {
    const struct model_operation *op = model_operation_by_id(&c->model, node->operation);
    uint32_t *vms = arena_array(&c->out.arena, c->model.vms.n, sizeof(*vms));
    if (!vms) {
        return -ENOMEM;
    }
    if (!op || op->state != OPERATION_RUNNING) {
        return 0;
    }
    struct drain_rest rest;
    uint32_t n = to_be_drained(c, node, op, vms, &rest);
    if (rest.left == rest.given_up && !orders_stand(c, op->id)) {
        return end_drain(c, op, &rest);
    }
    uint32_t slots = move_slots(c, node->id);
    if (n == 0 || slots == 0) {
        return 0;
    }
    bool may_move = setting_get(&c->model, SETTING_drain_may_move) != 0;
    if (may_move && c->now_ms < c->policy.fence_from_ms) {
        /* After a start of the whole cluster nothing is moved to make room while nodes still
         * boot. */
        policy_wake_at(c, c->policy.fence_from_ms);
        return 0;
    }
    struct planner_facts facts = {.wall_ms = c->wall_ms};
    struct planner_plan plan;
    struct planner_question question = {.kind = PLANNER_PLACE,
                                        .vms = vms,
                                        .n_vms = n,
                                        .node = node->id,
                                        .may_move_others = may_move};
    int err = solve_ask(c, SOLVE_DRAIN, &facts, &question, &plan);
    return err != 0 ? (err < 0 ? err : 0) : carry_out(c, op, &rest, &plan, slots);
}

/* Why a VM that should have come back has not, in words. */
static const char *why_not_back(struct core *c, const struct operation_vm *row,
                                const struct model_vm *vm, const struct planner_verdict *place) {
    const char *here = model_node_name(&c->model, vm->owner);
    const char *why = stands_still(vm)                 ? "it stands still; " STANDS_STILL_HINT
                      : row->state == OPERATION_FAILED ? row->reason
                                                       : place->reason;
    return outbox_text(&c->out, "it is on %s%s%s", here, why && why[0] ? ": " : "", why ? why : "");
}

/* VMs that were drained away come back if the node can take them now. */
static int resume_node(struct core *c, const struct model_operation *op) {
    const struct operation_vm *v = op->vms.items;
    uint32_t open = 0, away = 0;
    const char *last = "", *why = "";
    for (uint32_t i = 0; i < op->vms.n; i++) {
        const struct model_vm *vm = model_vm_by_id(&c->model, v[i].vm);
        if (!vm || vm->return_to != op->node || vm->owner == op->node ||
            vm->wanted != WANTED_RUNNING) {
            continue;
        }
        away++;
        last = vm->name;
        if (v[i].state != OPERATION_RUNNING && v[i].attempts >= RETURN_ATTEMPTS) {
            why = why_not_back(c, &v[i], vm, &(struct planner_verdict){0});
            continue;
        }
        bool busy = vm->order != ORDER_NONE || vm->state == VM_RESOLVING;
        struct planner_verdict place = {0};
        int err = busy || !movable(vm)
                      ? 0
                      : planner_check(&c->model, vm->id, op->node, &c->out.arena, &place);
        if (err < 0) {
            return err;
        }
        open += busy || place.possible;
        why = why_not_back(c, &v[i], vm, &place);
        if (place.possible && !place.waits && move_slots(c, op->node) > 0 &&
            move_slots(c, vm->owner) > 0 && c->policy.budget > 0) {
            /* One per pass: the next check counts it. */
            return policy_order(c, vm, ORDER_MIGRATE, vm->owner, op->node, op->id, "return");
        }
    }
    if (open) {
        return 0;
    }
    return away == 0 ? policy_end(c, op->id, OPERATION_DONE, "")
                     : policy_end(c, op->id, OPERATION_FAILED,
                                  tell_of(c, away, last, "is not back", "are not back", why));
}

static int move_vm(struct core *c, const struct model_operation *op) {
    const struct operation_vm *row = op->vms.items;
    const struct model_vm *vm = op->vms.n ? model_vm_by_id(&c->model, row->vm) : NULL;
    if (!vm || vm->operation != op->id) {
        return policy_end(c, op->id, OPERATION_FAILED, "the VM is gone and cannot be moved");
    }
    if (stands_still(vm)) {
        return policy_end(c, op->id, OPERATION_FAILED,
                          outbox_text(&c->out, "%s stands still: " STANDS_STILL_HINT, vm->name));
    }
    if (!movable(vm) || row->attempts > 0) {
        return 0;
    }
    if (!policy_node_ready(c, op->node)) {
        return policy_end(c, op->id, OPERATION_FAILED,
                          outbox_text(&c->out, "%s takes no VMs",
                                      model_node_name(&c->model, op->node)));
    }
    if (move_slots(c, vm->owner) == 0 || move_slots(c, op->node) == 0) {
        return 0; /* its turn will come */
    }
    /* What was possible at the request may no longer be. */
    struct planner_verdict place;
    int err = planner_check_move(&c->model, vm->id, op->node, &c->out.arena, &place);
    if (err < 0 || (place.possible && place.waits)) {
        return err;
    }
    if (!place.possible) {
        return policy_end(c, op->id, OPERATION_FAILED,
                          outbox_text(&c->out, "%s cannot go to %s: %s", vm->name,
                                      model_node_name(&c->model, op->node), place.reason));
    }
    bool quick = op->mode == MOVE_QUICK ||
                 (op->mode == MOVE_AUTO && vm->mobility == MOBILITY_QUICK && vm->volumes.n > 0);
    return policy_order(c, vm, quick ? ORDER_SAVE : ORDER_MIGRATE, vm->owner, op->node, op->id,
                        "move");
}

/* One node and one operation per pass if anything is ordered for it: the next plan counts that. */
int policy_drains(struct core *c) {
    uint32_t before = c->policy_inflight;
    int err = 0;
    MODEL_EACH(model_node, node, &c->model.nodes) {
        if (node->service == SERVICE_DRAINING && err == 0 && c->policy_inflight == before) {
            err = drain_node(c, node);
        }
    }
    return err;
}

int policy_moves(struct core *c) {
    uint32_t before = c->policy_inflight;
    MODEL_EACH(model_operation, op, &c->model.operations) {
        if (op->state != OPERATION_RUNNING || c->policy_inflight != before) {
            continue;
        }
        int err = 0;
        if (op->cancelled && !orders_stand(c, op->id)) {
            err = policy_end(c, op->id, OPERATION_CANCELLED, "cancelled");
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
