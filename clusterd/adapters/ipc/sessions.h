/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connected clients, and sending to them. A client that does not read its messages is
 * disconnected: libqb's rings are the only buffer for a client.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_SESSIONS_H
#define CLUSTERD_ADAPTERS_IPC_SESSIONS_H

#include "adapters/ipc/access.h"
#include "base/list.h"

#include <jansson.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_session {
    struct list link;
    qb_ipcs_connection_t *connection;
    enum ipc_access access;
    uint32_t n_pending; /* requests that the core has not answered yet */
    bool subscribed;
    bool connected; /* between created and closed */
    bool doomed;    /* the loop will disconnect it */
};

struct ipc_sessions {
    qb_loop_t *loop;
    struct list list;
    uint32_t n;
    qb_loop_timer_handle doom_timer;
};

void ipc_sessions_init(struct ipc_sessions *sessions, qb_loop_t *loop);
void ipc_sessions_finish(struct ipc_sessions *sessions);
void ipc_session_add(struct ipc_sessions *sessions, struct ipc_session *session);
void ipc_session_remove(struct ipc_sessions *sessions, struct ipc_session *session);

/* Both take ownership of `message`. NULL means that memory has run out; the client is
 * disconnected. */
void ipc_session_answer(struct ipc_sessions *sessions, struct ipc_session *session,
                        json_t *message);
void ipc_session_event(struct ipc_sessions *sessions, struct ipc_session *session, json_t *message);
/* To all subscribers. */
void ipc_sessions_publish(struct ipc_sessions *sessions, json_t *message);
bool ipc_sessions_anybody(const struct ipc_sessions *sessions);

#endif
