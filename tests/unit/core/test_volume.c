/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of a volume whose storage is not the same on all nodes, or was the same once.
 */
#include "unit/core/story.h"

#define SEEDS 10u

static char state_on(struct world *w, uint32_t reader, uint32_t node) {
    const struct model_volume *volume = model_volume_by_name(world_model(w, reader), "csv1");
    const struct model_health *h = model_health_of(world_model(w, reader), volume->id, node);
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

static bool states_are(struct world *w, const void *arg) {
    const struct states *want = arg;
    for (uint32_t i = 0; want->letters[i]; i++) {
        if (want->letters[i] != '?' && state_on(w, want->reader, i + 1) != want->letters[i]) {
            return false;
        }
    }
    return true;
}

#define STATES(w, reader, letters, ms) \
    EXPECT(w, world_run_until(w, states_are, &(struct states){reader, letters}, ms))

/* For that long nothing changes. */
static void stays(struct world *w, uint32_t reader, const char *letters, uint64_t ms,
                  uint64_t seed) {
    const struct states want = {reader, letters};
    for (uint64_t t = 0; t < ms; t += 250) {
        world_run(w, 250);
        EXPECT(w, states_are(w, &want));
    }
}

static bool may_go_to(struct world *w, uint32_t node, uint64_t seed) {
    char name[8];
    (void)snprintf(name, sizeof(name), "n%u", node);
    struct cmd_vm_move move = {.vm = "vm1", .to = name, .mode = MOVE_LIVE};
    int code = world_request(w, 1, COMMAND_VM_MOVE, &move);
    EXPECT(w, code == REPLY_OK || code == REPLY_REFUSED);
    return code == REPLY_OK;
}

/* From now on the node has a copy of the storage, as of now. */
static void mount_copy(struct world *w, uint32_t node) {
    world_copy_storage(w, 0, 7);
    world_storage(w, node, 7);
}

/* A copy of the storage is mounted over it on one node: all nonces are there, and here too the
 * node's own file is left, just as they were told over the network; but none of them moves. */
static void copy_is_noticed(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        uint32_t node = 1 + (uint32_t)(seed % 3), other = node == 1 ? 2 : 1;
        char wrong[] = "ooo";
        wrong[node - 1] = 'd';
        struct world *w = world_ready(3, 1, seed);
        stays(w, 1, "ooo", 15000, seed);
        mount_copy(w, node);
        STATES(w, other, wrong, 15000);
        stays(w, other, wrong, 30000, seed);
        EXPECT(w, world_runs_on(w, "vm1") == node || !may_go_to(w, node, seed));
        world_storage(w, node, 0);
        STATES(w, other, "ooo", 5000);
        world_destroy(w);
    }
}

/* As above, but the copy was there before clusterd was. */
static void copy_at_boot_is_noticed(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 1, seed);
        world_run(w, 5000);
        world_power_off(w, 3);
        world_run(w, 5000);
        mount_copy(w, 3);
        world_boot(w, 3);
        STATES(w, 1, "ood", 20000);
        stays(w, 1, "ood", 15000, seed);
        world_destroy(w);
    }
}

/* Another storage on one node; on the first one too it is that one which is wrong. */
static void empty_storage_is_noticed(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 1, seed);
        world_storage(w, 1, 7);
        STATES(w, 2, "doo", 15000);
        stays(w, 2, "doo", 15000, seed);
        world_destroy(w);
    }
}

/* Two clusters with nodes of the same names have mixed up their storages: files move there, but
 * with nonces that nobody has told. */
static void another_clusters_heartbeats_prove_nothing(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 1, seed);
        world_other_cluster(w);
        stays(w, 1, "ooo", 15000, seed);
        world_storage(w, 3, 7);
        STATES(w, 1, "ood", 15000);
        stays(w, 1, "ood", 15000, seed);
        world_destroy(w);
    }
}

/* Two pairs, each with a storage of its own: one answer, the same on all nodes. */
static void pairs_have_one_answer(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(4, 2, seed);
        if (seed % 2) {
            world_copy_storage(w, 0, 7);
        }
        world_storage(w, 3, 7);
        world_storage(w, 4, 7);
        STATES(w, 1, "oodd", 15000);
        stays(w, 4, "oodd", 30000, seed);
        EXPECT(w, world_runs_on(w, "vm1") >= 3 || !may_go_to(w, 3, seed));
        world_storage(w, 3, 0);
        STATES(w, 1, "oood", 5000);
        world_destroy(w);
    }
}

/* Three against two: the larger part is right, and stays so when it is the smaller one. */
static void larger_part_is_right(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(5, 0, seed);
        world_storage(w, 1, 7);
        world_storage(w, 2, 7);
        STATES(w, 3, "ddooo", 15000);
        world_power_off(w, 4);
        world_power_off(w, 5);
        world_run(w, 5000);
        stays(w, 3, "ddo??", 30000, seed);
        world_destroy(w);
    }
}

