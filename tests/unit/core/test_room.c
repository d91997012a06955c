/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A drain that finds room only if a VM elsewhere is moved: refused as a rule; with drain_may_move
 * it is made, and nothing is moved that need not be.
 */
#include "core/planner/planner.h"
#include "core/model/settings.h"
#include "unit/core/cluster.h"

#define SEEDS 20u

struct where {
    const char *vm;
    uint32_t node;
};

static bool runs_there(struct sim *s, const void *arg) {
    const struct where *where = arg;
    return cluster_runs_on(s, where->vm) == where->node;
}

static bool all_ended(struct sim *s, const void *arg) {
    MODEL_EACH(model_operation, op, &cluster_model(s, *(const uint32_t *)arg)->operations) {
        if (op->state == OPERATION_RUNNING) {
            return false;
        }
    }
    return true;
}

static void has(struct sim *s, const char *node, const char *name) {
    struct resource_amount amount = {.name = name, .amount = 1};
    struct cmd_node_set set = {
        .node = node, .given = NODE_SET_RESOURCES, .resources = {&amount, 1}};
    assert_int_equal(cluster_request(s, 1, COMMAND_NODE_SET, &set), REPLY_OK);
}

static void needs(struct sim *s, const char *vm, const char *name) {
    struct resource_amount amount = {.name = name, .amount = 1};
    struct cmd_vm_set set = {.vm = vm, .given = VM_SET_RESOURCES, .resources = {&amount, 1}};
    assert_int_equal(cluster_request(s, 1, COMMAND_VM_SET, &set), REPLY_OK);
}

static void place(struct sim *s, const char *vm, uint32_t node, uint64_t seed) {
    static const char *const names[] = {"", "n1", "n2", "n3"};
    struct where where = {vm, node};
    struct cmd_vm_move move = {.vm = vm, .to = names[node], .mode = MOVE_LIVE};
    uint32_t reader = 1;
    if (cluster_runs_on(s, vm) != node) {
        EXPECT(s, cluster_request(s, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, runs_there, &where, 60000));
        EXPECT(s, cluster_run_until(s, all_ended, &reader, 60000));
    }
}

/* vm1 on n3 needs a vGPU and a port, which are together on n2 alone, and there vm2 has the vGPU; it
 * could have that of n1. vm3 needs nothing. */
static struct sim *crowded(uint64_t seed) {
    struct sim *s = cluster_ready(3, 3, seed);
    place(s, "vm1", 3, seed);
    place(s, "vm2", 2, seed);
    place(s, "vm3", 2, seed);
    for (unsigned i = 1; i <= 3; i++) {
        char name[3] = {'n', (char)('0' + i), '\0'};
        has(s, name, "vgpu");
    }
    has(s, "n2", "port");
    has(s, "n3", "port");
    needs(s, "vm1", "vgpu");
    needs(s, "vm1", "port");
    needs(s, "vm2", "vgpu");
    return s;
}

static void allow(struct sim *s) {
    struct cmd_config_set set = {.key = "drain_may_move", .value = "1"};
    assert_int_equal(cluster_request(s, 1, COMMAND_CONFIG_SET, &set), REPLY_OK);
}

static int drain(struct sim *s) {
    struct cmd_node_drain wish = {.node = "n3"};
    return cluster_request(s, 1, COMMAND_NODE_DRAIN, &wish);
}

static const struct model_operation *move_for_room(struct sim *s, uint32_t *ret_n) {
    const struct model_operation *found = NULL;
    *ret_n = 0;
    MODEL_EACH(model_operation, op, &cluster_model(s, 1)->operations) {
        if (op->kind == OPERATION_MOVE && op->cause == CAUSE_ROOM) {
            found = op;
            (*ret_n)++;
        }
    }
    return found;
}

static const struct model_operation *last_drain(struct sim *s) {
    const struct model_operation *found = NULL;
    MODEL_EACH(model_operation, op, &cluster_model(s, 1)->operations) {
        found = op->kind == OPERATION_DRAIN ? op : found;
    }
    return found;
}

static void refused_as_a_rule(void **state) {
    uint64_t seed = 1;
    (void)state;
    struct sim *s = crowded(seed);
    uint32_t moved = sim_agent_calls(s, "migrate_to");
    EXPECT(s, drain(s) == REPLY_REFUSED);
    print_message("    %s\n", cluster_last_message(s));
    EXPECT(s,
           strstr(cluster_last_message(s), "; n1: not enough port: needs 1, 0 free of 0") != NULL);
    cluster_run(s, 10000);
    EXPECT(s, sim_agent_calls(s, "migrate_to") == moved);
    cluster_finish(s);
}

static void one_is_moved_out_of_the_way(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = crowded(seed);
        uint32_t moved = sim_agent_calls(s, "migrate_to"), reader = 1, n = 0;
        allow(s);
        EXPECT(s, drain(s) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, all_ended, &reader, 60000));
        EXPECT(s, cluster_runs_on(s, "vm1") == 2 && cluster_runs_on(s, "vm2") == 1);
        EXPECT(s, cluster_runs_on(s, "vm3") == 2);
        EXPECT(s, sim_agent_calls(s, "migrate_to") == moved + 2);
        EXPECT(s, model_node_by_id(cluster_model(s, 1), 3)->service == SERVICE_DRAINED);
        const struct model_operation *op = move_for_room(s, &n);
        EXPECT(s, n == 1 && op->state == OPERATION_DONE);
        EXPECT(s, strcmp(op->why, "it makes room on n2 for vm1") == 0);
        cluster_run(s, 20000);
        EXPECT(s, sim_agent_calls(s, "migrate_to") == moved + 2);
        cluster_finish(s);
    }
}

/* The one that is in the way cannot be moved: the drain ends, and says so; nothing is tried without
 * end. */
static void who_is_in_the_way_stays(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = crowded(seed);
        uint32_t moved = sim_agent_calls(s, "migrate_to"), reader = 1, n = 0;
        allow(s);
        sim_next_agent(s, "migrate_to", AGENT_FAILS);
        EXPECT(s, drain(s) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, all_ended, &reader, 60000));
        EXPECT(s, cluster_runs_on(s, "vm1") == 3 && cluster_runs_on(s, "vm2") == 2);
        EXPECT(s, sim_agent_calls(s, "migrate_to") == moved + 1);
        EXPECT(s, move_for_room(s, &n)->state == OPERATION_FAILED && n == 1);
        const struct model_operation *op = last_drain(s);
        EXPECT(s, op->state == OPERATION_FAILED);
        EXPECT(s, strstr(op->reason, "vm1 has no other place") != NULL);
        cluster_finish(s);
    }
}

/* Whoever decides next goes on from where it was. */
static void coordinator_dies_meanwhile(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = crowded(seed);
        uint32_t reader = 2;
        allow(s);
        EXPECT(s, drain(s) == REPLY_OK);
        cluster_run(s, seed * 17);
        cluster_power_off(s, 1);
        cluster_run(s, 10000);
        cluster_boot(s, 1);
        EXPECT(s, cluster_run_until(s, all_ended, &reader, 120000));
        struct want want = {.reader = 2, .vms = 3};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 60000));
        EXPECT(s, cluster_runs_on(s, "vm1") != cluster_runs_on(s, "vm2"));
        cluster_finish(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_as_a_rule),
        cmocka_unit_test(one_is_moved_out_of_the_way),
        cmocka_unit_test(who_is_in_the_way_stays),
        cmocka_unit_test(coordinator_dies_meanwhile),
    };
    return cmocka_run_group_tests_name("core_room", tests, NULL, NULL);
}
