/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients on sockets, which speak Varlink; see ipc/varlink.h and ipc/stream.h.
 *
 * A client may send further calls before the first one is answered; the replies go in the order of
 * the calls, as Varlink wants it. Calls that change something are carried out meanwhile; a read
 * occupies its connection until it is answered, and a subscription until the client hangs up.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_CLIENT_H
#define CLUSTERD_ADAPTERS_IPC_CLIENT_H

#include "adapters/ipc/access.h"
#include "adapters/ipc/server.h"
#include "adapters/ipc/users.h"

#include <qb/qbloop.h>
#include <sys/types.h>

struct socket_clients {
    struct ipc_server *server;
    qb_loop_t *loop;
    struct ipc_users users;
    struct list list;
};

void socket_clients_init(struct socket_clients *clients, struct ipc_server *server,
                         qb_loop_t *loop);
/* Disconnects all. */
void socket_clients_finish(struct socket_clients *clients);

/* Takes `fd` over, and closes it if there is no memory. */
void socket_client_create(struct socket_clients *clients, int fd, uid_t uid,
                          enum ipc_access access);

#endif
