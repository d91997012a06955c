/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders of the coordinator and what the nodes report: here, and nowhere else, a VM's owner
 * changes.
 *
 * An order names the VM's generation and serial as the coordinator saw them: whatever was committed
 * in between makes it void. A report names the order: only the report of the order that stands
 * counts, and only of the clusterd that is the node's member now.
 */
#include "base/mutant.h"
#include "core/apply/apply.h"
#include "core/apply/resolve.h"
#include "core/model/rules.h"

#include <stdio.h>
#include <string.h>

static bool takes_vms(const struct model *m, uint32_t id) {
    const struct model_node *node = model_node_by_id(m, id);
    return node && node->state == NODE_ONLINE && node->libvirt[0] == '\0' &&
           ids_contain(&m->members, id);
}

static bool is_member(const struct model *m, uint32_t id) {
    return ids_contain(&m->members, id);
}

/* Where a copy of the VM would be made by the order; 0: none is. */
static uint32_t copy_on(const struct cmd_vm_order *o) {
    switch ((enum order_kind)o->kind) {
    case ORDER_START:
    case ORDER_RESTORE: return o->node;
    case ORDER_MIGRATE:
    case ORDER_SAVE: return o->target;
    case ORDER_NONE:
    case ORDER_STOP:
    case ORDER_DESTROY:
    case ORDER_PROBE:
    case ORDER_RESUME: break;
    }
    return 0;
}

/* Whether the order fits the VM's state: the transition table of enum vm_state's drawing. */
bool order_fits(const struct model *m, const struct model_vm *vm, const struct cmd_vm_order *o) {
    uint32_t to = copy_on(o);
    if (vm->order != ORDER_NONE || (to && rules_forbid(m, vm, to))) {
        return false;
    }
    bool by_owner = o->node == vm->owner && is_member(m, o->node);
    struct resolve_step step = resolve_next(vm);
    switch ((enum order_kind)o->kind) {
    case ORDER_START:
        return vm->state == VM_OFF && vm->wanted == WANTED_RUNNING && takes_vms(m, o->node) &&
               (vm->unasked.n == 0 || MUTANT(added_unasked)) &&
               (vm->foreign.n == 0 || MUTANT(foreign_unheard)) &&
               (vm->other_disks[0] == '\0' || MUTANT(older_disks));
    case ORDER_RESTORE: return vm->state == VM_SAVED && takes_vms(m, o->node);
    case ORDER_STOP: return vm->state == VM_RUNNING && by_owner;
    case ORDER_MIGRATE:
    case ORDER_SAVE:
        return vm->state == VM_RUNNING && by_owner && takes_vms(m, o->target) &&
               o->target != vm->owner;
    case ORDER_PROBE:
    case ORDER_RESUME:
        return vm->state == VM_RESOLVING && step.kind == o->kind && step.node == o->node &&
               is_member(m, o->node);
    case ORDER_DESTROY:
        return (vm->state == VM_RUNNING && by_owner) ||
               (vm->state == VM_RESOLVING && step.kind == o->kind && step.node == o->node &&
                is_member(m, o->node));
    case ORDER_NONE: break;
    }
    return false;
}

static void set_state_file(struct apply *a, struct model_vm *vm) {
    const struct model_volume *volume =
        vm->volumes.n ? model_volume_by_name(a->m, vm->volumes.v[0]) : NULL;
    char path[WIRE_MAX_PATH + 1] = "";
    if (volume) {
        int n = snprintf(path, sizeof(path), "%s/.clusterd/%s.%llu.saved", volume->path, vm->uuid,
                         (unsigned long long)vm->generation);
        if (n < 0 || (size_t)n >= sizeof(path)) {
            path[0] = '\0';
        }
    }
    set_text(a, &vm->state_file, path);
}

static void order_operation(struct apply *a, struct model_vm *vm, const struct cmd_vm_order *o) {
    struct model_operation *op = o->operation ? model_operation_by_id(a->m, o->operation) : NULL;
    if (!op || op->state != OPERATION_RUNNING) {
        return;
    }
    struct operation_vm *row = operation_vm_find(op, vm->id);
    if (!row) {
        row = operation_vm_add(a, op, vm);
    }
    if (!row) {
        return;
    }
    vm->operation = op->id;
    row->state = OPERATION_RUNNING;
    row->attempts++;
    row->to = o->target ? o->target : o->node;
    row->mode = o->kind == ORDER_MIGRATE ? MOVE_LIVE
                : o->kind == ORDER_SAVE  ? MOVE_QUICK
                                         : row->mode;
    operation_changed(a, op);
}

