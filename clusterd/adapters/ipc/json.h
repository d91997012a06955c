/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of IPC answers, and the errors that become answers.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_JSON_H
#define CLUSTERD_ADAPTERS_IPC_JSON_H

#include "core/core.h"

#include "adapters/json_value.h"

#include <jansson.h>

#define IPC_MAX_MESSAGE (WIRE_MAX_TEXT + 1)

struct ipc_error {
    const char *code; /* constant: refused, no-quorum, not-found, usage, failed, permission */
    char message[IPC_MAX_MESSAGE];
    char hint[IPC_MAX_MESSAGE];
};

/* Fills in the error and returns -EINVAL, the result of a failed check. `hint` may be "". */
int ipc_fail(struct ipc_error *error, const char *code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* {"id":N,"ok":true, ...members of `body`}; takes ownership of `body` (NULL: no members). NULL when
 * memory has run out. */
json_t *ipc_answer_ok(json_int_t id, json_t *body);
json_t *ipc_answer_error(json_int_t id, const struct ipc_error *error);
/* The answer to a change, from the core's reply. */
json_t *ipc_answer_reply(json_int_t id, const struct core_reply *reply);

#endif
