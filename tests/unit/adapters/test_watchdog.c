/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog against a unix socket that plays one, and against a FIFO.
 */
#include "harness.h"

#include "adapters/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct harness h;
static char path[100];
static char message[256];
static int server = -1, client = -1;

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    (void)snprintf(path, sizeof(path), "%s/watchdog", h.dir);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    (void)close(server);
    (void)close(client);
    harness_finish(&h);
    return 0;
}

static void listen_at(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server, 5), 0);
}

static const char *received(int fd) {
    static char text[256];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_socket(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    listen_at();
    assert_int_equal(watchdog_create(path, 5300, &w, message, sizeof(message)), 0);
    assert_int_equal(watchdog_timeout_ms(w), 5300);
    assert_int_equal(accept4(server, NULL, NULL, SOCK_NONBLOCK),
                     -1); /* not armed before the first feed */
    assert_int_equal(watchdog_feed(w), 0);
    client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    assert_true(client >= 0);
    assert_string_equal(received(client), "M5300\nk");
    assert_int_equal(watchdog_feed(w), 0);
    assert_string_equal(received(client), "k");
    watchdog_disarm(w);
    assert_string_equal(received(client), "V");
    assert_int_equal(read(client, message, 1), 0);
    watchdog_destroy(w);
}

static void test_end_without_disarming(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    listen_at();
    assert_int_equal(watchdog_create(path, 5000, &w, message, sizeof(message)), 0);
    assert_int_equal(watchdog_feed(w), 0);
    client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    watchdog_destroy(w);
    assert_string_equal(received(client), "M5000\nk"); /* and no V */
    assert_int_equal(read(client, message, 1), 0);
}

static void test_server_comes_back(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    listen_at();
    assert_int_equal(watchdog_create(path, 5000, &w, message, sizeof(message)), 0);
    assert_int_equal(watchdog_feed(w), 0);
    client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    (void)close(client);
    (void)close(server);
    assert_int_equal(watchdog_feed(w), 0); /* says so in the log, and does not end clusterd */
    (void)unlink(path);
    listen_at();
    assert_int_equal(watchdog_feed(w), 0);
    client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    assert_string_equal(received(client), "M5000\nk");
    watchdog_destroy(w);
}

/* A node that says it has a watchdog must not run on without one. */
static void test_cannot_be_armed(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    listen_at();
    assert_int_equal(watchdog_create(path, 5000, &w, message, sizeof(message)), 0);
    (void)close(server);
    assert_int_equal(watchdog_feed(w), -EPROTO);
    watchdog_destroy(w);
}

/* A clusterd that was restarted and stops before it ever fed: what its predecessor armed must not
 * reset the node. */
static void test_disarm_for_a_predecessor(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    listen_at();
    assert_int_equal(watchdog_create(path, 5000, &w, message, sizeof(message)), 0);
    watchdog_disarm(w);
    client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    assert_string_equal(received(client), "V");
    watchdog_destroy(w);
}

static void test_fifo(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    client = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(watchdog_create(path, 5000, &w, message, sizeof(message)), 0);
    assert_int_equal(watchdog_feed(w), 0);
    assert_string_equal(received(client), "M5000\nk");
    watchdog_disarm(w);
    assert_string_equal(received(client), "V");
    watchdog_destroy(w);
}

static void test_none_and_wrong(void **state) {
    struct watchdog *w = NULL;
    (void)state;
    assert_int_equal(watchdog_create("", 5000, &w, message, sizeof(message)), 0);
    assert_int_equal(watchdog_timeout_ms(w), 0);
    assert_int_equal(watchdog_feed(w), 0);
    watchdog_disarm(w);
    watchdog_destroy(w);
    assert_int_equal(watchdog_create(path, 5000, &w, message, sizeof(message)), -ENOENT);
    assert_non_null(strstr(message, path));
    assert_int_equal(watchdog_create(h.dir, 5000, &w, message, sizeof(message)), -EINVAL);
    /* A device counts whole seconds, and what is promised is what it will do. */
    assert_int_equal(watchdog_create("/dev/null", 5300, &w, message, sizeof(message)), 0);
    assert_int_equal(watchdog_timeout_ms(w), 6000);
    assert_int_equal(watchdog_feed(w), -EPROTO); /* no watchdog: its timeout cannot be set */
    watchdog_destroy(w);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_socket),          T(test_end_without_disarming),    T(test_server_comes_back),
        T(test_cannot_be_armed), T(test_disarm_for_a_predecessor), T(test_fifo),
        T(test_none_and_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
