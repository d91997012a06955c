/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - what the files of the placement library share.
 *
 * The idea: a problem is compiled once into flat arrays (state.c): per node the effective capacity
 * and what is used, per VM the rules that name it, and bit sets for volumes, cpu models and rules.
 * Deciding about a VM is then a walk over the nodes that touches only these arrays (judge.c), and
 * carrying out a decision changes a handful of numbers. Nothing walks over all VMs but the reset.
 *
 *     check.c    may this input be answered at all?
 *     state.c    compile, reset, hold: who takes what where
 *     judge.c    one VM on one node: obstacles, score, verdict
 *     solve.c    which VMs, in which order, to which node: the plan
 *     explain.c  a VM's verdicts, by replaying the plan up to its decision
 *     text.c     lines for a person
 *
 * What one file offers another bears the prefix placement_ too, for a static library has one name
 * space with the program that links it.
 */
#pragma once

#include "placement.h"

/* A VM that was asked for, its rank in the order of decisions, and what was decided. */
struct decision {
    uint64_t memory, cpu;
    int32_t priority;
    uint32_t vm;
    uint32_t node;                /* NONE: it stays where it is, or down */
    enum placement_reason reason; /* of the whole VM: CHOSEN, or why not */
};

/* What the VM at hand says about a node; valid if `stamp` is the task's, so that a new task costs
 * nothing but its own lists. */
struct node_mark {
    uint32_t stamp;
    uint32_t preferred_rank;
    bool possible;
    bool excluded;
};

/* Bits of a rule. APART and TOGETHER: domain d is set in `one` when a VM of the rule is there, in
 * `two` when a second one is (hard APART only: a VM must not stand in its own way). ON_NODES and
 * NOT_ON_NODES: `one` holds the rule's nodes and does not change. */
struct rule_state {
    uint64_t *one;
    uint64_t *two;
    uint32_t n_located; /* TOGETHER: VMs of the rule that are somewhere */
};

/* What makes one possible node better than another, most important first. */
struct score {
    uint64_t soft_broken;
    uint32_t preferred_rank;
    uint32_t free_permille;
    uint64_t free_mb;
};

struct candidate {
    struct score score;
    uint32_t node;
};

struct placement_solver {
    unsigned char *memory; /* one block; all arrays below lie in it */
    size_t memory_size;
    bool solved;

    const struct placement_problem *problem;
    struct placement_request request;
    uint32_t n_domains[PLACEMENT_SCOPE_COUNT];

    /* per node */
    uint64_t *capacities; /* [node * n_resources + r], after overcommit */
    uint64_t *used;       /* likewise */
    uint32_t *n_vms_on;
    bool *leaving; /* among the request's nodes, where these are to be left */
    struct node_mark *marks;
    struct candidate *candidates; /* for the explanation */
    uint64_t *volume_bits;        /* [node * volume_words] */
    uint64_t *cpu_model_bits;
    size_t volume_words, cpu_model_words;

    /* per VM */
    bool *asked;
    uint32_t *placed_on;   /* by a decision that was applied */
    uint32_t *rules_start; /* [n_vms + 1]: its rules are rules_of[rules_start[vm]] and on */
    uint32_t *rules_of;

    /* per rule */
    struct rule_state *rules;
    uint64_t *fixed_bits, *moving_bits;
    size_t n_fixed_words, n_moving_words;

    struct decision *decisions;
    uint32_t n_decisions;
    uint32_t n_applied; /* decisions that the state holds */
    uint32_t stamp;

    struct placement_move *moves;
    struct placement_unplaced *unplaced;
    struct placement_plan plan;
};

/* The VM that is being decided. */
struct task {
    uint32_t vm;
    uint32_t everywhere; /* obstacles that hold on each node */
    bool holds;          /* it takes its needs at its host (and also_on) */
    const uint64_t *need;
};

static inline uint32_t reason_bit(enum placement_reason reason) {
    return UINT32_C(1) << (unsigned)reason;
}

static inline bool bit_test(const uint64_t *bits, uint32_t i) {
    return (bits[i / 64] >> (i % 64)) & 1;
}

static inline void bit_set(uint64_t *bits, uint32_t i) {
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline size_t bit_words(uint32_t n) {
    return ((size_t)n + 63) / 64;
}

/* Where sources are still counted for the rule while their VMs move: a hard rule holds during the
 * moves too; a soft one is judged by what will be in the end. */
static inline bool rule_counts_source(const struct placement_rule *rule) {
    return rule->kind == PLACEMENT_APART && rule->strength == PLACEMENT_HARD;
}

static inline uint64_t rule_weight(const struct placement_rule *rule) {
    return rule->weight > 0 ? rule->weight : 1;
}

uint32_t placement_rule_domain(const struct placement_rule *rule,
                               const struct placement_node *nodes, uint32_t node);

/* check.c */
int placement_problem_check(const struct placement_problem *problem);
int placement_request_check(const struct placement_problem *problem,
                            const struct placement_request *request);

/* state.c */
int placement_state_compile(struct placement_solver *solver,
                            const struct placement_problem *problem,
                            const struct placement_request *request);
void placement_state_reset(struct placement_solver *solver);
/* Take decision n_applied into the state. */
void placement_state_apply(struct placement_solver *solver);
/* Whether a lost VM (failover) or one that runs nowhere: it holds nothing at host and also_on. */
bool placement_state_holds(const struct placement_solver *solver, uint32_t vm);

/* judge.c */
void placement_task_begin(struct placement_solver *solver, uint32_t vm, struct task *ret_task);
bool placement_judge_possible(const struct placement_solver *solver, const struct task *task,
                              uint32_t node);
uint32_t placement_judge_obstacles(const struct placement_solver *solver, const struct task *task,
                                   uint32_t node);
void placement_judge_score(const struct placement_solver *solver, const struct task *task,
                           uint32_t node, struct score *ret_score);
enum placement_reason placement_first_obstacle(uint32_t obstacles);
bool placement_score_better(const struct score *a, const struct score *b);
void placement_judge_verdict(const struct placement_solver *solver, const struct task *task,
                             uint32_t node, struct placement_verdict *ret_verdict);
/* The node that comes nearest to being possible and the first obstacle there; NONE if no nodes. */
uint32_t placement_judge_nearest(const struct placement_solver *solver, const struct task *task,
                                 enum placement_reason *ret_reason);
