/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the server and the way by which clients are connected to it; see ipc/client.h.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_TRANSPORT_H
#define CLUSTERD_ADAPTERS_IPC_TRANSPORT_H

#include "adapters/ipc/requests.h"
#include "adapters/ipc/server.h"
#include "adapters/ipc/sessions.h"

struct ipc_sessions *ipc_server_sessions(struct ipc_server *server);
void ipc_server_enter(struct ipc_server *server, struct ipc_session *session);
/* A request: as it was read (`error` of the reading, 0 or negative), which this finishes. The
 * answer comes by the session's transport, now or later. */
void ipc_server_take(struct ipc_server *server, struct ipc_session *session,
                     struct ipc_request *request, int error, const struct ipc_error *why);
/* The client has gone; the caller frees the session. */
void ipc_server_leave(struct ipc_server *server, struct ipc_session *session);

#endif
