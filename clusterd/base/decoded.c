/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a text as if it were encoded; see decoded.h. Decoders are lenient: this looks for what
 * somebody may have encoded, and need not know whether he did it well.
 */
#include "base/decoded.h"

#include "base/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Base64 gives three bytes for four digits, at each of four offsets, and a newline; hexadecimal one
 * for two digits and a newline for each row, twice. The others give no more than they get. */
#define GROWTH_BASE64 4u
#define GROWTH 2u
#define HEX_BETWEEN 2u /* at most, between two digits: ", " */

static int make_room(struct decoded *d, size_t size) {
    *d = (struct decoded){.bytes = malloc(size + 1),
                          .from = malloc((size + 1) * sizeof(*d->from)),
                          .to = malloc((size + 1) * sizeof(*d->to))};
    if (!d->bytes || !d->from || !d->to) {
        decoded_finish(d);
        return -ENOMEM;
    }
    return 0;
}

void decoded_finish(struct decoded *d) {
    if (d->bytes) {
        explicit_bzero(d->bytes, d->n);
    }
    free(d->bytes);
    free(d->from);
    free(d->to);
    *d = (struct decoded){0};
}

int decoded_init(struct decoded *d, const char *text, size_t size) {
    int err = make_room(d, size);
    for (size_t i = 0; err == 0 && i < size; i++) {
        d->bytes[i] = text[i];
        d->from[i] = (uint32_t)i;
        d->to[i] = (uint32_t)i + 1;
    }
    d->n = err == 0 ? size : 0;
    return err;
}

/* A byte that stands for in[begin, end). */
static void put(struct decoded *d, const struct decoded *in, char byte, size_t begin, size_t end) {
    d->bytes[d->n] = byte;
    d->from[d->n] = in->from[begin];
    d->to[d->n] = in->to[end - 1];
    d->n++;
}

