/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server with clients on its sockets, for its tests. The core behind it is one that has not
 * booted; where it would answer, the test does.
 */
#ifndef TESTS_ADAPTERS_IPC_WORLD_H
#define TESTS_ADAPTERS_IPC_WORLD_H

#include "harness.h"

#include "adapters/ipc/server.h"
#include "adapters/ipc/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CALL(name) "{\"method\":\"io.clusterd." name "\"}"
#define CALL_WITH(name, parameters) \
    "{\"method\":\"io.clusterd." name "\",\"parameters\":{" parameters "}}"
#define VM_LIST CALL("VmList")
#define VM_START CALL_WITH("VmStart", "\"vm\":\"web\"")
#define SUBSCRIBE "{\"method\":\"io.clusterd.Subscribe\",\"more\":true}"
#define ADMIN "io.clusterd"
#define READER "io.clusterd.read"
#define ASSERT_HAS(text, part) assert_non_null(strstr(text, part))

extern struct harness h;
extern struct core *core;
extern struct ipc_server *server;
extern struct socket_door *door;
extern const char *waiting;    /* why the node has not joined the cluster */
extern struct model_event row; /* something that has happened */
enum { BUFFER = 1 << 20 };
extern char buffer[BUFFER]; /* what has come last */

/* For cmocka: a world for each test. */
int setup(void **state);
int teardown(void **state);
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int open_door(struct socket_door **ret_door);
void close_door(void);

/* A client on the socket of that name (ADMIN, READER), or a negative errno. */
int try_connect(const char *name);
/* The same; a failure fails the test. */
int connected(const char *name);
void send_bytes(int fd, const char *bytes, size_t n);
/* One message: the text and its NUL. */
void call(int fd, const char *text);
/* The next message, valid until the one after it; "" when the server has hung up. */
const char *reply(int fd);
/* How many bytes there are of the next message, with its NUL; 0: it has not come whole. */
size_t whole_message(const char *text, ssize_t n);
/* Whether nothing has come. */
bool silent(int fd);
/* One call on a connection of its own. */
const char *ask(const char *name, const char *text);

/* Owned by the caller. */
char *copy(const char *text);

/* The core gets a request for VM_START, by root; its number. */
uint64_t next_start(void);
/* The core's answer to the request of that number. */
void core_answers(uint64_t id, uint64_t operation);

#endif
