/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_reassign.c - machine reassignment: the example of the problem's text, every refusal, every
 * constraint broken once, and the search's own counting against the judge's. */
#include "bench/reassign/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char example[] =
    "2\n1 100\n0 10\n"
    "4\n0 0 30 400 16 80 0 1 4 5\n0 0 10 240 8 160 1 0 3 4\n1 1 15 100 12 80 4 3 0 2\n"
    "1 2 10 100 8 80 5 4 2 0\n"
    "2\n2 0\n1 1 0\n"
    "3\n0 12 10 1000\n0 10 20 100\n1 6 200 1\n"
    "1\n0 1 20\n10\n1 10 100\n";

static struct reassign_model model_of(const char *text) {
    struct reassign_model m;
    char error[REASSIGN_ERROR_MAX] = "";
    if (reassign_model_parse(&m, text, error) != 0) {
        fail_msg("%s", error);
    }
    return m;
}

static void test_the_example(void **state) {
    (void)state;
    struct reassign_model m = model_of(example);
    static const uint32_t initial[] = {0, 3, 0}, better[] = {0, 2, 1};
    char error[REASSIGN_ERROR_MAX] = "";

    assert_int_equal(reassign_cost_of(&m, initial, initial).total, 4200);
    const struct reassign_cost cost = reassign_cost_of(&m, initial, better);
    assert_int_equal(cost.load, 400);
    assert_int_equal(cost.balance, 1600);
    assert_int_equal(cost.process, 101);
    assert_int_equal(cost.service, 10);
    assert_int_equal(cost.machine, 300);
    assert_int_equal(cost.total, 2411);
    assert_true(reassign_check(&m, initial, initial, error));
    assert_true(reassign_check(&m, initial, better, error));
    reassign_model_finish(&m);
}

static void expect_refusal(const char *text, const char *expected) {
    struct reassign_model m;
    char error[REASSIGN_ERROR_MAX] = "";
    assert_int_not_equal(reassign_model_parse(&m, text, error), 0);
    if (strstr(error, expected) == NULL) {
        fail_msg("expected '%s', found '%s'", expected, error);
    }
}

/* Cut off after any word: refused, with the place. One word too many: refused. */
static void test_refusals(void **state) {
    (void)state;
    char text[sizeof(example) + 8];
    for (size_t n = 0; n < strlen(example) - 1; n++) {
        if (n > 0 && strchr(" \n", example[n]) == NULL) {
            continue;
        }
        memcpy(text, example, n);
        text[n] = '\0';
        expect_refusal(text, "the file ends here");
    }
    snprintf(text, sizeof(text), "%s 7", example);
    expect_refusal(text, "end of the file: there is more");
    expect_refusal("2\n1 100\n2 10\n", "line 3, column 1: resource: transient (0 or 1)");
    expect_refusal("1\n0 x\n", "line 2, column 3: resource: weight of its load cost: this is no");
    expect_refusal("1\n0 -1\n", "no number");
    expect_refusal("1\n0 1z\n", "no number");
    expect_refusal("1\n0 4294967296\n", "2^32 or more");
    expect_refusal("1\n0 1\n1\n0 0 1 1 0\n1\n1 1 1\n", "service: dependency: the number is larger");
    expect_refusal("1\n0 1\n1\n0 0 1 1 0\n0\n1\n0 1 1\n", "process: service: there are none");
}

static void test_assignments(void **state) {
    (void)state;
    struct reassign_model m = model_of(example);
    uint32_t machines[3];
    char error[REASSIGN_ERROR_MAX] = "";
    assert_int_equal(reassign_assignment_parse(&m, "0 2\n1", machines, error), 0);
    assert_int_equal(machines[1], 2);
    assert_int_not_equal(reassign_assignment_parse(&m, "0 2 4", machines, error), 0);
    assert_non_null(strstr(error, "line 1, column 5"));
    assert_int_not_equal(reassign_assignment_parse(&m, "0 2", machines, error), 0);
    assert_int_not_equal(reassign_assignment_parse(&m, "0 2 1 1", machines, error), 0);
    reassign_model_finish(&m);
}

