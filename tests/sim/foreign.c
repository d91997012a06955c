/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an administrator does with libvirt outside the cluster: adds a VM that already runs, starts
 * a VM by hand that the cluster has stopped, has one of these adopted, makes a snapshot. Whatever
 * goes wrong meanwhile: the VM must never run twice, must not be destroyed while the cluster runs
 * it nowhere (check.c), and must not be started from a disk older than what it has written
 * (agents.c).
 */
#include "sim/world.h"

#include <stdio.h>

static bool is_in_view(struct sim *s, uint32_t node) {
    const struct node *n = &s->nodes[node];
    const struct model *m = sim_model(s);
    const struct model_node *row = m ? model_node_by_id(m, node) : NULL;
    return n->alive && !n->frozen && s->now_us >= n->stuck_until_us && n->libvirtd && n->core &&
           replica_usable(&n->core->replica) && replica_is_current(&n->core->replica) && row &&
           row->state == NODE_ONLINE;
}

static bool is_answered(struct sim *s, const void *request) {
    return sim_answer(s, *(const uint64_t *)request) >= 0;
}

struct on {
    uint32_t vm, node;
};

static bool is_being_adopted(struct sim *s, const void *arg) {
    const struct on *on = arg;
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, sim_vm_uuid(s, on->vm)) : NULL;
    return row && row->order == ORDER_ADOPT;
}

/* It is the cluster's by then, or still his own: then he shuts it down. Sometimes the node's
 * clusterd ends in the middle. */
static void adopted_or_not(struct sim *s, uint32_t vm, uint32_t node, bool added) {
    struct on on = {.vm = vm, .node = node};
    if (added && sim_chance(s, 30) && sim_run_until(s, is_being_adopted, &on, 3 * SIM_SECOND)) {
        sim_run(s, sim_random(s, 60000));
        sim_kill_clusterd(s, node);
    }
    sim_run(s, (added ? 10 : 3) * SIM_SECOND);
    sim_virsh_shutdown(s, vm, node);
}

/*
 * He runs it on the node and asks there. A node that is not in the view cannot be asked, so nothing
 * is tried then; should it leave the view now, the VM may be added, and he is warned: he shuts his
 * guest down before he goes on.
 */
void foreign_add_running(struct sim *s, uint32_t node, enum add_how how) {
    if (!is_in_view(s, node) || s->n_vms == SIM_VMS || sim_is_tight(s)) {
        return;
    }
    uint32_t number = s->n_vms + 1;
    char name[24];
    (void)snprintf(name, sizeof(name), "vm%u", number);
    uint32_t vm = guest_for(s, name, name);
    sim_virsh_start(s, vm, node);
    uint64_t request = sim_add_vm(s, node, number, how);
    if (request) {
        (void)sim_run_until(s, is_answered, &request, 40 * SIM_SECOND);
    }
    if (how == ADD_AND_ADOPT) {
        adopted_or_not(s, vm, node, request && sim_answer(s, request) == REPLY_OK);
        return;
    }
    if (request && sim_answer(s, request) == REPLY_OK && sim_runs_on(s, vm) == node &&
        s->vms[vm - 1].copies[node].foreign && is_in_view(s, node)) {
        sim_fail(s, "%s is added while it runs on %s under libvirt", name, s->names[node]);
    }
    sim_run(s, 3 * SIM_SECOND);
    sim_virsh_shutdown(s, vm, node);
}

static bool is_off(struct sim *s, const void *arg) {
    const struct on *on = arg;
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, sim_vm_uuid(s, on->vm)) : NULL;
    return row && row->state == VM_OFF && row->wanted == WANTED_STOPPED && row->unasked.n == 0 &&
           row->foreign.n == 0 && sim_runs_on(s, on->vm) == 0;
}

/* See files.c. */
static bool on_the_move(struct sim *s, uint32_t vm) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, sim_vm_uuid(s, vm)) : NULL;
    return !row || model_journal_of_vm(m, row->id);
}

static bool is_known(struct sim *s, const void *arg) {
    const struct on *on = arg;
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, sim_vm_uuid(s, on->vm)) : NULL;
    return row && ids_contain(&row->foreign, on->node);
}

/* Once the cluster knows of it, a start is refused, and his guest is left alone; unless he wants it
 * to be adopted. */