/* The state that an order puts its VM into; RESOLVING stays. */
static void enter_ordered_state(struct apply *a, struct model_vm *vm,
                                const struct cmd_vm_order *o) {
    switch ((enum order_kind)o->kind) {
    case ORDER_START:
    case ORDER_RESTORE:
        vm->owner = o->node;
        vm->generation = a->index;
        vm_set_state(a, vm, o->kind == ORDER_START ? VM_STARTING : VM_RESTORING);
        if (o->reason[0] && vm->reason[0] == '\0') {
            set_text(a, &vm->reason, o->reason); /* why it goes back, where nothing was tried */
        }
        break;
    case ORDER_MIGRATE:
        vm->target = o->target;
        vm->move_generation = a->index;
        vm_set_state(a, vm, VM_MIGRATING);
        break;
    case ORDER_SAVE:
        set_state_file(a, vm);
        vm->restore_node = o->target;
        vm->saved_on = vm->owner;
        vm_set_state(a, vm, VM_SAVING);
        break;
    case ORDER_STOP: vm_set_state(a, vm, VM_STOPPING); break;
    case ORDER_DESTROY:
        if (vm->state == VM_RUNNING) {
            vm_set_state(a, vm, VM_STOPPING);
        }
        break;
    case ORDER_PROBE:
    case ORDER_RESUME:
    case ORDER_NONE: break;
    }
}

void apply_vm_order(struct apply *a, const void *command) {
    const struct cmd_vm_order *o = command;
    struct model_vm *vm = model_vm_by_id(a->m, o->vm);
    if (!vm || a->origin != model_coordinator(a->m) ||
        (vm->generation != o->generation && !MUTANT(older_picture)) ||
        (vm->serial != o->serial && !MUTANT(older_picture)) ||
        (!order_fits(a->m, vm, o) && !MUTANT(older_picture))) {
        apply_refuse(a, REPLY_REFUSED, "order on an older picture", "");
        return;
    }
    enter_ordered_state(a, vm, o);
    if (o->kind == ORDER_SAVE && vm->state_file[0] == '\0') {
        vm_set_running(a, vm, vm->owner);
        operation_vm_end(a, vm, OPERATION_FAILED,
                         "a quick migration needs a volume to save the VM's memory on");
        return;
    }
    vm->order = o->kind;
    vm->order_index = a->index;
    vm->order_epoch = a->epoch;
    vm->order_node = o->node;
    vm_touch(a, vm);
    order_operation(a, vm, o);
    apply_event(a, SEVERITY_INFO, "vm-order", vm->name, "%s: %s on %s%s%s%s%s", vm->name,
                order_kind_name(o->kind), model_node_name(a->m, o->node), o->target ? " to " : "",
                o->target ? model_node_name(a->m, o->target) : "", o->reason[0] ? ": " : "",
                o->reason);
}

void apply_vm_renew(struct apply *a, const void *command) {
    const struct cmd_vm_renew *renew = command;
    struct model_vm *vm = model_vm_by_id(a->m, renew->vm);
    if (!vm || vm->order == ORDER_NONE || vm->order_index != renew->order) {
        apply_refuse(a, REPLY_REFUSED, "the order does not stand any more", "");
        return;
    }
    vm->order_epoch = a->epoch;
    vm_touch(a, vm);
}

/* ------------------------------------------------------------------------------- reports ---- */

/* Its agent was killed at its deadline, or could not find out how it ended: that is told, and
 * libvirt is asked. */
static void end_in_doubt(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    apply_event(a, SEVERITY_WARNING, "vm-unclear", vm->name, "%s of %s on %s ended unclear%s%s",
                order_kind_name(vm->order), vm->name, model_node_name(a->m, r->node),
                r->reason[0] ? ": " : "", r->reason);
    if (row) {
        set_text(a, &row->reason, r->reason);
    }
    vm_set_unclear(a, vm,
                   outbox_text(a->out, "%s on %s ended unclear: %s", order_kind_name(vm->order),
                               model_node_name(a->m, r->node),
                               r->reason[0] ? r->reason : "nothing was said"));
}

/* A quick move may end on another node than was asked for, when that one could not restore the VM,
 * and one of a drain where it began: then it was not done. `why`: what went wrong on the way. */
