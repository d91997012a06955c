/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Applying a committed command: the only way in which the model changes.
 *
 * Everything here must give the same result on every node, so it depends only on the model and the
 * command. A command that no longer makes sense (an order decided on an older state, a report of a
 * former clusterd) is refused and changes nothing. That is not an error.
 */
#ifndef CLUSTERD_CORE_APPLY_APPLY_H
#define CLUSTERD_CORE_APPLY_APPLY_H

#include "core/core.h"
#include "core/model/model.h"
#include "core/outbox.h"

#include <stdint.h>

struct apply {
    struct model *m;
    struct outbox *out; /* EVENT and OPERATION actions; texts */
    uint64_t index, epoch, time_ms;
    uint32_t type;
    uint32_t origin;               /* node that sent the command */
    uint64_t incarnation, request; /* its clusterd, and the command's number there */
    uint64_t asker;                /* who asked for it, as in log_command; 0 if it does not count */
    const char *user;
    /* for the client */
    enum core_reply_code code;
    uint64_t operation;
    const char *message, *hint;
    const char *warning;       /* a warning: it was done, but it breaks something */
    uint32_t asking;           /* VM_ADD: the VM that the nodes are being asked about; 0: it is
                                  added */
    struct apply_added *added; /* VMs whose question is settled by this entry */
    int error;                 /* -ENOMEM: the node must stop */
};

/* The final answer to its client. In the outbox's arena. */
struct apply_added {
    uint32_t vm;
    enum core_reply_code code;
    uint64_t operation;
    const char *message, *hint, *warning;
    struct apply_added *next;
};

/* Applies one log entry, whose index must be one above the model's. The result for the origin's
 * client is in *ret. */
int apply_entry(struct model *m, uint64_t index, uint64_t epoch, const uint8_t *data, uint32_t size,
                struct outbox *out, struct apply *ret);

#endif
