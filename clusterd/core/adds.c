/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that add a VM and wait until the nodes have said that it runs nowhere (apply/claim.c).
 * Only this node knows of them: should its clusterd end, their connection breaks, and the VM is
 * added, or not, all the same.
 */
#include "core/core_internal.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void drop(struct core *c, uint32_t i) {
    c->n_adds--;
    memmove(&c->adds[i], &c->adds[i + 1], (c->n_adds - i) * sizeof(*c->adds));
}

int adds_hold(struct core *c, uint64_t client, uint32_t vm) {
    struct add *adds = realloc(c->adds, (c->n_adds + 1) * sizeof(*adds));
    if (!adds) {
        return -ENOMEM;
    }
    c->adds = adds;
    adds[c->n_adds++] =
        (struct add){.client = client, .vm = vm, .deadline_ms = c->now_ms + TIMEOUT_ADD_MS};
    return 0;
}

static void answer(struct core *c, const struct apply *a, const struct apply_added *added,
                   uint64_t client) {
    struct apply as = {.index = a->index,
                       .type = COMMAND_VM_ADD,
                       .code = added->code,
                       .operation = added->operation,
                       .message = added->message,
                       .hint = added->hint,
                       .warning = added->warning};
    if (reserve_holds(c, client, &as)) {
        return; /* the answer comes when it is known what it breaks */
    }
    core_reply(c, client, added->code, added->operation, added->message, added->hint);
    c->out.v[c->out.n - 1].reply.warning = added->warning;
}

void adds_applied(struct core *c, const struct apply *a) {
    for (const struct apply_added *added = a->added; added; added = added->next) {
        for (uint32_t i = 0; i < c->n_adds; i++) {
            if (c->adds[i].vm == added->vm) {
                answer(c, a, added, c->adds[i].client);
                drop(c, i);
                break;
            }
        }
    }
}

void adds_give_up(struct core *c, uint64_t before_ms) {
    for (uint32_t i = 0; i < c->n_adds;) {
        if (c->adds[i].deadline_ms > before_ms) {
            i++;
            continue;
        }
        core_reply(c, c->adds[i].client, REPLY_NO_QUORUM, 0,
                   "the nodes have not all said whether the VM runs there; it may still be added",
                   "look with clusterctl vm list before you try again");
        drop(c, i);
    }
}

uint64_t adds_deadline(const struct core *c) {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < c->n_adds; i++) {
        next = c->adds[i].deadline_ms < next ? c->adds[i].deadline_ms : next;
    }
    return next;
}
