/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving the files of a VM to other storage. The journal's row says what may happen to them.
 *
 * The VM is off:
 *
 *     VM_STORAGE ──► COPY ──── report: copied ────► FINISH ──── report: done ──► (no row)
 *                     │       the VM's definition     originals are removed
 *                     │       names the copies now
 *                     └─ failed, cancelled, unclear ─► UNDO ───── report: done ──► (no row)
 *                                                      copies are removed
 * The VM runs:
 *
 *     VM_STORAGE ──► MIRROR ── report: done ────────► CONTINUE ── report: runs ──► FINISH, as above
 *                     │       all disks are the        the guest goes on
 *                     │       copies; it stands still
 *                     ├─ failed, cancelled: it runs on the originals ─► UNDO, as above
 *                     ├─ the VM has ended: the originals count ───────► UNDO
 *                     └─ unclear: the same order again. It continues what it finds.
 *
 * The step out of COPY or MIRROR is the commit. Before it, the originals are the VM's files; after
 * it, the copies are, and nothing but a person can go back. The story (the operation) ends when the
 * VM may be started, or goes on.
 *
 *     phase     order     may be repeated because
 *     COPY      COPY      the copies have names of this move until all of them are whole
 *     MIRROR    MIRROR    QEMU and its disks say how far it is
 *     CONTINUE  CONTINUE  a guest that runs already is left alone
 *     UNDO      UNDO      it removes only what this move has made
 *     FINISH    FINISH    it removes an original only if its copy is there
 *
 * Why a running guest stands still for a moment: QEMU gives up the originals disk by disk, and from
 * then on writes to the copy alone. If its node died between that and the commit, nobody could tell
 * which file is right. So the guest is paused before the first disk changes, and goes on after the
 * commit: whatever dies in between, the originals have all that it has written. That is also why
 * nobody else may resume such a guest (model_vm_is_bound()).
 *
 * COPY, UNDO and FINISH may be carried out by any node that sees the volumes. While a node may
 * still be writing a copy, no other node works on it, and the VM does not start: the order stands
 * until the node has reported its end, is known to be off, or has come back without the agent. So
 * such a node counts as one that holds a VM (model_node_holds_vms()). With MIRROR it does hold one.
 */
#include "base/mutant.h"
#include "core/apply/checkpoint.h"
#include "core/apply/inside.h"
#include "core/apply/storage.h"

#include <errno.h>
#include <string.h>

/* ---- rows ---- */

static int fill_row(struct model_journal *row, const struct cmd_vm_storage *storage) {
    struct model_journal from = {
        .files = storage->files, .xml = storage->xml, .volumes = storage->volumes, .reason = ""};
    struct model_journal copy;
    int err = wire_copy(&model_journal_record, &from, &copy);
    if (err == 0) {
        wire_release(&model_journal_record, row);
        *row = copy;
    }
    return err;
}

/* ---- the request ---- */

/* As an attribute or as a text. */
static bool names_file(const char *xml, const char *path) {
    size_t n = strlen(path);
    for (const char *at = strstr(xml, path); at; at = strstr(at + 1, path)) {
        bool begins = at > xml && at[-1] && strchr("'\">", at[-1]);
        if (begins && at[n] && strchr("'\"<", at[n])) {
            return true;
        }
    }
    return false;
}

const struct model_vm *storage_other_user(const struct model *m, uint32_t vm, const char *path) {
    MODEL_EACH(model_vm, other, &m->vms) {
        if (other->id != vm && names_file(other->xml, path)) {
            return other;
        }
    }
    return NULL;
}

/* Two VMs may share a file. If one of them took it along, the other would lose it. */
static bool is_shared(struct apply *a, const struct model_vm *vm,
                      const struct cmd_vm_storage *storage) {
    const struct storage_file *files = storage->files.items;
    MODEL_EACH(model_vm, other, &a->m->vms) {
        for (uint32_t i = 0; other->id != vm->id && i < storage->files.n; i++) {
            bool from = names_file(other->xml, files[i].from);
            if (from || names_file(other->xml, files[i].to)) {
                apply_refuse(a, REPLY_REFUSED,
                             outbox_text(a->out, "%s is a file of %s, too",
                                         from ? files[i].from : files[i].to, other->name),
                             "name only disks that no other VM uses (--disk)");
                return true;
            }
        }
    }
    return false;
}

/* The guest runs, and nothing else is being done with it: QEMU can copy its disks. */
static bool can_be_mirrored(const struct model_vm *vm) {
    return vm->state == VM_RUNNING && vm->wanted == WANTED_RUNNING && vm->order == ORDER_NONE &&
           !vm->paused && vm->other_disks[0] == '\0';
}

