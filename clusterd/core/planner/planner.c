/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to the solver, and its answers in the model's terms; see planner.h.
 */
#include "core/planner/planner.h"

#include "base/mutant.h"

#include "core/model/settings.h"

#include <errno.h>
#include <string.h>

struct answer {
    const struct planner_problem *pr;
    struct placement_solver *solver;
    const struct placement_plan *plan;
};

static uint32_t id_of_node(const struct planner_problem *pr, uint32_t index) {
    return index == PLACEMENT_NONE ? 0 : pr->node_ids[index];
}

/* Why the VM has no place, in one line. NULL: out of memory. */
static const char *nowhere_text(const struct answer *a, uint32_t vm) {
    const struct placement_problem *p = &a->pr->p;
    char text[PLACEMENT_NOWHERE_MAX];
    struct placement_explanation explanation;
    struct placement_verdict *verdicts = arena_array(a->pr->arena, p->n_nodes, sizeof(*verdicts));
    if (!verdicts) {
        return NULL;
    }
    int err = placement_explain(a->solver, vm, verdicts, &explanation);
    if (err < 0) {
        return err == -ENOMEM ? NULL : "there is no node for it";
    }
    (void)placement_nowhere_text(p, vm, verdicts, &explanation, text, sizeof(text));
    return arena_strdup(a->pr->arena, text);
}

static int take_plan(const struct answer *a, struct planner_plan *ret) {
    const struct planner_problem *pr = a->pr;
    const struct placement_plan *plan = a->plan;
    uint32_t n = plan->n_moves + plan->n_unplaced;
    struct planner_choice *v = arena_array(pr->arena, n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        const struct placement_move *move = &plan->moves[i];
        v[i] = (struct planner_choice){
            .vm = pr->vm_ids[move->vm],
            .from = id_of_node(pr, move->from),
            .to = id_of_node(pr, move->to),
            .stage = move->stage,
            .asked = move->asked,
            .ready_ms = move->ready_ms,
            .reason = "",
        };
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        uint32_t vm = plan->unplaced[i].vm;
        v[plan->n_moves + i] = (struct planner_choice){
            .vm = pr->vm_ids[vm],
            .from = id_of_node(pr, pr->vms[vm].host),
            .asked = true,
            .reason = nowhere_text(a, vm),
        };
        if (!v[plan->n_moves + i].reason) {
            return -ENOMEM;
        }
    }
    *ret = (struct planner_plan){
        .v = v,
        .n = n,
        .n_unplaced = plan->n_unplaced,
        .proven = plan->proven || plan->n_unplaced == 0,
        .nodes_over = plan->cost.nodes_over,
    };
    return 0;
}

static enum placement_kind kind_of(enum planner_kind kind) {
    switch (kind) {
    case PLANNER_DRAIN: return PLACEMENT_DRAIN;
    case PLANNER_LOSE: return PLACEMENT_FAILOVER;
    case PLANNER_BALANCE: return PLACEMENT_BALANCE;
    case PLANNER_PLACE: break;
    }
    return PLACEMENT_PLACE;
}

static uint64_t work_of(const struct planner_problem *pr, const struct planner_question *question) {
    bool large = (uint64_t)pr->p.n_nodes * pr->p.n_vms > PLANNER_LARGE;
    return question->work ? question->work : large ? UINT64_MAX : PLANNER_WORK;
}

static int solve(struct answer *a, const struct planner_question *question) {
    const struct planner_problem *pr = a->pr;
    uint32_t *vms = arena_array(pr->arena, question->n_vms, sizeof(*vms));
    uint32_t node = planner_node_index(pr, question->node);
    int err = !vms ? -ENOMEM : placement_solver_create(&a->solver);
    if (err < 0) {
        return err;
    }
    for (uint32_t i = 0; i < question->n_vms; i++) {
        vms[i] = planner_vm_index(pr, question->vms[i]);
    }
    bool of_node = question->kind == PLANNER_DRAIN || question->kind == PLANNER_LOSE;
    struct placement_request request = {
        .kind = kind_of(question->kind),
        .vms = {.index = vms, .n = question->n_vms},
        .nodes = {.index = &node, .n = of_node},
        .may_move_others = question->may_move_others,
        .work = work_of(pr, question),
    };
    return placement_solve_sparing(a->solver, &pr->p, &request, &a->plan);
}

