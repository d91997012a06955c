/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints: the disks of a VM as they were at a moment, and the way back there.
 *
 * What a checkpoint holds is an internal snapshot "clusterd-ID" in each of the VM's qcow2 images.
 * So it travels with the images, by every route that keeps them or copies their bytes, and survives
 * the node; libvirt's own metadata would be on one node only, and forbid migrations. The list is
 * the model's. A VM that runs gets all its snapshots in one transaction of QEMU, so its disks fit
 * together, as after a power cut; its memory is not kept, for which the guest would have to stand
 * still. Only a VM that is off is set back. Its disks cannot be set back at once: the journal's row
 * is there before the first is touched, the VM does not start while it stands, and whoever carries
 * it on sets back all disks again. The row ends with the report that all of them are done.
 *
 *     CREATE ── report: ok ──► the checkpoint is whole (no row)
 *        │ failed, unclear, the VM has ended: there is no checkpoint
 *        ▼
 *     REMOVE ── report: ok ──► the checkpoint is gone (no row)
 *        ▲ people
 *
 *     REVERT ── report: ok ──► the disks are those of the checkpoint (no row)
 *        └ nothing was begun, and no order before has begun: given up (no row)
 *
 *     phase    order                        may be repeated because
 *     CREATE   CHECKPOINT, CHECKPOINT_LIVE  a disk that has the snapshot is left alone
 *     REVERT   REVERT                       the snapshot stays what it is
 *     REMOVE   FORGET, FORGET_LIVE          a disk that does not have it is left alone
 *
 * An order that fails in REVERT or REMOVE is given again: half of it may be done. Who carries it
 * out is decided as for a storage move (storage.c): a member that sees the volumes, or the owner.
 *
 * What writes to the images of a VM that is off is qemu-img. If the storage hangs, nothing can end
 * it: its agent is killed, or says that it does not know, and qemu-img writes once the storage
 * answers. Its locks keep others out on its own node only. So from the order on the row is held by
 * that node (`held_by`), until it says how it ended, or is off. Meanwhile only that node gets
 * further orders, and the VM does not start.
 */
#include "core/apply/checkpoint.h"
#include "core/apply/inside.h"

#include <errno.h>
#include <string.h>

/* ---- the request ---- */

/* What the three commands have in common. */
struct wish {
    uint64_t serial;
    const char *name;
    const struct wire_strs *disks, *paths;
};
#define WISH(command) \
    { (command)->serial, (command)->name, &(command)->disks, &(command)->paths }

static int fill_row(struct model_journal *row, const struct wish *wish) {
    struct storage_file files[WIRE_MAX_STORAGE_FILES];
    uint32_t n = wish->disks->n;
    for (uint32_t i = 0; i < n; i++) {
        files[i] = (struct storage_file){
            .disk = wish->disks->v[i], .from = wish->paths->v[i], .to = "", .format = ""};
    }
    struct model_journal from = {.files = {files, n}, .xml = "", .reason = ""}, copy;
    int err = wire_copy(&model_journal_record, &from, &copy);
    if (err == 0) {
        wire_release(&model_journal_record, row);
        *row = copy;
    }
    return err;
}

static bool plan_is_good(struct apply *a, const struct model_vm *vm, const struct wish *wish) {
    if (vm->serial != wish->serial) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s has changed since it was looked at", vm->name),
                     "try again");
        return false;
    }
    bool absolute = true;
    for (uint32_t i = 0; i < wish->paths->n; i++) {
        absolute = absolute && wish->paths->v[i][0] == '/';
    }
    if (wish->disks->n == 0 || wish->disks->n != wish->paths->n ||
        wish->disks->n > WIRE_MAX_STORAGE_FILES || !absolute) {
        apply_refuse(a, REPLY_REFUSED, "the plan names no disks, or not their files",
                     "are clusterctl and clusterd of the same version?");
        return false;
    }
    if (a->m->journal.n >= MODEL_MAX_JOURNAL) {
        apply_refuse(a, REPLY_REFUSED,
                     "the cluster has the maximum number of storage moves and checkpoints at work",
                     "wait until one of them has ended (clusterctl operation list)");
        return false;
    }
    return true;
}

