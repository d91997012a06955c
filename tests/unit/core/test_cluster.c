/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of a small cluster: what must happen when a node dies, is cut off, comes back; when VMs
 * are drained, moved, crash; told with the core that clusterd links, for many seeds each.
 */
#include "unit/core/story.h"

#define SEEDS 25u

static const struct model_operation *last_operation(struct world *w, uint32_t node) {
    return model_operation_by_id(world_model(w, node), world_last_operation(w));
}

static bool operation_ended(struct world *w, const void *arg) {
    const struct model_operation *op = last_operation(w, *(const uint32_t *)arg);
    return op && op->state != OPERATION_RUNNING;
}

static uint32_t count_on(struct world *w, uint32_t reader, uint32_t node) {
    uint32_t n = 0;
    MODEL_EACH(model_vm, vm, &world_model(w, reader)->vms) {
        n += vm->owner == node && vm->state == VM_RUNNING;
    }
    return n;
}

static void power_cut(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        world_power_off(w, 1 + (uint32_t)(seed % 3));
        struct want want = {.vms = 6, .not_on = 1 + (uint32_t)(seed % 3)};
        want.reader = want.not_on == 1 ? 2 : 1;
        EXPECT(w, world_run_until(w, vms_run, &want, 20000));
        EXPECT(w, world_fence_calls(w) == 1);
        world_destroy(w);
    }
}

static void network_cut(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        const uint32_t groups[] = {0, 0, 0, 1};
        world_partition(w, groups);
        struct want want = {.reader = 1, .vms = 6, .not_on = 3};
        EXPECT(w, world_run_until(w, vms_run, &want, 20000));
        world_destroy(w);
    }
}

/* Fencing fails: nothing may start elsewhere; the cut node stops its VMs, and gets them back. */
static void fencing_fails(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        world_fence_works(w, false);
        const uint32_t groups[] = {0, 0, 0, 1};
        uint32_t before = count_on(w, 1, 3);
        world_partition(w, groups);
        world_run(w, 30000);
        EXPECT(w, world_fence_calls(w) >= 2);
        EXPECT(w, count_on(w, 1, 1) + count_on(w, 1, 2) == 6 - before);
        const struct model_node *node = model_node_by_id(world_model(w, 1), 3);
        EXPECT(w, before == 0 || node->state == NODE_LOST || node->state == NODE_FENCING);
        world_heal(w);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(w, world_run_until(w, vms_run, &want, 30000));
        world_destroy(w);
    }
}

static void clusterd_restarts(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        uint32_t node = 1 + (uint32_t)(seed % 3);
        uint32_t starts = world_agent_calls(w, "start");
        world_kill_clusterd(w, node);
        world_run(w, seed * 20);
        world_start_clusterd(w, node);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(w, world_run_until(w, vms_run, &want, 20000));
        world_run(w, 10000);
        EXPECT(w, world_agent_calls(w, "start") == starts);
        EXPECT(w, world_fence_calls(w) == 0);
        EXPECT(w, model_node_by_id(world_model(w, 1), node)->state == NODE_ONLINE);
        world_destroy(w);
    }
}

static void cold_start(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        for (uint32_t i = 1; i <= 3; i++) {
            world_power_off(w, i);
        }
        world_boot(w, 2);
        world_run(w, seed * 10);
        world_boot(w, 3);
        world_run(w, seed * 30);
        world_boot(w, 1);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(w, world_run_until(w, vms_run, &want, 30000));
        EXPECT(w, world_fence_calls(w) == 0);
        world_destroy(w);
    }
}

static void drain_and_resume(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        const char *names[] = {"", "n1", "n2", "n3"};
        uint32_t node = 1 + (uint32_t)(seed % 3), reader = 1;
        uint32_t before = count_on(w, 1, node);
        struct cmd_node_drain drain = {.node = names[node]};
        EXPECT(w, world_request(w, 2, COMMAND_NODE_DRAIN, &drain) == REPLY_OK);
        EXPECT(w, world_run_until(w, operation_ended, &reader, 60000));
        EXPECT(w, last_operation(w, 1)->state == OPERATION_DONE);
        EXPECT(w, count_on(w, 1, node) == 0);
        EXPECT(w, model_node_by_id(world_model(w, 1), node)->service == SERVICE_DRAINED);
        struct cmd_node_resume resume = {.node = names[node]};
        EXPECT(w, world_request(w, 3, COMMAND_NODE_RESUME, &resume) == REPLY_OK);
        EXPECT(w, world_run_until(w, operation_ended, &reader, 60000));
        EXPECT(w, last_operation(w, 1)->state == OPERATION_DONE);
        EXPECT(w, count_on(w, 1, node) == before);
        world_destroy(w);
    }
}

