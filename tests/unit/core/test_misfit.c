/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of nodes that do not fit together: a quorum that would lose what was acknowledged, and
 * clusterds of another version. Nothing runs, and it is said why.
 */
#include "base/buffer.h"
#include "base/hash.h"
#include "unit/core/story.h"
#include "wire/message.h"

/* --------------------------------------------------------------------------- small quorums ---- */

/* Of more than two nodes a view needs a majority of all votes anyway, whatever corosync lets pass.
 */
static const struct {
    const char *name;
    uint32_t nodes;
    struct world_quorum quorum;
    bool refused;
} quorums[] = {
    {"two_node", 2, {.two_node = true}, true},
    {"last_man_standing of two", 2, {.last_man_standing = true}, true},
    {"a quorum device and two nodes", 2, {.quorum_device = true}, true},
    {"all of them", 2, {.two_node = true, .last_man_standing = true, .quorum_device = true}, true},
    {"two_node, wait_for_all", 2, {.two_node = true, .wait_for_all = true}, false},
    {"last_man_standing", 3, {.last_man_standing = true}, false},
    {"a quorum device", 3, {.quorum_device = true}, false},
    {"a majority", 3, {.wait_for_all = false}, false},
};

static void power_all(struct world *w, uint32_t nodes, struct world_quorum quorum) {
    for (uint32_t i = 1; i <= nodes; i++) {
        world_power_off(w, i);
    }
    world_quorum(w, quorum);
    for (uint32_t i = 1; i <= nodes; i++) {
        world_boot(w, i);
    }
}

static void expect_refusal(struct world *w, uint32_t nodes, const char *name, uint64_t seed) {
    struct cmd_config_set set = {.key = "start_timeout_ms", .value = "12345"};
    for (uint32_t i = 1; i <= nodes; i++) {
        struct core_status s = world_status(w, i);
        EXPECT(w, !s.usable && strcmp(s.phase, "refused") == 0);
        EXPECT(w, strstr(s.reason, "wait_for_all: 1 in corosync.conf") != NULL);
    }
    EXPECT(w, world_request(w, 1, COMMAND_CONFIG_SET, &set) == REPLY_NO_QUORUM);
    EXPECT(w, strstr(world_last_message(w), "wait_for_all") != NULL);
    EXPECT(w, world_runs_on(w, "vm1") == 0 && world_runs_on(w, "vm2") == 0);
    print_message("refused: %s\n", name);
}

/* VMs that ran under a sound configuration do not run under one that could lose their changes; and
 * run again when it is mended. */
static void small_quorum_without_wait_for_all(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(quorums) / sizeof(quorums[0]); i++) {
        const uint32_t nodes = quorums[i].nodes;
        uint64_t seed = i + 1;
        struct want want = {.reader = 1, .vms = 2};
        struct world *w = world_ready(nodes, 2, seed);
        world_listen(w, "wait_for_all: 1 in corosync.conf");
        power_all(w, nodes, quorums[i].quorum);
        if (quorums[i].refused) {
            world_run(w, 60000);
            expect_refusal(w, nodes, quorums[i].name, seed);
            EXPECT(w, world_heard(w) == nodes);
            power_all(w, nodes, (struct world_quorum){.wait_for_all = true});
        }
        EXPECT(w, world_run_until(w, vms_run, &want, 60000));
        EXPECT(w, world_status(w, 1).reason[0] == '\0');
        EXPECT(w, quorums[i].refused || world_heard(w) == 0);
        world_destroy(w);
    }
}

/* --------------------------------------------------------------------------- other versions ----
 */

/* What a clusterd sends that speaks another version, or knows more kinds of messages: whole, with
 * the right CRC. */
static void say(struct world *w, uint32_t sender, uint64_t incarnation, uint8_t version,
                uint8_t type) {
    struct message m = {.type = MESSAGE_HEARTBEAT, .incarnation = incarnation};
    struct buffer b;
    buffer_init(&b);
    message_encode(&m, &b);
    b.data[8] = version;
    b.data[9] = type;
    buffer_set_u32(&b, 4, crc32c(b.data + 8, b.size - 8));
    world_say(w, sender, b.data, (uint32_t)b.size);
    buffer_finish(&b);
    world_run(w, 10);
}

/* Each node says once of each clusterd what it is and which of the two is to be updated. */
static void other_versions_are_told_once(void **state) {
    static const struct {
        uint8_t version, type;
        const char *text;
    } cases[] = {
        {MESSAGE_VERSION + 1, MESSAGE_ACK,
         "n2 speaks version 5 of clusterd's protocol, and this "
         "node version 4"},
        {MESSAGE_VERSION + 1, 200, "update clusterd on this node"},
        {MESSAGE_VERSION - 1, MESSAGE_ACK, "n2 speaks version 3 of clusterd's protocol"},
        {MESSAGE_VERSION - 1, MESSAGE_HEARTBEAT, "update clusterd on n2"},
        {MESSAGE_VERSION, 200,
         "n2 sends messages of a kind (200) that this clusterd does not "
         "know: update clusterd on this node"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t seed = i + 1;
        struct world *w = world_ready(3, 0, seed);
        world_listen(w, cases[i].text);
        for (int times = 0; times < 5; times++) {
            say(w, 2, 77, cases[i].version, cases[i].type);
        }
        EXPECT(w, world_heard(w) == 3);
        say(w, 2, 78, cases[i].version, cases[i].type); /* it was started anew */
        say(w, 2, 78, cases[i].version, cases[i].type);
        EXPECT(w, world_heard(w) == 6);
        EXPECT(w, world_status(w, 1).usable); /* nothing else came of it */
        world_destroy(w);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_quorum_without_wait_for_all),
        cmocka_unit_test(other_versions_are_told_once),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_misfit", tests, NULL, NULL);
}
