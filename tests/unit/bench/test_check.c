/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_check.c - the player of plans goes red on each kind of fault, and only then. */
#include "bench/engine/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "unit/ranges.h"

/* Three nodes of 10; n0 is lost with VM 0 (6); VM 1 (6) runs on n1, VM 2 (4) on n1, VM 3 (6) on n2.
 */
struct small {
    struct bench_cluster cluster;
    struct placement_request request;
    struct placement_move moves[4];
    struct placement_unplaced unplaced[1];
    struct placement_plan plan;
    struct bench_verdict verdict;
};

static void make(struct small *s) {
    static const uint32_t hosts[] = {0, 1, 1, 2}, needs[] = {6, 6, 4, 6};
    memset(s, 0, sizeof(*s));
    assert_int_equal(bench_cluster_init(&s->cluster, 3, 4, 2), 0);
    for (uint32_t node = 0; node < 3; node++) {
        bench_capacity(&s->cluster, node)[0] = bench_capacity(&s->cluster, node)[1] = 10;
    }
    for (uint32_t vm = 0; vm < 4; vm++) {
        s->cluster.vms[vm].host = hosts[vm];
        bench_need(&s->cluster, vm)[0] = needs[vm];
    }
    s->cluster.lost[0] = 0;
    s->request = (struct placement_request){.kind = PLACEMENT_FAILOVER,
                                            .nodes = {.index = s->cluster.lost, .n = 1}};
    /* VM 2 makes room on n1... which is full: 4 go to n2, then 6 would not fit beside 6. */
    s->plan = (struct placement_plan){.moves = s->moves, .unplaced = s->unplaced};
}

static void judge(struct small *s) {
    assert_int_equal(bench_check(&s->cluster.problem, &s->request, &s->plan, &s->verdict), 0);
}

static void add(struct small *s, uint32_t vm, uint32_t from, uint32_t to, uint32_t stage,
                enum placement_mode mode) {
    s->moves[s->plan.n_moves++] =
        (struct placement_move){.vm = vm, .from = from, .to = to, .stage = stage, .mode = mode};
}

/* VM 0 of 4 instead of 6 fits on n2 as it is. */
static void test_a_sound_plan(void **state) {
    (void)state;
    struct small s;
    make(&s);
    bench_need(&s.cluster, 0)[0] = 4;
    add(&s, 0, 0, 2, 0, PLACEMENT_START);
    judge(&s);
    assert_int_equal(s.verdict.wrong, 0);
    assert_int_equal(s.verdict.overloaded, 0);
    assert_int_equal(s.verdict.started, 1);
    assert_int_equal(s.verdict.moved, 0);
    bench_cluster_finish(&s.cluster);
}

static void test_overload_at_the_end(void **state) {
    (void)state;
    struct small s;
    make(&s);
    add(&s, 0, 0, 2, 0, PLACEMENT_START); /* 6 + 6 of 10 */
    judge(&s);
    assert_int_equal(s.verdict.overloaded, 1);
    bench_cluster_finish(&s.cluster);
}

/* VM 1 leaves n1 for n2 once VM 3 has left n2 for n1...: whoever begins needs room that the other
 * has. */
static void test_both_ends_count_while_moving(void **state) {
    (void)state;
    struct small s;
    make(&s);
    bench_need(&s.cluster, 0)[0] = 1;
    add(&s, 1, 1, 2, 0, PLACEMENT_LIVE);
    add(&s, 3, 2, 1, 0, PLACEMENT_LIVE);
    add(&s, 0, 0, 1, 1, PLACEMENT_START);
    judge(&s);
    assert_int_equal(s.verdict.wrong, 0);
    assert_int_equal(s.verdict.moved, 2);
    assert_int_equal(s.verdict.moved_others, 2);
    assert_int_equal(s.verdict.overloaded, 2); /* in the end n1 has 11 as well, and counts once */
    bench_cluster_finish(&s.cluster);
}

/* What leaves in one stage makes room in the next, not in its own. */
static void test_stages(void **state) {
    (void)state;
    for (uint32_t stage = 0; stage <= 1; stage++) {
        struct small s;
        make(&s);
        add(&s, 2, 1, 2, 0, PLACEMENT_LIVE);
        bench_need(&s.cluster, 0)[0] = 4;
        add(&s, 0, 0, 1, stage, PLACEMENT_START);
        judge(&s);
        assert_int_equal(s.verdict.wrong, 0);
        assert_int_equal(s.verdict.overloaded, stage == 0);
        bench_cluster_finish(&s.cluster);
    }
}

