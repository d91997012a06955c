/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Foreign text made safe to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clusterd/base/clean.h"

static void assert_cleaned(const char *text, const char *line, const char *lines) {
    char copy[256];
    (void)snprintf(copy, sizeof(copy), "%s", text);
    clean_line(copy);
    assert_string_equal(copy, line);
    (void)snprintf(copy, sizeof(copy), "%s", text);
    clean_lines(copy);
    assert_string_equal(copy, lines);
}

static void plain_text_stays(void **state) {
    static const char *const texts[] = {
        "",
        "n1: 45 % ~ok",
        "\303\274ber \342\202\254 \360\237\230\200",
        "\303\240\302\240",
        "\342\200\215\342\200\220\342\200\247\342\200\257\342\201\252", /* next to the marks */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_cleaned(texts[i], texts[i], texts[i]);
    }
}

static void control_characters_go(void **state) {
    (void)state;
    assert_cleaned("a\033[1mb\tc\177d\be", "a?[1mb c?d?e", "a?[1mb c?d?e");
    assert_cleaned("one\ntwo\r\n", "one two  ", "one\ntwo \n");
    assert_cleaned("a\302\200b\302\205c\302\237d", "a?b?c?d", "a?b?c?d");
}

static void marks_of_direction_go(void **state) {
    static const uint32_t codes[] = {0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b,
                                     0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char text[8];
        if (codes[i] < 0x800) {
            (void)snprintf(text, sizeof(text), "a%c%cb", (int)(0xc0 | codes[i] >> 6),
                           (int)(0x80 | (codes[i] & 0x3f)));
        } else {
            (void)snprintf(text, sizeof(text), "a%c%c%cb", (int)(0xe0 | codes[i] >> 12),
                           (int)(0x80 | (codes[i] >> 6 & 0x3f)), (int)(0x80 | (codes[i] & 0x3f)));
        }
        assert_int_equal(clean_first(text + 1).code, codes[i]);
        assert_cleaned(text, "a?b", "a?b");
    }
}

static void what_is_not_utf8_goes_byte_by_byte(void **state) {
    (void)state;
    /* Bare bytes, C1 among them; too long forms; no such characters; cut at the end, or before. */
    assert_cleaned("a\233b\377", "a?b?", "a?b?");
    assert_cleaned("\300\201 \340\200\201", "?? ???", "?? ???");
    assert_cleaned("\355\240\200 \364\220\200\200", "??? ????", "??? ????");
    assert_cleaned("\342\202", "??", "??");
    assert_cleaned("\342\202x", "??x", "??x");
}

/* Whatever the bytes are: the result is shorter or as long, and has nothing left to clean. */
static void nothing_unsafe_is_left(void **state) {
    unsigned seed = 7;
    (void)state;
    for (int round = 0; round < 100000; round++) {
        char text[24];
        size_t length = (size_t)(rand_r(&seed) % 23);
        for (size_t i = 0; i < length; i++) {
            static const unsigned char likely[] = {0xc2, 0xe2, 0x80, 0x81, 0xd8, 0x9c, '\n', 0x1b};
            int random = rand_r(&seed);
            text[i] = (char)(random % 2 ? likely[random / 2 % 8] : 1 + random / 2 % 255);
        }
        text[length] = '\0';
        clean_line(text);
        assert_true(strlen(text) <= length);
        for (const char *at = text; *at != '\0'; at += clean_first(at).bytes) {
            assert_true(clean_first(at).safe);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(control_characters_go),
        cmocka_unit_test(marks_of_direction_go),
        cmocka_unit_test(what_is_not_utf8_goes_byte_by_byte),
        cmocka_unit_test(nothing_unsafe_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
