/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of libvirt and its guests, and what the administrator does during them.
 */
#include "sim/faults_inner.h"

#include "base/check.h"

/* ---- libvirt and guests ---- */

uint32_t fault_vm(const struct sim *s, const struct fault *f) {
    return 1 + f->choice % s->n_vms;
}

void happen_libvirtd(struct sim *s, const struct fault *f) {
    sim_kill_libvirtd(s, f->node, f->us);
}

void happen_hang_libvirtd(struct sim *s, const struct fault *f) {
    sim_hang_libvirtd(s, f->node, f->choice & 1024 ? 3 * f->us : f->us);
}

void happen_agent(struct sim *s, const struct fault *f) {
    static const char *const actions[] = {"start",   "migrate_to", "save",   "restore", "stop",
                                          "monitor", "destroy",    "resume", "claim"};
    sim_next_agent(s, actions[f->choice % ARRAY_SIZE(actions)],
                   (enum sim_agent)(1 + f->choice / 16 % 4));
}

/* A node on which something never works, and the others do not know. */
void happen_habit(struct sim *s, const struct fault *f) {
    static const char *const actions[] = {"start", "start", "restore", "stop", "resume", "save"};
    static const enum sim_agent ways[] = {AGENT_SILENT, AGENT_SILENT, AGENT_FAILS, AGENT_HANGS};
    sim_agents_of(s, f->node, actions[f->choice % ARRAY_SIZE(actions)],
                  ways[f->choice / 16 % ARRAY_SIZE(ways)]);
}

/* What the next one lists comes late; a VM may arrive after it was read, and before it is told. */
void happen_watch(struct sim *s, const struct fault *f) {
    uint32_t vm = fault_vm(s, f), from = sim_runs_on(s, vm);
    sim_kill_watch(s, f->node);
    if (f->choice & 1024 || from == 0 || from == f->node) {
        return;
    }
    sim_run(s, 950000);
    sim_events_late(s, f->node, 1950000);
    sim_run(s, 100000);
    struct cmd_vm_move wish = {
        .vm = sim_vm_name(s, vm), .to = s->names[f->node], .mode = MOVE_LIVE};
    (void)sim_command(s, from, COMMAND_VM_MOVE, &wish);
    sim_run(s, SIM_SECOND);
}

/* As late as timeouts.h lets them be; a VM begins anew meanwhile, and its node may be away. */
void happen_late_events(struct sim *s, const struct fault *f) {
    uint32_t vm = fault_vm(s, f), node = sim_runs_on(s, vm);
    bool away = node && f->choice & 4096;
    sim_crash_guest(s, vm);
    sim_run(s, 20000);
    sim_events_late(s, node ? node : f->node, 900000 + f->us % (1050 * 1000));
    if (away && !s->options.no_fencing) {
        sim_fence_mode(s, node, FENCE_FAILS, 8000);
    }
    if (away) {
        sim_run(s, f->choice % 60000);
        fault_cut(s, node);
        sim_run(s, 300000 + f->choice % 500000);
        sim_heal_network(s);
    }
}

void happen_agents_missing(struct sim *s, const struct fault *f) {
    sim_agents_missing(s, f->node, f->us);
    sim_kill_clusterd(s, f->node); /* its agents with it */
}

void happen_undying(struct sim *s, const struct fault *f) {
    sim_undying(s, fault_vm(s, f), f->us);
}

void happen_crash(struct sim *s, const struct fault *f) {
    sim_crash_guest(s, fault_vm(s, f));
}

void happen_shutdown(struct sim *s, const struct fault *f) {
    sim_shut_guest_down(s, fault_vm(s, f));
}

void happen_stubborn(struct sim *s, const struct fault *f) {
    sim_stubborn(s, fault_vm(s, f), (f->choice & 1024) != 0);
}

void happen_refuse(struct sim *s, const struct fault *f) {
    bool again = f->choice % 16 > 12;
    enum sim_refusal how = again ? REFUSE_NOT : f->choice & 512 ? REFUSE_FOR_GOOD : REFUSE_UNTOLD;
    sim_refuse(s, fault_vm(s, f), f->node, how);
}

/* ---- the administrator ---- */

void happen_operate(struct sim *s, const struct fault *f) {
    uint32_t wishes = f->choice % 5 == 0 ? 6 : 1; /* a script has many at once */
    for (uint32_t i = 0; i < wishes && !sim_violation(s); i++) {
        sim_operate(s);
    }
}

