/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of nodes that do not fit together: a quorum that would lose what was acknowledged, and
 * clusterds of another version. Nothing runs, and it is said why.
 */
#include "base/buffer.h"
#include "base/hash.h"
#include "unit/core/cluster.h"
#include "wire/message.h"

/* --------------------------------------------------------------------------- small quorums ---- */

/* Of more than two nodes a view needs a majority of all votes anyway, whatever corosync lets pass.
 */
static const struct {
    const char *name;
    uint32_t nodes;
    uint32_t quorum; /* enum sim_quorum */
    bool refused;
} quorums[] = {
    {"two_node", 2, SIM_TWO_NODE | SIM_NO_WAIT_FOR_ALL, true},
    {"last_man_standing of two", 2, SIM_LAST_MAN_STANDING | SIM_NO_WAIT_FOR_ALL, true},
    {"a quorum device and two nodes", 2, SIM_QUORUM_DEVICE | SIM_NO_WAIT_FOR_ALL, true},
    {"all of them", 2,
     SIM_TWO_NODE | SIM_LAST_MAN_STANDING | SIM_QUORUM_DEVICE | SIM_NO_WAIT_FOR_ALL, true},
    {"two_node, wait_for_all", 2, SIM_TWO_NODE, false},
    {"last_man_standing", 3, SIM_LAST_MAN_STANDING | SIM_NO_WAIT_FOR_ALL, false},
    {"a quorum device", 3, SIM_QUORUM_DEVICE | SIM_NO_WAIT_FOR_ALL, false},
    {"a majority", 3, SIM_MAJORITY, false},
};

static void power_all(struct sim *s, uint32_t nodes, uint32_t quorum) {
    for (uint32_t i = 1; i <= nodes; i++) {
        cluster_power_off(s, i);
    }
    sim_set_quorum(s, quorum);
    for (uint32_t i = 1; i <= nodes; i++) {
        cluster_boot(s, i);
    }
}

static void expect_refusal(struct sim *s, uint32_t nodes, const char *name, uint64_t seed) {
    struct cmd_config_set set = {.key = "start_timeout_ms", .value = "12345"};
    for (uint32_t i = 1; i <= nodes; i++) {
        struct core_status status = cluster_status(s, i);
        EXPECT(s, !status.usable && strcmp(status.phase, "refused") == 0);
        EXPECT(s, strstr(status.reason, "wait_for_all: 1 in corosync.conf") != NULL);
    }
    EXPECT(s, cluster_request(s, 1, COMMAND_CONFIG_SET, &set) == REPLY_NO_QUORUM);
    EXPECT(s, strstr(cluster_last_message(s), "wait_for_all") != NULL);
    EXPECT(s, cluster_runs_on(s, "vm1") == 0 && cluster_runs_on(s, "vm2") == 0);
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
        struct sim *s = cluster_ready(nodes, 2, seed);
        struct listener listener = {.text = "wait_for_all: 1 in corosync.conf"};
        cluster_listen(s, &listener);
        power_all(s, nodes, quorums[i].quorum);
        if (quorums[i].refused) {
            cluster_run(s, 60000);
            expect_refusal(s, nodes, quorums[i].name, seed);
            EXPECT(s, listener.heard == nodes);
            power_all(s, nodes, SIM_MAJORITY);
        }
        EXPECT(s, cluster_run_until(s, vms_run, &want, 60000));
        EXPECT(s, cluster_status(s, 1).reason[0] == '\0');
        EXPECT(s, quorums[i].refused || listener.heard == 0);
        cluster_finish(s);
    }
}

/* --------------------------------------------------------------------------- other versions ----
 */

/* What a clusterd sends that speaks another version, or knows more kinds of messages: whole, with
 * the right CRC. */
static void say(struct sim *s, uint32_t sender, uint64_t incarnation, uint8_t version,
                uint8_t type) {
    struct message m = {.type = MESSAGE_HEARTBEAT, .incarnation = incarnation};
    struct buffer b;
    buffer_init(&b);
    message_encode(&m, &b);
    b.data[8] = version;
    b.data[9] = type;
    buffer_set_u32(&b, 4, crc32c(b.data + 8, b.size - 8));
    cluster_send(s, sender, b.data, (uint32_t)b.size);
    buffer_finish(&b);
    cluster_run(s, 10);
}

/* Each node says once of each clusterd what it is and which of the two is to be updated. */
static void other_versions_are_told_once(void **state) {
    static const struct {
        uint8_t version, type;
        const char *text;
    } cases[] = {
        {PROTOCOL_HIGHEST + 1, MESSAGE_ACK,
         "n2 speaks version 6 of clusterd's protocol and higher, and this node version 5 at most"},
        {PROTOCOL_HIGHEST + 1, 200, "update clusterd on this node"},
        {PROTOCOL_HIGHEST, 200,
         "n2 sends messages of a kind (200) that this clusterd does not "
         "know: update clusterd on this node"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t seed = i + 1;
        struct sim *s = cluster_ready(3, 0, seed);
        struct listener listener = {.text = cases[i].text};
        cluster_listen(s, &listener);
        for (int times = 0; times < 5; times++) {
            say(s, 2, 77, cases[i].version, cases[i].type);
        }
        EXPECT(s, listener.heard == 3);
        say(s, 2, 78, cases[i].version, cases[i].type); /* it was started anew */
        say(s, 2, 78, cases[i].version, cases[i].type);
        EXPECT(s, listener.heard == 6);
        EXPECT(s, cluster_status(s, 1).usable); /* nothing else came of it */
        cluster_finish(s);
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
