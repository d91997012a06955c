/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on a stream socket, each ended by a NUL, in both directions. Nothing here blocks, and a
 * peer that does harm harms itself only:
 *
 *   - one message at a time and turn of the loop; while something is unsent, no further one is read
 *   - a message is at most CLUSTERD_IPC_MAX_REQUEST bytes, and has 5 s to arrive once it has begun
 *   - what is unsent is kept here, up to a limit that the sender gives; it has 30 s to be read
 *
 * What does not keep to this ends the stream.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_STREAM_H
#define CLUSTERD_ADAPTERS_IPC_STREAM_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>

#define STREAM_HALF_MS 5000u
#define STREAM_UNREAD_MS 30000u

struct stream; /* opaque */

struct stream_handlers {
    /* `text` has `n` bytes, without the NUL, and lives until the return. It may send and pause; it
     * must not destroy the stream. */
    void (*message)(void *context, const char *text, size_t n);
    /* The stream has ended, and says nothing more; `why` is "" if the peer has hung up. It may
     * destroy the stream. */
    void (*ended)(void *context, const char *why);
    void *context;
};

/* Takes the non-blocking `fd` over, also when it fails: -ENOMEM. */
int stream_create(qb_loop_t *loop, int fd, const struct stream_handlers *handlers,
                  struct stream **ret_stream);
/* Closes. NULL is fine. */
void stream_destroy(struct stream *stream);

/* Sends a copy of the text and a NUL, at once or later. -ENOBUFS if more than `limit` bytes would
 * be unsent, -ENOMEM, or what the socket says. */
int stream_send(struct stream *stream, const char *text, size_t n, size_t limit);
/* While it is paused it hands over no message. */
void stream_pause(struct stream *stream, bool pause);

#endif
