/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people: durations, sizes, wrapping, and the word that was probably meant.
 */
#include "output/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void durations_are_read(void **state) {
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500},
                {"30s", 30000},
                {"30", 30000},
                {"5m", 300000},
                {"2h", 7200000},
                {"1d", 86400000},
                {"720h", TEXT_DURATION_MAX_MS}};
    static const char *const bad[] = {"",
                                      "s",
                                      "0",
                                      "0s",
                                      "-1s",
                                      "+1s",
                                      "1.5s",
                                      " 1s",
                                      "1 s",
                                      "1x",
                                      "721h",
                                      "31d",
                                      "99999999999999999999s"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ms = 0;
        assert_int_equal(text_parse_duration(good[i].text, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = -7;
        assert_int_equal(text_parse_duration(bad[i], &ms), -EINVAL);
        assert_int_equal(ms, -7);
    }
}

static void numbers_are_read(void **state) {
    int64_t number = 0;
    (void)state;
    assert_int_equal(text_parse_number("0", 0, 10, &number), 0);
    assert_int_equal(text_parse_number("-3", -5, 10, &number), 0);
    assert_int_equal(number, -3);
    assert_int_equal(text_parse_number("11", 0, 10, &number), -ERANGE);
    assert_int_equal(text_parse_number("99999999999999999999", 0, INT64_MAX, &number), -ERANGE);
    assert_int_equal(text_parse_number("1x", 0, 10, &number), -EINVAL);
    assert_int_equal(text_parse_number("", 0, 10, &number), -EINVAL);
    assert_int_equal(text_parse_number(" 1", 0, 10, &number), -EINVAL);
}

static void figures_are_short(void **state) {
    char text[TEXT_MAX];
    (void)state;
    assert_string_equal(text_duration(0, text), "0 ms");
    assert_string_equal(text_duration(180, text), "180 ms");
    assert_string_equal(text_duration(1290, text), "1.2 s");
    assert_string_equal(text_duration(59999, text), "59.9 s");
    assert_string_equal(text_duration(200000, text), "3 min 20 s");
    assert_string_equal(text_duration(90061000, text), "1 d 1 h");
    assert_string_equal(text_megabytes(512, text), "512 MiB");
    assert_string_equal(text_megabytes(1023, text), "1023 MiB");
    assert_string_equal(text_megabytes(4096, text), "4 GiB");
    assert_string_equal(text_megabytes(1536, text), "1.5 GiB");
    assert_string_equal(text_megabytes(-1, text), "0 MiB");
    assert_string_equal(text_rate(0, text), "0B/s");
    assert_string_equal(text_rate(1000, text), "1.0K/s");
    assert_string_equal(text_rate(851443712, text), "812M/s");
    assert_string_equal(text_rate(9961472, text), "9.5M/s");
    for (int64_t rate = 1; rate < INT64_C(1) << 42; rate = rate * 3 / 2 + 1) {
        assert_true(strlen(text_rate(rate, text)) <= 6);
    }
}

/* What text_wrap() writes; the caller frees it. */
static char *wrapped(const char *text, int indent, int columns) {
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    assert_non_null(out);
    text_wrap(out, text, indent, columns);
    fclose(out);
    return lines;
}

static void assert_wrapped(const char *text, int indent, int columns, const char *expected) {
    char *lines = wrapped(text, indent, columns);
    assert_string_equal(lines, expected);
    free(lines);
}

static void lines_are_broken_at_spaces(void **state) {
    (void)state;
    assert_wrapped("", 2, 20, "\n");
    assert_wrapped("one two three four", 2, 12, "one two\n  three four\n");
    assert_wrapped("exactly 10", 2, 12, "exactly 10\n");
    assert_wrapped("exactly 10 more", 2, 12, "exactly 10\n  more\n");
    assert_wrapped("no breaking at all please", 2, 0, "no breaking at all please\n");
    assert_wrapped("aaaaaaaaaaaaaaaaaaaaaaaaa", 2, 12, "aaaaaaaaaa\n  aaaaaaaaaa\n  aaaaa\n");
    assert_wrapped("two\nlines", 2, 40, "two\n  lines\n");
    /* ten code points of two bytes each fill the line exactly, and none is cut in halves */
    assert_wrapped("ääääääääääöö", 2, 12, "ääääääääää\n  öö\n");
}

/* Whatever the text, no line is too wide, and all that is not blank comes out again. */
static void wrapping_loses_nothing(void **state) {
    unsigned seed = 1;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char text[120];
        size_t length = (size_t)(rand_r(&seed) % 110);
        for (size_t i = 0; i < length; i++) {
            text[i] = rand_r(&seed) % 4 == 0 ? ' ' : 'x';
        }
        text[length] = '\0';
        int columns = 12 + rand_r(&seed) % 30;
        char *lines = wrapped(text, 3, columns);
        size_t letters = 0;
        int width = 3;
        for (char *at = lines; *at != '\0'; at++) {
            letters += *at == 'x' ? 1 : 0;
            width = *at == '\n' ? 0 : width + 1;
            assert_true(width <= columns);
        }
        size_t wanted = 0;
        for (size_t i = 0; i < length; i++) {
            wanted += text[i] == 'x' ? 1 : 0;
        }
        assert_int_equal(letters, wanted);
        free(lines);
    }
}

static void the_nearest_word_is_found(void **state) {
    static const char *const words[] = {"list", "show", "drain", "resume", "fence", "confirm-off"};
    static const struct {
        const char *word;
        const char *nearest;
    } cases[] = {{"lst", "list"},      {"drian", "drain"},
                 {"resmue", "resume"}, {"conf", "confirm-off"},
                 {"fences", "fence"},  {"xyzzy", NULL},
                 {"x", NULL},          {"off", NULL}};
    (void)state;
    assert_int_equal(text_distance("drian", "drain"), 1);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *best = NULL;
        size_t distance = SIZE_MAX;
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
            text_nearer(cases[i].word, words[w], &best, &distance);
        }
        if (cases[i].nearest == NULL) {
            assert_null(best);
        } else {
            assert_non_null(best);
            assert_string_equal(best, cases[i].nearest);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),     cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(figures_are_short),      cmocka_unit_test(lines_are_broken_at_spaces),
        cmocka_unit_test(wrapping_loses_nothing), cmocka_unit_test(the_nearest_word_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
