/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of the passwords of fence devices on the nodes' disks: who removes a device wants
 * its password to be gone, and not until the next snapshot, which may take weeks.
 */
#include "unit/core/cluster.h"

static int add(struct sim *s, const char *name, const char *password) {
    static const char *const keys[] = {"password"};
    const char *const values[] = {password};
    struct cmd_device_add device = {
        .name = name, .agent = "fence_x", .keys = {keys, 1}, .values = {values, 1}};
    return cluster_request(s, 1, COMMAND_DEVICE_ADD, &device);
}

static int take_away(struct sim *s, const char *name) {
    struct cmd_device_remove device = {.device = name};
    return cluster_request(s, 2, COMMAND_DEVICE_REMOVE, &device);
}

static uint32_t disks_with(struct sim *s, const char *text) {
    uint32_t n = 0;
    for (uint32_t node = 1; node <= 3; node++) {
        n += sim_disk_holds(s, node, text);
    }
    return n;
}

static void removed(void **state) {
    (void)state;
    FOR_SEEDS(seed, 5) {
        struct sim *s = cluster_ready(3, 1, seed);
        EXPECT(s, add(s, "old", "open-sesame") == REPLY_OK);
        EXPECT(s, add(s, "new", "in-use") == REPLY_OK);
        cluster_run(s, 3000);
        EXPECT(s, disks_with(s, "open-sesame") == 3);
        EXPECT(s, take_away(s, "old") == REPLY_OK);
        cluster_run(s, 3000);
        EXPECT(s, disks_with(s, "open-sesame") == 0);
        EXPECT(s, disks_with(s, "in-use") == 3);
        cluster_finish(s);
    }
}

/* It came with the command, and that is in the log. */
static void refused(void **state) {
    (void)state;
    FOR_SEEDS(seed, 5) {
        struct sim *s = cluster_ready(3, 1, seed);
        EXPECT(s, add(s, "one", "in-use") == REPLY_OK);
        EXPECT(s, add(s, "one", "open-sesame") != REPLY_OK);
        cluster_run(s, 3000);
        EXPECT(s, disks_with(s, "open-sesame") == 0);
        EXPECT(s, disks_with(s, "in-use") == 3);
        cluster_finish(s);
    }
}

/* A node that was killed at once, and one that was away: they do it later. */
static void later(void **state) {
    (void)state;
    FOR_SEEDS(seed, 10) {
        struct sim *s = cluster_ready(3, 1, seed);
        EXPECT(s, add(s, "old", "open-sesame") == REPLY_OK);
        cluster_run(s, 3000);
        cluster_power_off(s, 3);
        cluster_run(s, 5000);
        EXPECT(s, take_away(s, "old") == REPLY_OK);
        sim_kill_clusterd(s, 2);
        EXPECT(s, sim_disk_holds(s, 3, "open-sesame"));
        sim_start_clusterd(s, 2);
        cluster_boot(s, 3);
        cluster_run(s, 10000);
        EXPECT(s, cluster_status(s, 3).usable);
        EXPECT(s, disks_with(s, "open-sesame") == 0);
        cluster_finish(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removed),
        cmocka_unit_test(refused),
        cmocka_unit_test(later),
    };
    return cmocka_run_group_tests_name("core_secrets", tests, NULL, NULL);
}