/* Another VM would be set back as well. */
static bool files_are_its_own(struct apply *a, const struct model_vm *vm, const struct wish *wish) {
    for (uint32_t i = 0; i < wish->paths->n; i++) {
        const struct model_vm *other = storage_other_user(a->m, vm->id, wish->paths->v[i]);
        if (other) {
            apply_refuse(a, REPLY_REFUSED,
                         outbox_text(a->out, "%s is a file of %s, too", wish->paths->v[i],
                                     other->name),
                         "give each of the two a disk of its own");
            return false;
        }
    }
    return true;
}

/* Off and to stay so; or it runs, and nothing else is being done with it. */
static bool is_at_rest(struct apply *a, const struct model_vm *vm) {
    bool off = vm->state == VM_OFF && vm->wanted == WANTED_STOPPED;
    bool runs = vm->state == VM_RUNNING && vm->wanted == WANTED_RUNNING && vm->order == ORDER_NONE;
    if (runs && vm->other_disks[0]) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s runs with disks that differ from its definition: %s",
                                 vm->name, vm->other_disks),
                     "end what has put them there, such as a backup's snapshot");
        return false;
    }
    if (!off && !runs) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out,
                                 "%s %s%s: only a VM that is off, or runs undisturbed, has "
                                 "checkpoints made or removed",
                                 vm->name, vm->state == VM_OFF ? "is to run" : "is ",
                                 vm->state == VM_OFF       ? ""
                                 : vm->state == VM_RUNNING ? "about to change"
                                                           : vm_state_name(vm->state)),
                     outbox_text(a->out, "clusterctl vm show %s says what it is waiting for",
                                 vm->name));
    }
    return off || runs;
}

static bool nothing_else_is_done(struct apply *a, const struct model_vm *vm) {
    return operation_allows(a, vm) && claims_allow(a, vm) && disks_allow(a, vm) &&
           storage_allows(a, vm);
}

/* NULL: no memory. Rows of the journal may have moved. */
static struct model_journal *begin(struct apply *a, struct model_vm *vm, uint64_t checkpoint,
                                   const struct wish *wish, enum checkpoint_phase phase,
                                   enum operation_kind kind) {
    struct model_journal *row = model_add(&a->m->journal);
    if (!row || fill_row(row, wish) < 0) {
        a->error = -ENOMEM;
        return NULL;
    }
    row->id = a->index;
    row->kind = JOURNAL_CHECKPOINT;
    row->vm = vm->id;
    row->checkpoint = checkpoint;
    checkpoint_enter_phase(a, row, phase);
    begin_vm_operation(a, vm, kind);
    row->operation = a->operation;
    vm_touch(a, vm);
    return row;
}

static struct model_checkpoint *find(struct apply *a, const struct model_vm *vm, const char *name) {
    struct model_checkpoint *row =
        model_row(&a->m->checkpoints, model_checkpoint_by_name(a->m, vm->id, name));
    if (!row) {
        apply_refuse(a, REPLY_NOT_FOUND,
                     outbox_text(a->out, "%s has no checkpoint '%s'", vm->name, name),
                     outbox_text(a->out, "clusterctl vm checkpoint list %s shows them", vm->name));
    }
    return row;
}

/* ---- create ---- */

