/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heartbeats of two nodes in one directory: who sees whom, how old, and what is no heartbeat. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "resource-agents/volume/heartbeat.h"
#include "unit/ranges.h"

struct world {
    char path[64];
    struct heartbeat one;
    struct heartbeat two;
};

static int setup(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    snprintf(world->path, sizeof(world->path), "/tmp/clusterd-heartbeat-XXXXXX");
    assert_non_null(mkdtemp(world->path));
    world->one = (struct heartbeat){.path = world->path, .node = "n1", .nonce = "aa"};
    world->two = (struct heartbeat){.path = world->path, .node = "n2", .nonce = "bb"};
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", world->path);
    assert_int_equal(system(command),
                     0); /* lint: allow system, because it clears the test's own directory */
    free(world);
    return 0;
}

static void beat(struct heartbeat *heartbeat) {
    char reason[256] = "";
    if (heartbeat_beat(heartbeat, reason, sizeof(reason)) < 0) {
        fail_msg("%s", reason);
    }
}

/* The entry of a node in what was seen, or NULL; *ret_seen keeps it alive. */
static json_t *seen(const struct heartbeat *heartbeat, const char *node, json_t **ret_seen) {
    json_t *entry;
    size_t i;

    *ret_seen = heartbeat_seen(heartbeat);
    json_array_foreach (*ret_seen, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "node")), node) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void write_file(const struct world *world, const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof(path), "%s/.clusterd/%s", world->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void test_nodes_see_each_other(void **state) {
    struct world *world = *state;
    json_t *list;

    beat(&world->one);
    assert_null(seen(&world->one, "n2", &list));
    json_decref(list);
    beat(&world->two);
    json_t *entry = seen(&world->two, "n1", &list);
    assert_non_null(entry);
    assert_string_equal(json_string_value(json_object_get(entry, "nonce")), "aa");
    assert_int_in_range(json_integer_value(json_object_get(entry, "age_ms")), 0, 5000);
    json_decref(list);
    assert_null(seen(&world->two, "n2", &list)); /* not itself */
    json_decref(list);
}

static void test_age_grows_until_the_next_beat(void **state) {
    struct world *world = *state;
    json_t *list;

    beat(&world->one);
    beat(&world->two);
    usleep(60000);
    beat(&world->two);
    json_int_t old = json_integer_value(json_object_get(seen(&world->two, "n1", &list), "age_ms"));
    json_decref(list);
    assert_int_in_range(old, 60, 10000);
    beat(&world->one);
    beat(&world->two);
    json_int_t fresh =
        json_integer_value(json_object_get(seen(&world->two, "n1", &list), "age_ms"));
    json_decref(list);
    assert_true(fresh < old);
}

static void test_a_file_found_is_as_old_as_the_storage_says(void **state) {
    struct world *world = *state;
    char path[160];
    json_t *list;

    beat(&world->one);
    snprintf(path, sizeof(path), "%s/.clusterd/heartbeat.n1", world->path);
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= 3600;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    beat(&world->two);
    assert_int_in_range(
        json_integer_value(json_object_get(seen(&world->two, "n1", &list), "age_ms")), 3599000,
        3700000);
    json_decref(list);
}

/* "moved_ms" of n1 as n2 has seen it at its last beat; -1: there is none. */
static json_int_t moved_ms(const struct world *world) {
    json_t *list;
    const json_t *moved = json_object_get(seen(&world->two, "n1", &list), "moved_ms");
    json_int_t ms = moved != NULL ? json_integer_value(moved) : -1;
    json_decref(list);
    return ms;
}

/* A file is no proof, whatever it says and however new it is; that its number grows while we look
 * on is. And it must go on growing. */
static void test_only_what_grows_has_moved(void **state) {
    struct world *world = *state;

    beat(&world->one);
    beat(&world->one);
    beat(&world->two);
    assert_int_equal(moved_ms(world), -1); /* as new as can be, and it could be a copy */
    beat(&world->two);
    assert_int_equal(moved_ms(world), -1);
    beat(&world->one);
    beat(&world->two);
    assert_int_in_range(moved_ms(world), 0, 5000);
    usleep(60000);
    beat(&world->two);
    assert_int_in_range(moved_ms(world), 60, 10000);
    beat(&world->one);
    beat(&world->two);
    json_int_t fresh = moved_ms(world);
    usleep(60000);
    beat(&world->two);
    assert_true(moved_ms(world) >= fresh + 60);
}

/* Somebody new makes us hurry until he has moved; a file that does not move, only for a while. */
static void test_hurries_to_prove(void **state) {
    struct world *world = *state;

    beat(&world->two);
    assert_false(heartbeat_hurries(&world->two, 60000)); /* nobody is there */
    beat(&world->one);
    beat(&world->two);
    assert_true(heartbeat_hurries(&world->two, 60000));
    beat(&world->two);
    assert_true(heartbeat_hurries(&world->two, 60000));
    uint64_t met_ms = world->two.peers[0].met_ms;
    usleep(60000);
    assert_false(heartbeat_hurries(&world->two, 60)); /* given up for the time being */
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"bb\",\"seq\":1}");
    beat(&world->two);
    assert_true(world->two.peers[0].met_ms >= met_ms + 60); /* another run of it */
    assert_true(heartbeat_hurries(&world->two, 60000));
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"bb\",\"seq\":2}");
    beat(&world->two);
    assert_false(heartbeat_hurries(&world->two, 60000)); /* proved */
}

