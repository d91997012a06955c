/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of fencing that fails: how often it is tried.
 */
#include "unit/core/cluster.h"

#define FIRST_MS 1000u
#define LONGEST_MS 10000u

static void set(struct sim *s, const char *key, unsigned value, uint64_t seed) {
    char text[16];
    struct cmd_config_set command = {.key = key, .value = text};
    (void)snprintf(text, sizeof(text), "%u", value);
    EXPECT(s, cluster_request(s, 1, COMMAND_CONFIG_SET, &command) == REPLY_OK);
}

static bool called(struct sim *s, const void *arg) {
    return sim_fence_calls(s) > *(const uint32_t *)arg;
}

/* From the call's end to the next call; the fence agent takes 5 ms, and what is between is agreed
 * upon by messages that take little time here. */
static uint64_t pause_after(struct sim *s, uint32_t call, uint64_t seed) {
    EXPECT(s, sim_fence_calls(s) > call + 1);
    return (sim_fence_call_us(s, call + 1) - sim_fence_call_us(s, call)) / 1000 - 5;
}

static bool is_online(struct sim *s, const void *arg) {
    return model_node_by_id(cluster_model(s, 1), *(const uint32_t *)arg)->state == NODE_ONLINE;
}

/* A loss: the first call comes at once; then pauses of 1, 2, 4, 8 s, and 10 s from then on. */
static void lose_n3(struct sim *s, uint64_t seed) {
    static const uint64_t pauses_ms[] = {1000, 2000, 4000, 8000, 10000, 10000, 10000};
    const uint32_t groups[SIM_NODES] = {0, 0, 0, 1};
    const uint32_t lost = 3;
    uint32_t first = sim_fence_calls(s);
    sim_partition(s, groups);
    uint64_t lost_ms = cluster_now(s);
    EXPECT(s, cluster_run_until(s, called, &first, 2000));
    EXPECT(s, sim_fence_call_us(s, first) / 1000 - lost_ms < 500);
    cluster_run(s, 60000);
    for (uint32_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        uint64_t pause_ms = pause_after(s, first + i, seed);
        print_message("pause %u: %llu ms\n", i, (unsigned long long)pause_ms);
        EXPECT(s, pause_ms >= pauses_ms[i] && pause_ms <= pauses_ms[i] + 100);
    }
    sim_heal_network(s);
    EXPECT(s, cluster_run_until(s, is_online, &lost, 30000));
}

/* Pauses grow, up to a limit; a node that was back meanwhile is fenced at once when it is lost
 * again, and the pauses begin anew. */
static void pauses_grow_and_begin_anew(void **state) {
    (void)state;
    FOR_SEEDS(seed, 10) {
        struct sim_options options = cluster_options(3, 6, seed);
        options.calm = true; /* clocks alike, so that pauses can be measured */
        struct sim *s = cluster_set_up(&options);
        set(s, "fence_retry_ms", FIRST_MS, seed);
        set(s, "fence_retry_max_ms", LONGEST_MS, seed);
        cluster_run(s, 20000); /* a cluster that has just come up waits for missing nodes first */
        cluster_fence(s, FENCE_FAILS, 5);
        lose_n3(s, seed);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 30000));
        struct cmd_vm_move move = {.vm = "vm1", .to = "n3", .mode = MOVE_LIVE};
        if (cluster_runs_on(s, "vm1") != 3) { /* so that there is something to fence it for */
            EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
            cluster_run(s, 10000);
        }
        lose_n3(s, seed);
        cluster_finish(s);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_and_begin_anew),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_fencing", tests, NULL, NULL);
}