static const char *why_neither(struct apply *a, const struct model_vm *vm) {
    if (vm->state == VM_OFF) {
        return "is to run";
    }
    if (vm->state == VM_RUNNING && vm->other_disks[0]) {
        return outbox_text(a->out, "runs with disks that differ from its definition: %s",
                           vm->other_disks);
    }
    if (vm->state == VM_RUNNING) {
        return vm->paused ? "stands still" : "is about to change";
    }
    return outbox_text(a->out, "is %s", vm_state_name(vm->state));
}

static bool state_allows(struct apply *a, const struct model_vm *vm) {
    if (!operation_allows(a, vm)) {
        return false;
    }
    bool off = vm->state == VM_OFF && vm->wanted == WANTED_STOPPED;
    if (!off && !can_be_mirrored(vm)) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out,
                                 "%s %s: its files can be moved only while it is off, or "
                                 "runs undisturbed",
                                 vm->name, why_neither(a, vm)),
                     outbox_text(a->out, "clusterctl vm show %s says what it is waiting for",
                                 vm->name));
        return false;
    }
    return claims_allow(a, vm) && disks_allow(a, vm) && storage_allows(a, vm);
}

/* QEMU copies disks, also into another format; its other files it keeps open as they are. Files of
 * a VM that is off are copied as they are. */
static bool files_fit_state(struct apply *a, const struct model_vm *vm,
                            const struct cmd_vm_storage *storage) {
    const struct storage_file *files = storage->files.items;
    for (uint32_t i = 0; i < storage->files.n; i++) {
        if (vm->state != VM_RUNNING && files[i].format[0]) {
            apply_refuse(a, REPLY_REFUSED,
                         outbox_text(a->out,
                                     "%s is off: the format of %s can change only while it runs",
                                     vm->name, files[i].disk),
                         "leave out format=, or start the VM first");
            return false;
        }
        if (vm->state == VM_RUNNING && strcmp(files[i].disk, "tpm") == 0) {
            apply_refuse(a, REPLY_REFUSED,
                         outbox_text(a->out,
                                     "%s runs: the state of its TPM (%s) cannot be moved meanwhile",
                                     vm->name, files[i].from),
                         "--disks-only leaves it where it is; or stop the VM first");
            return false;
        }
        if (vm->state == VM_RUNNING && strcmp(files[i].disk, "nvram") == 0) {
            apply_refuse(a, REPLY_REFUSED,
                         outbox_text(a->out,
                                     "%s runs: its UEFI variables (%s) cannot be moved "
                                     "meanwhile",
                                     vm->name, files[i].from),
                         "--disks-only leaves them where they are; or stop the VM first");
            return false;
        }
    }
    return true;
}

/* QEMU copies what a disk holds now, and not what its checkpoints hold. A copy of the file has
 * all. */
static bool keeps_checkpoints(struct apply *a, const struct model_vm *vm) {
    uint32_t n = model_checkpoints_of_vm(a->m, vm->id);
    if (vm->state != VM_RUNNING || n == 0 || MUTANT(checkpoints_lost)) {
        return true;
    }
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out,
                             "%s runs and has %u checkpoint%s, which a move of its disks meanwhile "
                             "would lose",
                             vm->name, n, n > 1 ? "s" : ""),
                 outbox_text(a->out,
                             "clusterctl vm stop %s first, then they move along; or remove them "
                             "(clusterctl vm checkpoint list %s)",
                             vm->name, vm->name));
    return false;
}

/* Who is to work sees all of it now. If that changes meanwhile, the move waits or fails. */
static bool volumes_are_there(struct apply *a, const struct model_vm *vm,
                              const struct cmd_vm_storage *storage) {
    bool runs = vm->state == VM_RUNNING, seen = false;
    for (uint32_t i = 0; i < a->m->members.n; i++) {
        uint32_t node = a->m->members.v[i];
        bool meant = !runs || node == vm->owner;
        seen = seen || (meant && model_node_sees_volumes(a->m, node, &vm->volumes) &&
                        model_node_sees_volumes(a->m, node, &storage->volumes));
    }
    if (!seen) {
        apply_refuse(a, REPLY_REFUSED,
                     runs ? outbox_text(a->out,
                                        "%s, where %s runs, does not have all volumes of "
                                        "the move",
                                        model_node_name(a->m, vm->owner), vm->name)
                          : "no node has all volumes of the move",
                     "clusterctl volume list shows which node lacks which volume");
    }
    return seen;
}

