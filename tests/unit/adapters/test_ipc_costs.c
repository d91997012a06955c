/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client may cost others: one that does harm, and one that asks for much.
 */
#include "ipc_world.h"

#include "adapters/clock.h"
#include "adapters/ipc/stream.h"
#include "wire/ipc_limits.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- clients that do harm ---- */

static void test_a_request_that_is_too_large(void **state) {
    static char large[CLUSTERD_IPC_MAX_REQUEST + 100000];
    int fd = connected(ADMIN);
    ssize_t n = 0;
    uint64_t from_ms = clock_now_ms();
    (void)state;
    memset(large, ' ', sizeof(large));
    for (size_t sent = 0; sent<sizeof(large); sent += n> 0 ? (size_t)n : 0) {
        n = send(fd, large + sent, sizeof(large) - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            break;
        }
        harness_run(&h, 1);
    }
    assert_string_equal(reply(fd), "");
    assert_true(clock_now_ms() - from_ms < STREAM_HALF_MS - 1000); /* not for want of its end */
    (void)close(fd);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

static void test_half_a_request_has_its_time(void **state) {
    int fd = connected(ADMIN), idle = connected(ADMIN);
    (void)state;
    send_bytes(fd, VM_LIST, 10);
    harness_run(&h, STREAM_HALF_MS - 2000);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]"); /* nobody waits for it */
    assert_true(silent(fd));
    assert_string_equal(reply(fd), "");
    (void)close(fd);
    call(idle, VM_LIST); /* one that has said nothing at all is welcome */
    ASSERT_HAS(reply(idle), "\"vms\":[]");
    (void)close(idle);
}

/* A request in pieces, and two in one piece. */
static void test_pieces(void **state) {
    static const char two[] = VM_LIST "\0" VM_LIST;
    int fd = connected(ADMIN);
    (void)state;
    for (size_t i = 0; i <= strlen(VM_LIST); i++) {
        send_bytes(fd, &VM_LIST[i], 1);
        harness_run(&h, 1);
    }
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    send_bytes(fd, two, sizeof(two));
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    (void)close(fd);
}

