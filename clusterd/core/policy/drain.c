/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drains.
 *
 * A drain moves a few VMs at a time and plans for all that are left together. It tries each VM
 * live, and after two failures quickly (if drain_allow_quick is set), unless the VM's move policy
 * says otherwise (wire/command.h). It ends when the node is empty, when nothing more can be done,
 * or at its deadline.
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
#include "base/mutant.h"
#include "core/model/settings.h"

#include <errno.h>

#define LIVE_ATTEMPTS 2u
#define ALL_ATTEMPTS 3u

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

static enum order_kind drain_order(const struct core *c, const struct model_vm *vm,
                                   uint32_t attempts) {
    enum order_kind usual = policy_usual_order(vm);
    bool quick = attempts >= LIVE_ATTEMPTS && setting_get(&c->model, SETTING_drain_allow_quick) &&
                 vm->volumes.n > 0 && vm->move_policy != MOVE_POLICY_LIVE;
    return usual == ORDER_MIGRATE && quick ? ORDER_SAVE : usual;
}

struct drain_rest {
    uint32_t left;        /* VMs that are on the node, or may be */
    uint32_t given_up;    /* of them: tried often enough, or standing still, or to stay */
    uint32_t stays;       /* of these: to stay, by their move policy */
    uint32_t failed;      /* of these: tried often enough, or standing still */
    const char *standing; /* one that stands still; "": none */
    const char *staying;  /* one that stays; "": none */
    const char *foreign;  /* one that somebody else runs there; "": none */
    const char *names;    /* "web, db and 3 others": all that are left */
};

/* "web, db", one more name; at most so many are told. */
static const char *and_name(struct core *c, const struct drain_rest *rest, const char *name) {
    enum { MOST = 5 };
    return rest->left == 0      ? name
           : rest->left < MOST  ? outbox_text(&c->out, "%s, %s", rest->names, name)
           : rest->left == MOST ? outbox_text(&c->out, "%s, ...", rest->names)
                                : rest->names;
}

/* The VMs of the node that can be ordered away now, and how many are left in all. */
static uint32_t to_be_drained(struct core *c, const struct model_node *node,
                              const struct model_operation *op, uint32_t *vms,
                              struct drain_rest *ret_rest) {
    uint32_t n = 0;
    *ret_rest = (struct drain_rest){.standing = "", .staying = "", .foreign = "", .names = ""};
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool on_its_way = vm->saved_on == node->id && vm->operation; /* and may come back */
        bool unseen = MUTANT(empty_unchecked) && vm->shut_down_by == node->id;
        bool foreign = ids_contain(&vm->foreign, node->id) && !vm->adopt;
        bool adopted = ids_contain(&vm->foreign, node->id) && vm->adopt; /* and leaves then */
        if ((!model_vm_may_run_on(vm, node->id) && !on_its_way && !foreign && !adopted) || unseen) {
            continue;
        }
        ret_rest->names = and_name(c, ret_rest, vm->name);
        ret_rest->left++;
        if (foreign) {
            ret_rest->given_up++;
            ret_rest->foreign = vm->name;
            continue;
        }
        if (vm->owner == node->id && vm->move_policy == MOVE_POLICY_STAY &&
            (policy_movable(&c->model, vm) || policy_stands_still(&c->model, vm))) {
            ret_rest->given_up++;
            ret_rest->stays++;
            ret_rest->staying = vm->name;
        } else if (vm->owner == node->id && policy_stands_still(&c->model, vm)) {
            ret_rest->given_up++;
            ret_rest->failed++;
            ret_rest->standing = vm->name;
        } else if (vm->owner != node->id || !policy_movable(&c->model, vm)) {
            continue;
        } else if (attempts_of(op, vm->id) >= ALL_ATTEMPTS) {
            ret_rest->given_up++;
            ret_rest->failed++;
        } else {
            vms[n++] = vm->id;
        }
    }
    /* Files that it is copying or removing: it is not empty before that has ended. */
    ret_rest->left += model_node_works_on_files(&c->model, node->id);
    return n;
}

/* What else is to be told. */
static const char *and_then(struct core *c, const char *text, const char *more) {
    return more[0] == '\0' ? text : outbox_text(&c->out, "%s%s%s", text, text[0] ? "; " : "", more);
}

