/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A text read as if it were encoded in some way. Each byte still knows its place in the original
 * text. What is not encoded stays as it is, except in base64 and hexadecimal, where the result
 * holds nothing but what could be decoded, with a newline between the pieces.
 */
#ifndef CLUSTERD_BASE_DECODED_H
#define CLUSTERD_BASE_DECODED_H

#include <stddef.h>
#include <stdint.h>

enum decoding {
    DECODE_PERCENT,  /* %XX */
    DECODE_FORM,     /* likewise, and + is a blank */
    DECODE_ENTITIES, /* &amp; &#38; &#x26; */
    DECODE_ESCAPES,  /* \x26 \u0026 \046 \n \& */
    DECODE_BASE64,   /* at every offset; each byte's place is its whole word */
    DECODE_HEX,      /* pairs of digits, with or without something between them */
    DECODE_UNQUOTED, /* without quotes and backslashes, however a shell or JSON placed them */
    N_DECODINGS
};

struct decoded {
    char *bytes; /* owned, as are the places; wiped by decoded_finish() */
    uint32_t *from, *to;
    size_t n;
};

/* The text itself. -ENOMEM */
int decoded_init(struct decoded *d, const char *text, size_t size);
/* `in` as if it were encoded. -ENOMEM */
int decoded_init_from(struct decoded *d, const struct decoded *in, enum decoding how);
void decoded_finish(struct decoded *d);

#endif
