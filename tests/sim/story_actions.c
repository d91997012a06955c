/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The actions of a story: on the world, and as its administrator.
 */
#include "sim/story_inner.h"

#include "plain_vm.h"
#include "wire/message.h"

#include <stdio.h>
#include <string.h>

/* ---- power and network ---- */

static void power_off(struct story *t, const struct words *w) {
    sim_power_off(t->sim, (uint32_t)w->v[0], "the story");
}

static void power_off_all(struct story *t, const struct words *w) {
    (void)w;
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        sim_power_off(t->sim, i, "the story");
    }
}

static void power_on(struct story *t, const struct words *w) {
    sim_power_on(t->sim, (uint32_t)w->v[0]);
}

static void power_on_all(struct story *t, const struct words *w) {
    (void)w;
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        sim_power_on(t->sim, i);
    }
}

static void split(struct story *t, uint64_t set) {
    uint32_t groups[SIM_NODES] = {0};
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        groups[i] = set >> i & 1;
    }
    sim_partition(t->sim, groups);
}

static void cut(struct story *t, const struct words *w) {
    split(t, UINT64_C(1) << w->v[0]);
}

static void partition(struct story *t, const struct words *w) {
    uint64_t all = (UINT64_C(2) << t->options.nodes) - 2;
    if ((w->v[0] | w->v[1]) != all || (w->v[0] & w->v[1]) != 0) {
        story_wrong(t, "each node belongs to one of the two parts");
        return;
    }
    split(t, w->v[1]);
}

static void heal(struct story *t, const struct words *w) {
    (void)w;
    sim_heal_network(t->sim);
}

static void lose_token(struct story *t, const struct words *w) {
    (void)w;
    sim_lose_token(t->sim);
}

