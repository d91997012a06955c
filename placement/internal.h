/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - what the files of the placement library share.
 *
 * The idea: a problem is compiled once into flat arrays (compile.c). The search then works on one
 * assignment, `at`: where each VM will be when the plan has been carried out. Placing a VM changes
 * a handful of numbers (state.c) and is undone as cheaply. Whether and in which order the VMs can
 * get there is a separate question (sequence.c): the assignment counts each VM once, the sequence
 * counts a moving VM on both nodes.
 *
 *     check.c     may this input be answered at all?
 *     compile.c   problem -> arrays, sets of allowed nodes, rules of each VM
 *     state.c     the assignment: put, take, fits, rules
 *     judge.c     one VM on one node: obstacles, score, verdict
 *     greedy.c    the first answer: one VM after the other, each to its best node
 *     exact.c     small problems: every state that can be reached, the best one
 *     chain.c     few VMs: depth first, each by pushing others out, fewest moves first
 *     leavers.c   which VMs have to leave a node for it
 *     part.c      a part of the plan again, by the same search
 *     pack.c      many VMs, little room: nodes emptied and filled again
 *     fill.c      a node filled as well as possible; knapsack.c: with which VMs
 *     price.c     what placing a VM is worth, by what goes with it
 *     cover.c     no room to spare: each node full, by a choice from a list of all;
 *                 cover_walk.c: which choices
 *     soften.c    fewer soft rules broken
 *     bound.c     how many must stay down, whatever is done: the basis of proofs
 *     balance.c   nodes above their thresholds
 *     sequence.c  the order of the moves: stages, cycles broken, times
 *     solve.c     which of these, in which order; the plan
 *     admit.c     can any k nodes be lost? admit_case.c: these?
 *     broken.c    hard rules that are broken before any plan
 *     explain.c   a VM's verdicts, by replaying the plan up to its decision
 *     line.c      lines for a person: text.c verdicts, change.c what would have to change
 *
 * Functions shared between these files also have the prefix placement_, because a static library
 * shares its name space with the program that links it.
 */
#pragma once

#include "placement.h"

/* A VM that was asked for, its rank in the order of decisions, and what was decided. */
struct decision {
    uint64_t memory, cpu;
    int32_t priority;
    uint32_t level; /* priorities above its own among VMs that can be decided; 0: the highest */
    uint32_t vm;
    uint32_t node;                /* NONE: it stays where it is, or down */
    enum placement_reason reason; /* of the whole VM: CHOSEN, or why not */
};

/* What the current VM says about a node; valid if `stamp` is the task's, so that a new task costs
 * only its own lists. */
struct node_mark {
    uint32_t stamp;
    uint32_t preferred_rank;
    bool possible;
    bool excluded;
};

enum vm_flag {
    VM_ASKED = 1,      /* the request is about it */
    VM_HOLDS = 2,      /* it takes its needs at its host when the plan begins */
    VM_ARRIVING = 4,   /* it is on its way to also_on */
    VM_MOVABLE = 8,    /* may be put elsewhere by the search, asked for or to make room */
    VM_STUCK = 16,     /* asked for, but nothing can be decided: no auto start, fixed, arriving */
    VM_TOUCHED = 32,   /* in s->touched */
    VM_HAS_RULES = 64, /* it is named by one */
    VM_LOCKED = 128,   /* chain.c: the current search has put it where it is */
    VM_STAYS = 256,    /* explain.c: it is decided that it stays at its host */
    VM_HOPELESS = 512  /* bound.c: no node can ever take it */
};

/* A rule and how it is counted; see state.c. */
struct rule_state {
    uint64_t *nodes; /* rules with nodes: a bit per node of the rule */
    uint64_t taken;  /* AT_MOST: of its amount */
    uint32_t n_used; /* APART and TOGETHER: domains that hold a VM of the rule */
    uint32_t weight; /* soft: at least 1 */
    bool hard;
    bool
        at_both_ends; /* hard APART, AT_MOST: an asked VM counts at its host before it is decided */
};

