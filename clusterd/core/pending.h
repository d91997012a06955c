/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that this node has sent, or wants to send, and has not seen applied yet.
 */
#ifndef CLUSTERD_CORE_PENDING_H
#define CLUSTERD_CORE_PENDING_H

#include <stdbool.h>
#include <stdint.h>

struct apply;
struct core;
struct core_request;

enum pending_kind {
    PENDING_POLICY, /* the policy decides again in each view: dropped with its view */
    PENDING_REPORT, /* something happened here: sent again in the next view */
    PENDING_CLIENT  /* likewise, and a client waits for the answer */
};

struct pending {
    uint64_t request; /* number within this incarnation */
    enum pending_kind kind;
    uint32_t type;       /* of the command */
    uint32_t since;      /* the protocol version that it needs */
    uint64_t client;     /* REPLY id */
    uint64_t sent_epoch; /* 0: not sent yet */
    uint64_t deadline_ms;
    uint8_t *data; /* owned: encoded log_command */
    uint32_t size;
};

/* Sends a command, or keeps it until this node is in a usable view. `client` is for PENDING_CLIENT.
 * -ENOMEM. */
int pending_propose(struct core *c, enum pending_kind kind, uint32_t type, const void *command);
/* The same for the command of a client; `value` may differ from what was asked for. */
int pending_propose_request(struct core *c, const struct core_request *request, const void *value);
/* Whether a command of that type is under way from here. */
bool pending_has(const struct core *c, uint32_t type);
/* A command of this clusterd was applied and is no longer pending. Returns true if a client waits;
 * *ret_client is that client. */
bool pending_applied(struct core *c, const struct apply *a, uint64_t *ret_client);
/* Sends the commands of an earlier view, and those that waited for a view. A report of this node is
 * not sent again, because what runs here is reported in each view: *ret_report_dropped says that
 * one was dropped. -ENOMEM. */
int pending_resend(struct core *c, bool *ret_report_dropped);
/* The state came as a snapshot, which may include the commands sent before: they are not sent
 * again. */
void pending_in_snapshot(struct core *c);
/* Answers the clients whose deadline has passed. */
void pending_expire(struct core *c);
/* The next deadline; UINT64_MAX: none. */
uint64_t pending_deadline(const struct core *c);
void pending_finish(struct core *c);

#endif
