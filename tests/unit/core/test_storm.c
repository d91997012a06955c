/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything goes wrong at random, on clusters of several sizes: power, network, clusterd killed
 * and frozen, disks that are slow, fencing that fails, is slow or lies, agents that do not know how
 * they ended, people who move and drain. The world checks that no VM runs twice and that all models
 * are one; at the end, with everything mended, all VMs must run.
 */
#include "unit/core/story.h"

struct storm {
    struct world *w;
    uint32_t nodes;
    uint64_t random;
    bool frozen[WORLD_NODES + 1];
};

static uint64_t draw(struct storm *s, uint64_t n) {
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (s->random >> 33) % n;
}

static void ask(struct storm *s, uint32_t node) {
    struct world *w = s->w;
    static const char *const names[] = {"", "n1", "n2", "n3", "n4", "n5"};
    static const char *const vms[] = {"vm1", "vm2", "vm3", "vm4"};
    struct cmd_vm_move move = {.vm = vms[draw(s, 4)], .to = "", .mode = (uint8_t)(1 + draw(s, 2))};
    struct cmd_node_drain drain = {.node = names[1 + draw(s, s->nodes)]};
    struct cmd_node_resume resume = {.node = names[1 + draw(s, s->nodes)]};
    if (!world_is_on(w, node)) {
        return;
    }
    switch (draw(s, 4)) {
    case 0: world_post(w, node, COMMAND_NODE_DRAIN, &drain); break;
    case 1: world_post(w, node, COMMAND_NODE_RESUME, &resume); break;
    default: world_post(w, node, COMMAND_VM_MOVE, &move); break;
    }
}

static void one_thing(struct storm *s) {
    struct world *w = s->w;
    uint32_t node = 1 + (uint32_t)draw(s, s->nodes);
    uint32_t groups[WORLD_NODES + 1] = {0};
    static const char *const actions[] = {"start", "migrate_to", "save", "restore", "monitor"};
    static const char *const ends[] = {"failed", "unknown", "hang"};
    switch (draw(s, 10)) {
    case 0: world_power_off(w, node); break;
    case 1:
        groups[node] = 1;
        world_partition(w, groups);
        break;
    case 2:
    case 3: world_heal(w); break;
    case 4:
        if (world_is_on(w, node)) {
            world_kill_clusterd(w, node);
        }
        break;
    case 5: {
        uint64_t which = draw(s, 5); /* a save may hang for ten minutes: too long here */
        world_next_agent(w, actions[which], ends[draw(s, which == 0 || which == 4 ? 3 : 2)]);
        break;
    }
    case 6:
        s->frozen[node] = true;
        world_freeze(w, node);
        break;
    case 7:
        world_fence_works(w, draw(s, 3) > 0);
        world_fence_lies(w, draw(s, 4) == 0);
        world_fence_takes(w, draw(s, 3) ? 5 : 3000);
        break;
    case 8: ask(s, node); break;
    default:
        for (uint32_t k = 1; k <= s->nodes; k++) {
            world_thaw(w, k);
            s->frozen[k] = false;
            if (!world_is_on(w, k)) {
                world_boot(w, k);
            }
        }
    }
}

static void mend_all(struct storm *s) {
    struct world *w = s->w;
    static const char *const names[] = {"", "n1", "n2", "n3", "n4", "n5"};
    world_fence_works(w, true);
    world_fence_lies(w, false);
    world_fence_takes(w, 5);
    world_slow_disks(w, 0);
    world_next_agent(w, "", "");
    world_heal(w);
    for (uint32_t k = 1; k <= s->nodes; k++) {
        world_thaw(w, k);
        if (!world_is_on(w, k)) {
            world_boot(w, k);
        }
    }
    world_run(w, 60000);
    for (uint32_t k = 1; k <= s->nodes; k++) {
        if (!world_is_on(w, k)) { /* fenced meanwhile */
            world_boot(w, k);
        }
    }
    world_run(w, 30000);
    for (uint32_t k = 1; k <= s->nodes; k++) {
        struct cmd_node_resume resume = {.node = names[k]};
        (void)world_request(w, 1, COMMAND_NODE_RESUME, &resume);
    }
}

static void one_storm(uint32_t nodes, uint64_t seed, bool two_node) {
    struct storm s = {.w = world_create(nodes, seed), .nodes = nodes, .random = seed * 2654435761u};
    struct world *w = s.w;
    if (two_node) {
        world_two_node(w);
    }
    world_watchdogs(w, seed % 2 ? 5000 : 0);
    world_setup(w, 4);
    world_slow_disks(w, seed % 3 ? 0 : 20);
    for (uint32_t i = 0; i < 20; i++) {
        one_thing(&s);
        if (draw(&s, 3) == 0) {
            world_some(w, draw(&s, 60));
        } else {
            world_run(w, draw(&s, draw(&s, 3) ? 1500 : 12000));
        }
    }
    mend_all(&s);
    struct want want = {.reader = 1, .vms = 4};
    EXPECT(w, world_run_until(w, vms_run, &want, 120000));
    for (uint32_t k = 1; k <= nodes; k++) {
        EXPECT(w, model_node_by_id(world_model(w, 1), k)->state == NODE_ONLINE);
    }
    world_destroy(w);
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
