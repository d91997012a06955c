/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server; see ipc/server.h. How clients are connected: ipc/transport.h.
 *
 * Most reads are answered at once. A read that shows plans may need a new plan first: then it waits
 * for the core, as changes do. Each request to the core gets a number of the server's own. The
 * answer comes back with that number; the client may have gone by then.
 */
#include "adapters/ipc/server.h"

#include "adapters/clock.h"
#include "adapters/ipc/transport.h"
#include "adapters/ipc/view.h"
#include "adapters/logging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PENDING 64u /* of one client */

struct pending {
    struct list link;
    uint64_t id;
    json_int_t client_id;
    struct ipc_session *session; /* NULL: the client has gone */
    bool reads;                  /* `request` is answered from the model when the core says so */
    struct ipc_request request;  /* owned if it is a read */
};

struct ipc_server {
    struct socket_door *socket_door;
    struct ipc_groups groups;
    char *admin_group, *reader_group;
    struct ipc_source source;
    struct event_sink sink;
    struct ipc_sessions sessions;
    struct list pendings;
    uint64_t last_id;
};

/* ---- requests ---- */

static void view_init(const struct ipc_server *s, const struct ipc_session *session,
                      struct arena *arena, struct ipc_view *ret_view) {
    *ret_view = (struct ipc_view){
        .model = core_model(s->source.core),
        .cluster = s->source.cluster(s->source.context),
        .core = s->source.core,
        .secrets = session->access >= IPC_ACCESS_CHANGE,
        .waiting = s->source.waiting(s->source.context),
        .misfit = s->source.misfit ? s->source.misfit(s->source.context) : "",
        .list_changed = s->source.list_changed ? s->source.list_changed(s->source.context) : "",
        .ring_in_clear = s->source.ring_in_clear && s->source.ring_in_clear(s->source.context),
        .wall_ms = clock_wall_ms(),
        .arena = arena};
    core_get_status(s->source.core, &ret_view->status);
    core_get_outlook(s->source.core, &ret_view->outlook);
}

/* Hands a request to the core; ipc_server_reply() brings the answer. A read is kept until then. */
static int forward(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                   struct ipc_error *error) {
    struct core_event event = {.type = CORE_EVENT_REQUEST};
    if (session->n_pending >= MAX_PENDING) {
        return ipc_fail(error, "refused", "wait for the answers",
                        "%u requests of this client are unanswered", session->n_pending);
    }
    struct pending *pending = calloc(1, sizeof(*pending));
    if (!pending) {
        return ipc_fail(error, "failed", "", "clusterd is out of memory");
    }
    pending->id = ++s->last_id;
    pending->client_id = request->id;
    pending->session = session;
    session->n_pending++;
    list_append(&s->pendings, &pending->link);
    event.request.id = pending->id;
    if (request->verb->kind == IPC_READ) {
        event.request.kind = REQUEST_OUTLOOK;
        pending->reads = true;
        ipc_request_move(&pending->request, request);
    } else if (request->verb->kind == IPC_DEVICE_TEST) {
        event.request.kind = REQUEST_DEVICE_TEST;
        event.request.device = request->args.name;
        event.request.node = request->args.node;
    } else {
        event.request.kind = request->verb->kind == IPC_PREDICT ? REQUEST_PREDICT : REQUEST_COMMAND;
        event.request.command = request->verb->what;
        event.request.value = request->command;
    }
    sink_post(&s->sink, &event);
    return 0;
}

/* A change. 0 and *ret_body for a dry run; 0 and NULL if the core will answer. */
static int change(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                  json_t **ret_body, struct ipc_error *error) {
    struct ipc_view view;
    view_init(s, session, &request->arena, &view);
    if (view.waiting[0]) {
        return ipc_fail(error, "no-quorum", "systemctl status corosync",
                        "this node has not joined the cluster: %s", view.waiting);
    }
    if (!request->dry_run) {
        return forward(s, session, request, error);
    }
    if (!view.status.usable) {
        return ipc_fail(error, "no-quorum", "", "no plan without a usable view: %s",
                        view.status.reason);
    }
    if (request->verb->what == COMMAND_NODE_DRAIN) {
        const struct cmd_node_drain *drain = request->command;
        return plan_drain(&view, drain->node, ret_body, error);
    }
    return plan_move(&view, request->command, ret_body, error);
}

static int read_now(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                    json_t **ret_body, struct ipc_error *error) {
    struct ipc_view view;
    view_init(s, session, &request->arena, &view);
    *ret_body = ipc_read(&view, request, error);
    return *ret_body ? 0 : -EINVAL;
}

static void subscribe(struct ipc_server *s, struct ipc_session *session,
                      const struct ipc_request *request) {
    const struct model *m = core_model(s->source.core);
    session->subscribed = true;
    ipc_session_answer(&s->sessions, session, ipc_answer_ok(request->id, NULL));
    if (!request->args.has_since) {
        return;
    }
    MODEL_EACH(model_event, event, &m->events) {
        if (event->seq > request->args.since) {
            ipc_session_event(&s->sessions, session,
                              json_pack("{so}", "event", render_event(event)));
        }
    }
}

static int handle(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                  json_t **ret_body, struct ipc_error *error) {
    bool changes = request->verb->kind == IPC_CHANGE && !request->dry_run;
    bool measures = request->verb->kind == IPC_DEVICE_TEST || request->verb->kind == IPC_PREDICT;
    if ((changes || measures) && session->access < IPC_ACCESS_CHANGE) {
        return ipc_fail(error, "permission",
                        "become root, or join the group that admin_group in clusterd.conf names",
                        "%s: you may only read", request->verb->name);
    }
    switch (request->verb->kind) {
    case IPC_READ:
        if (ipc_read_shows_outlook(request) && !core_outlook_is_known(s->source.core)) {
            return forward(s, session, request, error);
        }
        return read_now(s, session, request, ret_body, error);
    case IPC_CHANGE: return change(s, session, request, ret_body, error);
    case IPC_PREDICT:
    case IPC_DEVICE_TEST: return forward(s, session, request, error);
    case IPC_SUBSCRIBE: subscribe(s, session, request); return 0;
    }
    return -EINVAL;
}

