/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that a drain has shut down, by their move policy. `shut_down_by` names its node: only
 * therefore such a VM is not wanted to run. Resuming the node or cancelling the drain makes it
 * wanted again, unless a person has started or stopped it meanwhile (vm.c). If its stop fails, it
 * is wanted at once (vm_state.c).
 */
#include "core/apply/inside.h"

void vm_wanted_again(struct apply *a, struct model_vm *vm) {
    vm->shut_down_by = 0;
    vm->wanted = WANTED_RUNNING;
    vm_forget_failures(a, vm);
    vm_touch(a, vm);
}

void vms_wanted_again(struct apply *a, uint32_t node) {
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (vm->shut_down_by == node) {
            vm_wanted_again(a, vm);
        }
    }
}
