/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.c - a VM's verdict on every node.
 *
 * Verdicts are not stored: a plan for 700 VMs on 5,000 nodes would have millions that nobody reads.
 * They are made again when asked for, by replaying the plan up to the VM's own decision; the state
 * remembers how far it got, so that explaining in the plan's order replays each decision once.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t find_decision(const struct placement_solver *s, uint32_t vm) {
    uint32_t i = 0;
    while (i < s->n_decisions && s->decisions[i].vm != vm) {
        i++;
    }
    return i;
}

static void replay(struct placement_solver *s, uint32_t n) {
    if (s->n_applied > n) {
        placement_state_reset(s);
    }
    while (s->n_applied < n) {
        placement_state_apply(s);
    }
}

static int candidate_compare(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (placement_score_better(&a->score, &b->score)) {
        return -1;
    }
    if (placement_score_better(&b->score, &a->score)) {
        return 1;
    }
    return a->node < b->node ? -1 : a->node > b->node;
}

/* All possible nodes, the best first. The solver took the first one, unless it took none because
 * the VM is on its way already. */
static uint32_t rank_candidates(struct placement_solver *s, const struct task *task) {
    uint32_t n = 0;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        if (placement_judge_possible(s, task, node)) {
            s->candidates[n].node = node;
            placement_judge_score(s, task, node, &s->candidates[n++].score);
        }
    }
    qsort(s->candidates, n, sizeof(*s->candidates), candidate_compare);
    return n;
}

static void explain(const struct placement_solver *s, const struct decision *decision,
                    const struct task *task, uint32_t n_candidates,
                    struct placement_explanation *ret_explanation) {
    struct placement_explanation e = {
        .chosen = decision->node,
        .runner_up = PLACEMENT_NONE,
        .nearest = PLACEMENT_NONE,
        .reason = decision->reason,
    };
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        enum placement_reason reason =
            placement_first_obstacle(placement_judge_obstacles(s, task, node));
        if (node == e.chosen) {
            reason = PLACEMENT_CHOSEN;
        }
        e.by_reason[reason]++;
    }
    e.n_possible = n_candidates;
    if (e.chosen != PLACEMENT_NONE && n_candidates > 1) {
        e.runner_up = s->candidates[1].node;
    }
    for (uint32_t i = 0; e.chosen == PLACEMENT_NONE && i < s->plan.n_unplaced; i++) {
        if (s->unplaced[i].vm == task->vm) {
            e.nearest = s->unplaced[i].node;
        }
    }
    *ret_explanation = e;
}

int placement_explain(struct placement_solver *s, uint32_t vm,
                      struct placement_verdict *ret_verdicts,
                      struct placement_explanation *ret_explanation) {
    struct task task;

    if (!s->solved || vm >= s->problem->n_vms) {
        return -EINVAL;
    }
    uint32_t i = find_decision(s, vm);
    if (i == s->n_decisions) {
        return -ENOENT;
    }
    replay(s, i);
    placement_task_begin(s, vm, &task);
    const uint32_t chosen = s->decisions[i].node;
    const uint32_t n_candidates = rank_candidates(s, &task);
    for (uint32_t node = 0; ret_verdicts != NULL && node < s->problem->n_nodes; node++) {
        placement_judge_verdict(s, &task, node, &ret_verdicts[node]);
    }
    for (uint32_t k = 0; ret_verdicts != NULL && k < n_candidates; k++) {
        ret_verdicts[s->candidates[k].node].rank = chosen == PLACEMENT_NONE ? k + 1 : k;
    }
    if (ret_verdicts != NULL && chosen != PLACEMENT_NONE) {
        ret_verdicts[chosen].reason = PLACEMENT_CHOSEN;
    }
    if (ret_explanation != NULL) {
        explain(s, &s->decisions[i], &task, n_candidates, ret_explanation);
    }
    return 0;
}
