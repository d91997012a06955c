/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring; see corosync/ring.h.
 *
 *          read configuration     initialize, join
 *     DOWN ───────────────────────────────────────► JOINING ── own join seen, quorum told ──► UP
 *      ▲  retry timer, 50 ms doubling to 1 s           │                                      │
 *      └───────────────────────────────────────────────┴── any error of any call, hang-up ────┘
 *                                                          VIEW without members
 *
 * Corosync does not announce its start. While it is down, clusterd keeps trying: a connect to a
 * socket that does not exist costs a few microseconds.
 *
 * Whatever waits for an answer of corosync is a job of a thread (corosync/ring_job.h): a corosync
 * that is stopped, at whatever point, stops that thread and not the loop. There is one job at a
 * time besides those that close connections. A job that hangs is not given up: it goes on when
 * corosync does, and fails when corosync ends.
 *
 * A message that corosync cannot take (its queue is full, or it is forming a ring) waits here. It
 * is tried again after 1 ms, then after each delivery: deliveries make room, and no event announces
 * the end of flow control.
 *
 * Two processes of one node in the group are two clusterd. The younger one steps back. After a kill
 * and a restart, corosync may see the end of the old clusterd a moment after the start of the new
 * one: the younger waits DUPLICATE_MS for the elder to go.
 */
#include "adapters/corosync/ring.h"

#include "adapters/blocking_thread.h"
#include "adapters/corosync/connection.h"
#include "adapters/corosync/ring_job.h"
#include "adapters/corosync/ring_view.h"
#include "adapters/corosync/send_queue.h"
#include "adapters/logging.h"
#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MIN_MS 50u
#define RETRY_MAX_MS 1000u
#define SEND_RETRY_MS 1u
#define DUPLICATE_MS 3000u
#define DISPATCH_MAX 64 /* messages in a row before others get their turn */
#define HANG_MS 2000u   /* an answer that takes longer is reported */
#define LEAVE_MS 1000u  /* at the end of the process, for leaving the group */
#define QUEUE_MAX_BYTES ((size_t)256 << 20)

struct corosync_ring {
    qb_loop_t *loop;
    struct event_sink sink;
    struct ring_handlers handlers;
    struct corosync_config config;
    bool is_ready; /* handlers.ready() was called */
    bool is_dead;  /* handlers.fatal() was called */
    char problem[COROSYNC_MAX_MESSAGE];
    char logged[COROSYNC_MAX_MESSAGE]; /* the problem that was logged last */

    struct blocking_thread *thread;
    bool busy;               /* a job reads or opens */
    bool read_again;         /* what that job reads is out of date */
    struct ring_job *opened; /* has opened the connection; NULL: none */
    bool broken;             /* a call failed: close from the loop */
    struct ring_view view;

    struct send_queue queue;
    qb_loop_timer_handle retry_timer, send_timer, duplicate_timer, hang_timer;
    uint32_t retry_ms;
};

static void connect_ring(void *data);

/* ---- views ---- */

/* Tells the core if there is news. */
static void tell_view(struct corosync_ring *r, bool down) {
    struct core_event event = {.type = CORE_EVENT_VIEW};
    if (!r->is_dead && ring_view_news(&r->view, down, &event.view)) {
        sink_post(&r->sink, &event);
    }
}

/* ---- down ---- */

static void stop_timer(struct corosync_ring *r, qb_loop_timer_handle *timer) {
    if (*timer) {
        (void)qb_loop_timer_del(r->loop, *timer);
        *timer = 0;
    }
}

static void start_timer(struct corosync_ring *r, uint32_t ms, qb_loop_timer_dispatch_fn fn,
                        qb_loop_timer_handle *timer) {
    if (!*timer) {
        int error = qb_loop_timer_add(r->loop, QB_LOOP_HIGH, (uint64_t)ms * QB_TIME_NS_IN_MSEC, r,
                                      fn, timer);
        CHECK(error == 0);
    }
}

static void close_handles(struct corosync_ring *r) {
    if (r->opened) {
        ring_job_close(r->thread, r->opened);
        r->opened = NULL;
    }
    r->broken = false;
}

