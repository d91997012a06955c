/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the cluster is at rest: balance and the reserve check wait for that.
 */
#include "core/model/model.h"

static bool node_is_calm(const struct model_node *node) {
    switch ((enum node_state)node->state) {
    case NODE_ONLINE: return node->service != SERVICE_DRAINING && !node->fence_asked;
    case NODE_FENCED:
    case NODE_OFFLINE:
    case NODE_NEVER_SEEN: return true;
    case NODE_JOINING:
    case NODE_SILENT:
    case NODE_LOST:
    case NODE_FENCING: break;
    }
    return false;
}

bool model_is_calm(const struct model *m) {
    MODEL_EACH(model_operation, op, &m->operations) {
        if (op->state == OPERATION_RUNNING) {
            return false;
        }
    }
    MODEL_EACH(model_node, node, &m->nodes) {
        if (!node_is_calm(node)) {
            return false;
        }
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (vm->order != ORDER_NONE || vm->state == VM_RESOLVING) {
            return false;
        }
    }
    return true;
}
