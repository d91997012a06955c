/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server; see ipc/server.h. How clients are connected: ipc/transport.h.
 *
 * Reads, dry runs among them, wait for their turn (ipc/reads.h). A read that shows plans may need a
 * new plan first: then it waits for the core, as changes do. Each request to the core gets a number
 * of the server's own. The answer comes back with that number; the client may have gone by then.
 */
#include "adapters/ipc/server.h"

#include "adapters/clock.h"
#include "adapters/ipc/reads.h"
#include "adapters/ipc/transport.h"
#include "adapters/ipc/varlink.h"
#include "adapters/ipc/view.h"
#include "base/hash.h"
#include "core/model/fence_devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PENDING 64u /* of one client */

struct pending {
    struct list link;
    uint64_t id;
    json_int_t client_id;
    struct ipc_session *session; /* NULL: the client has gone */
    struct ipc_read *read;       /* owned: it has its turn when the core says so; or NULL */
};

struct ipc_server {
    struct ipc_source source;
    struct event_sink sink;
    struct ipc_sessions sessions;
    struct ipc_reads reads;
    struct ipc_digest digest;
    struct list pendings;
    uint64_t last_id;
};

/* ---- requests ---- */

static void view_init(struct ipc_server *s, const struct ipc_session *session, struct arena *arena,
                      struct ipc_view *ret_view) {
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
        .digest = &s->digest,
        .arena = arena};
    core_get_status(s->source.core, &ret_view->status);
    core_get_outlook(s->source.core, &ret_view->outlook);
}

static struct pending *pending_add(struct ipc_server *s, struct ipc_session *session,
                                   json_int_t client_id) {
    struct pending *pending = calloc(1, sizeof(*pending));
    if (pending) {
        pending->id = ++s->last_id;
        pending->client_id = client_id;
        pending->session = session;
        session->n_pending++;
        list_append(&s->pendings, &pending->link);
    }
    return pending;
}

/* An agent that is not here is a fence device that fails when it is needed. The core looks at its
 * name, and at no file. */
static int check_agent(const struct ipc_server *s, const struct ipc_request *request,
                       struct ipc_error *error) {
    const struct cmd_device_add *add = request->command;
    char path[IPC_AGENT_PATH];
    if (request->verb->kind != IPC_CHANGE || request->verb->what != COMMAND_DEVICE_ADD ||
        !s->source.find_agent || !devices_agent_is_name(add->agent)) {
        return 0;
    }
    int missing = s->source.find_agent(s->source.context, add->agent, path);
    return missing < 0
               ? ipc_fail(error, "refused",
                          "install it on all nodes, because any of them may have to fence (Debian: "
                          "package fence-agents)",
                          "this node has no fence agent %s: %s", path, strerror(-missing))
               : 0;
}

