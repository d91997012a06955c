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
    uint64_t *size;  /* per VM: its needs, each by how scarce it is, in one number */
    uint64_t *value; /* per VM: what it is worth to place it early, see fill.c */
    uint64_t *load;  /* per node: sizes of those there */
    uint32_t *list;  /* fill.c: VMs that may go to the node at hand */
    uint64_t scale[PLACEMENT_RESOURCES_MAX];
    /* What will be free on all nodes together when all is placed: no node may leave more free. */
    uint64_t slack[PLACEMENT_RESOURCES_MAX];
    uint64_t room[PLACEMENT_RESOURCES_MAX]; /* on all nodes together, before that */
    uint64_t largest;                       /* size */
};

/* A VM to a node, and off it. */
void placement_pack_put(struct pack *pack, uint32_t vm, uint32_t node);
void placement_pack_take(struct pack *pack, uint32_t vm);

/* Of those without a place, together. */
uint64_t placement_size_left(const struct pack *pack);

/* fill.c: all VMs asked for out, and in again, node by node. */
void placement_fill(struct pack *pack, uint32_t work);
/* How hard each node may be tried by it, in what is left of the work. */
uint32_t placement_fill_work(const struct pack *pack);
/* How a part is filled: how hard each node is tried; and whether, of ways that leave as much, only
 * those are taken that fill some nodes more and others less. Each is good for other problems. */
struct fill_manner {
    uint32_t work;
    bool concentrate;
};

/* Some nodes anew: what the plan put there is taken out, and they are filled again one after the
 * other, with those left to choose from. Kept if no more is left, by size, than before. */
void placement_fill_part(struct pack *pack, const uint32_t *nodes, uint32_t n_nodes,
                         const struct fill_manner *manner);
