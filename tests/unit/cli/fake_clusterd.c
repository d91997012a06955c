/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon for the tests of clusterctl: it answers from a script, over the same libqb IPC as the
 * real one.
 *
 *     fake_clusterd SERVICE SCRIPT
 *
 * The script is a JSON file: {"deny": false, "rules": [RULE, ...]}. For each request the first rule
 * that fits is taken:
 *     {"verb": "node.drain", "times": 1, "answer": {...}, "then": [STEP, ...]}
 * "times" (default: without end) is how often it fits; without "answer" nothing is answered; "raw"
 * is a text that is sent as it stands. Then the steps are done, one after the other:
 *     {"send": {...}}         an event to this client
 *     {"wait_ms": 50}         the following steps later
 *     {"disconnect": true}    this client is cut off
 *     {"exit": true}          the daemon is gone, as after SIGKILL
 *     {"until": "VERB"}       the following steps after the next request with this verb (by any
 * client) It writes {"ready": true} and then each request, one JSON object a line, to standard
 * output: the test reads there.
 */
#include "adapters/ipc/requests.h"
#include "base/check.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <qb/qbutil.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static qb_loop_t *loop;
static json_t *script;
static FILE *requests;

/* Steps that are still to be done for a client; freed when they are through. */
struct steps {
    qb_ipcs_connection_t *client; /* holds a reference */
    json_t *list;
    size_t next;
    const char *until; /* the verb that it waits for, or NULL */
    struct steps *other;
};

static struct steps *waiting;

static void steps_run(void *data);

static void steps_finish(struct steps *steps) {
    qb_ipcs_connection_unref(steps->client);
    json_decref(steps->list);
    free(steps);
}

static void send_json(qb_ipcs_connection_t *client, const json_t *message, const char *raw,
                      bool is_event) {
    struct qb_ipc_response_header header = {.id = QB_IPC_MSG_USER_START};
    char *text = raw != NULL ? strdup(raw) : json_dumps(message, JSON_COMPACT);
    CHECK(text != NULL);
    size_t room = (size_t)qb_ipcs_connection_get_buffer_size(client) - sizeof(header) - 64;
    if (strlen(text) > room) {
        json_t *refusal =
            json_pack("{s:O?, s:b, s:{s:s, s:s}}", "id", json_object_get(message, "id"), "ok", 0,
                      "error", "code", "too-large", "message", "too large");
        free(text);
        text = json_dumps(refusal, JSON_COMPACT);
        json_decref(refusal);
    }
    header.size = (int32_t)(sizeof(header) + strlen(text));
    struct iovec parts[2] = {{&header, sizeof(header)}, {text, strlen(text)}};
    ssize_t sent =
        is_event ? qb_ipcs_event_sendv(client, parts, 2) : qb_ipcs_response_sendv(client, parts, 2);
    if (sent < 0) {
        fprintf(stderr, "fake_clusterd: cannot send: %s\n", strerror((int)-sent));
    }
    free(text);
}

/* One step; false if the rest has to wait. */
static bool step(struct steps *steps, const json_t *what) {
    const json_t *event = json_object_get(what, "send");
    const json_t *wait_ms = json_object_get(what, "wait_ms");
    qb_loop_timer_handle timer;
    if (event != NULL) {
        send_json(steps->client, event, NULL, true);
    }
    if (json_is_true(json_object_get(what, "disconnect"))) {
        qb_ipcs_disconnect(steps->client);
    }
    if (json_is_true(json_object_get(what, "exit"))) {
        _exit(0);
    }
    steps->until = json_string_value(json_object_get(what, "until"));
    if (steps->until != NULL) {
        steps->other = waiting;
        waiting = steps;
        return false;
    }
    if (wait_ms != NULL) {
        uint64_t ns = (uint64_t)json_integer_value(wait_ms) * QB_TIME_NS_IN_MSEC;
        CHECK(qb_loop_timer_add(loop, QB_LOOP_MED, ns, steps, steps_run, &timer) == 0);
        return false;
    }
    return true;
}

static void steps_run(void *data) {
    struct steps *steps = data;
    while (steps->next < json_array_size(steps->list)) {
        if (!step(steps, json_array_get(steps->list, steps->next++))) {
            return;
        }
    }
    steps_finish(steps);
}

/* Goes on with those that have waited for this verb. */
static void release(const char *verb) {
    struct steps **at = &waiting;
    while (*at != NULL) {
        struct steps *steps = *at;
        if (strcmp(steps->until, verb) == 0) {
            *at = steps->other;
            steps_run(steps);
            at = &waiting;
        } else {
            at = &steps->other;
        }
    }
}

/* The first rule that fits; its "times" is counted down. */
static json_t *take_rule(const char *verb) {
    size_t i = 0;
    json_t *rule = NULL;
    json_array_foreach (json_object_get(script, "rules"), i, rule) {
        json_t *times = json_object_get(rule, "times");
        if (strcmp(json_string_value(json_object_get(rule, "verb")), verb) != 0 ||
            (times != NULL && json_integer_value(times) == 0)) {
            continue;
        }
        if (times != NULL) {
            json_integer_set(times, json_integer_value(times) - 1);
        }
        return rule;
    }
    return NULL;
}