static void ghost(struct story *t, const struct words *w) {
    sim_ghost(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void try_again(struct story *t, const struct words *w) {
    sim_try_again(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void node_list(struct story *t, const struct words *w) {
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        if (w->v[0] >> i & 1) {
            sim_node_list(t->sim, i, (uint32_t)w->v[1]);
        }
    }
}

static void gone(struct story *t, const struct words *w) {
    sim_node_gone(t->sim, (uint32_t)w->v[0]);
}

static void speaks(struct story *t, const struct words *w) {
    sim_speak_newer(t->sim, (uint32_t)w->v[0], w->v[1] == 0);
}

static void install(struct story *t, const struct words *w) {
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        if (w->v[0] >> i & 1) {
            bool tells = w->n > 2 ? w->v[2] != 0 : w->v[1] >= PROTOCOL_HIGHEST;
            sim_install(t->sim, i, (uint32_t)w->v[1], tells);
        }
    }
}

static void flip(struct story *t, const struct words *w) {
    sim_flip(t->sim, (uint32_t)w->v[0], (uint32_t)w->v[1]);
}

static void garbles(struct story *t, const struct words *w) {
    sim_garble(t->sim, (uint32_t)w->v[0], (uint32_t)w->v[1], w->v[2]);
}

static void garbles_votes(struct story *t, const struct words *w) {
    sim_garble_votes(t->sim, (uint32_t)w->v[0], w->v[1]);
}

/* ---- processes ---- */

static void kill_clusterd(struct story *t, const struct words *w) {
    sim_kill_clusterd(t->sim, (uint32_t)w->v[0]);
}

static void stop_clusterd(struct story *t, const struct words *w) {
    sim_stop_clusterd(t->sim, (uint32_t)w->v[0]);
}

static void start_clusterd(struct story *t, const struct words *w) {
    sim_start_clusterd(t->sim, (uint32_t)w->v[0]);
}

static void freeze_clusterd(struct story *t, const struct words *w) {
    sim_freeze_clusterd(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void starve_clusterd(struct story *t, const struct words *w) {
    sim_starve_clusterd(t->sim, (uint32_t)w->v[0], w->v[1], w->v[2]);
}

static void freeze(struct story *t, const struct words *w) {
    sim_freeze_node(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void kill_corosync(struct story *t, const struct words *w) {
    sim_kill_corosync(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void kill_libvirtd(struct story *t, const struct words *w) {
    sim_kill_libvirtd(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void hang_libvirtd(struct story *t, const struct words *w) {
    sim_hang_libvirtd(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void kill_watch(struct story *t, const struct words *w) {
    sim_kill_watch(t->sim, (uint32_t)w->v[0]);
}

static void kill_agent(struct story *t, const struct words *w) {
    sim_kill_agent(t->sim, (uint32_t)w->v[0], w->text);
}

static void events_late(struct story *t, const struct words *w) {
    sim_events_late(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void wall_clock(struct story *t, const struct words *w) {
    int64_t ms = (int64_t)(w->v[2] / 1000);
    sim_jump_wall_clock(t->sim, (uint32_t)w->v[0], w->v[1] == 0 ? ms : -ms);
}

/* ---- guests, agents, devices, disks ---- */

static void crash(struct story *t, const struct words *w) {
    sim_crash_guest(t->sim, (uint32_t)w->v[0]);
}

static void guest_shutdown(struct story *t, const struct words *w) {
    sim_shut_guest_down(t->sim, (uint32_t)w->v[0]);
}

static void undying(struct story *t, const struct words *w) {
    sim_undying(t->sim, (uint32_t)w->v[0], w->v[1]);
}

static void stubborn(struct story *t, const struct words *w) {
    sim_stubborn(t->sim, (uint32_t)w->v[0], true);
}

static void refuse(struct story *t, const struct words *w) {
    for (uint32_t i = 1; i <= t->options.nodes; i++) {
        if (w->v[0] >> i & 1) {
            sim_refuse(t->sim, (uint32_t)w->v[1], i, (enum sim_refusal)(w->v[2] + 1));
        }
    }
}

/* The file on the volume: somebody has removed it. */
static void lose_saved_state(struct story *t, const struct words *w) {
    for (uint32_t i = 0; i < SIM_SAVED; i++) {
        saved_forget(&t->sim->vms[w->v[0] - 1].saved[i]);
    }
}

static void next_agent(struct story *t, const struct words *w) {
    sim_next_agent(t->sim, w->text, (enum sim_agent)(w->v[0] + 1));
}

static void agents_of(struct story *t, const struct words *w) {
    sim_agents_of(t->sim, (uint32_t)w->v[0], w->text, (enum sim_agent)w->v[1]);
}

static void fence_device(struct story *t, const struct words *w) {
    uint64_t us = w->n > 2 ? w->v[2] : 8000;
    sim_fence_mode(t->sim, (uint32_t)w->v[0], (enum sim_fence)w->v[1], us);
}

static void fence_crossed(struct story *t, const struct words *w) {
    sim_fence_crossed(t->sim, (uint32_t)w->v[0], w->n > 1 ? (uint32_t)w->v[1] : 0);
}

static void device_dead(struct story *t, const struct words *w) {
    sim_device_dead(t->sim, w->text);
}

static void disk(struct story *t, const struct words *w) {
    sim_disk_mode(t->sim, (uint32_t)w->v[0], (enum sim_disk)w->v[1]);
}

static void remember(struct story *t, const struct words *w) {
    sim_disk_remember(t->sim, (uint32_t)w->v[0]);
}

static void replace(struct story *t, const struct words *w) {
    if (sim_clusterd_runs(t->sim, (uint32_t)w->v[0])) {
        story_wrong(t, "a database is replaced while its clusterd is off");
    }
    sim_disk_replace(t->sim, (uint32_t)w->v[0]);
}

static void wipe(struct story *t, const struct words *w) {
    if (sim_clusterd_runs(t->sim, (uint32_t)w->v[0])) {
        story_wrong(t, "a database is lost while its clusterd is off");
    }
    sim_disk_wipe(t->sim, (uint32_t)w->v[0]);
}

static void volume(struct story *t, const struct words *w) {
    sim_volume_mode(t->sim, (uint32_t)w->v[0], (enum sim_volume)w->v[1]);
}

/* ---- time ---- */

static void run(struct story *t, const struct words *w) {
    sim_run(t->sim, w->v[0]);
}

static void mend(struct story *t, const struct words *w) {
    (void)w;
    sim_mend(t->sim);
}

static void rest(struct story *t, const struct words *w) {
    (void)w;
    sim_heal_and_wait(t->sim);
}

/* ---- the administrator ---- */

static uint32_t who_answers(const struct story *t) {
    struct core_status status;
    for (uint32_t i = 1; i <= t->options.nodes && !t->asked; i++) {
        if (sim_status(t->sim, i, &status) && status.usable) {
            return i;
        }
    }
    return t->asked ? t->asked : 1;
}

static bool answered(struct sim *s, const void *request) {
    return sim_answer(s, *(const uint64_t *)request) >= 0;
}

static void story_await(struct story *t, uint32_t node, uint64_t request) {
    t->request = request;
    if (t->request == 0) {
        story_wrong(t, "nobody answers on %s", sim_node_name(t->sim, node));
        return;
    }
    (void)sim_run_until(t->sim, answered, &t->request, t->hurry ? 0 : 50000);
    t->hurry = false;
    uint64_t operation = sim_answer_operation(t->sim, t->request);
    t->operation = operation ? operation : t->operation;
    if (sim_answer(t->sim, t->request) > 0) {
        t->refused = true;
        sim_trace(t->sim, "refused: %s", sim_answer_text(t->sim, t->request));
    }
}

void story_command(struct story *t, uint32_t command, const void *value) {
    uint32_t node = who_answers(t);
    story_await(t, node, sim_command(t->sim, node, command, value));
}

/* What comes next is to happen before its answer does. */
static void hurry(struct story *t, const struct words *w) {
    (void)w;
    t->hurry = true;
}

static void ask(struct story *t, const struct words *w) {
    t->asked = w->n ? (uint32_t)w->v[0] : 0;
}

/* Somebody reads the status there. */
static void look(struct story *t, const struct words *w) {
    if (sim_look(t->sim, (uint32_t)w->v[0]) == 0) {
        story_wrong(t, "nobody takes requests there");
    }
}

static void confirm_off(struct story *t, const struct words *w) {
    uint32_t node = (uint32_t)w->v[0];
    struct cmd_node_confirm_off value = {.node = sim_node_name(t->sim, node)};
    if (sim_is_on(t->sim, node)) {
        story_wrong(t, "an administrator who confirms what is not so is outside of the contract");
        return;
    }
    story_command(t, COMMAND_NODE_CONFIRM_OFF, &value);
}

static void drain(struct story *t, const struct words *w) {
    struct cmd_node_drain value = {.node = sim_node_name(t->sim, (uint32_t)w->v[0])};
    story_command(t, COMMAND_NODE_DRAIN, &value);
}

static void drain_until(struct story *t, const struct words *w) {
    struct cmd_node_drain value = {.node = sim_node_name(t->sim, (uint32_t)w->v[0]),
                                   .deadline_ms = w->v[1] / 1000};
    story_command(t, COMMAND_NODE_DRAIN, &value);
}

static void resume(struct story *t, const struct words *w) {
    struct cmd_node_resume value = {.node = sim_node_name(t->sim, (uint32_t)w->v[0])};
    story_command(t, COMMAND_NODE_RESUME, &value);
}

static void resume_failback(struct story *t, const struct words *w) {
    struct cmd_node_resume value = {.node = sim_node_name(t->sim, (uint32_t)w->v[0]),
                                    .failback = (uint8_t)w->v[1]};
    story_command(t, COMMAND_NODE_RESUME, &value);
}

static void fence(struct story *t, const struct words *w) {
    struct cmd_node_fence value = {.node = sim_node_name(t->sim, (uint32_t)w->v[0])};
    story_command(t, COMMAND_NODE_FENCE, &value);
}

static void move_best(struct story *t, const struct words *w) {
    struct cmd_vm_move value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                                .to = "",
                                .mode = w->n > 1 ? (uint8_t)(w->v[1] + 1) : MOVE_AUTO};
    story_command(t, COMMAND_VM_MOVE, &value);
}

static void move_to(struct story *t, const struct words *w) {
    struct cmd_vm_move value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                                .to = sim_node_name(t->sim, (uint32_t)w->v[1]),
                                .mode = w->n > 2 ? (uint8_t)(w->v[2] + 1) : MOVE_AUTO};
    story_command(t, COMMAND_VM_MOVE, &value);
}

static void start(struct story *t, const struct words *w) {
    struct cmd_vm_start value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0])};
    story_command(t, COMMAND_VM_START, &value);
}

static void adopt(struct story *t, const struct words *w) {
    struct cmd_vm_start value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]), .adopt = 1};
    story_command(t, COMMAND_VM_START, &value);
}

static void stop(struct story *t, const struct words *w) {
    struct cmd_vm_stop value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0])};
    story_command(t, COMMAND_VM_STOP, &value);
}

static void stop_force(struct story *t, const struct words *w) {
    struct cmd_vm_stop value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]), .force = 1};
    story_command(t, COMMAND_VM_STOP, &value);
}

