/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients on sockets, which speak Varlink; see ipc/transport.h, ipc/varlink.h and ipc/stream.h.
 *
 * Two sockets, one for each right. The kernel lets only root and the socket's group connect. Who
 * that is is asked of the kernel once more: a descriptor can be handed to somebody else, and a
 * group can lose a member.
 *
 * A client may send further calls before the first one is answered; the replies go in the order of
 * the calls, as Varlink wants it. A subscription occupies its connection until it is closed.
 */
#include "adapters/ipc/transport.h"

#include "adapters/ipc/stream.h"
#include "adapters/ipc/varlink.h"
#include "adapters/logging.h"
#include "wire/ipc_limits.h"
#include "wire/run_dir.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 256
#define CLIENTS_MOST 500u
#define CLIENTS_OF_USER 100u /* of one user; root may have those that nobody else may take, too */
#define CLIENTS_OF_ROOT 50u
#define CALLS_MOST 64u /* of one client, unanswered: the next one is read later */
#define ANSWER_MOST ((size_t)CLUSTERD_IPC_MAX_REPLY + 1)
#define EVENTS_MOST ((size_t)4 << 20)
#define ACCEPT_AGAIN_MS 1000u /* after a failed accept, which would fail again at once */

struct call {
    struct list link;
    json_int_t id;
    bool oneway;
    bool streams; /* more replies follow; it is the only call then */
    char *reply;  /* owned; NULL: not yet known */
};

struct socket_client {
    struct ipc_session session;
    struct list link;
    struct socket_door *door;
    struct stream *stream;
    uid_t uid;
    struct list calls; /* oldest first */
    uint32_t n_calls;
    json_int_t last_id;
};