/* A character as UTF-8, which is never longer than its escape. */
static void put_character(struct decoded *d, const struct decoded *in, uint32_t c, size_t begin,
                          size_t end) {
    if (c < 0x80) {
        put(d, in, (char)c, begin, end);
        return;
    }
    if (c >= 0x800) {
        put(d, in, (char)(0xe0 | (c >> 12 & 0x0f)), begin, end);
        put(d, in, (char)(0x80 | (c >> 6 & 0x3f)), begin, end);
    } else {
        put(d, in, (char)(0xc0 | c >> 6), begin, end);
    }
    put(d, in, (char)(0x80 | (c & 0x3f)), begin, end);
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of digits at `at`, at most `most`, below `base`; *ret_value is what they say. */
static size_t number_at(const struct decoded *in, size_t at, size_t most, int base,
                        uint32_t *ret_value) {
    size_t n = 0;
    uint32_t value = 0;
    while (n < most && at + n < in->n && digit_of(in->bytes[at + n]) >= 0 &&
           digit_of(in->bytes[at + n]) < base) {
        value = value * (uint32_t)base + (uint32_t)digit_of(in->bytes[at + n]);
        n++;
    }
    *ret_value = value;
    return n;
}

/* Each of these returns how many bytes at `at` it has read as one; 0: they are not encoded. */

static size_t percent(struct decoded *d, const struct decoded *in, size_t at) {
    uint32_t value = 0;
    if (in->bytes[at] != '%' || number_at(in, at + 1, 2, 16, &value) != 2) {
        return 0;
    }
    put(d, in, (char)value, at, at + 3);
    return 3;
}

static size_t form(struct decoded *d, const struct decoded *in, size_t at) {
    if (in->bytes[at] == '+') {
        put(d, in, ' ', at, at + 1);
        return 1;
    }
    return percent(d, in, at);
}

static size_t entity(struct decoded *d, const struct decoded *in, size_t at) {
    static const struct {
        const char *text;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        size_t n = strlen(named[i].text);
        if (n <= in->n - at && memcmp(in->bytes + at, named[i].text, n) == 0) {
            put(d, in, named[i].c, at, at + n);
            return n;
        }
    }
    if (in->n - at < 4 || memcmp(in->bytes + at, "&#", 2) != 0) {
        return 0;
    }
    bool hex = in->bytes[at + 2] == 'x' || in->bytes[at + 2] == 'X';
    size_t begin = at + 2 + hex;
    uint32_t value = 0;
    size_t n = number_at(in, begin, 5, hex ? 16 : 10, &value);
    if (n == 0 || begin + n >= in->n || in->bytes[begin + n] != ';' || value > 0xffff) {
        return 0;
    }
    put_character(d, in, value, at, begin + n + 1);
    return begin + n + 1 - at;
}

static size_t escape(struct decoded *d, const struct decoded *in, size_t at) {
    static const char letters[] = "abfnrtve", meanings[] = "\a\b\f\n\r\t\v\033";
    uint32_t value = 0;
    if (in->bytes[at] != '\\' || at + 1 >= in->n) {
        return 0;
    }
    char c = in->bytes[at + 1];
    size_t n = number_at(in, at + 1, 3, 8, &value);
    if (n > 0) {
        put(d, in, (char)value, at, at + 1 + n);
        return 1 + n;
    }
    if (c == 'x' && number_at(in, at + 2, 2, 16, &value) == 2) {
        put(d, in, (char)value, at, at + 4);
        return 4;
    }
    if (c == 'u' && number_at(in, at + 2, 4, 16, &value) == 4) {
        put_character(d, in, value, at, at + 6);
        return 6;
    }
    const char *letter = memchr(letters, c, sizeof(letters) - 1);
    put(d, in, letter ? meanings[letter - letters] : c, at, at + 2);
    return 2;
}

static size_t quote(struct decoded *d, const struct decoded *in, size_t at) {
    (void)d;
    return strchr("'\"\\", in->bytes[at]) && in->bytes[at] ? 1 : 0;
}

static void decode_each(struct decoded *d, const struct decoded *in, enum decoding how) {
    static size_t (*const one[N_DECODINGS])(struct decoded *, const struct decoded *,
                                            size_t) = {[DECODE_PERCENT] = percent,
                                                       [DECODE_FORM] = form,
                                                       [DECODE_ENTITIES] = entity,
                                                       [DECODE_ESCAPES] = escape,
                                                       [DECODE_UNQUOTED] = quote};
    for (size_t at = 0; at < in->n;) {
        size_t n = one[how](d, in, at);
        if (n == 0) {
            put(d, in, in->bytes[at], at, at + 1);
            n = 1;
        }
        at += n;
    }
}

/* Also of the alphabet for addresses (RFC 4648, section 5). -1: not a digit. */
static int digit64_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* in[begin, end) are digits. Where the encoded text begins among them, nobody knows. */
static void decode_word64(struct decoded *d, const struct decoded *in, size_t begin, size_t end) {
    for (size_t first = begin; first < begin + 4 && first + 1 < end; first++) {
        uint32_t bits = 0;
        unsigned n = 0;
        for (size_t at = first; at < end; at++) {
            bits = bits << 6 | (uint32_t)digit64_of(in->bytes[at]);
            n += 6;
            if (n >= 8) {
                n -= 8;
                put(d, in, (char)(bits >> n & 0xff), begin, end);
            }
        }
        put(d, in, '\n', begin, end);
    }
}

static void decode_base64(struct decoded *d, const struct decoded *in) {
    for (size_t at = 0; at < in->n;) {
        size_t end = at;
        while (end < in->n && digit64_of(in->bytes[end]) >= 0) {
            end++;
        }
        decode_word64(d, in, at, end);
        at = end + 1;
    }
}

/* The next digit at or after `at` that goes on with the row of digits; in->n: the row ends. */
static size_t next_hex(const struct decoded *in, size_t at) {
    size_t begin = at;
    while (at < in->n) {
        bool prefix = in->bytes[at] == '0' && at + 1 < in->n && in->bytes[at + 1] == 'x';
        if (prefix) {
            at += 2;
            begin += 2;
        } else if (digit_of(in->bytes[at]) >= 0) {
            return at;
        } else if (at - begin < HEX_BETWEEN && in->bytes[at] && strchr(":-, ", in->bytes[at])) {
            at++;
        } else {
            break;
        }
    }
    return in->n;
}

/* The row of digits that begins at `at`, read in pairs. Returns where it ends. */
static size_t decode_row(struct decoded *d, const struct decoded *in, size_t at) {
    size_t end = at;
    for (size_t high = at; high < in->n;) {
        end = high + 1;
        size_t low = next_hex(in, high + 1);
        if (low == in->n) {
            break;
        }
        put(d, in, (char)(digit_of(in->bytes[high]) << 4 | digit_of(in->bytes[low])), high,
            low + 1);
        end = low + 1;
        high = next_hex(in, low + 1);
    }
    put(d, in, '\n', at, at + 1);
    return end;
}

static void decode_hex(struct decoded *d, const struct decoded *in) {
    for (size_t at = 0; at < in->n;) {
        if (digit_of(in->bytes[at]) < 0) {
            at++;
            continue;
        }
        size_t end = decode_row(d, in, at);
        size_t second = next_hex(in, at + 1);
        if (second < end) {
            (void)decode_row(d, in, second); /* the pairs may begin at any digit */
        }
        at = end;
    }
}

int decoded_init_from(struct decoded *d, const struct decoded *in, enum decoding how) {
    size_t room = (in->n + 1) * (how == DECODE_BASE64 ? GROWTH_BASE64 : GROWTH);
    int err = make_room(d, room);
    if (err < 0) {
        return err;
    }
    if (how == DECODE_BASE64) {
        decode_base64(d, in);
    } else if (how == DECODE_HEX) {
        decode_hex(d, in);
    } else {
        decode_each(d, in, how);
    }
    CHECK(d->n <= room);
    return 0;
}
