/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server; see ipc/server.h.
 *
 * Transport: shared memory, not datagram sockets. Both notice a killed client by its setup socket,
 * and neither shows a half-written message (a chunk counts only once its header says so). But
 * net.core.wmem_max bounds a datagram: 208 KiB by default, less than one VM's definition may have.
 * The price of shared memory: each connection takes three rings of the client's buffer size, so
 * wire/ipc_limits.h keeps that size small. A client with access could also truncate the file of its
 * rings, and SIGBUS would end this process: access is for trusted users.
 *
 * Most reads are answered at once. A read that shows plans may need a new plan first: then it waits
 * for the core, as changes do. Each request to the core gets a number of the server's own. The
 * answer comes back with that number; the client may have gone by then.
 */
#include "adapters/ipc/server.h"

#include "adapters/clock.h"
#include "adapters/ipc/sessions.h"
#include "adapters/ipc/requests.h"
#include "adapters/ipc/view.h"
#include "adapters/logging.h"
#include "wire/ipc_limits.h"

#include <errno.h>
#include <qb/qbdefs.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SESSIONS 100u
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
    qb_loop_t *loop;
    qb_ipcs_service_t *service;
    struct ipc_groups groups;
    char *admin_group, *reader_group;
    struct ipc_source source;
    struct event_sink sink;
    struct ipc_sessions sessions;
    struct list pendings;
    uint64_t last_id;
};

/* libqb's poll functions pass no context: keep the only loop of this process here. */
static qb_loop_t *ipc_loop;

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

static int32_t on_message(qb_ipcs_connection_t *connection, void *data, size_t size) {
    struct ipc_server *s = qb_ipcs_connection_service_context_get(connection);
    struct ipc_session *session = qb_ipcs_context_get(connection);
    const struct qb_ipc_request_header *header = data;
    struct ipc_request request;
    struct ipc_error error;
    json_t *body = NULL;
    if (size < sizeof(*header) || !session || session->doomed) {
        return 0;
    }
    const char *text = (const char *)data + sizeof(*header);
    int r = ipc_request_parse(text, strnlen(text, size - sizeof(*header)), &request, &error);
    if (r == 0) {
        r = handle(s, session, &request, &body, &error);
    }
    if (r < 0) {
        ipc_session_answer(&s->sessions, session, ipc_answer_error(request.id, &error));
    } else if (body) {
        ipc_session_answer(&s->sessions, session, ipc_answer_ok(request.id, body));
    }
    ipc_request_finish(&request);
    return 0;
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

/* ---- connections ---- */

static int32_t on_accept(qb_ipcs_connection_t *connection, uid_t uid, gid_t gid) {
    struct ipc_server *s = qb_ipcs_connection_service_context_get(connection);
    struct qb_ipcs_connection_stats stats = {0};
    if (s->sessions.n >= MAX_SESSIONS) {
        return -EMFILE;
    }
    if (qb_ipcs_connection_stats_get(connection, &stats, QB_FALSE) < 0) {
        return -EACCES;
    }
    enum ipc_access access = ipc_access_of(&s->groups, stats.client_pid, uid, gid);
    if (access == IPC_ACCESS_NONE) {
        log_info("IPC: user %u (process %d) is refused: not root, and in neither admin_group nor "
                 "reader_group",
                 (unsigned)uid, stats.client_pid);
        return -EACCES;
    }
    struct ipc_session *session = calloc(1, sizeof(*session));
    if (!session) {
        return -ENOMEM;
    }
    session->connection = connection;
    session->access = access;
    qb_ipcs_context_set(connection, session);
    return 0;
}

static void on_created(qb_ipcs_connection_t *connection) {
    struct ipc_server *s = qb_ipcs_connection_service_context_get(connection);
    ipc_session_add(&s->sessions, qb_ipcs_context_get(connection));
}

static int32_t on_closed(qb_ipcs_connection_t *connection) {
    struct ipc_server *s = qb_ipcs_connection_service_context_get(connection);
    struct ipc_session *session = qb_ipcs_context_get(connection);
    if (!session) {
        return 0;
    }
    ipc_session_remove(&s->sessions, session);
    list_for_each (at, &s->pendings) {
        struct pending *p = list_entry(at, struct pending, link);
        if (p->session == session) {
            p->session = NULL;
        }
    }
    return 0;
}

static void on_destroyed(qb_ipcs_connection_t *connection) {
    free(qb_ipcs_context_get(connection));
    qb_ipcs_context_set(connection, NULL);
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn) {
    return qb_loop_job_add(ipc_loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn) {
    return qb_loop_poll_add(ipc_loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn) {
    return qb_loop_poll_mod(ipc_loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd) {
    return qb_loop_poll_del(ipc_loop, fd);
}

static int run_service(struct ipc_server *s, const char *name) {
    static struct qb_ipcs_service_handlers handlers = {.connection_accept = on_accept,
                                                       .connection_created = on_created,
                                                       .msg_process = on_message,
                                                       .connection_closed = on_closed,
                                                       .connection_destroyed = on_destroyed};
    static struct qb_ipcs_poll_handlers poll_handlers = {.job_add = job_add,
                                                         .dispatch_add = dispatch_add,
                                                         .dispatch_mod = dispatch_mod,
                                                         .dispatch_del = dispatch_del};
    s->service = qb_ipcs_create(name, 0, QB_IPC_SHM, &handlers);
    if (!s->service) {
        return -ENOMEM;
    }
    qb_ipcs_service_context_set(s->service, s);
    qb_ipcs_poll_handlers_set(s->service, &poll_handlers);
    int error = qb_ipcs_run(s->service); /* frees the service if it fails */
    if (error < 0) {
        s->service = NULL;
    }
    return error;
}

int ipc_server_create(qb_loop_t *loop, const char *service, const struct ipc_groups *groups,
                      const struct ipc_source *source, struct event_sink sink,
                      struct ipc_server **ret_server) {
    struct ipc_server *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    ipc_loop = loop;
    s->loop = loop;
    s->source = *source;
    s->sink = sink;
    list_init(&s->pendings);
    ipc_sessions_init(&s->sessions, loop);
    s->admin_group = strdup(groups->admin_group);
    s->reader_group = strdup(groups->reader_group);
    s->groups = (struct ipc_groups){s->admin_group, s->reader_group};
    int error = s->admin_group && s->reader_group ? run_service(s, service) : -ENOMEM;
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
    if (s->service) {
        qb_ipcs_destroy(s->service);
    }
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
