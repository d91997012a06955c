/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The digest of a file's content, however a stream cuts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/host_digest.h"

enum { SIZE = 5 * HOST_DIGEST_BLOCK + 77 };

static uint8_t bytes[SIZE];

/* Data in the blocks 1 and 4 and in the last one, else zeros. */
static int setup(void **state) {
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    memset(bytes + HOST_DIGEST_BLOCK + 5, 0x11, 100);
    memset(bytes + 4 * HOST_DIGEST_BLOCK, 0x22, HOST_DIGEST_BLOCK);
    bytes[SIZE - 1] = 0x33;
    return 0;
}

static uint64_t whole(void) {
    struct host_digest digest = {.length = 0};

    host_digest_data(&digest, bytes, sizeof(bytes));
    return host_digest_end(&digest);
}

static void test_pieces_of_any_length(void **state) {
    static const size_t lengths[] = {
        1, 7, 100, HOST_DIGEST_BLOCK - 1, HOST_DIGEST_BLOCK, HOST_DIGEST_BLOCK + 1, SIZE};
    (void)state;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct host_digest digest = {.length = 0};
        for (size_t at = 0; at < SIZE; at += lengths[i]) {
            size_t n = SIZE - at < lengths[i] ? SIZE - at : lengths[i];
            host_digest_data(&digest, bytes + at, n);
        }
        assert_true(host_digest_end(&digest) == whole());
    }
}

static void test_holes_are_zeros(void **state) {
    static const size_t borders[][2] = {{0, HOST_DIGEST_BLOCK + 5},
                                        {HOST_DIGEST_BLOCK + 105, 4 * HOST_DIGEST_BLOCK},
                                        {2 * HOST_DIGEST_BLOCK, 4 * HOST_DIGEST_BLOCK},
                                        {HOST_DIGEST_BLOCK + 200, HOST_DIGEST_BLOCK + 300},
                                        {2 * HOST_DIGEST_BLOCK + 1, 3 * HOST_DIGEST_BLOCK - 1},
                                        {5 * HOST_DIGEST_BLOCK, SIZE - 1}};
    (void)state;

    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        struct host_digest digest = {.length = 0};
        host_digest_data(&digest, bytes, borders[i][0]);
        host_digest_hole(&digest, borders[i][1] - borders[i][0]);
        host_digest_data(&digest, bytes + borders[i][1], SIZE - borders[i][1]);
        assert_true(host_digest_end(&digest) == whole());
    }
}

static void test_each_difference_is_seen(void **state) {
    static const size_t places[] = {0, HOST_DIGEST_BLOCK + 5, 3 * HOST_DIGEST_BLOCK,
                                    5 * HOST_DIGEST_BLOCK - 1, SIZE - 1};
    const uint64_t right = whole();
    (void)state;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        bytes[places[i]] ^= 0x40;
        assert_false(whole() == right);
        bytes[places[i]] ^= 0x40;
    }
    /* The same block at another place. */
    memset(bytes + 4 * HOST_DIGEST_BLOCK, 0, HOST_DIGEST_BLOCK);
    memset(bytes + 3 * HOST_DIGEST_BLOCK, 0x22, HOST_DIGEST_BLOCK);
    assert_false(whole() == right);
}

static void test_the_length_counts(void **state) {
    struct host_digest one = {.length = 0};
    struct host_digest other = {.length = 0};
    (void)state;

    host_digest_hole(&one, 3 * HOST_DIGEST_BLOCK);
    host_digest_hole(&other, 3 * HOST_DIGEST_BLOCK + 1);
    assert_false(host_digest_end(&one) == host_digest_end(&other));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pieces_of_any_length, setup),
        cmocka_unit_test_setup(test_holes_are_zeros, setup),
        cmocka_unit_test_setup(test_each_difference_is_seen, setup),
        cmocka_unit_test_setup(test_the_length_counts, setup),
    };
    return cmocka_run_group_tests_name("host_digest", tests, NULL, NULL);
}
