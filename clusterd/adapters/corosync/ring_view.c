/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view of this node; see ring_view.h.
 */
#include "adapters/corosync/ring_view.h"

#include <stdlib.h>
#include <string.h>

static int compare_ids(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static bool contains(const uint32_t *ids, uint32_t n, uint32_t id) {
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

void ring_view_init(struct ring_view *v, uint32_t node, uint32_t pid) {
    *v = (struct ring_view){.node = node, .pid = pid};
}

void ring_view_forget(struct ring_view *v) {
    v->n_processes = 0;
    v->n_ring = 0;
    v->quorate = 0;
    v->joined = false;
    v->quorum_told = false;
}

void ring_view_set_processes(struct ring_view *v, const struct ring_process *processes,
                             uint32_t n) {
    v->n_processes = n < RING_MAX_PROCESSES ? n : RING_MAX_PROCESSES;
    memcpy(v->processes, processes, v->n_processes * sizeof(*processes));
    v->joined = false;
    for (uint32_t i = 0; i < v->n_processes; i++) {
        v->joined = v->joined || (v->processes[i].node == v->node && v->processes[i].pid == v->pid);
    }
}

void ring_view_set_quorum(struct ring_view *v, bool quorate, const uint32_t *ring, uint32_t n) {
    v->n_ring = n < WIRE_MAX_NODES ? n : WIRE_MAX_NODES;
    if (v->n_ring) {
        memcpy(v->ring, ring, v->n_ring * sizeof(*ring));
    }
    qsort(v->ring, v->n_ring, sizeof(v->ring[0]), compare_ids);
    v->quorate = quorate;
    v->quorum_told = true;
}

bool ring_view_has_duplicate(const struct ring_view *v) {
    for (uint32_t i = 0; i < v->n_processes; i++) {
        if (v->processes[i].node == v->node && v->processes[i].pid != v->pid) {
            return true;
        }
    }
    return false;
}

static bool same(const struct ring_picture *a, const struct ring_picture *b) {
    return a->quorate == b->quorate && a->n_members == b->n_members && a->n_ring == b->n_ring &&
           memcmp(a->members, b->members, a->n_members * sizeof(a->members[0])) == 0 &&
           memcmp(a->ring, b->ring, a->n_ring * sizeof(a->ring[0])) == 0;
}

static void draw(const struct ring_view *v, struct ring_picture *ret) {
    *ret = (struct ring_picture){.n_ring = v->n_ring, .quorate = v->quorate};
    memcpy(ret->ring, v->ring, v->n_ring * sizeof(v->ring[0]));
    for (uint32_t i = 0; i < v->n_processes; i++) {
        uint32_t node = v->processes[i].node;
        if (contains(v->ring, v->n_ring, node) && !contains(ret->members, ret->n_members, node)) {
            ret->members[ret->n_members++] = node;
        }
    }
    qsort(ret->members, ret->n_members, sizeof(ret->members[0]), compare_ids);
}

bool ring_view_news(struct ring_view *v, bool down, struct core_view *ret_view) {
    struct ring_picture now = {0};
    if (down && !v->told) {
        return false; /* the core assumes nothing before it is told anything */
    }
    if (!down) {
        if (!v->joined || !v->quorum_told || ring_view_has_duplicate(v)) {
            return false;
        }
        draw(v, &now);
    }
    if (v->told && same(&now, &v->last)) {
        return false;
    }
    v->told = true;
    v->last = now;
    *ret_view = (struct core_view){.members = {v->last.members, now.n_members},
                                   .ring = {v->last.ring, now.n_ring},
                                   .quorate = now.quorate};
    return true;
}
