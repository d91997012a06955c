/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of clients: JSON text in, a checked verb with its arguments out. Pure, for the fuzzer. A
 * request is accepted or refused as a whole: an unknown argument is an error, never ignored.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_REQUESTS_H
#define CLUSTERD_ADAPTERS_IPC_REQUESTS_H

#include "adapters/ipc/json.h"
#include "base/arena.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the member "v" of each request. */
#define IPC_VERSION 1

enum ipc_verb_kind { IPC_READ = 1, IPC_CHANGE, IPC_SUBSCRIBE, IPC_DEVICE_TEST, IPC_PREDICT };

enum ipc_read_verb {
    READ_STATUS = 1,
    READ_NODE_LIST,
    READ_NODE_SHOW,
    READ_VM_LIST,
    READ_VM_SHOW,
    READ_VM_HISTORY,
    READ_VM_EXPLAIN,
    READ_VOLUME_LIST,
    READ_VOLUME_SHOW,
    READ_DEVICE_LIST,
    READ_OPERATION_LIST,
    READ_OPERATION_SHOW,
    READ_EVENT_LIST,
    READ_CONFIG_LIST,
    READ_CONFIG_GET,
    READ_EXPORT,
    READ_RULE_LIST,
    READ_RULE_SHOW,
    READ_COUNT /* one more than the last */
};

/* Arguments of the verbs that change nothing. */
struct ipc_args {
    const char *name; /* node, vm, volume, device or key; "" if the verb has none */
    const char *node; /* of fence-device.test */
    const char *user; /* a name or a uid; NULL: anybody, and clusterd itself */
    uint64_t number;  /* operation */
    uint64_t since;
    uint64_t limit;
    uint8_t has_since;
};

struct ipc_arg;

struct ipc_verb {
    const char *name;
    enum ipc_verb_kind kind;
    uint32_t what; /* CHANGE: enum command_type; READ: enum ipc_read_verb */
    const struct ipc_arg *args;
    size_t n_args;
};

struct ipc_request {
    json_int_t id; /* the client's; 0 if unreadable */
    const struct ipc_verb *verb;
    bool dry_run;
    void *command;        /* CHANGE: the command's struct, in the arena and in `json` */
    struct ipc_args args; /* for the other kinds */
    json_t *json;
    struct arena arena;
};

/* 0, or -EINVAL with *ret_error. ret_request->id is set as soon as it is known. The caller calls
 * ipc_request_finish() in either case. */
int ipc_request_parse(const char *text, size_t size, struct ipc_request *ret_request,
                      struct ipc_error *ret_error);
/* As above, for an object that has been read already; takes ownership of it (NULL: out of
 * memory). */
int ipc_request_take(json_t *json, struct ipc_request *ret_request, struct ipc_error *ret_error);
/* `to` becomes the owner of everything; *from is as after ipc_request_finish(). */
void ipc_request_move(struct ipc_request *to, struct ipc_request *from);
void ipc_request_finish(struct ipc_request *request);

#endif
