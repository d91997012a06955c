/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring and a corosync that is not as it should be: one that is stopped while it starts, and
 * somebody else at its name. A network namespace of the test's own keeps corosync's names free.
 */
#include "harness.h"

#include "adapters/clock.h"
#include "adapters/corosync/connection.h"
#include "adapters/corosync/peer.h"
#include "adapters/corosync/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534u

static struct harness h;
static bool have_namespace;

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    harness_finish(&h);
    return 0;
}

/* ---- somebody at a name ---- */

/* Listens as libqb's servers do, and says nothing. */
static int listen_at(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0) {
        return -1;
    }
    return fd;
}

/* A process of another user that takes the name; it reports each byte that a caller says to it. */
static pid_t nobody_at(const char *name, int *ret_heard) {
    int fds[2];
    char byte = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = setuid(NOBODY) == 0 ? listen_at(name) : -1;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        (void)!write(fds[1], fd < 0 ? "-" : "+", 1);
        for (int caller; (caller = accept(fd, NULL, NULL)) >= 0; (void)close(caller)) {
            while (read(caller, &byte, 1) == 1) {
                (void)!write(fds[1], "!", 1);
            }
        }
        _exit(0);
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(byte, '+');
    *ret_heard = fds[0];
    return pid;
}

static void end(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- the ring ---- */

static int never_ready(void *context, const struct corosync_config *config) {
    (void)context;
    (void)config;
    fail_msg("there is no configuration");
    return -EINVAL;
}

static void never_changed(void *context, const struct corosync_config *before,
                          const struct corosync_config *now) {
    (void)context;
    (void)before;
    (void)now;
    fail_msg("there is no configuration");
}

static void never_fatal(void *context, int error, const char *message) {
    (void)context;
    fail_msg("fatal: %d %s", error, message);
}

static struct corosync_ring *create_ring(void) {
    const struct ring_handlers handlers = {
        .ready = never_ready, .changed = never_changed, .fatal = never_fatal};
    struct corosync_ring *ring = NULL;
    assert_int_equal(corosync_ring_create(h.loop, harness_sink(&h), &handlers, &ring), 0);
    return ring;
}

static void wait_for_problem(const struct corosync_ring *ring, const char *words) {
    uint64_t deadline = clock_now_ms() + 10000;
    while (!strstr(corosync_ring_problem(ring), words)) {
        if (clock_now_ms() > deadline) {
            fail_msg("the problem is: %s", corosync_ring_problem(ring));
        }
        harness_run(&h, 10);
    }
}

static void test_a_corosync_that_is_stopped(void **state) {
    (void)state;
    if (!have_namespace) {
        skip();
    }
    int fd = listen_at("cmap");
    assert_true(fd >= 0);
    struct corosync_ring *ring = create_ring();
    uint64_t began = clock_now_ms();
    harness_run(&h, 300); /* the connection is made, its answer does not come */
    assert_in_range(clock_now_ms() - began, 299, 1500);
    wait_for_problem(ring, "corosync does not answer");
    began = clock_now_ms();
    corosync_ring_destroy(ring);
    assert_in_range(clock_now_ms() - began, 900, 5000);
    (void)close(fd); /* the thread that hung goes on, and ends */
}

static void test_a_stranger_at_corosyncs_name(void **state) {
    int heard = -1;
    char byte = 0;
    (void)state;
    if (!have_namespace || geteuid() != 0) {
        skip();
    }
    pid_t stranger = nobody_at("cmap", &heard);
    struct corosync_ring *ring = create_ring();
    wait_for_problem(ring, "@cmap is held by process");
    assert_non_null(strstr(corosync_ring_problem(ring), "of user 65534"));
    corosync_ring_destroy(ring);
    end(stranger);
    assert_int_equal(read(heard, &byte, 1), 0); /* nobody has said anything to it */
    (void)close(heard);
}

/* ---- sending ---- */

/* libqb would try again for ever to send the byte that goes with a message. A connection of which
 * there is but the socket shows whether it was asked at all: it knows no such handle. */
static void test_nothing_is_sent_to_a_corosync_that_does_not_read(void **state) {
    static const uint8_t data[] = "x";
    char bytes[512];
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct corosync_connection c = {.cpg_fd = fds[0], .quorum_fd = -1};
    assert_int_equal(corosync_connection_send(&c, data, sizeof(data)), -ENOTCONN);
    int sent = 0;
    while (corosync_connection_send(&c, data, sizeof(data)) != -EAGAIN) {
        assert_int_equal(send(fds[0], "x", 1, 0), 1); /* there was room for the byte */
        sent++;
    }
    assert_in_range(sent, 8, sizeof(bytes));
    assert_int_equal(read(fds[1], bytes, sizeof(bytes)), sent);
    assert_int_equal(corosync_connection_send(&c, data, sizeof(data)), -ENOTCONN);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* ---- the check ---- */

static void test_peers(void **state) {
    char name[64], message[256] = "";
    (void)state;
    (void)snprintf(name, sizeof(name), "clusterd-test-%d", (int)getpid());
    assert_int_equal(corosync_peer_check(name, getuid(), message, sizeof(message)), -ENOTCONN);
    int fd = listen_at(name);
    assert_true(fd >= 0);
    assert_int_equal(corosync_peer_check(name, getuid(), message, sizeof(message)), 0);
    assert_string_equal(message, "");
    assert_int_equal(corosync_peer_check(name, getuid() + 1, message, sizeof(message)), -EPERM);
    assert_non_null(strstr(message, name));
    (void)close(fd);
}

static void test_a_peer_that_the_kernel_does_not_know(void **state) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char message[256] = "";
    (void)state;
    (void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "clusterd-test-%d",
                   (int)getpid());
    int theirs = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int ours = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(theirs, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(connect(ours, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(corosync_peer_check_fd(ours, "cpg", 0, message, sizeof(message)), 0);
    (void)close(ours);
    (void)close(theirs);
}

/* Root needs no user namespace, and could not become another user in one of a single user. */
static bool enter_namespace(void) {
    if (geteuid() == 0) {
        return unshare(CLONE_NEWNET) == 0;
    }
    char map[32];
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)getuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        return false;
    }
    FILE *file = fopen("/proc/self/uid_map", "w");
    bool ok = file && fputs(map, file) >= 0;
    return file && fclose(file) == 0 && ok;
}

int main(void) {
    have_namespace = enter_namespace();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_peer_that_the_kernel_does_not_know, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_sent_to_a_corosync_that_does_not_read,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_corosync_that_is_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stranger_at_corosyncs_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
