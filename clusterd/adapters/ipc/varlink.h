/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of Varlink (varlink.org): calls of a client become requests of ipc/verbs.h, answers
 * become replies. Pure; the socket is ipc/socket.h.
 *
 *     {"method":"io.clusterd.VmStop","parameters":{"vm":"web","force":true}}
 *     {"parameters":{"operation":7,"message":""}}
 *     {"error":"io.clusterd.NotFound","parameters":{"message":"there is no VM web","hint":"..."}}
 *
 * One interface has all verbs: "vm.stop" is VmStop, "fence-device.test" is FenceDeviceTest.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_VARLINK_H
#define CLUSTERD_ADAPTERS_IPC_VARLINK_H

#include "adapters/ipc/requests.h"
#include "adapters/json_writer.h"
#include "wire/varlink_words.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct varlink_call {
    json_t *json; /* owned */
    const char *method;
    json_t *parameters; /* in `json`; NULL: none */
    bool more;          /* the client takes several replies */
    bool oneway;        /* the client wants no reply */
};

/* 0, or -EBADMSG if that is no call; the caller calls varlink_call_finish() in either case. */
int varlink_call_parse(const char *text, size_t n, struct varlink_call *ret_call);
void varlink_call_finish(struct varlink_call *call);

/* The verb whose method that is, or NULL. */
const struct ipc_verb *varlink_verb(const char *method);

/* The request for ipc_request_take(), which the caller owns; NULL: out of memory. */
json_t *varlink_request(const struct varlink_call *call, const struct ipc_verb *verb,
                        json_int_t id);
/* The reply for an answer of ipc/json.h (borrowed). The caller owns it; NULL: out of memory. */
json_t *varlink_reply(const json_t *answer);

/* The same for parameters that are written: between these two, the members of an object. */
void varlink_reply_begin(struct json_writer *writer);
void varlink_reply_end(struct json_writer *writer);

/* The reply that carries an event of a subscription; takes ownership. As above. */
json_t *varlink_event(json_t *event);

/* The reply to a call of org.varlink.service, or to one whose method is unknown. The caller owns
 * it; NULL: out of memory. */
json_t *varlink_service(const struct varlink_call *call);

/* The description of the interface: made from the verbs and their arguments. The caller frees it;
 * NULL: out of memory. */
char *varlink_describe(void);

#endif
