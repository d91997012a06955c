/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections to corosync: CPG, joined to clusterd's group, quorum, tracked, and the watch of
 * its configuration. They are opened and closed together.
 *
 * Opening and closing wait for corosync's answers, for ever if it is stopped, so that a thread
 * other than the loop's does both. In between, the loop attaches them and calls the callbacks; what
 * it calls then never waits.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CONNECTION_H
#define CLUSTERD_ADAPTERS_COROSYNC_CONNECTION_H

#include "adapters/corosync/cmap_watch.h"

#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct corosync_connection {
    cpg_handle_t cpg; /* 0: none */
    quorum_handle_t quorum;
    struct corosync_watch *watch; /* NULL: then only a new connection shows a reload */
    qb_loop_t *loop;              /* NULL: not attached */
    int cpg_fd, quorum_fd;        /* -1: none, or not in the loop */
};

struct corosync_callbacks {
    cpg_deliver_fn_t deliver;
    cpg_confchg_fn_t members;
    quorum_v1_quorum_notification_fn_t quorum;
    void (*config_changed)(void *context); /* see corosync/cmap_watch.h */
    qb_loop_poll_dispatch_fn cpg_readable; /* with the same context */
    qb_loop_poll_dispatch_fn quorum_readable;
    void *context;
};

/* -EAGAIN, -ENOTCONN: not now. -EPERM: it is not corosync that answers; ret_message says so
 * (COROSYNC_MAX_MESSAGE bytes). Then nothing is open. May block. */
int corosync_connection_open(struct corosync_connection *ret_connection,
                             const struct corosync_callbacks *callbacks, char *ret_message);
/* Leaves the group. Not while attached. May block. */
void corosync_connection_close(struct corosync_connection *c);

int corosync_connection_attach(struct corosync_connection *c, qb_loop_t *loop,
                               const struct corosync_callbacks *callbacks);
/* Also after an attach that failed. */
void corosync_connection_detach(struct corosync_connection *c);

/* 0; -EAGAIN: later; -ENOTCONN: the connection is broken. */
int corosync_connection_send(struct corosync_connection *c, const uint8_t *data, size_t size);

#endif
