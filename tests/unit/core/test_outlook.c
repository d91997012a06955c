/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that ask what is planned: they are answered when it is known, or after a second; and it
 * is worked out no oftener than the model and the clock make it necessary.
 */
#include "core/policy/outlook.h"
#include "core/timeouts.h"
#include "unit/core/one_core.h"

#include <errno.h>

#define CLIENT UINT64_C(70)

static void begin(struct core *c, bool to_start, bool advise) {
    struct bench b;
    bench_begin(&b);
    bench_running_vm(&b, "vm1", 1);
    if (to_start) {
        bench_add_vm(&b, "vm2", true);
    }
    if (advise) {
        assert_int_equal(GIVE(&b, CONFIG_SET, .key = "balance", .value = "advise"), REPLY_OK);
    }
    solo_begin(c, &b);
}

static void ask(struct core *c, uint64_t client) {
    assert_int_equal(outlook_request(c, client), 0);
    assert_int_equal(outlook_run(c), 0);
}

/* What the driver does with a job that this step has asked for. */
static void solve(struct core *c, enum solve_purpose purpose) {
    struct solve_job *job = c->jobs[purpose];
    assert_non_null(job);
    solve_job_run(job);
    solve_note(c, job->id);
}

static void nothing_is_open(void **state) {
    struct core c;
    struct core_outlook outlook;
    (void)state;
    begin(&c, false, false);
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 0);
    assert_true(core_outlook_is_known(&c));
    core_get_outlook(&c, &outlook);
    assert_null(outlook.starts);
    assert_null(outlook.advice);
    solo_end(&c);
}

static void known_for_a_while(void **state) {
    struct core c;
    struct core_outlook outlook;
    (void)state;
    begin(&c, true, true);
    const uint64_t start_ms = c.now_ms;
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 2);
    assert_int_equal(c.outlook.wakeup_ms, start_ms + TIMEOUT_OUTLOOK_MS);
    assert_false(core_outlook_is_known(&c));

    /* One of the two answers is not enough. */
    solo_step(&c, start_ms + 10);
    solve(&c, SOLVE_OUTLOOK);
    assert_int_equal(outlook_run(&c), 0);
    assert_int_equal(c.out.n, 0);
    solve(&c, SOLVE_ADVICE);
    assert_int_equal(outlook_run(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    assert_int_equal(c.outlook.n_waiting, 0);
    assert_int_equal(c.outlook.wakeup_ms, UINT64_MAX);
    core_get_outlook(&c, &outlook);
    assert_int_equal(outlook.starts->n, 1);
    assert_non_null(outlook.advice);

    /* Within a second, nothing new is asked; then both are. */
    solo_step(&c, start_ms + 10 + TIMEOUT_OUTLOOK_MS - 1);
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    solo_step(&c, start_ms + 10 + TIMEOUT_OUTLOOK_MS);
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 2);
    core_get_outlook(&c, &outlook); /* the older answer, meanwhile */
    assert_int_equal(outlook.starts->n, 1);
    solo_end(&c);
}

/* An answer about an earlier model is none for a client that asks later; and while it is being
 * worked out nothing else is asked for. */
static void model_has_changed(void **state) {
    struct core c;
    (void)state;
    begin(&c, true, false);
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 1);
    solo_step(&c, c.now_ms + 10);
    c.model.index++;
    ask(&c, CLIENT + 1);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 0);
    assert_int_equal(c.outlook.n_waiting, 2);
    solve(&c, SOLVE_OUTLOOK);
    assert_int_equal(outlook_run(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1); /* to the first */
    assert_int_equal(c.outlook.n_waiting, 1);
    assert_int_equal(c.outlook.waiting[0].client, CLIENT + 1);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 1);
    solo_step(&c, c.now_ms + 10);
    solve(&c, SOLVE_OUTLOOK);
    assert_int_equal(outlook_run(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    assert_int_equal(c.outlook.n_waiting, 0);
    solo_end(&c);
}

static void nobody_waits_for_ever(void **state) {
    struct core c;
    (void)state;
    begin(&c, true, false);
    const uint64_t start_ms = c.now_ms;
    ask(&c, CLIENT);
    solo_step(&c, start_ms + 300);
    ask(&c, CLIENT + 1);
    assert_int_equal(c.outlook.wakeup_ms, start_ms + TIMEOUT_OUTLOOK_MS); /* the sooner one */
    solo_step(&c, start_ms + TIMEOUT_OUTLOOK_MS);
    assert_int_equal(outlook_run(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    assert_int_equal(c.outlook.n_waiting, 1);
    assert_int_equal(c.outlook.wakeup_ms, start_ms + 300 + TIMEOUT_OUTLOOK_MS);
    solo_end(&c);
}

static void too_many_clients(void **state) {
    struct core c;
    (void)state;
    begin(&c, true, false);
    for (uint64_t i = 0; i < OUTLOOK_WAITING; i++) {
        assert_int_equal(outlook_request(&c, CLIENT + i), 0);
    }
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 0);
    assert_int_equal(outlook_request(&c, CLIENT + OUTLOOK_WAITING), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    assert_int_equal(c.outlook.n_waiting, OUTLOOK_WAITING);
    solo_end(&c);
}

/* Who is busy is known in a usable view only, and what was advised is not shown outside of one. */
static void advice_needs_a_view(void **state) {
    struct core c;
    struct core_outlook outlook;
    (void)state;
    begin(&c, false, true);
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 1);
    solve(&c, SOLVE_ADVICE);
    assert_int_equal(outlook_run(&c), 0);
    core_get_outlook(&c, &outlook);
    assert_non_null(outlook.advice);
    c.replica.phase = REPLICA_EXCHANGE;
    core_get_outlook(&c, &outlook);
    assert_null(outlook.advice);
    solo_step(&c, c.now_ms + 2 * TIMEOUT_OUTLOOK_MS);
    ask(&c, CLIENT);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    assert_int_equal(solo_actions(&c, CORE_ACTION_SOLVE), 0);
    solo_end(&c);
}

/* A job that could not be done is no plan, and is not asked for again at once. */
static void a_job_fails(void **state) {
    struct core c;
    struct core_outlook outlook;
    (void)state;
    begin(&c, true, false);
    ask(&c, CLIENT);
    c.jobs[SOLVE_OUTLOOK]->error = -ENOMEM;
    solve_note(&c, c.jobs[SOLVE_OUTLOOK]->id);
    assert_int_equal(outlook_run(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_REPLY), 1);
    core_get_outlook(&c, &outlook);
    assert_null(outlook.starts);
    assert_true(core_outlook_is_known(&c));
    solo_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_open),   cmocka_unit_test(known_for_a_while),
        cmocka_unit_test(model_has_changed), cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(too_many_clients),  cmocka_unit_test(advice_needs_a_view),
        cmocka_unit_test(a_job_fails),
    };
    return cmocka_run_group_tests_name("core_outlook", tests, NULL, NULL);
}