void ipc_server_take(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                     int r, const struct ipc_error *why) {
    struct ipc_error error;
    json_t *body = NULL;
    if (r < 0) {
        error = *why;
    } else {
        r = handle(s, session, request, &body, &error);
    }
    if (r < 0) {
        ipc_session_answer(&s->sessions, session, ipc_answer_error(request->id, &error));
    } else if (body) {
        ipc_session_answer(&s->sessions, session, ipc_answer_ok(request->id, body));
    }
    ipc_request_finish(request);
}

/* ---- from the core ---- */

static void pending_free(struct pending *pending) {
    if (pending->reads) {
        ipc_request_finish(&pending->request);
    }
    free(pending);
}

/* The answer to a read that waited for the outlook. */
static json_t *answer_read(struct ipc_server *s, struct pending *pending) {
    struct ipc_error error;
    json_t *body = NULL;
    int r = read_now(s, pending->session, &pending->request, &body, &error);
    return r < 0 ? ipc_answer_error(pending->client_id, &error)
                 : ipc_answer_ok(pending->client_id, body);
}

void ipc_server_reply(struct ipc_server *s, const struct core_reply *reply) {
    struct pending *pending = NULL;
    list_for_each (at, &s->pendings) {
        struct pending *p = list_entry(at, struct pending, link);
        if (p->id == reply->id) {
            pending = p;
            break;
        }
    }
    if (!pending) {
        return;
    }
    list_remove(&pending->link);
    if (pending->session) {
        pending->session->n_pending--;
        ipc_session_answer(&s->sessions, pending->session,
                           pending->reads ? answer_read(s, pending)
                                          : ipc_answer_reply(pending->client_id, reply));
    }
    pending_free(pending);
}

void ipc_server_event(struct ipc_server *s, const struct model_event *event) {
    if (ipc_sessions_anybody(&s->sessions)) {
        ipc_sessions_publish(&s->sessions, json_pack("{so}", "event", render_event(event)));
    }
}

void ipc_server_operation(struct ipc_server *s, uint64_t id) {
    const struct model *m = core_model(s->source.core);
    const struct model_operation *operation = model_operation_by_id(m, id);
    if (operation && ipc_sessions_anybody(&s->sessions)) {
        ipc_sessions_publish(&s->sessions,
                             json_pack("{so}", "operation", render_operation(m, operation)));
    }
}

void ipc_server_progress(struct ipc_server *s, const struct core_progress *progress) {
    if (ipc_sessions_anybody(&s->sessions)) {
        ipc_sessions_publish(&s->sessions,
                             json_pack("{so}", "progress",
                                       render_progress(core_model(s->source.core), progress)));
    }
}

/* ---- for the transports ---- */

enum ipc_access ipc_server_access(const struct ipc_server *s, pid_t pid, uid_t uid, gid_t gid) {
    enum ipc_access access = ipc_access_of(&s->groups, pid, uid, gid);
    if (access == IPC_ACCESS_NONE) {
        log_info("IPC: user %u (process %d) is refused: not root, and in neither admin_group nor "
                 "reader_group",
                 (unsigned)uid, (int)pid);
    }
    return access;
}

const struct ipc_sessions *ipc_server_sessions(const struct ipc_server *s) {
    return &s->sessions;
}

void ipc_server_enter(struct ipc_server *s, struct ipc_session *session) {
    ipc_session_add(&s->sessions, session);
}

void ipc_server_leave(struct ipc_server *s, struct ipc_session *session) {
    ipc_session_remove(&s->sessions, session);
    list_for_each (at, &s->pendings) {
        struct pending *p = list_entry(at, struct pending, link);
        if (p->session == session) {
            p->session = NULL;
        }
    }
}

void ipc_server_doom(struct ipc_server *s, struct ipc_session *session, const char *why) {
    ipc_session_doom(&s->sessions, session, why);
}

/* ---- life ---- */

int ipc_server_create(qb_loop_t *loop, const char *directory, const struct ipc_groups *groups,
                      const struct ipc_source *source, struct event_sink sink,
                      struct ipc_server **ret_server) {
    struct ipc_server *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->source = *source;
    s->sink = sink;
    list_init(&s->pendings);
    ipc_sessions_init(&s->sessions, loop);
    s->admin_group = strdup(groups->admin_group);
    s->reader_group = strdup(groups->reader_group);
    s->groups = (struct ipc_groups){s->admin_group, s->reader_group};
    int error = s->admin_group && s->reader_group ? 0 : -ENOMEM;
    error = error < 0 ? error : socket_door_open(s, loop, directory, &s->groups, &s->socket_door);
    if (error < 0) {
        ipc_server_destroy(s);
        return error;
    }
    *ret_server = s;
    return 0;
}

void ipc_server_destroy(struct ipc_server *s) {
    if (!s) {
        return;
    }
    socket_door_close(s->socket_door);
    ipc_sessions_finish(&s->sessions);
    while (!list_empty(&s->pendings)) {
        struct pending *p = list_entry(s->pendings.next, struct pending, link);
        list_remove(&p->link);
        pending_free(p);
    }
    free(s->admin_group);
    free(s->reader_group);
    free(s);
}