static void test_what_has_not_moved(void **state) {
    struct world *world = *state;

    beat(&world->two);
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"aa\",\"seq\":70}");
    beat(&world->two);
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"aa\",\"seq\":71}");
    beat(&world->two);
    assert_true(moved_ms(world) >= 0);
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"aa\",\"seq\":69}");
    beat(&world->two); /* an older state of the storage is back */
    assert_int_equal(moved_ms(world), -1);
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"bb\",\"seq\":99}");
    beat(&world->two); /* another run, of which we have seen nothing grow */
    assert_int_equal(moved_ms(world), -1);
    write_file(world, "heartbeat.n1", "{\"node\":\"n1\",\"nonce\":\"bb\",\"seq\":100}");
    beat(&world->two);
    assert_true(moved_ms(world) >= 0);
}

static void test_a_new_run_has_a_new_nonce(void **state) {
    struct world *world = *state;
    struct heartbeat again = {.path = world->path, .node = "n1", .nonce = "cc"};
    json_t *list;

    beat(&world->one);
    beat(&world->two);
    beat(&again);
    beat(&world->two);
    assert_string_equal(json_string_value(json_object_get(seen(&world->two, "n1", &list), "nonce")),
                        "cc");
    json_decref(list);
}

static void test_a_file_that_is_gone_is_not_seen(void **state) {
    struct world *world = *state;
    char path[160];
    json_t *list;

    beat(&world->one);
    beat(&world->two);
    snprintf(path, sizeof(path), "%s/.clusterd/heartbeat.n1", world->path);
    assert_int_equal(unlink(path), 0);
    beat(&world->two);
    assert_null(seen(&world->two, "n1", &list));
    json_decref(list);
}

static void test_what_is_no_heartbeat(void **state) {
    struct world *world = *state;
    char path[160];

    beat(&world->one);
    write_file(world, "heartbeat.n3", "");
    write_file(world, "heartbeat.n4", "{\"node\":\"n4\"}");
    write_file(world, "heartbeat.n5", "{\"node\":\"n6\",\"nonce\":\"x\",\"seq\":1}");
    write_file(world, "heartbeat.n7", "{\"node\":\"n7\",\"nonce\":7,\"seq\":1}");
    write_file(world, "heartbeat.n8", "{\"node\":\"n8\",\"nonce\":\"x\",\"seq\":-1}");
    write_file(world, "other", "{\"node\":\"other\",\"nonce\":\"x\",\"seq\":1}");
    snprintf(path, sizeof(path), "%s/.clusterd/heartbeat.n9", world->path);
    assert_int_equal(mkfifo(path, 0600), 0); /* reading it must not hang */
    beat(&world->one);
    json_t *list = heartbeat_seen(&world->one);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void test_a_probe_is_no_heartbeat(void **state) {
    struct world *world = *state;
    struct heartbeat probe = {.path = world->path, .node = "n1"};
    json_t *list;

    beat(&world->two);
    beat(&probe);
    assert_non_null(seen(&probe, "n2", &list));
    json_decref(list);
    beat(&world->two);
    assert_null(seen(&world->two, "n1", &list));
    json_decref(list);
}

static void test_failures_say_what_and_where(void **state) {
    struct world *world = *state;
    struct heartbeat nowhere = {.path = "/nonexistent/volume", .node = "n1", .nonce = "aa"};
    char reason[256] = "";
    char path[160];
    uint64_t room;

    assert_int_equal(heartbeat_beat(&nowhere, reason, sizeof(reason)), -ENOENT);
    assert_non_null(strstr(reason, "/nonexistent/volume"));
    assert_int_equal(heartbeat_room("/nonexistent/volume", &room, &room), -ENOENT);
    snprintf(path, sizeof(path), "%s/.clusterd", world->path);
    assert_int_equal(symlink("/tmp", path), 0); /* a trap: never followed */
    assert_true(heartbeat_beat(&world->one, reason, sizeof(reason)) < 0);
    assert_non_null(strstr(reason, ".clusterd"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nodes_see_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_age_grows_until_the_next_beat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_found_is_as_old_as_the_storage_says, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_only_what_grows_has_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hurries_to_prove, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_has_not_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_new_run_has_a_new_nonce, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_gone_is_not_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_heartbeat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_probe_is_no_heartbeat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_say_what_and_where, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
