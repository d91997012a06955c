/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories in which somebody's picture is old: a node that was away for a moment while its agent
 * worked, a clusterd that stood still, a coordinator that missed a return, a change that nobody
 * waits for any more, half a cluster that was left behind.
 */
#include "unit/core/story.h"

static bool start_is_called(struct world *w, const void *arg) {
    return world_agent_calls(w, "start") > *(const uint32_t *)arg;
}

/* vm1 is off, then ordered to start; returns the node whose agent has just begun. */
static uint32_t begin_start(struct world *w, uint64_t seed) {
    struct cmd_vm_stop stop = {.vm = "vm1", .force = 1};
    struct cmd_vm_start start = {.vm = "vm1"};
    uint32_t calls = world_agent_calls(w, "start");
    EXPECT(w, world_request(w, 1, COMMAND_VM_STOP, &stop) == REPLY_OK);
    world_run(w, 3000);
    EXPECT(w, world_request(w, 1, COMMAND_VM_START, &start) == REPLY_OK);
    EXPECT(w, world_run_until(w, start_is_called, &calls, 5000));
    return model_vm_by_name(world_model(w, 1), "vm1")->owner;
}

/* The node is away for a moment while its agent starts a VM: nobody starts it a second time. */
static void away_while_starting(void **state) {
    (void)state;
    FOR_SEEDS(seed, 40) {
        struct world *w = world_ready(3, 3, seed);
        uint32_t node = begin_start(w, seed);
        uint32_t calls = world_agent_calls(w, "start");
        uint32_t groups[WORLD_NODES + 1] = {0};
        groups[node] = 1;
        world_fence_works(w, false);
        world_partition(w, groups);
        world_run(w, seed);
        world_heal(w);
        struct want want = {.reader = 1, .vms = 3};
        EXPECT(w, world_run_until(w, vms_run, &want, 20000));
        world_run(w, 5000);
        EXPECT(w, world_agent_calls(w, "start") == calls);
        world_destroy(w);
    }
}

/* What ended while clusterd stood still is reported although the view is the same. */
static void frozen_while_starting(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct world *w = world_ready(3, 3, seed);
        uint32_t node = begin_start(w, seed);
        world_freeze(w, node);
        world_run(w, 3000);
        world_thaw(w, node);
        uint64_t epoch = world_model(w, node)->epoch;
        struct want want = {.reader = node, .vms = 3};
        EXPECT(w, world_run_until(w, vms_run, &want, 3000));
        EXPECT(w, world_model(w, node)->epoch == epoch);
        world_destroy(w);
    }
}

static bool has_ended(struct world *w, const void *arg) {
    const struct model_operation *op =
        model_operation_by_id(world_model(w, 1), *(const uint64_t *)arg);
    return op && op->state != OPERATION_RUNNING;
}

