/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_golden.c - golden cases: a situation in, the plan and every verdict out, as text.
 *
 * Each tests/golden/placement/NAME.txt holds the situation (world.h), a line "---", and below it
 * what the library answers. With CLUSTERD_GOLDEN_UPDATE=1 in the environment the answers are
 * written anew instead of compared; the diff is then for a person to read.
 */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GOLDEN_DIR CLUSTERD_SOURCE_DIR "/tests/golden/placement"
#define CASES_MIN 60
#define TEXT_MAX 65536u /* of a whole file */

static const char *node_name(const struct world *w, uint32_t node) {
    return node == PLACEMENT_NONE ? "nowhere" : w->nodes[node].name;
}

static void write_verdicts(FILE *out, const struct world *w, struct placement_solver *solver,
                           uint32_t vm) {
    struct placement_verdict verdicts[WORLD_NODES];
    struct placement_explanation explanation;
    char line[PLACEMENT_TEXT_MAX];

    if (placement_explain(solver, vm, verdicts, &explanation) < 0) {
        fprintf(out, "  cannot be explained\n");
        return;
    }
    placement_explanation_text(&w->problem, vm, &explanation, line, sizeof(line));
    fprintf(out, "  %s\n", line);
    for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
        placement_verdict_text(&w->problem, vm, node, &verdicts[node], line, sizeof(line));
        fprintf(out, "    %-6s %s\n", w->nodes[node].name, line);
        size_t n = placement_change_text(&w->problem, vm, node, verdicts, &explanation, line,
                                         sizeof(line));
        if (n > 0) {
            fprintf(out, "           to change that: %s\n", line);
        }
    }
}

static void write_move(FILE *out, const struct world *w, const struct placement_move *move) {
    static const char *const modes[] = {"start", "move live", "move cold"};
    fprintf(out, "stage %u: %s %s: %s -> %s, ready after %u ms%s\n", move->stage, modes[move->mode],
            w->vms[move->vm].name, node_name(w, move->from), node_name(w, move->to), move->ready_ms,
            move->asked || w->request.kind == PLACEMENT_BALANCE ? "" : ", to make room");
}

/* Each VM that was asked for is explained once, below its first move. */
static bool moved_before(const struct placement_plan *plan, uint32_t i) {
    for (uint32_t j = 0; j < i; j++) {
        if (plan->moves[j].vm == plan->moves[i].vm) {
            return true;
        }
    }
    return false;
}

static void write_plan(FILE *out, const struct world *w, struct placement_solver *solver,
                       const struct placement_plan *plan) {
    const struct placement_cost *cost = &plan->cost;
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        write_move(out, w, &plan->moves[i]);
        const bool about_it = plan->moves[i].asked || w->request.kind == PLACEMENT_BALANCE;
        if (about_it && !moved_before(plan, i)) {
            write_verdicts(out, w, solver, plan->moves[i].vm);
        }
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        const struct placement_unplaced *unplaced = &plan->unplaced[i];
        fprintf(out, "unplaced %s: %s\n", w->vms[unplaced->vm].name,
                placement_reason_name(unplaced->reason));
        write_verdicts(out, w, solver, unplaced->vm);
    }
    fprintf(out, "cost: %u unplaced, ", cost->unplaced);
    if (w->request.kind == PLACEMENT_BALANCE) {
        fprintf(out, "%u nodes over, ", cost->nodes_over);
    }
    fprintf(out, "%u moved (%llu MB), %u of them others, soft rules broken %llu, ", cost->moves,
            (unsigned long long)cost->moved_mb, cost->moves_of_others,
            (unsigned long long)cost->soft_broken);
    fprintf(out, "least free %u.%u %%%s\n", cost->least_free_permille / 10,
            cost->least_free_permille % 10, plan->proven ? "; proven" : "");
}

static void write_lost(FILE *out, const struct world *w, const struct placement_set *lost) {
    for (uint32_t i = 0; i < lost->n; i++) {
        fprintf(out, "%s%s", i > 0 ? "," : "", w->nodes[lost->index[i]].name);
    }
}

/* The plans that are kept for the loss of one or two nodes. */
static void write_witnesses(FILE *out, const struct world *w, struct placement_solver *solver) {
    const struct placement_plan *plan = NULL;
    for (uint32_t a = 0; a < w->problem.n_nodes; a++) {
        for (uint32_t b = a; b < w->problem.n_nodes; b++) {
            const uint32_t index[] = {a, b};
            const struct placement_set lost = {.index = index, .n = w->admit.k};
            if (w->admit.k > 2 || w->admit.k == 0 || (w->admit.k == 1) != (a == b) ||
                placement_admit_witness(solver, &lost, &plan) < 0) {
                continue;
            }
            fprintf(out, "  without ");
            write_lost(out, w, &lost);
            fprintf(out, "%s", plan->n_moves > 0 ? ":" : ": nothing to do");
            for (uint32_t i = 0; i < plan->n_moves; i++) {
                fprintf(out, "%s %s -> %s", i > 0 ? "," : "", w->vms[plan->moves[i].vm].name,
                        node_name(w, plan->moves[i].to));
            }
            fprintf(out, "\n");
        }
    }
}

