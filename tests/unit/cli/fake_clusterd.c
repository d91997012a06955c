/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon for the tests of clusterctl: it answers from a script, by the same words on the same
 * sockets as the real one.
 *
 *     fake_clusterd RUN_DIR SCRIPT
 *
 * The script is a JSON file: {"rules": [RULE, ...]}. For each request the first rule that fits is
 * taken:
 *     {"verb": "node.drain", "times": 1, "answer": {...}, "then": [STEP, ...]}
 * "times" (default: without end) is how often it fits; without "answer" nothing is answered; "raw"
 * is a text that is sent as it stands. Then the steps are done, one after the other:
 *     {"send": {...}}         an event to all who have subscribed
 *     {"wait_ms": 50}         the following steps later
 *     {"disconnect": true}    everybody is cut off
 *     {"exit": true}          the daemon is gone, as after SIGKILL
 *     {"until": "VERB"}       the following steps after the next request with this verb
 * Further members of the script, for each connection:
 *     "refuse": {...}         the reply of a daemon that wants no more clients, before it hangs up
 *     "refusals": 2           so many are refused, then no more (default: without end)
 *     "drop": 2               so many are hung up on without a word
 * It writes {"ready": true} and then each request, one JSON object a line, to standard output: the
 * test reads there.
 */
#include "adapters/ipc/stream.h"
#include "adapters/ipc/varlink.h"
#include "adapters/ipc/verbs.h"
#include "base/check.h"
#include "base/list.h"
#include "wire/ipc_limits.h"
#include "wire/run_dir.h"

#include <jansson.h>
#include <poll.h>
#include <qb/qbloop.h>
#include <qb/qbutil.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST ((size_t)64 << 20) /* bytes of what is unsent, or half here */

static qb_loop_t *loop;
static struct stream_budget budget;
static json_t *script;
static FILE *requests;
static struct list clients;

struct client {
    struct list link;
    struct stream *stream;
    int fd; /* the stream's */
    bool subscribed;
};

/* Steps that are still to be done; freed when they are through. */
struct steps {
    json_t *list;
    size_t next;
    const char *until; /* the verb that it waits for, or NULL */
    struct steps *other;
};

static struct steps *waiting;

static void steps_run(void *data);

/* Both take ownership. */
static void send_text(struct client *client, struct ipc_text *text) {
    CHECK(text != NULL);
    if (stream_answer(client->stream, text) < 0) {
        fprintf(stderr, "fake_clusterd: cannot send\n");
    }
    ipc_text_release(text);
}

static void send_reply(struct client *client, json_t *reply) {
    send_text(client, ipc_text_dump(reply));
}

static void send_event(json_t *event) {
    list_for_each (at, &clients) {
        struct client *client = list_entry(at, struct client, link);
        if (client->subscribed) {
            send_reply(client, json_pack("{s:O, s:b}", "parameters", event, "continues", 1));
        }
    }
}

/* The streams report it to on_ended(), from a clean stack. */
static void disconnect_all(void) {
    list_for_each (at, &clients) {
        (void)shutdown(list_entry(at, struct client, link)->fd, SHUT_RDWR);
    }
}

