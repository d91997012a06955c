/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history of a VM: where it ran, from when to when, and why it came and went. It is a story for
 * people, like operations: nothing is decided by it.
 *
 * A stay begins when the VM is found to run on another node than in the last stay, or anew. It ends
 * when the VM runs elsewhere, is saved, or is known to run nowhere. States in between change
 * nothing: a VM that is migrating still runs where it was.
 *
 * An older clusterd would lose the stays. So that an update can be taken back as long as nothing
 * new was made use of, they are recorded from the first use of something else that is new, or from
 * `config set vm_history 1` on: model.needs says so.
 */
#include "core/apply/inside.h"
#include "core/model/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct vm_stay *last_of(const struct model_vm *vm) {
    return vm->stays.n ? (struct vm_stay *)vm->stays.items + (vm->stays.n - 1) : NULL;
}

/* "live move", "start", ...: how a VM comes to run that was in that state. */
static const char *way_from(const struct model_vm *vm, enum vm_state was) {
    return vm->adopt             ? "adopted as it ran"
           : was == VM_MIGRATING ? "live move"
           : was == VM_RESTORING ? "quick move"
           : was == VM_RESOLVING ? "found by asking libvirt"
                                 : "start";
}

static const char *asked_by(struct apply *a, const struct model_vm *vm) {
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (!op) {
        return "by the cluster";
    }
    switch (op->kind) {
    case OPERATION_DRAIN: return outbox_text(a->out, "drain of %s", op->subject);
    case OPERATION_RESUME: return outbox_text(a->out, "resume of %s", op->subject);
    case OPERATION_RECOVER: return outbox_text(a->out, "%s was lost", op->subject);
    case OPERATION_MOVE:
        return op->cause == CAUSE_PERSON
                   ? "asked for"
                   : outbox_text(a->out, "by the cluster%s%s", op->why[0] ? ": " : "", op->why);
    case OPERATION_START:
    case OPERATION_ADOPT: return "asked for";
    default: return "by the cluster";
    }
}

static void end_stay(struct apply *a, struct model_vm *vm, const char *why) {
    struct vm_stay *last = last_of(vm);
    if (last && last->until_ms == 0) {
        last->until_ms = a->time_ms;
        set_text(a, &last->ended, why);
    }
}

static void begin_stay(struct apply *a, struct model_vm *vm, enum vm_state was) {
    struct vm_stay *items = vm->stays.items;
    if (items && vm->stays.n == MODEL_MAX_STAYS) {
        wire_release(&vm_stay_record, &items[0]);
        memmove(&items[0], &items[1], (vm->stays.n - 1) * sizeof(items[0]));
        vm->stays.n--;
    }
    struct vm_stay *more = realloc(items, (vm->stays.n + 1) * sizeof(*more));
    if (!more) {
        a->error = -ENOMEM;
        return;
    }
    vm->stays.items = more;
    struct vm_stay stay = {
        .node = model_node_name(a->m, vm->owner),
        .from_ms = a->time_ms,
        .operation = vm->operation,
        .began = outbox_text(a->out, "%s, %s", way_from(vm, was), asked_by(a, vm)),
        .ended = "",
    };
    int err = wire_copy(&vm_stay_record, &stay, &more[vm->stays.n]);
    if (err < 0) {
        a->error = err;
        return;
    }
    vm->stays.n++;
}

void vm_note_stay(struct apply *a, struct model_vm *vm, enum vm_state was) {
    const struct vm_stay *last = last_of(vm);
    bool open = last && last->until_ms == 0;
    if (!setting_records_history(a->m)) {
        return;
    }
    if (vm->state == VM_OFF) {
        end_stay(a, vm, vm->reason[0] ? vm->reason : "stopped");
    } else if (vm->state == VM_SAVED) {
        end_stay(a, vm, "saved for a quick move");
    } else if (vm->state == VM_RUNNING) {
        if (open && strcmp(last->node, model_node_name(a->m, vm->owner)) == 0) {
            return;
        }
        end_stay(a, vm, "moved");
        begin_stay(a, vm, was);
    }
}