static void end_started(struct apply *a, struct model_vm *vm, const char *why) {
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    bool back = op && op->kind == OPERATION_DRAIN && op->node == vm->owner;
    bool elsewhere = op && op->kind == OPERATION_MOVE && op->node != 0 && op->node != vm->owner;
    const char *here = model_node_name(a->m, vm->owner);
    const char *reason = "";
    if (back) {
        reason = outbox_text(a->out, "it could not be restored elsewhere, and runs on %s again%s%s",
                             here, why[0] ? ": " : "", why);
    } else if (elsewhere) {
        reason = outbox_text(a->out, "it could not be restored on %s, and runs on %s%s%s",
                             model_node_name(a->m, op->node), here, why[0] ? ": " : "", why);
    }
    operation_vm_step(a, vm, back || elsewhere ? OPERATION_FAILED : OPERATION_DONE, reason);
}

/* Who was to take it never will: its operation tries another node, or leaves it where it is. */
static void note_refusal(struct apply *a, struct model_vm *vm, uint32_t node) {
    struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    if (row) {
        add_id(a, &row->refused, node);
    }
}

static void start_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->state == VM_STATE_RUNNING && r->result == RESULT_OK) {
        const char *why = outbox_text(a->out, "%s", vm->reason);
        if (vm->state == VM_STARTING) {
            set_text(a, &vm->machine_running, r->machine);
        }
        vm_set_running(a, vm, vm->owner);
        apply_event(a, SEVERITY_INFO, "vm-started", vm->name, "%s runs on %s (after %llu ms)",
                    vm->name, model_node_name(a->m, vm->owner), (unsigned long long)r->total_ms);
        end_started(a, vm, why);
        return;
    }
    if (r->state != VM_STATE_OFF) {
        end_in_doubt(a, vm, r);
        if (r->state == VM_STATE_RUNNING) {
            vm->probe_owner = VM_STATE_INCOMING; /* a copy of another generation: to be destroyed */
        }
        return;
    }
    apply_event(a, SEVERITY_ERROR, "vm-start-failed", vm->name, "%s did not start on %s: %s",
                vm->name, model_node_name(a->m, vm->owner), r->reason);
    add_id(a, &vm->avoid, vm->owner);
    if (r->refused) {
        note_refusal(a, vm, vm->owner);
    }
    if (vm->state == VM_STARTING) {
        vm_set_off(a, vm, r->reason);
        return;
    }
    if (r->state_lost) {
        apply_event(a, SEVERITY_ERROR, "vm-state-lost", vm->name,
                    "the saved memory of %s cannot be used: it starts afresh, as after a power cut",
                    vm->name);
        set_ids(a, &vm->avoid, NULL, 0);
        vm_set_off(a, vm, r->reason);
        return;
    }
    if (vm->wanted == WANTED_STOPPED) { /* asked for while it was being restored */
        vm_set_off(a, vm, "stopped while it was saved; its memory was thrown away");
        return;
    }
    /* The saved state is still there: another node may be able to read it. */
    vm_clear_order(a, vm);
    vm->restore_node = 0;
    set_text(a, &vm->reason, r->reason);
    vm_set_state(a, vm, VM_SAVED);
}

static void stop_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->state == VM_STATE_OFF) {
        apply_event(a, SEVERITY_INFO, "vm-stopped", vm->name, "%s was stopped on %s", vm->name,
                    model_node_name(a->m, vm->owner));
        vm_set_off(a, vm, "");
        return;
    }
    if (r->state != VM_STATE_RUNNING) {
        end_in_doubt(a, vm, r);
        return;
    }
    apply_event(a, SEVERITY_ERROR, "vm-stop-failed", vm->name, "%s could not be stopped: %s",
                vm->name, r->reason);
    vm_set_running(a, vm, vm->owner);
    set_text(a, &vm->reason, r->reason);
    operation_vm_end(a, vm, OPERATION_FAILED, r->reason);
    vm->wanted =
        WANTED_RUNNING; /* or it would be tried for ever; the administrator has been told */
}

static void note_blackout(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    if (row) {
        row->blackout_ms += r->blackout_ms;
        row->total_ms += r->total_ms;
    }
}

static void move_failed(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    /* Its node may have taken it back by itself, when the target was lost: that is a failure. */
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    bool by_itself = op && !op->cancelled && op->kind != OPERATION_STOP;
    bool cancelled = r->result == RESULT_CANCELLED && !by_itself;
    apply_event(a, cancelled ? SEVERITY_INFO : SEVERITY_WARNING, "vm-move-failed", vm->name,
                "%s stays on %s: %s", vm->name, model_node_name(a->m, vm->owner), r->reason);
    if (r->refused && vm->target) {
        note_refusal(a, vm, vm->target);
    }
    vm_set_running(a, vm, vm->owner);
    operation_vm_step(a, vm, cancelled ? OPERATION_CANCELLED : OPERATION_FAILED, r->reason);
}

