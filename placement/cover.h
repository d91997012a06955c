/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cover.h - shared by cover.c, which lists choices of VMs that fill a node, and cover_walk.c, which
 * seeks many of them with no VM in common.
 */
#pragma once

#include "pack.h"

#define CHOICE_VMS 6u
#define COVER_LEFT 8u /* at most one VM in this many may stay left */

struct cover {
    struct pack *p;
    uint64_t list_end, work_end; /* of the work; the walk may take what the lists leave of it */
    uint64_t node[PLACEMENT_RESOURCES_MAX];   /* room of the smallest */
    uint64_t room[PLACEMENT_RESOURCES_MAX];   /* of a node, less what is chosen */
    uint64_t within[PLACEMENT_RESOURCES_MAX]; /* what may be left of that on each */
    uint64_t slack;                           /* all resources of `within` as one: see sizes */
    uint64_t *sizes;                          /* of the VMs in the list, the largest first */
    uint32_t n_nodes, n_small, n_spare;       /* all, those with no more room than the smallest */
    uint32_t n_chosen, chosen[CHOICE_VMS];
    uint32_t vms_most; /* in a choice */
    uint32_t n_choices, n_max;
    bool too_many; /* choices, or work */

    uint32_t *vms_of; /* choice i: from [i * CHOICE_VMS] on; NONE: no more */
    uint32_t *with;   /* the choices that a VM is in: from [with_start[vm]] on */
    uint32_t *with_start, *n_with;
    uint32_t *taken_for;            /* per VM: the choice it is placed by, or NONE */
    uint32_t *without, *without_at; /* VMs that are in choices, but placed by none; where there */
    uint32_t n_hopeless;            /* VMs that are in no choice */
    uint32_t n_without, n_taken;
    uint32_t *best; /* per VM: the node, by number, in the best plan so far, or NONE */
    uint32_t *nodes;
    uint32_t n_best;     /* nodes that are filled by it */
    uint32_t least_left; /* VMs that have no place by it */
};

/* cover_walk.c: for most of the work, with the choices that are listed; x->best if it is better. */
void placement_cover_walk(struct cover *x);
/* All VMs are placed, or all nodes that can be full are: others are larger, or not needed. */
bool placement_cover_done(const struct cover *x);
