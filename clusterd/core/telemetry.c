/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nodes broadcast about themselves without committing it: how busy they are, whether their
 * moves are encrypted, and how far a move has come. None of it outlives this clusterd, and safety
 * depends on none of it.
 */
#include "core/telemetry.h"

#include "core/core_internal.h"

#include <errno.h>
#include <stdlib.h>

void usage_note(struct core *c, uint32_t node, const struct msg_heartbeat *h) {
    uint32_t i = 0;
    while (i < c->n_usage && c->usage[i].node != node) {
        i++;
    }
    if (i == WIRE_MAX_NODES || h->memory_total_mb == 0) {
        return;
    }
    uint32_t busy = (h->cpu_busy_permille < 1000 ? h->cpu_busy_permille : 1000) * 16;
    uint32_t mean = c->usage[i].cpu_mean;
    c->usage[i].cpu_mean = i == c->n_usage ? busy : mean - mean / 8 + busy / 8;
    c->n_usage = i == c->n_usage ? i + 1 : c->n_usage;
    c->usage[i].node = node;
    c->usage[i].usage = (struct core_usage){.memory_total_mb = h->memory_total_mb,
                                            .memory_free_mb = h->memory_free_mb,
                                            .cpu_busy_permille = h->cpu_busy_permille};
}

void moves_note(struct core *c, uint32_t node, const struct msg_heartbeat *h) {
    uint32_t i = 0;
    while (i < c->n_in_clear && c->in_clear[i] != node) {
        i++;
    }
    if (i < c->n_in_clear && !h->moves_in_clear) {
        c->in_clear[i] = c->in_clear[--c->n_in_clear];
    } else if (i == c->n_in_clear && h->moves_in_clear && i < WIRE_MAX_NODES) {
        c->in_clear[c->n_in_clear++] = node;
    }
}

int progress_note(struct core *c, const struct msg_progress *p, bool unsent) {
    struct core_progress progress = {
        .operation = p->operation, .vm = p->vm, PROGRESS_FIELDS(PROGRESS_OF, p)};
    outbox_add(&c->out, CORE_ACTION_PROGRESS)->progress = progress;
    uint32_t i = 0, kept = 0;
    for (i = 0; i < c->n_progress; i++) {
        const struct model_vm *vm = model_vm_by_id(&c->model, c->progress[i].p.vm);
        if (c->progress[i].p.vm != p->vm && vm && vm->order != ORDER_NONE) {
            c->progress[kept++] = c->progress[i];
        }
    }
    c->n_progress = kept;
    void *v = realloc(c->progress, (kept + 1) * sizeof(*c->progress));
    if (!v) {
        return -ENOMEM;
    }
    c->progress = v;
    c->progress[kept].p = progress;
    c->progress[kept].unsent = unsent;
    c->n_progress = kept + 1;
    return 0;
}

void progress_send(struct core *c) {
    for (uint32_t i = 0; i < c->n_progress && replica_usable(&c->replica); i++) {
        const struct core_progress *p = &c->progress[i].p;
        const struct model_vm *vm = model_vm_by_id(&c->model, p->vm);
        struct message m = {.type = MESSAGE_PROGRESS,
                            .body.msg_progress = {.operation = p->operation,
                                                  .vm = p->vm,
                                                  PROGRESS_FIELDS(PROGRESS_OF, p)}};
        if (c->progress[i].unsent && vm && vm->order != ORDER_NONE) {
            replica_send(&c->replica, &m, &c->out);
        }
        c->progress[i].unsent = false;
    }
}

uint32_t core_get_loads(const struct core *c, struct planner_load *ret) {
    for (uint32_t i = 0; i < c->n_usage; i++) {
        ret[i] = (struct planner_load){.node = c->usage[i].node,
                                       .cpu_busy_permille = c->usage[i].cpu_mean / 16};
    }
    return c->n_usage;
}

bool core_get_usage(const struct core *c, uint32_t node, struct core_usage *ret) {
    for (uint32_t i = 0; i < c->n_usage; i++) {
        if (c->usage[i].node == node) {
            *ret = c->usage[i].usage;
            return true;
        }
    }
    return false;
}

bool core_get_progress(const struct core *c, uint32_t vm, struct core_progress *ret) {
    const struct model_vm *row = model_vm_by_id(&c->model, vm);
    for (uint32_t i = 0; row && row->order != ORDER_NONE && i < c->n_progress; i++) {
        if (c->progress[i].p.vm == vm) {
            *ret = c->progress[i].p;
            return true;
        }
    }
    return false;
}