/* Two nodes: the other one's storage is not right because the first one has died. */
static void wrong_is_not_right_alone(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_create(2, seed);
        world_two_node(w);
        world_setup(w, 2);
        mount_copy(w, 2);
        STATES(w, 1, "od", 15000);
        STATES(w, 2, "od", 1000);
        const char *victim = world_runs_on(w, "vm1") == 1 ? "vm1" : "vm2";
        EXPECT(w, world_runs_on(w, victim) == 1);
        world_power_off(w, 1);
        stays(w, 2, "?d", 30000, seed);
        EXPECT(w, world_runs_on(w, victim) == 0);
        const struct model_volume *volume = model_volume_by_name(world_model(w, 2), "csv1");
        EXPECT(w, strstr(model_health_of(world_model(w, 2), volume->id, 2)->reason,
                         "restart clusterd") != NULL);
        world_kill_clusterd(w, 2); /* somebody says that it is right all the same */
        world_start_clusterd(w, 2);
        STATES(w, 2, "?o", 15000);
        struct want want = {.reader = 2, .vms = 2};
        EXPECT(w, world_run_until(w, vms_run, &want, 30000));
        world_destroy(w);
    }
}

/* A node that comes back with another storage does not take the volume from one that uses it,
 * though its id is lower. */
static void incomer_does_not_take_over(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_create(2, seed);
        world_two_node(w);
        world_setup(w, 1);
        world_power_off(w, 1);
        world_run(w, 10000);
        world_storage(w, 1, 7);
        world_boot(w, 1);
        STATES(w, 2, "do", 20000);
        stays(w, 2, "do", 15000, seed);
        world_destroy(w);
    }
}

/* A storage that hangs is no other storage: nobody else is called DIFFERENT for it. */
static void hang_is_no_difference(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_create(2, seed);
        world_two_node(w);
        world_setup(w, 2);
        world_hang_storage(w, 1, true);
        STATES(w, 2, "so", 10000);
        stays(w, 2, "so", 15000, seed);
        world_hang_storage(w, 1, false);
        STATES(w, 2, "oo", 5000);
        world_destroy(w);
    }
}

/* Nor is it on the larger part of the nodes, whose last words were that they see each other. */
static void hang_of_most_is_no_difference(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(5, 0, seed);
        world_run(w, 5000);
        for (uint32_t i = 1; i <= 3; i++) {
            world_hang_storage(w, i, true);
        }
        STATES(w, 4, "sssoo", 10000);
        stays(w, 4, "sssoo", 20000, seed);
        world_destroy(w);
    }
}

/* Of a node that dies the heartbeat stops at once, and corosync may take long to notice: meanwhile
 * it looks as if it had another storage. But nothing is heard of it, so it has no say. */
static void silent_node_has_no_say(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_create(2, seed);
        world_two_node(w);
        world_setup(w, 0);
        world_run(w, 5000);
        world_fence_works(w, false);
        world_freeze(w, 1);
        world_hang_storage(w, 1, true);
        stays(w, 2, "?o", 20000, seed);
        world_thaw(w, 1);
        world_hang_storage(w, 1, false);
        stays(w, 2, "?o", 10000, seed);
        STATES(w, 2, "oo", 5000);
        world_destroy(w);
    }
}

/* A storage that hangs at the very first access is stalled, not unknown for ever; and the others go
 * on. */
static void hanging_from_the_beginning(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(2 + (uint32_t)(seed % 2), 0, seed);
        world_power_off(w, 1);
        world_run(w, 3000);
        world_hang_storage(w, 1, true);
        world_boot(w, 1);
        STATES(w, 2, "so", 20000);
        stays(w, 2, "so", 10000, seed);
        world_destroy(w);
    }
}

static bool has_volume(struct world *w, const void *arg) {
    return model_volume_by_name(world_model(w, *(const uint32_t *)arg), "csv1") != NULL;
}

/* A new volume is not kept waiting for a node whose storage hangs. */
static void hang_of_a_new_volume(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        const uint32_t reader = 2;
        struct world *w = world_create(2, seed);
        world_two_node(w);
        world_boot(w, 1);
        world_boot(w, 2);
        world_run(w, 5000);
        world_hang_storage(w, 1, true);
        struct cmd_volume_add volume = {.name = "csv1", .path = "/srv/csv1"};
        EXPECT(w, world_request(w, 1, COMMAND_VOLUME_ADD, &volume) == REPLY_OK);
        EXPECT(w, world_run_until(w, has_volume, &reader, 1000));
        STATES(w, 2, "uo", 1000);
        STATES(w, 2, "so", 10000);
        world_destroy(w);
    }
}

/* Restarts of clusterd, one after the other: no volume is lost for a moment. */
static void restarts_lose_no_volume(void **state) {
    (void)state;
    FOR_SEEDS(seed, SEEDS) {
        struct world *w = world_ready(3, 3, seed);
        for (uint32_t i = 1; i <= 3; i++) {
            char others[] = "ooo";
            others[i - 1] = '?';
            world_kill_clusterd(w, i);
            world_start_clusterd(w, i);
            stays(w, i == 1 ? 2 : 1, others, 10000, seed);
            STATES(w, 1, "ooo", 1000);
        }
        world_destroy(w);
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
