/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said again and again is counted, and washes nothing away.
 */
#include "core/apply/inside.h"
#include "core/model/needed_protocol.h"
#include "unit/core/one_model.h"

#define HOUR_MS 3600000u
#define NUMBERED "vm-waits" /* a kind in which numbers may differ */

/* A view of nodes that all know of counting. */
static void begin(struct bench *b) {
    bench_begin(b);
    b->m.protocol = b->m.needs = PROTOCOL_REPEATED;
}

static struct apply at(struct bench *b, uint64_t time_ms) {
    return (struct apply){.m = &b->m, .out = &b->out, .origin = 1, .time_ms = time_ms};
}

static const struct model_event *from_the_end(const struct bench *b, uint32_t i) {
    return (const struct model_event *)b->m.events.rows + b->m.events.n - 1 - i;
}

static uint32_t rows_about(const struct bench *b, const char *kind) {
    uint32_t n = 0;
    MODEL_EACH(model_event, row, &b->m.events) {
        n += strcmp(row->kind, kind) == 0;
    }
    return n;
}

/* As of a start that ends without a result: 291 times in 30 s. */
static void nothing_is_washed_away(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    apply_event(&a, SEVERITY_ERROR, "node-lost", "n3", "n3 is lost");
    for (uint32_t i = 0; i < 2910; i++) {
        a.time_ms += 100;
        outbox_reset(&b.out);
        apply_event(&a, SEVERITY_INFO, "vm-order", "vm1", "vm1: start on n1");
        apply_event(&a, SEVERITY_WARNING, "vm-waits", "vm1", "start of vm1 took %u ms", i);
        apply_event(&a, SEVERITY_WARNING, "vm-resolved", "vm1", "vm1 runs nowhere");
    }
    assert_int_equal(a.error, 0);
    assert_int_equal(rows_about(&b, "node-lost"), 1);
    assert_int_equal(rows_about(&b, "vm-order"), 3);
    assert_int_equal(rows_about(&b, "vm-waits"), 3);
    const struct model_event *row = from_the_end(&b, 1);
    assert_string_equal(row->message, "start of vm1 took 2909 ms");
    assert_int_equal(row->repeated, 2907);
    assert_int_equal(row->time_ms, 1000 + 2910 * 100);
    assert_int_equal(row->first_ms, 1000 + 3 * 100); /* of the row, not of the two before it */
    assert_int_equal(row->seq, b.m.last_event - 1);
    const struct core_action *told = &b.out.v[b.out.n - 2];
    assert_int_equal(told->type, CORE_ACTION_EVENT);
    assert_int_equal(told->event.row->repeated, 2907);
    bench_end(&b);
}

/* The list stays in the order of its numbers: who follows it asks for what is newer. */
static void in_order(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    for (uint32_t i = 0; i < 50; i++) {
        apply_event(&a, SEVERITY_INFO, "k", i % 3 ? "a" : "b", "it is so again");
        apply_event(&a, SEVERITY_INFO, "k", "c", "%u-th is another", i);
    }
    uint64_t seq = 0;
    MODEL_EACH(model_event, row, &b.m.events) {
        assert_true(row->seq > seq);
        seq = row->seq;
    }
    assert_int_equal(seq, b.m.last_event);
    bench_end(&b);
}

