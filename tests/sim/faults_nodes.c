/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of nodes: power, network, processes, time.
 */
#include "sim/faults_inner.h"

/* ---- power, network ---- */

void fault_cut(struct sim *s, uint32_t node) {
    uint32_t groups[SIM_NODES] = {0};
    groups[node] = 1;
    sim_partition(s, groups);
}

void happen_power_off(struct sim *s, const struct fault *f) {
    sim_power_off(s, f->node, "a fault");
}

void happen_blackout(struct sim *s, const struct fault *f) {
    (void)f;
    for (uint32_t i = 1; i <= s->n; i++) {
        sim_power_off(s, i, "a blackout");
    }
}

void happen_power_on(struct sim *s, const struct fault *f) {
    (void)f;
    for (uint32_t i = 1; i <= s->n; i++) {
        sim_power_on(s, i);
    }
}

void happen_cut(struct sim *s, const struct fault *f) {
    fault_cut(s, f->node);
}

void happen_split(struct sim *s, const struct fault *f) {
    uint32_t groups[SIM_NODES] = {0};
    for (uint32_t i = 1; i <= s->n; i++) {
        groups[i] = f->choice >> i & 1;
    }
    sim_partition(s, groups);
}

void happen_heal(struct sim *s, const struct fault *f) {
    (void)f;
    sim_heal_network(s);
}

void happen_token(struct sim *s, const struct fault *f) {
    (void)f;
    sim_lose_token(s);
}

void happen_try_again(struct sim *s, const struct fault *f) {
    sim_try_again(s, f->node, f->us);
}

void happen_fence(struct sim *s, const struct fault *f) {
    uint32_t mode = f->choice % 8 > 3 ? FENCE_WORKS : f->choice % 4;
    if (s->options.no_fencing) {
        return;
    }
    if (mode == FENCE_FAILS && f->choice & 2048) {
        uint32_t other = f->choice / 4096 % (s->n + 1);
        struct cmd_node_fence wish = {.node = sim_node_name(s, f->node)};
        sim_fence_crossed(s, f->node, other == f->node ? 0 : other);
        if (f->choice & 1024) { /* and somebody uses it */
            (void)sim_command(s, 1 + f->choice / 65536 % s->n, COMMAND_NODE_FENCE, &wish);
        }
        return;
    }
    sim_fence_mode(s, f->node, (enum sim_fence)mode, f->choice & 1024 ? f->us : 8000);
}

/* ---- processes and time ---- */

void happen_kill_clusterd(struct sim *s, const struct fault *f) {
    sim_kill_clusterd(s, f->node);
}

void happen_kill_between(struct sim *s, const struct fault *f) {
    sim_kill_clusterd_soon(s, f->node, 1 + f->choice % 12);
}

void happen_stop_clusterd(struct sim *s, const struct fault *f) {
    sim_stop_clusterd(s, f->node);
}

void happen_start_clusterd(struct sim *s, const struct fault *f) {
    sim_start_clusterd(s, f->node);
}

void happen_kill_corosync(struct sim *s, const struct fault *f) {
    sim_kill_corosync(s, f->node, f->us);
}

void happen_ghost(struct sim *s, const struct fault *f) {
    sim_ghost(s, f->node, f->us);
}

void happen_freeze_clusterd(struct sim *s, const struct fault *f) {
    sim_freeze_clusterd(s, f->node, f->us);
}

void happen_starve(struct sim *s, const struct fault *f) {
    sim_starve_clusterd(s, f->node, 100000 + f->choice % 2400000, f->us * 3);
}

void happen_freeze_node(struct sim *s, const struct fault *f) {
    sim_freeze_node(s, f->node, f->us);
}

/* Wakes up with what has piled up, echoes too, before it learns that it has been cut off. */
void happen_freeze_and_cut(struct sim *s, const struct fault *f) {
    sim_freeze_clusterd(s, f->node, f->us % (2600 * 1000));
    sim_run(s, f->choice % 100000);
    fault_cut(s, f->node);
}

/* The first node from `node` on that runs no VM; `node` itself if each runs one. */
static uint32_t idle_node(const struct sim *s, uint32_t node) {
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t idle = 1 + (node - 1 + i) % s->n;
        bool runs = false;

        for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
            runs = runs || sim_runs_on(s, vm) == idle;
        }
        if (!runs) {
            return idle;
        }
    }
    return node;
}

/*
 * It lags behind: by just less than what it would notice, or by more and more. Then a VM may be
 * moved to its node without its seeing that; it feeds its watchdog as an idle one, if it was idle.
 */