static void add_vm(struct story *t, const struct words *w, enum add_how how) {
    struct cmd_vm_add add = plain_vm(sim_vm_name(t->sim, (uint32_t)w->v[0]));
    add.uuid = sim_vm_uuid(t->sim, (uint32_t)w->v[0]);
    add.priority = 100;
    add.start = how == ADD_AND_START;
    add.adopt = how == ADD_AND_ADOPT;
    story_command(t, COMMAND_VM_ADD, &add);
}

static void add(struct story *t, const struct words *w) {
    add_vm(t, w, ADD_OFF);
}

static void add_and_start(struct story *t, const struct words *w) {
    add_vm(t, w, ADD_AND_START);
}

static void add_and_adopt(struct story *t, const struct words *w) {
    add_vm(t, w, ADD_AND_ADOPT);
}

static void snapshot(struct story *t, const struct words *w) {
    sim_snapshot(t->sim, (uint32_t)w->v[0], w->v[1] == 0);
}

static void move_files(struct story *t, const struct words *w) {
    uint32_t node = who_answers(t);
    story_await(t, node, sim_move_files(t->sim, node, (uint32_t)w->v[0], (uint32_t)w->v[1]));
}

static void make_checkpoint(struct story *t, const struct words *w) {
    uint32_t node = who_answers(t);
    story_await(t, node,
                sim_checkpoint(t->sim, node, (uint32_t)w->v[0], COMMAND_CHECKPOINT_CREATE,
                               w->text));
}

