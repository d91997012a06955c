/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories in which somebody's picture is old: a node that was away for a moment while its agent
 * worked, a clusterd that stood still, a coordinator that missed a return, a change that nobody
 * waits for any more, half a cluster that was left behind.
 */
#include "unit/core/cluster.h"

static bool start_is_called(struct sim *s, const void *arg) {
    return sim_agent_calls(s, "start") > *(const uint32_t *)arg;
}

/* vm1 is off, then ordered to start; returns the node whose agent has just begun. */
static uint32_t begin_start(struct sim *s, uint64_t seed) {
    struct cmd_vm_stop stop = {.vm = "vm1", .force = 1};
    struct cmd_vm_start start = {.vm = "vm1"};
    uint32_t calls = sim_agent_calls(s, "start");
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_STOP, &stop) == REPLY_OK);
    cluster_run(s, 3000);
    EXPECT(s, cluster_request(s, 1, COMMAND_VM_START, &start) == REPLY_OK);
    EXPECT(s, cluster_run_until(s, start_is_called, &calls, 5000));
    return model_vm_by_name(cluster_model(s, 1), "vm1")->owner;
}

/* The node is away for a moment while its agent starts a VM: nobody starts it a second time. */
static void away_while_starting(void **state) {
    (void)state;
    FOR_SEEDS(seed, 40) {
        struct sim *s = cluster_ready(3, 3, seed);
        uint32_t node = begin_start(s, seed);
        uint32_t calls = sim_agent_calls(s, "start");
        uint32_t groups[SIM_NODES] = {0};
        groups[node] = 1;
        cluster_fence(s, FENCE_FAILS, 5);
        sim_partition(s, groups);
        cluster_run(s, seed);
        sim_heal_network(s);
        struct want want = {.reader = 1, .vms = 3};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
        cluster_run(s, 5000);
        EXPECT(s, sim_agent_calls(s, "start") == calls);
        cluster_finish(s);
    }
}

/* What ended while clusterd stood still is reported although the view is the same. */
static void frozen_while_starting(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct sim *s = cluster_ready(3, 3, seed);
        uint32_t node = begin_start(s, seed);
        cluster_freeze(s, node);
        cluster_run(s, 3000);
        sim_thaw_clusterd(s, node);
        uint64_t epoch = cluster_model(s, node)->epoch;
        struct want want = {.reader = node, .vms = 3};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 3000));
        EXPECT(s, cluster_model(s, node)->epoch == epoch);
        cluster_finish(s);
    }
}

static bool has_ended(struct sim *s, const void *arg) {
    const struct model_operation *op =
        model_operation_by_id(cluster_model(s, 1), *(const uint64_t *)arg);
    return op && op->state != OPERATION_RUNNING;
}

static bool was_told(struct sim *s, const char *kind, const char *words) {
    MODEL_EACH(model_event, event, &cluster_model(s, 1)->events) {
        if (strcmp(event->kind, kind) == 0 && strstr(event->message, words)) {
            return true;
        }
    }
    return false;
}

/* A migration whose agent is killed at its deadline: the VM runs where it was, and why is told. */
static void move_past_its_deadline(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct sim *s = cluster_ready(3, 2, seed);
        struct cmd_config_set set = {.key = "migrate_timeout_ms", .value = "8000"};
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        uint32_t from = cluster_runs_on(s, "vm1");
        EXPECT(s, cluster_request(s, 1, COMMAND_CONFIG_SET, &set) == REPLY_OK);
        sim_next_agent(s, "migrate_to", AGENT_HANGS);
        uint64_t begin_ms = cluster_now(s);
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        uint64_t id = cluster_last_operation(s);
        EXPECT(s, cluster_run_until(s, has_ended, &id, 20000));
        EXPECT(s, cluster_now(s) >= begin_ms + 8000 && cluster_now(s) < begin_ms + 16000);
        const struct model_operation *op = model_operation_by_id(cluster_model(s, 1), id);
        const struct operation_vm *row = op->vms.items;
        EXPECT(s, op->state == OPERATION_FAILED && cluster_runs_on(s, "vm1") == from);
        EXPECT(s, strcmp(row->reason, "killed at its deadline; the VM runs where it was") == 0);
        EXPECT(s,
               was_told(s, "vm-unclear", "ended without a clear result: killed at its deadline"));
        cluster_finish(s);
    }
}