/* In the middle of a migration, on either side. */
void happen_move_and_break(struct sim *s, const struct fault *f) {
    uint32_t vm = fault_vm(s, f), from = sim_runs_on(s, vm), to = 1 + f->choice / 256 % s->n;
    if (from == 0 || from == to) {
        return;
    }
    struct cmd_vm_move wish = {.vm = sim_vm_name(s, vm),
                               .to = s->names[to],
                               .mode = f->choice & 64 ? MOVE_QUICK : MOVE_LIVE};
    (void)sim_command(s, 1 + f->choice / 512 % s->n, COMMAND_VM_MOVE, &wish);
    sim_run(s, f->us / 3);
    uint32_t victim = f->choice & 128 ? from : to;
    switch (f->choice / 4096 % 6) {
    case 0: sim_power_off(s, victim, "a fault"); break;
    case 1: fault_cut(s, victim); break;
    case 2: sim_kill_libvirtd(s, victim, f->us); break;
    case 3: sim_kill_clusterd(s, victim); break;
    case 4: sim_freeze_node(s, victim, f->us); break;
    default:
        if (f->choice & 1024) {
            sim_crash_guest(s, vm);
        } else {
            sim_kill_agent(s, vm, "save");
            sim_kill_agent(s, vm, "restore");
        }
    }
}

static bool may_move_files(struct sim *s, const void *arg) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, arg) : NULL;
    return row && row->state == VM_OFF && row->wanted == WANTED_STOPPED;
}

static bool may_start(struct sim *s, const void *arg) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, arg) : NULL;
    const struct model_journal *journal = row ? model_journal_of_vm(m, row->id) : NULL;
    return row && (!journal || journal->phase != STORAGE_COPY);
}

static uint32_t who_copies(const struct sim *s, uint32_t vm) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        if (a->used && a->vm == vm && (files_job(a) || mirror_job(a) || checkpoint_job(a))) {
            return s->agents[i].node;
        }
    }
    return 0;
}

static void strike_copier(struct sim *s, uint32_t victim, uint32_t vm, const struct fault *f) {
    switch (victim ? f->choice / 4096 % 10 : 9) {
    case 0: sim_power_off(s, victim, "a fault"); break;
    case 1: fault_cut(s, victim); break;
    case 2: sim_kill_clusterd(s, victim); break;
    case 3: sim_freeze_node(s, victim, f->us); break;
    case 4: sim_freeze_clusterd(s, victim, f->us); break;
    case 5: sim_volume_mode(s, victim, VOLUME_HANGS); break;
    case 6: sim_kill_libvirtd(s, victim, f->us % (4 * SIM_SECOND)); break;
    case 7: sim_crash_guest(s, vm); break;
    default: break;
    }
}

/* And the VM is to run as soon as it may, wherever. */
void happen_move_files(struct sim *s, const struct fault *f) {
    uint32_t vm = fault_vm(s, f), asked = 1 + f->choice / 512 % s->n;
    struct cmd_vm_stop stop = {.vm = sim_vm_name(s, vm), .force = 1};
    struct cmd_vm_start start = {.vm = sim_vm_name(s, vm)};
    (void)sim_command(s, asked, COMMAND_VM_STOP, &stop);
    if (!sim_run_until(s, may_move_files, sim_vm_uuid(s, vm), 5 * SIM_SECOND)) {
        return;
    }
    (void)sim_move_files(s, asked, vm, f->choice / 64 % SIM_PLACES);
    sim_run(s, f->us % (6 * SIM_SECOND));
    strike_copier(s, who_copies(s, vm), vm, f);
    (void)sim_run_until(s, may_start, sim_vm_uuid(s, vm), 12 * SIM_SECOND);
    for (uint32_t i = 0; i < s->n; i++) {
        (void)sim_command(s, 1 + (asked + i) % s->n, COMMAND_VM_START, &start);
    }
    sim_run(s, f->choice % 2000 * 1000);
}

static bool is_at_rest(struct sim *s, const void *arg) {
    const struct model *m = sim_model(s);
    const struct model_vm *row = m ? model_vm_by_uuid(m, arg) : NULL;
    return row && row->order == ORDER_NONE && !model_journal_of_vm(m, row->id);
}