void happen_starve_and_cut(struct sim *s, const struct fault *f) {
    bool little = f->choice & 1;
    uint32_t vm = 1 + f->choice / 4 % s->n_vms, from = sim_runs_on(s, vm);
    uint32_t node = f->choice & 2 ? idle_node(s, f->node) : f->node;
    uint64_t event_us = little ? 2250000 + f->choice % 240000 : 300000 + f->choice % 700000;
    sim_starve_clusterd(s, node, event_us, 60 * SIM_SECOND);
    sim_run(s, little ? 2 * SIM_SECOND + f->us % (3 * SIM_SECOND) : 4 * SIM_SECOND + f->us);
    if (f->choice & 2 && from && from != node) {
        struct cmd_vm_move wish = {
            .vm = sim_vm_name(s, vm), .to = s->names[node], .mode = MOVE_LIVE};
        (void)sim_command(s, from, COMMAND_VM_MOVE, &wish);
        sim_run(s, 2 * SIM_SECOND);
    }
    fault_cut(s, node);
}

void happen_clock(struct sim *s, const struct fault *f) {
    sim_jump_wall_clock(s, f->node, ((int64_t)(f->choice % 4000) - 2000) * 60000);
}

/* While it is away, the others use what its clusterd does not know when it comes back. */
static void come_back_older(struct sim *s, const struct fault *f,
                            const struct cmd_config_set *set) {
    sim_power_off(s, f->node, "a fault");
    sim_run(s, 4 * SIM_SECOND);
    (void)sim_command(s, 1 + f->node % s->n, COMMAND_CONFIG_SET, set); /* which is newer */
    sim_run(s, SIM_SECOND);
    sim_install(s, f->node, PROTOCOL_LOWEST, f->choice & 32);
    sim_power_on(s, f->node);
    sim_run(s, f->us % (3 * SIM_SECOND));
}

void happen_protocol(struct sim *s, const struct fault *f) {
    struct cmd_config_set set = {.key = "state_check",
                                 .value = f->choice & 64 ? "report" : "leave"};
    if (f->choice % 8 == 0) {
        come_back_older(s, f, &set);
    } else if (f->choice % 8 == 4) {
        sim_speak_newer(s, f->node, f->choice & 128);
    } else if (f->choice % 4 == 1) {
        (void)sim_command(s, 1 + f->choice / 256 % s->n, COMMAND_CONFIG_SET, &set);
    } else {
        bool old = f->choice & 128;
        sim_install(s, f->node, old ? PROTOCOL_LOWEST : PROTOCOL_HIGHEST, !old || f->choice & 32);
        sim_run(s, 3 * SIM_SECOND + f->us % (3 * SIM_SECOND));
        (void)sim_command(s, 1 + f->node % s->n, COMMAND_CONFIG_SET, &set); /* which is newer */
    }
}

/* A majority is left, with none to spare: one that tells wrong votes, one that has missed a change,
 * and others that have it. By their ids, the first is the source and the second proposes. */
static void garble_votes(struct sim *s, const struct fault *f) {
    const uint32_t garbled = 1, behind = 2;
    uint32_t left = 2;
    sim_power_off(s, behind, "a fault");
    sim_run(s, 3 * SIM_SECOND);
    sim_operate(s);
    sim_run(s, SIM_SECOND / 5);
    sim_garble_votes(s, garbled, f->us + SIM_SECOND);
    for (uint32_t i = behind + 1; i <= s->n; i++) {
        if (left++ > s->n / 2) {
            sim_power_off(s, i, "a fault");
        }
    }
    sim_power_on(s, behind);
}

/* Of two nodes the one whose memory is bad may be the only one that has what was decided last, and
 * nobody is left to hold its word against. */
void happen_garble(struct sim *s, const struct fault *f) {
    if (s->n < 3) {
        return;
    }
    if (f->choice & 256) {
        garble_votes(s, f);
    } else {
        sim_garble(s, f->node, f->choice & 1 ? 100 : 5 + f->choice / 2 % 40, f->us);
    }
}

uint32_t fault_all_nodes(const struct sim *s) {
    return (UINT32_C(2) << s->n) - 2;
}

/* Somebody changes the list of nodes in corosync.conf, on one node or on several, and restarts
 * clusterd there. Not on a node that has lost its database: with nothing but a list of its own it
 * is a new cluster, and nobody can tell it from one that an administrator begins. */
void happen_relist(struct sim *s, const struct fault *f) {
    uint32_t all = fault_all_nodes(s), list = f->choice & 1 ? all : f->choice & all;
    if (s->options.quorum != SIM_MAJORITY || s->n < 3) {
        return;
    }
    for (uint32_t i = 1; i <= s->n; i++) {
        bool chosen = i == f->node || (list >> i & 1 && f->choice >> (8 + i) & 1);
        if (chosen && !s->nodes[i].disk.tampered) {
            sim_node_list(s, i, list | UINT32_C(1) << i);
            sim_kill_clusterd(s, i);
        }
    }
}