/* A VM is named by a rule. */
struct membership {
    uint32_t rule;
    uint32_t group; /* numbered over all rules, after the rules' own numbers; or NONE */
};

/* The number of a rule's groups in a domain, or of a group's VMs; a VM without a group counts as a
 * group. Open addressing, linear probing, no tombstones. */
struct rule_count {
    uint64_t key; /* (rule or group) << 32 | domain; UINT64_MAX: free */
    uint32_t count;
};

/* What makes one possible node better than another, most important first. */
struct score {
    uint64_t soft_broken;
    uint64_t free_mb;
    uint32_t preferred_rank;
    uint32_t free_permille;
    bool waits; /* there is room only after other VMs have left */
};

struct candidate {
    struct score score;
    uint32_t node;
};

/* One step of a plan before it has its times. */
struct step {
    uint32_t vm, from, to, stage;
};

struct placement_solver {
    unsigned char *memory; /* one block; the arrays below lie in it */
    size_t memory_size;
    uint64_t *rows; /* [class * node_words]: nodes that VMs of the class may use */
    size_t rows_size;
    void *search; /* chain.c, exact.c, pack.c: their own arrays, one of them at a time */
    size_t search_size;
    bool no_memory; /* an array for a search could not be had */
    bool solved;

    const struct placement_problem *problem;
    struct placement_request request;
    uint32_t n_resources;
    uint32_t n_classes;
    size_t node_words, volume_words, network_words, cpu_model_words, machine_words;

    /* per node; amounts are [node * n_resources + r] */
    uint64_t *capacities; /* after overcommit */
    uint64_t *used;       /* by VMs that will be there */
    uint64_t *held;       /* in addition, by VMs still there that will be elsewhere */
    uint64_t *loaded;     /* BALANCE: measured use by VMs that will be there */
    uint32_t *n_vms_on, *n_vms_held;
    uint32_t *vms_max;  /* UINT32_MAX: no limit */
    uint32_t *first_on; /* a list of the VMs that will be there */
    bool *leaving;      /* among the request's nodes, if VMs are to leave these */
    uint64_t *accepts;  /* a bit per node: takes VMs */
    struct node_mark *marks;
    struct candidate *candidates; /* for the explanation */
    uint64_t *volume_bits;        /* [node * volume_words] */
    uint64_t *network_bits;       /* [node * network_words] */
    uint64_t *cpu_model_bits, *machine_bits;

    /* per VM */
    uint16_t *flags;
    uint32_t *at;       /* where it will be, or NONE */
    uint32_t *home;     /* where it is when the plan begins, or NONE */
    uint32_t *class_of; /* row of allowed nodes */
    uint32_t *next_on, *prev_on;
    uint32_t *rules_start; /* [n_vms + 1]: its rules are rules_of[rules_start[vm]] and on */
    struct membership *rules_of;

    /* per rule */
    struct rule_state *rules;
    uint64_t *rule_bits;
    size_t n_rule_words;
    struct rule_count *counts;
    uint32_t counts_mask; /* size - 1 */

    bool at_end;          /* VMs asked for that are at their hosts stay there: rules see them */
    bool sparing;         /* moves of others count before soft rules */
    uint64_t soft_broken; /* of the assignment, see placement_cost */
    uint32_t moves_of_others;
    uint64_t work, work_end; /* units done, and where the current call is to stop */
    uint64_t random;         /* state of the generator */

    struct decision *decisions;
    uint32_t n_decisions;
    uint32_t n_applied; /* explain.c: decisions that the state holds; NONE: not replaying */
    uint32_t stamp;

