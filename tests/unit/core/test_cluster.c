/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of a small cluster: what must happen when a node dies, is cut off, comes back; when VMs
 * are drained, moved, crash; told with the core that clusterd links, for many seeds each.
 */
#include "unit/core/cluster.h"

#define SEEDS 25u

static const struct model_operation *last_operation(struct sim *s, uint32_t node) {
    return model_operation_by_id(cluster_model(s, node), cluster_last_operation(s));
}

static bool operation_ended(struct sim *s, const void *arg) {
    const struct model_operation *op = last_operation(s, *(const uint32_t *)arg);
    return op && op->state != OPERATION_RUNNING;
}

static uint32_t count_on(struct sim *s, uint32_t reader, uint32_t node) {
    uint32_t n = 0;
    MODEL_EACH(model_vm, vm, &cluster_model(s, reader)->vms) {
        n += vm->owner == node && vm->state == VM_RUNNING;
    }
    return n;
}

static void power_cut(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        cluster_power_off(s, 1 + (uint32_t)(seed % 3));
        struct want want = {.vms = 6, .not_on = 1 + (uint32_t)(seed % 3)};
        want.reader = want.not_on == 1 ? 2 : 1;
        EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
        EXPECT(s, sim_fence_calls(s) == 1);
        cluster_finish(s);
    }
}

static void network_cut(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        const uint32_t groups[] = {0, 0, 0, 1};
        sim_partition(s, groups);
        struct want want = {.reader = 1, .vms = 6, .not_on = 3};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
        cluster_finish(s);
    }
}

/* Fencing fails: nothing may start elsewhere; the cut node stops its VMs, and gets them back. */
static void fencing_fails(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        cluster_fence(s, FENCE_FAILS, 5);
        const uint32_t groups[] = {0, 0, 0, 1};
        uint32_t before = count_on(s, 1, 3);
        sim_partition(s, groups);
        cluster_run(s, 30000);
        EXPECT(s, sim_fence_calls(s) >= 2);
        EXPECT(s, count_on(s, 1, 1) + count_on(s, 1, 2) == 6 - before);
        const struct model_node *node = model_node_by_id(cluster_model(s, 1), 3);
        EXPECT(s, before == 0 || node->state == NODE_LOST || node->state == NODE_FENCING);
        sim_heal_network(s);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 30000));
        cluster_finish(s);
    }
}

static void clusterd_restarts(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        uint32_t node = 1 + (uint32_t)(seed % 3);
        uint32_t starts = sim_agent_calls(s, "start");
        sim_kill_clusterd(s, node);
        cluster_run(s, seed * 20);
        sim_start_clusterd(s, node);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
        cluster_run(s, 10000);
        EXPECT(s, sim_agent_calls(s, "start") == starts);
        EXPECT(s, sim_fence_calls(s) == 0);
        EXPECT(s, model_node_by_id(cluster_model(s, 1), node)->state == NODE_ONLINE);
        cluster_finish(s);
    }
}

static void cold_start(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        for (uint32_t i = 1; i <= 3; i++) {
            cluster_power_off(s, i);
        }
        cluster_boot(s, 2);
        cluster_run(s, seed * 10);
        cluster_boot(s, 3);
        cluster_run(s, seed * 30);
        cluster_boot(s, 1);
        struct want want = {.reader = 1, .vms = 6};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 30000));
        EXPECT(s, sim_fence_calls(s) == 0);
        cluster_finish(s);
    }
}

static void drain_and_resume(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        const char *names[] = {"", "n1", "n2", "n3"};
        uint32_t node = 1 + (uint32_t)(seed % 3), reader = 1;
        uint32_t before = count_on(s, 1, node);
        struct cmd_node_drain drain = {.node = names[node]};
        EXPECT(s, cluster_request(s, 2, COMMAND_NODE_DRAIN, &drain) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
        EXPECT(s, last_operation(s, 1)->state == OPERATION_DONE);
        EXPECT(s, count_on(s, 1, node) == 0);
        EXPECT(s, model_node_by_id(cluster_model(s, 1), node)->service == SERVICE_DRAINED);
        struct cmd_node_resume resume = {.node = names[node]};
        EXPECT(s, cluster_request(s, 3, COMMAND_NODE_RESUME, &resume) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
        EXPECT(s, last_operation(s, 1)->state == OPERATION_DONE);
        EXPECT(s, count_on(s, 1, node) == before);
        cluster_finish(s);
    }
}

static void coordinator_dies_in_a_drain(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 6, seed);
        struct cmd_node_drain drain = {.node = "n3"};
        EXPECT(s, cluster_request(s, 2, COMMAND_NODE_DRAIN, &drain) == REPLY_OK);
        cluster_run(s, seed * 17);
        cluster_power_off(s, 1);
        struct want want = {.reader = 2, .vms = 6, .not_on = 1};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 60000));
        uint32_t reader = 2;
        (void)cluster_run_until(s, operation_ended, &reader, 60000);
        cluster_run(s, 5000);
        EXPECT(s, count_on(s, 2, 2) == 6);
        cluster_finish(s);
    }
}