int planner_solve(const struct planner_problem *pr, const struct planner_question *question,
                  struct planner_plan *ret_plan) {
    bool names_vms = question->kind == PLANNER_PLACE || question->kind == PLANNER_BALANCE;
    if (names_vms && question->n_vms == 0) {
        *ret_plan = (struct planner_plan){.proven = true};
        return 0; /* the engine would take no VMs for all VMs */
    }
    struct answer a = {.pr = pr};
    int err = solve(&a, question);
    if (err == 0) {
        err = take_plan(&a, ret_plan);
    }
    placement_solver_destroy(a.solver);
    return err;
}

static int ask(const struct model *m, const struct planner_facts *facts,
               const struct planner_question *question, struct arena *arena,
               struct planner_plan *ret_plan) {
    struct planner_problem pr;
    int err = planner_problem_init(&pr, m, facts, arena);
    return err < 0 ? err : planner_solve(&pr, question, ret_plan);
}

int planner_place(const struct model *m, const uint32_t *vms, uint32_t n, struct arena *arena,
                  struct planner_plan *ret_plan) {
    struct planner_question question = {.kind = PLANNER_PLACE, .vms = vms, .n_vms = n};
    return ask(m, NULL, &question, arena, ret_plan);
}

int planner_drain(const struct model *m, uint64_t wall_ms, uint32_t node, struct arena *arena,
                  struct planner_plan *ret_plan) {
    struct planner_facts facts = {.wall_ms = wall_ms, .drained = node};
    struct planner_question question = {.kind = PLANNER_DRAIN,
                                        .node = node,
                                        .may_move_others =
                                            setting_get(m, SETTING_drain_may_move) != 0};
    struct planner_problem pr;
    int err = planner_problem_init(&pr, m, &facts, arena);
    if (err < 0) {
        return err;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        uint32_t i = planner_vm_index(&pr, vm->id);
        bool left_out = i != PLACEMENT_NONE && vm->owner == node && !planner_leaves(vm);
        if (left_out && pr.vms[i].host != PLACEMENT_NONE) {
            pr.vms[i].host = pr.vms[i].also_on = PLACEMENT_NONE;
        }
    }
    return planner_solve(&pr, &question, ret_plan);
}

bool planner_leaves(const struct model_vm *vm) {
    return vm->move_policy != MOVE_POLICY_SHUT_DOWN && vm->move_policy != MOVE_POLICY_STAY;
}

bool planner_blocks_drain(const struct model *m, const struct planner_choice *choice) {
    const struct model_vm *vm = choice->to == 0 ? model_vm_by_id(m, choice->vm) : NULL;
    return vm && vm->wanted == WANTED_RUNNING && vm->order == ORDER_NONE;
}

bool planner_to_be_started(const struct model *m, const struct model_vm *vm) {
    bool held = (vm->other_disks[0] && !MUTANT(older_disks)) ||
                (vm->unasked.n > 0 && !MUTANT(added_unasked)) ||
                (vm->foreign.n > 0 && !MUTANT(foreign_unheard)) ||
                (model_vm_is_reverting(m, vm) && !MUTANT(start_while_reverting));
    return vm->order == ORDER_NONE && vm->wanted == WANTED_RUNNING &&
           ((vm->state == VM_OFF && !held) || vm->state == VM_SAVED);
}

bool planner_anything_to_start(const struct model *m) {
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (planner_to_be_started(m, vm)) {
            return true;
        }
    }
    return false;
}

int planner_starts_question(const struct model *m, bool may_move_others, struct arena *arena,
                            struct planner_question *ret) {
    uint32_t *vms = arena_array(arena, m->vms.n, sizeof(*vms));
    struct planner_question question = {
        .kind = PLANNER_PLACE, .vms = vms, .may_move_others = may_move_others};
    if (!vms) {
        return -ENOMEM;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (planner_to_be_started(m, vm)) {
            vms[question.n_vms++] = vm->id;
        }
    }
    *ret = question;
    return 0;
}

/* ---------------------------------------------------------------------- of another model ---- */

