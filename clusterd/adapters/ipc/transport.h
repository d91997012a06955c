/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the server and the way by which clients are connected to it: sockets (socket.c).
 */
#ifndef CLUSTERD_ADAPTERS_IPC_TRANSPORT_H
#define CLUSTERD_ADAPTERS_IPC_TRANSPORT_H

#include "adapters/ipc/requests.h"
#include "adapters/ipc/server.h"
#include "adapters/ipc/sessions.h"

#include <sys/types.h>

/* What the groups of clusterd.conf give to that process; a refusal is logged. */
enum ipc_access ipc_server_access(struct ipc_server *server, pid_t pid, uid_t uid, gid_t gid);
struct ipc_sessions *ipc_server_sessions(struct ipc_server *server);
void ipc_server_enter(struct ipc_server *server, struct ipc_session *session);
/* A request: as it was read (`error` of the reading, 0 or negative), which this finishes. The
 * answer comes by the session's transport, now or later. */
void ipc_server_take(struct ipc_server *server, struct ipc_session *session,
                     struct ipc_request *request, int error, const struct ipc_error *why);
/* The client has gone; the caller frees the session. */
void ipc_server_leave(struct ipc_server *server, struct ipc_session *session);
/* ---- sockets ---- */

struct socket_door;

/* Listens as DIRECTORY/io.clusterd for administrators and DIRECTORY/io.clusterd.read for readers:
 * each is open for its group, and the kernel decides who may connect. Only root may be able to
 * write to the directory. */
int socket_door_open(struct ipc_server *server, qb_loop_t *loop, const char *directory,
                     const struct ipc_groups *groups, struct socket_door **ret_door);
/* As above; removes the sockets. */
void socket_door_close(struct socket_door *door);

#endif
