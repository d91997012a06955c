/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting: every VM that is wanted and off gets a node, all of them together, by priority. One
 * rule serves failover, cold start, restart of a crashed VM, the second half of a quick migration,
 * and `vm start`.
 */
#include "core/policy/inside.h"
#include "core/apply/resolve.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>

/* It is not known yet whether the node has all volumes. */
static bool volumes_are_open(const struct core *c, const struct model_node *node) {
    MODEL_EACH(model_volume, volume, &c->model.volumes) {
        const struct model_health *health = model_health_of(&c->model, volume->id, node->id);
        if (!health || health->state == VOLUME_UNKNOWN) {
            return true;
        }
    }
    return false;
}

/* All have just begun: what ran before is asked about, and found to run no more. A VM whose answer
 * comes early must not take the place of a more important one. */
static bool vms_are_asked_about(const struct core *c) {
    bool asked = false;
    if (c->policy.fence_from_ms <= c->policy.view_since_ms) {
        return false; /* others wait for nobody: an answer may take long where libvirt hangs */
    }
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        asked = asked || (vm->state == VM_RESOLVING && vm->wanted == WANTED_RUNNING);
    }
    return asked;
}

static bool cluster_is_gathering(struct core *c) {
    uint64_t until = c->policy.view_since_ms + TIMEOUT_JOINING_MS;
    if (c->now_ms >= until) {
        return false;
    }
    bool open = vms_are_asked_about(c);
    for (uint32_t i = 0; i < c->model.members.n; i++) {
        const struct model_node *node = model_node_by_id(&c->model, c->model.members.v[i]);
        open = open || (node && (node->state == NODE_JOINING || volumes_are_open(c, node)));
    }
    if (open) {
        policy_wake_at(c, until);
    }
    return open;
}

static uint32_t starts_on(const struct core *c, uint32_t node) {
    uint32_t n = 0;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        n += vm->owner == node && (vm->state == VM_STARTING || vm->state == VM_RESTORING);
    }
    return n;
}

/* A saved VM that no other node can take continues where it was saved, even if that node is being
 * drained. */
static int go_back(struct core *c, const struct model_vm *vm, const char *reason) {
    return policy_order(c, vm, ORDER_RESTORE, vm->saved_on, 0, vm->operation, reason);
}

static int propose_retry(struct core *c, const struct model_vm *vm, bool wait) {
    struct cmd_vm_retry retry = {.vm = vm->id, .serial = vm->serial, .wait = wait};
    return policy_propose(c, COMMAND_VM_RETRY, &retry);
}

/* No node: a client that waits for the operation is told. The VM stays wanted and starts when there
 * is room; if it has failed somewhere, it starts after its pause. */
static int tell_nowhere(struct core *c, const struct model_vm *vm, const char *reason) {
    const struct model_operation *op =
        vm->operation ? model_operation_by_id(&c->model, vm->operation) : NULL;
    if (!op || op->state != OPERATION_RUNNING) {
        return vm->avoid.n > 0 && !vm->waits ? propose_retry(c, vm, true) : 0;
    }
    /* If it was tried and failed, that is the reason, not the lack of other nodes. */
    const char *text = vm->avoid.n > 0 && vm->reason[0]
                           ? outbox_text(&c->out, "%s did not start: %s", vm->name, vm->reason)
                           : outbox_text(&c->out, "no node for %s: %s", vm->name, reason);
    return policy_end(c, op->id, OPERATION_FAILED, text);
}

/* Pauses that are over. A pause with longer to go than any pause lasts began before the wall clock
 * was set back: it is over, too. */
