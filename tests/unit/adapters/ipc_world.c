/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPC server and its clients, for tests. See ipc_world.h. */
#include "ipc_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct harness h;
struct core *core;
struct ipc_server *server;
struct socket_door *door;
const char *waiting;
struct model_event row = {.seq = 1,
                          .kind = "k",
                          .node = "n",
                          .subject = "s",
                          .message = "hello",
                          .repeated = 2,
                          .first_ms = 7};

static const char *cluster_of(void *context) {
    (void)context;
    return "lab";
}

static const char *waiting_of(void *context) {
    (void)context;
    return waiting;
}

static int find_agent(void *context, const char *agent, char *ret_path) {
    (void)context;
    (void)snprintf(ret_path, IPC_AGENT_PATH, "/sbin/%s", agent);
    return strcmp(agent, "fence_here") == 0 ? 0 : -ENOENT;
}

int open_door(struct socket_door **ret_door) {
    const struct ipc_groups groups = {.admin_group = "adm", .reader_group = "video"};
    return socket_door_open(server, h.loop, h.dir, &groups, ret_door);
}

void close_door(void) {
    socket_door_close(door);
    door = NULL;
}

int setup(void **state) {
    struct ipc_source source = {
        .cluster = cluster_of, .waiting = waiting_of, .find_agent = find_agent};
    (void)state;
    harness_init(&h);
    assert_int_equal(chmod(h.dir, 0755), 0); /* as run_dir */
    waiting = "";
    assert_int_equal(core_create(&core), 0);
    source.core = core;
    assert_int_equal(ipc_server_create(h.loop, &source, harness_sink(&h), &server), 0);
    assert_int_equal(open_door(&door), 0);
    return 0;
}

int teardown(void **state) {
    (void)state;
    close_door();
    ipc_server_destroy(server);
    core_destroy(core);
    harness_finish(&h);
    return 0;
}

/* ---- clients ---- */

int try_connect(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", h.dir, name);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    return fd;
}

int connected(const char *name) {
    int fd = try_connect(name);
    assert_true(fd >= 0);
    return fd;
}

void send_bytes(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            harness_run(&h, 5);
            continue;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
}

void call(int fd, const char *text) {
    send_bytes(fd, text, strlen(text) + 1);
}

char buffer[BUFFER];

size_t whole_message(const char *text, ssize_t n) {
    const char *nul = n > 0 ? memchr(text, '\0', (size_t)n) : NULL;
    return nul ? (size_t)(nul - text) + 1 : 0;
}

/* The next message; "" when the server has hung up. */
const char *reply(int fd) {
    for (int i = 0; i < 2000; i++) {
        ssize_t n = recv(fd, buffer, BUFFER, MSG_PEEK);
        size_t whole = whole_message(buffer, n);
        if (whole > 0) {
            assert_int_equal(recv(fd, buffer, whole, 0), whole);
            print_message("%.200s\n", buffer);
            return buffer;
        }
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            return "";
        }
        harness_run(&h, 5);
    }
    fail_msg("no reply within 10 s");
    return NULL;
}

bool silent(int fd) {
    char byte = 0;
    return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

const char *ask(const char *name, const char *text) {
    int fd = connected(name);
    call(fd, text);
    const char *got = reply(fd);
    (void)close(fd);
    return got;
}

char *copy(const char *text) {
    char *result = strdup(text);
    assert_non_null(result);
    return result;
}

/* ---- the core ---- */

uint64_t next_start(void) {
    const struct core_event *event = harness_wait(&h, 5000);
    assert_int_equal(event->type, CORE_EVENT_REQUEST);
    assert_int_equal(event->request.command, COMMAND_VM_START);
    assert_string_equal(((const struct cmd_vm_start *)event->request.value)->vm, "web");
    assert_int_equal(event->request.asker, 1); /* root, by the kernel's word */
    assert_string_equal(event->request.user, "root");
    return event->request.id;
}

void core_answers(uint64_t id, uint64_t operation) {
    const struct core_reply answer = {
        .id = id, .code = REPLY_OK, .operation = operation, .message = "", .hint = ""};
    ipc_server_reply(server, &answer);
}
