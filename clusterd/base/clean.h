/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign text made safe to show.
 *
 * Names, reasons and messages come from configuration files, guests, agents and fence devices. On a
 * terminal or in a log none of them may move the cursor, forge a line, or make a line read
 * otherwise than it is written. So what is not a character to be seen is replaced by '?': control
 * characters (C0, DEL, and C1 as UTF-8 or as bare bytes), Unicode's marks and overrides of the
 * writing direction, its line separators, and bytes that are not UTF-8.
 */
#ifndef CLUSTERD_BASE_CLEAN_H
#define CLUSTERD_BASE_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One character of a text. */
struct clean_character {
    size_t bytes;  /* at least 1 */
    uint32_t code; /* its Unicode code point; of a byte that is not UTF-8 the byte itself */
    bool safe;     /* it may be shown as it is */
};

/* The first character of `text`, which must not be empty. Line breaks and tabs are not safe: who
 * wants them looks at `code`. */
struct clean_character clean_first(const char *text);

/* In place, for text that may have several lines: line breaks stay, tabs become blanks. */
void clean_lines(char *text);
/* In place, for one line: line breaks and tabs become blanks. */
void clean_line(char *text);

#endif
