/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of a copy were written, unit by unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/copy_written.h"

enum { SIZE = 4 * COPY_PIECE + 100 };

static struct copy_written written;

static int setup(void **state) {
    (void)state;
    return copy_written_init(&written, SIZE);
}

static int teardown(void **state) {
    (void)state;
    copy_written_finish(&written);
    return 0;
}

static void assert_next(off_t from, off_t to, bool is_written, off_t start, off_t end) {
    off_t found_start = -1;
    off_t found_end = -1;

    assert_true(copy_written_next(&written, from, to, is_written, &found_start, &found_end));
    assert_int_equal(found_start, start);
    assert_int_equal(found_end, end);
}

static void assert_none(off_t from, off_t to, bool is_written) {
    off_t start = -1;
    off_t end = -1;

    assert_false(copy_written_next(&written, from, to, is_written, &start, &end));
    assert_int_equal(start, -1);
}

static void test_nothing(void **state) {
    (void)state;
    assert_none(0, SIZE, true);
    assert_next(0, SIZE, false, 0, SIZE);
    assert_next(5, SIZE - 5, false, 5, SIZE - 5);
    assert_none(7, 7, false);
    assert_int_equal(copy_written_count(&written), 0);
}

static void test_all(void **state) {
    (void)state;
    copy_written_add(&written, 0, SIZE);
    assert_next(0, SIZE, true, 0, SIZE);
    assert_none(0, SIZE, false);
    assert_int_equal(copy_written_count(&written), SIZE);
}

static void test_whole_units_count(void **state) {
    (void)state;
    copy_written_add(&written, COPY_UNIT + 1, COPY_UNIT + 2);
    assert_next(0, SIZE, true, COPY_UNIT, 2 * COPY_UNIT);
    assert_next(COPY_UNIT + 7, SIZE, true, COPY_UNIT + 7, 2 * COPY_UNIT);
    assert_next(0, COPY_UNIT + 9, true, COPY_UNIT, COPY_UNIT + 9);
    assert_none(2 * COPY_UNIT, SIZE, true);
    assert_next(COPY_UNIT, SIZE, false, 2 * COPY_UNIT, SIZE);
}

static void test_runs_cross_pieces(void **state) {
    (void)state;
    copy_written_add(&written, COPY_PIECE - COPY_UNIT, 2 * COPY_PIECE + 1);
    assert_next(0, SIZE, true, COPY_PIECE - COPY_UNIT, 2 * COPY_PIECE + COPY_UNIT);
    assert_int_equal(copy_written_count(&written), COPY_PIECE + 2 * COPY_UNIT);
}

static void test_the_end_is_no_whole_unit(void **state) {
    (void)state;
    copy_written_add(&written, SIZE - 1, SIZE);
    assert_next(0, SIZE, true, 4 * COPY_PIECE, SIZE);
    assert_int_equal(copy_written_count(&written), 100);
}

/* Bytes, all zeros but one: the unit of this one is written, and no other. */
static void test_zeros(void **state) {
    static uint8_t bytes[COPY_PIECE];
    static const size_t places[] = {
        0, 1, COPY_UNIT - 1, COPY_UNIT, 2 * COPY_UNIT - 1, COPY_PIECE / 2, COPY_PIECE - 1};
    (void)state;

    copy_written_add_data(&written, 0, bytes, sizeof(bytes));
    copy_written_add_data(&written, 4 * COPY_PIECE, bytes, 100);
    assert_int_equal(copy_written_count(&written), 0);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        copy_written_finish(&written);
        assert_int_equal(copy_written_init(&written, SIZE), 0);
        bytes[places[i]] = 1;
        copy_written_add_data(&written, COPY_PIECE, bytes, sizeof(bytes));
        bytes[places[i]] = 0;
        off_t unit = COPY_PIECE + (off_t)(places[i] / COPY_UNIT * COPY_UNIT);
        assert_next(0, SIZE, true, unit, unit + COPY_UNIT);
        assert_int_equal(copy_written_count(&written), COPY_UNIT);
    }
}

/* Two parts of one unit, as of two ranges of data: neither takes back what the other has said. */
static void test_zeros_beside_data_in_a_unit(void **state) {
    static uint8_t bytes[COPY_UNIT];
    (void)state;

    bytes[100] = 1;
    copy_written_add_data(&written, 0, bytes, 4096);
    copy_written_add_data(&written, 8192, bytes + 8192, 4096);
    assert_next(0, SIZE, true, 0, COPY_UNIT);
    copy_written_add_data(&written, COPY_UNIT + 512, bytes, 1);
    assert_none(COPY_UNIT, SIZE, true);
}

int main(void) {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),
        TEST(test_all),
        TEST(test_whole_units_count),
        TEST(test_runs_cross_pieces),
        TEST(test_the_end_is_no_whole_unit),
        TEST(test_zeros),
        TEST(test_zeros_beside_data_in_a_unit),
    };
    return cmocka_run_group_tests_name("copy_written", tests, NULL, NULL);
}
