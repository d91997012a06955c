/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan as text: see plan/solve.h.
 */
#include "plan/solve.h"

#include "output/table.h"
#include "output/text.h"
#include "output/lists.h"
#include "output/print.h"

#include <inttypes.h>

enum { COLUMNS_MOST = 6 };

static const char *how(const struct placement_move *move) {
    switch (move->mode) {
    case PLACEMENT_START: return "starts";
    case PLACEMENT_LIVE: return move->asked ? "moves live" : "moves live, to make room";
    case PLACEMENT_COLD:
        return move->asked ? "is stopped and started" : "is restarted, to make room";
    }
    return "";
}

static bool has_steps(const struct placement_plan *plan) {
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        if (plan->moves[i].stage > 0) {
            return true;
        }
    }
    return false;
}

static void show_moves(const struct screen *screen, const struct plan_run *run) {
    static const struct table_column columns[COLUMNS_MOST] = {
        {"VM", TABLE_NAME},        {"FROM", TABLE_NAME}, {"TO", TABLE_NAME},
        {"RUNS IN", TABLE_FIGURE}, {"HOW", TABLE_WRAP},  {"STEP", TABLE_FIGURE}};
    const struct placement_plan *plan = run->plan;
    bool steps = has_steps(plan);
    char text[PLAN_REASON_MAX];
    struct table *table = table_create(screen, columns, steps ? COLUMNS_MOST : COLUMNS_MOST - 1);
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        const struct placement_move *move = &plan->moves[i];
        char time[TEXT_MAX];
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", plan_vm_name(run, move->vm));
        table_cell(table, STYLE_PLAIN, "%s", plan_node_name(run, move->from));
        table_cell(table, STYLE_GOOD, "%s", plan_node_name(run, move->to));
        table_cell(table, STYLE_PLAIN, "%s", text_duration(move->ready_ms, time));
        table_cell(table, STYLE_PLAIN, "%s", how(move));
        if (steps) {
            table_cell(table, STYLE_PLAIN, "%" PRIu32, move->stage + 1);
        }
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        uint32_t vm = plan->unplaced[i].vm;
        plan_reason(run, vm, text);
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", plan_vm_name(run, vm));
        table_cell(table, STYLE_PLAIN, "%s", plan_node_name(run, run->file->problem.vms[vm].host));
        table_cell(table, STYLE_BAD, "nowhere");
        table_cell(table, STYLE_PLAIN, "%s", "");
        table_cell(table, STYLE_PLAIN, "%s", text);
        if (steps) {
            table_cell(table, STYLE_PLAIN, "%s", "");
        }
    }
    table_print(table);
    table_destroy(table);
}

/* "would start: 4, would move: 2 (1 to make room), all of it done in 1.2 s; without a place: 1" */
static void show_sum(const struct screen *screen, const struct plan_run *run) {
    const struct placement_plan *plan = run->plan;
    uint32_t starts = 0, last_ms = 0;
    char time[TEXT_MAX];
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        starts += plan->moves[i].mode == PLACEMENT_START;
        last_ms = plan->moves[i].ready_ms > last_ms ? plan->moves[i].ready_ms : last_ms;
    }
    print_text(screen->file, "\nwould start: %" PRIu32 ", would move: %" PRIu32, starts,
               plan->cost.moves);
    if (plan->cost.moves_of_others > 0) {
        print_text(screen->file, " (%" PRIu32 " to make room)", plan->cost.moves_of_others);
    }
    if (plan->n_moves > 0) {
        print_text(screen->file, ", all within %s", text_duration(last_ms, time));
    }
    if (plan->n_unplaced > 0) {
        print_text(screen->file, "; not placed: %" PRIu32, plan->n_unplaced);
    }
    fputc('\n', screen->file);
}

static void show_cost(const struct screen *screen, const struct plan_run *run) {
    const struct placement_cost *cost = &run->plan->cost;
    char text[TEXT_MAX];
    if (cost->moves > 0) {
        print_text(screen->file, "memory to be moved: %s\n",
                   text_megabytes((int64_t)cost->moved_mb, text));
    }
    if (cost->soft_broken > 0) {
        print_text(screen->file, "weight of broken soft rules: %" PRIu64 "\n", cost->soft_broken);
    }
    if (run->request.kind == PLACEMENT_BALANCE) {
        print_text(screen->file, "nodes still above their threshold: %" PRIu32 "\n",
                   cost->nodes_over);
    } else if (run->plan->n_moves > 0) {
        print_text(screen->file, "free on the fullest target node: %u.%u %%\n",
                   cost->least_free_permille / 10, cost->least_free_permille % 10);
    }
    if (cost->unplaced > 0) {
        print_text(screen->file, "%s",
                   run->plan->proven
                       ? "proven: no plan places more VMs\n"
                       : "not proven: a plan that places more VMs may exist; --seconds gives the "
                         "search more time\n");
    }
}