/* The agent knows that the source is gone and that the target's copy may go on, and could not tell
 * it so: the target is the owner now, and is asked. */
static void take_over(struct apply *a, struct model_vm *vm) {
    vm_remember_return(a, vm);
    vm->owner = vm->target;
    vm->generation = vm->move_generation;
    vm->target = 0;
    vm_touch(a, vm);
}

static void migrate_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->result == RESULT_OK && r->state == VM_STATE_OFF) {
        uint32_t from = vm->owner;
        note_blackout(a, vm, r);
        vm_remember_return(a, vm);
        vm_set_running(a, vm, vm->target);
        apply_event(a, SEVERITY_INFO, "vm-moved", vm->name,
                    "%s moved live from %s to %s in %llu ms, blackout %llu ms", vm->name,
                    model_node_name(a->m, from), model_node_name(a->m, vm->owner),
                    (unsigned long long)r->total_ms, (unsigned long long)r->blackout_ms);
        operation_vm_step(a, vm, OPERATION_DONE, "");
    } else if (r->result != RESULT_OK && r->state == VM_STATE_RUNNING) {
        move_failed(a, vm, r);
    } else {
        end_in_doubt(a, vm, r);
        if (r->handed_over && r->state == VM_STATE_OFF) {
            take_over(a, vm);
        }
    }
}

static void save_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->result == RESULT_OK && r->state == VM_STATE_OFF) {
        note_blackout(a, vm, r);
        vm_remember_return(a, vm);
        if (vm->wanted == WANTED_STOPPED) {
            vm_set_off(a, vm, "stopped while it was being saved; its memory was thrown away");
            return;
        }
        vm_clear_order(a, vm);
        vm_set_state(a, vm, VM_SAVED);
        apply_event(a, SEVERITY_INFO, "vm-saved", vm->name, "%s was saved on %s in %llu ms",
                    vm->name, model_node_name(a->m, vm->owner), (unsigned long long)r->total_ms);
    } else if (r->result != RESULT_OK && r->state == VM_STATE_RUNNING) {
        move_failed(a, vm, r);
    } else {
        end_in_doubt(a, vm, r);
    }
}

static void restore_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->state == VM_STATE_RUNNING) {
        note_blackout(a, vm, r);
    }
    start_reported(a, vm, r);
}

static void probe_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    uint32_t node = vm->order_node;
    vm_clear_order(a, vm);
    if (node == vm->owner) {
        vm->probe_owner = r->state;
    } else if (node == vm->target) {
        vm->probe_target = r->state;
    }
    if (r->state == VM_STATE_UNKNOWN) {
        set_text(a, &vm->reason, r->reason);
    }
    vm_resolve(a, vm);
}

static void resume_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    uint8_t *probe = r->node == vm->owner ? &vm->probe_owner : &vm->probe_target;
    vm_clear_order(a, vm);
    if (r->result == RESULT_OK && r->state == VM_STATE_PAUSED) {
        /* It went on, and stood still again at once: its storage is not there, say. That is what
         * `paused` of a running VM means; ordered anew, it would be the same without end. */
        *probe = VM_STATE_RUNNING;
        vm_resolve(a, vm);
        vm->paused = vm->state == VM_RUNNING;
        return;
    }
    /* UNKNOWN asks again. One that cannot be resumed never will be: it is destroyed, and starts
     * anew. */
    bool hopeless = r->result == RESULT_FAILED && r->state == VM_STATE_PAUSED;
    *probe = hopeless ? (uint8_t)VM_STATE_INCOMING : r->state;
    vm_resolve(a, vm);
}

/* An order that was never begun has left the VM as it was. */
static struct cmd_vm_report unchanged(const struct model_vm *vm, const struct cmd_vm_report *r) {
    struct cmd_vm_report report = *r;
    report.result = r->result == RESULT_CANCELLED ? RESULT_CANCELLED : RESULT_FAILED;
    switch ((enum order_kind)vm->order) {
    case ORDER_START:
    case ORDER_RESTORE: report.state = VM_STATE_OFF; break;
    case ORDER_MIGRATE:
    case ORDER_SAVE: report.state = VM_STATE_RUNNING; break;
    case ORDER_STOP:
    case ORDER_DESTROY:
    case ORDER_PROBE:
    case ORDER_RESUME:
    case ORDER_NONE: break;
    }
    return report;
}

