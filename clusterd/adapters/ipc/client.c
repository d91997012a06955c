/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients on sockets. See ipc/client.h. */
#include "adapters/ipc/client.h"

#include "adapters/ipc/stream.h"
#include "adapters/ipc/transport.h"
#include "adapters/ipc/varlink.h"
#include "wire/ipc_limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALLS_MOST 64u               /* of one client, unanswered: the next one is read later */
#define KEPT_MOST ((size_t)64 << 10) /* bytes of replies that wait for earlier ones; likewise */
#define EVENTS_MOST ((size_t)4 << 20)

struct call {
    struct list link;
    json_int_t id;
    bool oneway;
    bool streams;           /* more replies follow; it is the only call then */
    struct ipc_text *reply; /* a reference; NULL: not yet known */
};

struct socket_client {
    struct ipc_session session;
    struct list link;
    struct socket_clients *clients;
    struct stream *stream;
    struct list calls; /* oldest first */
    uint32_t n_calls;
    size_t kept; /* bytes of known replies in `calls` */
    json_int_t last_id;
};

/* ---- calls and replies ---- */

static void call_free(struct socket_client *client, struct call *call) {
    list_remove(&call->link);
    client->n_calls--;
    client->kept -= call->reply ? call->reply->size : 0;
    ipc_text_release(call->reply);
    free(call);
}

static struct call *call_add(struct socket_client *client, const struct varlink_call *from) {
    struct call *call = calloc(1, sizeof(*call));
    if (call) {
        call->id = ++client->last_id;
        call->oneway = from->oneway;
        list_append(&client->calls, &call->link);
        client->n_calls++;
    }
    return call;
}

/* Whether the client's next call has to wait. */
static void pause_if_busy(struct socket_client *client) {
    const struct ipc_session *session = &client->session;
    stream_pause(client->stream, session->subscribed || session->n_reads > 0 ||
                                     client->n_calls >= CALLS_MOST || client->kept > KEPT_MOST);
}

/* Sends what is known, in order. */
static int flush(struct socket_client *client) {
    int error = 0;
    while (error == 0 && !list_empty(&client->calls)) {
        struct call *call = list_entry(client->calls.next, struct call, link);
        if (!call->reply) {
            break;
        }
        if (!call->oneway) {
            error = stream_answer(client->stream, call->reply);
        }
        if (call->streams) {
            client->kept -= call->reply->size;
            ipc_text_release(call->reply);
            call->reply = NULL;
            break;
        }
        call_free(client, call);
    }
    pause_if_busy(client);
    return error;
}

static int answer_call(struct socket_client *client, struct call *call, struct ipc_text *reply) {
    call->reply = ipc_text_hold(reply);
    client->kept += reply->size;
    return flush(client);
}

static int answer(struct ipc_session *session, json_int_t id, struct ipc_text *reply) {
    struct socket_client *client = (struct socket_client *)session;
    list_for_each (at, &client->calls) {
        struct call *call = list_entry(at, struct call, link);
        if (call->id == id) {
            call->streams = session->subscribed;
            return answer_call(client, call, reply);
        }
    }
    return 0;
}

/* What it has asked for is as an answer, of any size; of what happens it must not fall behind. */
static int event(struct ipc_session *session, struct ipc_text *reply, bool replayed) {
    struct socket_client *client = (struct socket_client *)session;
    return replayed ? stream_answer_later(client->stream, reply)
                    : stream_event(client->stream, reply, EVENTS_MOST);
}

/* ---- clients ---- */

static void client_free(struct socket_client *client) {
    ipc_server_leave(client->clients->server, &client->session);
    list_remove(&client->link);
    stream_destroy(client->stream);
    list_for_each_safe (at, &client->calls) {
        call_free(client, list_entry(at, struct call, link));
    }
    ipc_users_leave(&client->clients->users, client->session.user);
    free(client);
}

static void hang_up(struct ipc_session *session) {
    client_free((struct socket_client *)session);
}

static const struct ipc_transport transport = {
    .answer = answer, .event = event, .hang_up = hang_up};

static struct ipc_sessions *sessions_of(const struct socket_client *client) {
    return ipc_server_sessions(client->clients->server);
}

