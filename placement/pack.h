/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.h - what pack.c and its searches share: VMs that are placed, VMs that are left, what they
 * take (sizes) and what they are worth.
 */
#pragma once

#include "search.h"

/* Choices of VMs for a node are listed (price.c, cover.c) for no more VMs than that. */
#define LISTED_VMS_MAX 8192u

struct pack {
    struct placement_solver *s;
    uint32_t *left; /* VMs without a place */
    uint32_t n_left;
    uint64_t *size;        /* per VM: its needs, each by how scarce it is, in one number */
    const uint64_t *worth; /* per VM: what counts in the end, its size or its price (price.c) */
    uint64_t *value;       /* per VM: what it is worth at the moment: its worth, and some noise */
    uint64_t *load;        /* per node: worths of those there */
    uint32_t *list;        /* VMs that may go to the node at hand */
    void *room_for_lists;  /* price.c's and cover.c's own arrays, one of them at a time */
    uint64_t scale[PLACEMENT_RESOURCES_MAX];
    /* What will be free on all nodes together when all is placed: no node may leave more free. */
    uint64_t slack[PLACEMENT_RESOURCES_MAX];
    uint64_t room[PLACEMENT_RESOURCES_MAX]; /* on all nodes together, before that */
    bool enough; /* as far as that goes: it is no less than what all need together */
};

/* A VM to a node, and off it. */
void placement_pack_put(struct pack *pack, uint32_t vm, uint32_t node);
void placement_pack_take(struct pack *pack, uint32_t vm);

/* Of those without a place, together. */
uint64_t placement_worth_left(const struct pack *pack);

/* fill.c: all VMs asked for, which are left, onto the nodes, one after the other. */
void placement_fill(struct pack *pack, uint32_t work);
/* How hard each node may be tried by it, in what is left of the work. */
uint32_t placement_fill_work(const struct pack *pack);

/* How a part is filled. Each is good for other problems. */
struct fill_manner {
    uint32_t work;      /* how hard each node is tried */
    uint32_t noise;     /* values are up to 16 times this part of the worth above it */
    uint64_t tolerated; /* no more than this may be left, even if it is more than before */
    bool concentrate;   /* of ways that leave as much: only if some nodes get fuller by others */
};

/* Some nodes anew: what the plan put there is taken out, and they are filled again one after the
 * other, with those left to choose from. Kept if no more is left, by worth, than before. */
void placement_fill_part(struct pack *pack, const uint32_t *nodes, uint32_t n_nodes,
                         const struct fill_manner *manner);

/* price.c: s->prices, for about so much work; all that is to be placed must be left. False: at
 * these prices the nodes are worth less than the VMs, so that some VMs stay without a place: prices
 * do not say which. */
bool placement_price(struct pack *pack, uint64_t work);
/* How much of what is left of the work to spend on that; 0: it is too little. */
uint64_t placement_price_work(const struct pack *pack);
size_t placement_price_room(uint32_t n_vms);

/* cover.c: where no room is to spare, or only that of some nodes, others are filled to the last
 * with what is left; true: most of the nodes are, and the rest is left. */
bool placement_cover(struct pack *pack, uint64_t work);
/* How many nodes that is, if of each resource as much is to spare as just so many have; or 0. */
uint32_t placement_cover_spare(struct pack *pack);
size_t placement_cover_room(uint32_t n_vms);
