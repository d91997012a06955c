/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connected clients, and sending to them, whatever they are connected by. A client that does
 * not read its messages is disconnected.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_SESSIONS_H
#define CLUSTERD_ADAPTERS_IPC_SESSIONS_H

#include "adapters/ipc/access.h"
#include "base/list.h"

#include <jansson.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_session;

/* How a client is connected. Results are 0 or negative; after an error the client is disconnected,
 * -EAGAIN: because it does not read. */
struct ipc_transport {
    int (*answer)(struct ipc_session *session, const json_t *message);
    int (*event)(struct ipc_session *session, const char *text);
    void (*hang_up)(struct ipc_session *session); /* frees the session */
};

/* The first member of what the transport keeps of a client. */
struct ipc_session {
    struct list link;
    const struct ipc_transport *transport;
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

/* Disconnects the client soon, from a clean stack; `why` is logged. */
void ipc_session_doom(struct ipc_sessions *sessions, struct ipc_session *session, const char *why);

/* Both take ownership of `message`. NULL means that memory has run out; the client is
 * disconnected. */
void ipc_session_answer(struct ipc_sessions *sessions, struct ipc_session *session,
                        json_t *message);
void ipc_session_event(struct ipc_sessions *sessions, struct ipc_session *session, json_t *message);
/* To all subscribers. */
void ipc_sessions_publish(struct ipc_sessions *sessions, json_t *message);
bool ipc_sessions_anybody(const struct ipc_sessions *sessions);

#endif
