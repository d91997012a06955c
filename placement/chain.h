/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.h - shared by chain.c, leavers.c and part.c: a search that places pending VMs by pushing
 * others out.
 */
#pragma once

#include "search.h"

#define PENDING_MAX 48u /* VMs asked for; pack.c handles more */
#define MOVES_MAX 12u   /* of others; tried one more at a time */
#define PUSHES_MAX 48u
#define OPTIONS_MAX 65536u
#define OUTS_MAX (4 * OPTIONS_MAX)
#define LEVELS_MAX PENDING_MAX
#define WHOLE_MAX 128u /* nodes that are tried to push one VM in */

struct option {
    uint64_t rank;             /* lower is tried earlier */
    uint32_t node, out, n_out; /* the VMs that leave: n_out of the search's `outs`, from out on */
};

struct chain {
    struct placement_solver *s;
    struct option *options; /* a stack: each depth's options follow those above it */
    uint32_t *outs;         /* a stack, too */
    uint32_t n_options, n_outs;
    uint32_t pending[PENDING_MAX + PUSHES_MAX];
    uint32_t n_pending;
    uint32_t left[LEVELS_MAX], may_leave[LEVELS_MAX]; /* VMs left down, by level of priority */
    uint32_t n_levels;                                /* the current levels */
    bool bounded; /* each level leaves as many as its bound in bound.c */
    uint32_t moves, may_move;
    uint32_t pushes, may_push; /* of all kinds */
    const uint32_t *nodes;     /* the current ones */
    uint32_t n_nodes;
    uint32_t width; /* choices tried for each VM */
    uint32_t noise; /* 0: choices in order of rank; else this much randomness */
    bool back;      /* a VM may return to where it began */
    bool many;      /* pushing out many small VMs is as good as one large one */
    bool complete;  /* nothing was skipped for lack of width, work or memory, or as too many */
    uint64_t scale[PLACEMENT_RESOURCES_MAX]; /* for adding up amounts of different kinds */
};

/* Memory for a search on the solver's problem; false: none left. */
bool placement_chain_begin(struct chain *chain, struct placement_solver *solver);
/* Nothing pending, nothing moved. */
void placement_chain_clear(struct chain *chain);
/* Places the pending VMs; false: not possible, the state is as before. */
bool placement_chain_descend(struct chain *chain);
/* Placed VMs may be touched again. */
void placement_chain_unlock(struct placement_solver *solver);
/* The moves of other VMs that the request allows. */
uint32_t placement_chain_moves_max(const struct placement_solver *solver);
/* The current nodes, to be reordered by the caller. */
uint32_t *placement_chain_nodes(struct chain *chain);

/* leavers.c: pushes all choices of the VM onto the stack. */
void placement_chain_options(struct chain *chain, uint32_t vm);
/* The VM may be on the node, given enough room. */
bool placement_chain_may(const struct chain *chain, uint32_t vm, uint32_t node);
/* The VM's needs, in parts of an average node. */
uint64_t placement_chain_size(const struct chain *chain, uint32_t vm);
/* The number of moves that push the VM out. */
uint32_t placement_chain_cost(const struct placement_solver *solver, uint32_t vm);
