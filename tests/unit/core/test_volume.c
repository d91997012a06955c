/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of a volume whose storage is not the same on all nodes, or was the same once.
 */
#include "unit/core/cluster.h"

#define SEEDS 10u

#define OTHER 3u /* a storage that no node has at first */

static struct sim *two_nodes(uint32_t vms, uint64_t seed) {
    struct sim_options options = cluster_options_of_two(vms, seed);
    return cluster_set_up(&options);
}

static char state_on(struct sim *s, uint32_t reader, uint32_t node) {
    const struct model *m = sim_model_of(s, reader);
    const struct model_volume *volume = m ? model_volume_by_name(m, "csv1") : NULL;
    const struct model_health *h = volume ? model_health_of(m, volume->id, node) : NULL;
    static const char letters[] = {[VOLUME_UNKNOWN] = 'u',
                                   [VOLUME_OK] = 'o',
                                   [VOLUME_STALLED] = 's',
                                   [VOLUME_FAILED] = 'f',
                                   [VOLUME_DIFFERENT] = 'd'};
    return h ? letters[h->state] : '-';
}

/* A letter for each node, '?' for any. */
struct states {
    uint32_t reader;
    const char *letters;
};

static bool states_are(struct sim *s, const void *arg) {
    const struct states *want = arg;
    for (uint32_t i = 0; want->letters[i]; i++) {
        if (want->letters[i] != '?' && state_on(s, want->reader, i + 1) != want->letters[i]) {
            return false;
        }
    }
    return true;
}

#define STATES(s, reader, letters, ms) \
    EXPECT(s, cluster_run_until(s, states_are, &(struct states){reader, letters}, ms))

/* For that long nothing changes. */
static void stays(struct sim *s, uint32_t reader, const char *letters, uint64_t ms, uint64_t seed) {
    const struct states want = {reader, letters};
    for (uint64_t t = 0; t < ms; t += 250) {
        cluster_run(s, 250);
        EXPECT(s, states_are(s, &want));
    }
}

static bool may_go_to(struct sim *s, uint32_t node, uint64_t seed) {
    char name[8];
    (void)snprintf(name, sizeof(name), "n%u", node);
    struct cmd_vm_move move = {.vm = "vm1", .to = name, .mode = MOVE_LIVE};
    int code = cluster_request(s, 1, COMMAND_VM_MOVE, &move);
    EXPECT(s, code == REPLY_OK || code == REPLY_REFUSED);
    return code == REPLY_OK;
}

/* From now on the node has a copy of the storage, as of now. */
static void mount_copy(struct sim *s, uint32_t node) {
    sim_copy_storage(s, 0, OTHER);
    sim_storage(s, node, OTHER);
}

/* A copy of the storage is mounted over it on one node: all nonces are there, and here too the
 * node's own file is left, just as they were told over the network; but none of them moves. */
static void copy_is_noticed(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        uint32_t node = 1 + (uint32_t)(seed % 3), other = node == 1 ? 2 : 1;
        char wrong[] = "ooo";
        wrong[node - 1] = 'd';
        struct sim *s = cluster_ready(3, 1, seed);
        stays(s, 1, "ooo", 15000, seed);
        mount_copy(s, node);
        STATES(s, other, wrong, 15000);
        stays(s, other, wrong, 30000, seed);
        EXPECT(s, cluster_runs_on(s, "vm1") == node || !may_go_to(s, node, seed));
        sim_storage(s, node, 0);
        STATES(s, other, "ooo", 5000);
        cluster_finish(s);
    }
}

/* As above, but the copy was there before clusterd was. */
static void copy_at_boot_is_noticed(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 1, seed);
        cluster_run(s, 5000);
        cluster_power_off(s, 3);
        cluster_run(s, 5000);
        mount_copy(s, 3);
        cluster_boot(s, 3);
        STATES(s, 1, "ood", 20000);
        stays(s, 1, "ood", 15000, seed);
        cluster_finish(s);
    }
}

