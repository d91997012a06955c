/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt does with VMs on this node by itself.
 *
 * When a VM is added, an agent (`vm claim`) looks for it here, because libvirt may run it already;
 * apply/claim.c decides by the nodes' answers. The same agent switches off a definition's
 * autostart, with which libvirt would start the VM when the node boots. A copy that the cluster did
 * not make, of a VM that runs nowhere else, belongs to somebody who started it on purpose: it is
 * reported and left alone.
 */
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/timeouts.h"

#include <errno.h>
#include <string.h>

static int begin_claim(struct core *c, const struct model_vm *vm) {
    struct run *run = executor_add_run(c, RUN_CLAIM, vm->id);
    if (!run) {
        return -ENOMEM;
    }
    memcpy(run->uuid, vm->uuid, strlen(vm->uuid) + 1);
    struct agent_call call =
        executor_call(c, run, "vm", "claim", outbox_text(&c->out, "%s", vm->name));
    if (!call.agent) {
        return -ENOMEM;
    }
    call_add(&call, "uuid", outbox_text(&c->out, "%s", vm->uuid));
    call_add(&call, "timeout_ms", outbox_text(&c->out, "%u", (unsigned)TIMEOUT_CLAIM_MS));
    call.agent->timeout_ms = TIMEOUT_CLAIM_MS + TIMEOUT_LAST_WORD_MS;
    return 0;
}

static int propose(struct core *c, uint32_t vm, uint8_t result, uint8_t state, const char *reason) {
    struct cmd_vm_claim claim = {.vm = vm,
                                 .node = c->self,
                                 .incarnation = c->incarnation,
                                 .result = result,
                                 .state = state,
                                 .reason = reason};
    return pending_propose(c, PENDING_REPORT, COMMAND_VM_CLAIM, &claim);
}

/* It would count as a copy of ours that may not run, and be destroyed. */
static int refuse_marked(struct core *c, const struct model_vm *vm, uint64_t generation) {
    return propose(c, vm->id, RESULT_FAILED, VM_STATE_UNKNOWN,
                   outbox_text(&c->out,
                               "%s runs there with the mark of a cluster (generation %llu), as "
                               "from another cluster or an earlier one: shut it down there first",
                               vm->name, (unsigned long long)generation));
}

int executor_claim_done(struct core *c, struct run *run, const struct core_agent *line) {
    const struct model_vm *vm = model_vm_by_id(&c->model, run->subject);
    struct domain *d = executor_domain(c, run->uuid);
    bool ok = line->result == RESULT_OK;
    if (d) {
        d->autostart = d->autostart && !ok;
        d->claim_ms = c->now_ms + TIMEOUT_CLAIM_RETRY_MS;
    }
    executor_drop_run(c, run);
    if (!vm) {
        return 0;
    }
    const char *reason = outbox_text(&c->out, "%s", line->reason ? line->reason : "");
    if (ok && vm->adopt && line->state != VM_STATE_OFF && line->generation != 0 &&
        ids_contain(&vm->unasked, c->self)) {
        return refuse_marked(c, vm, line->generation);
    }
    if (!ok && !ids_contain(&vm->unasked, c->self)) {
        struct begun *begun = executor_begun(c, vm->id);
        if (!begun) {
            return -ENOMEM;
        }
        begun->ask_ms = c->now_ms + TIMEOUT_CLAIM_RETRY_MS;
        outbox_log(&c->out, SEVERITY_WARNING,
                   "libvirt could not be asked about %s on this node: %s", vm->name, reason);
        return 0;
    }
    bool over =
        vm->state == VM_OFF && line->state == VM_STATE_OFF && ids_contain(&vm->foreign, c->self);
    if (ok && reason[0] == '\0' && !ids_contain(&vm->unasked, c->self) && !over) {
        return 0;
    }
    return propose(c, vm->id, line->result, line->state, reason);
}

/* Of a VM that is being added. */
static int answer(struct core *c, const struct model_vm *vm) {
    struct begun *begun = executor_begun(c, vm->id);
    if (!begun) {
        return -ENOMEM;
    }
    if (begun->claimed || executor_find_run(c, RUN_CLAIM, vm->id)) {
        return 0;
    }
    begun->claimed = true;
    return begin_claim(c, vm);
}

/* What the watch tells may be older than what a claim has found. And it may start elsewhere once it
 * counts as gone: so libvirt itself is asked. */
static int ask_again(struct core *c, const struct model_vm *vm, struct begun *begun) {
    if (executor_find_run(c, RUN_CLAIM, vm->id)) {
        return 0;
    }
    if (c->now_ms < begun->ask_ms && !MUTANT(foreign_by_watch)) {
        executor_wake_at(c, begun->ask_ms);
        return 0;
    }
    begun->ask_ms = c->now_ms + TIMEOUT_PROBE_RETRY_MS;
    return MUTANT(foreign_by_watch) ? propose(c, vm->id, RESULT_OK, VM_STATE_OFF, "")
                                    : begin_claim(c, vm);
}

/* Reports whether libvirt runs the VM here by itself, if the model does not know. */
static int compare(struct core *c, const struct model_vm *vm) {
    const struct domain *d = executor_domain(c, vm->uuid);
    bool runs = d && d->state != VM_STATE_OFF && executor_leaves_alone(d, vm);
    bool adopted = !runs && vm->state != VM_OFF; /* its agent tells */
    if (runs == ids_contain(&vm->foreign, c->self) || adopted) {
        return 0;
    }
    struct begun *begun = executor_begun(c, vm->id);
    if (!begun) {
        return -ENOMEM;
    }
    if (!runs) {
        return ask_again(c, vm, begun);
    }
    if (begun->told_serial == vm->serial) {
        return 0;
    }
    begun->told_serial = vm->serial;
    return propose(c, vm->id, RESULT_OK, VM_STATE_RUNNING, "");
}

static int clear_autostart(struct core *c, struct domain *d, const struct model_vm *vm) {
    if (c->now_ms < d->claim_ms) {
        executor_wake_at(c, d->claim_ms);
        return 0;
    }
    return executor_find_run(c, RUN_CLAIM, vm->id) ? 0 : begin_claim(c, vm);
}

/* While the nodes are asked about a VM, only those that have answered watch it. */
static bool is_told_of(const struct core *c, const struct model_vm *vm) {
    return !ids_contain(&vm->unasked, c->self);
}

int executor_claims(struct core *c) {
    struct executor *x = &c->executor;
    const struct model_node *self = core_self(c);
    int err = 0;
    if (!self || self->incarnation != c->incarnation) {
        return 0;
    }
    for (uint32_t i = 0; err == 0 && i < x->n_domains; i++) {
        struct domain *d = &x->domains[i];
        const struct model_vm *vm =
            d->autostart || d->state != VM_STATE_OFF ? model_vm_by_uuid(&c->model, d->uuid) : NULL;
        if (vm && d->autostart && is_told_of(c, vm)) {
            err = clear_autostart(c, d, vm);
        }
        if (err == 0 && vm && x->listed && is_told_of(c, vm)) {
            err = compare(c, vm);
        }
    }
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (err == 0 && ids_contain(&vm->unasked, c->self)) {
            err = answer(c, vm);
        } else if (err == 0 && x->listed && ids_contain(&vm->foreign, c->self)) {
            err = compare(c, vm);
        }
    }
    return err;
}
