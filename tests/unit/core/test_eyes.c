/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is told for people's eyes and not kept: usage of the nodes, progress of a migration, the
 * test of a fence device; and what is not a message is dropped, with a word.
 */
#include "base/check.h"
#include "sim/world.h"
#include "unit/core/cluster.h"
#include "wire/message.h"

#define SEED 1u

/* What an agent tells that the simulator's do not. */
static struct core_agent *tell(struct sim *s, uint32_t node, uint64_t run,
                               enum core_agent_line line) {
    struct item *item = agent_line(&(struct agent){.run = run}, line);
    node_post(s, node, STREAM_WATCH, item, 0);
    return &item->event.agent;
}

static void tell_usage(struct sim *s, uint32_t node, uint64_t free_mb) {
    struct core_agent *line = tell(s, node, s->nodes[node].watch_run, AGENT_USAGE);
    line->memory_total_mb = 64000;
    line->memory_free_mb = free_mb;
    line->cpu_busy_permille = 250;
}

static void usage(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 1, SEED);
    struct core_usage u;
    assert_false(core_get_usage(s->nodes[1].core, 2, &u));
    for (uint64_t free_mb = 100; free_mb <= 300; free_mb += 100) {
        tell_usage(s, 2, free_mb);
        tell_usage(s, 3, free_mb + 1);
        cluster_run(s, 3000);
        for (uint32_t i = 1; i <= 3; i++) {
            assert_true(core_get_usage(s->nodes[i].core, 2, &u));
            assert_true(u.memory_total_mb == 64000 && u.memory_free_mb == free_mb &&
                        u.cpu_busy_permille == 250);
            assert_true(core_get_usage(s->nodes[i].core, 3, &u));
            assert_int_equal(u.memory_free_mb, free_mb + 1);
        }
    }
    assert_false(core_get_usage(s->nodes[1].core, 1, &u)); /* it has not told */
    assert_false(core_get_usage(s->nodes[1].core, 9, &u));
    cluster_finish(s);
}

/* What each node's clusterd.conf says of the encryption of moves is known on all nodes. */
static void moves_in_clear(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 1, SEED);
    for (int clear = 1; clear >= 0; clear--) {
        s->nodes[2].moves_in_clear = clear;
        sim_kill_clusterd(s, 2);
        cluster_boot(s, 2);
        cluster_run(s, 5000);
        for (uint32_t i = 1; i <= 3; i++) {
            struct core_status status = cluster_status(s, i);
            assert_int_equal(status.in_clear.n, clear);
            assert_true(!clear || status.in_clear.v[0] == 2);
        }
    }
    cluster_finish(s);
}

static struct agent *agent_of(struct sim *s, const char *action, const char *uuid) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (a->used && strcmp(a->action, action) == 0 && a->vm == cluster_vm(s, uuid)) {
            return a;
        }
    }
    return NULL;
}

static void tell_progress(struct sim *s, const struct agent *a, uint32_t percent) {
    struct core_agent *line = tell(s, a->node, a->run, AGENT_PROGRESS);
    line->percent = percent;
    line->rate_bps = 1000;
    line->remaining_bytes = 5000;
    cluster_run(s, 100);
}

/* Its own node knows at once, the others with the next heartbeat. */
static void progress(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 2, SEED);
    struct core_progress p;
    int later = 0;
    uint32_t first = 0; /* which of them has which id depends on who came first */
    for (uint32_t vm = 1; vm <= 2; vm++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "vm%u", vm);
        const struct model_vm *row = model_vm_by_name(cluster_model(s, 1), name);
        char uuid[64];
        (void)snprintf(uuid, sizeof(uuid), "%s", row->uuid);
        uint32_t id = row->id;
        const char *to = row->owner == 3 ? "n1" : "n3";
        struct cmd_vm_move move = {.vm = name, .to = to, .mode = MOVE_LIVE};
        sim_next_agent(s, "migrate_to", AGENT_HANGS);
        assert_int_equal(cluster_request(s, 1, COMMAND_VM_MOVE, &move), REPLY_OK);
        cluster_run(s, 500);
        const struct agent *a = agent_of(s, "migrate_to", uuid);
        assert_non_null(a);
        assert_false(core_get_progress(s->nodes[1].core, id, &p));
        for (uint32_t percent = 10; percent <= 90; percent += 40) {
            tell_progress(s, a, percent - 1);
            tell_progress(s, a, percent);
            assert_true(core_get_progress(s->nodes[a->node].core, id, &p));
            assert_int_equal(p.percent, percent);
            for (uint32_t i = 1; i <= 3; i++) {
                later += !core_get_progress(s->nodes[i].core, id, &p) || p.percent < percent;
            }
            cluster_run(s, 1000);
            for (uint32_t i = 1; i <= 3; i++) {
                assert_true(core_get_progress(s->nodes[i].core, id, &p));
                assert_true(p.percent == percent && p.vm == id && p.operation != 0);
            }
        }
        /* Both migrations are told of, each for itself. */
        first = first ? first : id;
        assert_true(core_get_progress(s->nodes[2].core, first, &p));
    }
    assert_true(later > 0); /* no message of its own */
    assert_false(core_get_progress(s->nodes[1].core, 99, &p));
    cluster_finish(s);
}

