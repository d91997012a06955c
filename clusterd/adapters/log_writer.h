/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the lines of the log in a thread: whatever reads them may be slow, or stopped.
 *
 *     any thread ── put ──► queue ──► thread: write(), for as long as it takes
 *
 * Lines that find the queue full are dropped. Once there is room again, a line in their place says
 * how many they were.
 */
#ifndef CLUSTERD_ADAPTERS_LOG_WRITER_H
#define CLUSTERD_ADAPTERS_LOG_WRITER_H

#include "base/log_level.h"

#include <stdbool.h>
#include <time.h>

#define LOG_WRITER_LINES 1024u /* a start or a lost node is a burst of some 100 */

struct log_line {
    enum log_level level;
    struct timespec when; /* CLOCK_REALTIME */
    const char *text;     /* without a newline */
};

/* In the writer's thread; may block. */
typedef void (*log_writer_fn)(void *context, const struct log_line *line);

struct log_writer; /* opaque */

/* -ENOMEM; -EAGAIN: no thread. */
int log_writer_create(log_writer_fn write, void *context, struct log_writer **ret_writer);
/* Copies the text. Never waits; any thread may call it. */
void log_writer_put(struct log_writer *writer, enum log_level level, const char *text);
/* Waits at most `wait_ms` until all is written; says whether it is. Not from `write`. */
bool log_writer_flush(struct log_writer *writer, unsigned wait_ms);
/* The same, then ends the thread; one that hangs is left behind. NULL is fine. */
void log_writer_destroy(struct log_writer *writer, unsigned wait_ms);

#endif
