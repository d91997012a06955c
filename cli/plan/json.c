/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan as JSON: see plan/solve.h. The format is documented in clusterctl(8).
 */
#include "plan/solve.h"

static json_t *name_or_null(const char *name) {
    return name[0] != '\0' ? json_string(name) : json_null();
}

static const char *mode_name(enum placement_mode mode) {
    static const char *const names[] = {
        [PLACEMENT_START] = "start", [PLACEMENT_LIVE] = "live", [PLACEMENT_COLD] = "cold"};
    return names[mode];
}

static json_t *json_move(const struct plan_run *run, const struct placement_move *move) {
    return json_pack("{s:s, s:o, s:s, s:s, s:I, s:b, s:I}", "vm", plan_vm_name(run, move->vm),
                     "from", name_or_null(plan_node_name(run, move->from)), "to",
                     plan_node_name(run, move->to), "mode", mode_name(move->mode), "stage",
                     (json_int_t)move->stage, "asked", move->asked, "ready_ms",
                     (json_int_t)move->ready_ms);
}

/* The final place of each VM that was asked for; for a VM that moves twice, the second move. */
static json_t *json_placed(const struct plan_run *run) {
    json_t *placed = json_object();
    for (uint32_t i = 0; i < run->plan->n_moves; i++) {
        const struct placement_move *move = &run->plan->moves[i];
        if (move->asked || move->mode == PLACEMENT_START) {
            json_object_set_new(placed, plan_vm_name(run, move->vm),
                                json_string(plan_node_name(run, move->to)));
        }
    }
    return placed;
}

static json_t *json_moves(const struct plan_run *run, bool starts) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < run->plan->n_moves; i++) {
        if ((run->plan->moves[i].mode == PLACEMENT_START) == starts) {
            json_array_append_new(list, json_move(run, &run->plan->moves[i]));
        }
    }
    return list;
}

static json_t *json_unplaced(const struct plan_run *run) {
    json_t *list = json_array();
    char text[PLAN_REASON_MAX];
    for (uint32_t i = 0; i < run->plan->n_unplaced; i++) {
        const struct placement_unplaced *unplaced = &run->plan->unplaced[i];
        plan_reason(run, unplaced->vm, text);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:o}", "vm", plan_vm_name(run, unplaced->vm), "reason",
                            text, "code", placement_reason_name(unplaced->reason), "nearest",
                            name_or_null(plan_node_name(run, unplaced->node))));
    }
    return list;
}

static json_t *json_cost(const struct placement_cost *cost) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "unplaced",
                     (json_int_t)cost->unplaced, "nodes_over", (json_int_t)cost->nodes_over,
                     "soft_broken", (json_int_t)cost->soft_broken, "moves", (json_int_t)cost->moves,
                     "moves_of_others", (json_int_t)cost->moves_of_others, "moved_mb",
                     (json_int_t)cost->moved_mb, "move_ms", (json_int_t)cost->move_ms,
                     "least_free_permille", (json_int_t)cost->least_free_permille);
}

static json_t *json_verdict(const struct plan_run *run, uint32_t vm, uint32_t node,
                            const struct placement_verdict *verdicts,
                            const struct placement_explanation *explanation) {
    const struct placement_problem *problem = &run->file->problem;
    const struct placement_verdict *verdict = &verdicts[node];
    char text[PLACEMENT_TEXT_MAX];
    char change[PLACEMENT_TEXT_MAX];
    placement_verdict_text(problem, vm, node, verdict, text, sizeof(text));
    placement_change_text(problem, vm, node, verdicts, explanation, change, sizeof(change));
    json_t *json =
        json_pack("{s:s, s:b, s:s, s:s, s:s, s:I, s:I, s:I}", "node", plan_node_name(run, node),
                  "possible", verdict->obstacles == 0, "verdict",
                  placement_reason_name(verdict->reason), "reason", text, "change", change,
                  "free_after_permille", (json_int_t)verdict->free_after_permille, "free_after_mb",
                  (json_int_t)verdict->free_after_mb, "soft_broken",
                  (json_int_t)verdict->soft_broken);
    json_object_set_new(
        json, "rank", verdict->rank == PLACEMENT_NONE ? json_null() : json_integer(verdict->rank));
    return json;
}