/* Two machines of 10 in locations 0 and 1, neighbourhoods 0 and 1; of one resource. */
static void expect_judged(const char *model_text, const uint32_t *initial, const uint32_t *now,
                          const char *expected) {
    struct reassign_model m = model_of(model_text);
    char error[REASSIGN_ERROR_MAX] = "";
    const bool good = reassign_check(&m, initial, now, error);
    if (good != (expected == NULL) || (expected != NULL && strstr(error, expected) == NULL)) {
        fail_msg("expected '%s', found '%s'", expected != NULL ? expected : "", error);
    }
    reassign_model_finish(&m);
}

#define TWO_MACHINES "2\n0 0 10 10 0 1\n1 1 10 10 1 0\n"
#define NO_COSTS "0\n1 1 1\n"

static void test_each_constraint(void **state) {
    (void)state;
    static const uint32_t apart[] = {0, 1}, crossed[] = {1, 0}, first[] = {0, 0};
    static const char two[] = "1\n0 1\n" TWO_MACHINES "2\n0 0\n0 0\n2\n0 6 1\n1 6 1\n" NO_COSTS;
    static const char held[] = "1\n1 1\n" TWO_MACHINES "2\n0 0\n0 0\n2\n0 6 1\n1 6 1\n" NO_COSTS;
    static const char one[] = "1\n0 1\n" TWO_MACHINES "1\n0 0\n2\n0 1 1\n0 1 1\n" NO_COSTS;
    static const char wide[] = "1\n0 1\n3\n0 0 9 9 0 0 0\n0 0 9 9 0 0 0\n1 1 9 9 0 0 0\n"
                               "1\n2 0\n2\n0 1 1\n0 1 1\n" NO_COSTS;
    static const char needy[] = "1\n0 1\n" TWO_MACHINES "2\n0 1 1\n0 0\n2\n0 1 1\n1 1 1\n" NO_COSTS;
    static const uint32_t spread[] = {0, 2}, close[] = {0, 1}, none[] = {0, 2};

    expect_judged(two, apart, apart, NULL);
    expect_judged(two, apart, crossed, NULL);
    expect_judged(two, apart, first, "capacity: machine 0");
    expect_judged(held, apart, apart, NULL);
    expect_judged(held, apart, crossed, "transient: machine 0");
    expect_judged(one, apart, crossed, NULL);
    expect_judged(one, apart, first, "conflict: service 0");
    expect_judged(wide, spread, spread, NULL);
    expect_judged(wide, spread, close, "spread: service 0");
    expect_judged(needy, first, first, NULL);
    expect_judged(needy, first, apart, "dependency: service 0");
    expect_judged(two, apart, none, "which is none");
}

/* --- the search --------------------------------------------------------------------------------
 */

static uint32_t next_random(uint64_t *rng, uint32_t n) {
    *rng = *rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*rng >> 33) % n);
}

/* A random problem whose initial assignment is feasible because its rules are made after it; the
 * number of machines is a multiple of three. */
