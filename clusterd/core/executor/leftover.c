/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removes files that no VM needs any more, as the coordinator orders (core/model/leftover.h). The
 * agent dies with clusterd; what it has not done is ordered again. This clusterd begins an order
 * once: the policy has one on each node at a time.
 */
#include "core/executor/inside.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>

static int begin(struct core *c, const struct model_leftover *row) {
    struct run *run = executor_add_run(c, RUN_LEFTOVER, row->vm);
    if (!run) {
        return -ENOMEM;
    }
    run->order = row->order;
    uint64_t timeout_ms = setting_get(&c->model, SETTING_start_timeout_ms);
    struct agent_call call =
        executor_call(c, run, "vm", "state-remove", outbox_text(&c->out, "%s", row->name));
    if (!call.agent) {
        return -ENOMEM;
    }
    call_add(&call, "state_file", outbox_text(&c->out, "%s", row->path));
    call_add(&call, "timeout_ms", outbox_text(&c->out, "%llu", (unsigned long long)timeout_ms));
    call.agent->timeout_ms = timeout_ms + TIMEOUT_LAST_WORD_MS;
    return 0;
}

int executor_leftover_done(struct core *c, struct run *run, const struct core_agent *line) {
    struct cmd_leftover_report report = {
        .order = run->order,
        .node = c->self,
        .incarnation = c->incarnation,
        .result = line->result,
        .reason = outbox_text(&c->out, "%s", line->reason ? line->reason : ""),
    };
    executor_drop_run(c, run);
    return pending_propose(c, PENDING_REPORT, COMMAND_LEFTOVER_REPORT, &report);
}

int executor_leftovers(struct core *c) {
    const struct model_node *self = core_self(c);
    if (!self || self->incarnation != c->incarnation || replica_disagrees(&c->replica) ||
        !replica_is_current(&c->replica)) {
        return 0;
    }
    MODEL_EACH(model_leftover, row, &c->model.leftovers) {
        if (row->node != c->self || row->order <= c->executor.leftover_begun ||
            !model_leftover_stands(&c->model, row)) {
            continue;
        }
        c->executor.leftover_begun = row->order;
        return begin(c, row);
    }
    return 0;
}