/* A message ends at its NUL: one NUL more is a message of no bytes, which is no call. */
static void test_nuls_at_odd_places(void **state) {
    static const char twice[] = VM_LIST "\0";
    static const char inside[] = "{\"method\":\"io.clusterd.\0VmList\"}";
    (void)state;
    int fd = connected(ADMIN);
    send_bytes(fd, twice, sizeof(twice));
    const char *got = reply(fd); /* the end may be known before the answer */
    assert_true(got[0] == '\0' || strcmp(got, "{\"parameters\":{\"vms\":[]}}") == 0);
    if (got[0]) {
        assert_string_equal(reply(fd), "");
    }
    (void)close(fd);
    fd = connected(ADMIN);
    send_bytes(fd, inside, sizeof(inside));
    assert_string_equal(reply(fd), "");
    (void)close(fd);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* "more" may be said where one reply is all: it is the last one. */
static void test_more_where_there_is_no_more(void **state) {
    (void)state;
    assert_string_equal(ask(ADMIN, "{\"method\":\"io.clusterd.VmList\",\"more\":true}"),
                        "{\"parameters\":{\"vms\":[]}}");
    ASSERT_HAS(ask(ADMIN, "{\"method\":\"org.varlink.service.GetInfo\",\"more\":true}"),
               "\"product\":\"clusterd\"");
}

/* Who reads no answers is not read from, and delays nobody. */
static void test_a_client_that_does_not_read(void **state) {
    static const char get[] = "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                              "\"parameters\":{\"interface\":\"io.clusterd\"}}";
    int fd = connected(ADMIN);
    unsigned sent = 0;
    (void)state;
    for (unsigned blocked = 0; blocked < 20;) {
        bool taken = send(fd, get, sizeof(get), MSG_NOSIGNAL) == (ssize_t)sizeof(get);
        sent += taken;
        blocked += !taken;
        harness_run(&h, 1);
        assert_true(sent < 100000);
    }
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
    for (unsigned i = 0; i < sent; i++) {
        ASSERT_HAS(reply(fd), "interface io.clusterd");
    }
    (void)close(fd);
}

/* ---- what a user costs others ---- */

static void set_operation(uint64_t bytes) {
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_operation *operation = model_add(&m->operations);
    char *text = malloc(bytes + 1);
    assert_non_null(operation);
    assert_non_null(text);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    operation->id = 7;
    free((void *)(uintptr_t)operation->why);
    operation->why = text;
}

/* One that is larger than all that a subscriber may leave unread is no reason to hang up on it. */
static void test_a_large_event_arrives(void **state) {
    enum { LARGE = 6 << 20 };
    size_t n = 0;
    int fd = connected(ADMIN);
    (void)state;
    set_operation(LARGE);
    call(fd, SUBSCRIBE);
    ASSERT_HAS(reply(fd), "continues");
    ipc_server_operation(server, 7);
    ipc_server_event(server, &row); /* and one behind it */
    for (int i = 0; i < 5000 && n < LARGE + 100; i++) {
        ssize_t got = recv(fd, buffer, BUFFER, 0);
        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        n += got > 0 ? (size_t)got : 0;
        harness_run(&h, 1);
    }
    assert_true(n > LARGE);
    (void)close(fd);
}

/* All events that the cluster keeps, in one go: more than may be unread later. */
static void test_replayed_events_may_be_many(void **state) {
    enum { EVENTS = 6000 };
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    static char large[WIRE_MAX_TEXT + 1];
    int fd = connected(ADMIN);
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    for (uint64_t i = 1; i <= EVENTS; i++) {
        struct model_event *event = model_add(&m->events);
        event->seq = i;
        free((void *)(uintptr_t)event->message);
        event->message = copy(large);
    }
    call(fd, "{\"method\":\"io.clusterd.Subscribe\",\"more\":true,\"parameters\":{\"since\":0}}");
    ASSERT_HAS(reply(fd), "continues");
    ASSERT_HAS(reply(fd), "\"seq\":1,");
    ipc_server_event(server, &row);
    for (int i = 2; i <= EVENTS; i++) {
        ASSERT_HAS(reply(fd), "\"event\"");
    }
    ASSERT_HAS(reply(fd), "\"hello\"");
    (void)close(fd);
}

/* A reader has nothing to send that is long. */
static void test_readers_send_little(void **state) {
    static char large[CLUSTERD_IPC_MAX_READ + 1000];
    int fd = connected(READER);
    (void)state;
    memset(large, ' ', sizeof(large));
    send_bytes(fd, large, sizeof(large));
    assert_string_equal(reply(fd), "");
    (void)close(fd);
}

/* VM_LIST behind so many spaces; its end. */
static char *put_call(char *at, size_t spaces) {
    memset(at, ' ', spaces);
    memcpy(at + spaces, VM_LIST, sizeof(VM_LIST));
    return at + spaces + sizeof(VM_LIST);
}

/* Also if it comes together with a message that is within the limit. */
static void test_a_large_request_behind_another(void **state) {
    static char both[2 * CLUSTERD_IPC_MAX_READ];
    enum { HALF = 13000 };
    char *end = put_call(both, HALF);
    unsigned n = 0;
    int fd = connected(READER);
    (void)state;
    end = put_call(end, CLUSTERD_IPC_MAX_READ + 100);
    send_bytes(fd, both, HALF); /* there is room for much more now */
    harness_run(&h, 50);
    send_bytes(fd, both + HALF, (size_t)(end - both) - HALF);
    for (; reply(fd)[0]; n++) {
        assert_string_equal(buffer, "{\"parameters\":{\"vms\":[]}}");
    }
    assert_int_equal(n, 1);
    (void)close(fd);
}

/* Each of these would keep 64 answers of 3 MB for a client that reads none of them. */
static void test_answers_that_nobody_reads_stay_few(void **state) {
    enum { CLIENTS = 40, CALLS = 64, LARGE = 3 << 20, UNREAD_MOST = 64 << 20 };
    int fds[CLIENTS];
    (void)state;
    set_operation(LARGE);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connected(ADMIN);
        call(fds[i], VM_START); /* the core does not answer */
        for (int k = 0; k < CALLS; k++) {
            call(fds[i], CALL_WITH("OperationShow", "\"operation\":7"));
        }
    }
    harness_run(&h, 1000);
    struct mallinfo2 memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 2 * (size_t)UNREAD_MOST + CLIENTS * (LARGE + 1));
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    harness_run(&h, 100);
    memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 20 << 20); /* it is all given back */
}

static unsigned how_many_heard(const int *fds, unsigned n) {
    unsigned heard = 0;
    for (unsigned i = 0; i < n; i++) {
        heard += !silent(fds[i]);
    }
    return heard;
}

/* While a user's answers are unread, it gets no further ones; when they are read, it does. */
static void test_the_users_budget_is_given_back(void **state) {
    enum { CLIENTS = 30, LARGE = 3 << 20, FIT = 22 /* 64 MiB */ };
    int fds[CLIENTS];
    unsigned got = 0;
    (void)state;
    set_operation(LARGE);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connected(ADMIN);
        call(fds[i], CALL_WITH("OperationShow", "\"operation\":7"));
    }
    for (int k = 0; k < 2000 && got < FIT; k++) { /* one after the other: each takes long to make */
        harness_run(&h, 10);
        got = how_many_heard(fds, CLIENTS);
    }
    assert_int_equal(got, FIT);
    int late = connected(ADMIN);
    call(late, VM_LIST);
    harness_run(&h, 100);
    assert_true(silent(late));
    assert_int_equal(how_many_heard(fds, CLIENTS), FIT); /* the others wait */
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    ASSERT_HAS(reply(late), "\"vms\":[]");
    (void)close(late);
}

