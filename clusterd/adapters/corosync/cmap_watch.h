/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reports when a running corosync has loaded a new configuration (corosync-cfgtool -R).
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CMAP_WATCH_H
#define CLUSTERD_ADAPTERS_COROSYNC_CMAP_WATCH_H

#include <qb/qbloop.h>

struct corosync_watch; /* opaque */

/*
 * Connects; may block for as long as corosync is stopped. -ENOMEM, -ENOTCONN. The loop that it is
 * attached to calls `changed` when a reload begins and when it ends: corosync_config says which.
 */
int corosync_watch_create(void (*changed)(void *context), void *context,
                          struct corosync_watch **ret_watch);
void corosync_watch_destroy(struct corosync_watch *watch); /* may block; NULL is fine */

/* In the loop's thread; these do not block. NULL is fine for detach. */
int corosync_watch_attach(struct corosync_watch *watch, qb_loop_t *loop);
void corosync_watch_detach(struct corosync_watch *watch);

#endif