static void expect_wrong(struct small *s, const char *text) {
    judge(s);
    if (s->verdict.wrong == 0 || strstr(s->verdict.error, text) == NULL) {
        fail_msg("expected '%s', found %u faults: '%s'", text, s->verdict.wrong, s->verdict.error);
    }
    bench_cluster_finish(&s->cluster);
}

static void test_faults(void **state) {
    (void)state;
    struct small s;

    make(&s);
    expect_wrong(&s, "has no answer");

    make(&s);
    add(&s, 0, 0, 0, 0, PLACEMENT_START);
    expect_wrong(&s, "takes none");

    make(&s);
    s.cluster.nodes[2].state = PLACEMENT_NODE_DRAINING;
    add(&s, 0, 0, 2, 0, PLACEMENT_START);
    expect_wrong(&s, "takes none");

    make(&s);
    add(&s, 0, 0, 9, 0, PLACEMENT_START);
    expect_wrong(&s, "which are none");

    make(&s);
    add(&s, 1, 1, 2, 0, PLACEMENT_START);
    expect_wrong(&s, "which runs");

    make(&s);
    add(&s, 0, 0, 2, 0, PLACEMENT_LIVE);
    expect_wrong(&s, "which runs nowhere");

    make(&s);
    add(&s, 3, 1, 1, 0, PLACEMENT_LIVE);
    expect_wrong(&s, "it is on 2");

    make(&s);
    add(&s, 3, 2, 2, 0, PLACEMENT_LIVE);
    expect_wrong(&s, "where it is");

    make(&s);
    add(&s, 0, 0, 2, 1, PLACEMENT_START);
    add(&s, 2, 1, 2, 0, PLACEMENT_LIVE);
    expect_wrong(&s, "lower stage");

    make(&s);
    add(&s, 0, 0, 2, 0, PLACEMENT_START);
    s.unplaced[0].vm = 0;
    s.plan.n_unplaced = 1;
    expect_wrong(&s, "unplaced, and placed");

    make(&s);
    s.cluster.nodes[2].vms_max = 1;
    add(&s, 0, 0, 2, 0, PLACEMENT_START);
    expect_wrong(&s, "are allowed");
}

/* n1 is full: a plan that says otherwise is wrong; one that brings it under is not. */
static void test_balance(void **state) {
    (void)state;
    struct small s;
    make(&s);
    s.request = (struct placement_request){.kind = PLACEMENT_BALANCE};
    s.cluster.nodes[1].threshold_permille = 900;
    expect_wrong(&s, "1 nodes are above their threshold, the plan says 0");

    make(&s);
    s.request = (struct placement_request){.kind = PLACEMENT_BALANCE};
    s.cluster.nodes[1].threshold_permille = 900;
    add(&s, 2, 1, 2, 0, PLACEMENT_LIVE);
    judge(&s);
    assert_int_equal(s.verdict.wrong, 0);
    assert_int_equal(s.verdict.nodes_over, 0);
    bench_cluster_finish(&s.cluster);
}

/* What is generated is what it says: nobody is overloaded, and it is as full as asked for. */
static void test_generated_clusters(void **state) {
    (void)state;
    struct bench_cluster c;
    assert_int_equal(bench_generate(&c, 20, 1000, 600, 7), 0);
    uint64_t used[20][2] = {{0}}, memory = 0, capacity = 0;
    for (uint32_t vm = 0; vm < 1000; vm++) {
        memory += bench_need(&c, vm)[0];
        for (uint32_t r = 0; r < 2; r++) {
            used[c.vms[vm].host][r] += bench_need(&c, vm)[r];
        }
    }
    for (uint32_t node = 0; node < 20; node++) {
        capacity += node > 0 ? bench_capacity(&c, node)[0] : 0;
        assert_true(used[node][0] <= bench_capacity(&c, node)[0]);
        assert_true(used[node][1] <= bench_capacity(&c, node)[1]);
    }
    assert_int_in_range(memory * 1000 / capacity, 599, 601);
    assert_int_equal(bench_generate_hot(&c, 900, 800), 2);
    uint64_t hot = 0;
    for (uint32_t vm = 0; vm < 1000; vm++) {
        hot += c.vms[vm].host == 10 ? bench_need(&c, vm)[0] : 0;
    }
    assert_int_in_range(hot * 1000 / bench_capacity(&c, 10)[0], 800, 900);
    bench_cluster_finish(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_plan),
        cmocka_unit_test(test_overload_at_the_end),
        cmocka_unit_test(test_both_ends_count_while_moving),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_generated_clusters),
    };
    return cmocka_run_group_tests_name("bench: check", tests, NULL, NULL);
}
