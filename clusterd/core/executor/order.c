/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders on VMs: the agent that carries one out, its parameters, its deadline, and its report.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/model/needed_protocol.h"
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

const char *executor_uri_of(struct core *c, const char *name) {
    const char *at = strstr(c->migrate_uri, "%s");
    if (!at) {
        return c->migrate_uri;
    }
    return outbox_text(&c->out, "%.*s%s%s", (int)(at - c->migrate_uri), c->migrate_uri, name,
                       at + 2);
}

/* The first that was chosen: for this move, for the VM, for all. */
static uint64_t chosen(uint64_t of_move, uint64_t of_vm, uint64_t setting) {
    return of_move ? of_move : of_vm ? of_vm : setting;
}

void executor_live_params(struct core *c, const struct model_vm *vm,
                          const struct model_operation *choices, struct agent_call *call) {
    static const struct model_operation none = {.id = 0};
    const struct model *m = &c->model;
    const struct model_operation *op = choices ? choices : &none;
    uint64_t otherwise = chosen(op->if_not_converging, 0,
                                CONVERGENCE_ABORT + setting_get(m, SETTING_if_not_converging));
    call_add(call, "bandwidth_mbps",
             number(c,
                    chosen(op->bandwidth_mbps, 0, setting_get(m, SETTING_migrate_bandwidth_mbps))));
    call_add(call, "max_downtime_ms",
             number(c, chosen(op->max_downtime_ms, vm->max_downtime_ms,
                              setting_get(m, SETTING_max_downtime_ms))));
    call_add(call, "if_not_converging", convergence_name((uint8_t)otherwise));
    call_add(call, "auto_converge", "1");
}

static void migrate_params(struct core *c, const struct model_vm *vm, struct agent_call *call) {
    const struct model *m = &c->model;
    const char *name = outbox_text(&c->out, "%s", model_node_name(m, vm->target));
    call_add(call, "target", name);
    call_add(call, "target_uri", executor_uri_of(c, name));
    call_add(call, "generation", number(c, vm->move_generation));
    /* The choices only tune the move, so it does no harm if its operation has been forgotten. */
    executor_live_params(c, vm, model_operation_by_id(m, vm->operation), call);
    call_add(call, "shared", vm->volumes.n ? "1" : "0");
}

/* Ends the text, which then belongs to the call. */
static int call_add_lines(struct core *c, struct agent_call *call, const char *key,
                          struct buffer *text) {
    buffer_append(text, "", 1);
    const char *lines =
        text->failed ? NULL : arena_copy(&c->out.arena, text->data, (uint32_t)text->size);
    buffer_finish(text);
    if (!lines) {
        return -ENOMEM;
    }
    call_add(call, key, lines);
    return 0;
}

/* "vda=/path" lines, and which checkpoint. */
static int checkpoint_params(struct core *c, const struct model_journal *row,
                             struct agent_call *call) {
    const struct storage_file *files = row->files.items;
    struct buffer text;
    buffer_init(&text);
    for (uint32_t i = 0; i < row->files.n; i++) {
        buffer_append(&text, files[i].disk, strlen(files[i].disk));
        buffer_append(&text, "=", 1);
        buffer_append(&text, files[i].from, strlen(files[i].from));
        buffer_append(&text, "\n", 1);
    }
    call_add(call, "checkpoint", number(c, row->checkpoint));
    return call_add_lines(c, call, "disks", &text);
}

/* Lines "from<TAB>to", or "from<TAB>to<TAB>format". */
static int files_params(struct core *c, const struct model_vm *vm, struct agent_call *call) {
    const struct model_journal *row = model_journal_of_vm(&c->model, vm->id);
    const struct storage_file *files = row ? row->files.items : NULL;
    struct buffer text;
    if (row && row->kind == JOURNAL_CHECKPOINT) {
        return checkpoint_params(c, row, call);
    }
    buffer_init(&text);
    for (uint32_t i = 0; row && i < row->files.n; i++) {
        buffer_append(&text, files[i].from, strlen(files[i].from));
        buffer_append(&text, "\t", 1);
        buffer_append(&text, files[i].to, strlen(files[i].to));
        if (files[i].format[0]) {
            buffer_append(&text, "\t", 1);
            buffer_append(&text, files[i].format, strlen(files[i].format));
        }
        buffer_append(&text, "\n", 1);
    }
    call_add(call, "move", number(c, row ? row->id : 0));
    if (row && model_journal_is_called_off(&c->model, row)) {
        call_add(call, "cancelled", "1");
    }
    return call_add_lines(c, call, "files", &text);
}