/* One step; false if the rest has to wait. */
static bool step(struct steps *steps, const json_t *what) {
    json_t *event = json_object_get(what, "send");
    const json_t *wait_ms = json_object_get(what, "wait_ms");
    qb_loop_timer_handle timer;
    if (event != NULL) {
        send_event(event);
    }
    if (json_is_true(json_object_get(what, "disconnect"))) {
        disconnect_all();
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
    json_decref(steps->list);
    free(steps);
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

/* Whether `owner` has a number under that name that is not used up; it is counted down. Without
 * one: `without`. */
static bool take_one(const json_t *owner, const char *name, bool without) {
    json_t *left = json_object_get(owner, name);
    if (left == NULL) {
        return without;
    }
    json_int_t n = json_integer_value(left);
    json_integer_set(left, n > 0 ? n - 1 : 0);
    return n > 0;
}

/* The first rule that fits. */
static json_t *take_rule(const char *verb) {
    size_t i = 0;
    json_t *rule = NULL;
    json_array_foreach (json_object_get(script, "rules"), i, rule) {
        if (strcmp(json_string_value(json_object_get(rule, "verb")), verb) == 0 &&
            take_one(rule, "times", true)) {
            return rule;
        }
    }
    return NULL;
}

static void send_answer(struct client *client, const json_t *text) {
    json_t *reply = varlink_reply(text);
    if (client->subscribed) {
        json_object_set_new(reply, "continues", json_true());
    }
    send_reply(client, reply);
}

static void answer(struct client *client, const char *verb) {
    json_t *rule = take_rule(verb);
    json_t *text = NULL;
    client->subscribed = strcmp(verb, "subscribe") == 0;
    if (rule != NULL && json_object_get(rule, "raw") != NULL) {
        send_text(client, ipc_text_take(strdup(json_string_value(json_object_get(rule, "raw")))));
    } else if (rule != NULL) {
        text = json_incref(json_object_get(rule, "answer"));
    } else if (client->subscribed) {
        text = json_pack("{s:b}", "ok", 1);
    } else {
        text = json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", "failed", "message",
                         "the test's script has no rule for this verb");
    }
    if (text != NULL) {
        send_answer(client, text);
        json_decref(text);
    }
    if (rule != NULL && json_object_get(rule, "then") != NULL) {
        struct steps *steps = calloc(1, sizeof(*steps));
        CHECK(steps != NULL);
        steps->list = json_incref(json_object_get(rule, "then"));
        steps_run(steps);
    }
}

/* What the real daemon would not understand must not pass here either. */
static void check_request(json_t *json) {
    struct ipc_request request;
    struct ipc_error error;
    if (ipc_request_take(json_deep_copy(json), &request, &error) < 0) {
        char *text = json_dumps(json, JSON_COMPACT);
        fprintf(stderr, "fake_clusterd: clusterd would refuse %s: %s\n", text, error.message);
        abort();
    }
    ipc_request_finish(&request);
}

static void on_verb(struct client *client, const struct varlink_call *call,
                    const struct ipc_verb *verb) {
    static json_int_t last_id;
    json_t *request = varlink_request(call, verb, ++last_id);
    CHECK(!client->subscribed);
    CHECK(call->more == (verb->kind == IPC_SUBSCRIBE) && !call->oneway);
    check_request(request);
    json_dumpf(request, requests, JSON_COMPACT);
    fputc('\n', requests);
    fflush(requests);
    puts(verb->name);
    fflush(stdout);
    answer(client, verb->name);
    release(verb->name);
    json_decref(request);
}

static void on_message(void *context, const char *text, size_t n) {
    struct varlink_call call;
    CHECK(varlink_call_parse(text, n, &call) == 0);
    const struct ipc_verb *verb = varlink_verb(call.method);
    if (verb != NULL) {
        on_verb(context, &call, verb);
    } else {
        send_reply(context, varlink_service(&call));
    }
    varlink_call_finish(&call);
}

static void on_ended(void *context, const char *why) {
    struct client *client = context;
    (void)why;
    list_remove(&client->link);
    stream_destroy(client->stream);
    free(client);
}

/* As the real one does it: the client reads this as the answer to its first call. */
static void refuse(int fd) {
    char *text = json_dumps(json_object_get(script, "refuse"), JSON_COMPACT);
    CHECK(text != NULL);
    (void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL);
    free(text);
    (void)close(fd);
}

static int32_t on_connect(int32_t listener, int32_t revents, void *data) {
    (void)revents;
    (void)data;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(fd >= 0);
    if (take_one(script, "drop", false)) {
        (void)close(fd);
        return 0;
    }
    if (json_object_get(script, "refuse") != NULL && take_one(script, "refusals", true)) {
        refuse(fd);
        return 0;
    }
    struct client *client = calloc(1, sizeof(*client));
    CHECK(client != NULL);
    const struct stream_owner owner = {.message = on_message,
                                       .ended = on_ended,
                                       .context = client,
                                       .unread_ms = STREAM_UNREAD_MS,
                                       .request_most = CLUSTERD_IPC_MAX_REQUEST,
                                       .budget = &budget};
    client->fd = fd;
    list_append(&clients, &client->link);
    CHECK(stream_create(loop, fd, &owner, &client->stream) == 0);
    return 0;
}

static bool serve(const char *directory, const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
    CHECK((size_t)n < sizeof(address.sun_path));
    (void)unlink(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
           listen(fd, 16) == 0 &&
           qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, NULL, on_connect) == 0;
}

static int32_t on_signal(int32_t number, void *data) {
    (void)number;
    (void)data;
    qb_loop_stop(loop);
    return 0;
}

static void remove_sockets(const char *directory) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/" RUN_DIR_SOCKET, directory);
    (void)unlink(path);
    snprintf(path, sizeof(path), "%s/" RUN_DIR_READ_SOCKET, directory);
    (void)unlink(path);
}

int main(int argc, char **argv) {
    json_error_t error;
    qb_loop_signal_handle handle;
    CHECK(argc == 3);
    list_init(&clients);
    stream_budget_init(&budget, MOST, MOST);
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
    CHECK(qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, on_signal, &handle) == 0);
    if (!serve(argv[1], RUN_DIR_SOCKET) || !serve(argv[1], RUN_DIR_READ_SOCKET)) {
        fprintf(stderr, "fake_clusterd: cannot serve in %s\n", argv[1]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    qb_loop_run(loop);
    remove_sockets(argv[1]);
    return 0;
}
