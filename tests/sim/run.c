/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run; see run.h.
 */
#include "sim/run.h"

#include "core/model/settings.h"

#include <stdio.h>
#include <string.h>

#define ROUND_US (90 * SIM_SECOND)

struct sim_options run_settings(const struct run_options *o) {
    struct sim_options options = {.seed = o->seed, .trace = o->trace, .messages = o->messages};
    uint64_t pick = o->seed * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    static const uint32_t sizes[] = {3, 3, 3, 4, 5, 3, 2, 2, 3, 7};
    options.nodes = o->nodes ? o->nodes : sizes[pick % 10];
    options.vms = o->vms ? o->vms : 2 + (uint32_t)(pick / 10 % 9);
    options.watchdog_ms = pick / 90 % 2 ? 5000 : 0;
    options.no_fencing = options.watchdog_ms && options.nodes > 2 && pick / 43200 % 3 == 0;
    options.solve_in_loop = pick / 7 % 3 == 0; /* else all that is asked here is small */
    options.compact_entries = pick / 360 % 3 ? 12 + (uint32_t)(pick / 1080 % 40) : 0;
    if (options.nodes == 2) {
        options.quorum = pick / 180 % 3 ? SIM_TWO_NODE : SIM_QUORUM_DEVICE;
    } else if (pick / 180 % 5 == 0) {
        options.quorum = pick / 900 % 2 ? SIM_LAST_MAN_STANDING : SIM_QUORUM_DEVICE;
    }
    return options;
}

/*
 * Two rounds of three leave out about half of the kinds, another half each time: few kinds often
 * reach deeper than all of them at once (swarm testing: Groce et al., ISSTA 2012).
 */
static uint64_t some_of(uint64_t kinds, uint64_t seed) {
    const uint64_t always =
        UINT64_C(1) << FAULT_power_on | UINT64_C(1) << FAULT_heal | UINT64_C(1) << FAULT_operate;
    uint64_t mask = seed * UINT64_C(0xbf58476d1ce4e5b9);
    mask ^= mask >> 29;
    mask *= UINT64_C(0x94d049bb133111eb);
    return seed % 3 == 0 ? kinds : kinds & (mask >> 7 | always);
}

void run_plan(const struct run_options *o, uint32_t round, struct fault_plan *ret_plan) {
    struct sim_options options = run_settings(o);
    uint64_t seed = o->seed * 1000 + round;
    uint64_t kinds = some_of(o->kinds, seed);
    faults_draw(ret_plan, seed, kinds ? kinds : o->kinds, options.nodes, ROUND_US);
}

static void one_round(struct sim *s, const struct fault_plan *plan) {
    for (uint32_t i = 0; i < plan->n && !sim_violation(s); i++) {
        fault_happen(s, &plan->v[i]);
    }
    if (!sim_violation(s)) {
        sim_heal_and_wait(s);
    }
}

static bool is_noticed(struct sim *s, const void *arg) {
    return sim_flip_is_noticed(s, *(const uint32_t *)arg);
}

/* The last act: a wrong model among right ones must be found as soon as something changes, or the
 * next order by it may be wrong. */
static void flip_and_wait(struct sim *s, const struct run_options *o, struct run_result *ret) {
    const struct model *m = sim_model(s);
    uint32_t node = (uint32_t)(o->seed % ret->nodes) + 1;
    if (!m || m->vms.n == 0 || setting_get(m, SETTING_state_check) != STATE_CHECK_LEAVE) {
        return;
    }
    sim_flip(s, node, (uint32_t)(o->seed % ret->vms) + 1);
    const struct cmd_config_set change = {.key = "max_downtime_ms", .value = "400"};
    sim_command(s, node, COMMAND_CONFIG_SET, &change);
    if (sim_has_flipped(s, node) && !sim_run_until(s, is_noticed, &node, 30 * SIM_SECOND) &&
        !sim_violation(s)) {
        (void)snprintf(ret->violation, sizeof(ret->violation),
                       "the model of %s differs from the others', and nobody has noticed",
                       sim_node_name(s, node));
    }
}

void run_once(const struct run_options *o, bool print_trace, struct run_result *ret) {
    struct sim_options options = run_settings(o);
    struct sim *s = sim_create(&options);
    *ret = (struct run_result){.nodes = options.nodes, .vms = options.vms};
    if (!sim_set_up(s) && !sim_violation(s)) {
        (void)snprintf(ret->violation, sizeof(ret->violation), "the cluster did not come up: %s",
                       sim_unrest(s));
    }
    uint32_t round = 0;
    while (!ret->violation[0] && !sim_violation(s)) {
        struct fault_plan drawn = {0};
        if (!o->plan) {
            run_plan(o, round, &drawn);
        }
        one_round(s, o->plan ? o->plan : &drawn);
        faults_finish(&drawn);
        round++;
        if (o->plan || sim_now(s) >= o->hours * 3600 * SIM_SECOND) {
            break;
        }
    }
    if (o->seed % 8 == 3 && !o->plan && !ret->violation[0] && !sim_violation(s)) {
        flip_and_wait(s, o, ret);
    }
    if (sim_violation(s)) {
        (void)snprintf(ret->violation, sizeof(ret->violation), "%s", sim_violation(s));
    }
    ret->at_us = sim_now(s);
    ret->virtual_us = sim_now(s);
    ret->figures = sim_figures(s);
    if (ret->violation[0] && print_trace) {
        sim_print_trace(s);
    }
    sim_destroy(s);
}
