/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connected clients, and sending to them, whatever they are connected by. A client that does
 * not read its messages is disconnected.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_SESSIONS_H
#define CLUSTERD_ADAPTERS_IPC_SESSIONS_H

#include "adapters/ipc/access.h"
#include "adapters/ipc/text.h"
#include "adapters/ipc/users.h"
#include "base/list.h"

#include <jansson.h>
#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

struct ipc_session;

/* How a client is connected. Both texts are borrowed. Results are 0 or negative; after an error the
 * client is disconnected, -ENOBUFS: because it does not read. */
struct ipc_transport {
    int (*answer)(struct ipc_session *session, json_int_t id, struct ipc_text *reply);
    /* `replayed`: one of those that the client has asked for when it subscribed. */
    int (*event)(struct ipc_session *session, struct ipc_text *reply, bool replayed);
    void (*hang_up)(struct ipc_session *session); /* frees the session */
};

/* The first member of what the transport keeps of a client. */
struct ipc_session {
    struct list link;
    const struct ipc_transport *transport;
    enum ipc_access access;
    struct ipc_user *user;
    uint32_t n_pending; /* requests that the core has not answered yet */
    uint32_t n_reads;   /* those of which an answer is outstanding */
    bool subscribed;
    bool connected; /* between created and closed */
    bool doomed;    /* the loop will disconnect it */
};

struct ipc_sessions {
    qb_loop_t *loop;
    struct list list;
    uint32_t n;
    qb_loop_timer_handle doom_timer;
    uint64_t minute; /* of the last complaint, since some time */
    uint32_t n_complaints, n_silent;
};

void ipc_sessions_init(struct ipc_sessions *sessions, qb_loop_t *loop);
void ipc_sessions_finish(struct ipc_sessions *sessions);
void ipc_session_add(struct ipc_sessions *sessions, struct ipc_session *session);
void ipc_session_remove(struct ipc_sessions *sessions, struct ipc_session *session);

/* Logs what clients do wrong: some lines a minute, and how many more there were. Whoever may
 * connect could fill the log otherwise. */
void ipc_sessions_complain(struct ipc_sessions *sessions, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Disconnects the client soon, from a clean stack; `why` is logged. */
void ipc_session_doom(struct ipc_sessions *sessions, struct ipc_session *session, const char *why);

/* All take ownership of `message`, an answer of ipc/json.h or an event. NULL means that memory has
 * run out; the client is disconnected. */
void ipc_session_answer(struct ipc_sessions *sessions, struct ipc_session *session,
                        json_t *message);
void ipc_session_replay(struct ipc_sessions *sessions, struct ipc_session *session,
                        json_t *message);
/* To all subscribers. */
void ipc_sessions_publish(struct ipc_sessions *sessions, json_t *message);
/* An answer that is a reply already; `reply` is borrowed. */
void ipc_session_reply(struct ipc_sessions *sessions, struct ipc_session *session, json_int_t id,
                       struct ipc_text *reply);
bool ipc_sessions_anybody(const struct ipc_sessions *sessions);

#endif
