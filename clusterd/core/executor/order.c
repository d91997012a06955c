/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders on VMs: the agent that carries one out, its parameters, its deadline, and its report.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t order_timeout(const struct core *c, const struct order_spec *spec) {
    uint64_t grace =
        spec->how & ORDER_WITH_GRACE ? setting_get(&c->model, SETTING_stop_grace_ms) : 0;
    return grace + setting_get(&c->model, (enum setting_id)spec->deadline);
}

static const char *number(struct core *c, uint64_t v) {
    return outbox_text(&c->out, "%llu", (unsigned long long)v);
}

/* "qemu+tcp://%s/system" with the target's name. */
static const char *target_uri(struct core *c, const char *name) {
    const char *at = strstr(c->migrate_uri, "%s");
    if (!at) {
        return c->migrate_uri;
    }
    return outbox_text(&c->out, "%.*s%s%s", (int)(at - c->migrate_uri), c->migrate_uri, name,
                       at + 2);
}

static void migrate_params(struct core *c, const struct model_vm *vm, struct agent_call *call) {
    const struct model *m = &c->model;
    const char *name = outbox_text(&c->out, "%s", model_node_name(m, vm->target));
    call_add(call, "target", name);
    call_add(call, "target_uri", target_uri(c, name));
    call_add(call, "generation", number(c, vm->move_generation));
    call_add(call, "bandwidth_mbps", number(c, setting_get(m, SETTING_migrate_bandwidth_mbps)));
    call_add(call, "max_downtime_ms", number(c, setting_get(m, SETTING_max_downtime_ms)));
    call_add(call, "auto_converge", "1");
    call_add(call, "shared", vm->volumes.n ? "1" : "0");
}

static int begin_order(struct core *c, const struct model_vm *vm, const struct order_spec *spec) {
    CHECK(replica_usable(&c->replica) && vm->order_node == c->self);
    struct run *run = executor_add_run(c, RUN_ORDER, vm->id);
    if (!run) {
        return -ENOMEM;
    }
    enum order_kind kind = (enum order_kind)vm->order;
    run->order = vm->order_index;
    run->order_kind = kind;
    run->operation = vm->operation;
    uint64_t timeout = order_timeout(c, spec);
    struct agent_call call =
        executor_call(c, run, "vm", spec->action, outbox_text(&c->out, "%s", vm->name));
    if (!call.agent) {
        return -ENOMEM;
    }
    call.agent->timeout_ms = timeout + TIMEOUT_LAST_WORD_MS;
    call.agent->outlives = order_is_a_move(vm->order);
    call_add(&call, "uuid", outbox_text(&c->out, "%s", vm->uuid));
    call_add(&call, "timeout_ms", number(c, timeout));
    if (kind == ORDER_MIGRATE) {
        migrate_params(c, vm, &call);
        return 0;
    }
    bool arrived = MUTANT(arrival_resumed) && kind == ORDER_RESUME && vm->target == c->self;
    call_add(&call, "generation", number(c, arrived ? vm->move_generation : vm->generation));
    if (spec->how & ORDER_WITH_DEFINITION) {
        call.agent->input = arena_strdup(&c->out.arena, vm->xml);
        if (!call.agent->input) {
            return -ENOMEM;
        }
    }
    if (spec->how & ORDER_WITH_STATE_FILE) {
        call_add(&call, "state_file", outbox_text(&c->out, "%s", vm->state_file));
    }
    if (spec->how & ORDER_WITH_GRACE) {
        call_add(&call, "grace_ms", number(c, setting_get(&c->model, SETTING_stop_grace_ms)));
    }
    if (spec->how & ORDER_WITH_WAIT_JOB) {
        call_add(&call, "wait_job", "1");
    }
    return 0;
}

/* Asks the agent to end. An agent that does not is killed. */
static void end_run(struct core *c, struct run *run, bool force) {
    bool asked = run->kill_ms != 0;
    if (asked && (run->killed || c->now_ms < run->kill_ms)) {
        executor_wake_at(c, run->killed ? UINT64_MAX : run->kill_ms);
        return;
    }
    run->kill_ms = c->now_ms + TIMEOUT_CANCEL_MS;
    run->killed = asked || force;
    struct core_action *action = outbox_add(&c->out, CORE_ACTION_KILL_AGENT);
    action->kill_agent = (struct core_kill_agent){.run = run->id, .force = run->killed};
    executor_wake_at(c, run->killed ? UINT64_MAX : run->kill_ms);
}

/* An agent whose result nobody waits for, or wants, must not go on. */
static void end_if_void(struct core *c, struct run *run) {
    const struct model_vm *vm = model_vm_by_id(&c->model, run->subject);
    const struct model_operation *op =
        run->operation ? model_operation_by_id(&c->model, run->operation) : NULL;
    bool stands = vm && vm->order != ORDER_NONE && vm->order_index == run->order;
    bool moves = order_is_a_move((uint8_t)run->order_kind);
    bool unwanted = op && (op->cancelled || op->state == OPERATION_CANCELLED);
    if (vm && run->order_kind == ORDER_MIGRATE) {
        const struct model_node *target = model_node_by_id(&c->model, vm->target);
        unwanted =
            unwanted || (target && (target->state == NODE_LOST || target->state == NODE_FENCING));
    }
    /* If libvirt has the start and hangs, nothing will be heard of it: libvirt is asked when it
     * answers again, or the node is off. If libvirt does not have it, the agent says so when it is
     * asked to end. */
    bool in_vain = order_makes_copy((uint8_t)run->order_kind) && c->executor.libvirt_away;
    if (!stands || (moves && unwanted) || in_vain) {
        end_run(c, run, !stands && !moves);
    }
}

