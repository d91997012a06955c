/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders of the coordinator. vm_report.c handles the reports of how they end.
 *
 * An order names the VM's generation and serial as the coordinator saw them. Any change that was
 * committed in between makes the order void.
 */
#include "base/mutant.h"
#include "core/apply/inside.h"
#include "core/apply/storage.h"
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

/* What forbids a start, besides the VM's state. */
static bool may_be_started(const struct model *m, const struct model_vm *vm) {
    return vm->wanted == WANTED_RUNNING && (vm->unasked.n == 0 || MUTANT(added_unasked)) &&
           (vm->foreign.n == 0 || MUTANT(foreign_unheard)) &&
           (vm->other_disks[0] == '\0' || MUTANT(older_disks)) &&
           (!model_vm_is_reverting(m, vm) || MUTANT(start_while_reverting));
}

/* A drain shuts a VM down that is to run: it must still stand, or nobody would start the VM
 * again. */
static bool is_shut_down(const struct model_vm *vm, const struct cmd_vm_order *o) {
    return o->kind == ORDER_STOP && o->target == 0 && vm->state == VM_RUNNING &&
           vm->wanted == WANTED_RUNNING && vm->move_policy == MOVE_POLICY_SHUT_DOWN;
}

/* A VM is stopped to be started at the target: by a drain that still stands, or to return. */
static bool may_be_stopped(const struct model *m, const struct model_vm *vm,
                           const struct cmd_vm_order *o) {
    const struct model_node *node = model_node_by_id(m, o->node);
    bool drained = node && node->service == SERVICE_DRAINING;
    if (o->kind == ORDER_STOP && o->target) {
        return vm->wanted == WANTED_RUNNING && vm->move_policy == MOVE_POLICY_RESTART &&
               (drained || vm->return_to == o->target) && takes_vms(m, o->target);
    }
    return drained || !is_shut_down(vm, o);
}

/* Whether the order fits the VM's state: the drawing of enum vm_state as a transition table. */
bool order_fits(const struct model *m, const struct model_vm *vm, const struct cmd_vm_order *o) {
    const struct order_spec *spec = order_spec(o->kind);
    if (!spec || vm->order != ORDER_NONE) {
        return false;
    }
    if (vm->state == VM_RESOLVING) {
        struct resolve_step step = resolve_next(vm);
        return step.kind == o->kind && step.node == o->node && is_member(m, o->node);
    }
    uint32_t to = spec->copy == COPY_ON_NODE     ? o->node
                  : spec->copy == COPY_ON_TARGET ? o->target
                                                 : 0;
    if (spec->how & ORDER_ON_FILES) {
        bool right = !(spec->how & ORDER_BY_OWNER) || o->node == vm->owner;
        return right && storage_next(m, vm) == (enum order_kind)o->kind && is_member(m, o->node) &&
               checkpoint_may_be_with(m, vm, o->node);
    }
    bool by_owner = o->node == vm->owner && is_member(m, o->node);
    if (vm->state != spec->from || (spec->copy != COPY_ON_NODE && !by_owner)) {
        return false;
    }
    bool forbidden = o->kind != ORDER_ADOPT && rules_forbid(m, vm, to); /* it is there already */
    if (spec->copy != COPY_NOWHERE && (!takes_vms(m, to) || forbidden)) {
        return false;
    }
    /* One that is to be stopped is not moved: its stop would lose its operation. */
    bool may_leave = to != vm->owner && vm->wanted == WANTED_RUNNING && !model_vm_is_held(m, vm);
    return (spec->copy != COPY_ON_TARGET || may_leave) &&
           (o->kind != ORDER_START || may_be_started(m, vm)) &&
           (o->kind != ORDER_ADOPT || adoption_fits(m, vm, o->node)) &&
           (o->kind != ORDER_RELEASE || release_fits(vm)) && may_be_stopped(m, vm, o);
}

/* Each save has a file of its own: what is to be removed is never the file of a later one. (The
 * builds that know no leftovers have one for each copy of the VM.) */
static void set_state_file(struct apply *a, struct model_vm *vm) {
    bool own = leftovers_are_known(a);
    const struct model_volume *volume =
        vm->volumes.n ? model_volume_by_name(a->m, vm->volumes.v[0]) : NULL;
    char path[WIRE_MAX_PATH + 1] = "";
    if (volume) {
        int n = snprintf(path, sizeof(path), "%s/.clusterd/%s.%llu.saved", volume->path, vm->uuid,
                         (unsigned long long)(own ? a->index : vm->generation));
        if (n < 0 || (size_t)n >= sizeof(path)) {
            path[0] = '\0';
        }
    }
    set_text(a, &vm->state_file, path);
}