static void moves(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 2, seed);
        uint32_t reader = 1;
        struct cmd_vm_move move = {
            .vm = "vm1", .to = "", .mode = seed % 2 ? MOVE_LIVE : MOVE_QUICK};
        uint32_t from = cluster_runs_on(s, "vm1");
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
        EXPECT(s, last_operation(s, 1)->state == OPERATION_DONE);
        EXPECT(s, cluster_runs_on(s, "vm1") != from && cluster_runs_on(s, "vm1") != 0);
        EXPECT(s, sim_agent_calls(s, seed % 2 ? "migrate_to" : "restore") == 1);
        cluster_finish(s);
    }
}

/* How a live move may go: as chosen for it, else for the VM, else for all. */
static void moves_as_chosen(void **state) {
    static const struct {
        uint32_t of_vm_ms, of_move_ms, mbps;
        uint8_t otherwise;
        const char *const said[3];
    } cases[] = {
        {0, 0, 0, 0, {"max_downtime_ms=300 ", "bandwidth_mbps=0 ", "if_not_converging=abort "}},
        {80, 0, 0, 0, {"max_downtime_ms=80 ", "bandwidth_mbps=0 ", "if_not_converging=abort "}},
        {80,
         700,
         55,
         CONVERGENCE_SUSPEND,
         {"max_downtime_ms=700 ", "bandwidth_mbps=55 ", "if_not_converging=suspend "}},
        {0, 0, 0, CONVERGENCE_ABORT, {"max_downtime_ms=300 ", "", "if_not_converging=abort "}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim *s = cluster_ready(3, 2, 7);
        const uint64_t seed = 7;
        uint32_t reader = 1;
        struct cmd_vm_set set = {
            .vm = "vm1", .given = VM_SET_MAX_DOWNTIME, .max_downtime_ms = cases[i].of_vm_ms};
        struct cmd_vm_move move = {.vm = "vm1",
                                   .to = "",
                                   .mode = MOVE_LIVE,
                                   .max_downtime_ms = cases[i].of_move_ms,
                                   .bandwidth_mbps = cases[i].mbps,
                                   .if_not_converging = cases[i].otherwise};
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_SET, &set) == REPLY_OK);
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
        for (size_t k = 0; k < 3; k++) {
            print_message("%s\n", sim_agent_params(s, "migrate_to"));
            EXPECT(s, strstr(sim_agent_params(s, "migrate_to"), cases[i].said[k]));
        }
        cluster_finish(s);
    }
}

static void setting_says_what_follows(void **state) {
    const uint64_t seed = 7;
    struct sim *s = cluster_ready(3, 2, seed);
    uint32_t reader = 1;
    struct cmd_config_set config = {.key = "if_not_converging", .value = "suspend"};
    struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
    (void)state;
    EXPECT(s, cluster_request(s, 1, COMMAND_CONFIG_SET, &config) == REPLY_OK);
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
    EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
    EXPECT(s, strstr(sim_agent_params(s, "migrate_to"), "if_not_converging=suspend "));
    cluster_finish(s);
}

static bool answered(struct sim *s, const void *request) {
    return sim_answer(s, *(const uint64_t *)request) >= 0;
}

