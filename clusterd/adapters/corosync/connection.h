/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two connections to corosync: CPG, joined to clusterd's group, and quorum, tracked. They are
 * opened and closed together, and call the callbacks. Only corosync/ring.c uses this.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CONNECTION_H
#define CLUSTERD_ADAPTERS_COROSYNC_CONNECTION_H

#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct corosync_connection {
    qb_loop_t *loop;
    cpg_handle_t cpg; /* 0: none */
    quorum_handle_t quorum;
    int cpg_fd, quorum_fd; /* -1: none */
};

struct corosync_callbacks {
    cpg_deliver_fn_t deliver;
    cpg_confchg_fn_t members;
    quorum_v1_quorum_notification_fn_t quorum;
    qb_loop_poll_dispatch_fn cpg_readable; /* with the same context */
    qb_loop_poll_dispatch_fn quorum_readable;
    void *context;
};

void corosync_connection_init(struct corosync_connection *c, qb_loop_t *loop);
/* -EAGAIN, -ENOTCONN: not now; the caller closes the connection then. */
int corosync_connection_open(struct corosync_connection *c,
                             const struct corosync_callbacks *callbacks);
void corosync_connection_close(struct corosync_connection *c);

/* 0; -EAGAIN: later; -ENOTCONN: the connection is broken. */
int corosync_connection_send(struct corosync_connection *c, const uint8_t *data, size_t size);

#endif