static void doom(struct socket_client *client, const char *why) {
    ipc_session_doom(sessions_of(client), &client->session, why);
}

static void on_ended(void *context, const char *why) {
    struct socket_client *client = context;
    if (why[0]) {
        ipc_sessions_complain(sessions_of(client), "a client of user %u is disconnected: %s",
                              (unsigned)client->session.user->uid, why);
    }
    client_free(client);
}

/* A reply for calls that are none of the server's; NULL: the server answers. */
static json_t *own_reply(const struct socket_client *client, const struct varlink_call *call,
                         const struct ipc_verb *verb) {
    if (!verb) {
        return varlink_service(call);
    }
    if (verb->kind == IPC_SUBSCRIBE && !call->more) {
        return json_pack("{ss s{}}", "error", "org.varlink.service.ExpectedMore", "parameters");
    }
    if (verb->kind == IPC_SUBSCRIBE && client->n_calls > 1) {
        return json_pack("{ss s{ss ss}}", "error", VARLINK_INTERFACE ".Refused", "parameters",
                         "message", "other calls of this connection are not answered yet", "hint",
                         "subscribe on a connection of its own");
    }
    return NULL;
}

static void reply_to(struct socket_client *client, struct call *call, json_t *json) {
    struct ipc_text *reply = ipc_text_dump(json);
    if (!reply || answer_call(client, call, reply) < 0) {
        doom(client, "a reply cannot be sent");
    }
    ipc_text_release(reply);
}

static void on_call(struct socket_client *client, const struct varlink_call *call) {
    const struct ipc_verb *verb = varlink_verb(call->method);
    struct ipc_request request;
    struct ipc_error error;
    struct call *entry = call_add(client, call);
    if (!entry) {
        doom(client, "clusterd is out of memory");
        return;
    }
    json_t *reply = own_reply(client, call, verb);
    if (reply || !verb) {
        reply_to(client, entry, reply);
        return;
    }
    json_int_t id = entry->id;
    int r = ipc_request_take(varlink_request(call, verb, id), &request, &error);
    request.id = id;
    ipc_server_take(client->clients->server, &client->session, &request, r, &error);
    pause_if_busy(client);
}

static void on_message(void *context, const char *text, size_t n) {
    struct socket_client *client = context;
    struct varlink_call call;
    if (client->session.doomed) {
        return;
    }
    if (varlink_call_parse(text, n, &call) < 0) {
        doom(client, "what it sent is no Varlink call");
    } else {
        on_call(client, &call);
    }
    varlink_call_finish(&call);
}

static bool owes(void *context) {
    return ((const struct socket_client *)context)->n_calls > 0;
}

void socket_client_create(struct socket_clients *clients, int fd, uid_t uid,
                          enum ipc_access access) {
    struct socket_client *client = calloc(1, sizeof(*client));
    struct ipc_user *user = client ? ipc_users_enter(&clients->users, uid) : NULL;
    if (!user) {
        free(client);
        (void)close(fd);
        return;
    }
    bool changes = access >= IPC_ACCESS_CHANGE;
    const struct stream_owner owner = {.message = on_message,
                                       .ended = on_ended,
                                       .owes = owes,
                                       .context = client,
                                       .request_most = changes ? CLUSTERD_IPC_MAX_REQUEST
                                                               : CLUSTERD_IPC_MAX_READ,
                                       .unread_ms = STREAM_UNREAD_MS,
                                       .budget = &user->budget};
    *client = (struct socket_client){
        .clients = clients, .session = {.transport = &transport, .access = access, .user = user}};
    list_init(&client->calls);
    if (stream_create(clients->loop, fd, &owner, &client->stream) < 0) {
        ipc_users_leave(&clients->users, user);
        free(client);
        return;
    }
    list_append(&clients->list, &client->link);
    ipc_server_enter(clients->server, &client->session);
}

void socket_clients_init(struct socket_clients *clients, struct ipc_server *server,
                         qb_loop_t *loop) {
    *clients = (struct socket_clients){.server = server, .loop = loop};
    list_init(&clients->list);
    ipc_users_init(&clients->users);
}

void socket_clients_finish(struct socket_clients *clients) {
    list_for_each_safe (at, &clients->list) {
        client_free(list_entry(at, struct socket_client, link));
    }
}