/* Another storage on one node; on the first one too it is that one which is wrong. */
static void empty_storage_is_noticed(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 1, seed);
        sim_storage(s, 1, OTHER);
        STATES(s, 2, "doo", 15000);
        stays(s, 2, "doo", 15000, seed);
        cluster_finish(s);
    }
}

/* Two clusters with nodes of the same names have mixed up their storages: files move there, but
 * with nonces that nobody has told. */
static void another_clusters_heartbeats_prove_nothing(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 1, seed);
        sim_other_cluster(s);
        stays(s, 1, "ooo", 15000, seed);
        sim_storage(s, 3, OTHER);
        STATES(s, 1, "ood", 15000);
        stays(s, 1, "ood", 15000, seed);
        cluster_finish(s);
    }
}

/* Two pairs, each with a storage of its own: one answer, the same on all nodes. */
static void pairs_have_one_answer(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(4, 2, seed);
        if (seed % 2) {
            sim_copy_storage(s, 0, OTHER);
        }
        sim_storage(s, 3, OTHER);
        sim_storage(s, 4, OTHER);
        STATES(s, 1, "oodd", 15000);
        stays(s, 4, "oodd", 30000, seed);
        EXPECT(s, cluster_runs_on(s, "vm1") >= 3 || !may_go_to(s, 3, seed));
        sim_storage(s, 3, 0);
        STATES(s, 1, "oood", 5000);
        cluster_finish(s);
    }
}

/* Three against two: the larger part is right, and stays so when it is the smaller one. */
static void larger_part_is_right(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(5, 0, seed);
        sim_storage(s, 1, OTHER);
        sim_storage(s, 2, OTHER);
        STATES(s, 3, "ddooo", 15000);
        cluster_power_off(s, 4);
        cluster_power_off(s, 5);
        cluster_run(s, 5000);
        stays(s, 3, "ddo??", 30000, seed);
        cluster_finish(s);
    }
}

/* Two nodes: the other one's storage is not right because the first one has died. */
static void wrong_is_not_right_alone(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = two_nodes(2, seed);
        mount_copy(s, 2);
        STATES(s, 1, "od", 15000);
        STATES(s, 2, "od", 1000);
        const char *victim = cluster_runs_on(s, "vm1") == 1 ? "vm1" : "vm2";
        EXPECT(s, cluster_runs_on(s, victim) == 1);
        cluster_power_off(s, 1);
        stays(s, 2, "?d", 30000, seed);
        EXPECT(s, cluster_runs_on(s, victim) == 0);
        const struct model_volume *volume = model_volume_by_name(cluster_model(s, 2), "csv1");
        EXPECT(s, strstr(model_health_of(cluster_model(s, 2), volume->id, 2)->reason,
                         "restart clusterd") != NULL);
        sim_kill_clusterd(s, 2); /* somebody says that it is right all the same */
        sim_start_clusterd(s, 2);
        STATES(s, 2, "?o", 15000);
        struct want want = {.reader = 2, .vms = 2};
        EXPECT(s, cluster_run_until(s, vms_run, &want, 30000));
        cluster_finish(s);
    }
}

/* A node that comes back with another storage does not take the volume from one that uses it,
 * though its id is lower. */
static void incomer_does_not_take_over(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = two_nodes(1, seed);
        cluster_power_off(s, 1);
        cluster_run(s, 10000);
        sim_storage(s, 1, OTHER);
        cluster_boot(s, 1);
        STATES(s, 2, "do", 20000);
        stays(s, 2, "do", 15000, seed);
        cluster_finish(s);
    }
}

/* A storage that hangs is no other storage: nobody else is called DIFFERENT for it. */
static void hang_is_no_difference(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = two_nodes(2, seed);
        sim_volume_mode(s, 1, VOLUME_HANGS);
        STATES(s, 2, "so", 10000);
        stays(s, 2, "so", 15000, seed);
        sim_volume_mode(s, 1, VOLUME_FINE);
        STATES(s, 2, "oo", 5000);
        cluster_finish(s);
    }
}