struct listener {
    struct socket_door *door;
    int fd;
    enum ipc_access access; /* at most */
    qb_loop_timer_handle again_timer;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

struct socket_door {
    struct ipc_server *server;
    qb_loop_t *loop;
    struct listener listeners[2];
    struct list clients;
    uint32_t n;
};

/* ---- calls and replies ---- */

static void call_free(struct socket_client *client, struct call *call) {
    list_remove(&call->link);
    client->n_calls--;
    free(call->reply);
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

/* Sends what is known, in order. */
static int flush(struct socket_client *client) {
    int error = 0;
    while (error == 0 && !list_empty(&client->calls)) {
        struct call *call = list_entry(client->calls.next, struct call, link);
        if (!call->reply) {
            break;
        }
        if (!call->oneway) {
            error = stream_send(client->stream, call->reply, strlen(call->reply), ANSWER_MOST);
        }
        if (call->streams) {
            free(call->reply);
            call->reply = NULL;
            break;
        }
        call_free(client, call);
    }
    bool streams =
        !list_empty(&client->calls) && list_entry(client->calls.next, struct call, link)->streams;
    stream_pause(client->stream, streams || client->n_calls >= CALLS_MOST);
    return error;
}

/* Takes ownership of `reply`. */
static int answer_call(struct socket_client *client, struct call *call, json_t *reply) {
    if (reply && call->streams) {
        (void)json_object_set_new(reply, "continues", json_true());
    }
    call->reply = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    return call->reply ? flush(client) : -ENOMEM;
}

static int answer(struct ipc_session *session, const json_t *message) {
    struct socket_client *client = (struct socket_client *)session;
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    list_for_each (at, &client->calls) {
        struct call *call = list_entry(at, struct call, link);
        if (call->id == id) {
            call->streams = session->subscribed;
            return answer_call(client, call, varlink_reply(message));
        }
    }
    return 0;
}

static int event(struct ipc_session *session, const char *text) {
    struct socket_client *client = (struct socket_client *)session;
    char *reply = NULL;
    int n = asprintf(&reply, "{\"parameters\":%s,\"continues\":true}", text);
    if (n < 0) {
        return -ENOMEM;
    }
    int error = stream_send(client->stream, reply, (size_t)n, EVENTS_MOST);
    free(reply);
    return error == -ENOBUFS ? -EAGAIN : error;
}

/* ---- clients ---- */

static void client_free(struct socket_client *client) {
    ipc_server_leave(client->door->server, &client->session);
    list_remove(&client->link);
    client->door->n--;
    stream_destroy(client->stream);
    list_for_each_safe (at, &client->calls) {
        call_free(client, list_entry(at, struct call, link));
    }
    free(client);
}

static void hang_up(struct ipc_session *session) {
    client_free((struct socket_client *)session);
}

static const struct ipc_transport transport = {
    .answer = answer, .event = event, .hang_up = hang_up};

static void on_ended(void *context, const char *why) {
    struct socket_client *client = context;
    if (why[0]) {
        log_info("IPC: a client of user %u is disconnected: %s", (unsigned)client->uid, why);
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
        return json_pack("{ss}", "error", "org.varlink.service.ExpectedMore");
    }
    if (verb->kind == IPC_SUBSCRIBE && client->n_calls > 1) {
        return json_pack("{ss s{ss ss}}", "error", VARLINK_INTERFACE ".Refused", "parameters",
                         "message", "other calls of this connection are not answered yet", "hint",
                         "subscribe on a connection of its own");
    }
    return NULL;
}

static void on_call(struct socket_client *client, const struct varlink_call *call) {
    struct ipc_server *server = client->door->server;
    const struct ipc_verb *verb = varlink_verb(call->method);
    struct ipc_request request;
    struct ipc_error error;
    struct call *entry = call_add(client, call);
    if (!entry) {
        ipc_server_doom(server, &client->session, "clusterd is out of memory");
        return;
    }
    json_t *reply = own_reply(client, call, verb);
    if (reply || !verb) {
        if (answer_call(client, entry, reply) < 0) {
            ipc_server_doom(server, &client->session, "a reply cannot be sent");
        }
        return;
    }
    int r = ipc_request_take(varlink_request(call, verb, entry->id), &request, &error);
    request.id = entry->id;
    ipc_server_take(server, &client->session, &request, r, &error);
    stream_pause(client->stream, client->session.subscribed || client->n_calls >= CALLS_MOST);
}

static void on_message(void *context, const char *text, size_t n) {
    struct socket_client *client = context;
    struct varlink_call call;
    if (client->session.doomed) {
        return;
    }
    if (varlink_call_parse(text, n, &call) < 0) {
        ipc_server_doom(client->door->server, &client->session, "what it sent is no Varlink call");
    } else {
        on_call(client, &call);
    }
    varlink_call_finish(&call);
}

/* ---- connections ---- */

static uint32_t clients_of(const struct socket_door *door, uid_t uid) {
    uint32_t n = 0;
    for (const struct list *at = door->clients.next; at != &door->clients; at = at->next) {
        n += list_entry((uintptr_t)at, struct socket_client, link)->uid == uid;
    }
    return n;
}

/* Nobody can take the connections of others, and least of all those of root. */
static bool is_full(const struct socket_door *door, uid_t uid) {
    if (uid == 0) {
        return door->n >= CLIENTS_MOST;
    }
    return door->n >= CLIENTS_MOST - CLIENTS_OF_ROOT || clients_of(door, uid) >= CLIENTS_OF_USER;
}

/* It reads this as the answer to its first call. */
static void refuse(int fd, const char *error, const char *message, const char *hint) {
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "{\"error\":\"" VARLINK_INTERFACE ".%s\",\"parameters\":"
                     "{\"message\":\"%s\",\"hint\":\"%s\"}}",
                     error, message, hint);
    (void)send(fd, text, (size_t)n + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

static void client_create(struct socket_door *door, int fd, uid_t uid, enum ipc_access access) {
    struct socket_client *client = calloc(1, sizeof(*client));
    const struct stream_handlers handlers = {
        .message = on_message, .ended = on_ended, .context = client};
    if (!client) {
        (void)close(fd);
        return;
    }
    *client = (struct socket_client){.door = door, .uid = uid};
    client->session.transport = &transport;
    client->session.access = access;
    list_init(&client->calls);
    if (stream_create(door->loop, fd, &handlers, &client->stream) < 0) {
        free(client);
        return;
    }
    list_append(&door->clients, &client->link);
    door->n++;
    ipc_server_enter(door->server, &client->session);
}

static void admit(const struct listener *listener, int fd) {
    struct ucred peer;
    socklen_t n = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
        (void)close(fd);
        return;
    }
    enum ipc_access access =
        ipc_server_access(listener->door->server, peer.pid, peer.uid, peer.gid);
    access = access > listener->access ? listener->access : access;
    if (access == IPC_ACCESS_NONE) {
        refuse(fd, "Permission", "clusterd does not accept this user",
               "become root, or join a group that clusterd.conf names (admin_group, "
               "reader_group)");
    } else if (is_full(listener->door, peer.uid)) {
        refuse(fd, "Refused", "too many clients are connected to clusterd on this node",
               "end some of them, such as clusterctl status --watch");
    } else {
        client_create(listener->door, fd, peer.uid, access);
    }
}

static int32_t on_connect(int32_t fd, int32_t revents, void *data);

static void accept_again(void *data) {
    struct listener *listener = data;
    listener->again_timer = 0;
    (void)qb_loop_poll_mod(listener->door->loop, QB_LOOP_MED, listener->fd, POLLIN, listener,
                           on_connect);
}

/* Without descriptors the loop must not turn for this one for ever. */
static void accept_later(struct listener *listener, int error) {
    struct socket_door *door = listener->door;
    log_warning("IPC: a client cannot be accepted: %s; the next try is in a second",
                strerror(error));
    if (qb_loop_timer_add(door->loop, QB_LOOP_LOW, (uint64_t)ACCEPT_AGAIN_MS * QB_TIME_NS_IN_MSEC,
                          listener, accept_again, &listener->again_timer) == 0) {
        (void)qb_loop_poll_mod(door->loop, QB_LOOP_MED, listener->fd, 0, listener, on_connect);
    }
}

static int32_t on_connect(int32_t fd, int32_t revents, void *data) {
    struct listener *listener = data;
    (void)revents;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) {
        admit(listener, client);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        accept_later(listener, errno);
    }
    return 0;
}

/* ---- listening ---- */

/* Not connectable by anybody else before its group and mode are right: it does not listen yet. */
static int open_socket(struct listener *listener, const char *group) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gid_t gid = 0;
    bool shared = ipc_find_group(group, &gid);
    memcpy(address.sun_path, listener->path, sizeof(address.sun_path));
    if (unlink(listener->path) < 0 && errno != ENOENT) {
        return -errno;
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 ||
        bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        (shared && chown(listener->path, (uid_t)-1, gid) < 0) ||
        chmod(listener->path, shared ? 0660 : 0600) < 0 || listen(listener->fd, BACKLOG) < 0) {
        return -errno;
    }
    return 0;
}

