/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as what a client sends on its socket, in pieces of any size. Each message arrives once, as
 * it was sent and in order, up to the first that is too large; and each answer comes back whole.
 * What is a call gets a reply that can be read.
 *
 * The input: pieces of a length (one byte) and that many bytes. Where the length is odd, the server
 * pauses after the next message, until another turn of the loop.
 */
#include "adapters/ipc/stream.h"
#include "adapters/ipc/varlink.h"
#include "base/buffer.h"
#include "base/check.h"
#include "fuzz/bytes.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MOST 100u

static qb_loop_t *loop; /* for all inputs: libqb has one for each thread */

struct run {
    struct bytes input;
    int fd; /* the client's end */
    struct stream *stream;
    struct buffer sent, got, answers; /* got: messages, each with a NUL */
    size_t from;                      /* of `sent`: not written to the socket yet */
    bool pause, ended;
    qb_loop_timer_handle feed_timer, go_on_timer;
    const char *why;
};

static void feed(void *data);
static void go_on(void *data);

static void later(struct run *r, qb_loop_timer_handle *timer, qb_loop_timer_dispatch_fn fn) {
    CHECK(qb_loop_timer_add(loop, QB_LOOP_MED, 0, r, fn, timer) == 0);
}

static void go_on(void *data) {
    struct run *r = data;
    r->go_on_timer = 0;
    stream_pause(r->stream, false);
}

/* The next piece; then the client says that there is no more. */
static void feed(void *data) {
    struct run *r = data;
    size_t n = (size_t)bytes_number(&r->input, 1);
    struct wire_bytes piece = bytes_part(&r->input, n);
    r->feed_timer = 0;
    if (n & 1) {
        r->pause = true;
    }
    buffer_append(&r->sent, piece.data, piece.size);
    if (piece.size > 0) {
        CHECK(send(r->fd, piece.data, piece.size, MSG_NOSIGNAL) == (ssize_t)piece.size);
    }
    if (r->input.left > 0) {
        later(r, &r->feed_timer, feed);
    } else {
        CHECK(shutdown(r->fd, SHUT_WR) == 0);
    }
}

static void check_call(const char *text, size_t n) {
    struct varlink_call call;
    if (varlink_call_parse(text, n, &call) == 0) {
        const struct ipc_verb *verb = varlink_verb(call.method);
        struct ipc_request request;
        struct ipc_error error;
        json_t *reply = verb ? NULL : varlink_service(&call);
        CHECK(verb || json_is_object(json_object_get(reply, "parameters")));
        json_decref(reply);
        if (verb) {
            (void)ipc_request_take(varlink_request(&call, verb, 1), &request, &error);
            ipc_request_finish(&request);
        }
    }
    varlink_call_finish(&call);
}

static void on_message(void *context, const char *text, size_t n) {
    struct run *r = context;
    CHECK(!r->ended && !r->go_on_timer && n <= REQUEST_MOST && text[n] == '\0');
    buffer_append(&r->got, text, n + 1);
    check_call(text, n);
    struct ipc_text *echo = ipc_text_take(strdup(text));
    CHECK(echo && stream_answer(r->stream, echo) == 0);
    ipc_text_release(echo);
    if (r->pause) {
        r->pause = false;
        stream_pause(r->stream, true);
        later(r, &r->go_on_timer, go_on);
    }
}

static void on_ended(void *context, const char *why) {
    struct run *r = context;
    CHECK(!r->ended);
    r->ended = true;
    r->why = why;
    qb_loop_stop(loop);
}

/* What must have arrived: so many bytes of what was sent. *ret_large: then one that is too
 * large. */
static size_t expected(const struct run *r, bool *ret_large) {
    size_t from = 0;
    for (size_t i = 0; i < r->sent.size; i++) {
        if (i - from >= REQUEST_MOST && (r->sent.data[i] != '\0' || i - from > REQUEST_MOST)) {
            *ret_large = true;
            return from;
        }
        if (r->sent.data[i] == '\0') {
            from = i + 1;
        }
    }
    *ret_large = false;
    return from;
}

static void check_run(struct run *r) {
    bool large = false;
    size_t n = expected(r, &large);
    CHECK(r->got.size == n && (n == 0 || memcmp(r->got.data, r->sent.data, n) == 0));
    if (r->why[0]) {
        CHECK(large);
    } else { /* one that is too large has not come whole: the client's end may be seen first */
        CHECK(!large || !memchr(r->sent.data + n, '\0', r->sent.size - n));
    }
    char part[512];
    for (ssize_t size = 0; (size = recv(r->fd, part, sizeof(part), MSG_DONTWAIT)) > 0;) {
        buffer_append(&r->answers, part, (size_t)size);
    }
    CHECK(r->answers.size == n && (n == 0 || memcmp(r->answers.data, r->sent.data, n) == 0));
}

static void timer_end(qb_loop_timer_handle timer) {
    if (timer) {
        (void)qb_loop_timer_del(loop, timer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct stream_budget budget;
    struct run r = {.input = {.data = data, .left = size}};
    int fds[2];
    loop = loop ? loop : qb_loop_create();
    CHECK(loop && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    const struct stream_owner owner = {.message = on_message,
                                       .ended = on_ended,
                                       .context = &r,
                                       .unread_ms = STREAM_UNREAD_MS,
                                       .request_most = REQUEST_MOST,
                                       .budget = &budget};
    stream_budget_init(&budget, (size_t)1 << 20, (size_t)1 << 20);
    buffer_init(&r.sent);
    buffer_init(&r.got);
    buffer_init(&r.answers);
    r.fd = fds[0];
    CHECK(stream_create(loop, fds[1], &owner, &r.stream) == 0);
    later(&r, &r.feed_timer, feed);
    qb_loop_run(loop);
    timer_end(r.feed_timer);
    timer_end(r.go_on_timer);
    check_run(&r);
    stream_destroy(r.stream);
    CHECK(budget.unsent == 0 && budget.half == 0 && list_empty(&budget.waiting));
    (void)close(r.fd);
    buffer_finish(&r.sent);
    buffer_finish(&r.got);
    buffer_finish(&r.answers);
    return 0;
}
