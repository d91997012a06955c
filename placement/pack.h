/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.h - what pack.c and its searches share: the VMs placed and left, what they take (sizes) and
 * what they are worth.
 */
#pragma once

#include "search.h"

/* price.c and cover.c list choices of VMs for a node only up to this many VMs. */
#define LISTED_VMS_MAX 8192u

struct pack {
    struct placement_solver *s;
    uint32_t *left; /* VMs without a place */
    uint32_t n_left;
    uint64_t *size;        /* per VM: its needs as one number, each weighted by its scarcity */
    const uint64_t *worth; /* per VM: what counts in the end, its size or its price (price.c) */
    uint64_t *value;       /* per VM: what it is worth at the moment: its worth plus some noise */
    uint64_t *load;        /* per node: the worth of the VMs there */
    uint32_t *list;        /* VMs that may go to the current node */
    void *room_for_lists;  /* price.c's and cover.c's own arrays, one of them at a time */
    uint64_t scale[PLACEMENT_RESOURCES_MAX];
    /* What is free on all nodes together once all is placed: no single node may leave more. */
    uint64_t slack[PLACEMENT_RESOURCES_MAX];
    uint64_t room[PLACEMENT_RESOURCES_MAX]; /* on all nodes together, before that */
    bool enough; /* the total room is no less than what all need together */
};

/* Puts a VM on a node, and takes it off. */
void placement_pack_put(struct pack *pack, uint32_t vm, uint32_t node);
void placement_pack_take(struct pack *pack, uint32_t vm);

/* The worth of all VMs without a place. */
uint64_t placement_worth_left(const struct pack *pack);

/* fill.c: places the VMs that are left, node after node. */
void placement_fill(struct pack *pack, uint32_t work);
/* How hard it may try each node with the work that is left. */
uint32_t placement_fill_work(const struct pack *pack);

/* How a part is filled. Each manner suits different problems. */
struct fill_manner {
    uint32_t work;      /* how hard each node is tried */
    uint32_t noise;     /* a value exceeds the worth by up to 16 times worth / noise */
    uint64_t tolerated; /* up to this much may be left, even if it is more than before */
    bool concentrate;   /* if as much is left as before: accept only if no more evenly filled */
};

/* Refills some nodes: what the plan put there is taken out, and they are filled one after the
 * other, with the VMs left to choose from too. Kept if no more worth is left than before. */
void placement_fill_part(struct pack *pack, const uint32_t *nodes, uint32_t n_nodes,
                         const struct fill_manner *manner);

/* price.c: s->prices, for about this much work; all VMs to be placed must be left. False: at these
 * prices the nodes are worth less than the VMs, so some VMs stay without a place, and prices do not
 * say which. */
bool placement_price(struct pack *pack, uint64_t work);
/* How much of the remaining work to spend on prices; 0: too little is left. */
uint64_t placement_price_work(const struct pack *pack);
size_t placement_price_room(uint32_t n_vms);

/* cover.c: if there is no room to spare, or only that of a few nodes, fills the others completely.
 * True: most nodes are full, and the other VMs are left. */
bool placement_cover(struct pack *pack, uint64_t work);
/* How many nodes are to spare: nearly this many by every resource; 0: none, or they differ. */
uint32_t placement_cover_spare(struct pack *pack);
size_t placement_cover_room(uint32_t n_vms);
