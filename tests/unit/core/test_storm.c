/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything goes wrong at random, on clusters of several sizes: power, network, clusterd killed
 * and frozen, disks that are slow, fencing that fails, is slow or lies, agents that do not know how
 * they ended, people who move and drain. The simulator checks that no VM runs twice and that all
 * models are one; at the end, with everything mended, all VMs must run.
 */
#include "unit/core/cluster.h"

struct storm {
    struct sim *sim;
    uint32_t nodes;
    uint64_t random;
    bool frozen[SIM_NODES];
};

static uint64_t draw(struct storm *storm, uint64_t n) {
    storm->random = storm->random * 6364136223846793005u + 1442695040888963407u;
    return (storm->random >> 33) % n;
}

static void ask(struct storm *storm, uint32_t node) {
    struct sim *s = storm->sim;
    static const char *const names[] = {"", "n1", "n2", "n3", "n4", "n5"};
    static const char *const vms[] = {"vm1", "vm2", "vm3", "vm4"};
    struct cmd_vm_move move = {
        .vm = vms[draw(storm, 4)], .to = "", .mode = (uint8_t)(1 + draw(storm, 2))};
    struct cmd_node_drain drain = {.node = names[1 + draw(storm, storm->nodes)]};
    struct cmd_node_resume resume = {.node = names[1 + draw(storm, storm->nodes)]};
    if (!sim_clusterd_runs(s, node)) {
        return;
    }
    switch (draw(storm, 4)) {
    case 0: cluster_post(s, node, COMMAND_NODE_DRAIN, &drain); break;
    case 1: cluster_post(s, node, COMMAND_NODE_RESUME, &resume); break;
    default: cluster_post(s, node, COMMAND_VM_MOVE, &move); break;
    }
}

static void one_thing(struct storm *storm) {
    struct sim *s = storm->sim;
    uint32_t node = 1 + (uint32_t)draw(storm, storm->nodes);
    uint32_t groups[SIM_NODES] = {0};
    static const char *const actions[] = {"start", "migrate_to", "save", "restore", "monitor"};
    static const enum sim_agent ends[] = {AGENT_FAILS, AGENT_DOES_NOT_KNOW, AGENT_HANGS};
    static const enum sim_fence fences[] = {FENCE_WORKS, FENCE_WORKS, FENCE_WORKS,
                                            FENCE_FAILS, FENCE_FAILS, FENCE_OFF_UNCONFIRMED};
    switch (draw(storm, 10)) {
    case 0: cluster_power_off(s, node); break;
    case 1:
        groups[node] = 1;
        sim_partition(s, groups);
        break;
    case 2:
    case 3: sim_heal_network(s); break;
    case 4:
        if (sim_clusterd_runs(s, node)) {
            sim_kill_clusterd(s, node);
        }
        break;
    case 5: {
        uint64_t which = draw(storm, 5); /* a save may hang for ten minutes: too long here */
        sim_next_agent(s, actions[which], ends[draw(storm, which == 0 || which == 4 ? 3 : 2)]);
        break;
    }
    case 6:
        storm->frozen[node] = true;
        cluster_freeze(s, node);
        break;
    case 7: cluster_fence(s, fences[draw(storm, 6)], draw(storm, 3) ? 5 : 3000); break;
    case 8: ask(storm, node); break;
    default:
        for (uint32_t k = 1; k <= storm->nodes; k++) {
            sim_thaw_clusterd(s, k);
            storm->frozen[k] = false;
            if (!sim_clusterd_runs(s, k)) {
                cluster_boot(s, k);
            }
        }
    }
}

static void mend_all(struct storm *storm) {
    struct sim *s = storm->sim;
    static const char *const names[] = {"", "n1", "n2", "n3", "n4", "n5"};
    cluster_fence(s, FENCE_WORKS, 5);
    cluster_disks(s, DISK_FINE);
    sim_next_agent(s, "", AGENT_AS_USUAL);
    sim_heal_network(s);
    for (uint32_t k = 1; k <= storm->nodes; k++) {
        sim_thaw_clusterd(s, k);
        if (!sim_clusterd_runs(s, k)) {
            cluster_boot(s, k);
        }
    }
    cluster_run(s, 60000);
    for (uint32_t k = 1; k <= storm->nodes; k++) {
        if (!sim_clusterd_runs(s, k)) { /* fenced meanwhile */
            cluster_boot(s, k);
        }
    }
    cluster_run(s, 30000);
    for (uint32_t k = 1; k <= storm->nodes; k++) {
        struct cmd_node_resume resume = {.node = names[k]};
        (void)cluster_request(s, 1, COMMAND_NODE_RESUME, &resume);
    }
}

static void one_storm(uint32_t nodes, uint64_t seed, bool two_node) {
    struct sim_options options =
        two_node ? cluster_options_of_two(4, seed) : cluster_options(nodes, 4, seed);
    options.watchdog_ms = seed % 2 ? 5000 : 0;
    struct sim *s = cluster_set_up(&options);
    struct storm storm = {.sim = s, .nodes = nodes, .random = seed * 2654435761u};
    cluster_disks(s, seed % 3 ? DISK_FINE : DISK_SLOW);
    for (uint32_t i = 0; i < 20; i++) {
        one_thing(&storm);
        if (draw(&storm, 3) == 0) {
            sim_run_events(s, draw(&storm, 60));
        } else {
            cluster_run(s, draw(&storm, draw(&storm, 3) ? 1500 : 12000));
        }
    }
    mend_all(&storm);
    struct want want = {.reader = 1, .vms = 4};
    EXPECT(s, cluster_run_until(s, vms_run, &want, 120000));
    for (uint32_t k = 1; k <= nodes; k++) {
        EXPECT(s, model_node_by_id(cluster_model(s, 1), k)->state == NODE_ONLINE);
    }
    cluster_finish(s);
}

static void storms(void **state) {
    (void)state;
    FOR_SEEDS(seed, 150) {
        one_storm(3 + (uint32_t)(seed % 3), seed, false);
    }
}

static void storms_of_two(void **state) {
    (void)state;
    FOR_SEEDS(seed, 60) {
        one_storm(2, seed, true);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storms),
        cmocka_unit_test(storms_of_two),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_storm", tests, NULL, NULL);
}
