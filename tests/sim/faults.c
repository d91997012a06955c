/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults; see faults.h.
 */
#include "sim/faults.h"

#include "base/check.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void happen_fn(struct sim *s, const struct fault *f);
#define X(name, set, weight, text) static happen_fn happen_##name;
FAULTS(X)
#undef X

static const struct {
    const char *set, *text;
    uint32_t weight;
    happen_fn *happen;
} kinds[N_FAULTS] = {
#define X(name, set, weight, text) {#set, text, weight, happen_##name},
    FAULTS(X)
#undef X
};

static uint64_t set_of(const char *name, size_t length) {
    uint64_t set = 0;
    for (uint32_t i = 0; i < N_FAULTS; i++) {
        bool all = length == 3 && strncmp(name, "all", 3) == 0;
        bool this = strlen(kinds[i].set) == length && strncmp(name, kinds[i].set, length) == 0;
        set |= all || this ? UINT64_C(1) << i : 0;
    }
    return set;
}

uint64_t faults_parse(const char *names) {
    uint64_t set = 0;
    while (*names) {
        size_t length = strcspn(names, ",");
        bool without = names[0] == '-';
        uint64_t found = set_of(names + without, length - without);
        if (found == 0) {
            return 0;
        }
        set = without ? set & ~found : set | found;
        names += length + (names[length] == ',');
    }
    return set;
}

/* ---- drawing ---- */

struct draw {
    uint64_t state;
};

static uint64_t draw(struct draw *d, uint64_t n) {
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (d->state >> 33) % n;
}

/* Most faults come close upon each other: what is interesting happens between two of them. */
static uint64_t pause_us(struct draw *d) {
    switch (draw(d, 10)) {
    case 0:
    case 1:
    case 2:
    case 3: return draw(d, 300000);
    case 4:
    case 5:
    case 6: return draw(d, 3 * SIM_SECOND);
    case 7:
    case 8: return draw(d, 10 * SIM_SECOND);
    default: return draw(d, 30 * SIM_SECOND);
    }
}

static uint32_t draw_kind(struct draw *d, uint64_t set) {
    uint32_t whole = 0;
    for (uint32_t i = 0; i < N_FAULTS; i++) {
        whole += set >> i & 1 ? kinds[i].weight : 0;
    }
    uint64_t at = draw(d, whole);
    for (uint32_t i = 0; i < N_FAULTS; i++) {
        uint32_t w = set >> i & 1 ? kinds[i].weight : 0;
        if (at < w) {
            return i;
        }
        at -= w;
    }
    return 0;
}

void faults_draw(struct fault_plan *plan, uint64_t seed, uint64_t set, uint32_t nodes,
                 uint64_t us) {
    struct draw d = {.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 77};
    *plan = (struct fault_plan){0};
    for (uint64_t at = 0; at < us;) {
        plan->v = realloc(plan->v, (plan->n + 1) * sizeof(*plan->v));
        CHECK(plan->v != NULL);
        struct fault *f = &plan->v[plan->n++];
        *f = (struct fault){.kind = (enum fault_kind)draw_kind(&d, set),
                            .after_us = pause_us(&d),
                            .node = 1 + (uint32_t)draw(&d, nodes),
                            .choice = (uint32_t)draw(&d, 1 << 20),
                            .us = draw(&d, draw(&d, 4) ? 4 * SIM_SECOND : 20 * SIM_SECOND)};
        at += f->after_us;
    }
}

void faults_finish(struct fault_plan *plan) {
    free(plan->v);
    *plan = (struct fault_plan){0};
}

void fault_text(const struct fault *f, char *ret_text, size_t size) {
    (void)snprintf(ret_text, size, "after %6llu ms: %s (n%u, %u, %llu ms)",
                   (unsigned long long)f->after_us / 1000, kinds[f->kind].text, f->node, f->choice,
                   (unsigned long long)f->us / 1000);
}

/* ---- happening: power, network ---- */

static void cut(struct sim *s, uint32_t node) {
    uint32_t groups[SIM_NODES] = {0};
    groups[node] = 1;
    sim_partition(s, groups);
}

static void happen_power_off(struct sim *s, const struct fault *f) {
    sim_power_off(s, f->node, "a fault");
}

static void happen_blackout(struct sim *s, const struct fault *f) {
    (void)f;
    for (uint32_t i = 1; i <= s->n; i++) {
        sim_power_off(s, i, "a blackout");
    }
}

static void happen_power_on(struct sim *s, const struct fault *f) {
    (void)f;
    for (uint32_t i = 1; i <= s->n; i++) {
        sim_power_on(s, i);
    }
}

static void happen_cut(struct sim *s, const struct fault *f) {
    cut(s, f->node);
}

