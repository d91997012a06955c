/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.h - what chain.c, push.c and part.c share: a search that places pending VMs by pushing
 * others out.
 */
#pragma once

#include "search.h"

#define PENDING_MAX 48u /* VMs asked for; more are for pack.c */
#define MOVES_MAX 12u   /* of others, tried one more at a time */
#define PUSHES_MAX 48u
#define OPTIONS_MAX 65536u
#define OUTS_MAX (4 * OPTIONS_MAX)
#define LEVELS_MAX PENDING_MAX
#define WHOLE_MAX 128u /* nodes that are looked at to push one VM in */

struct option {
    uint64_t rank;             /* less is tried earlier */
    uint32_t node, out, n_out; /* who leaves: so many of the search's `outs`, from there on */
};

struct chain {
    struct placement_solver *s;
    struct option *options; /* a stack: each depth has its own behind those above it */
    uint32_t *outs;         /* as much a stack */
    uint32_t n_options, n_outs;
    uint32_t pending[PENDING_MAX + PUSHES_MAX];
    uint32_t n_pending;
    uint32_t left[LEVELS_MAX], may_leave[LEVELS_MAX]; /* VMs left down, by level of priority */
    uint32_t n_levels;                                /* levels in question so far */
    bool bounded; /* as many of each are left as bound.c says must be */
    uint32_t moves, may_move;
    uint32_t pushes, may_push; /* of all kinds */
    const uint32_t *nodes;     /* those in question */
    uint32_t n_nodes;
    uint32_t width; /* choices of each VM that are tried */
    uint32_t noise; /* 0: choices are tried in the order of their rank; else so much out of it */
    bool back;      /* a VM may go back to where it began */
    bool many;      /* to push out many small ones is as good as one large one */
    bool complete;  /* nothing was left out for lack of width, work or room, or as too many */
    uint64_t scale[PLACEMENT_RESOURCES_MAX]; /* to add up amounts of different kinds */
};

/* Room for a search on the solver's problem; false: no memory. */
bool placement_chain_begin(struct chain *chain, struct placement_solver *solver);
/* Nothing pending, nothing moved. */
void placement_chain_clear(struct chain *chain);
/* Places what is pending; false: the state is as before. */
bool placement_chain_descend(struct chain *chain);
/* What was placed may be touched again. */
void placement_chain_unlock(struct placement_solver *solver);
/* Moves of others that the request allows. */
uint32_t placement_chain_moves_max(const struct placement_solver *solver);
/* The nodes in question, to be put in another order. */
uint32_t *placement_chain_nodes(struct chain *chain);

/* push.c: all choices of the VM, added to the stack. */
void placement_chain_options(struct chain *chain, uint32_t vm);
/* The VM may be there, if there is room. */
bool placement_chain_may(const struct chain *chain, uint32_t vm, uint32_t node);
/* Its needs, in parts of an average node. */
uint64_t placement_chain_size(const struct chain *chain, uint32_t vm);
/* Moves that it takes to push the VM out. */
uint32_t placement_chain_cost(const struct placement_solver *solver, uint32_t vm);
