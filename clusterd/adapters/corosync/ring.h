/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring: corosync's CPG and quorum as one source of VIEW and MESSAGE, and the way for SEND.
 *
 *   VIEW     at every change of either. Members = processes of our CPG group on nodes of the
 * quorum's ring. Corosync gone is a VIEW without members. MESSAGE  in the order that all members
 * see, our own too.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_RING_H
#define CLUSTERD_ADAPTERS_COROSYNC_RING_H

#include "adapters/corosync/config.h"
#include "adapters/sink.h"

#include <qb/qbloop.h>
#include <stddef.h>
#include <stdint.h>

struct corosync_ring; /* opaque */

struct ring_handlers {
    /* Once, before the first event: the configuration is known. 0, or a negative errno: the ring
     * stays down. */
    int (*ready)(void *context, const struct corosync_config *config);
    /* corosync has been asked again, after a reload or a restart of it: `now` is its configuration.
     * `before`, which ready() was told, remains in force. */
    void (*changed)(void *context, const struct corosync_config *before,
                    const struct corosync_config *now);
    /* The node cannot take part (another clusterd runs on it; the configuration does not fit): the
     * process is to end. Called at most once, and nothing comes after it. */
    void (*fatal)(void *context, int error, const char *message);
    void *context;
};

#define RING_MAX_MESSAGE (960u * 1024) /* CPG takes 1 MiB with its own headers in one piece */

/* -ENOMEM. Connects when the loop runs, as soon as corosync is there. */
int corosync_ring_create(qb_loop_t *loop, struct event_sink sink,
                         const struct ring_handlers *handlers, struct corosync_ring **ret_ring);
/* Leaves the group. NULL is fine. */
void corosync_ring_destroy(struct corosync_ring *ring);

/* Copies what cannot be sent at once. Without a connection it is dropped: there is no view to send
 * it in. */
void corosync_ring_send(struct corosync_ring *ring, const uint8_t *data, size_t size);

/* What we wait for, for people: "" if connected. */
const char *corosync_ring_problem(const struct corosync_ring *ring);

#endif