static void explain_nodes(const struct screen *screen, const struct plan_run *run, uint32_t vm,
                          const struct placement_verdict *verdicts,
                          const struct placement_explanation *explanation) {
    static const struct table_column columns[] = {{"NODE", TABLE_NAME},
                                                  {"RANK", TABLE_FIGURE},
                                                  {"REASON", TABLE_WRAP},
                                                  {"TO BE CHOSEN", TABLE_WRAP}};
    const struct placement_problem *problem = &run->file->problem;
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    for (uint32_t i = 0; i < problem->n_nodes; i++) {
        const struct placement_verdict *verdict = &verdicts[i];
        char text[PLACEMENT_TEXT_MAX];
        bool chosen = explanation->chosen == i;
        table_row(table);
        table_cell(table, chosen ? STYLE_GOOD : STYLE_BOLD, "%s", plan_node_name(run, i));
        if (verdict->rank == PLACEMENT_NONE) {
            table_cell(table, STYLE_PLAIN, "%s", "-");
        } else {
            table_cell(table, STYLE_PLAIN, "%" PRIu32, verdict->rank + 1);
        }
        placement_verdict_text(problem, vm, i, verdict, text, sizeof(text));
        table_cell(table, verdict->obstacles == 0 ? STYLE_PLAIN : STYLE_BAD, "%s", text);
        placement_change_text(problem, vm, i, verdicts, explanation, text, sizeof(text));
        table_cell(table, STYLE_PLAIN, "%s", text);
    }
    table_print(table);
    table_destroy(table);
}

static void explain_vm(const struct screen *screen, const struct plan_run *run, uint32_t vm) {
    struct placement_explanation explanation;
    char text[PLACEMENT_TEXT_MAX];
    if (placement_explain(run->solver, vm, run->verdicts, &explanation) < 0) {
        return;
    }
    fputc('\n', screen->file);
    placement_explanation_text(&run->file->problem, vm, &explanation, text, sizeof(text));
    view_field(screen, STYLE_BOLD, "VM", "%s", plan_vm_name(run, vm));
    view_field(screen, STYLE_PLAIN, "goes to", "%s",
               explanation.chosen == PLACEMENT_NONE ? "nowhere"
                                                    : plan_node_name(run, explanation.chosen));
    view_field(screen, STYLE_PLAIN, "summary", "%s", text);
    explain_nodes(screen, run, vm, run->verdicts, &explanation);
}

static void explain_all(const struct screen *screen, const struct plan_run *run) {
    const struct placement_plan *plan = run->plan;
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        if (plan_last_move(plan, i) != NULL) {
            explain_vm(screen, run, plan->moves[i].vm);
        }
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        explain_vm(screen, run, plan->unplaced[i].vm);
    }
}

void plan_show_run(const struct screen *screen, const struct plan_run *run, bool explain) {
    if (run->plan->n_moves + run->plan->n_unplaced == 0) {
        fputs("nothing would start or move\n", screen->file);
        if (run->request.kind == PLACEMENT_BALANCE) {
            show_cost(screen, run);
        }
    } else {
        show_moves(screen, run);
        show_sum(screen, run);
        show_cost(screen, run);
        if (explain) {
            explain_all(screen, run);
        }
    }
    plan_show_broken(screen, run);
    fputs("this is only a plan: nothing was changed\n", screen->file);
}

void plan_show_admission(const struct screen *screen, const struct plan_run *run) {
    const struct placement_admission *a = run->admission;
    char text[PLACEMENT_TEXT_MAX];
    plan_admission_text(run, text);
    enum style style = a->answer == PLACEMENT_YES  ? STYLE_GOOD
                       : a->answer == PLACEMENT_NO ? STYLE_BAD
                                                   : STYLE_WARN;
    view_field(screen, style, "answer", "%s", plan_answer_name(a->answer));
    view_field(screen, STYLE_PLAIN, "why", "%s", text);
    view_field(screen, STYLE_PLAIN, "cases",
               "%" PRIu64 ": %" PRIu64 " yes, %" PRIu64 " no, %" PRIu64 " open", a->n_cases,
               a->n_yes, a->n_no, a->n_unknown);
}