/* A change that could not be confirmed is not made when the node is back, much later. */
static void no_change_after_its_time(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct sim *s = cluster_ready(3, 0, seed);
        const uint32_t groups[SIM_NODES] = {0, 1};
        struct cmd_config_set set = {.key = "start_timeout_ms", .value = "34567"};
        cluster_post(s, 1, COMMAND_CONFIG_SET, &set);
        sim_partition(s, groups);
        cluster_run(s, 30000);
        bool done = false;
        MODEL_EACH(model_setting, row, &cluster_model(s, 2)->settings) {
            done = done || strcmp(row->value, "34567") == 0;
        }
        EXPECT(s, !cluster_answered(s));
        sim_heal_network(s);
        cluster_run(s, 10000);
        bool found = false;
        MODEL_EACH(model_setting, row, &cluster_model(s, 2)->settings) {
            found = found || strcmp(row->value, "34567") == 0;
        }
        EXPECT(s, found == done);
        cluster_finish(s);
    }
}

/* n5 is lost, comes back while the coordinator is away, and is lost again when that is back: the
 * time that its watchdog takes begins anew. */
static void each_loss_has_its_clock(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct sim_options options = cluster_options(5, 5, seed);
        options.watchdog_ms = 5000;
        struct sim *s = cluster_set_up(&options);
        struct cmd_node_drain drain = {.node = "n1"};
        EXPECT(s, cluster_request(s, 2, COMMAND_NODE_DRAIN, &drain) == REPLY_OK);
        cluster_run(s, 10000);
        cluster_fence(s, FENCE_FAILS, 5);
        const uint32_t n5_away[SIM_NODES] = {0, 0, 0, 0, 0, 1};
        const uint32_t n1_away[SIM_NODES] = {0, 1, 0, 0, 0, 0};
        sim_partition(s, n5_away);
        cluster_run(s, 1500);
        sim_partition(s, n1_away);
        cluster_run(s, 15000);
        EXPECT(s, model_node_by_id(cluster_model(s, 2), 5)->state == NODE_ONLINE);
        sim_partition(s, n5_away);
        cluster_run(s, 20000); /* the simulator sees whether a VM starts while n5 still runs it */
        struct want want = {.reader = 2, .vms = 5, .not_on = 5};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 10000));
        cluster_finish(s);
    }
}

/* Of a VM whose node is lost nothing can be ordered, and it is not tried without end. */
static void move_from_a_lost_node(void **state) {
    (void)state;
    FOR_SEEDS(seed, 10) {
        struct sim *s = cluster_ready(3, 3, seed);
        uint32_t owner = cluster_runs_on(s, "vm1"), reader = owner == 1 ? 2 : 1;
        uint32_t groups[SIM_NODES] = {0};
        groups[owner] = 1;
        cluster_fence(s, FENCE_FAILS, 5);
        sim_partition(s, groups);
        cluster_run(s, 100);
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        EXPECT(s, cluster_request(s, reader, COMMAND_VM_MOVE, &move) == REPLY_OK);
        uint64_t index = cluster_model(s, reader)->index;
        cluster_run(s, 1000);
        EXPECT(s, cluster_model(s, reader)->index < index + 20);
        cluster_finish(s);
    }
}

static void fence_of_an_offline_node_fails_once(void **state) {
    (void)state;
    FOR_SEEDS(seed, 5) {
        struct sim *s = cluster_ready(3, 0, seed);
        struct cmd_node_fence fence = {.node = "n3"};
        cluster_fence(s, FENCE_FAILS, 5);
        cluster_power_off(s, 3);
        cluster_run(s, 1000);
        EXPECT(s, cluster_request(s, 1, COMMAND_NODE_FENCE, &fence) == REPLY_OK);
        cluster_run(s, 60000);
        EXPECT(s, sim_fence_calls(s) == 1);
        cluster_finish(s);
    }
}

/* An administrator's word does not stand against what corosync sees. */
static void confirm_off_of_a_silent_node(void **state) {
    (void)state;
    FOR_SEEDS(seed, 5) {
        struct sim *s = cluster_ready(3, 3, seed);
        struct cmd_node_confirm_off confirm = {.node = "n3"};
        sim_kill_clusterd(s, 3);
        cluster_run(s, 500);
        EXPECT(s, cluster_request(s, 1, COMMAND_NODE_CONFIRM_OFF, &confirm) == REPLY_REFUSED);
        cluster_finish(s);
    }
}