/* Asked of a node that need not have the VM: its agent asks libvirt there. */
static void predicts(void **state) {
    const uint64_t seed = 7;
    struct sim *s = cluster_ready(3, 2, seed);
    const struct cmd_vm_move move = {
        .vm = "vm1", .to = "", .max_downtime_ms = 700, .bandwidth_mbps = 55};
    const struct cmd_vm_move unknown = {.vm = "vm9", .to = ""};
    (void)state;
    for (uint32_t node = 1; node <= 3; node++) {
        bool here = cluster_runs_on(s, "vm1") == node;
        uint64_t request = sim_predict(s, node, &move);
        EXPECT(s, cluster_run_until(s, answered, &request, 20000));
        EXPECT(s, sim_answer(s, request) == REPLY_OK);
        const char *params = sim_agent_params(s, "predict");
        EXPECT(s, strstr(params, "max_downtime_ms=700 ") && strstr(params, "bandwidth_mbps=55 "));
        EXPECT(s, (strstr(params, "uri=qemu+tls://") == NULL) == here);
    }
    uint64_t request = sim_predict(s, 1, &unknown);
    EXPECT(s, cluster_run_until(s, answered, &request, 20000));
    EXPECT(s, sim_answer(s, request) == REPLY_NOT_FOUND);
    const struct cmd_vm_stop stop = {.vm = "vm1", .force = 1};
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_STOP, &stop) == REPLY_OK);
    uint32_t reader = 1;
    EXPECT(s, cluster_run_until(s, operation_ended, &reader, 20000));
    request = sim_predict(s, 1, &move);
    EXPECT(s, cluster_run_until(s, answered, &request, 20000));
    EXPECT(s, sim_answer(s, request) == REPLY_REFUSED);
    EXPECT(s, sim_agent_calls(s, "predict") == 3);
    cluster_finish(s);
}

/* The agent cannot say what became of the migration: both ends are asked, nothing is doubled. */
static void move_with_unknown_end(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 2, seed);
        uint32_t reader = 1;
        sim_next_agent(s, "migrate_to", seed % 2 ? AGENT_DOES_NOT_KNOW : AGENT_FAILS);
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
        struct want want = {.reader = 1, .vms = 2};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 60000));
        EXPECT(s, last_operation(s, 1)->state == (seed % 2 ? OPERATION_DONE : OPERATION_FAILED));
        cluster_finish(s);
    }
}

static void end_dies_in_a_migration(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(4, 4, seed);
        uint32_t from = cluster_runs_on(s, "vm1");
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        cluster_run(s, seed * 13);
        const struct model_vm *vm = model_vm_by_name(cluster_model(s, 1), "vm1");
        uint32_t victim = seed % 2 || !vm->target ? from : vm->target;
        cluster_power_off(s, victim);
        struct want want = {.reader = victim == 1 ? 2 : 1, .vms = 4, .not_on = victim};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 60000));
        cluster_finish(s);
    }
}

static void crash_is_restarted_in_place(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 3, seed);
        uint32_t at = cluster_runs_on(s, "vm2");
        struct want want = {.reader = 1, .vms = 3};
        for (int i = 0; i < 3; i++) {
            sim_crash_guest(s, cluster_vm(s, "vm2"));
            EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
            EXPECT(s, cluster_runs_on(s, "vm2") == at);
        }
        sim_crash_guest(s, cluster_vm(s, "vm2")); /* the fourth: elsewhere */
        EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
        EXPECT(s, cluster_runs_on(s, "vm2") != at);
        sim_shut_guest_down(s, cluster_vm(s, "vm2"));
        cluster_run(s, 5000);
        EXPECT(s, cluster_runs_on(s, "vm2") == 0);
        EXPECT(s, model_vm_by_name(cluster_model(s, 1), "vm2")->wanted == WANTED_STOPPED);
        cluster_finish(s);
    }
}

static void start_fails_goes_elsewhere(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 2, seed);
        struct cmd_vm_stop stop = {.vm = "vm1"};
        struct cmd_vm_start start = {.vm = "vm1"};
        uint32_t reader = 1;
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_STOP, &stop) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 120000));
        EXPECT(s, cluster_runs_on(s, "vm1") == 0);
        sim_next_agent(s, "start", seed % 2 ? AGENT_FAILS : AGENT_DOES_NOT_KNOW);
        EXPECT(s, cluster_request(s, 2, COMMAND_VM_START, &start) == REPLY_OK);
        struct want want = {.reader = 1, .vms = 2};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 60000));
        EXPECT(s, cluster_run_until(s, operation_ended, &reader, 60000));
        EXPECT(s, last_operation(s, 1)->state == OPERATION_DONE);
        cluster_finish(s);
    }
}

