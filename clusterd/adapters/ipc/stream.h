/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on a stream socket, each ended by a NUL, in both directions. Nothing here blocks, and a
 * peer that does harm harms itself only:
 *
 *   - one message at a time and turn of the loop; while something is unsent, no further one is read
 *   - a message has a largest size, and 5 s to arrive once it has begun
 *   - what is unsent is kept here, and has 30 s to be read; each part that is read begins them anew
 *   - what all streams of one user keep together has a limit: beyond it none of them reads further
 *     messages, and what is half sent ends
 *
 * What does not keep to this ends the stream. So does a peer that hangs up: it takes back what has
 * not been read yet, and what has not been answered. One that only will send no more gets what it
 * has asked for; then the stream ends.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_STREAM_H
#define CLUSTERD_ADAPTERS_IPC_STREAM_H

#include "adapters/ipc/text.h"
#include "base/list.h"

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>

#define STREAM_HALF_MS 5000u
#define STREAM_UNREAD_MS 30000u

/* What the streams of one user keep; lives longer than they. */
struct stream_budget {
    size_t unsent, unsent_most; /* bytes of answers */
    size_t half, half_most;     /* bytes for messages that have not arrived whole, beyond the first
                                   few of each stream */
    struct list waiting;        /* streams that would read, were it not for `unsent` */
};

void stream_budget_init(struct stream_budget *budget, size_t unsent_most, size_t half_most);

struct stream; /* opaque */

struct stream_owner {
    /* `text` has `n` bytes, without the NUL, and lives until the return. It may send and pause; it
     * must not destroy the stream. */
    void (*message)(void *context, const char *text, size_t n);
    /* The stream has ended, and says nothing more; `why` is "" if the peer has hung up. It may
     * destroy the stream. */
    void (*ended)(void *context, const char *why);
    /* Whether a message that was handed over is still to be answered; NULL: never. When that
     * changes, the stream hears of it by an answer, or by stream_pause(). */
    bool (*owes)(void *context);
    void *context;
    size_t request_most; /* bytes of a message */
    uint32_t unread_ms;  /* how long the peer may read nothing; STREAM_UNREAD_MS */
    struct stream_budget *budget;
};

/* Takes the non-blocking `fd` over, also when it fails: -ENOMEM. */
int stream_create(qb_loop_t *loop, int fd, const struct stream_owner *owner,
                  struct stream **ret_stream);
/* Closes. NULL is fine. */
void stream_destroy(struct stream *stream);

/* An answer: sent at once as far as the socket takes it. Holds a reference of its own. 0, -ENOMEM
 * or what the socket says. */
int stream_answer(struct stream *stream, struct ipc_text *text);
/* As above, but sent in a later turn of the loop, together with others: parts of an answer. */
int stream_answer_later(struct stream *stream, struct ipc_text *text);
/* An event, which nobody has asked for: sent as the last one is. -ENOBUFS if more than `limit`
 * bytes of earlier events are unsent. Each counts half the limit at most, so that the size of one
 * is no reason to fail. */
int stream_event(struct stream *stream, struct ipc_text *text, size_t limit);
/* While it is paused it hands over no message. */
void stream_pause(struct stream *stream, bool pause);

#endif