static bool was_told(struct world *w, const char *kind, const char *words) {
    MODEL_EACH(model_event, event, &world_model(w, 1)->events) {
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
        struct world *w = world_ready(3, 2, seed);
        struct cmd_config_set set = {.key = "migrate_timeout_ms", .value = "8000"};
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        uint32_t from = world_runs_on(w, "vm1");
        EXPECT(w, world_request(w, 1, COMMAND_CONFIG_SET, &set) == REPLY_OK);
        world_next_agent(w, "migrate_to", "hang");
        uint64_t begin_ms = world_now(w);
        EXPECT(w, world_request(w, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        uint64_t id = world_last_operation(w);
        EXPECT(w, world_run_until(w, has_ended, &id, 20000));
        EXPECT(w, world_now(w) >= begin_ms + 8000 && world_now(w) < begin_ms + 16000);
        const struct model_operation *op = model_operation_by_id(world_model(w, 1), id);
        const struct operation_vm *row = op->vms.items;
        EXPECT(w, op->state == OPERATION_FAILED && world_runs_on(w, "vm1") == from);
        EXPECT(w, strcmp(row->reason, "the test wants it so; the VM runs where it was") == 0);
        EXPECT(w, was_told(w, "vm-unclear", "ended unclear: the test wants it so"));
        world_destroy(w);
    }
}

/* A change that could not be confirmed is not made when the node is back, much later. */
static void no_change_after_its_time(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct world *w = world_ready(3, 0, seed);
        const uint32_t groups[WORLD_NODES + 1] = {0, 1};
        struct cmd_config_set set = {.key = "start_timeout_ms", .value = "34567"};
        world_post(w, 1, COMMAND_CONFIG_SET, &set);
        world_partition(w, groups);
        world_run(w, 30000);
        bool done = false;
        MODEL_EACH(model_setting, row, &world_model(w, 2)->settings) {
            done = done || strcmp(row->value, "34567") == 0;
        }
        EXPECT(w, !world_answered(w));
        world_heal(w);
        world_run(w, 10000);
        bool found = false;
        MODEL_EACH(model_setting, row, &world_model(w, 2)->settings) {
            found = found || strcmp(row->value, "34567") == 0;
        }
        EXPECT(w, found == done);
        world_destroy(w);
    }
}

/* n5 is lost, comes back while the coordinator is away, and is lost again when that is back: the
 * time that its watchdog takes begins anew. */
static void each_loss_has_its_clock(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct world *w = world_create(5, seed);
        world_watchdogs(w, 5000);
        world_setup(w, 5);
        struct cmd_node_drain drain = {.node = "n1"};
        EXPECT(w, world_request(w, 2, COMMAND_NODE_DRAIN, &drain) == REPLY_OK);
        world_run(w, 10000);
        world_fence_works(w, false);
        const uint32_t n5_away[WORLD_NODES + 1] = {0, 0, 0, 0, 0, 1};
        const uint32_t n1_away[WORLD_NODES + 1] = {0, 1, 0, 0, 0, 0};
        world_partition(w, n5_away);
        world_run(w, 1500);
        world_partition(w, n1_away);
        world_run(w, 15000);
        EXPECT(w, model_node_by_id(world_model(w, 2), 5)->state == NODE_ONLINE);
        world_partition(w, n5_away);
        world_run(w, 20000); /* the world sees whether a VM starts while n5 still runs it */
        struct want want = {.reader = 2, .vms = 5, .not_on = 5};
        EXPECT(w, world_run_until(w, vms_run, &want, 10000));
        world_destroy(w);
    }
}

/* Of a VM whose node is lost nothing can be ordered, and it is not tried without end. */
static void move_from_a_lost_node(void **state) {
    (void)state;
    FOR_SEEDS(seed, 10) {
        struct world *w = world_ready(3, 3, seed);
        uint32_t owner = world_runs_on(w, "vm1"), reader = owner == 1 ? 2 : 1;
        uint32_t groups[WORLD_NODES + 1] = {0};
        groups[owner] = 1;
        world_fence_works(w, false);
        world_partition(w, groups);
        world_run(w, 100);
        struct cmd_vm_move move = {.vm = "vm1", .to = "", .mode = MOVE_LIVE};
        EXPECT(w, world_request(w, reader, COMMAND_VM_MOVE, &move) == REPLY_OK);
        uint64_t index = world_model(w, reader)->index;
        world_run(w, 1000);
        EXPECT(w, world_model(w, reader)->index < index + 20);
        world_destroy(w);
    }
}

static void fence_of_an_offline_node_fails_once(void **state) {
    (void)state;
    FOR_SEEDS(seed, 5) {
        struct world *w = world_ready(3, 0, seed);
        struct cmd_node_fence fence = {.node = "n3"};
        world_fence_works(w, false);
        world_power_off(w, 3);
        world_run(w, 1000);
        EXPECT(w, world_request(w, 1, COMMAND_NODE_FENCE, &fence) == REPLY_OK);
        world_run(w, 60000);
        EXPECT(w, world_fence_calls(w) == 1);
        world_destroy(w);
    }
}

