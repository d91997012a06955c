/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would a live move of a VM take? A client asks; an agent on this node measures the VM through
 * the libvirt of the node where it runs, and predicts. Nothing is changed, and nothing depends on
 * it.
 *
 * What the agent cannot measure is taken from the figures of earlier moves.
 */
#include "core/executor/inside.h"
#include "core/timeouts.h"

#include <errno.h>

#define MOVES_MAX 9u /* so many of the newest moves count */

struct experience {
    uint64_t rate_bps[MOVES_MAX], overhead_ms[MOVES_MAX], blackout_ms[MOVES_MAX];
    uint32_t n;
    uint64_t sent_bytes; /* of this VM; 0: not known */
};

/* A move that resent little tells how much memory is in use. */
#define PASSES_FEW 3u

static void learn_of(struct experience *e, const struct model_vm *vm,
                     const struct operation_vm *row) {
    if (row->mode != MOVE_LIVE || row->state != OPERATION_DONE || row->passes == 0 ||
        row->memory_ms == 0) {
        return;
    }
    if (row->vm == vm->id && row->passes <= PASSES_FEW && e->sent_bytes == 0) {
        e->sent_bytes = row->sent_bytes;
    }
    if (e->n < MOVES_MAX) {
        uint64_t rest_ms = row->memory_ms + row->blackout_ms;
        e->rate_bps[e->n] = row->sent_bytes / row->memory_ms * 1000;
        e->overhead_ms[e->n] = row->total_ms > rest_ms ? row->total_ms - rest_ms : 0;
        e->blackout_ms[e->n] = row->blackout_ms;
        e->n++;
    }
}

static void learn(const struct model *m, const struct model_vm *vm, struct experience *ret) {
    const struct model_operation *ops = m->operations.rows;
    *ret = (struct experience){.n = 0};
    for (uint32_t i = m->operations.n; i > 0; i--) {
        const struct operation_vm *rows = ops[i - 1].vms.items;
        for (uint32_t k = 0; k < ops[i - 1].vms.n; k++) {
            learn_of(ret, vm, &rows[k]);
        }
    }
}

static uint64_t median(const uint64_t *values, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t less = 0, equal = 0;
        for (uint32_t k = 0; k < n; k++) {
            less += values[k] < values[i];
            equal += values[k] == values[i];
        }
        if (less <= n / 2 && n / 2 < less + equal) {
            return values[i];
        }
    }
    return 0;
}

/* Moves that were limited say nothing of the network. */
static uint64_t usual_rate(const struct experience *e) {
    uint64_t best = 0, fast[MOVES_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        best = e->rate_bps[i] > best ? e->rate_bps[i] : best;
    }
    for (uint32_t i = 0; i < e->n; i++) {
        if (e->rate_bps[i] >= best / 2) {
            fast[n++] = e->rate_bps[i];
        }
    }
    return median(fast, n);
}

static int begin(struct core *c, const struct core_request *request, const struct model_vm *vm) {
    const struct cmd_vm_move *move = request->value;
    const struct model_operation choices = {.max_downtime_ms = move->max_downtime_ms,
                                            .bandwidth_mbps = move->bandwidth_mbps,
                                            .if_not_converging = move->if_not_converging};
    struct experience e;
    struct run *run = executor_add_run(c, RUN_PREDICT, vm->id);
    if (!run) {
        return -ENOMEM;
    }
    run->client = request->id;
    learn(&c->model, vm, &e);
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
    } known[] = {{"timeout_ms", TIMEOUT_PREDICT_MS},
                 {"rate_bps", usual_rate(&e)},
                 {"overhead_ms", median(e.overhead_ms, e.n)},
                 {"blackout_ms", median(e.blackout_ms, e.n)},
                 {"known_bytes", e.sent_bytes}};
    call_add(&call, "uuid", outbox_text(&c->out, "%s", vm->uuid));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        call_add(&call, known[i].key,
                 outbox_text(&c->out, "%llu", (unsigned long long)known[i].value));
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