    uint32_t *touched;    /* VMs that are not where they began, or were once */
    uint64_t least_left;  /* pack.c: the least worth left since the nodes were filled */
    uint64_t least_since; /* the work done by then */
    uint32_t filled_with; /* pack.c: how hard the nodes were tried; 0: not yet */
    uint64_t *prices;     /* per VM: price.c's */
    uint64_t listed_with; /* pack.c: the work that was spent on them, or on a cover; 0: not yet */
    bool priced;          /* pack.c: there are prices */
    bool by_price;        /* prices count, not sizes */
    uint32_t *packed;     /* per VM: where pack.c had it when it was last interrupted, or NONE */
    uint32_t n_touched;
    uint32_t phase; /* solve.c: what improve does next */

    uint32_t *least_down; /* bound.c: by level, of those not hopeless; a proof */
    uint32_t bound_for;   /* VMs unplaced when that was worked out; NONE: not yet */
    bool some_stay_down;  /* least_down is above 0 for some level */

    struct step *steps;
    uint32_t n_steps;
    struct placement_move *moves;
    struct placement_unplaced *unplaced;
    struct placement_plan plan;

    struct admission *admission; /* admit.c */
};

/* The VM that is being decided. */
struct task {
    uint32_t vm;
    uint32_t everywhere; /* obstacles that hold on each node */
    const uint64_t *need;
};

static inline uint32_t reason_bit(enum placement_reason reason) {
    return UINT32_C(1) << (unsigned)reason;
}

static inline bool bit_test(const uint64_t *bits, uint32_t i) {
    return (bits[i / 64] >> (i % 64)) & 1;
}

static inline bool has_cpu_model(const struct placement_solver *s, const struct placement_vm *v,
                                 uint32_t node) {
    return v->cpu_model == PLACEMENT_NONE ||
           bit_test(&s->cpu_model_bits[node * s->cpu_model_words], v->cpu_model);
}

static inline bool has_machine(const struct placement_solver *s, const struct placement_vm *v,
                               uint32_t node) {
    return v->machine == PLACEMENT_NONE ||
           bit_test(&s->machine_bits[node * s->machine_words], v->machine);
}

/* The first of the set that is not among a node's bits; or NONE. */
static inline uint32_t first_missing(const uint64_t *bits, const struct placement_set *set) {
    for (uint32_t k = 0; k < set->n; k++) {
        if (!bit_test(bits, set->index[k])) {
            return set->index[k];
        }
    }
    return PLACEMENT_NONE;
}

static inline uint32_t missing_volume(const struct placement_solver *s,
                                      const struct placement_vm *v, uint32_t node) {
    return first_missing(&s->volume_bits[node * s->volume_words], &v->volumes);
}

static inline uint32_t missing_network(const struct placement_solver *s,
                                       const struct placement_vm *v, uint32_t node) {
    return first_missing(&s->network_bits[node * s->network_words], &v->networks);
}

static inline void bit_set(uint64_t *bits, uint32_t i) {
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline size_t bit_words(uint32_t n) {
    return ((size_t)n + 63) / 64;
}

static inline const uint64_t *vm_need(const struct placement_solver *s, uint32_t vm) {
    return &s->problem->needs[(size_t)vm * s->n_resources];
}

static inline const uint64_t *vm_load(const struct placement_solver *s, uint32_t vm) {
    const uint64_t *loads = s->problem->loads != NULL ? s->problem->loads : s->problem->needs;
    return &loads[(size_t)vm * s->n_resources];
}

static inline bool set_has(const struct placement_set *set, uint32_t index) {
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] == index) {
            return true;
        }
    }
    return false;
}

/* The rule says for each node whether its VMs may be there, wherever other VMs are. */
static inline bool rule_is_of_nodes(const struct placement_rule *rule) {
    return rule->kind == PLACEMENT_ON_NODES || rule->kind == PLACEMENT_NOT_ON_NODES;
}

static inline bool rule_has_nodes(const struct placement_rule *rule) {
    return rule_is_of_nodes(rule) || rule->kind == PLACEMENT_AT_MOST;
}