/* What is said first, three times, and then; whether it is the same. */
static void what_is_the_same(void **state) {
    static const struct {
        const char *often, *then;
        bool same;
        const char *kind;
    } cases[] = {
        {"attempt 9", "attempt 10", true, NUMBERED},
        {"ran (after 12 ms)", "ran (after 1200 ms)", true, NUMBERED},
        {"view 8: 2 of 3.", "view 9: 3 of 3.", true, NUMBERED},
        {"start on n1", "start on n2", false, NUMBERED},
        {"start on n1", "start on n1 ", false, NUMBERED},
        {"start on 10.0.0.1", "start on 10.0.0.2", false, NUMBERED},
        {"vm-1 runs", "vm-2 runs", false, NUMBERED},
        {"1st", "2nd", false, NUMBERED},
        {"runs", "runs 7", false, NUMBERED},
        {"", "", true, NUMBERED},
        {"it is set to 8", "it is set to 9", false, "config"},
        {"it is set to 8", "it is set to 8", true, "config"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *kind = cases[i].kind;
        struct bench b;
        begin(&b);
        struct apply a = at(&b, 1000);
        for (uint32_t k = 0; k < 3; k++) {
            apply_event(&a, SEVERITY_INFO, kind, "s", "%s", cases[i].often);
            assert_int_equal(from_the_end(&b, 0)->repeated, 0);
        }
        apply_event(&a, SEVERITY_INFO, kind, "s", "%s", cases[i].then);
        if (from_the_end(&b, 0)->repeated != cases[i].same) {
            fail_msg("%s, then %s", cases[i].often, cases[i].then);
        }
        assert_string_equal(from_the_end(&b, 0)->message, cases[i].then);
        bench_end(&b);
    }
}

/* Of another kind, subject, severity or node, or after a time, it is news. */
static void what_is_news(void **state) {
    static const struct {
        enum severity severity;
        const char *kind, *subject;
        uint64_t later_ms;
        bool same;
        uint32_t origin;
        uint64_t asker;
    } cases[] = {
        {SEVERITY_INFO, "k", "s", 0, false, 1, 1001}, /* somebody asked for it this time */
        {SEVERITY_INFO, "k", "s", 0, false, 2, 0},
        {SEVERITY_INFO, "k", "s", HOUR_MS, true, 1, 0},
        {SEVERITY_INFO, "k", "s", HOUR_MS + 1, false, 1, 0},
        {SEVERITY_WARNING, "k", "s", 0, false, 1, 0},
        {SEVERITY_INFO, "other", "s", 0, false, 1, 0},
        {SEVERITY_INFO, "k", "other", 0, false, 1, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        begin(&b);
        struct apply a = at(&b, 1000);
        for (uint32_t k = 0; k < 3; k++) {
            apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
        }
        a.time_ms += cases[i].later_ms;
        a.origin = cases[i].origin;
        apply_for(&a, cases[i].asker, "alice");
        apply_event(&a, cases[i].severity, cases[i].kind, cases[i].subject, "it is so");
        assert_int_equal(from_the_end(&b, 0)->repeated, cases[i].same);
        bench_end(&b);
    }
}

/* As long as an older build could take over, all does as with that; and it stays so. */
static void older_view(void **state) {
    (void)state;
    for (uint32_t newer = 0; newer < 2; newer++) {
        struct bench b;
        bench_begin(&b);
        b.m.protocol = PROTOCOL_REPEATED;
        b.m.needs = newer ? PROTOCOL_REPEATED : PROTOCOL_REPEATED - 1;
        struct apply a = at(&b, 1000);
        for (uint32_t k = 0; k < 4; k++) {
            apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
        }
        assert_int_equal(from_the_end(&b, 0)->repeated, newer);
        assert_int_equal(b.m.needs, newer ? PROTOCOL_REPEATED : PROTOCOL_REPEATED - 1);
        bench_end(&b);
    }
}

/* Builds that word a message differently count differently, and have the same digest. */
static void other_words(void **state) {
    (void)state;
    uint64_t digests[2], needs[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct bench b;
        begin(&b);
        struct apply a = at(&b, 1000);
        for (uint32_t k = 0; k < 9; k++) {
            apply_event(&a, SEVERITY_INFO, "vm-waits", "s", i ? "it is so" : "it is n%u", k);
        }
        digests[i] = model_check_digest(&b.m);
        needs[i] = b.m.needs;
        bench_end(&b);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_equal(needs[0], needs[1]);
}

/* One round of a VM that cannot be started on any of three nodes: 14 events. */
static void fail_everywhere(struct apply *a, const char *vm, uint32_t pause_s) {
    for (uint32_t node = 1; node <= 3; node++) {
        apply_event(a, SEVERITY_INFO, "vm-order", vm, "%s: start on n%u", vm, node);
        apply_event(a, SEVERITY_WARNING, "vm-unclear", vm, "start of %s on n%u ended", vm, node);
        apply_event(a, SEVERITY_INFO, "vm-order", vm, "%s: probe on n%u", vm, node);
        apply_event(a, SEVERITY_WARNING, "vm-resolved", vm, "%s runs nowhere", vm);
    }
    apply_event(a, SEVERITY_WARNING, "vm-waits", vm, "%s: next attempt in %u s", vm, pause_s);
    apply_event(a, SEVERITY_INFO, "vm-retry", vm, "%s is tried again", vm);
}

/* `rounds` times, 30 s apart, after `before` events that are said once each. */
static struct apply storm(struct bench *b, uint32_t vms, uint32_t rounds, uint32_t before) {
    struct apply a = at(b, 1000);
    apply_event(&a, SEVERITY_ERROR, "node-lost", "n3", "n3 is lost");
    for (uint32_t i = 0; i < before; i++) {
        apply_event(&a, SEVERITY_INFO, "config", "x", "x is %u now", i);
    }
    for (uint32_t round = 0; round < rounds; round++) {
        a.time_ms += 30000;
        for (uint32_t i = 1; i <= vms; i++) {
            char vm[16];
            (void)snprintf(vm, sizeof(vm), "vm%u", i);
            outbox_reset(&b->out);
            fail_everywhere(&a, vm, 10 * round);
        }
    }
    assert_int_equal(a.error, 0);
    assert_true(b->m.events.n <= MODEL_MAX_EVENTS);
    return a;
}

/* 50 VMs that fail on all nodes have 600 different things to say, again and again: each is counted,
 * and what was said before stays. */
static void a_storm_of_many(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    storm(&b, 50, 100, 800);
    uint64_t said = 0, seq = 0;
    MODEL_EACH(model_event, row, &b.m.events) {
        said += UINT64_C(1) + row->repeated;
        assert_true(row->seq > seq);
        seq = row->seq;
    }
    assert_int_equal(rows_about(&b, "node-lost"), 1);
    assert_int_equal(rows_about(&b, "config"), 800);
    assert_true(rows_about(&b, "vm-waits") < 50 * 3);
    assert_true(from_the_end(&b, 1)->repeated >= 97);
    assert_int_equal(said, b.m.last_event); /* nothing is lost */
    bench_end(&b);
}

/* So many that not even one row of each has room: the newest of what is said rarely stay. */
static void a_storm_of_too_many(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    storm(&b, 300, 5, 30);
    assert_int_equal(rows_about(&b, "node-lost"), 1);
    assert_int_equal(rows_about(&b, "config"), 10);
    MODEL_EACH(model_event, row, &b.m.events) {
        if (strcmp(row->kind, "config") == 0) {
            assert_string_equal(row->message, "x is 20 now");
            break;
        }
    }
    bench_end(&b);
}

/* With more kinds than can be kept, the list still stays within its bounds. */
static void too_many_kinds(void **state) {
    struct bench b;
    char kind[16];
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    for (uint32_t i = 0; i < 5000; i++) {
        (void)snprintf(kind, sizeof(kind), "k%u", i % 1000);
        outbox_reset(&b.out);
        apply_event(&a, SEVERITY_INFO, kind, "s", "%u-th", i);
        assert_true(b.m.events.n <= MODEL_MAX_EVENTS);
    }
    assert_true(b.m.events.n > MODEL_MAX_EVENTS / 2);
    assert_string_equal(from_the_end(&b, 0)->message, "4999-th");
    bench_end(&b);
}

/* What is said again hours later is news in a list that is full, too. */
static void hours_later(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    for (uint32_t i = 0; i < MODEL_MAX_EVENTS + 100; i++) {
        a.time_ms += 2 * HOUR_MS;
        outbox_reset(&b.out);
        apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
    }
    assert_true(b.m.events.n < MODEL_MAX_EVENTS);
    MODEL_EACH(model_event, row, &b.m.events) {
        assert_int_equal(row->repeated, 0);
    }
    bench_end(&b);
}

/* The rows of a snapshot count as those that were said here. */
static void rows_of_a_snapshot(void **state) {
    struct bench b;
    struct model copy;
    struct buffer snapshot;
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    for (uint32_t i = 0; i < 3; i++) {
        apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
    }
    uint32_t rows = b.m.events.n;
    buffer_init(&snapshot);
    model_encode(&b.m, &snapshot);
    model_init(&copy);
    assert_int_equal(model_decode(&copy, snapshot.data, snapshot.size), 0);
    buffer_finish(&snapshot);
    model_finish(&b.m);
    b.m = copy;
    apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
    assert_int_equal(b.m.events.n, rows);
    assert_int_equal(from_the_end(&b, 0)->repeated, 1);
    bench_end(&b);
}

/* A snapshot may hold more rows than there may be. */
static void more_rows_than_there_may_be(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    while (b.m.events.n < MODEL_MAX_EVENTS + 700) {
        struct model_event *row = model_add(&b.m.events);
        assert_non_null(row);
        row->seq = ++b.m.last_event;
    }
    apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
    assert_int_equal(b.m.events.n, MODEL_MAX_EVENTS * 3 / 4 + 1);
    assert_string_equal(from_the_end(&b, 0)->message, "it is so");
    assert_int_equal(from_the_end(&b, 1)->seq, b.m.last_event - 1);
    bench_end(&b);
}

/* As many rows are searched as there are. */
static void far_apart(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    struct apply a = at(&b, 1000);
    for (uint32_t i = 0; i < 4; i++) {
        apply_event(&a, SEVERITY_INFO, "k", "s", "it is so");
        assert_int_equal(from_the_end(&b, 0)->repeated, i == 3);
        for (uint32_t k = 0; i < 3 && k < 600; k++) {
            outbox_reset(&b.out);
            apply_event(&a, SEVERITY_INFO, "k", "s", "%u-th of %u", k, i);
        }
    }
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_washed_away),
        cmocka_unit_test(in_order),
        cmocka_unit_test(what_is_the_same),
        cmocka_unit_test(what_is_news),
        cmocka_unit_test(older_view),
        cmocka_unit_test(other_words),
        cmocka_unit_test(a_storm_of_many),
        cmocka_unit_test(a_storm_of_too_many),
        cmocka_unit_test(too_many_kinds),
        cmocka_unit_test(hours_later),
        cmocka_unit_test(rows_of_a_snapshot),
        cmocka_unit_test(more_rows_than_there_may_be),
        cmocka_unit_test(far_apart),
    };
    return cmocka_run_group_tests_name("core_events", tests, NULL, NULL);
}