static void write_admission(FILE *out, const struct world *w, struct placement_solver *solver) {
    static const char *const answers[] = {"yes", "no", "unknown"};
    const struct placement_admission *a = NULL;
    int error = placement_admit(solver, &w->problem, &w->admit, &a);
    if (error < 0) {
        fprintf(out, "refused: %s\n", strerrorname_np(-error));
        return;
    }
    fprintf(out, "%s: of %llu cases %llu yes, %llu no, %llu unknown\n", answers[a->answer],
            (unsigned long long)a->n_cases, (unsigned long long)a->n_yes,
            (unsigned long long)a->n_no, (unsigned long long)a->n_unknown);
    if (a->answer != PLACEMENT_YES) {
        fprintf(out, "  without ");
        write_lost(out, w, &a->lost);
        fprintf(out, " no place for %s: %s",
                a->vm != PLACEMENT_NONE ? w->vms[a->vm].name : "(all together)",
                placement_reason_name(a->reason));
        if (a->resource != PLACEMENT_NONE && a->short_of > 0) {
            fprintf(out, "; %s is short by %llu", w->resources[a->resource].name,
                    (unsigned long long)a->short_of);
        }
        fprintf(out, "%s%s\n", a->rule != PLACEMENT_NONE ? "; rule " : "",
                a->rule != PLACEMENT_NONE ? w->rules[a->rule].name : "");
    }
    write_witnesses(out, w, solver);
}

static void write_answer(FILE *out, const struct world *w) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;

    assert_int_equal(placement_solver_create(&solver), 0);
    if (w->admits) {
        write_admission(out, w, solver);
        placement_solver_destroy(solver);
        return;
    }
    int error = placement_solve(solver, &w->problem, &w->request, &plan);
    if (error < 0) {
        fprintf(out, "refused: %s\n", strerrorname_np(-error));
    } else {
        write_plan(out, w, solver, plan);
    }
    placement_solver_destroy(solver);
}

static char *new_text(void) {
    char *text = calloc(1, TEXT_MAX);
    assert_non_null(text);
    return text;
}

static char *read_file(const char *path) {
    char *text = new_text();
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        fail_msg("%s: %s", path, strerror(errno));
    }
    size_t size = fread(text, 1, TEXT_MAX - 1, in);
    assert_true(size < TEXT_MAX - 1);
    fclose(in);
    return text;
}

/* The whole file as it ought to be: the situation as it stands, and the answer. */
static char *expected_file(const char *path, const char *text) {
    char *result = new_text();
    const char *end = strstr(text, "\n---\n");
    size_t length = end != NULL ? (size_t)(end - text) + 1 : strlen(text);
    char *situation = strndup(text, length);
    struct world *w = world_create();
    FILE *out = fmemopen(result, TEXT_MAX, "w");

    assert_non_null(out);
    if (world_parse(w, situation) < 0) {
        fail_msg("%s: %s", path, w->error);
    }
    fprintf(out, "%s---\n", situation);
    write_answer(out, w);
    assert_true(ftell(out) < (long)TEXT_MAX - 1);
    fclose(out);
    world_destroy(w);
    free(situation);
    return result;
}

/* Returns whether the case holds. */
static bool check_case(const char *path) {
    const char *update = getenv("CLUSTERD_GOLDEN_UPDATE");
    char *text = read_file(path);
    char *expected = expected_file(path, text);
    bool same = strcmp(text, expected) == 0;

    if (!same && update != NULL && strcmp(update, "1") == 0) {
        FILE *out = fopen(path, "we");
        if (out == NULL) {
            fail_msg("%s: %s", path, strerror(errno));
        }
        fputs(expected, out);
        fclose(out);
        same = true;
    }
    if (!same) {
        print_error("%s differs; now it is\n%s\n(if that is right: CLUSTERD_GOLDEN_UPDATE=1)\n",
                    path, strstr(expected, "---\n"));
    }
    free(expected);
    free(text);
    return same;
}

static int is_case(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

static void test_golden_cases(void **state) {
    (void)state;
    struct dirent **entries = NULL;
    int n = scandir(GOLDEN_DIR, &entries, is_case, alphasort), n_wrong = 0;
    assert_true(n >= CASES_MIN);
    for (int i = 0; i < n; i++) {
        char path[sizeof(GOLDEN_DIR) + sizeof(entries[i]->d_name) + 1];
        snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, entries[i]->d_name);
        n_wrong += check_case(path) ? 0 : 1;
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(n_wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden_cases)};
    return cmocka_run_group_tests_name("placement: golden cases", tests, NULL, NULL);
}
