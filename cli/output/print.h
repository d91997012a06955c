/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Printing for people and programs. All that clusterctl writes to standard output and standard
 * error goes through here, so that no name, reason or message from elsewhere reaches a terminal as
 * anything but text (base/clean.h). `tests/run lint print` holds the rest of clusterctl to it.
 *
 * Escape sequences of our own do not survive print_text(): screen_begin() and its like are written
 * with fputs().
 */
#ifndef CLI_OUTPUT_PRINT_H
#define CLI_OUTPUT_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* Like fprintf(), but what is unsafe to show is replaced; line breaks stay. */
void print_text(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The document and a line break, with the `flags` of json_dumps(). In its texts, what is unsafe to
 * show is written as \uXXXX: for a program it is the same text. 0, -ENOMEM, or -EIO. */
int print_json(FILE *out, const json_t *document, size_t flags);

#endif
