/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.c - a VM's verdict on every node.
 *
 * Verdicts are not stored: a plan for 700 VMs on 5,000 nodes would have millions that nobody reads.
 * They are computed on demand, by replaying the plan up to the decision about the VM. The state
 * remembers how far the replay got, so explanations in the order of the plan replay each decision
 * once.
 */
#include "base/check.h"
#include "search.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t find_decision(const struct placement_solver *s, uint32_t vm) {
    uint32_t i = 0;
    while (i < s->n_decisions && s->decisions[i].vm != vm) {
        i++;
    }
    return i;
}

/* Back to the beginning, except that VMs not asked for have moved. */
static void rewind_decisions(struct placement_solver *s) {
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        s->flags[s->decisions[i].vm] &= (uint16_t)~VM_STAYS;
    }
    placement_state_reset(s);
    for (uint32_t i = 0; i < s->plan.n_moves; i++) {
        if (!(s->flags[s->moves[i].vm] & VM_ASKED) && s->request.kind != PLACEMENT_BALANCE) {
            placement_take(s, s->moves[i].vm);
            placement_put(s, s->moves[i].vm, s->moves[i].to);
        }
    }
    s->n_applied = 0;
}

/* Carries out the first n decisions. */
static void replay(struct placement_solver *s, uint32_t n) {
    if (s->n_applied == PLACEMENT_NONE || s->n_applied > n) {
        rewind_decisions(s);
    }
    for (; s->n_applied < n; s->n_applied++) {
        const struct decision *decision = &s->decisions[s->n_applied];
        const uint32_t at = s->at[decision->vm];
        CHECK(decision->node == PLACEMENT_NONE || decision->reason == PLACEMENT_CHOSEN);
        const bool stays = decision->node == PLACEMENT_NONE;
        if (at != PLACEMENT_NONE) {
            placement_take(s, decision->vm);
            s->flags[decision->vm] |= stays ? VM_STAYS : 0;
        }
        if (!stays || at != PLACEMENT_NONE) {
            placement_put(s, decision->vm, stays ? at : decision->node);
        }
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

/* All possible nodes, the best first. The plan has the first one, unless it took another to make
 * room for VMs decided later, or none because the VM is already on its way. */
static uint32_t rank_candidates(struct placement_solver *s, const struct task *task) {
    uint32_t n = 0;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        if (placement_judge_obstacles(s, task, node) == 0) {
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
        } else if (reason == PLACEMENT_POSSIBLE && e.chosen == PLACEMENT_NONE &&
                   !(s->flags[task->vm] & VM_ARRIVING)) {
            reason = PLACEMENT_NO_WAY;
        }
        e.by_reason[reason]++;
    }
    const bool possible = e.chosen != PLACEMENT_NONE || (s->flags[task->vm] & VM_ARRIVING);
    e.n_possible = possible ? n_candidates : 0;
    e.for_others =
        e.chosen != PLACEMENT_NONE && n_candidates > 0 && s->candidates[0].node != e.chosen;
    for (uint32_t i = 0; e.chosen != PLACEMENT_NONE && i < 2 && i < n_candidates; i++) {
        if (s->candidates[i].node != e.chosen && e.runner_up == PLACEMENT_NONE) {
            e.runner_up = s->candidates[i].node;
        }
    }
    for (uint32_t i = 0; e.chosen == PLACEMENT_NONE && i < s->plan.n_unplaced; i++) {
        if (s->unplaced[i].vm == task->vm) {
            e.nearest = s->unplaced[i].node;
        }
    }
    *ret_explanation = e;
}

static void verdicts(struct placement_solver *s, const struct task *task, uint32_t chosen,
                     uint32_t n_candidates, struct placement_verdict *ret_verdicts) {
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        struct placement_verdict *v = &ret_verdicts[node];
        placement_judge_verdict(s, task, node, v);
        if (node == chosen) {
            v->reason = PLACEMENT_CHOSEN;
        } else if (v->reason == PLACEMENT_POSSIBLE && chosen == PLACEMENT_NONE &&
                   !(s->flags[task->vm] & VM_ARRIVING)) {
            v->reason = PLACEMENT_NO_WAY;
            v->obstacles |= reason_bit(PLACEMENT_NO_WAY);
        }
    }
    const bool ranked = chosen != PLACEMENT_NONE || (s->flags[task->vm] & VM_ARRIVING);
    for (uint32_t k = 0; ranked && k < n_candidates; k++) {
        ret_verdicts[s->candidates[k].node].rank = k;
    }
}

/* The state at the moment of the VM's decision, or at the plan's end: all others where they will
 * be, and the VM nowhere. Returns where the VM was, so that it can be put back. */
static uint32_t go_to_moment(struct placement_solver *s, uint32_t i, bool at_end) {
    const uint32_t vm = s->decisions[i].vm;
    replay(s, at_end ? s->n_decisions : i);
    if (at_end) {
        placement_see_end(s, true);
    }
    const uint32_t at = s->at[vm];
    if (at != PLACEMENT_NONE) {
        placement_take(s, vm);
    }
    return at;
}

static void leave_moment(struct placement_solver *s, uint32_t vm, uint32_t at) {
    if (at != PLACEMENT_NONE) {
        placement_put(s, vm, at);
    }
    if (s->at_end) {
        placement_see_end(s, false);
    }
}

int placement_explain(struct placement_solver *s, uint32_t vm,
                      struct placement_verdict *ret_verdicts,
                      struct placement_explanation *ret_explanation) {
    struct task task;

    if (!s->solved || vm >= s->problem->n_vms) {
        return -EINVAL;
    }
    const uint32_t i = find_decision(s, vm);
    if (i == s->n_decisions) {
        return -ENOENT;
    }
    const uint32_t chosen = s->decisions[i].node;
    uint32_t at = go_to_moment(s, i, chosen == PLACEMENT_NONE);
    placement_task_begin(s, vm, &task);
    if (chosen != PLACEMENT_NONE && placement_judge_obstacles(s, &task, chosen) != 0) {
        leave_moment(s, vm, at);
        at = go_to_moment(s, i, true);
    }
    const uint32_t n_candidates = rank_candidates(s, &task);
    if (ret_verdicts != NULL) {
        verdicts(s, &task, chosen, n_candidates, ret_verdicts);
    }
    if (ret_explanation != NULL) {
        explain(s, &s->decisions[i], &task, n_candidates, ret_explanation);
    }
    leave_moment(s, vm, at);
    CHECK(!s->at_end); /* the next explanation replays from here */
    return 0;
}
