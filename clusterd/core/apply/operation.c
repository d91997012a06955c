/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations: the journal of what was requested and how it went, VM by VM. They decide nothing: the
 * policy works from the states of nodes and VMs. If an operation's row were lost, only its story
 * would be lost.
 */
#include "base/mutant.h"
#include "core/apply/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void operation_changed(struct apply *a, const struct model_operation *op) {
    outbox_add(a->out, CORE_ACTION_OPERATION)->operation.id = op->id;
}

static void forget_oldest(struct apply *a) {
    if (a->m->operations.n < MODEL_MAX_OPERATIONS) {
        return;
    }
    APPLY_EACH(model_operation, op, &a->m->operations) {
        if (op->state != OPERATION_RUNNING) {
            model_remove(&a->m->operations, op);
            return;
        }
    }
}

struct model_operation *operation_add(struct apply *a, enum operation_kind kind,
                                      const char *subject) {
    forget_oldest(a);
    struct model_operation *op = model_add(&a->m->operations);
    if (!op) {
        a->error = -ENOMEM;
        return NULL;
    }
    op->id = a->index;
    op->kind = (uint8_t)kind;
    op->state = OPERATION_RUNNING;
    op->started_ms = a->time_ms;
    set_text(a, &op->subject, subject);
    op->asker = a->asker;
    set_text(a, &op->user, a->asker ? a->user : "");
    operation_changed(a, op);
    return op;
}

void operation_goes_on(struct apply *a, uint64_t id) {
    const struct model_operation *op = id && a->asker == 0 ? apply_operation_by_id(a, id) : NULL;
    if (op && op->asker) {
        apply_for(a, op->asker, outbox_text(a->out, "%s", op->user)); /* its row may go */
    }
}

struct operation_vm *operation_vm_add(struct apply *a, struct model_operation *op,
                                      const struct model_vm *vm) {
    struct operation_vm *v = realloc(op->vms.items, (op->vms.n + 1) * sizeof(*v));
    if (!v) {
        a->error = -ENOMEM;
        return NULL;
    }
    op->vms.items = v;
    struct operation_vm empty = {.name = vm->name, .reason = "", .live_failure = ""};
    if (wire_copy(&operation_vm_record, &empty, &v[op->vms.n]) < 0) {
        a->error = -ENOMEM;
        return NULL;
    }
    struct operation_vm *row = &v[op->vms.n++];
    row->vm = vm->id;
    row->from = vm->state == VM_OFF ? 0 : vm->owner;
    row->state = OPERATION_RUNNING;
    return row;
}

struct operation_vm *operation_vm_find(struct model_operation *op, uint32_t vm) {
    struct operation_vm *v = op->vms.items;
    for (uint32_t i = 0; i < op->vms.n; i++) {
        if (v[i].vm == vm) {
            return &v[i];
        }
    }
    return NULL;
}

void operation_note_blackout(struct apply *a, const struct model_vm *vm,
                             const struct cmd_vm_report *r) {
    struct model_operation *op = apply_operation_by_id(a, vm->operation);
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    if (row) {
        row->blackout_ms += r->blackout_ms;
        row->total_ms += r->total_ms;
#define X(S, TYPE, field, LIMIT) row->field = (S)->field;
        MOVE_FIGURES(X, r)
#undef X
    }
}

bool operation_allows(struct apply *a, const struct model_vm *vm) {
    if (vm->operation) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "operation %llu is already in progress for %s",
                                 (unsigned long long)vm->operation, vm->name),
                     "wait for it, or clusterctl operation cancel");
    }
    return vm->operation == 0;
}

void begin_vm_operation(struct apply *a, struct model_vm *vm, enum operation_kind kind) {
    struct model_operation *op = operation_add(a, kind, vm->name);
    if (!op || !operation_vm_add(a, op, vm)) {
        return;
    }
    vm->operation = op->id;
    a->operation = op->id;
}

