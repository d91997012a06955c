/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people: durations, sizes, times, wrapped lines, and the word that was probably meant.
 *
 * These are plain functions from values to text and back; they know neither the cluster nor the
 * terminal.
 */
#ifndef CLI_OUTPUT_TEXT_H
#define CLI_OUTPUT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Long enough for every text_*() below that fills a buffer. */
#define TEXT_MAX 64

/* "500ms", "30s", "5m", "2h", "1d"; a bare number means seconds. -EINVAL: none of these, 0, or more
 * than TEXT_DURATION_MAX_MS. */
#define TEXT_DURATION_MAX_MS ((int64_t)30 * 24 * 3600 * 1000)
int text_parse_duration(const char *text, int64_t *ret_ms);
/* A decimal number in [min, max]; -EINVAL: not a number; -ERANGE: out of range. */
int text_parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_number);

/* Each fills and returns `text`. */
const char *text_duration(int64_t ms, char text[TEXT_MAX]);   /* "180 ms", "1.2 s", "3 min 20 s" */
const char *text_megabytes(int64_t mb, char text[TEXT_MAX]);  /* "512 MiB", "1.5 GiB" */
const char *text_rate(int64_t bytes, char text[TEXT_MAX]);    /* "812M/s"; at most 6 columns */
const char *text_clock(int64_t time_ms, char text[TEXT_MAX]); /* local time with milliseconds */

/* Columns of `text`: code points, not bytes (clusterd's names are ASCII; messages may not be). */
int text_columns(const char *text);
/* Writes `text` by print_text(), broken at spaces into lines of at most `columns`. The first line
 * begins at column `indent`; the others are indented by `indent`. columns 0: no breaking. Ends with
 * a newline. */
void text_wrap(FILE *out, const char *text, int indent, int columns);

/* How many single edits (insert, delete, replace, swap of neighbours) lead from one word to the
 * other. */
size_t text_distance(const char *one, const char *other);
/* Keeps in *best the candidate nearest to `word`, with its distance in *best_distance. Begin with
 * best NULL and distance SIZE_MAX. Ignores candidates too different for a typing error. */
void text_nearer(const char *word, const char *candidate, const char **best, size_t *best_distance);

#endif