/* A checkpoint is made while it runs or is off; and it is to run as soon as it may, wherever. */
void happen_revert_and_break(struct sim *s, const struct fault *f) {
    uint32_t vm = fault_vm(s, f), asked = 1 + f->choice / 512 % s->n;
    const char *uuid = sim_vm_uuid(s, vm);
    struct cmd_vm_stop stop = {.vm = sim_vm_name(s, vm), .force = 1};
    struct cmd_vm_start start = {.vm = sim_vm_name(s, vm)};
    if (f->choice & 1) {
        (void)sim_checkpoint(s, asked, vm, COMMAND_CHECKPOINT_CREATE, "fault");
        sim_run(s, f->choice % 1000 * 1000);
    }
    (void)sim_command(s, asked, COMMAND_VM_STOP, &stop);
    if (!sim_run_until(s, may_move_files, uuid, 5 * SIM_SECOND)) {
        return;
    }
    (void)sim_checkpoint(s, asked, vm, COMMAND_CHECKPOINT_CREATE, "fault");
    (void)sim_run_until(s, is_at_rest, uuid, 8 * SIM_SECOND);
    (void)sim_checkpoint(s, asked, vm, COMMAND_CHECKPOINT_REVERT, "fault");
    sim_run(s, f->us % (2 * SIM_SECOND));
    strike_copier(s, who_copies(s, vm), vm, f);
    for (uint32_t i = 0; i < s->n; i++) {
        (void)sim_command(s, 1 + (asked + i) % s->n, COMMAND_VM_START, &start);
    }
    (void)sim_run_until(s, is_at_rest, uuid, 12 * SIM_SECOND);
    for (uint32_t i = 0; i < s->n; i++) {
        (void)sim_command(s, 1 + (asked + i) % s->n, COMMAND_VM_START, &start);
    }
    if (f->choice & 2) {
        (void)sim_checkpoint(s, asked, vm, COMMAND_CHECKPOINT_REMOVE, "fault");
    }
}

struct switching {
    uint32_t vm, place;
};

static bool has_gone_over(struct sim *s, const void *arg) {
    const struct switching *it = arg;
    return s->vms[it->vm - 1].place == it->place;
}

static bool goes_on_again(struct sim *s, const void *arg) {
    return sim_runs_on(s, ((const struct switching *)arg)->vm) != 0;
}

/* Its clusterd and its libvirtd die, and when the guest goes on, its node does. */
static void strike_when_it_goes_on(struct sim *s, const struct switching *it, uint64_t us) {
    uint32_t node = who_copies(s, it->vm);
    if (node == 0 || sim_runs_on(s, it->vm) != 0) {
        return;
    }
    sim_kill_libvirtd(s, node, us % (6 * SIM_SECOND));
    sim_kill_clusterd(s, node);
    if (sim_run_until(s, goes_on_again, it, 30 * SIM_SECOND)) {
        sim_power_off(s, sim_runs_on(s, it->vm), "a fault");
    }
}

/* The same while it runs. What breaks does so anywhere, or right when QEMU has gone over. */
void happen_mirror_files(struct sim *s, const struct fault *f) {
    uint32_t vm = fault_vm(s, f), asked = 1 + f->choice / 512 % s->n;
    struct switching to = {.vm = vm, .place = f->choice / 64 % SIM_PLACES};
    (void)sim_move_files(s, asked, vm, to.place);
    if (f->choice & 1) {
        (void)sim_run_until(s, has_gone_over, &to, 8 * SIM_SECOND);
        if (f->choice & 2) {
            strike_when_it_goes_on(s, &to, f->us);
            return;
        }
    } else {
        sim_run(s, f->us % (6 * SIM_SECOND));
    }
    strike_copier(s, who_copies(s, vm), vm, f);
    sim_run(s, f->choice % 2000 * 1000);
}

void happen_add_running(struct sim *s, const struct fault *f) {
    foreign_add_running(s, f->node,
                        f->choice & 2   ? ADD_AND_ADOPT
                        : f->choice & 1 ? ADD_AND_START
                                        : ADD_OFF);
}

void happen_snapshot(struct sim *s, const struct fault *f) {
    foreign_snapshot(s, fault_vm(s, f), (f->choice & 4096) != 0);
}

void happen_release(struct sim *s, const struct fault *f) {
    foreign_release(s, fault_vm(s, f), f->choice);
}

void happen_by_hand(struct sim *s, const struct fault *f) {
    foreign_start_by_hand(s, fault_vm(s, f), f->node, (f->choice & 1024) != 0);
}
