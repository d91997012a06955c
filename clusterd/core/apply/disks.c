/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that run with disks that differ from their definition: somebody put new images over them (an
 * external snapshot, as backup programs make them) or moved them. The images in the definition are
 * older than what the guest has written since. So once this is known, nothing starts the VM from
 * its definition. While it runs it may be moved, live or saved, because both take the present disks
 * along. When the disks match the definition again, everything is as before.
 */
#include "core/apply/inside.h"

#include "base/mutant.h"

void vm_set_disks(struct apply *a, struct model_vm *vm, const char *text) {
    set_text(a, &vm->other_disks, text);
    vm_touch(a, vm);
    if (text[0]) {
        apply_event(
            a, SEVERITY_WARNING, "vm-disks", vm->name,
            "%s runs with disks that differ from its definition (%s): once it ends, it stays down",
            vm->name, text);
    } else {
        apply_event(a, SEVERITY_INFO, "vm-disks", vm->name,
                    "%s runs with the disks of its definition again", vm->name);
    }
}

void vm_hold_by_disks(struct apply *a, struct model_vm *vm) {
    if (vm->other_disks[0] == '\0' || vm->state != VM_OFF || vm->wanted != WANTED_RUNNING ||
        MUTANT(older_disks)) {
        return;
    }
    apply_event(a, SEVERITY_ERROR, "vm-stays-down", vm->name,
                "%s stays down: it ran with disks that differ from its definition (%s)", vm->name,
                vm->other_disks);
    operation_vm_end(a, vm, OPERATION_FAILED,
                     outbox_text(a->out, "it ran with disks that differ from its definition: %s",
                                 vm->other_disks));
}

bool disks_allow(struct apply *a, const struct model_vm *vm) {
    if (vm->other_disks[0] == '\0' || vm->state != VM_OFF || MUTANT(older_disks)) {
        return true;
    }
    apply_refuse(
        a, REPLY_REFUSED,
        outbox_text(a->out, "%s ran with disks that differ from its definition: %s", vm->name,
                    vm->other_disks),
        outbox_text(
            a->out,
            "copy its data to the disks of the definition (qemu-img commit), then: clusterctl vm "
            "set %s --accept-disks; or remove it and add it with the new disks",
            vm->name));
    return false;
}

bool disks_may_be_accepted(struct apply *a, const char *name) {
    const struct model_vm *vm = model_vm_by_name(a->m, name);
    if (vm && (vm->state == VM_OFF || vm->other_disks[0] == '\0')) {
        return true;
    }
    apply_refuse(a, REPLY_REFUSED,
                 outbox_text(a->out,
                             "%s runs with disks that differ from its definition: the disks of the "
                             "definition are older",
                             name),
                 outbox_text(a->out, "clusterctl vm stop %s first, then copy its data to them",
                             name));
    return false;
}