static void revert(struct story *t, const struct words *w) {
    uint32_t node = who_answers(t);
    story_await(t, node,
                sim_checkpoint(t->sim, node, (uint32_t)w->v[0], COMMAND_CHECKPOINT_REVERT,
                               w->text));
}

static void remove_checkpoint(struct story *t, const struct words *w) {
    uint32_t node = who_answers(t);
    story_await(t, node,
                sim_checkpoint(t->sim, node, (uint32_t)w->v[0], COMMAND_CHECKPOINT_REMOVE,
                               w->text));
}

static void accept_disks(struct story *t, const struct words *w) {
    struct cmd_vm_set set = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                             .given = VM_SET_ACCEPT_DISKS,
                             .accept_disks = 1};
    story_command(t, COMMAND_VM_SET, &set);
}

static void virsh_start(struct story *t, const struct words *w) {
    sim_virsh_start(t->sim, (uint32_t)w->v[0], (uint32_t)w->v[1]);
}

static void virsh_shutdown(struct story *t, const struct words *w) {
    sim_virsh_shutdown(t->sim, (uint32_t)w->v[0], (uint32_t)w->v[1]);
}

static void virsh_autostart(struct story *t, const struct words *w) {
    sim_virsh_autostart(t->sim, (uint32_t)w->v[0], (uint32_t)w->v[1]);
}

