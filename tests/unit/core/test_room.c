/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A drain that finds room only if a VM elsewhere is moved: refused as a rule; with drain_may_move
 * it is made, and nothing is moved that need not be.
 */
#include "core/planner/planner.h"
#include "core/model/settings.h"
#include "unit/core/story.h"

#define SEEDS 20u

struct where {
    const char *vm;
    uint32_t node;
};

static bool runs_there(struct world *w, const void *arg) {
    const struct where *where = arg;
    return world_runs_on(w, where->vm) == where->node;
}

static bool all_ended(struct world *w, const void *arg) {
    MODEL_EACH(model_operation, op, &world_model(w, *(const uint32_t *)arg)->operations) {
        if (op->state == OPERATION_RUNNING) {
            return false;
        }
    }
    return true;
}

static void has(struct world *w, const char *node, const char *name) {
    struct resource_amount amount = {.name = name, .amount = 1};
    struct cmd_node_set set = {
        .node = node, .given = NODE_SET_RESOURCES, .resources = {&amount, 1}};
    assert_int_equal(world_request(w, 1, COMMAND_NODE_SET, &set), REPLY_OK);
}

static void needs(struct world *w, const char *vm, const char *name) {
    struct resource_amount amount = {.name = name, .amount = 1};
    struct cmd_vm_set set = {.vm = vm, .given = VM_SET_RESOURCES, .resources = {&amount, 1}};
    assert_int_equal(world_request(w, 1, COMMAND_VM_SET, &set), REPLY_OK);
}

static void place(struct world *w, const char *vm, uint32_t node, uint64_t seed) {
    static const char *const names[] = {"", "n1", "n2", "n3"};
    struct where where = {vm, node};
    struct cmd_vm_move move = {.vm = vm, .to = names[node], .mode = MOVE_LIVE};
    uint32_t reader = 1;
    if (world_runs_on(w, vm) != node) {
        EXPECT(w, world_request(w, 1, COMMAND_VM_MOVE, &move) == REPLY_OK);
        EXPECT(w, world_run_until(w, runs_there, &where, 60000));
        EXPECT(w, world_run_until(w, all_ended, &reader, 60000));
    }
}

/* vm1 on n3 needs a vGPU and a port, which are together on n2 alone, and there vm2 has the vGPU; it
 * could have that of n1. vm3 needs nothing. */
static struct world *crowded(uint64_t seed) {
    struct world *w = world_ready(3, 3, seed);
    place(w, "vm1", 3, seed);
    place(w, "vm2", 2, seed);
    place(w, "vm3", 2, seed);
    for (unsigned i = 1; i <= 3; i++) {
        char name[3] = {'n', (char)('0' + i), '\0'};
        has(w, name, "vgpu");
    }
    has(w, "n2", "port");
    has(w, "n3", "port");
    needs(w, "vm1", "vgpu");
    needs(w, "vm1", "port");
    needs(w, "vm2", "vgpu");
    return w;
}

static void allow(struct world *w) {
    struct cmd_config_set set = {.key = "drain_may_move", .value = "1"};
    assert_int_equal(world_request(w, 1, COMMAND_CONFIG_SET, &set), REPLY_OK);
}

static int drain(struct world *w) {
    struct cmd_node_drain wish = {.node = "n3"};
    return world_request(w, 1, COMMAND_NODE_DRAIN, &wish);
}

static const struct model_operation *move_for_room(struct world *w, uint32_t *ret_n) {
    const struct model_operation *found = NULL;
    *ret_n = 0;
    MODEL_EACH(model_operation, op, &world_model(w, 1)->operations) {
        if (op->kind == OPERATION_MOVE && op->cause == CAUSE_ROOM) {
            found = op;
            (*ret_n)++;
        }
    }
    return found;
}

static const struct model_operation *last_drain(struct world *w) {
    const struct model_operation *found = NULL;
    MODEL_EACH(model_operation, op, &world_model(w, 1)->operations) {
        found = op->kind == OPERATION_DRAIN ? op : found;
    }
    return found;
}

static void refused_as_a_rule(void **state) {
    uint64_t seed = 1;
    (void)state;
    struct world *w = crowded(seed);
    uint32_t moved = world_agent_calls(w, "migrate_to");
    EXPECT(w, drain(w) == REPLY_REFUSED);
    print_message("    %s\n", world_last_message(w));
    EXPECT(w, strstr(world_last_message(w), "; n1: not enough port: needs 1, 0 free of 0") != NULL);
    world_run(w, 10000);
    EXPECT(w, world_agent_calls(w, "migrate_to") == moved);
    world_destroy(w);
}

static void one_is_moved_out_of_the_way(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = crowded(seed);
        uint32_t moved = world_agent_calls(w, "migrate_to"), reader = 1, n = 0;
        allow(w);
        EXPECT(w, drain(w) == REPLY_OK);
        EXPECT(w, world_run_until(w, all_ended, &reader, 60000));
        EXPECT(w, world_runs_on(w, "vm1") == 2 && world_runs_on(w, "vm2") == 1);
        EXPECT(w, world_runs_on(w, "vm3") == 2);
        EXPECT(w, world_agent_calls(w, "migrate_to") == moved + 2);
        EXPECT(w, model_node_by_id(world_model(w, 1), 3)->service == SERVICE_DRAINED);
        const struct model_operation *op = move_for_room(w, &n);
        EXPECT(w, n == 1 && op->state == OPERATION_DONE);
        EXPECT(w, strcmp(op->why, "it makes room on n2 for vm1") == 0);
        world_run(w, 20000);
        EXPECT(w, world_agent_calls(w, "migrate_to") == moved + 2);
        world_destroy(w);
    }
}

/* The one that is in the way cannot be moved: the drain ends, and says so; nothing is tried without
 * end. */
static void who_is_in_the_way_stays(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = crowded(seed);
        uint32_t moved = world_agent_calls(w, "migrate_to"), reader = 1, n = 0;
        allow(w);
        world_next_agent(w, "migrate_to", "failed");
        EXPECT(w, drain(w) == REPLY_OK);
        EXPECT(w, world_run_until(w, all_ended, &reader, 60000));
        EXPECT(w, world_runs_on(w, "vm1") == 3 && world_runs_on(w, "vm2") == 2);
        EXPECT(w, world_agent_calls(w, "migrate_to") == moved + 1);
        EXPECT(w, move_for_room(w, &n)->state == OPERATION_FAILED && n == 1);
        const struct model_operation *op = last_drain(w);
        EXPECT(w, op->state == OPERATION_FAILED);
        EXPECT(w, strstr(op->reason, "vm1 has no other place") != NULL);
        world_destroy(w);
    }
}

/* Whoever decides next goes on from where it was. */
static void coordinator_dies_meanwhile(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = crowded(seed);
        uint32_t reader = 2;
        allow(w);
        EXPECT(w, drain(w) == REPLY_OK);
        world_run(w, seed * 17);
        world_power_off(w, 1);
        world_run(w, 10000);
        world_boot(w, 1);
        EXPECT(w, world_run_until(w, all_ended, &reader, 120000));
        struct want want = {.reader = 2, .vms = 3};
        EXPECT(w, world_run_until(w, vms_run, &want, 60000));
        EXPECT(w, world_runs_on(w, "vm1") != world_runs_on(w, "vm2"));
        world_destroy(w);
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
