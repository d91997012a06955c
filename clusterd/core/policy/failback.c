/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resumed nodes to which VMs return only in certain hours (failback_hours). The node's row says
 * that they wait, so whoever coordinates by then begins the return.
 */
#include "core/policy/inside.h"
#include "core/model/settings.h"

int policy_failback(struct core *c) {
    uint64_t hours = setting_get(&c->model, SETTING_failback_hours);
    uint64_t wait_ms = setting_hours_wait_ms(hours, c->wall_ms);
    MODEL_EACH(model_node, node, &c->model.nodes) {
        if (!node->failback_due || node->service != SERVICE_ACTIVE || node->operation ||
            !policy_node_ready(c, node->id)) {
            continue;
        }
        if (wait_ms > 0) {
            policy_wake_at(c, c->now_ms + wait_ms);
            continue;
        }
        struct cmd_node_resume resume = {.node = node->name, .failback = FAILBACK_NOW, .due = 1};
        int err = policy_propose(c, COMMAND_NODE_RESUME, &resume);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}