static int test_device(struct sim *s, const char *device, const char *node) {
    uint64_t request = sim_test_device(s, 2, device, node);
    cluster_run(s, 1000);
    return sim_answer(s, request);
}

static void device_test(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 1, SEED);
    const struct model_device *device = cluster_model(s, 1)->devices.rows;
    char name[64];
    (void)snprintf(name, sizeof(name), "%s", device->name);
    assert_int_equal(test_device(s, "none", "n1"), REPLY_NOT_FOUND);
    assert_int_equal(test_device(s, name, "none"), REPLY_NOT_FOUND);
    assert_int_equal(test_device(s, name, "n1"), REPLY_OK);
    assert_string_equal(cluster_last_message(s), "on");
    cluster_fence(s, FENCE_FAILS, 5);
    assert_int_equal(test_device(s, name, "n1"), REPLY_FAILED);
    cluster_finish(s);
}

/* "off" of a node that is alive, this one among them; of one that is gone it is the truth. */
static void device_test_of_another_machine(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 1, SEED);
    for (uint32_t i = 1; i <= 3; i++) {
        sim_fence_crossed(s, i, 0); /* another machine's plug, and that one is off */
    }
    assert_int_equal(test_device(s, "pdu", "n3"), REPLY_FAILED);
    assert_string_equal(cluster_last_message(s),
                        "the device says that n3 is off, but n3 is alive: wrong plug?");
    assert_int_equal(test_device(s, "pdu", "n2"), REPLY_FAILED);
    cluster_power_off(s, 3);
    cluster_run(s, 10000);
    assert_int_equal(test_device(s, "pdu", "n3"), REPLY_OK);
    cluster_finish(s);
}

static void device_test_of_a_node_that_it_is_not_for(void **state) {
    static const char *const nodes[] = {"n1", "n3"};
    (void)state;
    struct sim *s = cluster_ready(3, 1, SEED);
    struct cmd_device_add one = {.name = "one", .agent = "fence_x", .nodes = {nodes, 1}};
    struct cmd_device_add two = {.name = "two", .agent = "fence_x", .nodes = {nodes, 2}};
    assert_int_equal(cluster_request(s, 1, COMMAND_DEVICE_ADD, &one), REPLY_OK);
    assert_int_equal(cluster_request(s, 1, COMMAND_DEVICE_ADD, &two), REPLY_OK);
    assert_int_equal(test_device(s, "one", "n2"), REPLY_REFUSED);
    assert_string_equal(cluster_last_message(s), "one is for n1 only");
    assert_int_equal(test_device(s, "two", "n2"), REPLY_REFUSED);
    assert_string_equal(cluster_last_message(s), "two is for n1 and n3 only");
    assert_int_equal(test_device(s, "two", "n3"), REPLY_OK);
    cluster_finish(s);
}

static void device_with_one_outlet_for_all(void **state) {
    static const char *const key = "plug", *const value = "7";
    struct cmd_device_add add = {
        .name = "one", .agent = "fence_x", .keys = {&key, 1}, .values = {&value, 1}};
    (void)state;
    struct sim *s = cluster_ready(3, 1, SEED);
    assert_int_equal(cluster_request(s, 2, COMMAND_DEVICE_ADD, &add), REPLY_REFUSED);
    assert_string_equal(cluster_last_message(s),
                        "plug of one names one machine, but the device is for all nodes");
    assert_null(model_device_by_name(cluster_model(s, 2), "one"));
    cluster_finish(s);
}

/* Damaged, cut off, or from nobody's future: one line on each node, and the cluster goes on. */
static void what_is_no_message(void **state) {
    (void)state;
    struct sim *s = cluster_ready(3, 2, SEED);
    struct message m = {.type = MESSAGE_ACK, .incarnation = 7, .epoch = 1};
    struct buffer b;
    buffer_init(&b);
    message_encode(&m, &b);
    struct listener listener = {.text = "damaged"};
    cluster_listen(s, &listener);
    cluster_send(s, 2, b.data, (uint32_t)b.size - 1);
    b.data[b.size - 1] ^= 1;
    cluster_send(s, 2, b.data, (uint32_t)b.size);
    cluster_send(s, 2, (const uint8_t *)"x", 1);
    cluster_run(s, 500);
    assert_int_equal(listener.heard, 3);
    struct want want = {.reader = 1, .vms = 2};
    assert_true(cluster_run_until(s, vms_run, &want, 1000));
    buffer_finish(&b);
    cluster_finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage),
        cmocka_unit_test(moves_in_clear),
        cmocka_unit_test(progress),
        cmocka_unit_test(device_test),
        cmocka_unit_test(device_test_of_another_machine),
        cmocka_unit_test(device_test_of_a_node_that_it_is_not_for),
        cmocka_unit_test(device_with_one_outlet_for_all),
        cmocka_unit_test(what_is_no_message),
    };
    return cmocka_run_group_tests_name("core_eyes", tests, NULL, NULL);
}