void apply_vm_report(struct apply *a, const void *command) {
    const struct cmd_vm_report *r = command;
    struct model_vm *vm = model_vm_by_id(a->m, r->vm);
    const struct model_node *node = model_node_by_id(a->m, r->node);
    if (!vm || !node || vm->order == ORDER_NONE || vm->order_index != r->order ||
        vm->order_node != r->node || node->incarnation != r->incarnation) {
        apply_refuse(a, REPLY_REFUSED, "report on an order that does not stand any more", "");
        return;
    }
    struct cmd_vm_report as_before;
    if (r->not_begun) {
        as_before = unchanged(vm, r);
        r = &as_before;
    }
    switch ((enum order_kind)vm->order) {
    case ORDER_START: start_reported(a, vm, r); break;
    case ORDER_RESTORE: restore_reported(a, vm, r); break;
    case ORDER_STOP: stop_reported(a, vm, r); break;
    case ORDER_DESTROY:
        if (vm->state == VM_STOPPING) {
            stop_reported(a, vm, r);
        } else {
            probe_reported(a, vm, r);
        }
        break;
    case ORDER_MIGRATE: migrate_reported(a, vm, r); break;
    case ORDER_SAVE: save_reported(a, vm, r); break;
    case ORDER_PROBE: probe_reported(a, vm, r); break;
    case ORDER_RESUME: resume_reported(a, vm, r); break;
    case ORDER_NONE: break;
    }
}

/* --------------------------------------------------------------------------- what happens without
 * an order ---- */

static void vm_died(struct apply *a, struct model_vm *vm, const char *kind, const char *how,
                    const char *reason) {
    apply_event(a, SEVERITY_ERROR, kind, vm->name, "%s %s on %s%s%s", vm->name, how,
                model_node_name(a->m, vm->owner), reason[0] ? ": " : "", reason);
    vm_count_failure(a, vm, vm->owner);
    vm_set_off(a, vm, reason);
}

void apply_vm_event(struct apply *a, const void *command) {
    const struct cmd_vm_event *e = command;
    struct model_vm *vm = model_vm_by_id(a->m, e->vm);
    const struct model_node *node = model_node_by_id(a->m, e->node);
    if (!vm || !node || vm->state != VM_RUNNING || vm->owner != e->node ||
        vm->generation != e->generation || node->incarnation != e->incarnation) {
        apply_refuse(a, REPLY_REFUSED, "event of a copy that is not the present one", "");
        return;
    }
    switch ((enum agent_event)e->kind) {
    case VM_EVENT_CRASHED: vm_died(a, vm, "vm-crashed", "crashed", e->reason); break;
    case VM_EVENT_STOPPED:
        vm_died(a, vm, "vm-destroyed", "was destroyed by somebody else than clusterd", e->reason);
        break;
    case VM_EVENT_SURRENDERED:
        apply_event(a, SEVERITY_WARNING, "vm-surrendered", vm->name,
                    "%s was destroyed on %s by clusterd, which had no usable view there", vm->name,
                    node->name);
        vm_set_lost(a, vm, "its node was cut off from the cluster and destroyed it");
        break;
    case VM_EVENT_SHUTDOWN:
        vm->wanted = WANTED_STOPPED;
        apply_event(a, SEVERITY_INFO, "vm-shutdown", vm->name,
                    "the guest of %s shut itself down on %s: it stays off", vm->name, node->name);
        vm_set_off(a, vm, "the guest shut itself down; clusterctl vm start runs it again");
        break;
    case VM_EVENT_MIGRATED:
        /* Where to, nobody told us: not to be started again by a machine. */
        vm->wanted = WANTED_STOPPED;
        apply_event(a, SEVERITY_ERROR, "vm-taken", vm->name,
                    "%s was migrated or saved on %s by somebody else than clusterd", vm->name,
                    node->name);
        vm_set_off(a, vm,
                   "migrated or saved by somebody else than clusterd: make sure that it runs "
                   "nowhere, then clusterctl vm start");
        break;
    case VM_EVENT_PAUSED:
    case VM_EVENT_RESUMED:
        vm->paused = e->kind == VM_EVENT_PAUSED;
        set_text(a, &vm->reason, vm->paused ? e->reason : "");
        vm_touch(a, vm);
        apply_event(a, vm->paused ? SEVERITY_WARNING : SEVERITY_INFO,
                    vm->paused ? "vm-paused" : "vm-resumed", vm->name, "%s %s on %s%s%s", vm->name,
                    vm->paused ? "stands still" : "goes on", node->name, e->reason[0] ? ": " : "",
                    e->reason);
        break;
    case VM_EVENT_DISKS: vm_set_disks(a, vm, e->reason); break;
    case VM_EVENT_STARTED:
    case VM_EVENT_NONE: break;
    }
}