static void go_down(struct corosync_ring *r) {
    close_handles(r);
    send_queue_clear(&r->queue);
    stop_timer(r, &r->send_timer);
    stop_timer(r, &r->duplicate_timer);
    ring_view_forget(&r->view);
    tell_view(r, true);
    if (!r->is_dead) {
        start_timer(r, r->retry_ms, connect_ring, &r->retry_timer);
        r->retry_ms = r->retry_ms * 2 < RETRY_MAX_MS ? r->retry_ms * 2 : RETRY_MAX_MS;
    }
}

static void die(struct corosync_ring *r, int error, const char *message) {
    if (!r->is_dead) {
        r->is_dead = true;
        r->handlers.fatal(r->handlers.context, error, message);
    }
}

static void on_duplicate(void *data) {
    struct corosync_ring *r = data;
    r->duplicate_timer = 0;
    if (r->view.joined && ring_view_has_duplicate(&r->view)) {
        die(r, -EBUSY,
            "another clusterd already runs on this node: it is in the same corosync group");
    }
}

/* ---- called from dispatch ---- */

static struct corosync_ring *ring_of_cpg(cpg_handle_t handle) {
    void *context = NULL;
    return cpg_context_get(handle, &context) == CS_OK ? context : NULL;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
                       uint32_t pid, void *data, size_t size) {
    struct corosync_ring *r = ring_of_cpg(handle);
    (void)group;
    if (!r || r->is_dead || size > UINT32_MAX ||
        (node == r->config.node && pid != (uint32_t)getpid())) {
        return; /* of a former clusterd on this node */
    }
    const struct core_event event = {
        .type = CORE_EVENT_MESSAGE,
        .message = {.sender = node, .data = data, .size = (uint32_t)size}};
    sink_post(&r->sink, &event);
}

static void on_members(cpg_handle_t handle, const struct cpg_name *group,
                       const struct cpg_address *members, size_t n, const struct cpg_address *left,
                       size_t n_left, const struct cpg_address *joined, size_t n_joined) {
    struct corosync_ring *r = ring_of_cpg(handle);
    (void)group;
    (void)left;
    (void)n_left;
    (void)joined;
    (void)n_joined;
    if (!r || n > RING_MAX_PROCESSES) {
        return;
    }
    struct ring_process processes[RING_MAX_PROCESSES];
    for (size_t i = 0; i < n; i++) {
        processes[i] = (struct ring_process){members[i].nodeid, members[i].pid};
    }
    ring_view_set_processes(&r->view, processes, (uint32_t)n);
    if (ring_view_has_duplicate(&r->view)) {
        start_timer(r, DUPLICATE_MS, on_duplicate, &r->duplicate_timer);
    }
    tell_view(r, false);
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id ring_id,
                      uint32_t n, const uint32_t *members) {
    const void *context = NULL;
    (void)ring_id;
    if (quorum_context_get(handle, &context) != CS_OK || n > WIRE_MAX_NODES) {
        return;
    }
    struct corosync_ring *r = (struct corosync_ring *)(uintptr_t)context;
    ring_view_set_quorum(&r->view, quorate != 0, members, n);
    tell_view(r, false);
}

/* ---- send ---- */

static int try_send(struct corosync_ring *r, const uint8_t *data, size_t size) {
    int error = corosync_connection_send(&r->opened->connection, data, size);
    r->broken = r->broken || error == -ENOTCONN;
    return error;
}

static void flush(void *data) {
    struct corosync_ring *r = data;
    const struct send_item *item = NULL;
    stop_timer(r, &r->send_timer);
    while (!r->broken && (item = send_queue_peek(&r->queue))) {
        int error = try_send(r, item->data, item->size);
        if (error < 0) {
            break;
        }
        send_queue_pop(&r->queue);
    }
    if (r->broken || send_queue_peek(&r->queue)) {
        start_timer(r, r->broken ? 0 : SEND_RETRY_MS, flush, &r->send_timer);
    }
    if (r->broken) {
        (void)snprintf(r->problem, sizeof(r->problem), "the connection to corosync broke");
        log_error("%s; trying again", r->problem);
        go_down(r);
    }
}

void corosync_ring_send(struct corosync_ring *r, const uint8_t *data, size_t size) {
    CHECK(size > 0 && size <= RING_MAX_MESSAGE);
    if (!r->opened || r->is_dead) {
        return;
    }
    int error = send_queue_peek(&r->queue) || r->broken ? -EAGAIN : try_send(r, data, size);
    if (error == 0) {
        return;
    }
    /* Without memory the message is lost, as it is when corosync dies: a new view sorts out who has
     * what. */
    if (r->queue.bytes + size > QUEUE_MAX_BYTES || send_queue_push(&r->queue, data, size) < 0) {
        log_error("corosync takes no messages, and %zu MiB wait to be sent; leaving the group",
                  r->queue.bytes >> 20);
        r->broken = true;
    }
    /* Close a broken connection from the loop: this may run inside one of corosync's callbacks. */
    start_timer(r, r->broken ? 0 : SEND_RETRY_MS, flush, &r->send_timer);
}