static bool name_is_free(struct apply *a, const struct model_vm *vm, const char *name) {
    if (!apply_good_name(a, "checkpoint", name)) {
        return false;
    }
    if (model_checkpoint_by_name(a->m, vm->id, name)) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s has a checkpoint '%s' already", vm->name, name),
                     outbox_text(a->out,
                                 "choose another name, or clusterctl vm checkpoint remove %s %s",
                                 vm->name, name));
        return false;
    }
    if (model_checkpoints_of_vm(a->m, vm->id) >= WIRE_MAX_CHECKPOINTS ||
        a->m->checkpoints.n >= MODEL_MAX_CHECKPOINTS) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out,
                                 "%s, or the cluster, has the maximum number of checkpoints "
                                 "(%u and %u)",
                                 vm->name, WIRE_MAX_CHECKPOINTS, MODEL_MAX_CHECKPOINTS),
                     "remove one that nobody needs (clusterctl vm checkpoint remove)");
        return false;
    }
    return true;
}

static bool add_checkpoint(struct apply *a, const struct model_vm *vm, const struct wish *wish) {
    struct model_checkpoint from = {.name = wish->name, .disks = *wish->disks}, copy;
    struct model_checkpoint *row = model_add(&a->m->checkpoints);
    if (!row || wire_copy(&model_checkpoint_record, &from, &copy) < 0) {
        a->error = -ENOMEM;
        return false;
    }
    wire_release(&model_checkpoint_record, row);
    *row = copy;
    row->id = model_checkpoint_number(a->time_ms, a->index);
    row->vm = vm->id;
    row->time_ms = a->time_ms;
    return true;
}

void apply_checkpoint_create(struct apply *a, const void *command) {
    const struct cmd_checkpoint_create *create = command;
    const struct wish wish = WISH(create);
    struct model_vm *vm = find_vm(a, create->vm);
    if (!vm || !name_is_free(a, vm, create->name) || !nothing_else_is_done(a, vm) ||
        !is_at_rest(a, vm) || !plan_is_good(a, vm, &wish) || !files_are_its_own(a, vm, &wish) ||
        !add_checkpoint(a, vm, &wish) ||
        !begin(a, vm, model_checkpoint_number(a->time_ms, a->index), &wish, CHECKPOINT_CREATE,
               OPERATION_CHECKPOINT)) {
        return;
    }
    apply_event(a, SEVERITY_INFO, "vm-checkpoint", vm->name, "checkpoint %s of %s is to be made",
                create->name, vm->name);
}

/* ---- remove ---- */

void apply_checkpoint_remove(struct apply *a, const void *command) {
    const struct cmd_checkpoint_remove *remove = command;
    const struct wish wish = WISH(remove);
    struct model_vm *vm = find_vm(a, remove->vm);
    struct model_checkpoint *checkpoint = vm ? find(a, vm, remove->name) : NULL;
    if (!checkpoint || !nothing_else_is_done(a, vm) || !is_at_rest(a, vm) ||
        !plan_is_good(a, vm, &wish) ||
        !begin(a, vm, checkpoint->id, &wish, CHECKPOINT_REMOVE, OPERATION_CHECKPOINT_REMOVE)) {
        return;
    }
    checkpoint->whole = 0;
    apply_event(a, SEVERITY_INFO, "vm-checkpoint", vm->name, "checkpoint %s of %s is to be removed",
                remove->name, vm->name);
}

/* ---- revert ---- */

static bool has_disk(const struct wire_strs *disks, const char *disk) {
    for (uint32_t i = 0; i < disks->n; i++) {
        if (strcmp(disks->v[i], disk) == 0) {
            return true;
        }
    }
    return false;
}

/* Disks of two moments would not fit together. */
static bool has_its_disks(struct apply *a, const struct model_vm *vm,
                          const struct model_checkpoint *checkpoint,
                          const struct wire_strs *disks) {
    const char *missing = NULL;
    for (uint32_t i = 0; i < checkpoint->disks.n && !missing; i++) {
        missing = has_disk(disks, checkpoint->disks.v[i]) ? NULL : checkpoint->disks.v[i];
    }
    if (!missing && disks->n == checkpoint->disks.n) {
        return true;
    }
    apply_refuse(a, REPLY_REFUSED,
                 missing
                     ? outbox_text(a->out, "%s has no disk %s any more, which checkpoint %s has",
                                   vm->name, missing, checkpoint->name)
                     : outbox_text(a->out,
                                   "%s has disks that it did not have when checkpoint "
                                   "%s was made",
                                   vm->name, checkpoint->name),
                 "disks of two moments would not fit together: give the VM the disks of then");
    return false;
}

