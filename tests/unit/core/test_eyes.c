/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is told for people's eyes and not kept: usage of the nodes, progress of a migration, the
 * test of a fence device; and what is not a message is dropped, with a word.
 */
#include "base/check.h"
#include "unit/core/story.h"
#include "unit/core/world_internal.h"
#include "wire/message.h"

#define SEED 1u

static void tell_usage(struct world *w, uint32_t node, uint64_t free_mb) {
    struct item *item = world_push_line(w, node, w->nodes[node].watch_run, AGENT_USAGE);
    item->event.agent.memory_total_mb = 64000;
    item->event.agent.memory_free_mb = free_mb;
    item->event.agent.cpu_busy_permille = 250;
}

static void usage(void **state) {
    (void)state;
    struct world *w = world_ready(3, 1, SEED);
    struct core_usage u;
    assert_false(core_get_usage(w->nodes[1].core, 2, &u));
    for (uint64_t free_mb = 100; free_mb <= 300; free_mb += 100) {
        tell_usage(w, 2, free_mb);
        tell_usage(w, 3, free_mb + 1);
        world_run(w, 3000);
        for (uint32_t i = 1; i <= 3; i++) {
            assert_true(core_get_usage(w->nodes[i].core, 2, &u));
            assert_true(u.memory_total_mb == 64000 && u.memory_free_mb == free_mb &&
                        u.cpu_busy_permille == 250);
            assert_true(core_get_usage(w->nodes[i].core, 3, &u));
            assert_int_equal(u.memory_free_mb, free_mb + 1);
        }
    }
    assert_false(core_get_usage(w->nodes[1].core, 1, &u)); /* it has not told */
    assert_false(core_get_usage(w->nodes[1].core, 9, &u));
    world_destroy(w);
}

static struct agent *agent_of(struct world *w, const char *action, const char *uuid) {
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        struct agent *a = &w->agents[i];
        if (a->used && strcmp(a->action, action) == 0 && strcmp(a->uuid, uuid) == 0) {
            return a;
        }
    }
    return NULL;
}

static void tell_progress(struct world *w, const struct agent *a, uint32_t percent) {
    struct item *item = world_push_line(w, a->node, a->run, AGENT_PROGRESS);
    item->event.agent.percent = percent;
    item->event.agent.rate_bps = 1000;
    item->event.agent.remaining_bytes = 5000;
    world_run(w, 100);
}

static void progress(void **state) {
    (void)state;
    struct world *w = world_ready(3, 2, SEED);
    struct core_progress p;
    for (uint32_t vm = 1; vm <= 2; vm++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "vm%u", vm);
        const struct model_vm *row = model_vm_by_name(world_model(w, 1), name);
        char uuid[64];
        (void)snprintf(uuid, sizeof(uuid), "%s", row->uuid);
        uint32_t id = row->id;
        const char *to = row->owner == 3 ? "n1" : "n3";
        struct cmd_vm_move move = {.vm = name, .to = to, .mode = MOVE_LIVE};
        world_next_agent(w, "migrate_to", "hang");
        assert_int_equal(world_request(w, 1, COMMAND_VM_MOVE, &move), REPLY_OK);
        world_run(w, 500);
        const struct agent *a = agent_of(w, "migrate_to", uuid);
        assert_non_null(a);
        assert_false(core_get_progress(w->nodes[1].core, id, &p));
        for (uint32_t percent = 10; percent <= 90; percent += 40) {
            tell_progress(w, a, percent);
            for (uint32_t i = 1; i <= 3; i++) {
                assert_true(core_get_progress(w->nodes[i].core, id, &p));
                assert_true(p.percent == percent && p.vm == id && p.operation != 0);
            }
        }
        /* Both migrations are told of, each for itself. */
        assert_int_equal(core_get_progress(w->nodes[2].core, 1, &p), true);
    }
    assert_false(core_get_progress(w->nodes[1].core, 99, &p));
    world_destroy(w);
}

static int test_device(struct world *w, const char *device, const char *node) {
    struct core_event event = {.type = CORE_EVENT_REQUEST};
    event.request = (struct core_request){
        .id = ++w->request_id, .kind = REQUEST_DEVICE_TEST, .device = device, .node = node};
    world_step(w, 2, &event);
    world_run(w, 1000);
    return w->reply_id == w->request_id ? (int)w->reply.code : -1;
}

