/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reports when a running corosync has loaded a new configuration (corosync-cfgtool -R).
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CMAP_WATCH_H
#define CLUSTERD_ADAPTERS_COROSYNC_CMAP_WATCH_H

#include <qb/qbloop.h>

struct corosync_watch; /* opaque */

/* -ENOMEM, -ENOTCONN. The loop calls `changed` after a reload. */
int corosync_watch_create(qb_loop_t *loop, void (*changed)(void *context), void *context,
                          struct corosync_watch **ret_watch);
void corosync_watch_destroy(struct corosync_watch *watch); /* NULL is fine */

#endif