/* A node that was away takes over what happened, by suffix or by snapshot. */
static void catch_up(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim *s = cluster_ready(3, 1, seed);
        cluster_power_off(s, 3);
        cluster_run(s, 5000);
        uint32_t changes = seed % 2 ? 20 : 3000;
        for (uint32_t i = 0; i < changes; i++) {
            char value[16];
            (void)snprintf(value, sizeof(value), "%u", 10000 + i);
            struct cmd_config_set set = {.key = "start_timeout_ms", .value = value};
            EXPECT(s, cluster_request(s, 1 + i % 2, COMMAND_CONFIG_SET, &set) == REPLY_OK);
        }
        cluster_boot(s, 3);
        cluster_run(s, 10000);
        EXPECT(s, cluster_status(s, 3).usable);
        EXPECT(s, model_digest(cluster_model(s, 3)) == model_digest(cluster_model(s, 1)));
        /* and it knows all of it after its own restart */
        sim_kill_clusterd(s, 3);
        sim_start_clusterd(s, 3);
        cluster_run(s, 10000);
        EXPECT(s, cluster_status(s, 3).usable);
        EXPECT(s, model_digest(cluster_model(s, 3)) == model_digest(cluster_model(s, 1)));
        cluster_finish(s);
    }
}

static void no_quorum_refuses(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 1, seed);
        const uint32_t groups[] = {0, 0, 1, 2};
        cluster_fence(s, FENCE_FAILS, 5);
        sim_partition(s, groups);
        cluster_run(s, 100);
        struct cmd_config_set set = {.key = "start_timeout_ms", .value = "12345"};
        EXPECT(s, cluster_request(s, 1, COMMAND_CONFIG_SET, &set) == REPLY_NO_QUORUM);
        cluster_run(s, 8000);
        EXPECT(s, cluster_runs_on(s, "vm1") == 0); /* stopped by itself */
        sim_heal_network(s);
        struct want want = {.reader = 1, .vms = 1};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 30000));
        cluster_finish(s);
    }
}

/* A client is told "done" only of what survives the loss of any minority, at any moment. */
static void acknowledged_is_kept(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 0, seed);
        for (uint32_t i = 0; i < 30; i++) {
            char value[16];
            (void)snprintf(value, sizeof(value), "%u", 20000 + i);
            struct cmd_config_set set = {.key = "start_timeout_ms", .value = value};
            uint32_t at = 1 + i % 3;
            int code = cluster_request(s, at, COMMAND_CONFIG_SET, &set);
            EXPECT(s, code == REPLY_OK);
            cluster_power_off(s, at); /* at the very moment of the answer */
            cluster_run(s, (seed + i) % 7);
            cluster_boot(s, at);
            cluster_run(s, 3000);
            const struct model *m = cluster_model(s, 1 + (at % 3));
            bool found = false;
            MODEL_EACH(model_setting, row, &m->settings) {
                found = found || strcmp(row->value, value) == 0;
            }
            EXPECT(s, found);
        }
        cluster_finish(s);
    }
}

/* Everything goes wrong at random; at the end all VMs run. */
static void storm(void **state) {
    (void)state;
    FOR_SEEDS(seed, 200) {
        struct sim *s = cluster_ready(3, 5, seed);
        uint64_t r = seed * 2654435761u;
        bool off[4] = {false};
        for (uint32_t i = 0; i < 12; i++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            uint32_t node = 1 + (uint32_t)((r >> 33) % 3);
            uint32_t groups[4] = {0};
            groups[node] = 1;
            switch ((r >> 40) % 6) {
            case 0:
                cluster_power_off(s, node);
                off[node] = true;
                break;
            case 1: sim_partition(s, groups); break;
            case 2: sim_heal_network(s); break;
            case 3:
                if (!off[node]) {
                    sim_kill_clusterd(s, node);
                    off[node] = true;
                }
                break;
            case 4:
                sim_next_agent(s, (r >> 50) % 2 ? "start" : "migrate_to",
                               (r >> 51) % 2 ? AGENT_FAILS : AGENT_DOES_NOT_KNOW);
                break;
            default:
                for (uint32_t k = 1; k <= 3; k++) {
                    if (off[k]) {
                        cluster_boot(s, k);
                        off[k] = false;
                    }
                }
            }
            cluster_run(s, (r >> 45) % 3000);
        }
        sim_heal_network(s);
        for (uint32_t k = 1; k <= 3; k++) {
            cluster_power_off(s, k);
            cluster_boot(s, k);
        }
        struct want want = {.reader = 1, .vms = 5};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 120000));
        cluster_finish(s);
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
        cmocka_unit_test(moves_as_chosen),
        cmocka_unit_test(predicts),
        cmocka_unit_test(setting_says_what_follows),
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
