/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads that wait for their turn: whose is answered when, and how often one is made. Each takes as
 * long as the test says, by the clock.
 */
#include "adapters/ipc/reads.h"

#include "adapters/ipc/verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <qb/qbdefs.h>
#include <qb/qbutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS QB_TIME_NS_IN_MSEC

enum { ANSWERS = 64 };

static qb_loop_t *loop;
static struct ipc_reads reads;
static struct ipc_user users[2];
static struct ipc_session sessions[2]; /* one of each user */
static uint64_t state_number, takes_ns;
static unsigned made, answered, wanted;
static char order[ANSWERS + 1]; /* 'a' and 'b': whose read was answered */
static uint64_t when_ns[ANSWERS];

static uint64_t now(void) {
    return qb_util_nano_current_get();
}

static uint64_t state_of(void *context) {
    (void)context;
    return state_number;
}

static bool ready(void *context, struct ipc_read *read) {
    (void)context;
    (void)read;
    return true;
}

static struct ipc_text *make(void *context, struct ipc_read *read) {
    uint64_t end_ns = now() + takes_ns;
    (void)context;
    made++;
    while (now() < end_ns) {
    }
    read->same = true;
    return ipc_text_take(strdup("{}"));
}

static void on_answered(void *context, struct ipc_read *read, struct ipc_text *text) {
    (void)context;
    assert_non_null(text);
    assert_true(answered < ANSWERS);
    when_ns[answered] = now();
    order[answered++] = read->session == &sessions[0] ? 'a' : 'b';
    if (answered == wanted) {
        qb_loop_stop(loop);
    }
}

static int setup(void **state) {
    const struct ipc_reads_source source = {
        .state = state_of, .ready = ready, .make = make, .answered = on_answered};
    (void)state;
    loop = qb_loop_create();
    ipc_reads_init(&reads, loop, &source);
    state_number = takes_ns = made = answered = 0;
    memset(order, 0, sizeof(order));
    memset(users, 0, sizeof(users));
    for (size_t i = 0; i < 2; i++) {
        sessions[i] = (struct ipc_session){.user = &users[i], .access = IPC_ACCESS_CHANGE};
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ipc_reads_finish(&reads);
    qb_loop_destroy(loop);
    return 0;
}

static void add(unsigned who, const char *verb) {
    struct ipc_read *read = calloc(1, sizeof(*read));
    assert_non_null(read);
    read->session = &sessions[who];
    for (size_t i = 0; i < ipc_n_verbs; i++) {
        read->request.verb =
            strcmp(ipc_verbs[i].name, verb) == 0 ? &ipc_verbs[i] : read->request.verb;
    }
    assert_non_null(read->request.verb);
    ipc_reads_add(&reads, read);
}

static void run_until(unsigned n) {
    wanted = n;
    if (answered < n) {
        qb_loop_run(loop);
    }
}

/* One that asks for much comes once for each time that another one comes. */
static void test_users_take_turns(void **state) {
    (void)state;
    takes_ns = MS / 10;
    for (int i = 0; i < 4; i++) {
        add(0, "config.get"); /* with arguments: nothing is kept */
    }
    add(1, "config.get");
    add(1, "config.get");
    assert_int_equal(answered, 0);
    run_until(6);
    assert_string_equal(order, "ababaa");
}

/* After one that took long, the next one comes when four times that has passed. */
static void test_a_long_one_is_followed_by_a_rest(void **state) {
    (void)state;
    takes_ns = 5 * MS;
    add(0, "vm.show");
    add(1, "vm.show");
    run_until(2);
    assert_true(when_ns[1] - when_ns[0] >= 25 * MS); /* the rest, and its own time */
}

/* In a rest, too, what is known already is answered. */
static void test_the_same_is_made_once(void **state) {
    (void)state;
    takes_ns = 40 * MS;
    add(0, "status");
    add(1, "status");
    add(0, "status");
    run_until(3);
    assert_int_equal(made, 1);
    assert_true(when_ns[2] - when_ns[0] < 160 * MS);
    state_number++;
    add(1, "status");
    run_until(4);
    assert_int_equal(made, 2);
}

/* Until one is known to be short and may be answered at once: on a busy machine not the first. */
static void be_quick(void) {
    const uint64_t *took_ns = &reads.took_ns[READ_CONFIG_GET];
    do {
        unsigned n = answered;
        add(0, "config.get");
        run_until(n + 1);
        while (now() < reads.rest_until_ns) {
        }
        assert_true(answered < ANSWERS / 2);
    } while (*took_ns >= MS || reads.at_once_ns >= MS / 2);
}

/* A short one does not wait, once it is known to be short; nor does it pass one that waits. */
static void test_short_ones_are_answered_at_once(void **state) {
    (void)state;
    add(0, "config.get");
    assert_int_equal(answered, 0);
    run_until(1);
    be_quick();
    unsigned n = answered;
    add(0, "config.get");
    assert_int_equal(answered, n + 1);
    add(1, "vm.show"); /* not known to be short */
    add(0, "config.get");
    assert_int_equal(answered, n + 1);
    run_until(n + 3);
}

static void test_a_verb_that_took_long_waits(void **state) {
    (void)state;
    takes_ns = MS;
    add(0, "config.get");
    run_until(1);
    for (uint64_t end_ns = now() + 5 * MS; now() < end_ns;) { /* the rest is over */
    }
    add(0, "config.get");
    assert_int_equal(answered, 1);
    run_until(2);
}

/* However short they are, the loop has its turn after 1 ms of them. */
static void test_what_is_answered_at_once_is_bounded(void **state) {
    unsigned n = 0;
    (void)state;
    be_quick();
    unsigned before = answered;
    takes_ns = MS / 5;
    do {
        add(0, "config.get");
        n++;
    } while (answered == before + n && n < ANSWERS / 4);
    assert_true(n <= 6);
    run_until(before + n);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_users_take_turns),
        T(test_a_long_one_is_followed_by_a_rest),
        T(test_the_same_is_made_once),
        T(test_short_ones_are_answered_at_once),
        T(test_a_verb_that_took_long_waits),
        T(test_what_is_answered_at_once_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
