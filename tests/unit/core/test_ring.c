/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of the replicated log when the ring breaks while messages are under way, disks are slow,
 * and a clusterd stands still for a while: what a client was told is never lost, and all logs are
 * one log.
 */
#include "unit/core/cluster.h"

static bool all_usable(struct sim *s, const void *arg) {
    const uint32_t *n = arg;
    for (uint32_t i = 1; i <= *n; i++) {
        if (!cluster_status(s, i).usable ||
            cluster_status(s, i).applied_index != cluster_status(s, 1).applied_index) {
            return false;
        }
    }
    return true;
}

static bool knows(struct sim *s, uint32_t node, const char *value) {
    MODEL_EACH(model_event, event, &cluster_model(s, node)->events) {
        if (strcmp(event->kind, "config") == 0 && strstr(event->message, value)) {
            return true;
        }
    }
    return false;
}

static uint64_t draw(uint64_t *r) {
    *r = *r * 6364136223846793005u + 1442695040888963407u;
    return *r >> 33;
}

static void post_value(struct sim *s, uint32_t node, uint32_t number, char *value) {
    (void)snprintf(value, 16, "%u", number);
    struct cmd_config_set set = {.key = "start_timeout_ms", .value = value};
    cluster_post(s, node, COMMAND_CONFIG_SET, &set);
}

/* Clients write on all nodes while the ring breaks in two and is whole again. */
static void writes_in_a_broken_ring(uint32_t nodes, uint64_t seed) {
    struct sim *s = cluster_ready(nodes, 0, seed);
    cluster_disks(s, seed % 3 ? DISK_FINE : DISK_SLOW);
    uint64_t r = seed;
    char told[80][16];
    uint32_t n_told = 0;
    for (uint32_t round = 0; round < 12; round++) {
        char value[16] = "";
        uint32_t groups[SIM_NODES] = {0};
        for (uint32_t k = 0; k < 4; k++) {
            post_value(s, 1 + (uint32_t)(draw(&r) % nodes), 20000 + round * 10 + k, value);
            sim_run_events(s, draw(&r) % 12);
            if (cluster_answered(s)) {
                (void)snprintf(told[n_told++], 16, "%s", value);
            }
        }
        for (uint32_t i = 1; i <= nodes; i++) {
            groups[i] = draw(&r) % 3 == 0;
        }
        sim_partition(s, groups);
        if (draw(&r) % 2) {
            cluster_run(s, draw(&r) % 20);
        } else {
            sim_run_events(s, draw(&r) % 30);
        }
        if (cluster_answered(s) && n_told < 80) { /* also what is told while the ring is broken */
            (void)snprintf(told[n_told++], 16, "%s", value);
        }
        sim_heal_network(s);
        EXPECT(s, cluster_run_until(s, all_usable, &nodes, 20000));
    }
    for (uint32_t i = 0; i < n_told; i++) {
        EXPECT(s, knows(s, 1 + i % nodes, told[i]));
    }
    cluster_finish(s);
}

static void writes_in_broken_rings(void **state) {
    (void)state;
    FOR_SEEDS(seed, 150) {
        writes_in_a_broken_ring(3 + (uint32_t)(seed % 3), seed);
    }
}

/* While only half of the nodes can have stored it, nobody is told that it is done. */
static void half_is_no_majority(void **state) {
    (void)state;
    FOR_SEEDS(seed, 12) {
        uint32_t nodes = 3 + (uint32_t)(seed % 3);
        struct sim *s = cluster_ready(nodes, 0, seed);
        for (uint32_t i = nodes / 2 + 1; i <= nodes; i++) {
            cluster_freeze(s, i);
        }
        char value[16];
        post_value(s, 1, 33333, value);
        cluster_run(s, 500);
        EXPECT(s, !cluster_answered(s));
        sim_thaw_clusterd(s, nodes);
        cluster_run(s, 2000);
        EXPECT(s, cluster_answered(s));
        cluster_finish(s);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_in_broken_rings),
        cmocka_unit_test(half_is_no_majority),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_ring", tests, NULL, NULL);
}
