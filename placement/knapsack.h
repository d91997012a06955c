/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knapsack.h - which VMs to put on one node.
 */
#pragma once

#include "pack.h"

#define KNAPSACK_VMS 256u /* on one node, besides those already there */

struct knapsack {
    const struct pack *p;
    const uint32_t *list; /* VMs to choose from, in order of value by size */
    uint32_t n_list;
    uint64_t room[PLACEMENT_RESOURCES_MAX];  /* free on the node */
    uint64_t room_size;                      /* the same in sizes */
    const uint64_t *slack;                   /* what may be left free; NULL: anything */
    uint64_t least[PLACEMENT_RESOURCES_MAX]; /* that any VM of the list needs */
    uint64_t value, best_value;
    bool by_value;    /* what is worth less than the best is not looked at */
    bool best_within; /* the best leaves no more than the slack */
    uint32_t slots;   /* VMs that the node still takes */
    uint32_t n_chosen, n_best;
    uint32_t chosen[KNAPSACK_VMS], best[KNAPSACK_VMS]; /* indices of the list */
    uint32_t work;                                     /* what is left of it */
};

/* The room on the node as it is. */
void placement_knapsack_room(struct knapsack *k, uint32_t node);
bool placement_knapsack_fits(const struct knapsack *k, uint32_t vm);
void placement_knapsack_take(struct knapsack *k, uint32_t vm);
bool placement_knapsack_within_slack(const struct knapsack *k);
/* A VM of the list: `least` is no more than it needs. */
void placement_knapsack_least(struct knapsack *k, uint32_t vm);
/* Puts VMs into the order that the search wants. */
void placement_knapsack_sort(const struct pack *p, uint32_t *vms, uint32_t n);
/* `best` becomes the best choice from list[first] on that the work allows it to find. */
void placement_knapsack_search(struct knapsack *k, uint32_t first);