static void order_operation(struct apply *a, struct model_vm *vm, const struct cmd_vm_order *o) {
    struct model_operation *op = o->operation ? apply_operation_by_id(a, o->operation) : NULL;
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
    bool shuts_down = o->kind == ORDER_STOP && vm->shut_down_by;
    bool nowhere = order_on_files(o->kind) || shuts_down;
    row->to = nowhere ? 0 : o->target ? o->target : o->node;
    uint8_t mode = order_spec(o->kind)->mode;
    mode = shuts_down                                ? MOVE_SHUT_DOWN
           : o->kind == ORDER_STOP && o->target != 0 ? MOVE_RESTART
                                                     : mode;
    row->mode = mode != MOVE_AUTO ? mode : row->mode;
    operation_changed(a, op);
}

/* A VM that is to run is stopped for its node's drain, or to return. */
static void stop_for_drain(struct apply *a, struct model_vm *vm, const struct cmd_vm_order *o) {
    const struct model_node *node = model_node_by_id(a->m, o->node);
    if (is_shut_down(vm, o)) {
        vm->wanted = WANTED_STOPPED;
        vm->stop_force = 0;
        vm->shut_down_by = o->node;
        return;
    }
    if (o->target == 0) {
        return;
    }
    vm->restore_node = o->target; /* its room there is kept for it */
    if (node && node->service == SERVICE_DRAINING && vm->return_to == 0) {
        vm->return_to = o->node;
    }
}

/* How the order changes the VM's row. */
static void enter_ordered_state(struct apply *a, struct model_vm *vm,
                                const struct cmd_vm_order *o) {
    const struct order_spec *spec = order_spec(o->kind);
    if (spec->copy == COPY_ON_NODE && vm->state != VM_RESOLVING) {
        vm->owner = o->node;
        vm->generation = a->index;
        if (o->reason[0] && vm->reason[0] == '\0') {
            set_text(a, &vm->reason, o->reason); /* why it goes back, if nothing was tried */
        }
    }
    if (o->kind == ORDER_MIGRATE) {
        vm->target = o->target;
        vm->move_generation = a->index;
    }
    if (o->kind == ORDER_STOP && vm->state == VM_RUNNING) {
        stop_for_drain(a, vm, o);
    }
    if (o->kind == ORDER_RESTORE && MUTANT(leftover_early)) {
        const char *path = outbox_text(a->out, "%s", vm->state_file);
        vm_drop_state_file(a, vm);
        set_text(a, &vm->state_file, path);
    }
    if (o->kind == ORDER_SAVE) {
        set_state_file(a, vm);
        vm->restore_node = o->target;
        vm->saved_on = vm->owner;
    }
    if (spec->how & ORDER_ON_FILES) {
        checkpoint_ordered(a, vm, o);
        return;
    }
    if (vm->state != VM_RESOLVING || spec->copy != COPY_NOWHERE) {
        vm_set_state(a, vm, (enum vm_state)spec->then);
    }
}

void apply_vm_order(struct apply *a, const void *command) {
    const struct cmd_vm_order *o = command;
    struct model_vm *vm = apply_vm_by_id(a, o->vm);
    if (!vm || !order_spec(o->kind) || a->origin != model_coordinator(a->m) ||
        (vm->generation != o->generation && !MUTANT(older_picture)) ||
        (vm->serial != o->serial && !MUTANT(older_picture)) ||
        (!order_fits(a->m, vm, o) && !MUTANT(older_picture))) {
        apply_refuse(a, REPLY_REFUSED, "the order was decided on an older state", "");
        return;
    }
    operation_goes_on(a, o->operation ? o->operation : vm->operation);
    enter_ordered_state(a, vm, o);
    if (o->kind == ORDER_SAVE && vm->state_file[0] == '\0') {
        vm_set_running(a, vm, vm->owner);
        operation_vm_end(a, vm, OPERATION_FAILED,
                         "a quick migration needs a volume to save the VM's memory on");
        return;
    }
    if (o->kind == ORDER_STOP && o->target && MUTANT(restart_early)) {
        vm_set_off(a, vm, "");
        return;
    }
    vm->order = o->kind;
    vm->order_index = a->index;
    vm->order_epoch = a->epoch;
    vm->order_node = o->node;
    vm_touch(a, vm);
    order_operation(a, vm, o);
    const struct model_journal *row = model_journal_of_vm(a->m, vm->id);
    if (order_on_files(o->kind) && row && row->reason[0]) {
        return; /* it is tried again, which may go on for days: told once */
    }
    apply_event(a, SEVERITY_INFO, "vm-order", vm->name, "%s: %s on %s%s%s%s%s", vm->name,
                order_kind_name(o->kind), model_node_name(a->m, o->node), o->target ? " to " : "",
                o->target ? model_node_name(a->m, o->target) : "", o->reason[0] ? ": " : "",
                o->reason);
}

void apply_vm_renew(struct apply *a, const void *command) {
    const struct cmd_vm_renew *renew = command;
    struct model_vm *vm = apply_vm_by_id(a, renew->vm);
    if (!vm || vm->order == ORDER_NONE || vm->order_index != renew->order) {
        apply_refuse(a, REPLY_REFUSED, "the order is no longer valid", "");
        return;
    }
    vm->order_epoch = a->epoch;
    vm_touch(a, vm);
}
