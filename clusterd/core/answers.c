/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a client hears what became of its change; see answers.h.
 */
#include "core/answers.h"

#include "core/core_internal.h"
#include "core/policy/reserve.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void drop(struct core *c, uint32_t i) {
    c->n_adds--;
    memmove(&c->adds[i], &c->adds[i + 1], (c->n_adds - i) * sizeof(*c->adds));
}

static int hold(struct core *c, uint64_t client, uint32_t vm) {
    struct add *adds = realloc(c->adds, (c->n_adds + 1) * sizeof(*adds));
    if (!adds) {
        return -ENOMEM;
    }
    c->adds = adds;
    adds[c->n_adds++] =
        (struct add){.client = client, .vm = vm, .deadline_ms = c->now_ms + TIMEOUT_ADD_MS};
    return 0;
}

static void answer(struct core *c, uint64_t client, const struct apply *a) {
    if (!reserve_holds(c, client, a)) {
        outbox_reply(&c->out, client, a->code, a->operation, a->message, a->hint)->warning =
            a->warning;
    }
}

int answers_applied(struct core *c, const struct apply *a, uint64_t client) {
    if (a->asking) {
        return hold(c, client, a->asking);
    }
    answer(c, client, a);
    return 0;
}

void answers_added(struct core *c, const struct apply *a) {
    for (const struct apply_added *added = a->added; added; added = added->next) {
        for (uint32_t i = 0; i < c->n_adds; i++) {
            if (c->adds[i].vm == added->vm) {
                struct apply as = {.index = a->index,
                                   .type = COMMAND_VM_ADD,
                                   .code = added->code,
                                   .operation = added->operation,
                                   .message = added->message,
                                   .hint = added->hint,
                                   .warning = added->warning};
                answer(c, c->adds[i].client, &as);
                drop(c, i);
                break;
            }
        }
    }
}

void answers_give_up(struct core *c, uint64_t before_ms) {
    for (uint32_t i = 0; i < c->n_adds;) {
        if (c->adds[i].deadline_ms > before_ms) {
            i++;
            continue;
        }
        outbox_reply(&c->out, c->adds[i].client, REPLY_NO_QUORUM, 0,
                     "not all nodes have said whether the VM runs there; it may still be added",
                     "check with clusterctl vm list before you try again");
        drop(c, i);
    }
}

uint64_t answers_deadline(const struct core *c) {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < c->n_adds; i++) {
        next = c->adds[i].deadline_ms < next ? c->adds[i].deadline_ms : next;
    }
    return next;
}
