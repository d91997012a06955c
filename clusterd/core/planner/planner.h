/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the model to a placement problem and back: the only way in which clusterd asks "where". The
 * policy orders by it, requests are checked by it, `vm explain` and --dry-run show it. So what is
 * shown is what would be done.
 *
 * Everything returned lives in the caller's arena.
 */
#ifndef CLUSTERD_CORE_PLANNER_PLANNER_H
#define CLUSTERD_CORE_PLANNER_PLANNER_H

#include "base/arena.h"
#include "core/model/model.h"
#include "core/planner/problem.h"

#include <stdbool.h>
#include <stdint.h>

enum planner_kind {
    PLANNER_PLACE = 1, /* `vms`: those that are off start, those that run leave their node */
    PLANNER_DRAIN,     /* all VMs of `node` leave it */
    PLANNER_LOSE,      /* `node` is lost: where its VMs would start */
    PLANNER_BALANCE    /* of `vms` a few move, so that no node is above its threshold */
};

/* What is asked, apart from the problem itself. */
struct planner_question {
    enum planner_kind kind;
    const uint32_t *vms; /* ids */
    uint32_t n_vms;
    uint32_t node;
    bool may_move_others;
    uint32_t k;    /* of planner_admit() */
    uint64_t work; /* beyond the first answer, as placement_request.work; 0: PLANNER_WORK */
};

/* PLANNER_WORK: work allowed beyond the first answer when solving in the event loop; 20 ms where no
 * plan exists (measured with 32 nodes and 3,000 VMs). PLANNER_LARGE: above this (nodes times VMs),
 * the solver stops at the first answer. */
#define PLANNER_WORK 50000u
#define PLANNER_LARGE 100000u

struct planner_choice {
    uint32_t vm;
    uint32_t from;      /* 0: it is off */
    uint32_t to;        /* 0: nowhere; then `reason` says why */
    uint32_t stage;     /* 0: can be ordered at once; else when the moves of lower stages are
                           done */
    bool asked;         /* false: it makes room for others */
    uint32_t ready_ms;  /* predicted: when it runs there, from the plan's beginning */
    const char *reason; /* one line */
};

struct planner_plan {
    struct planner_choice *v;
    uint32_t n;
    uint32_t n_unplaced; /* the last ones in v */
    bool proven;         /* no plan leaves fewer VMs without a place */
    uint32_t nodes_over; /* BALANCE: nodes that stay above their threshold */
};

/* The plan that is kept for the loss of one node: where its VMs start. */
struct planner_witness {
    uint32_t node;
    struct planner_choice *v;
    uint32_t n;
};

struct planner_reserve {
    enum placement_answer answer;
    const char *text; /* not YES: what breaks it, or what is not known; one line */
    struct planner_witness *witnesses;
    uint32_t n_witnesses;
};

/* May any k nodes be lost? `vms` of the question are those that are about to start. */
int planner_admit(const struct planner_problem *pr, const struct planner_question *question,
                  struct planner_reserve *ret_reserve);

/* Checks a plan made on another model: keeps the choices that are still to be carried out and fit
 * this model, in stages of now, and those that say "nowhere". *ret_dropped: how many no longer
 * fit. */
int planner_verify(const struct model *m, const struct planner_facts *facts,
                   const struct planner_plan *plan, struct arena *arena,
                   struct planner_plan *ret_plan, uint32_t *ret_dropped);

/* The answer to a question about a problem. Others are moved only to place VMs that would have
 * no place; for a soft rule the engine would move them too, but is not allowed to. -ENOMEM,
 * -EINVAL. */
int planner_solve(const struct planner_problem *pr, const struct planner_question *question,
                  struct planner_plan *ret_plan);

/* Where the given VMs (ids) would go, together, in order of priority and size; nothing else moves.
 */
int planner_place(const struct model *m, const uint32_t *vms, uint32_t n, struct arena *arena,
                  struct planner_plan *ret_plan);
/* For all VMs of a node that is to be drained, with moves of others where drain_may_move lets it.
 */
int planner_drain(const struct model *m, uint64_t wall_ms, uint32_t node, struct arena *arena,
                  struct planner_plan *ret_plan);
/* The questions behind the following; ids are the arena's. */
int planner_starts_question(const struct model *m, bool may_move_others, struct arena *arena,
                            struct planner_question *ret);
struct planner_facts planner_balance_facts(const struct model *m, uint64_t wall_ms,
                                           const struct planner_load *loads, uint32_t n_loads);
/* Which VMs may be moved for balance: those on a preferred owner stay, and those that were moved by
 * hand or by balance a short while ago. */
int planner_balance_question(const struct model *m, uint64_t wall_ms, struct arena *arena,
                             struct planner_question *ret);
bool planner_to_be_started(const struct model *m, const struct model_vm *vm);
bool planner_anything_to_start(const struct model *m);
/* Whether a drain of its node needs a place for the VM elsewhere, by its move policy. */
bool planner_leaves(const struct model_vm *vm);
/* A drain is refused if it finds no place for this VM. A VM that is being stopped, or is on its way
 * already, needs none. */
bool planner_blocks_drain(const struct model *m, const struct planner_choice *choice);

struct planner_verdict {
    uint32_t node;
    bool possible;
    bool chosen;
    bool current;
    bool runner_up;
    bool waits;          /* possible, but only when VMs that are on their way off have left */
    const char *verdict; /* short word, e.g. "no-memory" */
    const char *reason;  /* one line for a person, with figures */
    uint64_t memory_free_mb, memory_mb, memory_need_mb;
    uint32_t cpu_free_permille; /* share of the node's cpus left after placing */
    uint32_t
        free_after_permille; /* the score: the smallest free share of any resource after placing */
};

struct planner_explanation {
    struct planner_verdict *v; /* every configured node, ascending id */
    uint32_t n;
    uint32_t best;       /* 0: nowhere */
    const char *summary; /* one line */
};

int planner_explain(const struct model *m, uint32_t vm, struct arena *arena,
                    struct planner_explanation *ret);
/* Whether the VM may go to that node now, and why not. -ENOENT: no such node. */
int planner_check(const struct model *m, uint32_t vm, uint32_t node, struct arena *arena,
                  struct planner_verdict *ret_verdict);
/* The same for a VM whose room there is reserved already. */
int planner_check_move(const struct model *m, uint32_t vm, uint32_t node, struct arena *arena,
                       struct planner_verdict *ret_verdict);

#endif
