/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one form in which paths are compared. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clusterd/base/path.h"

static void assert_normal(const char *path, const char *expected) {
    char result[64];
    assert_int_equal(path_normalize(path, result, sizeof(result)), 0);
    assert_string_equal(result, expected);
}

static void paths_in_one_form(void **state) {
    char result[8];
    (void)state;

    assert_normal("/", "/");
    assert_normal("//", "/");
    assert_normal("/a//b/./c/", "/a/b/c");
    assert_normal("/.a/..b", "/.a/..b");
    assert_int_equal(path_normalize("", result, sizeof(result)), -EINVAL);
    assert_int_equal(path_normalize("a", result, sizeof(result)), -EINVAL);
    assert_int_equal(path_normalize("/a/..", result, sizeof(result)), -EINVAL);
    assert_int_equal(path_normalize("/a/../b", result, sizeof(result)), -EINVAL);
    assert_int_equal(path_normalize("/1234567", result, sizeof(result)), -ENAMETOOLONG);
    assert_int_equal(path_normalize("/123456", result, sizeof(result)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_in_one_form)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
