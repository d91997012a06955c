/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would a live move of a VM take? A client asks; an agent on this node measures the VM through
 * the libvirt of the node where it runs, and predicts. Nothing is changed, and nothing depends on
 * it.
 *
 * What the agent cannot measure is taken from the figures of earlier moves: experience.h.
 */
#include "core/executor/experience.h"
#include "core/executor/inside.h"
#include "core/timeouts.h"

#include <errno.h>

static int begin(struct core *c, const struct core_request *request, const struct model_vm *vm) {
    const struct cmd_vm_move *move = request->value;
    const struct model_operation choices = {.max_downtime_ms = move->max_downtime_ms,
                                            .bandwidth_mbps = move->bandwidth_mbps,
                                            .if_not_converging = move->if_not_converging};
    const struct experience known = experience_of(&c->model, vm->id);
    struct run *run = executor_add_run(c, RUN_PREDICT, vm->id);
    if (!run) {
        return -ENOMEM;
    }
    run->client = request->id;
    const char *uri =
        vm->owner == c->self
            ? c->libvirt_uri
            : executor_uri_of(c, outbox_text(&c->out, "%s", model_node_name(&c->model, vm->owner)));
    struct agent_call call =
        executor_call_at(c, run, uri, "vm", "predict", outbox_text(&c->out, "%s", vm->name));
    if (!call.agent) {
        return -ENOMEM;
    }
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"timeout_ms", TIMEOUT_PREDICT_MS},
                   {"rate_bps", known.rate_bps},
                   {"overhead_ms", known.overhead_ms},
                   {"blackout_ms", known.blackout_ms},
                   {"known_bytes", known.sent_bytes}};
    call_add(&call, "uuid", outbox_text(&c->out, "%s", vm->uuid));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        call_add(&call, numbers[i].key,
                 outbox_text(&c->out, "%llu", (unsigned long long)numbers[i].value));
    }
    executor_live_params(c, vm, &choices, &call);
    call.agent->timeout_ms = TIMEOUT_PREDICT_MS + TIMEOUT_LAST_WORD_MS;
    return 0;
}

int executor_predict(struct core *c, const struct core_request *request) {
    const struct cmd_vm_move *move = request->value;
    const struct model_vm *vm = model_vm_by_name(&c->model, move->vm);
    if (!vm) {
        outbox_reply(&c->out, request->id, REPLY_NOT_FOUND, 0,
                     outbox_text(&c->out, "there is no VM '%s'", move->vm),
                     "clusterctl vm list shows them");
        return 0;
    }
    if (vm->state != VM_RUNNING || vm->order != ORDER_NONE || vm->paused) {
        outbox_reply(&c->out, request->id, REPLY_REFUSED, 0,
                     outbox_text(&c->out, "%s is %s: only a VM that runs can be measured", vm->name,
                                 vm->paused ? "paused" : vm_state_name(vm->state)),
                     outbox_text(&c->out, "clusterctl vm show %s says what it is waiting for",
                                 vm->name));
        return 0;
    }
    if (vm->mobility != MOBILITY_LIVE) {
        outbox_reply(&c->out, request->id, REPLY_OK, 0, "", "");
        return 0;
    }
    return begin(c, request, vm);
}

int executor_predict_done(struct core *c, struct run *run, const struct core_agent *line) {
    const char *reason = outbox_text(&c->out, "%s", line->reason ? line->reason : "");
    uint64_t client = run->client;
    executor_drop_run(c, run);
    if (line->result != RESULT_OK) {
        outbox_reply(&c->out, client, REPLY_FAILED, 0, reason, "");
        return 0;
    }
    struct core_prediction *prediction = arena_alloc(&c->out.arena, sizeof(*prediction));
    if (!prediction) {
        return -ENOMEM;
    }
#define X(S, TYPE, field, LIMIT) .field = (S)->field,
    *prediction = (struct core_prediction){PREDICTION_FIELDS(X, line)};
#undef X
    outbox_reply(&c->out, client, REPLY_OK, 0, "", "")->prediction = prediction;
    return 0;
}