static bool may_be_reverted(struct apply *a, const struct model_vm *vm,
                            const struct model_checkpoint *checkpoint) {
    if (!nothing_else_is_done(a, vm)) {
        return false;
    }
    if (vm->state != VM_OFF || vm->wanted != WANTED_STOPPED) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is %s: only a VM that is off is set back", vm->name,
                                 vm->state == VM_OFF ? "to run" : vm_state_name(vm->state)),
                     outbox_text(a->out, "clusterctl vm checkpoint revert %s %s --stop", vm->name,
                                 checkpoint->name));
        return false;
    }
    if (!checkpoint->whole) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "checkpoint %s of %s is not whole", checkpoint->name,
                                 vm->name),
                     "");
        return false;
    }
    return true;
}

/* One that cannot be completed, as where an image is damaged, may become one to another checkpoint.
 * It must be completed all the same. */
static bool turns_to(struct apply *a, struct model_vm *vm,
                     const struct model_checkpoint *checkpoint, const struct wish *wish) {
    struct model_journal *row = checkpoint_row_of(a, vm, CHECKPOINT_REVERT);
    if (!row || row->checkpoint == checkpoint->id || row->reason[0] == '\0' ||
        vm->order != ORDER_NONE || !checkpoint->whole) {
        return false;
    }
    if (!plan_is_good(a, vm, wish) || !has_its_disks(a, vm, checkpoint, wish->disks)) {
        return false;
    }
    row->checkpoint = checkpoint->id;
    set_text(a, &row->reason, "");
    a->operation = row->operation;
    vm_touch(a, vm);
    return true;
}

void apply_checkpoint_revert(struct apply *a, const void *command) {
    const struct cmd_checkpoint_revert *revert = command;
    const struct wish wish = WISH(revert);
    struct model_vm *vm = find_vm(a, revert->vm);
    const struct model_checkpoint *checkpoint = vm ? find(a, vm, revert->name) : NULL;
    if (!checkpoint) {
        return;
    }
    if (!turns_to(a, vm, checkpoint, &wish)) {
        if (a->code != REPLY_OK || !may_be_reverted(a, vm, checkpoint) ||
            !plan_is_good(a, vm, &wish) || !has_its_disks(a, vm, checkpoint, wish.disks) ||
            !files_are_its_own(a, vm, &wish) ||
            !begin(a, vm, checkpoint->id, &wish, CHECKPOINT_REVERT, OPERATION_REVERT)) {
            return;
        }
    }
    apply_event(a, SEVERITY_INFO, "vm-revert", vm->name,
                "the disks of %s are to be set back to checkpoint %s", vm->name, revert->name);
}

/* ---- how the orders end ---- */

static const char *name_of(struct apply *a, const struct model_journal *row) {
    const struct model_checkpoint *checkpoint = model_checkpoint_by_id(a->m, row->checkpoint);
    return checkpoint ? outbox_text(a->out, "%s", checkpoint->name) : "?";
}

/* Nothing was begun, by this order or one before. */
static bool is_untouched(const struct model_journal *row, const struct cmd_vm_report *r) {
    return r->not_begun && row->first_order == r->order;
}

/* It will be tried again. That is told once. */
static void note_failure(struct apply *a, const struct model_vm *vm, struct model_journal *row,
                         const struct cmd_vm_report *r, const char *what) {
    if (row->reason[0] == '\0') {
        apply_event(a, SEVERITY_WARNING, "vm-checkpoint", vm->name,
                    "%s by %s, and it is tried again: %s", what, model_node_name(a->m, r->node),
                    r->reason);
    }
    set_text(a, &row->reason, r->reason[0] ? r->reason : "no reason was given");
}