int policy_retries(struct core *c) {
    uint64_t longest = setting_get(&c->model, SETTING_start_retry_max_ms);
    uint64_t first = setting_get(&c->model, SETTING_start_retry_ms);
    longest = longest > first ? longest : first;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (!vm->waits || !planner_to_be_started(&c->model, vm)) {
            continue;
        }
        uint64_t rest_ms = vm->retry_ms > c->wall_ms ? vm->retry_ms - c->wall_ms : 0;
        if (rest_ms > 0 && rest_ms <= longest) {
            policy_wake_at(c, c->now_ms + rest_ms);
            continue;
        }
        int err = propose_retry(c, vm, false);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

struct counts { /* orders of this pass, per node */
    uint32_t node[WIRE_MAX_NODES];
    uint32_t n[WIRE_MAX_NODES];
    uint32_t used;
};

static uint32_t *count_of(struct counts *counts, uint32_t node) {
    for (uint32_t i = 0; i < counts->used; i++) {
        if (counts->node[i] == node) {
            return &counts->n[i];
        }
    }
    if (counts->used == WIRE_MAX_NODES) {
        return &counts->n[WIRE_MAX_NODES - 1];
    }
    counts->node[counts->used] = node;
    counts->n[counts->used] = 0;
    return &counts->n[counts->used++];
}

/*
 * A quick move to any node has saved the VM for a node that cannot take it any more. To go back
 * where it came from would be no move: the best other node takes it, if there is one.
 */
static int other_than_home(struct core *c, const struct model_vm *vm, uint32_t *to) {
    const struct model_operation *op = vm->state == VM_SAVED && *to == vm->saved_on
                                           ? model_operation_by_id(&c->model, vm->operation)
                                           : NULL;
    if (!op || op->kind != OPERATION_MOVE || !op->any || op->cancelled) {
        return 0;
    }
    struct planner_explanation all;
    int err = planner_explain(&c->model, vm->id, &c->out.arena, &all);
    if (err < 0) {
        return err;
    }
    const struct planner_verdict *best = NULL;
    for (uint32_t i = 0; i < all.n; i++) {
        const struct planner_verdict *v = &all.v[i];
        bool may = v->possible && !v->waits && v->node != vm->saved_on;
        best = may && (!best || v->free_after_permille > best->free_after_permille) ? v : best;
    }
    *to = best ? best->node : *to;
    return 0;
}

static int order_start(struct core *c, const struct planner_choice *choice, struct counts *counts) {
    const struct model_vm *vm = model_vm_by_id(&c->model, choice->vm);
    uint32_t to = choice->to;
    int err = other_than_home(c, vm, &to);
    if (err < 0) {
        return err;
    }
    uint32_t *ordered = count_of(counts, to);
    if (starts_on(c, to) + *ordered >= setting_get(&c->model, SETTING_starts_per_node)) {
        return 0; /* its turn comes when one of those has started */
    }
    (*ordered)++;
    return policy_order(c, vm, vm->state == VM_SAVED ? ORDER_RESTORE : ORDER_START, to, 0,
                        vm->operation, "");
}

/*
 * A plan with moves is carried out from its front: what can be done now is ordered, and when that
 * is done the same question is asked again. A moving VM counts at both ends, so the new plan
 * continues the old one. This ends: a plan moves others only to place VMs that would stay down, as
 * few as possible, and each completed move leaves fewer to make. A move that fails is not tried
 * again for a while (planner/problem.h).
 */
static int carry_out(struct core *c, const struct planner_plan *plan) {
    struct counts counts = {0};
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < plan->n; i++) {
        const struct planner_choice *choice = &plan->v[i];
        const struct model_vm *vm = model_vm_by_id(&c->model, choice->vm);
        if (choice->to == 0 && resolve_goes_back(&c->model, vm)) {
            err = go_back(c, vm, choice->reason);
        } else if (choice->to == 0) {
            err = tell_nowhere(c, vm, choice->reason);
        } else if (choice->stage > 0) {
            continue; /* room is being made for it */
        } else if (choice->asked) {
            err = order_start(c, choice, &counts);
        } else {
            err = policy_make_room(c, plan, choice);
        }
    }
    if (plan->n_unplaced > 0) {
        policy_wake_at(c, c->now_ms + TIMEOUT_MOVE_RETRY_MS);
    }
    return err;
}

/* After a start of the whole cluster nothing is moved to make room while nodes are still
 * booting. */
static bool may_move_others(struct core *c) {
    if (c->now_ms < c->policy.fence_from_ms) {
        policy_wake_at(c, c->policy.fence_from_ms);
        return false;
    }
    return setting_get(&c->model, SETTING_failover_may_move) != 0;
}

/* For clusters that take long to plan: the plan made before the failure. 1: something was ordered,
 * and the rest is asked about afterwards. */
static int start_by_kept_plan(struct core *c) {
    uint32_t before = c->policy_inflight;
    struct planner_plan plan;
    if (!solve_takes_long(c) || c->jobs[SOLVE_STARTS]) {
        return 0;
    }
    int err = reserve_warm_plan(c, &plan);
    if (err == 0) {
        err = carry_out(c, &plan);
    }
    return err < 0 ? err : c->policy_inflight > before;
}

int policy_starts(struct core *c) {
    if (!planner_anything_to_start(&c->model) || cluster_is_gathering(c)) {
        return 0;
    }
    struct planner_facts facts = {.wall_ms = c->wall_ms};
    struct planner_question question;
    struct planner_plan plan;
    int err = start_by_kept_plan(c);
    if (err != 0) {
        return err < 0 ? err : 0;
    }
    err = planner_starts_question(&c->model, may_move_others(c), &c->out.arena, &question);
    if (err == 0) {
        err = solve_ask(c, SOLVE_STARTS, &facts, &question, &plan);
    }
    return err != 0 ? (err < 0 ? err : 0) : carry_out(c, &plan);
}