/* The VM has but this one node to go to. */
static int narrow(struct planner_problem *pr, const struct planner_choice *choice,
                  uint32_t *ret_vm) {
    uint32_t vm = planner_vm_index(pr, choice->vm), node = planner_node_index(pr, choice->to);
    uint32_t *only = arena_array(pr->arena, 1, sizeof(*only));
    *ret_vm = PLACEMENT_NONE;
    if (!only) {
        return -ENOMEM;
    }
    if (vm == PLACEMENT_NONE || node == PLACEMENT_NONE) {
        return 0;
    }
    for (uint32_t i = 0; i < pr->vms[vm].possible.n; i++) {
        *only += pr->vms[vm].possible.index[i] == node;
    }
    if (pr->vms[vm].possible.n > 0 && *only == 0) {
        return 0; /* it may not be there any more */
    }
    *only = node;
    pr->vms[vm].possible = (struct placement_set){.index = only, .n = 1};
    *ret_vm = vm;
    return 0;
}

/* Whether there is still something to decide: a start that is still wanted, a move from where it
 * is. */
static bool is_open(const struct model *m, const struct planner_choice *choice) {
    const struct model_vm *vm = model_vm_by_id(m, choice->vm);
    return vm && (choice->from == 0
                      ? planner_to_be_started(m, vm)
                      : vm->state == VM_RUNNING && vm->owner == choice->from &&
                            vm->order == ORDER_NONE && (vm->operation == 0 || choice->asked));
}

/* The whole plan is placed again, each VM with but its one node: VMs that a rule keeps together fit
 * only together. */
int planner_verify(const struct model *m, const struct planner_facts *facts,
                   const struct planner_plan *plan, struct arena *arena,
                   struct planner_plan *ret_plan, uint32_t *ret_dropped) {
    struct planner_problem pr;
    struct planner_plan fits = {0};
    struct planner_question question = {.kind = PLANNER_PLACE};
    uint32_t *vms = arena_array(arena, plan->n, sizeof(*vms));
    struct planner_choice *v = arena_array(arena, plan->n, sizeof(*v));
    int err = vms && v ? planner_problem_init(&pr, m, facts, arena) : -ENOMEM;
    uint32_t n = 0, dropped = 0, index = PLACEMENT_NONE;
    for (uint32_t i = 0; err == 0 && i < plan->n; i++) {
        const struct planner_choice *choice = &plan->v[i];
        if (choice->to == 0 || !is_open(m, choice)) {
            continue;
        }
        err = narrow(&pr, choice, &index);
        if (err == 0 && index != PLACEMENT_NONE) {
            vms[question.n_vms++] = choice->vm;
        } else {
            dropped++;
        }
    }
    question.vms = vms;
    if (err == 0 && question.n_vms > 0) {
        err = planner_solve(&pr, &question, &fits);
    }
    for (uint32_t i = 0; err == 0 && i < plan->n; i++) {
        const struct planner_choice *choice = &plan->v[i];
        const struct planner_choice *found = NULL;
        for (uint32_t k = 0; k < fits.n && !found; k++) {
            found = fits.v[k].vm == choice->vm ? &fits.v[k] : NULL;
        }
        bool still = found && found->to == choice->to;
        dropped += found && !still;
        if (still || (choice->to == 0 && is_open(m, choice))) {
            v[n] = *choice;
            v[n].stage = still ? found->stage : 0;
            v[n].reason = arena_strdup(arena, choice->reason);
            err = v[n].reason ? 0 : -ENOMEM;
            n++;
        }
    }
    if (err < 0) {
        return err;
    }
    *ret_plan = (struct planner_plan){.v = v, .n = n, .nodes_over = plan->nodes_over};
    for (uint32_t i = 0; i < n; i++) {
        ret_plan->n_unplaced += v[i].to == 0;
    }
    *ret_dropped = dropped;
    return 0;
}

/* --------------------------------------------------------------------------- explanation ---- */