/* ---- dispatch ---- */

static void lost(struct corosync_ring *r, const char *what, cs_error_t code) {
    (void)snprintf(r->problem, sizeof(r->problem), "the connection to corosync is lost (%s: %s)",
                   what, cs_strerror(code));
    log_error("%s: this node has no quorum until corosync is back", r->problem);
    go_down(r);
}

static int32_t on_cpg(int32_t fd, int32_t revents, void *data) {
    struct corosync_ring *r = data;
    cs_error_t code = CS_OK;
    (void)fd;
    for (int i = 0; i < DISPATCH_MAX && code == CS_OK && !r->broken; i++) {
        code = cpg_dispatch(r->opened->connection.cpg, CS_DISPATCH_ONE_NONBLOCKING);
    }
    bool alive = code == CS_OK || code == CS_ERR_TRY_AGAIN;
    if (r->broken || !alive || (revents & (POLLHUP | POLLERR | POLLNVAL))) {
        lost(r, "cpg", alive ? CS_ERR_LIBRARY : code);
    } else if (send_queue_peek(&r->queue)) {
        flush(r);
    }
    return 0;
}

static int32_t on_quorum_fd(int32_t fd, int32_t revents, void *data) {
    struct corosync_ring *r = data;
    (void)fd;
    cs_error_t code = quorum_dispatch(r->opened->connection.quorum, CS_DISPATCH_ALL);
    bool alive = code == CS_OK || code == CS_ERR_TRY_AGAIN;
    if (!alive || (revents & (POLLHUP | POLLERR | POLLNVAL))) {
        lost(r, "quorum", alive ? CS_ERR_LIBRARY : code);
    }
    return 0;
}

/* ---- up ---- */

static void report(struct corosync_ring *r, const char *problem) {
    (void)snprintf(r->problem, sizeof(r->problem), "%s", problem);
    if (strcmp(r->logged, r->problem) != 0) {
        memcpy(r->logged, r->problem, sizeof(r->logged));
        log_warning("waiting for corosync: %s", r->problem);
    }
}

static void on_hang(void *data) {
    struct corosync_ring *r = data;
    r->hang_timer = 0;
    report(r, "corosync does not answer");
}

static void on_job(void *context, struct ring_job *job);

static void begin(struct corosync_ring *r, struct ring_job *job) {
    if (!job) {
        report(r, "out of memory");
        go_down(r);
        return;
    }
    r->busy = true;
    start_timer(r, HANG_MS, on_hang, &r->hang_timer);
    ring_job_run(r->thread, job);
}

static void read_config(struct corosync_ring *r) {
    if (r->busy) {
        r->read_again = true;
    } else {
        begin(r, ring_job_read(on_job, r));
    }
}

static void connect_ring(void *data) {
    struct corosync_ring *r = data;
    r->retry_timer = 0;
    read_config(r);
}

/* corosync begins or ends a reload. */
static void on_config_changed(void *context) {
    read_config(context);
}

static void open_connection(struct corosync_ring *r) {
    const struct corosync_callbacks callbacks = {.deliver = on_deliver,
                                                 .members = on_members,
                                                 .quorum = on_quorum,
                                                 .config_changed = on_config_changed,
                                                 .cpg_readable = on_cpg,
                                                 .quorum_readable = on_quorum_fd,
                                                 .context = r};
    begin(r, ring_job_open(&callbacks, on_job, r));
}

static void keep_config(struct corosync_ring *r, const struct corosync_config *config) {
    r->config = *config;
    for (uint32_t i = 0; i < config->n_nodes; i++) {
        /* The names moved with the struct: each keeps its place inside it. */
        r->config.nodes[i].name =
            (const char *)&r->config + (config->nodes[i].name - (const char *)config);
    }
}

