/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Symbolic links on a volume: those that stay on the volumes, and those that lead to the node's own
 * disk. In a directory of the test, with two volumes and a place beside them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "resource-agents/vm/check.h"
#include "resource-agents/vm/real_path.h"

static char root[64];
static struct volumes volumes;

/* A path below the root; valid until four more were made. */
static const char *at(const char *path) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *text = paths[next++ % 4];

    assert_in_range(snprintf(text, PATH_MAX, "%s/%s", root, path), 1, PATH_MAX - 1);
    return text;
}

static void directory(const char *path) {
    assert_int_equal(mkdir(at(path), 0755), 0);
}

static void file(const char *path) {
    FILE *stream = fopen(at(path), "w");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
}

static void link_to(const char *target, const char *path) {
    assert_int_equal(symlink(target, at(path)), 0);
}

static int setup(void **state) {
    char made[] = "/tmp/clusterd-real-path-XXXXXX";
    char real[PATH_MAX];
    char text[512];
    (void)state;

    assert_non_null(mkdtemp(made));
    assert_non_null(realpath(made, real)); /* /tmp may be a link */
    assert_in_range(snprintf(root, sizeof(root), "%s", real), 1, sizeof(root) - 1);
    snprintf(text, sizeof(text), "one=%s/one:two=%s/two:by-link=%s/by-link:gone=%s/gone", root,
             root, root, root);
    assert_int_equal(volumes_parse(text, &volumes), 0);
    directory("one");
    directory("one/vm");
    directory("two");
    directory("local");
    directory("mounted");
    link_to("mounted", "by-link"); /* the volume itself is named by a link */
    file("one/vm/disk");
    file("two/disk");
    file("local/disk");
    file("mounted/disk");
    link_to("vm/disk", "one/same");
    link_to(at("two/disk"), "one/other");
    link_to(at("local/disk"), "one/off");
    link_to("../local", "one/off-dir");
    link_to("off", "one/twice");
    link_to("../local/none", "one/off-to-nothing");
    link_to("vm/none", "one/to-nothing");
    link_to("turn", "one/turn");
    return 0;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    volumes_finish(&volumes);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command); /* lint: allow system, because it clears the test's own directory */
}

static void test_places(void **state) {
    static const struct {
        const char *path;
        enum real_place place;
        const char *real; /* below the root */
        int error;
    } rows[] = {
        {"one/vm/disk", REAL_ON_VOLUME, "one/vm/disk", 0},
        {"one/same", REAL_ON_VOLUME, "one/vm/disk", 0},
        {"one/other", REAL_ON_VOLUME, "two/disk", 0},
        {"one/none", REAL_ON_VOLUME, "one/none", 0},
        {"one/to-nothing", REAL_ON_VOLUME, "one/vm/none", 0},
        {"by-link/disk", REAL_ON_VOLUME, "mounted/disk", 0},
        {"one/off", REAL_ELSEWHERE, "local/disk", 0},
        {"one/off-dir/disk", REAL_ELSEWHERE, "local/disk", 0},
        {"one/off-dir/none", REAL_ELSEWHERE, "local/none", 0},
        {"one/twice", REAL_ELSEWHERE, "local/disk", 0},
        {"one/off-to-nothing", REAL_ELSEWHERE, "local/none", 0},
        {"gone/disk", REAL_UNKNOWN, NULL, -ENOENT},
        {"one/none/disk", REAL_UNKNOWN, NULL, -ENOENT},
        {"one/turn", REAL_UNKNOWN, NULL, -ELOOP},
        {"one/vm/disk/more", REAL_UNKNOWN, NULL, -ENOTDIR},
    };
    char real[PATH_MAX];
    int error;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum real_place place = real_place(&volumes, at(rows[i].path), real, &error);
        if (place != rows[i].place || error != rows[i].error) {
            fail_msg("%s: place %d, error %d", rows[i].path, (int)place, error);
        }
        if (rows[i].real != NULL) {
            assert_string_equal(real, at(rows[i].real));
        }
    }
}

static void test_what_is_too_long(void **state) {
    static char path[PATH_MAX + 2];
    char real[PATH_MAX];
    (void)state;

    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    assert_int_equal(real_path(path, real), -ENAMETOOLONG);
}

/* One disk, as a definition names it. */
static void check_disk_at(const char *path, bool look, struct check *ret_check) {
    char text[1024];
    char reason[256] = "";
    struct definition definition;

    int n = snprintf(
        text, sizeof(text),
        "<domain type='kvm'><name>web1</name><uuid>11111111-0000-4000-8000-000000000001</uuid>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><disk type='file' "
        "device='disk'><source file='%s'/></disk></devices></domain>",
        at(path));
    assert_in_range(n, 1, sizeof(text) - 1);
    assert_int_equal(definition_parse(text, (size_t)n, &definition, reason, sizeof(reason)), 0);
    assert_int_equal(check_definition(&definition, &volumes, look, ret_check), 0);
    definition_finish(&definition);
}

static const char *first(const json_t *list, const char *key) {
    const char *text = json_string_value(json_object_get(json_array_get(list, 0), key));
    return text != NULL ? text : "";
}

static void test_a_link_off_the_volumes_is_refused_with_its_target(void **state) {
    struct check check;
    (void)state;

    check_disk_at("one/twice", true, &check);
    assert_int_equal(json_array_size(check.problems), 1);
    assert_string_equal(first(check.problems, "element"), "/domain/devices/disk[1]/source");
    assert_non_null(strstr(first(check.problems, "reason"), at("local/disk")));
    check_finish(&check);
}

static void test_a_link_to_a_volume_is_good(void **state) {
    struct check check;
    (void)state;

    check_disk_at("one/other", true, &check);
    assert_int_equal(json_array_size(check.problems), 0);
    assert_int_equal(json_array_size(check.warnings), 0);
    check_finish(&check);
}

static void test_what_cannot_be_looked_at_is_said(void **state) {
    struct check check;
    (void)state;

    check_disk_at("gone/disk", true, &check);
    assert_int_equal(json_array_size(check.problems), 0);
    assert_int_equal(json_array_size(check.warnings), 1);
    assert_non_null(strstr(first(check.warnings, "reason"), "cannot be looked at"));
    check_finish(&check);
}

static void test_without_a_look_names_alone_count(void **state) {
    struct check check;
    (void)state;

    check_disk_at("one/off", false, &check);
    assert_int_equal(json_array_size(check.problems), 0);
    check_finish(&check);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_what_is_too_long),
        cmocka_unit_test(test_a_link_off_the_volumes_is_refused_with_its_target),
        cmocka_unit_test(test_a_link_to_a_volume_is_good),
        cmocka_unit_test(test_what_cannot_be_looked_at_is_said),
        cmocka_unit_test(test_without_a_look_names_alone_count),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