void operation_end(struct apply *a, struct model_operation *op, enum operation_state state,
                   const char *reason) {
    if (op->state != OPERATION_RUNNING) {
        return;
    }
    op->state = (uint8_t)state;
    op->ended_ms = a->time_ms;
    set_text(a, &op->reason, reason);
    struct operation_vm *v = op->vms.items;
    for (uint32_t i = 0; i < op->vms.n; i++) {
        struct model_vm *vm = apply_vm_by_id(a, v[i].vm);
        if (vm && vm->operation == op->id) {
            vm->operation = 0;
            vm_touch(a, vm);
        }
        if (v[i].state == OPERATION_RUNNING) {
            v[i].state = (uint8_t)state;
            set_text(a, &v[i].reason, reason);
        }
    }
    APPLY_EACH(model_node, node, &a->m->nodes) {
        if (node->operation == op->id) {
            node->operation = 0;
        }
    }
    const uint64_t asker = a->asker;
    const char *user = a->user;
    if (asker == 0) {
        apply_for(a, op->asker, op->user);
    }
    /* A drain that ends with a message did not do all that was requested. */
    bool but = op->kind == OPERATION_DRAIN && state == OPERATION_DONE && reason[0];
    apply_event(a,
                state == OPERATION_FAILED ? SEVERITY_ERROR
                : but                     ? SEVERITY_WARNING
                                          : SEVERITY_INFO,
                "operation", op->subject, "%s of %s: %s%s%s", operation_kind_name(op->kind),
                op->subject, operation_state_name(op->state), reason[0] ? ": " : "", reason);
    apply_for(a, asker, user);
    operation_changed(a, op);
}

static void end_if_all_ended(struct apply *a, struct model_operation *op) {
    const struct operation_vm *v = op->vms.items;
    uint32_t failed = 0;
    bool cancelled = true; /* all VMs that did not finish were cancelled by somebody */
    const char *reason = "";
    for (uint32_t i = 0; i < op->vms.n; i++) {
        if (v[i].state == OPERATION_RUNNING) {
            return;
        }
        if (v[i].state != OPERATION_DONE) {
            failed++;
            cancelled = cancelled && v[i].state == OPERATION_CANCELLED;
            reason = v[i].reason;
        }
    }
    enum operation_state state = failed == 0                  ? OPERATION_DONE
                                 : op->cancelled || cancelled ? OPERATION_CANCELLED
                                                              : OPERATION_FAILED;
    if (failed > 1) {
        reason = outbox_text(a->out, "%u of %u VMs; the last: %s", failed, op->vms.n, reason);
    } else if (failed == 1) {
        reason = outbox_text(a->out, "%s", reason);
    }
    operation_end(a, op, state, reason);
}

void operation_vm_end(struct apply *a, struct model_vm *vm, enum operation_state state,
                      const char *reason) {
    struct model_operation *op = vm->operation ? apply_operation_by_id(a, vm->operation) : NULL;
    vm->operation = 0;
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    if (!row || op->state != OPERATION_RUNNING) {
        return;
    }
    row->state = (uint8_t)state;
    if (state == OPERATION_DONE) {
        row->to = vm->shut_down_by ? 0 : vm->owner;
    }
    set_text(a, &row->reason, reason);
    if (state == OPERATION_FAILED && row->mode == MOVE_LIVE) {
        set_text(a, &row->live_failure, reason); /* the next attempt may well succeed */
    }
    operation_changed(a, op);
    if (operation_has(op->kind, OPERATION_WITH_VMS)) {
        end_if_all_ended(a, op);
    }
}

void operation_end_story(struct apply *a, struct model_vm *vm, const struct model_journal *row,
                         enum operation_state state, const char *reason) {
    if (vm->operation == row->operation) {
        operation_vm_end(a, vm, state, reason);
        return;
    }
    struct model_operation *op = apply_operation_by_id(a, row->operation);
    if (op) {
        operation_end(a, op, state, reason);
    }
}

