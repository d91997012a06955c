/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Printing for people and programs: see print.h.
 */
#include "output/print.h"
#include "base/clean.h"
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

void print_text(FILE *out, const char *format, ...) {
    text_auto *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        fputs("clusterctl: out of memory\n", stderr);
        exit(1);
    }
    clean_lines(text);
    fputs(text, out); /* lint: allow fputs, because the text has just been cleaned */
}

/* Jansson has checked that all is UTF-8, and has escaped C0 itself; outside of texts there is only
 * ASCII. So whatever is found here, but a line break, is within a text. */
static void write_escaped(FILE *out, const char *json) {
    const char *written = json;
    const char *at = json;
    while (*at != '\0') {
        if (*at >= ' ' && *at < 0x7f) {
            at++; /* nearly always */
            continue;
        }
        struct clean_character c = clean_first(at);
        if (!c.safe && c.code != '\n') {
            fwrite(written, 1, (size_t)(at - written), out); /* lint: allow fwrite: looked at */
            /* None of them is above U+FFFF. */
            fprintf(out, "\\u%04X", (unsigned)c.code); /* lint: allow fprintf: a number */
            written = at + c.bytes;
        }
        at += c.bytes;
    }
    fwrite(written, 1, (size_t)(at - written), out); /* lint: allow fwrite: looked at */
}

int print_json(FILE *out, const json_t *document, size_t flags) {
    text_auto *json = json_dumps(document, flags);
    if (json == NULL) {
        return -ENOMEM;
    }
    write_escaped(out, json);
    fputc('\n', out);
    return ferror(out) != 0 ? -EIO : 0;
}