static bool plan_is_good(struct apply *a, const struct model_vm *vm,
                         const struct cmd_vm_storage *storage) {
    if (vm->serial != storage->serial) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s has changed since the move was planned", vm->name),
                     "try again");
        return false;
    }
    if (storage->files.n == 0 || storage->xml[0] == '\0') {
        apply_refuse(a, REPLY_REFUSED, "the plan names no file",
                     "are clusterctl and clusterd of the same version?");
        return false;
    }
    if (a->m->journal.n >= MODEL_MAX_JOURNAL) {
        apply_refuse(a, REPLY_REFUSED, "the cluster has the maximum number of storage moves",
                     "wait until one of them has ended (clusterctl operation list)");
        return false;
    }
    return keeps_checkpoints(a, vm) && apply_good_volumes(a, &storage->volumes) &&
           files_fit_state(a, vm, storage) && volumes_are_there(a, vm, storage) &&
           !is_shared(a, vm, storage);
}

void apply_vm_storage(struct apply *a, const void *command) {
    const struct cmd_vm_storage *storage = command;
    struct model_vm *vm = find_vm(a, storage->vm);
    if (!vm || !state_allows(a, vm) || !plan_is_good(a, vm, storage)) {
        return;
    }
    struct model_journal *row = model_add(&a->m->journal);
    if (!row || fill_row(row, storage) < 0) {
        a->error = -ENOMEM;
        return;
    }
    row->id = a->index;
    row->kind = JOURNAL_STORAGE;
    row->vm = vm->id;
    storage_enter_phase(a, row, vm->state == VM_RUNNING ? STORAGE_MIRROR : STORAGE_COPY);
    begin_vm_operation(a, vm, OPERATION_STORAGE);
    row->operation = a->operation;
    if (MUTANT(copies_early) && row->phase == STORAGE_MIRROR) {
        set_text(a, &vm->xml, row->xml);
    }
    vm_touch(a, vm);
    apply_event(a, SEVERITY_INFO, "vm-storage", vm->name, "the files of %s are to be moved: %u",
                vm->name, storage->files.n);
}

static void refuse_for_checkpoint(struct apply *a, const struct model_vm *vm,
                                  const struct model_journal *row) {
    bool back = row->phase == CHECKPOINT_REVERT;
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out, "%s of %s %s being %s", back ? "the disks" : "a checkpoint",
                             vm->name, back ? "are" : "is",
                             back                              ? "set back to a checkpoint"
                             : row->phase == CHECKPOINT_CREATE ? "made"
                                                               : "removed"),
                 "wait for it; clusterctl status says why, if it takes long");
}

bool storage_allows(struct apply *a, const struct model_vm *vm) {
    const struct model_journal *row = model_journal_of_vm(a->m, vm->id);
    if (!row) {
        return true;
    }
    if (row->kind == JOURNAL_CHECKPOINT) {
        refuse_for_checkpoint(a, vm, row);
        return false;
    }
    bool moves = row->phase != STORAGE_UNDO && row->phase != STORAGE_FINISH;
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out, "the files of %s are being %s", vm->name,
                             moves ? "moved" : "cleaned up after a storage move"),
                 moves ? "wait for it, or clusterctl operation cancel"
                       : "clusterctl status says why, if it takes long");
    return false;
}

bool storage_allows_start(struct apply *a, const struct model_vm *vm) {
    const struct model_journal *row = model_journal_of_vm(a->m, vm->id);
    bool works = row && (row->phase == STORAGE_COPY || row->phase == CHECKPOINT_CREATE ||
                         (row->phase == CHECKPOINT_REVERT && !MUTANT(start_while_reverting)));
    return !works || storage_allows(a, vm);
}

/* ---- orders ---- */

enum order_kind storage_next(const struct model *m, const struct model_vm *vm) {
    const struct model_journal *row = model_journal_of_vm(m, vm->id);
    bool off = vm->state == VM_OFF && vm->wanted == WANTED_STOPPED;
    bool settled = vm->state == VM_OFF || vm->state == VM_RUNNING;
    if (!row || vm->order != ORDER_NONE || !settled || vm->foreign.n > 0) {
        return ORDER_NONE;
    }
    if (row->kind == JOURNAL_CHECKPOINT) {
        return checkpoint_next(vm, row);
    }
    switch ((enum storage_phase)row->phase) {
    case STORAGE_COPY:
        return model_journal_is_called_off(m, row) ? ORDER_UNDO : off ? ORDER_COPY : ORDER_NONE;
    case STORAGE_UNDO: return ORDER_UNDO;
    case STORAGE_FINISH: return MUTANT(undo_late) ? ORDER_UNDO : ORDER_FINISH;
    case STORAGE_MIRROR: return vm->state == VM_OFF ? ORDER_NONE : ORDER_MIRROR;
    case STORAGE_CONTINUE: return vm->state == VM_OFF ? ORDER_NONE : ORDER_CONTINUE;
    }
    return ORDER_NONE;
}

