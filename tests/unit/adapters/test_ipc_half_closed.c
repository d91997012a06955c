/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that close their side of the connection after their calls. */
#include "ipc_world.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void will_send_no_more(int fd) {
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

/* As in a pipe of the shell: the calls, the end of what is sent, and then the replies. */
static void test_a_client_that_will_send_no_more(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    call(fd, VM_START);
    call(fd, VM_LIST);
    call(fd, VM_START);
    will_send_no_more(fd);
    uint64_t first = next_start();
    core_answers(next_start(), 2);
    harness_run(&h, 50);
    assert_true(silent(fd)); /* neither answered nor hung up on */
    core_answers(first, 1);
    ASSERT_HAS(reply(fd), "\"operation\":1");
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    ASSERT_HAS(reply(fd), "\"operation\":2");
    assert_string_equal(reply(fd), "");
    (void)close(fd);
}

/* It keeps its place no longer than for its replies: with nothing, or half a call, not at all. */
static void test_its_place_is_free_afterwards(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) { /* twice as many as there are places */
        int fd = connected(ADMIN);
        send_bytes(fd, VM_LIST, i % 2 ? 10 : 0);
        will_send_no_more(fd);
        for (int k = 0; k < 100 && silent(fd); k++) {
            harness_run(&h, 1);
        }
        assert_false(silent(fd)); /* sooner than after the time for half a call */
        assert_string_equal(reply(fd), "");
        (void)close(fd);
    }
}

/* Who hangs up altogether has taken back what is not answered: its place is free. */
static void test_hung_up_after_half(void **state) {
    uint64_t id = 0;
    (void)state;
    for (int i = 0; i < 600; i++) { /* more than there are places */
        int fd = connected(ADMIN);
        call(fd, VM_START);
        will_send_no_more(fd);
        id = next_start();
        (void)close(fd);
        harness_run(&h, 1);
    }
    core_answers(id, 1);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

static void test_a_subscriber_that_will_send_no_more(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    call(fd, SUBSCRIBE);
    will_send_no_more(fd);
    ASSERT_HAS(reply(fd), "continues");
    harness_run(&h, 50);
    ipc_server_event(server, &row);
    ASSERT_HAS(reply(fd), "hello");
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_a_client_that_will_send_no_more),
        T(test_its_place_is_free_afterwards),
        T(test_hung_up_after_half),
        T(test_a_subscriber_that_will_send_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
