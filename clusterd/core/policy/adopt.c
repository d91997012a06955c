/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs that are to be adopted where libvirt runs them: see apply/adopt.c. */
#include "core/policy/inside.h"

int policy_adopts(struct core *c) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (!vm->adopt || vm->state != VM_OFF || vm->order != ORDER_NONE || vm->unasked.n > 0 ||
            vm->foreign.n != 1 || !policy_node_ready(c, vm->foreign.v[0])) {
            continue;
        }
        int err = policy_order(c, vm, ORDER_ADOPT, vm->foreign.v[0], 0, vm->operation, "");
        if (err < 0) {
            return err;
        }
    }
    return 0;
}