/* The first configuration boots the core, which must come before any view. */
static int take_config(struct corosync_ring *r, const struct corosync_config *config) {
    if (r->is_ready && config->node != r->config.node) {
        (void)snprintf(
            r->problem, sizeof(r->problem),
            "corosync's node id has changed from %u to %u while clusterd ran; restart clusterd",
            r->config.node, config->node);
        die(r, -EXDEV, r->problem);
        return -EXDEV;
    }
    if (r->is_ready) {
        r->handlers.changed(r->handlers.context, &r->config, config);
        return 0;
    }
    keep_config(r, config);
    int error = r->handlers.ready(r->handlers.context, &r->config);
    if (error < 0) {
        r->is_dead = true; /* the handler has logged the reason and ends the process */
        return error;
    }
    r->is_ready = true;
    ring_view_init(&r->view, r->config.node, (uint32_t)getpid());
    return 0;
}

static void take_connection(struct corosync_ring *r, struct ring_job *job) {
    r->opened = job;
    if (corosync_connection_attach(&job->connection, r->loop, &job->callbacks) < 0) {
        report(r, "out of memory");
        go_down(r);
        return;
    }
    if (!job->connection.watch) {
        log_warning(
            "corosync's configuration cannot be watched: clusterd will not notice a reload");
    }
    log_info("connected to corosync as node %u", r->config.node);
    r->problem[0] = '\0';
    r->logged[0] = '\0';
    r->retry_ms = RETRY_MIN_MS;
}

/* The configuration of a corosync that is connected. If corosync is gone by now, the other
 * callbacks say so. */
static void take_reload(struct corosync_ring *r, const struct ring_job *job) {
    if (job->error == 0 && !job->config.reloading) {
        r->handlers.changed(r->handlers.context, &r->config, &job->config);
    } else if (job->error == -EINVAL) {
        log_error("corosync has loaded a configuration that clusterd cannot use: %s; clusterd "
                  "keeps the former one",
                  job->message);
    }
    r->problem[0] = '\0'; /* it may have been late */
    r->logged[0] = '\0';
}

static void on_read(struct corosync_ring *r, const struct ring_job *job) {
    bool again = r->read_again;
    r->read_again = false;
    if (r->retry_timer) {
        /* The connection was lost meanwhile: the timer begins anew. */
    } else if (again) {
        read_config(r);
    } else if (r->opened) {
        take_reload(r, job);
    } else if (job->error < 0) {
        report(r, job->message);
        go_down(r);
    } else if (take_config(r, &job->config) == 0) {
        open_connection(r);
    }
}

static void on_job(void *context, struct ring_job *job) {
    struct corosync_ring *r = context;
    r->busy = false;
    stop_timer(r, &r->hang_timer);
    if (r->is_dead) {
        /* Nothing is begun any more. What was opened is closed below. */
    } else if (job->kind == RING_JOB_READ) {
        on_read(r, job);
    } else if (job->error == 0) {
        take_connection(r, job);
        return;
    } else {
        report(r, job->message);
        go_down(r);
    }
    if (job->kind == RING_JOB_OPEN && job->error == 0) {
        ring_job_close(r->thread, job);
    } else {
        ring_job_free(job);
    }
}

/* ---- create ---- */

int corosync_ring_create(qb_loop_t *loop, struct event_sink sink,
                         const struct ring_handlers *handlers, struct corosync_ring **ret_ring) {
    struct corosync_ring *r = calloc(1, sizeof(*r));
    if (!r) {
        return -ENOMEM;
    }
    r->loop = loop;
    r->sink = sink;
    r->handlers = *handlers;
    int error = blocking_thread_create(loop, &r->thread);
    if (error < 0) {
        free(r);
        return error;
    }
    r->retry_ms = RETRY_MIN_MS;
    send_queue_init(&r->queue);
    (void)snprintf(r->problem, sizeof(r->problem), "not connected to corosync yet");
    start_timer(r, 0, connect_ring, &r->retry_timer);
    *ret_ring = r;
    return 0;
}

void corosync_ring_destroy(struct corosync_ring *r) {
    if (!r) {
        return;
    }
    close_handles(r);
    stop_timer(r, &r->retry_timer);
    stop_timer(r, &r->send_timer);
    stop_timer(r, &r->duplicate_timer);
    stop_timer(r, &r->hang_timer);
    blocking_thread_destroy(r->thread, LEAVE_MS);
    send_queue_clear(&r->queue);
    free(r);
}

const char *corosync_ring_problem(const struct corosync_ring *r) {
    return r->problem;
}