/* The VM's files are the copies now. False: no memory. */
static bool commit(struct apply *a, struct model_vm *vm, const struct model_journal *row) {
    struct model_vm from = {.volumes = row->volumes}, copy;
    int err = wire_copy(&model_vm_record, &from, &copy);
    if (err < 0) {
        a->error = err;
        return false;
    }
    struct wire_strs former = vm->volumes;
    vm->volumes = copy.volumes;
    copy.volumes = former;
    wire_release(&model_vm_record, &copy);
    if (!MUTANT(definition_kept)) {
        set_text(a, &vm->xml, row->xml);
    }
    vm_touch(a, vm);
    return true;
}

/* The order has ended, and the originals are the VM's files. */
static void not_moved(struct apply *a, struct model_vm *vm, struct model_journal *row,
                      const struct cmd_vm_report *r) {
    if (model_journal_is_called_off(a->m, row) || vm->foreign.n > 0) {
        const struct model_operation *op = model_operation_by_id(a->m, row->operation);
        bool told = op && op->state != OPERATION_RUNNING && op->reason[0];
        storage_give_up(a, vm, row, true,
                        told ? outbox_text(a->out, "%s", op->reason)
                             : "it was ended on request, and what was copied is removed");
    } else {
        storage_give_up(a, vm, row, r->result == RESULT_CANCELLED, r->reason);
    }
}

void copy_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_journal *row = storage_row_of(a, vm);
    vm_clear_order(a, vm);
    if (!row || row->phase != STORAGE_COPY) {
        return;
    }
    if (model_journal_is_called_off(a->m, row) || vm->foreign.n > 0 || r->result != RESULT_OK) {
        not_moved(a, vm, row, r);
    } else if (commit(a, vm, row)) {
        storage_begin_finish(a, vm, row);
    }
}

/* It will be tried again. That is told once. */
static void note_failure(struct apply *a, const struct model_vm *vm, struct model_journal *row,
                         const struct cmd_vm_report *r, const char *what) {
    if (row->reason[0] == '\0') {
        apply_event(a, SEVERITY_WARNING, "vm-storage", vm->name,
                    "%s by %s, and it is tried again: %s", what, model_node_name(a->m, r->node),
                    r->reason);
    }
    set_text(a, &row->reason, r->reason[0] ? r->reason : "no reason was given");
}

void mirror_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_journal *row = storage_row_of(a, vm);
    vm_clear_order(a, vm);
    if (!row || row->phase != STORAGE_MIRROR) {
        return;
    }
    /* All disks are copies: it is done, whatever was asked for meanwhile. */
    if (r->result == RESULT_OK) {
        if (commit(a, vm, row)) {
            storage_enter_phase(a, row, STORAGE_CONTINUE);
            vm->paused = 1;
            operation_note_blackout(a, vm, r);
        }
        return;
    }
    /* Where it did not begin, an earlier attempt may have left something at work. */
    bool on_originals = r->state == VM_STATE_RUNNING && !r->not_begun;
    if (on_originals || (MUTANT(mirror_undone) && r->state != VM_STATE_OFF)) {
        not_moved(a, vm, row, r);
    } else if (r->state != VM_STATE_OFF) {
        note_failure(a, vm, row, r,
                     outbox_text(a->out, "the disks of %s could not be moved", vm->name));
    } /* else its end is about to be told */
}

void continue_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_journal *row = storage_row_of(a, vm);
    vm_clear_order(a, vm);
    if (!row || row->phase != STORAGE_CONTINUE || vm->state != VM_RUNNING) {
        return;
    }
    /* OK and paused: it went on, and stopped at once for another reason. */
    if (r->state == VM_STATE_RUNNING || (r->result == RESULT_OK && r->state == VM_STATE_PAUSED)) {
        vm->paused = r->state == VM_STATE_PAUSED;
        operation_note_blackout(a, vm, r);
        storage_begin_finish(a, vm, row);
    } else if (r->state != VM_STATE_OFF) {
        note_failure(a, vm, row, r,
                     outbox_text(a->out, "%s could not be continued on its new files", vm->name));
    }
}

/* Both remove files. What cannot be removed is told once, and tried again. */
static void removal_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r,
                             const char *what) {
    struct model_journal *row = storage_row_of(a, vm);
    vm_clear_order(a, vm);
    if (!row) {
        return;
    }
    if (row->phase == STORAGE_COPY) { /* it was cancelled before a copy was ordered */
        storage_give_up(a, vm, row, true, "it was ended on request before anything was copied");
    }
    if (r->result == RESULT_OK) {
        model_remove(&a->m->journal, row);
        apply_event(a, SEVERITY_INFO, "vm-storage", vm->name, "%s of %s have been removed", what,
                    vm->name);
        return;
    }
    note_failure(a, vm, row, r,
                 outbox_text(a->out, "%s of %s could not be removed", what, vm->name));
}

void undo_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    removal_reported(a, vm, r, "the copies of the files");
}

void finish_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    removal_reported(a, vm, r, "the original files");
}