void operation_vm_step(struct apply *a, struct model_vm *vm, enum operation_state state,
                       const char *reason) {
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (!op || op->kind != OPERATION_STOP) {
        operation_vm_end(a, vm, state, reason);
    }
}

void apply_operation_cancel(struct apply *a, const void *command) {
    const struct cmd_operation_cancel *cancel = command;
    struct model_operation *op = apply_operation_by_id(a, cancel->operation);
    if (!op) {
        apply_refuse(a, REPLY_NOT_FOUND,
                     outbox_text(a->out, "there is no operation %llu",
                                 (unsigned long long)cancel->operation),
                     "clusterctl operation list shows them");
        return;
    }
    if (op->state != OPERATION_RUNNING) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "operation %llu has ended already (%s)",
                                 (unsigned long long)op->id, operation_state_name(op->state)),
                     "");
        return;
    }
    if (!operation_has(op->kind, OPERATION_CANCELS)) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "a %s cannot be cancelled", operation_kind_name(op->kind)),
                     "");
        return;
    }
    if (cancel->late && (a->origin != model_coordinator(a->m) || op->cancelled ||
                         op->kind != OPERATION_DRAIN || op->deadline_ms == 0)) {
        apply_refuse(a, REPLY_REFUSED, "the deadline was missed by another operation", "");
        return;
    }
    op->cancelled = 1;
    op->late = cancel->late;
    a->operation = op->id;
    operation_changed(a, op);
    if (op->late) {
        apply_event(a, SEVERITY_WARNING, "drain-late", op->subject,
                    "the deadline of the drain of %s has passed: no other VM is moved",
                    op->subject);
        return; /* the node takes no VMs, as after any drain that has not moved all */
    }
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        /* One that has been ordered comes to its end. */
        if (vm->operation == op->id && vm->release && vm->state == VM_RUNNING &&
            vm->order == ORDER_NONE) {
            vm->release = 0;
            vm_touch(a, vm);
            operation_vm_end(a, vm, OPERATION_CANCELLED, "");
        }
    }
    APPLY_EACH(model_node, node, &a->m->nodes) {
        if (node->operation == op->id && op->kind == OPERATION_DRAIN) {
            node->service = SERVICE_ACTIVE;
            vms_wanted_again(a, node->id);
        }
    }
}

/* By libvirt, beside the cluster. */
static bool somebody_runs_one(const struct model *m, uint32_t node) {
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (ids_contain(&vm->foreign, node)) {
            return true;
        }
    }
    return false;
}

void apply_operation_end(struct apply *a, const void *command) {
    const struct cmd_operation_end *end = command;
    struct model_operation *op = apply_operation_by_id(a, end->operation);
    if (!op || op->state != OPERATION_RUNNING || end->state < OPERATION_DONE ||
        end->state > OPERATION_CANCELLED) {
        apply_refuse(a, REPLY_REFUSED, "the operation has ended already", "");
        return;
    }
    if (op->kind == OPERATION_DRAIN && end->state == OPERATION_DONE) {
        struct model_node *node = apply_node_by_id(a, op->node);
        /* The drain may have been cancelled meanwhile, and another drain of the node started. */
        if (!node || node->service != SERVICE_DRAINING || node->operation != op->id ||
            somebody_runs_one(a->m, node->id) ||
            (model_node_holds_vms(a->m, node->id) && !MUTANT(empty_unchecked))) {
            apply_refuse(a, REPLY_REFUSED,
                         "VMs are on the node again, or this is a different drain", "");
            return;
        }
        node->service = SERVICE_DRAINED;
        apply_event(a, SEVERITY_INFO, "drained", node->name, "%s is drained: safe to power off",
                    node->name);
    }
    operation_end(a, op, (enum operation_state)end->state, end->reason);
}