/* The agent of that kind of order; of a probe, also the one that ends a save. */
static int begin_agent(struct core *c, const struct run *run, const struct model_vm *vm,
                       const struct order_spec *spec) {
    enum order_kind kind = run->order_kind;
    uint64_t timeout = order_timeout(c, spec);
    struct agent_call call =
        executor_call(c, run, "vm", spec->action, outbox_text(&c->out, "%s", vm->name));
    if (!call.agent) {
        return -ENOMEM;
    }
    call.agent->timeout_ms = timeout + TIMEOUT_LAST_WORD_MS;
    call.agent->outlives = order_outlives(vm->order);
    call.agent->hears_end = 1;
    call_add(&call, "uuid", outbox_text(&c->out, "%s", vm->uuid));
    call_add(&call, "timeout_ms", number(c, timeout));
    if (kind == ORDER_MIGRATE) {
        migrate_params(c, vm, &call);
        return 0;
    }
    if ((spec->how & ORDER_ON_FILES) && files_params(c, vm, &call) < 0) {
        return -ENOMEM;
    }
    if ((spec->how & ORDER_ON_FILES) && !(spec->how & ORDER_BY_OWNER)) {
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

static int begin_order(struct core *c, const struct model_vm *vm, const struct order_spec *spec) {
    CHECK(replica_usable(&c->replica) && vm->order_node == c->self);
    struct run *run = executor_add_run(c, RUN_ORDER, vm->id);
    if (!run) {
        return -ENOMEM;
    }
    run->order = vm->order_index;
    run->order_kind = (enum order_kind)vm->order;
    const struct model_journal *row = model_journal_of_vm(&c->model, vm->id);
    bool goes_back =
        row && (spec->how & ORDER_ON_FILES) && model_journal_is_called_off(&c->model, row);
    run->operation = goes_back ? 0 : vm->operation; /* its cancelling is what it carries out */
    return begin_agent(c, run, vm, spec);
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
    bool cancels = order_cancels((uint8_t)run->order_kind);
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
    if (!stands || (cancels && unwanted) || in_vain) {
        end_run(c, run, !stands && !cancels);
    }
}

/* What is done to the images that the VM starts from is brought to its end: half of it would keep
 * the VM down. */
static bool is_half_worse(enum order_kind kind) {
    return kind == ORDER_CHECKPOINT || kind == ORDER_REVERT || kind == ORDER_FORGET;
}

bool executor_end_files(struct core *c) {
    bool any = false;
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        struct run *run = &c->executor.runs[i];
        bool files = run->kind == RUN_ORDER && order_on_files((uint8_t)run->order_kind);
        if (files && !order_by_owner((uint8_t)run->order_kind)) {
            if (!is_half_worse((enum order_kind)run->order_kind)) {
                end_run(c, run, false);
            }
            any = true;
        }
    }
    return any;
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

/* It is known now, not only some time ago, that the order stands in this very epoch. An echo, or
 * the next view, comes as a message, and with it a step. */
static bool stands_now(const struct core *c, const struct model_vm *vm) {
    return (vm->order_epoch == c->replica.epoch || MUTANT(epoch_not_compared)) &&
           !replica_disagrees(&c->replica) && /* else this model may be wrong: same_model.c */
           replica_is_current(&c->replica);
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
    if (!spec || vm->order_node != c->self || !stands_now(c, vm)) {
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
    bool writes = order_makes_copy(vm->order) || order_on_files(vm->order);
    if (writes && vm->order_index > c->replica.stored_index) {
        return 0; /* the end of the STORE is an event */
    }
    if ((!fresh && !again) || (probe && !c->executor.connected)) {
        return 0;
    }
    if (probe && again && c->now_ms < begun->probe_ms) {
        executor_wake_at(c, begun->probe_ms);
        return 0;
    }
    if (is_busy(c, vm)) {
        return 0; /* its end is an event, which looks at this again */
    }
    begun->waited = begun->waited && again;
    begun->unanswered = again ? begun->unanswered : 0;
    begun->order = vm->order_index;
    begun->asked_ms = c->now_ms;
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

/* By libvirt's events: the VM left this node to the end, in a state file or (not `saved`) by a
 * migration, and has not run here since. */
static bool has_left(struct core *c, const struct model_vm *vm, bool saved) {
    const struct domain *d = executor_domain(c, vm->uuid);
    return d && d->state == VM_STATE_OFF && d->last_event == VM_EVENT_MIGRATED &&
           (strcmp(d->reason, "saved") == 0) == saved && d->generation == vm->generation;
}

/* libvirt's events come by another way than the answer to the probe, and may be late. */
static bool event_may_come(struct core *c, const struct model_vm *vm) {
    const struct domain *d = executor_domain(c, vm->uuid);
    return d && d->state != VM_STATE_OFF && c->executor.connected && c->executor.listed;
}

/* The VM of an order that ended without a result is off here, on its owner, says the probe. */
static const struct model_vm *found_off(struct core *c, const struct run *run,
                                        const struct core_agent *line, enum order_kind unclear) {
    const struct model_vm *vm = model_vm_by_id(&c->model, run->subject);
    bool off = run->order_kind == ORDER_PROBE && !run->ends_save && line->result == RESULT_OK &&
               line->state == VM_STATE_OFF;
    return off && vm && vm->order_index == run->order && vm->unclear == unclear &&
                   vm->owner == c->self
               ? vm
               : NULL;
}

/* Once: libvirt's event may be on its way. 1: the probe is repeated. */
static int wait_for_event(struct core *c, struct run *run, const struct model_vm *vm) {
    struct begun *begun = executor_begun(c, vm->id);
    if (!begun) {
        return -ENOMEM;
    }
    if (!event_may_come(c, vm) || begun->waited) {
        return 0;
    }
    begun->waited = begun->again = true;
    executor_drop_run(c, run);
    begun->probe_ms = begun->soonest_ms = c->now_ms + TIMEOUT_PROBE_RETRY_MS;
    return 1;
}

/*
 * A live migration whose agent was killed: libvirt carries it to its end, and the guest stands on
 * the target, where nobody has resumed it. Whether its memory there is the newest, only this
 * libvirt knows: the event says whether it gave the source up for the target. A report that comes
 * by itself must not be what makes an update final (report.c), so this waits for model.needs, too.
 */
static int end_migration(struct core *c, struct run *run, const struct core_agent *line,
                         bool *ret_moved_away) {
    const struct model_vm *vm = found_off(c, run, line, ORDER_MIGRATE);
    const struct cmd_vm_report report = {.moved_away = 1};
    if (!vm || !vm->target || version_of_command(COMMAND_VM_REPORT, &report) > c->model.needs) {
        return 0;
    }
    *ret_moved_away = has_left(c, vm, false);
    return *ret_moved_away ? 0 : wait_for_event(c, run, vm);
}

/*
 * A save whose agent was killed has left a complete state that nobody has given its name
 * (resource-agents/vm/save.c). Only this clusterd, which has seen libvirt's event, knows that the
 * guest did not go on. So it lets the agent end the save, before it reports that the VM is off.
 * That begins something: if it is not known now that the probe still stands, it is repeated once
 * that is known, and finds the same. 1: it has begun, or the probe is repeated.
 */
static int end_save(struct core *c, struct run *run, const struct core_agent *line) {
    const struct model_vm *vm = found_off(c, run, line, ORDER_SAVE);
    if (!vm || !vm->state_file[0]) {
        return 0;
    }
    struct begun *begun = executor_begun(c, vm->id);
    if (!begun) {
        return -ENOMEM;
    }
    bool saved = has_left(c, vm, true);
    if (saved && !stands_now(c, vm)) {
        begun->again = true; /* maybe_begin() waits for that */
        executor_drop_run(c, run);
        return 1;
    }
    if (saved) {
        run->ends_save = true;
        run->kill_ms = 0;
        run->killed = false;
        run->id = ++c->executor.last_run;
        return begin_agent(c, run, vm, order_spec(ORDER_SAVE)) < 0 ? -ENOMEM : 1;
    }
    return wait_for_event(c, run, vm);
}

/* An adoption that was given again: whatever stopped its agent, the first one had set the mark. */
static bool has_our_mark(struct core *c, const struct run *run, const struct core_agent *line) {
    const struct model_vm *vm = model_vm_by_id(&c->model, run->subject);
    bool there = line->state == VM_STATE_RUNNING || line->state == VM_STATE_PAUSED;
    return vm && there && line->generation != 0 && line->generation == vm->generation;
}

int executor_order_done(struct core *c, struct run *run, const struct core_agent *line) {
    bool moved_away = false;
    int err = end_save(c, run, line);
    if (err == 0) {
        err = end_migration(c, run, line, &moved_away);
    }
    if (err != 0) {
        return err < 0 ? err : 0;
    }
    const char *why = line->reason ? line->reason : "";
    if (line->not_begun && c->executor.libvirt_away) {
        why =
            outbox_text(&c->out, "libvirt does not answer there (%s)", c->executor.libvirt_reason);
    }
    bool ours = has_our_mark(c, run, line);
    bool adopted = run->order_kind == ORDER_ADOPT && ours;
    /* A release that was given again: the first one may have removed the mark. */
    bool doubt = run->order_kind == ORDER_RELEASE && line->result != RESULT_OK && !ours &&
                 line->state != VM_STATE_OFF;
    struct cmd_vm_report report = {
        .vm = run->subject,
        .order = run->order,
        .node = c->self,
        .incarnation = c->incarnation,
        .result = adopted ? (uint8_t)RESULT_OK : line->result,
        .state = doubt ? (uint8_t)VM_STATE_UNKNOWN : line->state,
        .blackout_ms = line->blackout_ms,
        .total_ms = line->total_ms,
        .state_lost = run->order_kind == ORDER_RESTORE && line->state_lost,
        .handed_over = run->order_kind == ORDER_MIGRATE && line->handed_over,
        .moved_away = moved_away,
        .not_begun = (line->not_begun && !adopted) ||
                     (MUTANT(unclear_is_unbegun) && run->order_kind == ORDER_START &&
                      line->state == VM_STATE_UNKNOWN),
        .reason = outbox_text(&c->out, "%s", why),
        .refused = line->result == RESULT_FAILED && line->refused,
        .machine =
            outbox_text(&c->out, "%.*s", (int)WIRE_MAX_NAME, line->machine ? line->machine : ""),
        MOVE_FIGURES(FIGURE_OF, line)};
    executor_note_machine(c, line->machine);
    bool probe = run->order_kind == ORDER_PROBE, ends_save = run->ends_save;
    uint32_t vm = run->subject;
    executor_drop_run(c, run);
    if (line->result == RESULT_OK && line->state != VM_STATE_UNKNOWN) {
        executor_probe_soon(c, 0); /* libvirt answers: perhaps it can say more of others, too */
    }
    if (probe && (line->state == VM_STATE_UNKNOWN || (line->result != RESULT_OK && !ends_save))) {
        /*
         * Not a final answer. A state reported while a libvirt job (a migration) is still running
         * is not final either. Keep the order and probe again once libvirt is reachable.
         */
        struct begun *begun = executor_begun(c, vm);
        if (!begun) {
            return -ENOMEM;
        }
        executor_probe_unanswered(c, begun, report.reason);
        return 0;
    }
    return pending_propose(c, PENDING_REPORT, COMMAND_VM_REPORT, &report);
}