static void device_test(void **state) {
    (void)state;
    struct world *w = world_ready(3, 1, SEED);
    const struct model_device *device = world_model(w, 1)->devices.rows;
    char name[64];
    (void)snprintf(name, sizeof(name), "%s", device->name);
    assert_int_equal(test_device(w, "none", "n1"), REPLY_NOT_FOUND);
    assert_int_equal(test_device(w, name, "none"), REPLY_NOT_FOUND);
    assert_int_equal(test_device(w, name, "n1"), REPLY_OK);
    assert_string_equal(world_last_message(w), "the device answers");
    world_fence_works(w, false);
    assert_int_equal(test_device(w, name, "n1"), REPLY_FAILED);
    world_destroy(w);
}

/* "off" of a node that is alive, this one among them; of one that is gone it is the truth. */
static void device_test_of_another_machine(void **state) {
    (void)state;
    struct world *w = world_ready(3, 1, SEED);
    world_fence_says(w, POWER_OFF);
    assert_int_equal(test_device(w, "pdu", "n3"), REPLY_FAILED);
    assert_string_equal(world_last_message(w),
                        "the device says that n3 is off, but n3 is alive: wrong plug?");
    assert_int_equal(test_device(w, "pdu", "n2"), REPLY_FAILED);
    world_power_off(w, 3);
    world_run(w, 10000);
    assert_int_equal(test_device(w, "pdu", "n3"), REPLY_OK);
    world_destroy(w);
}

static void device_test_of_a_node_that_it_is_not_for(void **state) {
    static const char *const nodes[] = {"n1", "n3"};
    (void)state;
    struct world *w = world_ready(3, 1, SEED);
    struct cmd_device_add one = {.name = "one", .agent = "fence_x", .nodes = {nodes, 1}};
    struct cmd_device_add two = {.name = "two", .agent = "fence_x", .nodes = {nodes, 2}};
    assert_int_equal(world_request(w, 1, COMMAND_DEVICE_ADD, &one), REPLY_OK);
    assert_int_equal(world_request(w, 1, COMMAND_DEVICE_ADD, &two), REPLY_OK);
    assert_int_equal(test_device(w, "one", "n2"), REPLY_REFUSED);
    assert_string_equal(world_last_message(w), "one is for n1 only");
    assert_int_equal(test_device(w, "two", "n2"), REPLY_REFUSED);
    assert_string_equal(world_last_message(w), "two is for n1 and n3 only");
    assert_int_equal(test_device(w, "two", "n3"), REPLY_OK);
    world_destroy(w);
}

static void device_with_one_outlet_for_all(void **state) {
    static const char *const key = "plug", *const value = "7";
    struct cmd_device_add add = {
        .name = "one", .agent = "fence_x", .keys = {&key, 1}, .values = {&value, 1}};
    (void)state;
    struct world *w = world_ready(3, 1, SEED);
    assert_int_equal(world_request(w, 2, COMMAND_DEVICE_ADD, &add), REPLY_REFUSED);
    assert_string_equal(world_last_message(w),
                        "plug of one is that of one machine, but the device is for all nodes");
    assert_null(model_device_by_name(world_model(w, 2), "one"));
    world_destroy(w);
}

/* Damaged, cut off, or from nobody's future: one line each, and the cluster goes on. */
static void what_is_no_message(void **state) {
    (void)state;
    struct world *w = world_ready(3, 2, SEED);
    struct message m = {.type = MESSAGE_ACK, .incarnation = 7, .epoch = 1};
    struct buffer b;
    buffer_init(&b);
    message_encode(&m, &b);
    world_listen(w, "damaged");
    world_say(w, 2, b.data, (uint32_t)b.size - 1);
    b.data[b.size - 1] ^= 1;
    world_say(w, 2, b.data, (uint32_t)b.size);
    world_say(w, 2, (const uint8_t *)"x", 1);
    world_run(w, 500);
    assert_int_equal(world_heard(w), 3 * 3);
    struct want want = {.reader = 1, .vms = 2};
    assert_true(world_run_until(w, vms_run, &want, 1000));
    buffer_finish(&b);
    world_destroy(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage),
        cmocka_unit_test(progress),
        cmocka_unit_test(device_test),
        cmocka_unit_test(device_test_of_another_machine),
        cmocka_unit_test(device_test_of_a_node_that_it_is_not_for),
        cmocka_unit_test(device_with_one_outlet_for_all),
        cmocka_unit_test(what_is_no_message),
    };
    return cmocka_run_group_tests_name("core_eyes", tests, NULL, NULL);
}
