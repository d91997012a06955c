/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of a storage move, below what leads from one to the next: storage.c has the drawing.
 */
#include "core/apply/inside.h"

struct model_journal *storage_row_of(struct apply *a, const struct model_vm *vm) {
    return model_row(&a->m->journal, model_journal_of_vm(a->m, vm->id));
}

void storage_enter_phase(struct apply *a, struct model_journal *row, enum storage_phase phase) {
    row->phase = (uint8_t)phase;
    row->since_ms = a->time_ms;
    set_text(a, &row->reason, "");
}

void storage_begin_finish(struct apply *a, struct model_vm *vm, struct model_journal *row) {
    storage_enter_phase(a, row, STORAGE_FINISH);
    apply_event(a, SEVERITY_INFO, "vm-storage", vm->name,
                "the files of %s have been moved; the originals are being removed", vm->name);
    operation_end_story(a, vm, row, OPERATION_DONE, "");
}

void storage_give_up(struct apply *a, struct model_vm *vm, struct model_journal *row,
                     bool cancelled, const char *reason) {
    storage_enter_phase(a, row, STORAGE_UNDO);
    apply_event(a, cancelled ? SEVERITY_INFO : SEVERITY_ERROR, "vm-storage-failed", vm->name,
                "the files of %s stay where they are: %s", vm->name, reason);
    operation_end_story(a, vm, row, cancelled ? OPERATION_CANCELLED : OPERATION_FAILED, reason);
}

void storage_vm_off(struct apply *a, struct model_vm *vm, const char *reason) {
    struct model_journal *row = storage_row_of(a, vm);
    if (row && row->phase == STORAGE_MIRROR) {
        storage_give_up(a, vm, row, false,
                        reason[0] ? outbox_text(a->out, "it ended: %s", reason) : "it was stopped");
    } else if (row && row->phase == STORAGE_CONTINUE) {
        storage_begin_finish(a, vm, row);
    }
    checkpoint_vm_off(a, vm, reason);
}
