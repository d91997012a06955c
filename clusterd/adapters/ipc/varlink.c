/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of Varlink. See ipc/varlink.h; org.varlink.service is at varlink.org/Service. */
#include "adapters/ipc/varlink.h"

#include "adapters/ipc/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* org.varlink.service describes itself, too. */
static const char service_description[] =
    "# What every service answers; see https://varlink.org/Service\n"
    "interface org.varlink.service\n\n"
    "method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
    "interfaces: []string)\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
    "error InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "error MethodNotImplemented (method: string)\n"
    "error InvalidParameter (parameter: string)\n"
    "error PermissionDenied ()\n"
    "error ExpectedMore ()\n";

int varlink_call_parse(const char *text, size_t n, struct varlink_call *ret_call) {
    *ret_call = (struct varlink_call){.json = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL)};
    ret_call->method = json_string_value(json_object_get(ret_call->json, "method"));
    ret_call->parameters = json_object_get(ret_call->json, "parameters");
    ret_call->more = json_is_true(json_object_get(ret_call->json, "more"));
    ret_call->oneway = json_is_true(json_object_get(ret_call->json, "oneway"));
    if (json_is_null(ret_call->parameters)) {
        ret_call->parameters = NULL;
    }
    bool good = ret_call->method &&
                (!ret_call->parameters || json_is_object(ret_call->parameters)) &&
                !(ret_call->more && ret_call->oneway);
    return good ? 0 : -EBADMSG;
}

void varlink_call_finish(struct varlink_call *call) {
    json_decref(call->json);
    *call = (struct varlink_call){.json = NULL};
}

const struct ipc_verb *varlink_verb(const char *method) {
    const char *name = varlink_after(method, VARLINK_INTERFACE);
    for (size_t i = 0; name && i < ipc_n_verbs; i++) {
        char own[VARLINK_MAX_METHOD];
        varlink_name_of(ipc_verbs[i].name, own);
        if (strcmp(own, name) == 0) {
            return &ipc_verbs[i];
        }
    }
    return NULL;
}

/* A parameter with the name of a member of the envelope is left where it is: no verb has one, so
 * the request is refused for it. */
json_t *varlink_request(const struct varlink_call *call, const struct ipc_verb *verb,
                        json_int_t id) {
    json_t *request = json_pack("{si sI ss}", "v", IPC_VERSION, "id", id, "verb", verb->name);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach (call->parameters, key, value) {
        if (!json_object_get(request, key)) {
            (void)json_object_set(request, key, value);
            continue;
        }
        char other[64];
        (void)snprintf(other, sizeof(other), "parameters.%s", key);
        (void)json_object_set(request, other, value);
    }
    return request;
}

static json_t *error_reply(const json_t *error) {
    const char *code = json_string_value(json_object_get(error, "code"));
    char name[VARLINK_MAX_METHOD];
    char full[sizeof(VARLINK_INTERFACE) + VARLINK_MAX_METHOD];
    varlink_name_of(code ? code : "failed", name);
    (void)snprintf(full, sizeof(full), "%s.%s", VARLINK_INTERFACE, name);
    return json_pack("{ss s{sO? sO?}}", "error", full, "parameters", "message",
                     json_object_get(error, "message"), "hint", json_object_get(error, "hint"));
}

json_t *varlink_reply(const json_t *answer) {
    if (!json_is_true(json_object_get(answer, "ok"))) {
        return error_reply(json_object_get(answer, "error"));
    }
    json_t *parameters = json_object();
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach ((json_t *)(uintptr_t)answer, key, value) {
        if (strcmp(key, "id") != 0 && strcmp(key, "ok") != 0) {
            (void)json_object_set(parameters, key, value);
        }
    }
    return parameters ? json_pack("{so}", "parameters", parameters) : NULL;
}

void varlink_reply_begin(struct json_writer *writer) {
    json_write_object(writer, NULL);
    json_write_object(writer, "parameters");
}

void varlink_reply_end(struct json_writer *writer) {
    json_write_object_end(writer);
    json_write_object_end(writer);
}

json_t *varlink_event(json_t *event) {
    return event ? json_pack("{so sb}", "parameters", event, "continues", 1) : NULL;
}

/* ---- org.varlink.service ---- */

static json_t *invalid(const char *parameter) {
    return json_pack("{ss s{ss}}", "error", VARLINK_SERVICE ".InvalidParameter", "parameters",
                     "parameter", parameter);
}

static json_t *info(void) {
    return json_pack("{s{ss ss ss ss s[ss]}}", "parameters", "vendor", "clusterd", "product",
                     "clusterd", "version", CLUSTERD_VERSION, "url", "https://varlink.org",
                     "interfaces", VARLINK_SERVICE, VARLINK_INTERFACE);
}

static json_t *description(const json_t *parameters) {
    const char *name = json_string_value(json_object_get(parameters, "interface"));
    if (!name) {
        return invalid("interface");
    }
    if (strcmp(name, VARLINK_SERVICE) == 0) {
        return json_pack("{s{ss}}", "parameters", "description", service_description);
    }
    if (strcmp(name, VARLINK_INTERFACE) != 0) {
        return json_pack("{ss s{ss}}", "error", VARLINK_SERVICE ".InterfaceNotFound", "parameters",
                         "interface", name);
    }
    char *text = varlink_describe();
    json_t *reply = text ? json_pack("{s{ss}}", "parameters", "description", text) : NULL;
    free(text);
    return reply;
}

json_t *varlink_service(const struct varlink_call *call) {
    const char *name = varlink_after(call->method, VARLINK_SERVICE);
    if (name && strcmp(name, "GetInfo") == 0) {
        return json_object_size(call->parameters) > 0
                   ? invalid(json_object_iter_key(json_object_iter(call->parameters)))
                   : info();
    }
    if (name && strcmp(name, "GetInterfaceDescription") == 0) {
        return description(call->parameters);
    }
    const char *dot = strrchr(call->method, '.');
    if (!name && !varlink_after(call->method, VARLINK_INTERFACE)) {
        return json_pack("{ss s{ss%}}", "error", VARLINK_SERVICE ".InterfaceNotFound", "parameters",
                         "interface", call->method, dot ? (size_t)(dot - call->method) : (size_t)0);
    }
    return json_pack("{ss s{ss}}", "error", VARLINK_SERVICE ".MethodNotFound", "parameters",
                     "method", call->method);
}
