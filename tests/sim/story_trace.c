/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trace of a story: its lines, and below each what the cluster said and did until the next
 * line. Numbers that a harmless change moves (times, log indexes) are left out: a difference means
 * something.
 */
#include "sim/story_inner.h"

#include "base/check.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "# What the cluster said and did. Written by `tests/run golden --update`; "
    "read the diff.\n";

/* A number between the two is a "_". */
static const struct {
    const char *before, *behind;
} numbers[] = {
    {"", " ms"},        {", generation ", ""}, {"view ", " with"},
    {"operation ", ""}, {"index ", ""},        {"(", " bytes"},
    {"epoch ", ""},     {"copy (", ""},        {"instead of ", " entries"},
};

static bool is_noise(const char *text, size_t at, size_t digits) {
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        size_t before = strlen(numbers[i].before), behind = strlen(numbers[i].behind);
        if (at >= before && strncmp(text + at - before, numbers[i].before, before) == 0 &&
            strncmp(text + at + digits, numbers[i].behind, behind) == 0) {
            return true;
        }
    }
    return false;
}

static void put(struct story *t, const char *text, size_t n) {
    if (t->told_size + n + 1 > t->told_capacity) {
        t->told_capacity = t->told_capacity ? t->told_capacity * 2 + n : 16384 + n;
        t->told = realloc(t->told, t->told_capacity);
        CHECK(t->told != NULL);
    }
    memcpy(t->told + t->told_size, text, n);
    t->told_size += n;
    t->told[t->told_size] = '\0';
}

void trace_line(struct story *t) {
    put(t, t->line->text, strlen(t->line->text));
    put(t, "\n", 1);
}

/* What the story has said itself, or what tells nothing. */
static bool is_left_out(const char *line) {
    static const char *const parts[] = {
        ": asked for ",         "(the story)",
        "the network is ",      "everything is mended",
        ": its fence device",   ": its disk is ",
        ": its disk hangs",     ": its volume ",
        ": clusterd is ",       ": corosync is killed",
        ": libvirtd is killed", "the next vm ",
        ": stands still for",   ": clusterd does not run",
        ": clusterd starves",   "the token is lost",
        ": clusterd speaks ",   ": a copy of its database",
        "cannot be killed for",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (strstr(line, parts[i])) {
            return true;
        }
    }
    return false;
}

void trace_tell(void *story, const char *line) {
    struct story *t = story;
    if (!t->telling || is_left_out(line)) {
        return;
    }
    put(t, "    ", 4);
    for (size_t i = 0; line[i];) {
        size_t digits = 0;
        bool begins = i == 0 || !isalnum((unsigned char)line[i - 1]);
        while (begins && isdigit((unsigned char)line[i + digits])) {
            digits++;
        }
        if (digits && is_noise(line, i, digits)) {
            put(t, "_", 1);
            i += digits;
        } else {
            put(t, line + i, digits ? digits : 1);
            i += digits ? digits : 1;
        }
    }
    put(t, "\n", 1);
}

bool trace_has(const struct story *t, const char *text) {
    for (const char *at = strstr(t->told, text); at; at = strstr(at + 1, text)) {
        while (at > t->told && at[-1] != '\n') {
            at--;
        }
        if (*at == ' ') {
            return true;
        }
        at += strcspn(at, "\n");
    }
    return false;
}

/* ---- what lies beside the story ---- */

static void path_of_trace(const struct story *t, char *ret, size_t size) {
    (void)snprintf(ret, size, "%.*s.trace", (int)(strlen(t->path) - 4), t->path);
}

static char *read_all(const char *path) {
    char *text = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "re");
    if (!in) {
        return NULL;
    }
    if (getdelim(&text, &size, '\0', in) < 0) {
        free(text);
        text = NULL;
    }
    (void)fclose(in);
    return text;
}

static void print_difference(const char *path, const char *expected, const char *now, FILE *out) {
    const char *line = now;
    uint32_t number = 2; /* the head is line 1 */
    size_t at = 0;
    for (; expected[at] && expected[at] == now[at]; at++) {
        if (now[at] == '\n') {
            line = now + at + 1;
            number++;
        }
    }
    const char *old = expected + (line - now);
    (void)fprintf(out,
                  "%s:%u: it was told otherwise\n  expected: %.*s\n  now:      %.*s\n"
                  "  (if that is right: tests/run golden --update)\n",
                  path, number, (int)strcspn(old, "\n"), old, (int)strcspn(line, "\n"), line);
}

enum story_end trace_compare(struct story *t, FILE *out) {
    char path[400];
    const char *update = getenv("CLUSTERD_GOLDEN_UPDATE");
    path_of_trace(t, path, sizeof(path));
    char *expected = read_all(path);
    size_t skip = sizeof(head) - 1;
    bool whole = expected && strncmp(expected, head, skip) == 0;
    if (whole && strcmp(expected + skip, t->told) == 0) {
        free(expected);
        return STORY_HELD;
    }
    enum story_end end = STORY_TOLD_OTHERWISE;
    if (update && strcmp(update, "1") == 0) {
        FILE *file = fopen(path, "we");
        if (!file || fputs(head, file) < 0 || fputs(t->told, file) < 0) {
            (void)fprintf(out, "%s: %s\n", path, strerror(errno));
        } else {
            end = STORY_WRITTEN;
        }
        if (file) {
            (void)fclose(file);
        }
    } else {
        print_difference(path, whole ? expected + skip : "", t->told, out);
    }
    free(expected);
    return end;
}
