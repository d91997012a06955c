/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of clusterd as names of Varlink, and back. */
#include "wire/varlink_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void expect_name(const char *word, const char *wanted) {
    char name[VARLINK_MAX_METHOD];
    varlink_name_of(word, name);
    assert_string_equal(name, wanted);
}

static void expect_code(const char *name, const char *wanted) {
    char code[VARLINK_MAX_METHOD];
    varlink_code_of(name, code);
    assert_string_equal(code, wanted);
}

static void test_names(void **state) {
    (void)state;
    expect_name("vm.stop", "VmStop");
    expect_name("fence-device.test", "FenceDeviceTest");
    expect_name("status", "Status");
    expect_name("no-quorum", "NoQuorum");
    expect_name("", "");
    expect_name("-a--b\xc3\xa4", "AB");
}

static void test_codes_come_back(void **state) {
    static const char *const codes[] = {"refused", "no-quorum", "not-found",  "usage",
                                        "failed",  "timeout",   "permission", "something-new"};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char name[VARLINK_MAX_METHOD];
        varlink_name_of(codes[i], name);
        expect_code(name, codes[i]);
    }
    expect_code("", "");
}

static void test_what_is_too_long_is_cut(void **state) {
    char longest[VARLINK_MAX_METHOD + 40], name[VARLINK_MAX_METHOD], code[VARLINK_MAX_METHOD];
    (void)state;
    memset(longest, 'A', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    varlink_name_of(longest, name);
    assert_int_equal(strlen(name), VARLINK_MAX_METHOD - 1);
    varlink_code_of(longest, code); /* each letter becomes two: "a-a-a" */
    assert_true(strlen(code) >= VARLINK_MAX_METHOD - 3);
}

static void test_what_follows_the_interface(void **state) {
    (void)state;
    assert_string_equal(varlink_after("io.clusterd.VmStop", VARLINK_INTERFACE), "VmStop");
    assert_string_equal(varlink_after("io.clusterd.", VARLINK_INTERFACE), "");
    assert_null(varlink_after("io.clusterd", VARLINK_INTERFACE));
    assert_null(varlink_after("io.clusterdVmStop", VARLINK_INTERFACE));
    assert_null(varlink_after("org.varlink.service.GetInfo", VARLINK_INTERFACE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_codes_come_back),
        cmocka_unit_test(test_what_is_too_long_is_cut),
        cmocka_unit_test(test_what_follows_the_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
