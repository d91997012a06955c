/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign text made safe to show: see clean.h.
 */
#include "base/clean.h"

#include "base/check.h"

#include <string.h>

static const struct {
    uint32_t first, last;
} unsafe[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     /* C0, DEL, C1 */
    {0x061c, 0x061c}, {0x200e, 0x200f}, /* marks of the writing direction */
    {0x2028, 0x202e},                   /* line separators; embeddings and overrides */
    {0x2066, 0x2069},                   /* isolates */
};

static bool is_safe(uint32_t code) {
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
        if (code >= unsafe[i].first && code <= unsafe[i].last) {
            return false;
        }
    }
    return true;
}

/* How many bytes a character has that begins with this one; 0: none begins with it. */
static size_t bytes_of(unsigned char first) {
    return first < 0x80                    ? 1
           : first >= 0xc2 && first < 0xe0 ? 2
           : first >= 0xe0 && first < 0xf0 ? 3
           : first >= 0xf0 && first < 0xf5 ? 4
                                           : 0;
}

struct clean_character clean_first(const char *text) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* less has a shorter form */
    const unsigned char *byte = (const unsigned char *)text;
    const struct clean_character broken = {.bytes = 1, .code = byte[0], .safe = false};
    CHECK(byte[0] != '\0');
    size_t bytes = bytes_of(byte[0]);
    if (bytes == 0) {
        return broken;
    }
    uint32_t code = bytes == 1 ? byte[0] : byte[0] & (0xffU >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if ((byte[i] & 0xc0) != 0x80) { /* also the end of the text */
            return broken;
        }
        code = code << 6 | (byte[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < least[bytes] || surrogate || code > 0x10ffff) {
        return broken;
    }
    return (struct clean_character){.bytes = bytes, .code = code, .safe = is_safe(code)};
}

static void clean(char *text, bool keep_breaks) {
    char *out = text;
    for (const char *in = text; *in != '\0';) {
        struct clean_character c = clean_first(in);
        if (c.safe || (c.code == '\n' && keep_breaks)) {
            memmove(out, in, c.bytes);
            out += c.bytes;
        } else {
            *out++ = c.code >= '\t' && c.code <= '\r' ? ' ' : '?';
        }
        in += c.bytes;
    }
    *out = '\0';
}

void clean_lines(char *text) {
    clean(text, true);
}

void clean_line(char *text) {
    clean(text, false);
}