static void coordinator_dies_in_a_drain(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 6, seed);
        struct cmd_node_drain drain = {.node = "n3"};
        EXPECT(w, world_request(w, 2, COMMAND_NODE_DRAIN, &drain) == REPLY_OK);
        world_run(w, seed * 17);
        world_power_off(w, 1);
        struct want want = {.reader = 2, .vms = 6, .not_on = 1};
        EXPECT(w, world_run_until(w, vms_run, &want, 60000));
        uint32_t reader = 2;
        (void)world_run_until(w, operation_ended, &reader, 60000);
        world_run(w, 5000);
        EXPECT(w, count_on(w, 2, 2) == 6);
        world_destroy(w);
    }
}

static void moves(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 2, seed);
        uint32_t reader = 1;
        struct cmd_vm_move move = {
            .vm = "vm1", .to = "", .mode = seed % 2 ? MOVE_LIVE : MOVE_QUICK};
        uint32_t from = world_runs_on(w, "vm1");
        EXPECT(w, world_request(w, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(w, world_run_until(w, operation_ended, &reader, 60000));
        EXPECT(w, last_operation(w, 1)->state == OPERATION_DONE);
        EXPECT(w, world_runs_on(w, "vm1") != from && world_runs_on(w, "vm1") != 0);
        EXPECT(w, world_agent_calls(w, seed % 2 ? "migrate_to" : "restore") == 1);
        world_destroy(w);
    }
}

/* The agent cannot say what became of the migration: both ends are asked, nothing is doubled. */
static void move_with_unknown_end(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 2, seed);
        uint32_t reader = 1;
        world_next_agent(w, "migrate_to", seed % 2 ? "unknown" : "failed");
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        EXPECT(w, world_request(w, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(w, world_run_until(w, operation_ended, &reader, 60000));
        struct want want = {.reader = 1, .vms = 2};
        EXPECT(w, world_run_until(w, vms_run, &want, 60000));
        EXPECT(w, last_operation(w, 1)->state == (seed % 2 ? OPERATION_DONE : OPERATION_FAILED));
        world_destroy(w);
    }
}

static void end_dies_in_a_migration(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(4, 4, seed);
        uint32_t from = world_runs_on(w, "vm1");
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        EXPECT(w, world_request(w, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        world_run(w, seed * 13);
        const struct model_vm *vm = model_vm_by_name(world_model(w, 1), "vm1");
        uint32_t victim = seed % 2 || !vm->target ? from : vm->target;
        world_power_off(w, victim);
        struct want want = {.reader = victim == 1 ? 2 : 1, .vms = 4, .not_on = victim};
        EXPECT(w, world_run_until(w, vms_run, &want, 60000));
        world_destroy(w);
    }
}

static void crash_is_restarted_in_place(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 3, seed);
        uint32_t at = world_runs_on(w, "vm2");
        struct want want = {.reader = 1, .vms = 3};
        for (int i = 0; i < 3; i++) {
            world_crash_vm(w, "vm2");
            EXPECT(w, world_run_until(w, vms_run, &want, 20000));
            EXPECT(w, world_runs_on(w, "vm2") == at);
        }
        world_crash_vm(w, "vm2"); /* the fourth: elsewhere */
        EXPECT(w, world_run_until(w, vms_run, &want, 20000));
        EXPECT(w, world_runs_on(w, "vm2") != at);
        world_shutdown_vm(w, "vm2");
        world_run(w, 5000);
        EXPECT(w, world_runs_on(w, "vm2") == 0);
        EXPECT(w, model_vm_by_name(world_model(w, 1), "vm2")->wanted == WANTED_STOPPED);
        world_destroy(w);
    }
}

static void start_fails_goes_elsewhere(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 2, seed);
        struct cmd_vm_stop stop = {.vm = "vm1"};
        struct cmd_vm_start start = {.vm = "vm1"};
        uint32_t reader = 1;
        EXPECT(w, world_request(w, 1, COMMAND_VM_STOP, &stop) == REPLY_OK);
        EXPECT(w, world_run_until(w, operation_ended, &reader, 120000));
        EXPECT(w, world_runs_on(w, "vm1") == 0);
        world_next_agent(w, "start", seed % 2 ? "failed" : "unknown");
        EXPECT(w, world_request(w, 2, COMMAND_VM_START, &start) == REPLY_OK);
        struct want want = {.reader = 1, .vms = 2};
        EXPECT(w, world_run_until(w, vms_run, &want, 60000));
        EXPECT(w, world_run_until(w, operation_ended, &reader, 60000));
        EXPECT(w, last_operation(w, 1)->state == OPERATION_DONE);
        world_destroy(w);
    }
}

