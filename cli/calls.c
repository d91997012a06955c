/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls and replies: see calls.h.
 */
#include "calls.h"
#include "json.h"
#include "wire/varlink_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static char *text_of(const char *method, const json_t *arguments, bool more) {
    json_auto *call = json_pack("{s:s}", "method", method);
    if (json_object_size(arguments) > 0) {
        json_object_set(call, "parameters", (json_t *)(uintptr_t)arguments);
    }
    if (more) {
        json_object_set_new(call, "more", json_true());
    }
    return call != NULL ? json_dumps(call, JSON_COMPACT) : NULL;
}

char *call_text(const char *verb, const json_t *arguments, bool more) {
    char name[VARLINK_MAX_METHOD];
    char method[sizeof(VARLINK_INTERFACE) + VARLINK_MAX_METHOD];
    varlink_name_of(verb, name);
    snprintf(method, sizeof(method), VARLINK_INTERFACE ".%s", name);
    return text_of(method, arguments, more);
}

char *call_info_text(void) {
    return text_of(VARLINK_SERVICE ".GetInfo", NULL, false);
}

/* Errors of the protocol itself: clusterctl makes no such mistakes, but that it may be newer. */
static json_t *protocol_error(const char *name, const json_t *parameters) {
    static const char hint[] = "install clusterctl and clusterd of the same version";
    const char *method = json_text(parameters, "method");
    char message[256];
    if (method[0] != '\0') {
        snprintf(message, sizeof(message), "this clusterd does not know the request '%.100s'",
                 method);
    } else {
        snprintf(message, sizeof(message), "this clusterd does not take the request: %.100s", name);
    }
    return json_pack("{s:s, s:s, s:s}", "code", "usage", "message", message, "hint", hint);
}

static json_t *error_of(const char *name, const json_t *parameters) {
    const char *own = varlink_after(name, VARLINK_INTERFACE);
    char code[VARLINK_MAX_METHOD];
    if (own == NULL) {
        return protocol_error(name, parameters);
    }
    varlink_code_of(own, code);
    return json_pack("{s:s, s:s, s:s}", "code", code, "message", json_text(parameters, "message"),
                     "hint", json_text(parameters, "hint"));
}

int call_answer(const char *text, size_t n, json_t **ret_answer) {
    json_auto *reply = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    json_t *parameters = json_object_get(reply, "parameters");
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (!json_is_object(reply) || (json_has(reply, "parameters") && !json_is_object(parameters))) {
        return -EBADMSG;
    }
    json_t *answer = json_pack("{s:b}", "ok", error == NULL);
    if (error != NULL) {
        json_object_set_new(answer, "error", error_of(error, parameters));
    } else if (json_is_object(parameters)) {
        json_object_update_missing(answer, parameters);
    }
    *ret_answer = answer;
    return answer != NULL ? 0 : -ENOMEM;
}
