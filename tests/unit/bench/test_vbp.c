/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_vbp.c - vector bin packing files: reading, bounds, and what a negative size becomes. */
#include "bench/engine/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct bench_vbp parse(const char *text) {
    struct bench_vbp v;
    char error[BENCH_ERROR_MAX] = "";
    if (bench_vbp_parse(&v, text, error) != 0) {
        fail_msg("%s", error);
    }
    return v;
}

static void test_reading(void **state) {
    (void)state;
    struct bench_vbp v = parse("2\n10 20\n2\n3 0 2\n7 20 1\n");
    int64_t sum[2] = {0, 0};
    assert_int_equal(v.n_dimensions, 2);
    assert_int_equal(v.n_items, 3); /* a count of 2 is two items */
    for (uint32_t i = 0; i < 3; i++) {
        sum[0] += v.sizes[i * 2];
        sum[1] += v.sizes[i * 2 + 1];
    }
    assert_int_equal(sum[0], 13);
    assert_int_equal(sum[1], 20);
    bench_vbp_finish(&v);
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "the file ends"},
        {"0 1", "too small"},
        {"99 1", "too large"},
        {"1\n10\n1\n", "line 4: the file ends"},
        {"1\n10\n1\n5", "the file ends"},
        {"1\n10\n1\n5 x\n", "line 4: this is not a number"},
        {"1\n10\n1\n5x 1\n", "line 4: this is not a number"},
        {"1\n10\n1\n11 1\n", "larger than a bin"},
        {"1\n10\n1\n5 1\n5", "line 5: there is more"},
        {"1\n99999999999999999999\n", "too large"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench_vbp v;
        char error[BENCH_ERROR_MAX] = "";
        assert_int_not_equal(bench_vbp_parse(&v, cases[i][0], error), 0);
        if (strstr(error, cases[i][1]) == NULL) {
            fail_msg("case %zu: expected '%s', found '%s'", i, cases[i][1], error);
        }
    }
}

static uint32_t bound(const char *text) {
    struct bench_vbp v = parse(text);
    const uint32_t n = bench_vbp_lower_bound(&v);
    bench_vbp_finish(&v);
    return n;
}

static void test_bounds(void **state) {
    (void)state;
    assert_int_equal(bound("1\n10\n3\n4 1\n4 1\n3 1\n"), 2);          /* by the sum */
    assert_int_equal(bound("1\n10\n3\n6 1\n6 1\n6 1\n"), 3);          /* no two together */
    assert_int_equal(bound("2\n10 10\n3\n6 1 1\n6 6 1\n1 6 1\n"), 2); /* two pairs of strangers */
    assert_int_equal(bound("1\n10\n4\n7 1\n7 1\n4 1\n4 1\n"), 3);     /* 4s fit beside no 7 */
    assert_int_equal(bound("1\n10\n3\n10 1\n-1 1\n1 1\n"), 1);        /* a bin of 11 */
    assert_int_equal(bound("1\n10\n0\n"), 0);
}

/* The item of -1 lies in node 0, which is one larger for the others. */
static void test_negative_size(void **state) {
    (void)state;
    struct bench_vbp v = parse("1\n10\n2\n-1 1\n10 1\n");
    struct bench_cluster c;
    assert_int_equal(bench_vbp_cluster(&v, 2, &c), 0);
    assert_int_equal(c.problem.n_resources, 2);
    assert_int_equal(bench_capacity(&c, 0)[0], 11);
    assert_int_equal(bench_capacity(&c, 1)[0], 10);
    assert_int_equal(bench_capacity(&c, 1)[1], 0);
    for (uint32_t vm = 0; vm < 2; vm++) {
        assert_int_equal(c.vms[vm].possible.n, bench_need(&c, vm)[0] == 0 ? 1 : 0);
    }
    bench_cluster_finish(&c);
    bench_vbp_finish(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_negative_size),
    };
    return cmocka_run_group_tests_name("bench: vbp", tests, NULL, NULL);
}