static char *random_model(uint64_t seed, uint32_t n_processes, uint32_t n_machines,
                          uint32_t *initial) {
    uint64_t rng = seed;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "5\n0 3 1 2 0 1 1 0 0 4\n%u\n", n_machines);
    for (uint32_t i = 0; i < n_machines; i++) {
        fprintf(f, "%u %u", i % 3, i % 4);
        for (int k = 0; k < 5; k++) {
            fprintf(f, " %u", 60 + next_random(&rng, 40));
        }
        for (int k = 0; k < 5; k++) {
            fprintf(f, " %u", 20 + next_random(&rng, 40));
        }
        for (uint32_t k = 0; k < n_machines; k++) {
            fprintf(f, " %u", k == i ? 0U : next_random(&rng, 9));
        }
        fprintf(f, "\n");
    }
    /* Service p / 3 has processes on machines p, p + 1, p + 2 (modulo): three neighbourhoods. */
    fprintf(f, "%u\n", n_processes / 3);
    for (uint32_t i = 0; i < n_processes / 3; i++) {
        fprintf(f, "%u %u", i % 4, i % 3 == 0 && i > 0 ? 1u : 0u);
        fprintf(f, i % 3 == 0 && i > 0 ? " %u\n" : "\n", i - 1);
    }
    fprintf(f, "%u\n", n_processes);
    for (uint32_t p = 0; p < n_processes; p++) {
        initial[p] = p % n_machines;
        fprintf(f, "%u", p / 3);
        for (int k = 0; k < 5; k++) {
            fprintf(f, " %u", next_random(&rng, 12));
        }
        fprintf(f, " %u\n", next_random(&rng, 50));
    }
    fprintf(f, "2\n0 1 2 10\n3 4 1 5\n1 20 2\n");
    fclose(f);
    return text;
}

static double steady(void *data) {
    (void)data;
    return 0; /* time stands still: steps alone end the search */
}

static bool is_feasible(void *data, const uint32_t *machines, int64_t cost) {
    (void)data;
    (void)machines;
    (void)cost;
    return true;
}

/* What is above capacity, read from the problem's text once more. */
static int64_t excess_of(const struct reassign_model *m, const uint32_t *initial,
                         const uint32_t *machines) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < m->n_machines * m->n_resources; i++) {
        const uint32_t machine = i / m->n_resources, r = i % m->n_resources;
        int64_t taken = 0;
        for (uint32_t p = 0; p < m->n_processes; p++) {
            const bool held = m->transient[r] && initial[p] == machine;
            taken += machines[p] == machine || held ? m->need[p * m->n_resources + r] : 0;
        }
        const int64_t weight = m->load_weight[r] > 0 ? m->load_weight[r] : 1;
        sum += taken > m->capacity[i] ? (taken - m->capacity[i]) * weight : 0;
    }
    return sum;
}

/* With leeway, what is above capacity is counted, priced in the differences, and no matter for the
 * total. Without, nothing more gets above it. */
static void test_leeway_is_counted(void **state) {
    (void)state;
    uint32_t initial[36], then[36], n_above = 0;
    uint64_t rng = 9;
    char *text = random_model(3, 36, 6, initial);
    struct reassign_model m = model_of(text);
    struct reassign_state s;
    assert_int_equal(reassign_state_init(&s, &m, initial, initial), 0);
    reassign_loosen(&s, 0.2, 3);
    for (uint32_t i = 0; i < 20000; i++) {
        const uint32_t p = next_random(&rng, 36), q = next_random(&rng, 36);
        const uint32_t before = s.where[p], to = i % 2 == 0 ? next_random(&rng, 6) : s.where[q];
        if (to == before) {
            continue;
        }
        if (i == 15000) {
            reassign_loosen(&s, 0, 3);
        }
        memcpy(then, s.where, sizeof(then));
        then[p] = to;
        then[q] = i % 2 == 0 ? then[q] : before;
        const int64_t excess = s.excess_total;
        const bool firm = i >= 15000 && excess == 0; /* what does not fit has no price then */
        const int64_t more = firm ? 0 : excess_of(&m, initial, then) - excess;
        const int64_t priced = reassign_cost_of(&m, initial, then).total - s.total + 3 * more;
        if (i % 2 == 0) {
            assert_int_equal(reassign_shift_delta(&s, p, to), priced);
            if (reassign_shift_fits(&s, p, to)) {
                reassign_shift(&s, p, to);
            }
        } else {
            assert_true(reassign_swap_delta(&s, p, q) >= priced);
            if (reassign_swap_fits(&s, p, q)) {
                reassign_swap(&s, p, q);
            }
        }
        assert_int_equal(s.total, reassign_cost_of(&m, initial, s.where).total);
        assert_int_equal(s.excess_total, excess_of(&m, initial, s.where));
        assert_int_equal(s.excess_total == 0, reassign_check(&m, initial, s.where, NULL));
        assert_true(i < 15000 || s.excess_total <= excess);
        n_above += s.excess_total > 0;
    }
    assert_true(n_above > 500);
    reassign_state_finish(&s);
    reassign_model_finish(&m);
    free(text);
}

