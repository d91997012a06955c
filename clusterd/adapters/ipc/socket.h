/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets on which clients connect: DIRECTORY/io.clusterd for administrators and
 * DIRECTORY/io.clusterd.read for readers. Each is open for its group, and the kernel decides who
 * may connect.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_SOCKET_H
#define CLUSTERD_ADAPTERS_IPC_SOCKET_H

#include "adapters/ipc/access.h"
#include "adapters/ipc/server.h"

#include <qb/qbloop.h>

struct socket_door; /* opaque */

/* Only root may be able to write to `directory`. The group names are copied; the server lives
 * longer than the door. Errors are logged: -ENOMEM, -ENAMETOOLONG or what the kernel says. */
int socket_door_open(struct ipc_server *server, qb_loop_t *loop, const char *directory,
                     const struct ipc_groups *groups, struct socket_door **ret_door);
/* Disconnects all clients and removes the sockets. NULL is fine. */
void socket_door_close(struct socket_door *door);

#endif
