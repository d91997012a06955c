/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of work on a checkpoint, and which order is next: checkpoint.c has the drawing.
 */
#include "core/apply/checkpoint.h"
#include "core/apply/inside.h"

void checkpoint_enter_phase(struct apply *a, struct model_journal *row,
                            enum checkpoint_phase phase) {
    row->phase = (uint8_t)phase;
    row->since_ms = a->time_ms;
    row->first_order = 0;
    set_text(a, &row->reason, "");
}

static struct model_journal *row_of(struct apply *a, const struct model_vm *vm) {
    struct model_journal *row = model_row(&a->m->journal, model_journal_of_vm(a->m, vm->id));
    return row && row->kind == JOURNAL_CHECKPOINT ? row : NULL;
}

struct model_journal *checkpoint_row_of(struct apply *a, const struct model_vm *vm,
                                        enum checkpoint_phase phase) {
    struct model_journal *row = row_of(a, vm);
    return row && row->phase == phase ? row : NULL;
}

void checkpoint_give_up(struct apply *a, struct model_vm *vm, struct model_journal *row,
                        const char *reason) {
    const struct model_checkpoint *checkpoint = model_checkpoint_by_id(a->m, row->checkpoint);
    apply_event(a, SEVERITY_ERROR, "vm-checkpoint-failed", vm->name,
                "there is no checkpoint %s of %s: %s", checkpoint ? checkpoint->name : "?",
                vm->name, reason);
    operation_end_story(a, vm, row, OPERATION_FAILED, reason);
    checkpoint_enter_phase(a, row, CHECKPOINT_REMOVE);
}

void checkpoint_vm_off(struct apply *a, struct model_vm *vm, const char *reason) {
    struct model_journal *row = checkpoint_row_of(a, vm, CHECKPOINT_CREATE);
    if (row) {
        checkpoint_give_up(a, vm, row,
                           reason[0]
                               ? outbox_text(a->out, "%s ended meanwhile: %s", vm->name, reason)
                               : outbox_text(a->out, "%s was stopped meanwhile", vm->name));
    }
}

bool checkpoint_may_be_with(const struct model *m, const struct model_vm *vm, uint32_t node) {
    const struct model_journal *row = model_journal_of_vm(m, vm->id);
    bool held = row && row->kind == JOURNAL_CHECKPOINT && row->held_by != 0;
    return !held || row->held_by == node;
}

void checkpoint_ordered(struct apply *a, const struct model_vm *vm, const struct cmd_vm_order *o) {
    struct model_journal *row = row_of(a, vm);
    if (row && row->first_order == 0) {
        row->first_order = a->index;
    }
    if (row && row->held_by == 0 && !order_by_owner(o->kind)) {
        row->held_by = o->node;
        row->held_since = a->index;
    }
}

/* A later order that fails, or never begins, says nothing about the one before. One that succeeds
 * does: it has had the images to itself. */
void checkpoint_answered(struct apply *a, const struct model_vm *vm,
                         const struct cmd_vm_report *r) {
    struct model_journal *row = row_of(a, vm);
    bool known = r->state != VM_STATE_UNKNOWN || r->not_begun;
    if (row && row->held_by == r->node &&
        (r->result == RESULT_OK || (known && row->held_since == r->order))) {
        row->held_by = 0;
    }
}

void checkpoints_node_off(struct apply *a, uint32_t node) {
    APPLY_EACH(model_journal, row, &a->m->journal) {
        row->held_by = row->held_by == node ? 0 : row->held_by;
    }
}

enum order_kind checkpoint_next(const struct model_vm *vm, const struct model_journal *row) {
    bool off = vm->state == VM_OFF;
    switch ((enum checkpoint_phase)row->phase) {
    case CHECKPOINT_CREATE: return off ? ORDER_CHECKPOINT : ORDER_CHECKPOINT_LIVE;
    case CHECKPOINT_REVERT: return off ? ORDER_REVERT : ORDER_NONE;
    case CHECKPOINT_REMOVE: return off ? ORDER_FORGET : ORDER_FORGET_LIVE;
    }
    return ORDER_NONE;
}
