/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people: see text.h.
 */
#include "output/text.h"
#include "output/print.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int text_parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_number) {
    char *end = NULL;
    if (!isdigit((unsigned char)text[0]) && !(text[0] == '-' && isdigit((unsigned char)text[1]))) {
        return -EINVAL;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*end != '\0') {
        return -EINVAL;
    }
    if (errno == ERANGE || number < min || number > max) {
        return -ERANGE;
    }
    *ret_number = number;
    return 0;
}

int text_parse_duration(const char *text, int64_t *ret_ms) {
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) {
        return -EINVAL;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || number <= 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) != 0) {
            continue;
        }
        if (number > TEXT_DURATION_MAX_MS / units[i].ms) {
            return -EINVAL;
        }
        *ret_ms = number * units[i].ms;
        return 0;
    }
    return -EINVAL;
}

const char *text_duration(int64_t ms, char text[TEXT_MAX]) {
    if (ms < 0) {
        ms = 0;
    }
    if (ms < 1000) {
        snprintf(text, TEXT_MAX, "%" PRId64 " ms", ms);
    } else if (ms < 60000) {
        snprintf(text, TEXT_MAX, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
    } else if (ms < 3600000) {
        snprintf(text, TEXT_MAX, "%" PRId64 " min %" PRId64 " s", ms / 60000, ms % 60000 / 1000);
    } else if (ms < 86400000) {
        snprintf(text, TEXT_MAX, "%" PRId64 " h %" PRId64 " min", ms / 3600000,
                 ms % 3600000 / 60000);
    } else {
        snprintf(text, TEXT_MAX, "%" PRId64 " d %" PRId64 " h", ms / 86400000,
                 ms % 86400000 / 3600000);
    }
    return text;
}

const char *text_megabytes(int64_t mb, char text[TEXT_MAX]) {
    static const char *const units[] = {"MiB", "GiB", "TiB", "PiB"};
    double value = (double)(mb < 0 ? 0 : mb);
    size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024.0;
        unit++;
    }
    /* Whole numbers stay whole: "4 GiB" is easier to read than "4.0 GiB". */
    bool whole = value >= 100.0 || (value - (double)(int64_t)value) < 0.05;
    snprintf(text, TEXT_MAX, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *text_rate(int64_t bytes, char text[TEXT_MAX]) {
    static const char units[] = {'B', 'K', 'M', 'G', 'T'};
    double value = (double)(bytes < 0 ? 0 : bytes);
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof(units)) {
        value /= 1024.0;
        unit++;
    }
    snprintf(text, TEXT_MAX, value < 9.95 && unit > 0 ? "%.1f%c/s" : "%.0f%c/s", value,
             units[unit]);
    return text;
}

const char *text_clock(int64_t time_ms, char text[TEXT_MAX]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    if (time_ms < 0 || localtime_r(&seconds, &parts) == NULL) {
        snprintf(text, TEXT_MAX, "?");
        return text;
    }
    size_t used = strftime(text, TEXT_MAX, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(text + used, TEXT_MAX - used, ".%03d", (int)(time_ms % 1000));
    return text;
}

static bool text_is_continuation(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

int text_columns(const char *text) {
    int columns = 0;
    for (; *text != '\0'; text++) {
        columns += text_is_continuation(*text) ? 0 : 1;
    }
    return columns;
}

void text_wrap(FILE *out, const char *text, int indent, int columns) {
    int room = columns > indent ? columns - indent : 0;
    while (true) {
        size_t length = 0;
        size_t space = 0; /* where the line can be broken */
        int used = 0;
        while (text[length] != '\0' && text[length] != '\n' && (room == 0 || used <= room)) {
            if (text[length] == ' ' && used > 0) {
                space = length;
            }
            used += text_is_continuation(text[length + 1]) ? 0 : 1;
            length++;
        }
        bool too_long = room > 0 && used > room;
        if (too_long && space > 0) {
            length = space;
        } else if (too_long) {
            do { /* one word wider than the line: break it between two characters */
                length--;
            } while (text_is_continuation(text[length]));
        }
        size_t shown = length;
        while (shown > 0 && text[shown - 1] == ' ') {
            shown--;
        }
        print_text(out, "%.*s\n", (int)shown, text);
        text += length;
        while (*text == ' ' || *text == '\n') {
            text++;
        }
        if (*text == '\0') {
            return;
        }
        print_text(out, "%*s", indent, "");
    }
}

#define TEXT_WORD_MAX 48

size_t text_distance(const char *one, const char *other) {
    size_t m = strlen(one);
    size_t n = strlen(other);
    if (m > TEXT_WORD_MAX || n > TEXT_WORD_MAX) {
        return SIZE_MAX;
    }
    size_t cost[TEXT_WORD_MAX + 1][TEXT_WORD_MAX + 1];
    for (size_t i = 0; i <= m; i++) {
        for (size_t j = 0; j <= n; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            size_t best = cost[i - 1][j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
            size_t shorter = cost[i - 1][j] < cost[i][j - 1] ? cost[i - 1][j] : cost[i][j - 1];
            if (shorter + 1 < best) {
                best = shorter + 1;
            }
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] &&
                cost[i - 2][j - 2] + 1 < best) {
                best = cost[i - 2][j - 2] + 1;
            }
            cost[i][j] = best;
        }
    }
    return cost[m][n];
}

void text_nearer(const char *word, const char *candidate, const char **best,
                 size_t *best_distance) {
    size_t length = strlen(word);
    size_t distance = text_distance(word, candidate);
    /* A prefix ("migr" for "migrate") counts as similar, however much is missing. */
    if (length >= 2 && strncmp(word, candidate, length) == 0) {
        distance = 1;
    }
    if (distance > 1 + length / 3 || distance >= length || distance >= *best_distance) {
        return;
    }
    *best = candidate;
    *best_distance = distance;
}