/* Hands a request to the core; ipc_server_reply() brings the answer. */
static int forward(struct ipc_server *s, struct ipc_session *session,
                   const struct ipc_request *request, struct ipc_error *error) {
    struct core_event event = {.type = CORE_EVENT_REQUEST};
    const char *waiting = s->source.waiting(s->source.context);
    if (waiting[0]) {
        return ipc_fail(error, "no-quorum", IPC_WAITING_TODO,
                        "this node has not joined the cluster: %s", waiting);
    }
    if (session->n_pending >= MAX_PENDING) {
        return ipc_fail(error, "refused", "wait for the answers",
                        "%u requests of this client are unanswered", session->n_pending);
    }
    int refused = check_agent(s, request, error);
    if (refused < 0) {
        return refused;
    }
    const struct pending *pending = pending_add(s, session, request->id);
    if (!pending) {
        return ipc_fail(error, "failed", "", "clusterd is out of memory");
    }
    event.request.id = pending->id;
    event.request.asker = (uint64_t)session->user->uid + 1;
    event.request.user = session->user->name;
    if (request->verb->kind == IPC_DEVICE_TEST) {
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

/* Takes the request over. */
static int read_later(struct ipc_server *s, struct ipc_session *session,
                      struct ipc_request *request, struct ipc_error *error) {
    struct ipc_read *read = calloc(1, sizeof(*read));
    if (!read) {
        return ipc_fail(error, "failed", "", "clusterd is out of memory");
    }
    *read = (struct ipc_read){.session = session, .id = request->id};
    ipc_request_move(&read->request, request);
    session->n_reads++;
    ipc_reads_add(&s->reads, read);
    return 0;
}

static void subscribe(struct ipc_server *s, struct ipc_session *session,
                      const struct ipc_request *request) {
    const struct model *m = core_model(s->source.core);
    struct ipc_text *first = ipc_text_dump(varlink_event(json_object()));
    session->subscribed = true;
    ipc_session_reply(&s->sessions, session, request->id, first);
    ipc_text_release(first);
    if (!request->args.has_since) {
        return;
    }
    MODEL_EACH(model_event, event, &m->events) {
        if (event->seq > request->args.since) {
            ipc_session_replay(&s->sessions, session,
                               json_pack("{so}", "event", render_event(event)));
        }
    }
}

static int handle(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                  struct ipc_error *error) {
    bool changes = request->verb->kind == IPC_CHANGE && !request->dry_run;
    bool measures = request->verb->kind == IPC_DEVICE_TEST || request->verb->kind == IPC_PREDICT;
    if ((changes || measures) && session->access < IPC_ACCESS_CHANGE) {
        return ipc_fail(error, "permission",
                        "become root, or join the group that admin_group in clusterd.conf names",
                        "%s: you may only read", request->verb->name);
    }
    if (changes || measures) {
        return forward(s, session, request, error);
    }
    if (request->verb->kind == IPC_SUBSCRIBE) {
        subscribe(s, session, request);
        return 0;
    }
    return read_later(s, session, request, error);
}

void ipc_server_take(struct ipc_server *s, struct ipc_session *session, struct ipc_request *request,
                     int r, const struct ipc_error *why) {
    struct ipc_error error;
    json_int_t id = request->id;
    if (r < 0) {
        error = *why;
    } else {
        r = handle(s, session, request, &error);
    }
    if (r < 0) {
        ipc_session_answer(&s->sessions, session, ipc_answer_error(id, &error));
    }
    ipc_request_finish(request);
}

/* ---- reads ---- */

/* Whether what is shown differs: from the place in the log, and what is not in the log. Times and
 * loads are not looked at: a reply is not kept for long. */
static uint64_t state_of_view(void *context) {
    const struct ipc_server *s = context;
    struct core_status status;
    core_get_status(s->source.core, &status);
    const uint64_t numbers[] = {status.node,
                                status.quorate,
                                status.corosync_down,
                                status.usable,
                                status.epoch,
                                status.applied_index,
                                core_outlook_is_known(s->source.core)};
    const char *const texts[] = {status.phase,
                                 status.reason,
                                 status.list_differs,
                                 status.version_differs,
                                 status.state_differs,
                                 s->source.waiting(s->source.context),
                                 s->source.misfit ? s->source.misfit(s->source.context) : "",
                                 s->source.list_changed ? s->source.list_changed(s->source.context)
                                                        : ""};
    uint64_t hash = fnv64(FNV64_START, numbers, sizeof(numbers));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        hash = texts[i] ? fnv64(hash, texts[i], strlen(texts[i]) + 1) : hash;
    }
    return hash;
}

/* Plans are asked for before they are shown; once, although the state may change until its turn.
 * Before it knows the cluster the core makes none, and would keep who asks waiting. */
static bool read_is_ready(void *context, struct ipc_read *read) {
    struct ipc_server *s = context;
    if (read->request.verb->kind != IPC_READ || !ipc_read_shows_outlook(&read->request) ||
        core_outlook_is_known(s->source.core) || read->planned ||
        s->source.waiting(s->source.context)[0]) {
        return true;
    }
    struct pending *pending = pending_add(s, read->session, read->id);
    if (!pending) {
        return true; /* without plans */
    }
    const struct core_event event = {.type = CORE_EVENT_REQUEST,
                                     .request = {.id = pending->id, .kind = REQUEST_OUTLOOK}};
    read->planned = true;
    pending->read = read;
    sink_post(&s->sink, &event);
    return false;
}

/* A dry run. */
static int plan(struct ipc_view *view, const struct ipc_request *request, json_t **ret_body,
                struct ipc_error *error) {
    if (view->waiting[0]) {
        return ipc_fail(error, "no-quorum", IPC_WAITING_TODO,
                        "this node has not joined the cluster: %s", view->waiting);
    }
    if (!view->status.usable) {
        return ipc_fail(error, "no-quorum", "", "no plan without a usable view: %s",
                        view->status.reason);
    }
    if (request->verb->what == COMMAND_NODE_DRAIN) {
        const struct cmd_node_drain *drain = request->command;
        return plan_drain(view, drain->node, ret_body, error);
    }
    return plan_move(view, request->command, ret_body, error);
}

static struct ipc_text *make_reply(void *context, struct ipc_read *read) {
    struct ipc_server *s = context;
    struct ipc_view view;
    struct ipc_error error;
    struct json_writer writer;
    json_t *plans = NULL;
    int r = 0;
    view_init(s, read->session, &read->request.arena, &view);
    json_writer_init(&writer);
    varlink_reply_begin(&writer);
    if (read->request.dry_run) {
        r = plan(&view, &read->request, &plans, &error);
        json_write_members(&writer, plans);
    } else {
        r = ipc_read(&view, &read->request, &writer, &error);
    }
    varlink_reply_end(&writer);
    read->same = r == 0;
    if (r == 0) {
        return ipc_text_take(json_writer_steal(&writer));
    }
    json_writer_finish(&writer);
    json_t *answer = ipc_answer_error(read->id, &error);
    struct ipc_text *text = answer ? ipc_text_dump(varlink_reply(answer)) : NULL;
    json_decref(answer);
    return text;
}

static void read_answered(void *context, struct ipc_read *read, struct ipc_text *text) {
    struct ipc_server *s = context;
    read->session->n_reads--;
    ipc_session_reply(&s->sessions, read->session, read->id, text);
}

/* ---- from the core ---- */

static void pending_free(struct pending *pending) {
    if (pending->read) {
        ipc_read_free(pending->read);
    }
    free(pending);
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
    }
    if (pending->session && pending->read) {
        ipc_reads_add(&s->reads, pending->read);
        pending->read = NULL;
    } else if (pending->session) {
        ipc_session_answer(&s->sessions, pending->session,
                           ipc_answer_reply(pending->client_id, reply));
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

struct ipc_sessions *ipc_server_sessions(struct ipc_server *s) {
    return &s->sessions;
}

void ipc_server_enter(struct ipc_server *s, struct ipc_session *session) {
    ipc_session_add(&s->sessions, session);
}

void ipc_server_leave(struct ipc_server *s, struct ipc_session *session) {
    ipc_session_remove(&s->sessions, session);
    ipc_reads_forget(&s->reads, session);
    list_for_each (at, &s->pendings) {
        struct pending *p = list_entry(at, struct pending, link);
        if (p->session == session) {
            p->session = NULL;
        }
    }
}

/* ---- life ---- */

int ipc_server_create(qb_loop_t *loop, const struct ipc_source *source, struct event_sink sink,
                      struct ipc_server **ret_server) {
    struct ipc_server *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->source = *source;
    s->sink = sink;
    list_init(&s->pendings);
    ipc_sessions_init(&s->sessions, loop);
    const struct ipc_reads_source reads = {.state = state_of_view,
                                           .ready = read_is_ready,
                                           .make = make_reply,
                                           .answered = read_answered,
                                           .context = s};
    ipc_reads_init(&s->reads, loop, &reads);
    *ret_server = s;
    return 0;
}

void ipc_server_destroy(struct ipc_server *s) {
    if (!s) {
        return;
    }
    ipc_sessions_finish(&s->sessions);
    ipc_reads_finish(&s->reads);
    while (!list_empty(&s->pendings)) {
        struct pending *p = list_entry(s->pendings.next, struct pending, link);
        list_remove(&p->link);
        pending_free(p);
    }
    free(s);
}
