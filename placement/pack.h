/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.h - what pack.c and fill.c share: VMs that are placed, VMs that are left, and sizes.
 */
#pragma once

#include "search.h"

struct pack {
    struct placement_solver *s;
    uint32_t *left; /* VMs without a place */
    uint32_t n_left;
    uint32_t *free_at; /* per VM: the step from which on it may be moved again */
    uint64_t *size;    /* per VM: its needs, each by how scarce it is, in one number */
    uint64_t *value;   /* per VM: what it is worth to place it early, see fill.c */
    uint64_t *load;    /* per node: sizes of those there */
    uint32_t *list;    /* fill.c: VMs that may go to the node at hand */
    uint64_t scale[PLACEMENT_RESOURCES_MAX];
    uint64_t largest; /* size */
    uint64_t penalty; /* of moving a VM that was not asked for */
    uint32_t now;     /* steps done */
};

/* A VM to a node, and off it. */
void placement_pack_put(struct pack *pack, uint32_t vm, uint32_t node);
void placement_pack_take(struct pack *pack, uint32_t vm);

/* fill.c: all VMs asked for out, and in again, node by node. */
void placement_fill(struct pack *pack);
/* Some nodes anew; true if less is left than before, and never more. */
bool placement_fill_part(struct pack *pack, const uint32_t *nodes, uint32_t n_nodes);