void foreign_start_by_hand(struct sim *s, uint32_t vm, uint32_t node, bool adopt) {
    struct on on = {.vm = vm, .node = node};
    struct cmd_vm_stop stop = {.vm = sim_vm_name(s, vm), .force = 1};
    struct cmd_vm_start start = {.vm = sim_vm_name(s, vm)};
    struct cmd_vm_start first = {.vm = sim_vm_name(s, vm), .adopt = adopt};
    if (!is_in_view(s, node)) {
        return;
    }
    (void)sim_command(s, node, COMMAND_VM_STOP, &stop);
    if (!sim_run_until(s, is_off, &on, 20 * SIM_SECOND) || !is_in_view(s, node) ||
        on_the_move(s, vm)) {
        return;
    }
    sim_virsh_start(s, vm, node);
    if (sim_run_until(s, is_known, &on, 3 * SIM_SECOND)) {
        (void)sim_command(s, 1 + (uint32_t)sim_random(s, s->n), COMMAND_VM_START, &first);
        sim_run(s, 4 * SIM_SECOND);
    }
    sim_virsh_shutdown(s, vm, node);
    sim_run(s, 3 * SIM_SECOND);
    (void)sim_command(s, 1 + (uint32_t)sim_random(s, s->n), COMMAND_VM_START, &start);
}

static const struct model_vm *row_of(struct sim *s, uint32_t vm) {
    const struct model *m = sim_model(s);
    return m ? model_vm_by_uuid(m, sim_vm_uuid(s, vm)) : NULL;
}

static bool is_being_released(struct sim *s, const void *arg) {
    const struct on *on = arg;
    const struct model_vm *row = row_of(s, on->vm);
    return row && row->order == ORDER_RELEASE;
}

static bool is_released_or_not(struct sim *s, const void *arg) {
    const struct on *on = arg;
    const struct model_vm *row = row_of(s, on->vm);
    return !row || !row->release;
}

/* He lets a VM go that runs. Then it is his, on that node: he shuts it down, or has it adopted
 * again as it runs, or adds it once it is off. Sometimes the node's clusterd ends in the middle, or
 * the agent cannot say how it ended. */
void foreign_release(struct sim *s, uint32_t vm, uint32_t choice) {
    const struct model_vm *row = row_of(s, vm);
    struct on on = {.vm = vm, .node = row ? row->owner : 0};
    if (!row || row->state != VM_RUNNING || !is_in_view(s, on.node)) {
        return;
    }
    if (choice & 32) {
        sim_next_agent(s, "release", choice & 16 ? AGENT_DOES_NOT_KNOW : AGENT_SILENT);
    }
    struct cmd_vm_remove remove = {.vm = sim_vm_name(s, vm), .release = s->names[on.node]};
    if (!sim_command(s, 1 + choice % s->n, COMMAND_VM_REMOVE, &remove)) {
        return;
    }
    if ((choice & 64) && sim_run_until(s, is_being_released, &on, 3 * SIM_SECOND)) {
        sim_run(s, sim_random(s, 200000));
        sim_kill_clusterd(s, on.node);
    }
    if (!sim_run_until(s, is_released_or_not, &on, 20 * SIM_SECOND) || row_of(s, vm)) {
        return;
    }
    sim_run(s, 2 * SIM_SECOND);
    if (choice & 128) {
        (void)sim_add_vm(s, on.node, vm, ADD_AND_ADOPT);
        sim_run(s, 10 * SIM_SECOND);
    }
    if (!row_of(s, vm) || s->vms[vm - 1].copies[on.node].foreign) {
        sim_virsh_shutdown(s, vm, on.node);
        sim_run(s, 2 * SIM_SECOND);
    }
    s->vms[vm - 1].defined[on.node] = false;
    if (!row_of(s, vm)) {
        (void)sim_add_vm(s, on.node, vm, ADD_AND_START);
    }
}

static bool is_overlaid(struct sim *s, const void *arg) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, arg) : NULL;
    return row && row->other_disks[0] != '\0';
}

/*
 * Until it is seen there is a time in which the VM might end and be started from the old image:
 * should it have ended by then, the snapshot was not made.
 */
void foreign_snapshot(struct sim *s, uint32_t vm, bool power) {
    struct vm *v = &s->vms[vm - 1];
    uint32_t node = sim_runs_on(s, vm);
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, v->uuid) : NULL;
    if (node == 0 || v->overlaid || v->copies[node].foreign || !row || row->state != VM_RUNNING ||
        row->owner != node || row->other_disks[0]) {
        return;
    }
    uint64_t generation = row->generation;
    v->overlay_unseen = true;
    sim_snapshot(s, vm, true);
    bool seen = sim_run_until(s, is_overlaid, v->uuid, 8 * SIM_SECOND);
    v->overlay_unseen = false;
    row = sim_model(s) ? model_vm_by_uuid(sim_model(s), v->uuid) : NULL;
    if (!seen || !row || row->generation != generation || row->state != VM_RUNNING) {
        sim_snapshot(s, vm, false);
        return;
    }
    node = sim_runs_on(s, vm);
    if (power && node) {
        sim_power_off(s, node, "a fault");
    } else {
        sim_crash_guest(s, vm);
    }
    sim_run(s, 15 * SIM_SECOND);
}