static void answer(qb_ipcs_connection_t *client, const json_t *request, const char *verb) {
    json_t *rule = take_rule(verb);
    json_t *text = NULL;
    if (rule != NULL && json_object_get(rule, "raw") != NULL) {
        send_json(client, NULL, json_string_value(json_object_get(rule, "raw")), false);
    } else if (rule != NULL) {
        text = json_deep_copy(json_object_get(rule, "answer"));
    } else if (strcmp(verb, "subscribe") == 0) {
        text = json_pack("{s:b}", "ok", 1);
    } else {
        text = json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", "failed", "message",
                         "the test's script has no rule for this verb");
    }
    if (text != NULL) {
        json_object_set(text, "id", json_object_get(request, "id"));
        send_json(client, text, NULL, false);
        json_decref(text);
    }
    if (rule != NULL && json_object_get(rule, "then") != NULL) {
        struct steps *steps = calloc(1, sizeof(*steps));
        CHECK(steps != NULL);
        qb_ipcs_connection_ref(client);
        steps->client = client;
        steps->list = json_incref(json_object_get(rule, "then"));
        steps_run(steps);
    }
}

/* What the real daemon would not understand must not pass here either. */
static void check_request(const char *text, size_t size) {
    struct ipc_request request;
    struct ipc_error error;
    if (ipc_request_parse(text, size, &request, &error) < 0) {
        fprintf(stderr, "fake_clusterd: clusterd would refuse %.*s: %s\n", (int)size, text,
                error.message);
        abort();
    }
    ipc_request_finish(&request);
}

static int32_t on_message(qb_ipcs_connection_t *client, void *data, size_t size) {
    /* libqb's ring does not keep to the alignment of its own header. */
    struct qb_ipc_request_header header;
    CHECK(size >= sizeof(header));
    memcpy(&header, data, sizeof(header));
    CHECK((size_t)header.size == size);
    const char *text = (const char *)data + sizeof(header);
    json_t *request = json_loadb(text, size - sizeof(header), 0, NULL);
    CHECK(json_is_object(request));
    check_request(text, size - sizeof(header));
    const char *verb = json_string_value(json_object_get(request, "verb"));
    CHECK(verb != NULL);
    CHECK(json_integer_value(json_object_get(request, "v")) == 1);
    json_dumpf(request, requests, JSON_COMPACT);
    fputc('\n', requests);
    fflush(requests);
    puts(verb);
    fflush(stdout);
    answer(client, request, verb);
    release(verb);
    json_decref(request);
    return 0;
}

static int32_t on_accept(qb_ipcs_connection_t *client, uid_t uid, gid_t gid) {
    (void)client;
    (void)uid;
    (void)gid;
    return json_is_true(json_object_get(script, "deny")) ? -EACCES : 0;
}

static void on_created(qb_ipcs_connection_t *client) {
    (void)client;
}

static int32_t on_closed(qb_ipcs_connection_t *client) {
    (void)client;
    return 0;
}

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn) {
    return qb_loop_job_add(loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn) {
    return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
                            qb_ipcs_dispatch_fn_t fn) {
    return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd) {
    return qb_loop_poll_del(loop, fd);
}

static int32_t on_signal(int32_t number, void *data) {
    (void)number;
    (void)data;
    qb_loop_stop(loop);
    return 0;
}

int main(int argc, char **argv) {
    struct qb_ipcs_service_handlers handlers = {.connection_accept = on_accept,
                                                .connection_created = on_created,
                                                .msg_process = on_message,
                                                .connection_closed = on_closed,
                                                .connection_destroyed = on_created};
    struct qb_ipcs_poll_handlers poll_handlers = {job_add, dispatch_add, dispatch_mod,
                                                  dispatch_del};
    json_error_t error;
    qb_loop_signal_handle handle;
    CHECK(argc == 3);
    script = json_load_file(argv[2], 0, &error);
    if (script == NULL) {
        fprintf(stderr, "fake_clusterd: %s: %s\n", argv[2], error.text);
        return 1;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s.requests", argv[2]);
    requests = fopen(path, "we");
    CHECK(requests != NULL);
    loop = qb_loop_create();
    CHECK(loop != NULL);
    qb_ipcs_service_t *service = qb_ipcs_create(argv[1], 0, QB_IPC_SHM, &handlers);
    CHECK(service != NULL);
    qb_ipcs_poll_handlers_set(service, &poll_handlers);
    CHECK(qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, on_signal, &handle) == 0);
    if (qb_ipcs_run(service) != 0) {
        fprintf(stderr, "fake_clusterd: cannot serve %s\n", argv[1]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    qb_loop_run(loop);
    qb_ipcs_destroy(service);
    return 0;
}
