/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Masks a known secret in a text; see secret.h. Programs that fail like to print what they were
 * doing: a command for a shell, a request in JSON, an address, a header in base64. Instead of
 * encoding the secret in each of the ways (where each byte may or may not be encoded, and base64
 * has three forms), read the text in each of the ways, and look for the secret there.
 */
#include "base/decoded.h"
#include "base/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_BYTES 4u

struct pattern {
    const char *text;
    size_t n;
    bool unquoted; /* without quotes, and for texts without them: those around it are part of it */
};

/* In the text itself, everything but letters and digits ends a word. What was decoded may never
 * have been text, and then has all neighbours: there, only a character that people can read does,
 * or the end of a piece. */
static bool ends_word(const struct decoded *d, size_t at) {
    char c = d->bytes[at];
    bool decoded = d->to[at] - d->from[at] > 1;
    return !secret_in_word(c) && (!decoded || c == '\n' || (c >= ' ' && c < 0x7f));
}

static bool stands_alone(const struct decoded *d, size_t at, size_t n) {
    return (at == 0 || ends_word(d, at - 1)) && (at + n == d->n || ends_word(d, at + n));
}

static bool is_quote(char c) {
    return c == '\'' || c == '"' || c == '\\';
}

static void mask_range(char *text, size_t from, size_t to, bool and_quotes) {
    while (and_quotes && from > 0 && is_quote(text[from - 1])) {
        from--;
    }
    while (and_quotes && is_quote(text[to])) {
        to++;
    }
    memset(text + from, '*', to - from);
}

static void mask_found(char *text, const struct decoded *d, const struct pattern *p) {
    for (size_t at = 0; p->n > 0 && at < d->n;) {
        const char *found = memmem(d->bytes + at, d->n - at, p->text, p->n);
        if (!found) {
            return;
        }
        at = (size_t)(found - d->bytes);
        bool masked = p->n >= SHORT_BYTES || stands_alone(d, at, p->n);
        if (masked) {
            mask_range(text, d->from[at], d->to[at + p->n - 1], p->unquoted);
        }
        at += masked ? p->n : 1;
    }
}

/* As it is read, and with the quotes left out. */
static int mask_both(char *text, const struct decoded *d, const struct pattern *plain,
                     const struct pattern *bare) {
    struct decoded unquoted;
    mask_found(text, d, plain);
    int err = decoded_init_from(&unquoted, d, DECODE_UNQUOTED);
    if (err == 0) {
        mask_found(text, &unquoted, bare);
        decoded_finish(&unquoted);
    }
    return err;
}

/* Encoded once, and once more. */
static int mask_encoded(char *text, const struct decoded *d, unsigned depth,
                        const struct pattern *plain, const struct pattern *bare) {
    int err = mask_both(text, d, plain, bare);
    for (int how = 0; err == 0 && depth > 0 && how < DECODE_UNQUOTED; how++) {
        struct decoded inner;
        err = decoded_init_from(&inner, d, (enum decoding)how);
        if (err == 0) {
            err = mask_encoded(text, &inner, depth - 1, plain, bare);
            decoded_finish(&inner);
        }
    }
    return err;
}

int secret_mask(char *text, const char *secret) {
    struct decoded whole = {0}, given = {0}, unquoted = {0};
    int err = decoded_init(&given, secret, strlen(secret));
    if (err == 0) {
        err = decoded_init_from(&unquoted, &given, DECODE_UNQUOTED);
    }
    if (err == 0) {
        err = decoded_init(&whole, text, strlen(text));
    }
    if (err == 0) {
        const struct pattern plain = {secret, given.n, false};
        const struct pattern bare = {unquoted.bytes, unquoted.n, unquoted.n < given.n};
        err = mask_encoded(text, &whole, 2, &plain, &bare);
    }
    decoded_finish(&whole);
    decoded_finish(&given);
    decoded_finish(&unquoted);
    return err;
}