static void remove_vm(struct story *t, const struct words *w) {
    struct cmd_vm_remove value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0])};
    story_command(t, COMMAND_VM_REMOVE, &value);
}

static void release_vm(struct story *t, const struct words *w) {
    struct cmd_vm_remove value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                                  .release = t->sim->names[w->v[1]]};
    story_command(t, COMMAND_VM_REMOVE, &value);
}

static void config(struct story *t, const struct words *w) {
    char key[STORY_TEXT];
    (void)snprintf(key, sizeof(key), "%s", w->text);
    char *value = strchr(key, ' ');
    if (!value) {
        story_wrong(t, "config KEY VALUE");
        return;
    }
    *value++ = '\0';
    struct cmd_config_set set = {.key = key, .value = value};
    story_command(t, COMMAND_CONFIG_SET, &set);
}

static void cancel(struct story *t, const struct words *w) {
    (void)w;
    struct cmd_operation_cancel value = {.operation = t->operation};
    story_command(t, COMMAND_OPERATION_CANCEL, &value);
}

static void remove_device(struct story *t, const struct words *w) {
    (void)w;
    struct cmd_device_remove value = {.device = "pdu"};
    story_command(t, COMMAND_DEVICE_REMOVE, &value);
}

static void add_device(struct story *t, const struct words *w) {
    const char *node = sim_node_name(t->sim, (uint32_t)w->v[0]);
    const char *const values[2] = {"{node}", w->text};
    struct cmd_device_add value = sim_device_for(values, &node);
    story_command(t, COMMAND_DEVICE_ADD, &value);
}