static int listener_open(struct socket_door *door, struct listener *listener, const char *directory,
                         const char *group) {
    bool reads = listener->access == IPC_ACCESS_READ;
    int n = snprintf(listener->path, sizeof(listener->path), "%s/%s", directory,
                     reads ? RUN_DIR_READ_SOCKET : RUN_DIR_SOCKET);
    if (n < 0 || (size_t)n >= sizeof(listener->path)) {
        return -ENAMETOOLONG;
    }
    int error = open_socket(listener, group);
    if (error == 0) {
        error =
            qb_loop_poll_add(door->loop, QB_LOOP_MED, listener->fd, POLLIN, listener, on_connect);
    }
    if (error < 0) {
        log_error("IPC: %s cannot be opened: %s", listener->path, strerror(-error));
    }
    return error;
}

int socket_door_open(struct ipc_server *server, qb_loop_t *loop, const char *directory,
                     const struct ipc_groups *groups, struct socket_door **ret_door) {
    struct socket_door *door = calloc(1, sizeof(*door));
    if (!door) {
        return -ENOMEM;
    }
    *door = (struct socket_door){.server = server, .loop = loop};
    list_init(&door->clients);
    door->listeners[0] = (struct listener){.door = door, .fd = -1, .access = IPC_ACCESS_CHANGE};
    door->listeners[1] = (struct listener){.door = door, .fd = -1, .access = IPC_ACCESS_READ};
    int error = listener_open(door, &door->listeners[0], directory, groups->admin_group);
    error = error < 0 ? error
                      : listener_open(door, &door->listeners[1], directory, groups->reader_group);
    if (error < 0) {
        socket_door_close(door);
        return error;
    }
    *ret_door = door;
    return 0;
}

static void listener_close(struct listener *listener) {
    if (listener->fd < 0) {
        return;
    }
    if (listener->again_timer) {
        (void)qb_loop_timer_del(listener->door->loop, listener->again_timer);
    }
    (void)qb_loop_poll_del(listener->door->loop, listener->fd);
    (void)close(listener->fd);
    (void)unlink(listener->path);
}

void socket_door_close(struct socket_door *door) {
    if (!door) {
        return;
    }
    list_for_each_safe (at, &door->clients) {
        client_free(list_entry(at, struct socket_client, link));
    }
    listener_close(&door->listeners[0]);
    listener_close(&door->listeners[1]);
    free(door);
}
