/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of the IPC; see ipc/json.h.
 */
#include "adapters/ipc/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ipc_fail(struct ipc_error *error, const char *code, const char *hint, const char *format, ...) {
    va_list args;
    error->code = code;
    (void)snprintf(error->hint, sizeof(error->hint), "%s", hint);
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return -EINVAL;
}

json_t *ipc_answer_ok(json_int_t id, json_t *body) {
    json_t *answer = json_pack("{sI sb}", "id", id, "ok", 1);
    if (answer && body && json_object_update(answer, body) < 0) {
        json_decref(answer);
        answer = NULL;
    }
    json_decref(body);
    return answer;
}

json_t *ipc_answer_error(json_int_t id, const struct ipc_error *error) {
    return json_pack("{sI sb s{ss so so}}", "id", id, "ok", 0, "error", "code", error->code,
                     "message", json_of_text(error->message), "hint", json_of_text(error->hint));
}

/* NULL, which jansson leaves out, if there is none. */
static json_t *prediction_of(const struct core_reply *reply) {
    json_t *numbers = reply->prediction ? json_object() : NULL;
#define X(S, TYPE, field, LIMIT) \
    json_object_set_new(numbers, #field, json_of_number((S)->prediction->field));
    if (numbers) {
        PREDICTION_FIELDS(X, reply)
    }
#undef X
    return numbers;
}

json_t *ipc_answer_reply(json_int_t id, const struct core_reply *reply) {
    const char *code = "failed";
    switch (reply->code) {
    case REPLY_OK:
        return ipc_answer_ok(
            id, json_pack("{so so so so*}", "operation", json_of_number(reply->operation),
                          "message", json_of_text(reply->message), "warning",
                          json_of_text(reply->warning), "prediction", prediction_of(reply)));
    case REPLY_REFUSED: code = "refused"; break;
    case REPLY_NO_QUORUM: code = "no-quorum"; break;
    case REPLY_NOT_FOUND: code = "not-found"; break;
    case REPLY_FAILED: break;
    }
    return json_pack("{sI sb s{ss so so}}", "id", id, "ok", 0, "error", "code", code, "message",
                     json_of_text(reply->message), "hint", json_of_text(reply->hint));
}