const struct pattern story_actions[] = {
    {"power-off NODE", power_off, NULL},
    {"power-off all", power_off_all, NULL},
    {"power-on NODE", power_on, NULL},
    {"power-on all", power_on_all, NULL},
    {"cut NODE", cut, NULL},
    {"partition NODES / NODES", partition, NULL},
    {"heal", heal, NULL},
    {"lose-token", lose_token, NULL},
    {"ghost NODE TIME", ghost, NULL},
    {"try-again NODE TIME", try_again, NULL},
    {"list NODES = NODES", node_list, NULL},
    {"gone NODE", gone, NULL},
    {"speaks NODE newer|common", speaks, NULL},
    {"install NODES protocol NUMBER", install, NULL},
    {"install NODES protocol NUMBER untold|told", install, NULL},
    {"garble NODE NUMBER for TIME", garbles, NULL},
    {"garble-votes NODE for TIME", garbles_votes, NULL},
    {"flip NODE VM", flip, NULL},
    {"kill-clusterd NODE", kill_clusterd, NULL},
    {"stop-clusterd NODE", stop_clusterd, NULL},
    {"start-clusterd NODE", start_clusterd, NULL},
    {"freeze-clusterd NODE TIME", freeze_clusterd, NULL},
    {"starve-clusterd NODE TIME for TIME", starve_clusterd, NULL},
    {"freeze NODE TIME", freeze, NULL},
    {"kill-corosync NODE TIME", kill_corosync, NULL},
    {"kill-libvirtd NODE TIME", kill_libvirtd, NULL},
    {"hang-libvirtd NODE TIME", hang_libvirtd, NULL},
    {"kill-watch NODE", kill_watch, NULL},
    {"kill-agent VM WORD", kill_agent, NULL},
    {"events-late NODE TIME", events_late, NULL},
    {"wall-clock NODE forth|back TIME", wall_clock, NULL},
    {"crash VM", crash, NULL},
    {"guest-shutdown VM", guest_shutdown, NULL},
    {"undying VM TIME", undying, NULL},
    {"stubborn VM", stubborn, NULL},
    {"refuse NODES VM for-good|untold", refuse, NULL},
    {"lose-saved-state VM", lose_saved_state, NULL},
    {"next-agent WORD fails|hangs|does-not-know|silent", next_agent, NULL},
    {"agents NODE WORD work|fail|hang|do-not-know|silent", agents_of, NULL},
    {"fence-device NODE works|fails|hangs|off-unconfirmed", fence_device, NULL},
    {"fence-device NODE works|fails|hangs|off-unconfirmed after TIME", fence_device, NULL},
    {"fence-device NODE switches NODE", fence_crossed, NULL},
    {"fence-device NODE switches another-machine", fence_crossed, NULL},
    {"dead-fence-device NAME", device_dead, NULL},
    {"disk NODE fine|slow|hangs|full|broken", disk, NULL},
    {"remember-database NODE", remember, NULL},
    {"replace-database NODE", replace, NULL},
    {"wipe-database NODE", wipe, NULL},
    {"volume NODE fine|hangs|gone", volume, NULL},
    {"storage NODE common|other|copied", story_storage, NULL},
    {"quorum majority|two_node|last_man_standing|qdevice", story_quorum, NULL},
    {"quorum two_node|last_man_standing|qdevice without wait_for_all", story_hasty_quorum, NULL},
    {"run TIME", run, NULL},
    {"mend", mend, NULL},
    {"rest", rest, NULL},
    {"ask NODE", ask, NULL},
    {"ask any", ask, NULL},
    {"look NODE", look, NULL},
    {"hurry", hurry, NULL},
    {"confirm-off NODE", confirm_off, NULL},
    {"drain NODE", drain, NULL},
    {"drain NODE deadline TIME", drain_until, NULL},
    {"resume NODE", resume, NULL},
    {"resume NODE failback now|no|policy", resume_failback, NULL},
    {"fence NODE", fence, NULL},
    {"move VM", move_best, NULL},
    {"move VM live|quick", move_best, NULL},
    {"move VM to NODE", move_to, NULL},
    {"move VM to NODE live|quick", move_to, NULL},
    {"move-files VM to NUMBER", move_files, NULL},
    {"checkpoint VM NAME", make_checkpoint, NULL},
    {"revert VM NAME", revert, NULL},
    {"remove-checkpoint VM NAME", remove_checkpoint, NULL},
    {"start VM", start, NULL},
    {"stop VM", stop, NULL},
    {"stop VM force", stop_force, NULL},
    {"add VM", add, NULL},
    {"add VM and start", add_and_start, NULL},
    {"add VM and adopt", add_and_adopt, NULL},
    {"adopt VM", adopt, NULL},
    {"add VM cpu NAME", story_add_with_cpu, NULL},
    {"add VM machine NAME", story_add_with_machine, NULL},
    {"add VM network NAME and start", story_add_with_network, NULL},
    {"network NODES NAME there|gone", story_network, NULL},
    {"snapshot VM made|committed", snapshot, NULL},
    {"accept-disks VM", accept_disks, NULL},
    {"virsh-start VM NODE", virsh_start, NULL},
    {"virsh-shutdown VM NODE", virsh_shutdown, NULL},
    {"virsh-autostart VM NODE", virsh_autostart, NULL},
    {"remove VM", remove_vm, NULL},
    {"release VM NODE", release_vm, NULL},
    {"config TEXT", config, NULL},
    {"cancel", cancel, NULL},
    {"add-fence-device NAME NODE", add_device, NULL},
    {"remove-fence-device", remove_device, NULL},
    {"rule NAME apart|together VM VM soft|hard", story_rule_of_vms, NULL},
    {"rule NAME on|not-on VM NODE soft|hard", story_rule_of_nodes, NULL},
    {"remove-rule NAME", story_remove_rule, NULL},
    {"priority VM NUMBER", story_priority, NULL},
    {"mobility VM live|quick|fixed", story_mobility, NULL},
    {"move-policy VM live-or-quick|live|restart|shut-down|stay", story_move_policy, NULL},
    {"node-has NODE WORD NUMBER", story_node_has, NULL},
    {"vm-needs VM WORD NUMBER", story_vm_needs, NULL},
    {NULL, NULL, NULL},
};
