/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words: whether a line matches a pattern, and its values.
 */
#include "sim/story_inner.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct word {
    const char *at;
    size_t length;
};

/* The next one of a text, or of length 0 at its end. */
static struct word next_word(const char **text) {
    *text += strspn(*text, " ");
    struct word word = {.at = *text, .length = strcspn(*text, " ")};
    *text += word.length;
    return word;
}

static bool is(const struct word *word, const char *text) {
    return strlen(text) == word->length && strncmp(word->at, text, word->length) == 0;
}

static bool say(struct words *ret, uint64_t v) {
    ret->v[ret->n++] = v;
    return true;
}

static bool say_text(struct words *ret, const char *at, size_t length) {
    if (length == 0 || length >= sizeof(ret->text)) {
        return false;
    }
    memcpy(ret->text, at, length);
    ret->text[length] = '\0';
    return true;
}

/* ---- what stands for something ---- */

static uint32_t node_of(const struct story *t, const char *at, size_t length) {
    return length == 2 && at[0] == 'n' && at[1] >= '1' && at[1] <= '0' + (char)t->options.nodes
               ? (uint32_t)(at[1] - '0')
               : 0;
}

static bool nodes(const struct story *t, const struct word *word, struct words *ret) {
    uint64_t set = 0;
    for (size_t i = 0; i <= word->length; i += 3) {
        size_t length = word->length - i < 2 ? word->length - i : 2;
        uint32_t node = node_of(t, word->at + i, length);
        if (node == 0 || (i + 2 < word->length && word->at[i + 2] != ',')) {
            return false;
        }
        set |= UINT64_C(1) << node;
    }
    return say(ret, set);
}

static bool vm(const struct story *t, const struct word *word, struct words *ret) {
    for (uint32_t i = 0; i < t->n_vms; i++) {
        if (is(word, t->vms[i].name)) {
            return say(ret, i + 1);
        }
    }
    return false;
}

static bool number(const struct word *word, const char *behind, uint64_t unit, struct words *ret) {
    char *end;
    if (word->length == 0 || word->length > 12 || !isdigit((unsigned char)word->at[0])) {
        return false;
    }
    uint64_t v = strtoull(word->at, &end, 10);
    const struct word rest = {.at = end, .length = word->length - (size_t)(end - word->at)};
    return is(&rest, behind) && say(ret, v * unit);
}

static bool one_of(const char *choices, size_t length, const struct word *word, struct words *ret) {
    uint64_t which = 0;
    for (size_t i = 0; i <= length; which++) {
        size_t n = strcspn(choices + i, "| ");
        if (n == word->length && strncmp(choices + i, word->at, n) == 0) {
            return say(ret, which);
        }
        i += n + 1;
    }
    return false;
}

static bool word_fits(const struct story *t, const struct word *pattern, const struct word *word,
                      struct words *ret) {
    if (is(pattern, "NODE")) {
        uint32_t node = node_of(t, word->at, word->length);
        return node != 0 && say(ret, node);
    }
    if (is(pattern, "NODES")) {
        return nodes(t, word, ret);
    }
    if (is(pattern, "VM")) {
        return vm(t, word, ret);
    }
    if (is(pattern, "TIME")) {
        return number(word, "us", 1, ret) || number(word, "ms", 1000, ret) ||
               number(word, "s", SIM_SECOND, ret);
    }
    if (is(pattern, "NUMBER")) {
        return number(word, "", 1, ret);
    }
    if (is(pattern, "WORD") || is(pattern, "NAME")) {
        return say_text(ret, word->at, word->length);
    }
    if (memchr(pattern->at, '|', pattern->length)) {
        return one_of(pattern->at, pattern->length, word, ret);
    }
    return pattern->length == word->length && strncmp(pattern->at, word->at, word->length) == 0;
}

static bool part_fits(const struct story *t, const char *pattern, const char **line,
                      struct words *ret) {
    for (;;) {
        struct word wanted = next_word(&pattern);
        if (wanted.length == 0) {
            return true;
        }
        if (is(&wanted, "TEXT")) {
            const char *rest = *line + strspn(*line, " ");
            *line = rest + strlen(rest);
            return say_text(ret, rest, strlen(rest));
        }
        struct word word = next_word(line);
        if (word.length == 0 || !word_fits(t, &wanted, &word, ret)) {
            return false;
        }
    }
}

bool words_fit(const struct story *t, const char *before, const char *pattern, const char *behind,
               const char *line, struct words *ret) {
    *ret = (struct words){0};
    return part_fits(t, before, &line, ret) && part_fits(t, pattern, &line, ret) &&
           part_fits(t, behind, &line, ret) && line[strspn(line, " ")] == '\0';
}
