/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May any k nodes be lost? The cluster is judged as it will be: VMs that should start are where
 * they would start, moving VMs have arrived, and VMs on a draining node have left it.
 */
#include "core/planner/planner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Puts everything where the plan wants it. */
static int settle(const struct planner_problem *pr, const struct planner_question *question,
                  struct placement_solver *solver) {
    uint32_t *vms = arena_array(pr->arena, pr->p.n_vms, sizeof(*vms));
    const struct placement_plan *plan = NULL;
    uint32_t n = 0;
    if (!vms) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < question->n_vms; i++) {
        vms[n++] = planner_vm_index(pr, question->vms[i]);
    }
    for (uint32_t i = 0; i < pr->p.n_vms; i++) {
        struct placement_vm *vm = &pr->vms[i];
        if (vm->also_on != PLACEMENT_NONE) {
            vm->host = vm->also_on;
            vm->also_on = PLACEMENT_NONE;
        }
        if (vm->host != PLACEMENT_NONE && pr->nodes[vm->host].state == PLACEMENT_NODE_DRAINING) {
            vms[n++] = i;
        }
    }
    if (n == 0) {
        return 0;
    }
    struct placement_request request = {.kind = PLACEMENT_PLACE, .vms = {.index = vms, .n = n}};
    int err = placement_solve(solver, &pr->p, &request, &plan);
    for (uint32_t i = 0; err == 0 && i < plan->n_moves; i++) {
        pr->vms[plan->moves[i].vm].host = plan->moves[i].to;
    }
    return err;
}

static const char *lost_names(const struct planner_problem *pr, const struct placement_set *lost) {
    const char *text = "";
    for (uint32_t i = 0; i < lost->n && text; i++) {
        text = arena_printf(pr->arena, "%s%s%s", text, i ? " and " : "",
                            pr->nodes[lost->index[i]].name);
    }
    return text;
}

/* What breaks the reserve, in one line: the nodes, the VM, and the rule or the missing resource. */
static const char *broken_text(const struct planner_problem *pr,
                               const struct placement_admission *found) {
    const char *vm = found->vm == PLACEMENT_NONE ? "a VM" : pr->vms[found->vm].name;
    const char *names = lost_names(pr, &found->lost);
    if (!names) {
        return NULL;
    }
    if (found->rule != PLACEMENT_NONE) {
        return arena_printf(pr->arena, "if %s %s lost, %s has no place: %s (rule %s)", names,
                            found->lost.n == 1 ? "is" : "are", vm,
                            placement_reason_name(found->reason), pr->p.rules[found->rule].name);
    }
    if (found->short_of > 0 && found->resource != PLACEMENT_CPU) {
        return arena_printf(pr->arena,
                            "if %s %s lost, %s has no place: the other nodes lack %llu%s of %s",
                            names, found->lost.n == 1 ? "is" : "are", vm,
                            (unsigned long long)found->short_of,
                            found->resource == PLACEMENT_MEMORY ? " MB" : "",
                            pr->p.resources[found->resource].name);
    }
    return arena_printf(pr->arena, "if %s %s lost, %s has no place: %s", names,
                        found->lost.n == 1 ? "is" : "are", vm,
                        placement_reason_name(found->reason));
}

static int take(const struct planner_problem *pr, const struct placement_admission *found,
                struct planner_reserve *ret) {
    const char *text = "";
    if (found->answer == PLACEMENT_NO) {
        text = broken_text(pr, found);
    } else if (found->answer == PLACEMENT_UNKNOWN) {
        const char *names = lost_names(pr, &found->lost);
        text = names ? arena_printf(pr->arena, "%llu of %llu cases are undecided; the first: %s",
                                    (unsigned long long)found->n_unknown,
                                    (unsigned long long)found->n_cases, names)
                     : NULL;
    }
    *ret = (struct planner_reserve){.answer = found->answer, .text = text};
    return text ? 0 : -ENOMEM;
}

/* The plan for the loss of each single node, if one was found. */
static int keep_witnesses(const struct planner_problem *pr, struct placement_solver *solver,
                          struct planner_reserve *ret) {
    ret->witnesses = arena_array(pr->arena, pr->p.n_nodes, sizeof(*ret->witnesses));
    if (!ret->witnesses) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < pr->p.n_nodes; i++) {
        const struct placement_set lost = {.index = &i, .n = 1};
        const struct placement_plan *plan = NULL;
        struct planner_witness *w = &ret->witnesses[ret->n_witnesses];
        if (placement_admit_witness(solver, &lost, &plan) < 0) {
            continue;
        }
        w->node = pr->node_ids[i];
        w->v = arena_array(pr->arena, plan->n_moves, sizeof(*w->v));
        if (!w->v) {
            return -ENOMEM;
        }
        for (uint32_t k = 0; k < plan->n_moves; k++) {
            if (plan->moves[k].from == i) {
                w->v[w->n++] = (struct planner_choice){.vm = pr->vm_ids[plan->moves[k].vm],
                                                       .to = pr->node_ids[plan->moves[k].to],
                                                       .asked = true,
                                                       .reason = ""};
            }
        }
        ret->n_witnesses++;
    }
    return 0;
}

static int admit(const struct planner_problem *pr, const struct planner_question *question,
                 struct placement_solver *solver, uint32_t k, struct planner_reserve *ret) {
    const struct placement_admission *found = NULL;
    struct placement_admit_request request = {
        .k = k, .may_move_others = question->may_move_others, .work = question->work};
    int err = placement_admit(solver, &pr->p, &request, &found);
    if (err == 0 && k == question->k) {
        err = take(pr, found, ret);
    }
    if (err == 0 && k == 1) {
        err = keep_witnesses(pr, solver, ret);
    }
    return err;
}

int planner_admit(const struct planner_problem *pr, const struct planner_question *question,
                  struct planner_reserve *ret) {
    struct placement_solver *solver = NULL;
    struct planner_reserve reserve = {.text = ""};
    int err = placement_solver_create(&solver);
    if (err == 0) {
        err = settle(pr, question, solver);
    }
    if (err == 0) {
        err = admit(pr, question, solver, question->k, &reserve);
    }
    if (err == 0 && question->k > 1) {
        err = admit(pr, question, solver, 1, &reserve);
    }
    placement_solver_destroy(solver);
    if (err == 0) {
        *ret = reserve;
    }
    return err;
}
