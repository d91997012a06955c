/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coordinator's pass; see policy.h. Each rule is a function of the model and proposes what it
 * finds missing. The next pass comes when everything this one proposed has been applied, so no rule
 * takes its own wishes for facts.
 */
#include "core/policy/inside.h"
#include "base/check.h"
#include "core/apply/resolve.h"
#include "core/apply/storage.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>

#define POLICY_BUDGET 128u /* commands in one pass */

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
        if (step.kind != ORDER_PROBE && !policy_is_its_time(c, vm->id, step.kind, step.node)) {
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

/* A guest that stands still cannot shut down. Its storage move lets it go on, if it can. */
static bool stands_still_for_its_files(const struct model *m, const struct model_vm *vm) {
    const struct model_journal *row = model_journal_of_vm(m, vm->id);
    return model_vm_is_bound(m, vm) && !vm->stop_force && row->reason[0] == '\0';
}

int policy_stops(struct core *c) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (vm->wanted != WANTED_STOPPED || vm->state != VM_RUNNING || vm->order != ORDER_NONE ||
            !policy_node_ready(c, vm->owner) || stands_still_for_its_files(&c->model, vm)) {
            continue;
        }
        enum order_kind kind = vm->stop_force ? ORDER_DESTROY : ORDER_STOP;
        if (!policy_is_its_time(c, vm->id, kind, vm->owner)) {
            continue;
        }
        int err = policy_order(c, vm, kind, vm->owner, 0, vm->operation, "");
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

static uint32_t copies_by(const struct core *c, uint32_t node) {
    uint32_t n = 0;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool copies = vm->order == ORDER_COPY || vm->order == ORDER_MIRROR;
        n += copies && vm->order_node == node;
    }
    return n;
}

/* The VM's last owner if it can, for its caches may be warm; else who has least to do. 0: nobody
 * now. */
static uint32_t who_copies(const struct core *c, const struct model_vm *vm,
                           const struct model_journal *row) {
    uint32_t best = 0, least = (uint32_t)setting_get(&c->model, SETTING_migrations_per_node);
    for (uint32_t i = 0; i < c->model.members.n; i++) {
        uint32_t node = c->model.members.v[i], n = copies_by(c, node);
        const struct model_node *it = model_node_by_id(&c->model, node);
        bool leaves = node == c->self && c->stopping && row->held_by != node;
        if (!policy_node_ready(c, node) || (row->held_by != 0 && row->held_by != node) ||
            it->service != SERVICE_ACTIVE || leaves || n >= least ||
            !model_node_sees_volumes(&c->model, node, &vm->volumes) ||
            !model_node_sees_volumes(&c->model, node, &row->volumes)) {
            continue;
        }
        best = node;
        least = node == vm->owner ? 0 : n;
    }
    return best;
}

/* One that has begun goes on at once: the guest may stand still. */
static uint32_t who_mirrors(const struct core *c, const struct model_vm *vm,
                            const struct model_journal *row) {
    uint32_t most = (uint32_t)setting_get(&c->model, SETTING_migrations_per_node);
    bool fresh = row->phase == STORAGE_MIRROR && row->reason[0] == '\0' && !vm->paused &&
                 !model_journal_is_called_off(&c->model, row);
    bool waits = fresh && copies_by(c, vm->owner) >= most;
    return policy_node_ready(c, vm->owner) && !waits ? vm->owner : 0;
}

/* Files of VMs are being moved, or cleaned up. It comes last: a VM that can start does so first. */
static int policy_storage(struct core *c) {
    MODEL_EACH(model_journal, row, &c->model.journal) {
        const struct model_vm *vm = model_vm_by_id(&c->model, row->vm);
        enum order_kind kind = vm ? storage_next(&c->model, vm) : ORDER_NONE;
        uint32_t node = kind == ORDER_NONE              ? 0
                        : order_by_owner((uint8_t)kind) ? who_mirrors(c, vm, row)
                                                        : who_copies(c, vm, row);
        if (node == 0 || !policy_is_its_time(c, vm->id, kind, node)) {
            continue;
        }
        bool told = kind == ORDER_COPY ||
                    (kind == ORDER_MIRROR && !model_journal_is_called_off(&c->model, row));
        int err = policy_order(c, vm, kind, node, 0, told ? row->operation : 0, "");
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
                                                  policy_stops,   policy_adopts,  policy_releases,
                                                  policy_retries, policy_failback};
    static int (*const places[])(struct core *) = {policy_starts,  policy_drains,
                                                   policy_moves,   policy_balance,
                                                   policy_storage, policy_leftovers};
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
