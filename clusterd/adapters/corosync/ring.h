/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring: corosync's CPG and quorum as one source of VIEW and MESSAGE, and the way for SEND.
 *
 *     VIEW     at every change of CPG or quorum. Members = processes of clusterd's CPG group on
 *              nodes of the quorum's ring. A lost corosync is a VIEW without members.
 *     MESSAGE  in the order that all members see, own messages included.
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
    /* corosync has reloaded or restarted: `now` is its configuration. `before`, the one of ready(),
     * remains in force. */
    void (*changed)(void *context, const struct corosync_config *before,
                    const struct corosync_config *now);
    /* The node cannot take part (another clusterd runs on it; the configuration does not fit): the
     * process must end. Called at most once, as the last call. */
    void (*fatal)(void *context, int error, const char *message);
    void *context;
};

#define RING_MAX_MESSAGE (960u * 1024) /* CPG takes 1 MiB in one piece, its headers included */

/* -ENOMEM, -EAGAIN: no thread. Connects as soon as corosync is there; the loop does not wait. */
int corosync_ring_create(qb_loop_t *loop, struct event_sink sink,
                         const struct ring_handlers *handlers, struct corosync_ring **ret_ring);
/* Leaves the group; a corosync that is stopped delays this by a second. NULL is fine. */
void corosync_ring_destroy(struct corosync_ring *ring);

/* Queues a copy if corosync cannot take it at once. Without a connection the message is dropped:
 * there is no view for it. */
void corosync_ring_send(struct corosync_ring *ring, const uint8_t *data, size_t size);

/* What the ring waits for, in words; "" if connected. */
const char *corosync_ring_problem(const struct corosync_ring *ring);

#endif
