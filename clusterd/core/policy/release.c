/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs that are to leave the cluster where they run: see apply/release.c. */
#include "core/policy/inside.h"

int policy_releases(struct core *c) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (!vm->release || vm->state != VM_RUNNING || vm->order != ORDER_NONE ||
            vm->wanted != WANTED_RUNNING || !policy_node_ready(c, vm->owner)) {
            continue;
        }
        int err = policy_order(c, vm, ORDER_RELEASE, vm->owner, 0, vm->operation, "");
        if (err < 0) {
            return err;
        }
    }
    return 0;
}
