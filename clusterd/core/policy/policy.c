/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coordinator's pass; see policy.h. Each rule is a function of the model and proposes what it
 * finds missing. The next pass comes when everything this one proposed has been applied, so no rule
 * takes its own wishes for facts.
 */
#include "core/policy/inside.h"
#include "base/check.h"
#include "core/apply/resolve.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>

#define POLICY_BUDGET 128u /* commands in one pass */

/*
 * Without this, a QEMU that survives destroy is ordered destroyed again after every commit, and a
 * stop whose agent always ends without a result is ordered as often. The pause doubles if the same
 * step is wanted again soon after it has ended.
 */
static bool is_its_time(struct core *c, uint32_t vm, enum order_kind kind, uint32_t node) {
    struct policy_pace *oldest = &c->policy.paces[0], *found = NULL;
    for (uint32_t i = 0; i < POLICY_PACES; i++) {
        struct policy_pace *p = &c->policy.paces[i];
        bool same = p->vm == vm && p->node == node && p->kind == (uint32_t)kind;
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
                                                     .kind = (uint32_t)kind,
                                                     .next_ms = c->now_ms + pause_ms,
                                                     .pause_ms = pause_ms};
    return true;
}

/* The state of a VM is unclear: ask, then repair, one step at a time. */
int policy_resolve(struct core *c) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (vm->state != VM_RESOLVING || vm->order != ORDER_NONE) {
            continue;
        }
        struct resolve_step step = resolve_next(vm);
        if (step.kind == ORDER_NONE || !policy_node_ready(c, step.node)) {
            continue; /* a node that is not ready reports, or is fenced */
        }
        if (step.kind != ORDER_PROBE && !is_its_time(c, vm->id, step.kind, step.node)) {
            continue; /* a probe has its own pause, for a libvirt that does not answer */
        }
        int err = policy_order(c, vm, step.kind, step.node, 0, 0, "");
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* Orders outlive the view in which they were given: the node must see them confirmed in the new
 * one. */
int policy_renew(struct core *c) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (vm->order == ORDER_NONE || vm->order_epoch == c->model.epoch ||
            !policy_node_ready(c, vm->order_node)) {
            continue;
        }
        struct cmd_vm_renew renew = {.vm = vm->id, .order = vm->order_index};
        int err = policy_propose(c, COMMAND_VM_RENEW, &renew);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

int policy_stops(struct core *c) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (vm->wanted != WANTED_STOPPED || vm->state != VM_RUNNING ||
            !policy_node_ready(c, vm->owner)) {
            continue;
        }
        enum order_kind kind = vm->stop_force ? ORDER_DESTROY : ORDER_STOP;
        if (!is_its_time(c, vm->id, kind, vm->owner)) {
            continue;
        }
        int err = policy_order(c, vm, kind, vm->owner, 0, vm->operation, "");
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/*
 * The first view after all clusterds have started again (power came back): a missing node is more
 * likely still booting than dead, so it gets a while before it is fenced.
 */
static void begin_view(struct core *c) {
    struct policy *p = &c->policy;
    p->epoch = c->model.epoch;
    p->view_since_ms = c->now_ms;
    p->calm_since_ms = c->now_ms;
    bool cold = true;
    for (uint32_t i = 0; i < c->model.members.n; i++) {
        const struct model_node *node = model_node_by_id(&c->model, c->model.members.v[i]);
        cold = cold && node && node->state == NODE_JOINING;
    }
    if (cold) {
        p->fence_from_ms = c->now_ms + setting_get(&c->model, SETTING_startup_wait_ms);
    }
}

/* Rules that give VMs a place come last and end the pass. Each plan is made on the model as it is;
 * two plans of one pass could give away the same room. */
static int pass(struct core *c) {
    static int (*const rules[])(struct core *) = {policy_fencing, policy_resolve, policy_renew,
                                                  policy_stops, policy_retries};
    static int (*const places[])(struct core *) = {policy_starts, policy_drains, policy_moves,
                                                   policy_balance};
    int err = 0;
    for (size_t i = 0; err == 0 && i < ARRAY_SIZE(rules); i++) {
        err = rules[i](c);
    }
    uint32_t before = c->policy_inflight;
    for (size_t i = 0; err == 0 && c->policy_inflight == before && i < ARRAY_SIZE(places); i++) {
        err = places[i](c);
    }
    return err;
}

int policy_run(struct core *c) {
    struct policy *p = &c->policy;
    if (!replica_usable(&c->replica) || !core_is_coordinator(c) || replica_disagrees(&c->replica)) {
        p->wakeup_ms = UINT64_MAX;
        p->seen_index = 0;
        return 0;
    }
    if (p->epoch != c->model.epoch) {
        begin_view(c);
    }
    if (c->policy_inflight > 0 || (p->seen_index == c->model.index && c->now_ms < p->wakeup_ms)) {
        return 0;
    }
    p->seen_index = c->model.index;
    p->wakeup_ms = UINT64_MAX;
    p->budget = POLICY_BUDGET;
    return pass(c);
}
