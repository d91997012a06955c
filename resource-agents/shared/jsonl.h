/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON lines on standard output, for a reader that may be slow, hang or be gone.
 *
 * The pipe is shared with the parent, for which it must stay blocking. So a line is written in
 * pieces of at most PIPE_BUF bytes, each after poll() has reported room. A write of this size then
 * never blocks.
 */
#ifndef AGENTS_SHARED_JSONL_H
#define AGENTS_SHARED_JSONL_H

#include <stdbool.h>
#include <jansson.h>

/* How long a line may wait for its reader. */
enum {
    JSONL_DROPPABLE_MS = 0,    /* progress: the next line says the same, only newer */
    JSONL_IMPORTANT_MS = 5000, /* a result or an event */
};

/*
 * Writes value as one line and drops the caller's reference to it, also on failure (NULL is
 * -ENOMEM). Any thread may call. -EAGAIN: no room within wait_ms, nothing written. -EPIPE: the
 * reader is gone. -ETIMEDOUT: it stopped in the middle of the line; every later call fails too,
 * because the stream is broken.
 */
int jsonl_send(json_t *value, int wait_ms);

/* True once nobody reads our output any more: the process that gave the order has died. */
bool jsonl_reader_gone(void);

/* The text as a JSON string, with '?' for every byte that is not valid UTF-8: libvirt's messages
 * may quote anything. */
json_t *jsonl_text(const char *text);

#endif