static int explain_node(const struct planner_problem *pr, uint32_t vm, uint32_t node,
                        const struct placement_verdict *found,
                        const struct placement_explanation *all, struct planner_verdict *ret) {
    char text[PLACEMENT_TEXT_MAX];
    (void)placement_verdict_text(&pr->p, vm, node, found, text, sizeof(text));
    uint64_t memory = planner_capacities(pr, node)[PLACEMENT_MEMORY];
    uint64_t cpu = planner_capacities(pr, node)[PLACEMENT_CPU] *
                   pr->nodes[node].cpu_overcommit_permille / 1000;
    uint64_t memory_used = 0, cpu_used = 0;
    for (uint32_t i = 0; i < pr->p.n_vms; i++) {
        if (i != vm && (pr->vms[i].host == node || pr->vms[i].also_on == node)) {
            memory_used += planner_needs(pr, i)[PLACEMENT_MEMORY];
            cpu_used += planner_needs(pr, i)[PLACEMENT_CPU];
        }
    }
    uint64_t need = planner_needs(pr, vm)[PLACEMENT_MEMORY];
    cpu_used += planner_needs(pr, vm)[PLACEMENT_CPU];
    *ret = (struct planner_verdict){
        .node = pr->node_ids[node],
        .possible = found->obstacles == 0,
        .chosen = all->chosen == node,
        .current = pr->vms[vm].host == node,
        .runner_up = all->runner_up == node,
        .waits = found->waits,
        .verdict = placement_reason_name(found->reason),
        .reason = arena_strdup(pr->arena, text),
        .memory_free_mb = memory > memory_used ? memory - memory_used : 0,
        .memory_mb = memory,
        .memory_need_mb = need,
        .cpu_free_permille = cpu > cpu_used ? (uint32_t)((cpu - cpu_used) * 1000 / cpu) : 0,
        .free_after_permille = found->free_after_permille,
    };
    return ret->reason ? 0 : -ENOMEM;
}

static int explain_vm(struct answer *a, uint32_t vm, struct planner_explanation *ret) {
    const struct planner_problem *pr = a->pr;
    struct planner_question question = {.kind = PLANNER_PLACE, .vms = &vm, .n_vms = 1};
    uint32_t index = planner_vm_index(pr, vm);
    if (index == PLACEMENT_NONE) {
        return -ENOENT;
    }
    int err = solve(a, &question);
    struct placement_verdict *found = arena_array(pr->arena, pr->p.n_nodes, sizeof(*found));
    struct planner_verdict *v = arena_array(pr->arena, pr->p.n_nodes, sizeof(*v));
    struct placement_explanation all = {0};
    if (err == 0 && (!found || !v)) {
        err = -ENOMEM;
    }
    if (err == 0) {
        err = placement_explain(a->solver, index, found, &all);
    }
    for (uint32_t i = 0; err == 0 && i < pr->p.n_nodes; i++) {
        err = explain_node(pr, index, i, &found[i], &all, &v[i]);
    }
    if (err < 0) {
        return err;
    }
    char text[PLACEMENT_TEXT_MAX];
    (void)placement_explanation_text(&pr->p, index, &all, text, sizeof(text));
    *ret = (struct planner_explanation){
        .v = v,
        .n = pr->p.n_nodes,
        .best = id_of_node(pr, all.chosen),
        .summary = arena_strdup(pr->arena, text),
    };
    return ret->summary ? 0 : -ENOMEM;
}

static int explain(const struct model *m, uint32_t vm, bool takes_promise, struct arena *arena,
                   struct planner_explanation *ret) {
    struct planner_problem pr;
    struct answer a = {.pr = &pr};
    struct planner_explanation explanation;
    int err = planner_problem_init(&pr, m, NULL, arena);
    uint32_t index = err == 0 ? planner_vm_index(&pr, vm) : PLACEMENT_NONE;
    if (takes_promise && index != PLACEMENT_NONE) {
        pr.vms[index].also_on = PLACEMENT_NONE; /* what is kept for it does not stand in its way */
    }
    if (err == 0) {
        err = explain_vm(&a, vm, &explanation);
    }
    placement_solver_destroy(a.solver);
    if (err == 0) {
        *ret = explanation;
    }
    return err;
}

int planner_explain(const struct model *m, uint32_t vm, struct arena *arena,
                    struct planner_explanation *ret) {
    return explain(m, vm, false, arena, ret);
}

static int check(const struct model *m, uint32_t vm, uint32_t node, bool takes_promise,
                 struct arena *arena, struct planner_verdict *ret) {
    struct planner_explanation explanation;
    int err = explain(m, vm, takes_promise, arena, &explanation);
    for (uint32_t i = 0; err == 0 && i < explanation.n; i++) {
        if (explanation.v[i].node == node) {
            *ret = explanation.v[i];
            return 0;
        }
    }
    return err < 0 ? err : -ENOENT;
}

int planner_check(const struct model *m, uint32_t vm, uint32_t node, struct arena *arena,
                  struct planner_verdict *ret_verdict) {
    return check(m, vm, node, false, arena, ret_verdict);
}

int planner_check_move(const struct model *m, uint32_t vm, uint32_t node, struct arena *arena,
                       struct planner_verdict *ret_verdict) {
    return check(m, vm, node, true, arena, ret_verdict);
}