/* An agent of an earlier order on the VM is still there. It must end first, or what is found now
 * would not stay true for long. */
static bool is_busy(const struct core *c, const struct model_vm *vm) {
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        const struct run *run = &c->executor.runs[i];
        bool order = run->kind == RUN_ORDER && run->subject == vm->id;
        bool kill = run->kind == RUN_KILL && strcmp(run->uuid, vm->uuid) == 0;
        if (order || kill) {
            return true;
        }
    }
    return false;
}

/*
 * An order is begun if it stands in this very epoch, names this node, came after this clusterd was
 * online, and was not begun before; and if we know that all of this was so a moment ago. A clusterd
 * that lags behind may be working through orders from before it was given up (timeouts.h). An order
 * that makes a copy is begun only when it is also on this node's own disk: the next clusterd must
 * know that libvirt may be at work, or it would count its node as idle.
 */
static int maybe_begin(struct core *c, const struct model_vm *vm, const struct model_node *self) {
    const struct order_spec *spec = order_spec(vm->order);
    if (!spec || vm->order_node != c->self ||
        (vm->order_epoch != c->replica.epoch && !MUTANT(epoch_not_compared))) {
        return 0;
    }
    struct begun *begun = executor_begun(c, vm->id);
    if (!begun) {
        return -ENOMEM;
    }
    bool probe = vm->order == ORDER_PROBE;
    bool again = begun->again && begun->order == vm->order_index;
    bool fresh = vm->order_index > begun->order &&
                 (vm->order_index > self->since_index || MUTANT(start_repeated));
    if (order_makes_copy(vm->order) && vm->order_index > c->replica.stored_index) {
        return 0; /* the end of the STORE is an event */
    }
    if (replica_disagrees(&c->replica)) {
        return 0; /* this node's model may be the wrong one; see replica/same_model.c */
    }
    if (!replica_is_current(&c->replica)) {
        return 0; /* the next echo comes as a message, and with it a step */
    }
    if ((!fresh && !again) || (probe && !c->executor.connected)) {
        return 0;
    }
    if (probe && c->now_ms < c->executor.probe_retry_ms) {
        executor_wake_at(c, c->executor.probe_retry_ms);
        return 0;
    }
    if (is_busy(c, vm)) {
        return 0; /* its end is an event, which looks at this again */
    }
    begun->order = vm->order_index;
    begun->again = false;
    return begin_order(c, vm, spec);
}

int executor_orders(struct core *c) {
    const struct model_node *self = core_self(c);
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        if (c->executor.runs[i].kind == RUN_ORDER) {
            end_if_void(c, &c->executor.runs[i]);
        }
    }
    if (!self || self->state != NODE_ONLINE || self->incarnation != c->incarnation) {
        return 0;
    }
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        int err = maybe_begin(c, vm, self);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

int executor_order_done(struct core *c, struct run *run, const struct core_agent *line) {
    const char *why = line->reason ? line->reason : "";
    if (line->not_begun && c->executor.libvirt_away) {
        why =
            outbox_text(&c->out, "libvirt does not answer there (%s)", c->executor.libvirt_reason);
    }
    struct cmd_vm_report report = {
        .vm = run->subject,
        .order = run->order,
        .node = c->self,
        .incarnation = c->incarnation,
        .result = line->result,
        .state = line->state,
        .blackout_ms = line->blackout_ms,
        .total_ms = line->total_ms,
        .state_lost = run->order_kind == ORDER_RESTORE && line->state_lost,
        .handed_over = run->order_kind == ORDER_MIGRATE && line->handed_over,
        .not_begun =
            line->not_begun || (MUTANT(unclear_is_unbegun) && run->order_kind == ORDER_START &&
                                line->state == VM_STATE_UNKNOWN),
        .reason = outbox_text(&c->out, "%s", why),
        .refused = line->result == RESULT_FAILED && line->refused,
        .machine =
            outbox_text(&c->out, "%.*s", (int)WIRE_MAX_NAME, line->machine ? line->machine : ""),
    };
    executor_note_machine(c, line->machine);
    bool probe = run->order_kind == ORDER_PROBE;
    uint32_t vm = run->subject;
    executor_drop_run(c, run);
    if (probe && (line->state == VM_STATE_UNKNOWN || line->result != RESULT_OK)) {
        /*
         * Not a final answer. A state reported while a libvirt job (a migration) is still running
         * is not final either. Keep the order and probe again once libvirt is reachable.
         */
        outbox_log(&c->out, SEVERITY_WARNING, "libvirt cannot say yet whether VM %u runs here: %s",
                   vm, report.reason);
        struct begun *begun = executor_begun(c, vm);
        if (!begun) {
            return -ENOMEM;
        }
        begun->again = true;
        c->executor.probe_retry_ms = c->now_ms + TIMEOUT_PROBE_RETRY_MS;
        return 0;
    }
    return pending_propose(c, PENDING_REPORT, COMMAND_VM_REPORT, &report, 0);
}