static void test_state_counts_as_the_judge(void **state) {
    (void)state;
    uint32_t initial[36];
    uint64_t rng = 5;
    char *text = random_model(3, 36, 6, initial);
    struct reassign_model m = model_of(text);
    struct reassign_state s;
    uint32_t changed = 0, refused = 0;
    assert_true(reassign_check(&m, initial, initial, NULL));
    assert_int_equal(reassign_state_init(&s, &m, initial, initial), 0);
    for (uint32_t i = 0; i < 20000; i++) {
        const uint32_t p = next_random(&rng, 36), q = next_random(&rng, 36);
        const uint32_t to = next_random(&rng, 6), before = s.where[p], other = s.where[q];
        const int64_t total = s.total;
        uint32_t then[36];
        memcpy(then, s.where, sizeof(then));
        bool made, fits;
        if (i % 2 == 0) {
            if (to == before) {
                continue;
            }
            then[p] = to;
            fits = reassign_shift_fits(&s, p, to);
            const int64_t delta = reassign_shift_delta(&s, p, to);
            assert_int_equal(delta, reassign_cost_of(&m, initial, then).total - total);
            made = fits && reassign_shift(&s, p, to);
        } else {
            if (before == other) {
                continue;
            }
            then[p] = other;
            then[q] = before;
            fits = reassign_swap_fits(&s, p, q);
            const int64_t delta = reassign_swap_delta(&s, p, q);
            assert_true(delta >= reassign_cost_of(&m, initial, then).total - total);
            made = fits && reassign_swap(&s, p, q);
        }
        assert_int_equal(made, reassign_check(&m, initial, then, NULL));
        assert_int_equal(s.total, reassign_cost_of(&m, initial, s.where).total);
        changed += made;
        refused += !made;
    }
    assert_true(changed > 500 && refused > 500);
    reassign_state_finish(&s);
    reassign_model_finish(&m);
    free(text);
}

/* The same seed and steps give the same answer; it is feasible and no worse. */
static void test_search(void **state) {
    (void)state;
    uint32_t initial[60], best[3][60];
    char *text = random_model(11, 60, 12, initial);
    struct reassign_model m = model_of(text);
    assert_true(reassign_check(&m, initial, initial, NULL));
    for (uint32_t run = 0; run < 3; run++) {
        struct reassign_search search = {.seed = run == 2 ? 2 : 1,
                                         .deadline = 1,
                                         .now = steady,
                                         .tell = is_feasible,
                                         .rounds = {200000, 50000},
                                         .n_rounds = 2};
        memcpy(best[run], initial, sizeof(initial));
        assert_int_equal(reassign_search(&m, initial, best[run], &search), 0);
        assert_true(reassign_check(&m, initial, best[run], NULL));
        assert_true(search.steps >= 250000);
        assert_false(search.cut);
        assert_true(reassign_cost_of(&m, initial, best[run]).total <
                    reassign_cost_of(&m, initial, initial).total);
    }
    assert_memory_equal(best[0], best[1], sizeof(best[0]));
    reassign_model_finish(&m);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_assignments),
        cmocka_unit_test(test_each_constraint),
        cmocka_unit_test(test_state_counts_as_the_judge),
        cmocka_unit_test(test_leeway_is_counted),
        cmocka_unit_test(test_search),
    };
    return cmocka_run_group_tests_name("bench: reassign", tests, NULL, NULL);
}