/* A node that was away takes over what happened, by suffix or by snapshot. */
static void catch_up(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *w = world_ready(3, 1, seed);
        world_power_off(w, 3);
        world_run(w, 5000);
        uint32_t changes = seed % 2 ? 20 : 3000;
        for (uint32_t i = 0; i < changes; i++) {
            char value[16];
            (void)snprintf(value, sizeof(value), "%u", 10000 + i);
            struct cmd_config_set set = {.key = "start_timeout_ms", .value = value};
            EXPECT(w, world_request(w, 1 + i % 2, COMMAND_CONFIG_SET, &set) == REPLY_OK);
        }
        world_boot(w, 3);
        world_run(w, 10000);
        EXPECT(w, world_status(w, 3).usable);
        EXPECT(w, model_digest(world_model(w, 3)) == model_digest(world_model(w, 1)));
        /* and it knows all of it after its own restart */
        world_kill_clusterd(w, 3);
        world_start_clusterd(w, 3);
        world_run(w, 10000);
        EXPECT(w, world_status(w, 3).usable);
        EXPECT(w, model_digest(world_model(w, 3)) == model_digest(world_model(w, 1)));
        world_destroy(w);
    }
}

static void no_quorum_refuses(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 1, seed);
        const uint32_t groups[] = {0, 0, 1, 2};
        world_fence_works(w, false);
        world_partition(w, groups);
        world_run(w, 100);
        struct cmd_config_set set = {.key = "start_timeout_ms", .value = "12345"};
        EXPECT(w, world_request(w, 1, COMMAND_CONFIG_SET, &set) == REPLY_NO_QUORUM);
        world_run(w, 8000);
        EXPECT(w, world_runs_on(w, "vm1") == 0); /* stopped by itself */
        world_heal(w);
        struct want want = {.reader = 1, .vms = 1};
        EXPECT(w, world_run_until(w, vms_run, &want, 30000));
        world_destroy(w);
    }
}

/* A client is told "done" only of what survives the loss of any minority, at any moment. */
static void acknowledged_is_kept(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 0, seed);
        for (uint32_t i = 0; i < 30; i++) {
            char value[16];
            (void)snprintf(value, sizeof(value), "%u", 20000 + i);
            struct cmd_config_set set = {.key = "start_timeout_ms", .value = value};
            uint32_t at = 1 + i % 3;
            int code = world_request(w, at, COMMAND_CONFIG_SET, &set);
            EXPECT(w, code == REPLY_OK);
            world_power_off(w, at); /* at the very moment of the answer */
            world_run(w, (seed + i) % 7);
            world_boot(w, at);
            world_run(w, 3000);
            const struct model *m = world_model(w, 1 + (at % 3));
            bool found = false;
            MODEL_EACH(model_setting, row, &m->settings) {
                found = found || strcmp(row->value, value) == 0;
            }
            EXPECT(w, found);
        }
        world_destroy(w);
    }
}

/* Everything goes wrong at random; at the end all VMs run. */
static void storm(void **state) {
    (void)state;
    FOR_SEEDS(seed, 200) {
        struct world *w = world_ready(3, 5, seed);
        uint64_t r = seed * 2654435761u;
        bool off[4] = {false};
        for (uint32_t i = 0; i < 12; i++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            uint32_t node = 1 + (uint32_t)((r >> 33) % 3);
            uint32_t groups[4] = {0};
            groups[node] = 1;
            switch ((r >> 40) % 6) {
            case 0:
                world_power_off(w, node);
                off[node] = true;
                break;
            case 1: world_partition(w, groups); break;
            case 2: world_heal(w); break;
            case 3:
                if (!off[node]) {
                    world_kill_clusterd(w, node);
                    off[node] = true;
                }
                break;
            case 4:
                world_next_agent(w, (r >> 50) % 2 ? "start" : "migrate_to",
                                 (r >> 51) % 2 ? "failed" : "unknown");
                break;
            default:
                for (uint32_t k = 1; k <= 3; k++) {
                    if (off[k]) {
                        world_boot(w, k);
                        off[k] = false;
                    }
                }
            }
            world_run(w, (r >> 45) % 3000);
        }
        world_heal(w);
        for (uint32_t k = 1; k <= 3; k++) {
            world_power_off(w, k);
            world_boot(w, k);
        }
        struct want want = {.reader = 1, .vms = 5};
        EXPECT(w, world_run_until(w, vms_run, &want, 120000));
        world_destroy(w);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut),
        cmocka_unit_test(network_cut),
        cmocka_unit_test(fencing_fails),
        cmocka_unit_test(clusterd_restarts),
        cmocka_unit_test(cold_start),
        cmocka_unit_test(drain_and_resume),
        cmocka_unit_test(coordinator_dies_in_a_drain),
        cmocka_unit_test(moves),
        cmocka_unit_test(move_with_unknown_end),
        cmocka_unit_test(end_dies_in_a_migration),
        cmocka_unit_test(crash_is_restarted_in_place),
        cmocka_unit_test(start_fails_goes_elsewhere),
        cmocka_unit_test(catch_up),
        cmocka_unit_test(no_quorum_refuses),
        cmocka_unit_test(acknowledged_is_kept),
        cmocka_unit_test(storm),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_cluster", tests, NULL, NULL);
}
