/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server: requests of clients in, answers and events out (Varlink on sockets; see
 * ipc/transport.h).
 */
#ifndef CLUSTERD_ADAPTERS_IPC_SERVER_H
#define CLUSTERD_ADAPTERS_IPC_SERVER_H

#include "adapters/sink.h"

#include <qb/qbloop.h>
#include <stdbool.h>

#define IPC_AGENT_PATH 4096

struct ipc_server; /* opaque */

/* What the server needs besides the core. The texts are never NULL; the pointers from `misfit`
 * on may be. */
struct ipc_source {
    const struct core *core;
    const char *(*cluster)(void *context); /* name of the cluster */
    const char *(*waiting)(void *context); /* why the core has not booted yet; "" after boot */
    /* What in corosync's configuration does not fit clusterd.conf since a reload; "": nothing. */
    const char *(*misfit)(void *context);
    /* corosync's list of nodes, if a reload has changed it; "": unchanged since the start. */
    const char *(*list_changed)(void *context);
    /* Whether corosync sends without encrypting, by its present configuration. */
    bool (*ring_in_clear)(void *context);
    /* Whether this node can run that fence agent: 0 or a negative errno. `ret_path`, of
     * IPC_AGENT_PATH bytes, is where it is looked for. */
    int (*find_agent)(void *context, const char *agent, char *ret_path);
    void *context;
};

/* -ENOMEM. Clients come by ipc/socket.h. */
int ipc_server_create(qb_loop_t *loop, const struct ipc_source *source, struct event_sink sink,
                      struct ipc_server **ret_server);
/* No client may be left. NULL is fine. */
void ipc_server_destroy(struct ipc_server *server);

void ipc_server_reply(struct ipc_server *server, const struct core_reply *reply);
/* To all subscribers. */
void ipc_server_event(struct ipc_server *server, const struct model_event *event);
void ipc_server_operation(struct ipc_server *server, uint64_t id);
void ipc_server_progress(struct ipc_server *server, const struct core_progress *progress);

#endif
