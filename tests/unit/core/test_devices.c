/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence devices: which is tried when, which is never used, and which cannot be added.
 */
#include "one_model.h"

#include "core/model/fence_devices.h"

static const char *const n1[] = {"n1"};
static const char *const n1_n2[] = {"n1", "n2"};

#define NAMES(n, ...) \
    { (const char *const[]){__VA_ARGS__}, n }

static const char *turn(const struct bench *b, uint32_t node, uint32_t failed) {
    const struct model_device *device = devices_turn(&b->m, node, failed);
    return device ? device->name : "none";
}

static const char *after(const struct bench *b, uint32_t node, const char *name) {
    const struct model_device *device = devices_after(&b->m, node, name);
    return device ? device->name : "none";
}

/* Those that name the node first, then those for all, each in the order of their making. */
static void order_of_devices(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    assert_string_equal(turn(&b, 1, 0), "none");
    GIVE(&b, DEVICE_ADD, .name = "all1", .agent = "fence_x");
    GIVE(&b, DEVICE_ADD, .name = "bmc1", .agent = "fence_x", .nodes = {n1, 1});
    GIVE(&b, DEVICE_ADD, .name = "all2", .agent = "fence_x");
    GIVE(&b, DEVICE_ADD, .name = "pdu1", .agent = "fence_x", .nodes = {n1_n2, 2});
    static const char *const expected[] = {"bmc1", "pdu1", "all1", "all2", "bmc1", "pdu1"};
    assert_int_equal(devices_count(&b.m, 1), 4);
    for (uint32_t i = 0; i < 6; i++) {
        assert_string_equal(turn(&b, 1, i), expected[i]);
    }
    assert_string_equal(after(&b, 1, "bmc1"), "pdu1");
    assert_string_equal(after(&b, 1, "all1"), "all2");
    assert_string_equal(after(&b, 1, "all2"), "none");
    assert_string_equal(after(&b, 1, "gone"), "none");
    assert_string_equal(turn(&b, 2, 0), "pdu1");
    assert_string_equal(turn(&b, 3, 0), "all1");
    assert_string_equal(after(&b, 3, "bmc1"), "none");
    bench_end(&b);
}

/* None while a round goes on; then longer from round to round. */
static void pauses(void **state) {
    static const uint64_t two_ms[] = {0, 1000, 0, 2000, 0, 4000, 0, 5000, 0, 5000};
    static const uint64_t one_ms[] = {1000, 2000, 4000, 5000, 5000};
    (void)state;
    struct bench b;
    bench_begin(&b);
    GIVE(&b, CONFIG_SET, .key = "fence_retry_ms", .value = "1000");
    GIVE(&b, CONFIG_SET, .key = "fence_retry_max_ms", .value = "5000");
    GIVE(&b, DEVICE_ADD, .name = "all", .agent = "fence_x");
    GIVE(&b, DEVICE_ADD, .name = "bmc1", .agent = "fence_x", .nodes = {n1, 1});
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(devices_pause_ms(&b.m, 1, i + 1), two_ms[i]);
    }
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(devices_pause_ms(&b.m, 2, i + 1), one_ms[i]);
    }
    bench_end(&b);
}

/* Of a cluster that had it before: one outlet for several nodes is no device of any. */
static void one_outlet_is_never_used(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    GIVE(&b, DEVICE_ADD, .name = "wrong", .agent = "fence_x", .keys = NAMES(1, "plug"),
         .values = NAMES(1, "7"));
    GIVE(&b, DEVICE_ADD, .name = "wrong2", .agent = "fence_x", .nodes = {n1_n2, 2},
         .keys = NAMES(1, "port"), .values = NAMES(1, "7"));
    assert_int_equal(devices_count(&b.m, 1), 0);
    assert_string_equal(turn(&b, 1, 0), "none");
    assert_true(device_is_ambiguous(model_device_by_name(&b.m, "wrong")));
    GIVE(&b, DEVICE_ADD, .name = "right", .agent = "fence_x", .nodes = {n1, 1},
         .keys = NAMES(1, "plug"), .values = NAMES(1, "7"));
    assert_string_equal(turn(&b, 1, 0), "right");
    assert_string_equal(turn(&b, 2, 0), "none");
    bench_end(&b);
}

static const char *refusal(struct bench *b, const struct cmd_device_add *add) {
    const char *hint = "";
    const char *message = devices_refusal(&b->m, add, &b->out, &hint);
    assert_int_equal(message != NULL, hint[0] != '\0');
    return message ? message : "";
}

