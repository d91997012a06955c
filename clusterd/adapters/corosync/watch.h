/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells when corosync has taken over another configuration (corosync-cfgtool -R) while it runs.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_WATCH_H
#define CLUSTERD_ADAPTERS_COROSYNC_WATCH_H

#include <qb/qbloop.h>

struct corosync_watch; /* opaque */

/* -ENOMEM, -ENOTCONN. `changed` is called from the loop when a reload is over. */
int corosync_watch_create(qb_loop_t *loop, void (*changed)(void *context), void *context,
                          struct corosync_watch **ret_watch);
void corosync_watch_destroy(struct corosync_watch *watch); /* NULL is fine */

#endif