static void create_ended(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r,
                         bool running) {
    struct model_journal *row = checkpoint_row_of(a, vm, CHECKPOINT_CREATE);
    struct model_checkpoint *checkpoint =
        row ? model_row(&a->m->checkpoints, model_checkpoint_by_id(a->m, row->checkpoint)) : NULL;
    vm_clear_order(a, vm);
    checkpoint_answered(a, vm, r);
    if (!checkpoint) {
        return;
    }
    if (r->result != RESULT_OK) {
        checkpoint_give_up(a, vm, row, r->reason);
        return;
    }
    checkpoint->whole = 1;
    checkpoint->running = running;
    checkpoint->time_ms = a->time_ms;
    apply_event(a, SEVERITY_INFO, "vm-checkpoint", vm->name, "checkpoint %s of %s has been made",
                checkpoint->name, vm->name);
    operation_end_story(a, vm, row, OPERATION_DONE, "");
    model_remove(&a->m->journal, row);
}

void checkpoint_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    create_ended(a, vm, r, false);
}

void checkpoint_live_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    create_ended(a, vm, r, true);
}

static void remove_ended(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_journal *row = checkpoint_row_of(a, vm, CHECKPOINT_REMOVE);
    vm_clear_order(a, vm);
    checkpoint_answered(a, vm, r);
    if (!row) {
        return;
    }
    const char *name = name_of(a, row);
    if (r->result != RESULT_OK) {
        note_failure(a, vm, row, r,
                     outbox_text(a->out, "checkpoint %s of %s could not be removed", name,
                                 vm->name));
        return;
    }
    const struct model_checkpoint *checkpoint = model_checkpoint_by_id(a->m, row->checkpoint);
    if (checkpoint) {
        model_remove(&a->m->checkpoints, checkpoint);
    }
    apply_event(a, SEVERITY_INFO, "vm-checkpoint", vm->name, "checkpoint %s of %s has been removed",
                name, vm->name);
    operation_end_story(a, vm, row, OPERATION_DONE, "");
    model_remove(&a->m->journal, row);
}

void forget_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    remove_ended(a, vm, r);
}

void forget_live_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    remove_ended(a, vm, r);
}

void revert_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_journal *row = checkpoint_row_of(a, vm, CHECKPOINT_REVERT);
    vm_clear_order(a, vm);
    checkpoint_answered(a, vm, r);
    if (!row) {
        return;
    }
    const char *name = name_of(a, row);
    bool done = r->result == RESULT_OK;
    if (!done && !is_untouched(row, r)) {
        note_failure(a, vm, row, r,
                     outbox_text(a->out,
                                 "the disks of %s could not all be set back to checkpoint "
                                 "%s",
                                 vm->name, name));
        return;
    }
    apply_event(a, done ? SEVERITY_INFO : SEVERITY_ERROR, done ? "vm-revert" : "vm-revert-failed",
                vm->name,
                done ? "the disks of %s are those of checkpoint %s%s%s"
                     : "the disks of %s are not set back to checkpoint %s%s%s",
                vm->name, name, done ? "" : ": ", done ? "" : r->reason);
    operation_end_story(a, vm, row, done ? OPERATION_DONE : OPERATION_FAILED, r->reason);
    model_remove(&a->m->journal, row);
}

/* ---- the VM goes ---- */

void checkpoints_forget_vm(struct apply *a, const struct model_vm *vm) {
    uint32_t n = model_checkpoints_of_vm(a->m, vm->id);
    for (uint32_t i = n; i > 0; i--) {
        MODEL_EACH(model_checkpoint, row, &a->m->checkpoints) {
            if (row->vm == vm->id) {
                model_remove(&a->m->checkpoints, row);
                break;
            }
        }
    }
    if (n > 0) {
        apply_event(a, SEVERITY_INFO, "vm-removed", vm->name,
                    "%u checkpoints of %s stay in its images as snapshots named clusterd-NUMBER; "
                    "qemu-img snapshot lists and removes them",
                    n, vm->name);
    }
}