static void what_cannot_be_added(void **state) {
    const struct {
        struct cmd_device_add add;
        const char *refusal;
    } cases[] = {
        {{.agent = "fence_apc",
          .keys = NAMES(2, "ip", "plug"),
          .values = NAMES(2, "10.0.0.1", "7")},
         "plug of d names one machine, but the device is for all nodes"},
        {{.agent = "fence_apc",
          .nodes = {n1_n2, 2},
          .keys = NAMES(1, "port"),
          .values = NAMES(1, "7")},
         "port of d names one machine, but the device is for n1 and n2"},
        {{.agent = "fence_ipmilan",
          .nodes = {n1_n2, 2},
          .keys = NAMES(1, "ip"),
          .values = NAMES(1, "10.0.0.11")},
         "ip of d names one machine, but the device is for n1 and n2"},
        {{.agent = "fence_xvm", .keys = NAMES(1, "domain"), .values = NAMES(1, "web")},
         "domain of d names one machine, but the device is for all nodes"},
        {{.agent = "fence_apc",
          .nodes = {n1, 1},
          .keys = NAMES(1, "pcmk_host_map"),
          .values = NAMES(1, "n1:3")},
         "pcmk_host_map is a Pacemaker parameter: no fence agent knows it"},
        {{.agent = "fence_heuristics_ping", .nodes = {n1, 1}},
         "fence_heuristics_ping does not switch anything off: its answer is no evidence"},
        /* Good ones: of one node; with the node's name in it; where clusterd fills it in; where it
         * picks no outlet. */
        {{.agent = "fence_apc",
          .nodes = {n1, 1},
          .keys = NAMES(1, "plug"),
          .values = NAMES(1, "7")},
         ""},
        {{.agent = "fence_apc",
          .nodes = NAMES(2, "n1", "n1"),
          .keys = NAMES(1, "plug"),
          .values = NAMES(1, "7")},
         ""},
        {{.agent = "fence_apc", .keys = NAMES(1, "plug"), .values = NAMES(1, "vm-{node}")}, ""},
        {{.agent = "fence_redfish",
          .keys = NAMES(2, "plug", "ip"),
          .values = NAMES(2, "1", "bmc-{node}")},
         ""},
        {{.agent = "fence_ipmilan", .keys = NAMES(1, "ip"), .values = NAMES(1, "bmc-{node}")}, ""},
        {{.agent = "fence_ipmilan", .keys = NAMES(1, "port_as_ip"), .values = NAMES(1, "1")}, ""},
        {{.agent = "fence_ipmilan",
          .nodes = {n1, 1},
          .keys = NAMES(1, "ip"),
          .values = NAMES(1, "10.0.0.11")},
         ""},
        {{.agent = "fence_virsh", .keys = NAMES(1, "ip"), .values = NAMES(1, "10.0.0.1")}, ""},
        {{.agent = "fence_evacuate", .keys = NAMES(1, "domain"), .values = NAMES(1, "a.example")},
         ""},
        {{.agent = "fence_apc",
          .nodes = NAMES(2, "n1", "n9"),
          .keys = NAMES(1, "plug"),
          .values = NAMES(1, "7")},
         ""}, /* there is no n9: the command itself says so */
    };
    (void)state;
    struct bench b;
    bench_begin(&b);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cmd_device_add add = cases[i].add;
        add.name = "d";
        assert_string_equal(refusal(&b, &add), cases[i].refusal);
    }
    bench_end(&b);
}

/* A name that no program can have is told at once, not by the first fencing. */
static void what_is_no_agent(void **state) {
    static const char *const wrong[] = {"", "fence_", "fence_a b", "fence_../sh", "ipmilan"};
    struct cmd_device_add add = {.name = "d", .nodes = {n1, 1}};
    (void)state;
    struct bench b;
    bench_begin(&b);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char text[80];
        (void)snprintf(text, sizeof(text), "'%s' is not the name of a fence agent", wrong[i]);
        add.agent = wrong[i];
        assert_string_equal(refusal(&b, &add), text);
    }
    add.agent = "fence_My-own.2";
    assert_string_equal(refusal(&b, &add), "");
    bench_end(&b);
}

/* Pacemaker's words have a counterpart each. */
static void what_takes_the_place_of_pacemakers_words(void **state) {
    static const char *const words[][2] = {
        {"pcmk_host_map", "{node}"},
        {"pcmk_host_list", "--node"},
        {"pcmk_host_check", "--node"},
        {"pcmk_delay_max", "leave it out"},
        {"pcmk_off_timeout", "fence_timeout_ms"},
        {"pcmk_off_retries", "fence_retry_ms"},
        {"pcmk_reboot_action", "leave it out"},
        {"pcmk_host_argument", "{node}"},
    };
    (void)state;
    struct bench b;
    bench_begin(&b);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *hint = "";
        const struct cmd_device_add add = {.name = "d",
                                           .agent = "fence_x",
                                           .keys = {&words[i][0], 1},
                                           .values = {&words[i][0], 1}};
        assert_non_null(devices_refusal(&b.m, &add, &b.out, &hint));
        assert_non_null(strstr(hint, words[i][1]));
    }
    bench_end(&b);
}

/* Whoever asked for a fencing waits until the last device has failed. */
static void an_operation_waits_for_all_devices(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    bench_view(&b, 3, 3);
    GIVE(&b, DEVICE_ADD, .name = "pdu", .agent = "fence_x");
    assert_int_equal(GIVE(&b, NODE_FENCE, .node = "n3"), REPLY_OK);
    uint64_t operation = b.last.operation;
    const struct model_node *node = model_node_by_id(&b.m, 3);
    for (uint8_t more = 2; more-- > 0;) {
        assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 3, .incarnation = 13, .device = "pdu",
                              .by = 1),
                         REPLY_OK);
        assert_int_equal(GIVE(&b, FENCE_RESULT, .node = 3, .incarnation = 13,
                              .order = node->fence_order, .device = "pdu", .message = "dead",
                              .more = more, .then = more ? "next: device bmc" : "all have failed"),
                         REPLY_OK);
        assert_int_equal(node->fence_asked, more);
        assert_int_equal(model_operation_by_id(&b.m, operation)->state,
                         more ? OPERATION_RUNNING : OPERATION_FAILED);
    }
    const struct model_event *event =
        (const struct model_event *)b.m.events.rows + b.m.events.n - 2;
    assert_string_equal(event->message,
                        "fencing of n3 failed (attempt 2, device pdu): dead; all have failed");
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_devices),
        cmocka_unit_test(pauses),
        cmocka_unit_test(one_outlet_is_never_used),
        cmocka_unit_test(what_cannot_be_added),
        cmocka_unit_test(what_is_no_agent),
        cmocka_unit_test(what_takes_the_place_of_pacemakers_words),
        cmocka_unit_test(an_operation_waits_for_all_devices),
    };
    return cmocka_run_group_tests_name("core_devices", tests, NULL, NULL);
}
