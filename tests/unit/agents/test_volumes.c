/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths and the volumes they lie on: by whole components, and never out again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/volumes.h"

static void test_path_in_directory(void **state) {
    (void)state;
    assert_true(path_is_in("/a/b", "/a"));
    assert_true(path_is_in("/a", "/a"));
    assert_true(path_is_in("/a", "/"));
    assert_false(path_is_in("/ab", "/a"));
    assert_false(path_is_in("/", "/a"));
}

static void test_find(void **state) {
    static struct volumes volumes;
    (void)state;

    assert_int_equal(volumes_parse("one=/srv/one/:two=/srv/one/in/ner:", &volumes), 0);
    assert_int_equal(volumes.count, 2);
    assert_string_equal(volumes_find(&volumes, "/srv/one/d")->name, "one");
    assert_string_equal(volumes_find(&volumes, "/srv/one/in/d")->name, "one");
    assert_string_equal(volumes_find(&volumes, "/srv/one/in/ner/d")->name, "two");
    assert_null(volumes_find(&volumes, "/srv/onemore"));
    assert_null(volumes_find(&volumes, "/srv/one/../two"));
    assert_null(volumes_find(&volumes, "srv/one"));
    volumes_finish(&volumes);
    assert_null(volumes_find(&volumes, "/srv/one/d"));
}

static void test_what_is_no_list(void **state) {
    static struct volumes volumes;
    char many[VOLUMES_MAX * 8 + 16] = "";
    (void)state;

    assert_int_equal(volumes_parse("", &volumes), 0);
    assert_int_equal(volumes.count, 0);
    assert_int_equal(volumes_parse("one", &volumes), -EINVAL);
    assert_int_equal(volumes_parse("=/srv", &volumes), -EINVAL);
    assert_int_equal(volumes_parse("a=/srv:b=srv", &volumes), -EINVAL);
    assert_int_equal(volumes_parse("a=/srv/../etc", &volumes), -EINVAL);
    for (int i = 0; i <= VOLUMES_MAX; i++) {
        strcat(many,
               "a=/a:"); /* lint: allow strcat, because the buffer was made for just so many */
    }
    assert_int_equal(volumes_parse(many, &volumes), -E2BIG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_in_directory),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_what_is_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