static bool has_value(struct sim *s, uint32_t node, const char *value) {
    MODEL_EACH(model_setting, row, &cluster_model(s, node)->settings) {
        if (strcmp(row->value, value) == 0) {
            return true;
        }
    }
    return false;
}

static struct sim *two_nodes(uint64_t seed) {
    struct sim_options options = cluster_options_of_two(2, seed);
    return cluster_set_up(&options);
}

/* Two nodes: what fenced the other once does not allow to go on alone the next time. */
static void each_parting_needs_its_fencing(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct sim *s = two_nodes(seed);
        const uint32_t groups[SIM_NODES] = {0, 0, 1};
        sim_partition(s, groups);
        struct want want = {.reader = 1, .vms = 2, .not_on = 2};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 20000));
        sim_heal_network(s);
        cluster_boot(s, 2);
        cluster_run(s, 15000);
        EXPECT(s, cluster_status(s, 1).usable && cluster_status(s, 2).usable);
        cluster_fence(s, FENCE_FAILS, 5);
        sim_partition(s, groups);
        cluster_run(s, 20000);
        EXPECT(s, !cluster_status(s, 1).usable && !cluster_status(s, 2).usable);
        cluster_finish(s);
    }
}

/* Two nodes: whichever dies, the other goes on, once it has fenced it. */
static void either_of_two_goes_on(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct sim *s = two_nodes(seed);
        uint32_t dies = 1 + (uint32_t)(seed % 2);
        cluster_fence(s, FENCE_WORKS, seed % 3 ? 5 : 4000);
        cluster_power_off(s, dies);
        struct want want = {.reader = 3 - dies, .vms = 2, .not_on = dies};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 30000));
        EXPECT(s, sim_fence_calls(s) >= 1);
        cluster_finish(s);
    }
}

static bool forms_a_view(struct sim *s, const void *arg) {
    const char *phase = cluster_status(s, 1).phase;
    (void)arg;
    return phase && strcmp(phase, "forming a view") == 0;
}

/* Two nodes: the one that was away has not caught up when the ring breaks: it must not go on with
 * its old log, whatever it could fence. */
static void left_behind(void **state) {
    (void)state;
    FOR_SEEDS(seed, 40) {
        struct sim *s = two_nodes(seed);
        const uint32_t groups[SIM_NODES] = {0, 0, 1};
        struct cmd_config_set set = {.key = "start_timeout_ms", .value = "45678"};
        struct cmd_config_set first = {.key = "start_timeout_ms", .value = "11111"};
        for (int i = 0; i < 3; i++) { /* so that n1's disk knows what is committed */
            EXPECT(s, cluster_request(s, 2, COMMAND_CONFIG_SET, &first) == REPLY_OK);
        }
        cluster_power_off(s, 1);
        cluster_run(s, 15000);
        EXPECT(s, cluster_request(s, 2, COMMAND_CONFIG_SET, &set) == REPLY_OK);
        cluster_boot(s, 1);
        EXPECT(s, cluster_run_until(s, forms_a_view, NULL, 2000));
        sim_run_events(s, 2 * seed);
        sim_partition(s, groups);
        cluster_run(s, 20000);
        sim_heal_network(s);
        for (uint32_t i = 1; i <= 2; i++) {
            if (!sim_clusterd_runs(s, i)) {
                cluster_boot(s, i);
            }
        }
        cluster_run(s, 20000);
        EXPECT(s, has_value(s, 1, "45678") && has_value(s, 2, "45678"));
        cluster_finish(s);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(away_while_starting),
        cmocka_unit_test(frozen_while_starting),
        cmocka_unit_test(move_past_its_deadline),
        cmocka_unit_test(no_change_after_its_time),
        cmocka_unit_test(each_loss_has_its_clock),
        cmocka_unit_test(move_from_a_lost_node),
        cmocka_unit_test(fence_of_an_offline_node_fails_once),
        cmocka_unit_test(confirm_off_of_a_silent_node),
        cmocka_unit_test(each_parting_needs_its_fencing),
        cmocka_unit_test(either_of_two_goes_on),
        cmocka_unit_test(left_behind),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_doubt", tests, NULL, NULL);
}
