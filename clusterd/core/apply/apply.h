/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Applying a committed command: the only way in which the model changes.
 *
 * Everything here must come out the same on every node: it looks at the model and the command, at
 * nothing else. A command that makes no sense any more (an order on an older picture, a report of a
 * former clusterd) is refused, which changes nothing; it is no error.
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
    /* for the client */
    enum core_reply_code code;
    uint64_t operation;
    const char *message, *hint;
    const char *warning;       /* of what was done and breaks something */
    uint32_t asking;           /* VM_ADD: the nodes are asked about that VM first; 0: it is added */
    struct apply_added *added; /* VMs about which all has been said with this entry */
    int error;                 /* -ENOMEM: the node must stop */
};

/* What its client is told at last. In the outbox's arena. */
struct apply_added {
    uint32_t vm;
    enum core_reply_code code;
    uint64_t operation;
    const char *message, *hint, *warning;
    struct apply_added *next;
};

/* Applies one log entry, whose index must be one above the model's. Result in *ret for the origin's
 * client. */
int apply_entry(struct model *m, uint64_t index, uint64_t epoch, const uint8_t *data, uint32_t size,
                struct outbox *out, struct apply *ret);

#endif
