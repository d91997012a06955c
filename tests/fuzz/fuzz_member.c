/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A member whose every message is damaged before its checksum is made (tests/sim/garble.c), and two
 * that must live with it: the cores of three nodes in one process. The simulator's properties are
 * the oracle.
 *
 * The member's clusterd is started again and again, or it would be left out for good. Meanwhile
 * others miss a part of the log, or all that the log still has, so that it must give it to them.
 *
 * The input: one byte for the cluster's shape, two for the seed; the rest decides what the world
 * leaves to chance, and that is mostly what is damaged, and how.
 */
#include "base/check.h"
#include "fuzz/bytes.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES 3u
#define LIVES 4u
#define LIFE_US (700u * 1000)
#define MAX_SIZE 4096u

static uint64_t n_garbled, n_clusters;

static void tell(void) {
    (void)fprintf(stderr, "fuzz_member: %llu damaged messages in %llu clusters\n",
                  (unsigned long long)n_garbled, (unsigned long long)n_clusters);
}

static void change_something(struct sim *s, uint32_t node, uint32_t i) {
    char value[16];
    (void)snprintf(value, sizeof(value), "%u", 31000 + i);
    struct cmd_config_set set = {.key = "start_timeout_ms", .value = value};
    (void)sim_command(s, node, COMMAND_CONFIG_SET, &set);
    sim_run(s, 20u * 1000);
}

/* Those that are away miss entries, and of a member that is well. */
static void fall_behind(struct sim *s, uint32_t who, uint32_t by, uint32_t n) {
    sim_kill_clusterd(s, who);
    sim_run(s, 300u * 1000);
    for (uint32_t i = 0; i < n; i++) {
        change_something(s, by, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes b = {.data = data, .left = size};
    if (size < 3 || size > MAX_SIZE) {
        return 0;
    }
    if (n_clusters++ == 0) {
        CHECK(atexit(tell) == 0);
    }
    uint32_t shape = (uint32_t)bytes_number(&b, 1);
    uint32_t bad = 1 + shape % NODES, other = 1 + (bad + shape / 3) % NODES;
    other = other == bad ? 1 + other % NODES : other;
    struct sim_options options = {.seed = 1 + bytes_number(&b, 2),
                                  .nodes = NODES,
                                  .vms = 1,
                                  .quorum = SIM_MAJORITY,
                                  .compact_entries = shape & 16 ? 12 : 0,
                                  .calm = true,
                                  .stop_dead = true};
    struct sim *s = sim_create(&options);
    CHECK(sim_set_up(s));
    s->options.choices = b.data;
    s->options.n_choices = b.left;
    for (uint32_t i = 0; i < LIVES; i++) {
        fall_behind(s, other, bad, shape & 32 ? 20 : 3);
        sim_garble(s, bad, i % 2 ? 100 : 30, LIFE_US);
        sim_start_clusterd(s, other);
        change_something(s, bad, i);
        sim_run(s, LIFE_US);
        sim_kill_clusterd(s, bad);
        sim_start_clusterd(s, bad);
        sim_run(s, LIFE_US);
    }
    n_garbled += sim_garbled(s);
    sim_destroy(s);
    return 0;
}
