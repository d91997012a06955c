/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view of this node: the last word of CPG and the last word of quorum, combined. Pure.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_RING_VIEW_H
#define CLUSTERD_ADAPTERS_COROSYNC_RING_VIEW_H

#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

#define RING_MAX_PROCESSES 128u

struct ring_process {
    uint32_t node;
    uint32_t pid;
};

struct ring_picture {
    uint32_t members[WIRE_MAX_NODES]; /* ascending */
    uint32_t ring[WIRE_MAX_NODES];
    uint32_t n_members, n_ring;
    uint8_t quorate;
};

struct ring_view {
    uint32_t node, pid;                                /* own */
    struct ring_process processes[RING_MAX_PROCESSES]; /* of clusterd's group */
    uint32_t n_processes;
    uint32_t ring[WIRE_MAX_NODES]; /* quorum's, ascending */
    uint32_t n_ring;
    uint8_t quorate;
    bool joined;      /* this process is among them */
    bool quorum_told; /* ring and quorate are valid */
    bool told;        /* the core knows `last` */
    struct ring_picture last;
};

void ring_view_init(struct ring_view *v, uint32_t node, uint32_t pid);
/* Forgets what CPG and quorum said; `last` stays. */
void ring_view_forget(struct ring_view *v);
void ring_view_set_processes(struct ring_view *v, const struct ring_process *processes, uint32_t n);
void ring_view_set_quorum(struct ring_view *v, bool quorate, const uint32_t *ring, uint32_t n);
/* The group has another process of this node. */
bool ring_view_has_duplicate(const struct ring_view *v);

/*
 * Whether there is news; *ret_view then points into `v` until the next call. There is none while
 * this process is not in the group, quorum has said nothing, or there is a duplicate. With `down`
 * the news is a view without members.
 */
bool ring_view_news(struct ring_view *v, bool down, struct core_view *ret_view);

#endif