/* 1 MiB of each request may be there; of all of a user's together much less than of each. */
static void test_halves_of_requests_take_little_memory(void **state) {
    enum { CLIENTS = 60, HALF = 900 * 1024 };
    static char half[HALF];
    int fds[CLIENTS];
    (void)state;
    memset(half, ' ', sizeof(half));
    for (int i = 0; i < CLIENTS; i++) {
        size_t sent = 0;
        fds[i] = connected(ADMIN);
        for (int k = 0; k < 100 && sent < HALF; k++) {
            ssize_t n = send(fds[i], half + sent, HALF - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
            harness_run(&h, 1);
        }
    }
    struct mallinfo2 memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 32 << 20);
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* A client that has once sent much does not keep the memory of it. */
static void test_what_has_been_read_is_given_back(void **state) {
    enum { CLIENTS = 40, SPACES = 900 * 1024 };
    static char large[SPACES + sizeof(VM_LIST)];
    int fds[CLIENTS];
    (void)state;
    (void)put_call(large, SPACES);
    for (int i = 0; i < CLIENTS; i++) {
        size_t sent = 0;
        fds[i] = connected(ADMIN);
        for (int k = 0; k < 1000 && sent < sizeof(large); k++) {
            ssize_t n = send(fds[i], large + sent, sizeof(large) - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
            harness_run(&h, 1);
        }
        ASSERT_HAS(reply(fds[i]), "\"vms\":[]");
    }
    struct mallinfo2 memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 16 << 20);
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
}

/* ---- a stream whose peer does not read ---- */

struct unread {
    bool ended;
    char why[64];
};

static void on_unread_message(void *context, const char *text, size_t n) {
    (void)context;
    (void)text;
    (void)n;
}

static void on_unread_end(void *context, const char *why) {
    struct unread *u = context;
    u->ended = true;
    (void)snprintf(u->why, sizeof(u->why), "%s", why);
}

/* It has its time; each part that it reads gives it that time anew. */
static void test_what_is_unread_has_its_time(void **state) {
    enum { UNREAD_MS = 1500, LARGE = 8 << 20 };
    static char part[65536];
    struct unread u = {.ended = false};
    struct stream_budget budget;
    struct stream *stream = NULL;
    int fds[2];
    (void)state;
    stream_budget_init(&budget, SIZE_MAX, SIZE_MAX);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    const struct stream_owner owner = {.message = on_unread_message,
                                       .ended = on_unread_end,
                                       .context = &u,
                                       .request_most = 100,
                                       .unread_ms = UNREAD_MS,
                                       .budget = &budget};
    assert_int_equal(stream_create(h.loop, fds[0], &owner, &stream), 0);
    char *bytes = malloc(LARGE + 1);
    assert_non_null(bytes);
    memset(bytes, 'x', LARGE);
    bytes[LARGE] = '\0';
    struct ipc_text *text = ipc_text_take(bytes);
    assert_int_equal(stream_answer(stream, text), 0);
    ipc_text_release(text);
    for (uint64_t from_ms = clock_now_ms(); clock_now_ms() - from_ms < 2 * UNREAD_MS;) {
        (void)recv(fds[1], part, sizeof(part), 0);
        harness_run(&h, 50);
    }
    assert_false(u.ended);
    harness_run(&h, UNREAD_MS + 500);
    assert_true(u.ended);
    assert_string_equal(u.why, "it does not read its messages");
    stream_destroy(stream);
    (void)close(fds[1]);
}

/* libqb runs a job of an idle loop 50 ms late: with 100 calls that would be 5 s. */
static void test_calls_in_one_piece_are_not_late(void **state) {
    enum { CALLS = 100, MOST_MS = 2500 };
    static char all[CALLS * sizeof(VM_LIST)];
    int fd = connected(ADMIN);
    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        memcpy(all + i * sizeof(VM_LIST), VM_LIST, sizeof(VM_LIST));
    }
    uint64_t from_ms = clock_now_ms();
    send_bytes(fd, all, sizeof(all));
    for (int i = 0; i < CALLS; i++) {
        while (whole_message(buffer, recv(fd, buffer, BUFFER, MSG_PEEK)) == 0) {
            harness_run(&h, 1);
            assert_true(clock_now_ms() - from_ms < MOST_MS);
        }
        ASSERT_HAS(reply(fd), "\"vms\":[]");
    }
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_a_request_that_is_too_large),
        T(test_half_a_request_has_its_time),
        T(test_pieces),
        T(test_nuls_at_odd_places),
        T(test_more_where_there_is_no_more),
        T(test_a_client_that_does_not_read),
        T(test_a_large_event_arrives),
        T(test_replayed_events_may_be_many),
        T(test_readers_send_little),
        T(test_a_large_request_behind_another),
        T(test_answers_that_nobody_reads_stay_few),
        T(test_the_users_budget_is_given_back),
        T(test_halves_of_requests_take_little_memory),
        T(test_what_has_been_read_is_given_back),
        T(test_what_is_unread_has_its_time),
        T(test_calls_in_one_piece_are_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
