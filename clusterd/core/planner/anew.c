/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a VM that runs comes to its next node as one that starts there; see planner/problem.h.
 */
#include "core/planner/problem.h"

bool planner_starts_anew(const struct model *m, const struct model_vm *vm,
                         const struct planner_facts *facts) {
    const struct model_node *node = model_node_by_id(m, vm->owner);
    bool asked = facts && facts->drained != 0 && facts->drained == vm->owner;
    bool drained = asked || (node && node->service == SERVICE_DRAINING);
    return (facts && facts->loss) ||
           (vm->move_policy == MOVE_POLICY_RESTART && (drained || vm->return_to != 0));
}
