/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running the agent of a fence device, to fence a node or to test the device. executor/fence.c
 * handles the result.
 */
#include "core/executor/inside.h"

#include "base/check.h"
#include "core/model/fence_devices.h"
#include "core/model/settings.h"

#include <errno.h>
#include <stdio.h>

int executor_run_device(struct core *c, struct run *run, const struct model_device *device,
                        const char *node, enum core_fence_action what) {
    CHECK(device->keys.n == device->values.n);
    CHECK(what == FENCE_STATUS || !device_is_ambiguous(device)); /* it would switch another */
    struct core_param *params = arena_array(&c->out.arena, device->keys.n, sizeof(*params));
    if (!params) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < device->keys.n; i++) {
        params[i] = (struct core_param){
            .key = outbox_text(&c->out, "%s", device->keys.v[i]),
            .value = outbox_text(&c->out, "%s", device->values.v[i]),
        };
    }
    (void)snprintf(run->device, sizeof(run->device), "%s", device->name);
    struct core_action *action = outbox_add(&c->out, CORE_ACTION_FENCE);
    action->fence = (struct core_fence_order){
        .run = run->id,
        .agent = outbox_text(&c->out, "%s", device->agent),
        .node = outbox_text(&c->out, "%s", node),
        .action = what,
        .params = params,
        .n_params = device->keys.n,
        .timeout_ms = setting_get(&c->model, SETTING_fence_timeout_ms),
    };
    return 0;
}

static int refuse_test(struct core *c, const struct core_request *request,
                       enum core_reply_code code, const char *message, const char *hint) {
    outbox_reply(&c->out, request->id, code, 0, message, hint);
    return 0;
}

int executor_test_device(struct core *c, const struct core_request *request) {
    const struct model_device *device = model_device_by_name(&c->model, request->device);
    const struct model_node *node = model_node_by_name(&c->model, request->node);
    if (!device || !node) {
        return refuse_test(c, request, REPLY_NOT_FOUND,
                           outbox_text(&c->out, "there is no %s '%s'",
                                       device ? "node" : "fence device",
                                       device ? request->node : request->device),
                           "clusterctl fence-device list, clusterctl node list");
    }
    const char *nodes = device_nodes_text(&c->model, device, &c->out);
    if (!device_is_for(device, node->id)) {
        return refuse_test(c, request, REPLY_REFUSED,
                           outbox_text(&c->out, "%s is for %s only", device->name, nodes),
                           outbox_text(&c->out, "test the device that is for %s", node->name));
    }
    if (device_is_ambiguous(device)) {
        return refuse_test(c, request, REPLY_REFUSED,
                           outbox_text(&c->out,
                                       "%s switches one machine, but is for %s: it is never used",
                                       device->name, nodes),
                           "remove it and add it again with {node} in a value, or for one node");
    }
    struct run *run = executor_add_run(c, RUN_TEST, node->id);
    if (!run) {
        return -ENOMEM;
    }
    run->client = request->id;
    return executor_run_device(c, run, device, node->name, FENCE_STATUS);
}