/* An administrator's word does not stand against what corosync sees. */
static void confirm_off_of_a_silent_node(void **state) {
    (void)state;
    FOR_SEEDS(seed, 5) {
        struct world *w = world_ready(3, 3, seed);
        struct cmd_node_confirm_off confirm = {.node = "n3"};
        world_kill_clusterd(w, 3);
        world_run(w, 500);
        EXPECT(w, world_request(w, 1, COMMAND_NODE_CONFIRM_OFF, &confirm) == REPLY_REFUSED);
        world_destroy(w);
    }
}

static bool has_value(struct world *w, uint32_t node, const char *value) {
    MODEL_EACH(model_setting, row, &world_model(w, node)->settings) {
        if (strcmp(row->value, value) == 0) {
            return true;
        }
    }
    return false;
}

static struct world *two_nodes(uint64_t seed) {
    struct world *w = world_create(2, seed);
    world_two_node(w);
    world_setup(w, 2);
    return w;
}

/* Two nodes: what fenced the other once does not allow to go on alone the next time. */
static void each_parting_needs_its_fencing(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct world *w = two_nodes(seed);
        const uint32_t groups[WORLD_NODES + 1] = {0, 0, 1};
        world_partition(w, groups);
        struct want want = {.reader = 1, .vms = 2, .not_on = 2};
        EXPECT(w, world_run_until(w, vms_run, &want, 20000));
        world_heal(w);
        world_boot(w, 2);
        world_run(w, 15000);
        EXPECT(w, world_status(w, 1).usable && world_status(w, 2).usable);
        world_fence_works(w, false);
        world_partition(w, groups);
        world_run(w, 20000);
        EXPECT(w, !world_status(w, 1).usable && !world_status(w, 2).usable);
        world_destroy(w);
    }
}

/* Two nodes: whichever dies, the other goes on, once it has fenced it. */
static void either_of_two_goes_on(void **state) {
    (void)state;
    FOR_SEEDS(seed, 20) {
        struct world *w = two_nodes(seed);
        uint32_t dies = 1 + (uint32_t)(seed % 2);
        world_fence_takes(w, seed % 3 ? 5 : 4000);
        world_power_off(w, dies);
        struct want want = {.reader = 3 - dies, .vms = 2, .not_on = dies};
        EXPECT(w, world_run_until(w, vms_run, &want, 30000));
        EXPECT(w, world_fence_calls(w) >= 1);
        world_destroy(w);
    }
}

/* Two nodes: the one that was away has not caught up when the ring breaks: it must not go on with
 * its old log, whatever it could fence. */
static void left_behind(void **state) {
    (void)state;
    FOR_SEEDS(seed, 40) {
        struct world *w = two_nodes(seed);
        const uint32_t groups[WORLD_NODES + 1] = {0, 0, 1};
        struct cmd_config_set set = {.key = "start_timeout_ms", .value = "45678"};
        struct cmd_config_set first = {.key = "start_timeout_ms", .value = "11111"};
        for (int i = 0; i < 3; i++) { /* so that n1's disk knows what is committed */
            EXPECT(w, world_request(w, 2, COMMAND_CONFIG_SET, &first) == REPLY_OK);
        }
        world_power_off(w, 1);
        world_run(w, 15000);
        EXPECT(w, world_request(w, 2, COMMAND_CONFIG_SET, &set) == REPLY_OK);
        world_boot(w, 1);
        world_some(w, seed);
        world_partition(w, groups);
        world_run(w, 20000);
        world_heal(w);
        for (uint32_t i = 1; i <= 2; i++) {
            if (!world_is_on(w, i)) {
                world_boot(w, i);
            }
        }
        world_run(w, 20000);
        EXPECT(w, has_value(w, 1, "45678") && has_value(w, 2, "45678"));
        world_destroy(w);
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