/* Nor is it on the larger part of the nodes, whose last words were that they see each other. */
static void hang_of_most_is_no_difference(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(5, 0, seed);
        cluster_run(s, 5000);
        for (uint32_t i = 1; i <= 3; i++) {
            sim_volume_mode(s, i, VOLUME_HANGS);
        }
        STATES(s, 4, "sssoo", 10000);
        stays(s, 4, "sssoo", 20000, seed);
        cluster_finish(s);
    }
}

/* Of a node that dies the heartbeat stops at once, and corosync may take long to notice: meanwhile
 * it looks as if it had another storage. But nothing is heard of it, so it has no say. */
static void silent_node_has_no_say(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = two_nodes(0, seed);
        cluster_run(s, 5000);
        cluster_fence(s, FENCE_FAILS, 5);
        cluster_freeze(s, 1);
        sim_volume_mode(s, 1, VOLUME_HANGS);
        stays(s, 2, "?o", 20000, seed);
        sim_thaw_clusterd(s, 1);
        sim_volume_mode(s, 1, VOLUME_FINE);
        stays(s, 2, "?o", 10000, seed);
        STATES(s, 2, "oo", 5000);
        cluster_finish(s);
    }
}

/* A storage that hangs at the very first access is stalled, not unknown for ever; and the others go
 * on. */
static void hanging_from_the_beginning(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(2 + (uint32_t)(seed % 2), 0, seed);
        cluster_power_off(s, 1);
        cluster_run(s, 3000);
        sim_volume_mode(s, 1, VOLUME_HANGS);
        cluster_boot(s, 1);
        STATES(s, 2, "so", 20000);
        stays(s, 2, "so", 10000, seed);
        cluster_finish(s);
    }
}

static bool has_volume(struct sim *s, const void *arg) {
    return model_volume_by_name(cluster_model(s, *(const uint32_t *)arg), "csv1") != NULL;
}

/* A new volume is not kept waiting for a node whose storage hangs. */
static void hang_of_a_new_volume(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        const uint32_t reader = 2;
        struct sim_options options = cluster_options_of_two(0, seed);
        struct sim *s = sim_create(&options);
        cluster_boot(s, 1);
        cluster_boot(s, 2);
        cluster_run(s, 5000);
        sim_volume_mode(s, 1, VOLUME_HANGS);
        struct cmd_volume_add volume = {.name = "csv1", .path = "/srv/csv1"};
        EXPECT(s, cluster_request(s, 1, COMMAND_VOLUME_ADD, &volume) == REPLY_OK);
        EXPECT(s, cluster_run_until(s, has_volume, &reader, 1000));
        STATES(s, 2, "uo", 1000);
        STATES(s, 2, "so", 10000);
        cluster_finish(s);
    }
}

/* Restarts of clusterd, one after the other: no volume is lost for a moment. */
static void restarts_lose_no_volume(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct sim *s = cluster_ready(3, 3, seed);
        for (uint32_t i = 1; i <= 3; i++) {
            char others[] = "ooo";
            others[i - 1] = '?';
            sim_kill_clusterd(s, i);
            sim_start_clusterd(s, i);
            stays(s, i == 1 ? 2 : 1, others, 10000, seed);
            STATES(s, 1, "ooo", 1000);
        }
        cluster_finish(s);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_is_noticed),
        cmocka_unit_test(copy_at_boot_is_noticed),
        cmocka_unit_test(empty_storage_is_noticed),
        cmocka_unit_test(another_clusters_heartbeats_prove_nothing),
        cmocka_unit_test(pairs_have_one_answer),
        cmocka_unit_test(larger_part_is_right),
        cmocka_unit_test(wrong_is_not_right_alone),
        cmocka_unit_test(incomer_does_not_take_over),
        cmocka_unit_test(hang_is_no_difference),
        cmocka_unit_test(hang_of_most_is_no_difference),
        cmocka_unit_test(silent_node_has_no_say),
        cmocka_unit_test(hanging_from_the_beginning),
        cmocka_unit_test(hang_of_a_new_volume),
        cmocka_unit_test(restarts_lose_no_volume),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("core_volume", tests, NULL, NULL);
}