static void happen_split(struct sim *s, const struct fault *f) {
    uint32_t groups[SIM_NODES] = {0};
    for (uint32_t i = 1; i <= s->n; i++) {
        groups[i] = f->choice >> i & 1;
    }
    sim_partition(s, groups);
}

static void happen_heal(struct sim *s, const struct fault *f) {
    (void)f;
    sim_heal_network(s);
}

static void happen_token(struct sim *s, const struct fault *f) {
    (void)f;
    sim_lose_token(s);
}

static void happen_try_again(struct sim *s, const struct fault *f) {
    sim_try_again(s, f->node, f->us);
}

static void happen_fence(struct sim *s, const struct fault *f) {
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

static void happen_kill_clusterd(struct sim *s, const struct fault *f) {
    sim_kill_clusterd(s, f->node);
}

static void happen_kill_between(struct sim *s, const struct fault *f) {
    sim_kill_clusterd_soon(s, f->node, 1 + f->choice % 12);
}

static void happen_stop_clusterd(struct sim *s, const struct fault *f) {
    sim_stop_clusterd(s, f->node);
}

static void happen_start_clusterd(struct sim *s, const struct fault *f) {
    sim_start_clusterd(s, f->node);
}

static void happen_kill_corosync(struct sim *s, const struct fault *f) {
    sim_kill_corosync(s, f->node, f->us);
}

static void happen_ghost(struct sim *s, const struct fault *f) {
    sim_ghost(s, f->node, f->us);
}

static void happen_freeze_clusterd(struct sim *s, const struct fault *f) {
    sim_freeze_clusterd(s, f->node, f->us);
}

static void happen_starve(struct sim *s, const struct fault *f) {
    sim_starve_clusterd(s, f->node, 100000 + f->choice % 2400000, f->us * 3);
}

static void happen_freeze_node(struct sim *s, const struct fault *f) {
    sim_freeze_node(s, f->node, f->us);
}

/* Wakes up with what has piled up, echoes too, before it learns that it has been cut off. */
static void happen_freeze_and_cut(struct sim *s, const struct fault *f) {
    sim_freeze_clusterd(s, f->node, f->us % (2600 * 1000));
    sim_run(s, f->choice % 100000);
    cut(s, f->node);
}

/*
 * It lags behind: by just less than what it would notice, or by more and more. Then a VM may be
 * moved to its node without its seeing that.
 */
static void happen_starve_and_cut(struct sim *s, const struct fault *f) {
    bool little = f->choice & 1;
    uint32_t vm = 1 + f->choice / 4 % s->n_vms, from = sim_runs_on(s, vm);
    uint64_t event_us = little ? 2250000 + f->choice % 240000 : 300000 + f->choice % 700000;
    sim_starve_clusterd(s, f->node, event_us, 60 * SIM_SECOND);
    sim_run(s, little ? 2 * SIM_SECOND + f->us % (3 * SIM_SECOND) : 4 * SIM_SECOND + f->us);
    if (f->choice & 2 && from && from != f->node) {
        struct cmd_vm_move wish = {
            .vm = sim_vm_name(s, vm), .to = s->names[f->node], .mode = MOVE_LIVE};
        (void)sim_command(s, from, COMMAND_VM_MOVE, &wish);
        sim_run(s, 2 * SIM_SECOND);
    }
    cut(s, f->node);
}

static void happen_clock(struct sim *s, const struct fault *f) {
    sim_jump_wall_clock(s, f->node, ((int64_t)(f->choice % 4000) - 2000) * 60000);
}

static void happen_protocol(struct sim *s, const struct fault *f) {
    sim_speak_newer(s, f->node, f->choice % 3 == 0);
}

/* Of two nodes the one whose memory is bad may be the only one that has what was decided last, and
 * nobody is left to hold its word against. */
static void happen_garble(struct sim *s, const struct fault *f) {
    if (s->n < 3) {
        return;
    }
    sim_garble(s, f->node, f->choice & 1 ? 100 : 5 + f->choice / 2 % 40, f->us);
}

static uint32_t all_nodes(const struct sim *s) {
    return (UINT32_C(2) << s->n) - 2;
}

/* Somebody changes the list of nodes in corosync.conf, on one node or on several, and restarts
 * clusterd there. Not on a node that has lost its database: with nothing but a list of its own it
 * is a new cluster, and nobody can tell it from one that an administrator begins. */
static void happen_relist(struct sim *s, const struct fault *f) {
    uint32_t all = all_nodes(s), list = f->choice & 1 ? all : f->choice & all;
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

/* ---- disks and volumes ---- */

static void happen_disk(struct sim *s, const struct fault *f) {
    uint32_t mode = f->choice % 10 > 4 ? DISK_FINE : f->choice % 5;
    sim_disk_mode(s, f->node, (enum sim_disk)mode);
}

static void happen_remember(struct sim *s, const struct fault *f) {
    sim_disk_remember(s, f->node);
}

static uint32_t nodes_in_list(const struct model *m) {
    uint32_t n = 0;
    MODEL_EACH(model_node, row, &m->nodes) {
        n += row->configured;
    }
    return n;
}

/*
 * What can be noticed: a database that is older than the node's last return to the cluster, whose
 * report (at since_index, or before) every other node has on its disk; of more than two nodes, by
 * the list that the cluster goes by, which is this node's too; one at a time, for a majority that
 * has lost its memory is beyond help. A younger copy may be believed where nobody is left who knows
 * better.
 */
static bool may_tamper(struct sim *s, uint32_t node, uint64_t epoch, uint64_t index) {
    for (uint32_t i = 1; i <= s->n; i++) {
        const struct node *n = &s->nodes[i];
        const struct model *m = sim_model_of(s, i);
        const struct model_node *row = m ? model_node_by_id(m, node) : NULL;
        if (i == node) {
            continue;
        }
        if (!row || nodes_in_list(m) < 3 || n->disk.tampered ||
            row->since_index > log_last_index(&n->disk.db.log) || row->kept_epoch < epoch ||
            (row->kept_epoch == epoch && row->kept_index <= index)) {
            return false;
        }
    }
    return s->n > 2 && s->nodes[node].list == all_nodes(s);
}

static void replace_if_noticed(struct sim *s, uint32_t node) {
    const struct disk *d = &s->nodes[node].disk;
    if (d->has_kept &&
        may_tamper(s, node, log_last_epoch(&d->kept.log), log_last_index(&d->kept.log))) {
        sim_power_off(s, node, "for its database");
        sim_disk_replace(s, node);
    }
}

static void happen_replace(struct sim *s, const struct fault *f) {
    replace_if_noticed(s, f->node);
}

static bool is_back(struct sim *s, const void *arg) {
    const struct node *n = &s->nodes[*(const uint32_t *)arg];
    const struct model *m = sim_model(s);
    const struct model_node *row = m ? model_node_by_id(m, *(const uint32_t *)arg) : NULL;
    return row && n->alive && row->state == NODE_ONLINE && row->incarnation == n->incarnation;
}

/*
 * A node comes back, and that is the last that another one hears; so of a copy from before the
 * return, with which it is left alone afterwards, it knows by the end of its log, or not at all.
 */
static void happen_replace_and_meet(struct sim *s, const struct fault *f) {
    uint32_t node = f->node, other = 1 + f->choice % s->n, groups[SIM_NODES] = {0};
    if (node == other || s->n < 3) {
        return;
    }
    sim_disk_remember(s, node);
    sim_kill_clusterd(s, node);
    sim_run(s, SIM_SECOND / 2);
    (void)sim_run_until(s, is_back, &node, 5 * SIM_SECOND);
    cut(s, other);
    sim_run(s, SIM_SECOND + f->us / 4);
    sim_operate(s);
    sim_run(s, SIM_SECOND / 10);
    replace_if_noticed(s, node);
    sim_kill_clusterd(s, other);
    for (uint32_t i = 1; i <= s->n; i++) {
        groups[i] = i != node && i != other;
    }
    sim_partition(s, groups);
    sim_power_on(s, node);
}

static void happen_wipe(struct sim *s, const struct fault *f) {
    if (may_tamper(s, f->node, 0, 0)) {
        sim_power_off(s, f->node, "for its database");
        sim_disk_wipe(s, f->node);
    }
}

/* A start hangs on its storage, its clusterd ends, and the next one is left without the others. */
static void happen_start_hangs(struct sim *s, const struct fault *f) {
    uint32_t vm = 1 + f->choice % s->n_vms, node = sim_runs_on(s, vm);
    if (node == 0) {
        return;
    }
    sim_volume_mode(s, node, VOLUME_HANGS);
    if (!s->options.no_fencing) {
        sim_fence_mode(s, node, FENCE_FAILS, 8000);
    }
    sim_crash_guest(s, vm);
    sim_run(s, 5000 + f->choice % 40000);
    if (f->choice & 1024) {
        sim_speak_newer(s, node, true);
    } else {
        cut(s, node);
        sim_kill_clusterd(s, node);
    }
    sim_run(s, 10 * SIM_SECOND + f->us);
    sim_volume_mode(s, node, VOLUME_FINE);
    sim_run(s, 2 * SIM_SECOND);
}

static void happen_volume(struct sim *s, const struct fault *f) {
    uint32_t mode = f->choice % 5 > 2 ? VOLUME_FINE : f->choice % 3;
    sim_volume_mode(s, f->node, (enum sim_volume)mode);
}

/* ---- libvirt and guests ---- */

static uint32_t vm_of(const struct sim *s, const struct fault *f) {
    return 1 + f->choice % s->n_vms;
}

static void happen_libvirtd(struct sim *s, const struct fault *f) {
    sim_kill_libvirtd(s, f->node, f->us);
}

static void happen_hang_libvirtd(struct sim *s, const struct fault *f) {
    sim_hang_libvirtd(s, f->node, f->choice & 1024 ? 3 * f->us : f->us);
}

static void happen_agent(struct sim *s, const struct fault *f) {
    static const char *const actions[] = {"start",   "migrate_to", "save",   "restore", "stop",
                                          "monitor", "destroy",    "resume", "claim"};
    sim_next_agent(s, actions[f->choice % ARRAY_SIZE(actions)],
                   (enum sim_agent)(1 + f->choice / 16 % 4));
}

/* A node on which something never works, and the others do not know. */
static void happen_habit(struct sim *s, const struct fault *f) {
    static const char *const actions[] = {"start", "start", "restore", "stop", "resume", "save"};
    static const enum sim_agent ways[] = {AGENT_SILENT, AGENT_SILENT, AGENT_FAILS, AGENT_HANGS};
    sim_agents_of(s, f->node, actions[f->choice % ARRAY_SIZE(actions)],
                  ways[f->choice / 16 % ARRAY_SIZE(ways)]);
}

/* What the next one lists comes late; a VM may arrive after it was read, and before it is told. */
static void happen_watch(struct sim *s, const struct fault *f) {
    uint32_t vm = vm_of(s, f), from = sim_runs_on(s, vm);
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
static void happen_late_events(struct sim *s, const struct fault *f) {
    uint32_t vm = vm_of(s, f), node = sim_runs_on(s, vm);
    bool away = node && f->choice & 4096;
    sim_crash_guest(s, vm);
    sim_run(s, 20000);
    sim_events_late(s, node ? node : f->node, 900000 + f->us % (1050 * 1000));
    if (away && !s->options.no_fencing) {
        sim_fence_mode(s, node, FENCE_FAILS, 8000);
    }
    if (away) {
        sim_run(s, f->choice % 60000);
        cut(s, node);
        sim_run(s, 300000 + f->choice % 500000);
        sim_heal_network(s);
    }
}

static void happen_agents_missing(struct sim *s, const struct fault *f) {
    sim_agents_missing(s, f->node, f->us);
    sim_kill_clusterd(s, f->node); /* its agents with it */
}

static void happen_undying(struct sim *s, const struct fault *f) {
    sim_undying(s, vm_of(s, f), f->us);
}

static void happen_crash(struct sim *s, const struct fault *f) {
    sim_crash_guest(s, vm_of(s, f));
}

static void happen_shutdown(struct sim *s, const struct fault *f) {
    sim_shut_guest_down(s, vm_of(s, f));
}

static void happen_stubborn(struct sim *s, const struct fault *f) {
    sim_stubborn(s, vm_of(s, f), (f->choice & 1024) != 0);
}

static void happen_refuse(struct sim *s, const struct fault *f) {
    bool again = f->choice % 16 > 12;
    enum sim_refusal how = again ? REFUSE_NOT : f->choice & 512 ? REFUSE_FOR_GOOD : REFUSE_UNTOLD;
    sim_refuse(s, vm_of(s, f), f->node, how);
}

/* ---- the administrator ---- */

static void happen_operate(struct sim *s, const struct fault *f) {
    uint32_t wishes = f->choice % 5 == 0 ? 6 : 1; /* a script has many at once */
    for (uint32_t i = 0; i < wishes && !sim_violation(s); i++) {
        sim_operate(s);
    }
}

/* In the middle of a migration, on either side. */
static void happen_move_and_break(struct sim *s, const struct fault *f) {
    uint32_t vm = vm_of(s, f), from = sim_runs_on(s, vm), to = 1 + f->choice / 256 % s->n;
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
    case 1: cut(s, victim); break;
    case 2: sim_kill_libvirtd(s, victim, f->us); break;
    case 3: sim_kill_clusterd(s, victim); break;
    case 4: sim_freeze_node(s, victim, f->us); break;
    default: sim_crash_guest(s, vm);
    }
}

static void happen_add_running(struct sim *s, const struct fault *f) {
    foreign_add_running(s, f->node, (f->choice & 1) != 0);
}

static void happen_snapshot(struct sim *s, const struct fault *f) {
    foreign_snapshot(s, vm_of(s, f), (f->choice & 4096) != 0);
}

static void happen_by_hand(struct sim *s, const struct fault *f) {
    foreign_start_by_hand(s, vm_of(s, f), f->node);
}

void fault_happen(struct sim *s, const struct fault *f) {
    sim_run(s, f->after_us);
    if (!sim_violation(s)) {
        kinds[f->kind].happen(s, f);
    }
}