static json_t *json_explanation(const struct plan_run *run, uint32_t vm) {
    struct placement_explanation explanation;
    char text[PLACEMENT_TEXT_MAX];
    if (placement_explain(run->solver, vm, run->verdicts, &explanation) < 0) {
        return NULL;
    }
    placement_explanation_text(&run->file->problem, vm, &explanation, text, sizeof(text));
    json_t *nodes = json_array();
    for (uint32_t i = 0; i < run->file->problem.n_nodes; i++) {
        json_array_append_new(nodes, json_verdict(run, vm, i, run->verdicts, &explanation));
    }
    return json_pack("{s:s, s:o, s:o, s:s, s:o}", "vm", plan_vm_name(run, vm), "chosen",
                     name_or_null(plan_node_name(run, explanation.chosen)), "runner_up",
                     name_or_null(plan_node_name(run, explanation.runner_up)), "summary", text,
                     "nodes", nodes);
}

static json_t *json_explanations(const struct plan_run *run) {
    const struct placement_plan *plan = run->plan;
    json_t *list = json_array();
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        if (plan_last_move(plan, i) != NULL) {
            json_array_append_new(list, json_explanation(run, plan->moves[i].vm));
        }
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        json_array_append_new(list, json_explanation(run, plan->unplaced[i].vm));
    }
    return list;
}

json_t *plan_json(const struct plan_run *run, bool explain) {
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:f}", "placed", json_placed(run),
                             "moves", json_moves(run, false), "starts", json_moves(run, true),
                             "unplaced", json_unplaced(run), "cost", json_cost(&run->plan->cost),
                             "proven", run->plan->proven, "seconds", (double)run->solve_us / 1e6);
    json_object_set_new(json, "broken_rules", plan_json_broken(run));
    if (explain) {
        json_object_set_new(json, "explanations", json_explanations(run));
    }
    return json;
}

json_t *plan_json_admission(const struct plan_run *run) {
    const struct placement_problem *problem = &run->file->problem;
    const struct placement_admission *a = run->admission;
    char text[PLACEMENT_TEXT_MAX];
    json_t *lost = json_array();
    for (uint32_t i = 0; a->answer != PLACEMENT_YES && i < a->lost.n; i++) {
        json_array_append_new(lost, json_string(plan_node_name(run, a->lost.index[i])));
    }
    plan_admission_text(run, text);
    json_t *json = json_pack("{s:s, s:I, s:{s:I, s:I, s:I, s:I}, s:s, s:f}", "answer",
                             plan_answer_name(a->answer), "k", (json_int_t)run->k, "cases", "all",
                             (json_int_t)a->n_cases, "yes", (json_int_t)a->n_yes, "no",
                             (json_int_t)a->n_no, "unknown", (json_int_t)a->n_unknown, "reason",
                             text, "seconds", (double)run->solve_us / 1e6);
    json_object_set_new(json, "broken_rules", plan_json_broken(run));
    if (a->answer == PLACEMENT_YES) {
        json_decref(lost);
        return json;
    }
    json_object_set_new(json, "counterexample", lost);
    json_object_set_new(json, "vm", name_or_null(plan_vm_name(run, a->vm)));
    json_object_set_new(json, "code", json_string(placement_reason_name(a->reason)));
    json_object_set_new(json, "resource",
                        a->resource == PLACEMENT_NONE
                            ? json_null()
                            : json_string(problem->resources[a->resource].name));
    json_object_set_new(json, "rule",
                        a->rule == PLACEMENT_NONE ? json_null()
                                                  : json_string(problem->rules[a->rule].name));
    json_object_set_new(json, "short_of", json_integer((json_int_t)a->short_of));
    return json;
}