/* One end: what must not be lost by switching the node off is named. */
static int end_with_rest(struct core *c, const struct model_operation *op,
                         const struct drain_rest *rest, const char *others) {
    const char *text = "";
    if (rest->stays > 0) {
        text = outbox_text(&c->out, "%s%s (move policy stay)", rest->staying,
                           rest->stays == 1
                               ? " stays there"
                               : outbox_text(&c->out, " and %u other VM%s stay there",
                                             rest->stays - 1, rest->stays == 2 ? "" : "s"));
    }
    if (rest->foreign[0]) {
        text = and_then(
            c, text, outbox_text(&c->out, "somebody runs %s there under libvirt", rest->foreign));
    }
    return policy_end(c, op->id, OPERATION_FAILED,
                      outbox_text(&c->out, "%s is not safe to power off: %s", op->subject,
                                  and_then(c, text, others)));
}

static int end_drain(struct core *c, const struct model_operation *op,
                     const struct drain_rest *rest) {
    const struct operation_vm *last = last_failed(op);
    bool stands = rest->standing[0] != '\0';
    const char *others = "";
    if (rest->given_up == 0) {
        return policy_end(c, op->id, OPERATION_DONE, tell_of_quick(c, op));
    }
    if (rest->failed > 0) {
        others = policy_tell_of(c, rest->failed,
                                stands ? rest->standing
                                : last ? last->name
                                       : "a VM",
                                "could not be moved", "could not be moved",
                                stands ? "it stands still: " POLICY_STANDS_STILL_HINT
                                : last ? last->reason
                                       : "");
    }
    return end_with_rest(c, op, rest, others);
}

/* Its deadline has passed, and what was under way has ended. */
static int end_late(struct core *c, const struct model_operation *op,
                    const struct drain_rest *rest) {
    uint64_t s = (op->deadline_ms - op->started_ms) / 1000;
    if (rest->left == 0) {
        return policy_end(c, op->id, OPERATION_DONE, tell_of_quick(c, op));
    }
    return policy_end(c, op->id, OPERATION_FAILED,
                      outbox_text(&c->out,
                                  "%s is not safe to power off: after %llu s, its deadline, the "
                                  "drain has left %s",
                                  op->subject, (unsigned long long)s,
                                  rest->names[0] ? rest->names : "files that are being copied"));
}

/* Ends it at its deadline, or sees to it that it is looked at then. 1: there is nothing else to do
 * for it. */
static int mind_deadline(struct core *c, const struct model_operation *op,
                         const struct drain_rest *rest) {
    if (op->late) {
        int err = policy_orders_stand(c, op->id) ? 0 : end_late(c, op, rest);
        return err < 0 ? err : 1;
    }
    if (op->deadline_ms == 0) {
        return 0;
    }
    if (c->wall_ms < op->deadline_ms) {
        policy_wake_at(c, c->now_ms + (op->deadline_ms - c->wall_ms));
        return 0;
    }
    struct cmd_operation_cancel cancel = {.operation = op->id, .late = 1};
    int err = policy_propose(c, COMMAND_OPERATION_CANCEL, &cancel);
    return err < 0 ? err : 1;
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
        } else if (slots > 0 && policy_move_slots(c, choice->to) > 0) {
            slots--;
            err = policy_order(c, vm, drain_order(c, vm, attempts_of(op, vm->id)), op->node,
                               choice->to, op->id, "drain");
        }
    }
    if (err == 0 && nowhere + rest->given_up == rest->left) {
        err = end_with_rest(c, op, rest,
                            policy_tell_of(c, nowhere, last, "has no other place",
                                           "have no other place", reason));
    }
    return err;
}

/* Those that are shut down need no place, and do not wait for the others. */
static int shut_down(struct core *c, const struct model_operation *op, uint32_t *vms, uint32_t *n) {
    uint32_t rest = 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < *n; i++) {
        const struct model_vm *vm = model_vm_by_id(&c->model, vms[i]);
        if (vm->move_policy != MOVE_POLICY_SHUT_DOWN) {
            vms[rest++] = vms[i];
            continue;
        }
        err = policy_order(c, vm, ORDER_STOP, op->node, 0, op->id, "drain");
    }
    *n = rest;
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
    int err = mind_deadline(c, op, &rest);
    if (err != 0) {
        return err < 0 ? err : 0;
    }
    if (rest.left == rest.given_up &&
        (!policy_orders_stand(c, op->id) || MUTANT(empty_unchecked))) {
        return end_drain(c, op, &rest);
    }
    uint32_t slots = policy_move_slots(c, node->id), before = c->policy_inflight;
    err = shut_down(c, op, vms, &n);
    if (err < 0 || c->policy_inflight != before || n == 0 || slots == 0) {
        return err;
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
    err = solve_ask(c, SOLVE_DRAIN, &facts, &question, &plan);
    return err != 0 ? (err < 0 ? err : 0) : carry_out(c, op, &rest, &plan, slots);
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
