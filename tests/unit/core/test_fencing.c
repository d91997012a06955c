/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of fencing that fails: how often it is tried.
 */
#include "unit/core/story.h"

#define FIRST_MS 1000u
#define LONGEST_MS 10000u

static void set(struct world *w, const char *key, unsigned value, uint64_t seed) {
    char text[16];
    struct cmd_config_set command = {.key = key, .value = text};
    (void)snprintf(text, sizeof(text), "%u", value);
    EXPECT(w, world_request(w, 1, COMMAND_CONFIG_SET, &command) == REPLY_OK);
}

static bool called(struct world *w, const void *arg) {
    return world_fence_calls(w) > *(const uint32_t *)arg;
}

/* From the call's end to the next call; the fence agent takes 5 ms, and what is between is agreed
 * upon by messages that take no time here. */
static uint64_t pause_after(struct world *w, uint32_t call, uint64_t seed) {
    EXPECT(w, world_fence_calls(w) > call + 1);
    return world_fence_call_ms(w, call + 1) - world_fence_call_ms(w, call) - 5;
}

static bool is_online(struct world *w, const void *arg) {
    return model_node_by_id(world_model(w, 1), *(const uint32_t *)arg)->state == NODE_ONLINE;
}

/* A loss: the first call comes at once; then pauses of 1, 2, 4, 8 s, and 10 s from then on. */
static void lose_n3(struct world *w, uint64_t seed) {
    static const uint64_t pauses_ms[] = {1000, 2000, 4000, 8000, 10000, 10000, 10000};
    const uint32_t groups[WORLD_NODES + 1] = {0, 0, 0, 1};
    const uint32_t lost = 3;
    uint32_t first = world_fence_calls(w);
    world_partition(w, groups);
    uint64_t lost_ms = world_now(w);
    EXPECT(w, world_run_until(w, called, &first, 2000));
    EXPECT(w, world_fence_call_ms(w, first) - lost_ms < 500);
    world_run(w, 60000);
    for (uint32_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        uint64_t pause_ms = pause_after(w, first + i, seed);
        print_message("pause %u: %llu ms\n", i, (unsigned long long)pause_ms);
        EXPECT(w, pause_ms >= pauses_ms[i] && pause_ms <= pauses_ms[i] + 100);
    }
    world_heal(w);
    EXPECT(w, world_run_until(w, is_online, &lost, 30000));
}

/* Pauses grow, up to a limit; a node that was back meanwhile is fenced at once when it is lost
 * again, and the pauses begin anew. */
static void pauses_grow_and_begin_anew(void **state) {
    (void)state;
    FOR_SEEDS(seed, 10) {
        struct world *w = world_ready(3, 6, seed);
        set(w, "fence_retry_ms", FIRST_MS, seed);
        set(w, "fence_retry_max_ms", LONGEST_MS, seed);
        world_run(w, 20000); /* a cluster that has just come up waits for missing nodes first */
        world_fence_works(w, false);
        lose_n3(w, seed);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(w, world_run_until(w, vms_run, &want, 30000));
        struct cmd_vm_move move = {.vm = "vm1", .to = "n3", .mode = MOVE_LIVE};
        if (world_runs_on(w, "vm1") != 3) { /* so that there is something to fence it for */
            EXPECT(w, world_request(w, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
            world_run(w, 10000);
        }
        lose_n3(w, seed);
        world_destroy(w);
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
