/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose version fits into a view, and what is told of those that do not.
 */
#include "base/check.h"
#include "unit/core/one_replica.h"

struct versions {
    uint32_t protocol, lowest, needs;
};

static const struct {
    const char *what;
    struct versions v[3]; /* of n1, n2, n3; each log is longer than the one before */
    enum replica_misfit misfit[3];
    uint32_t version[3];
    const char *text;
} judged[] = {
    {"all speak the same", {{5, 4, 5}, {5, 4, 0}, {5, 4, 5}}, {0}, {0}, ""},
    {"one speaks less, and nothing needs more", {{5, 4, 0}, {4, 4, 0}, {5, 4, 0}}, {0}, {0}, ""},
    {"too old",
     {{5, 4, 5}, {4, 4, 0}, {5, 4, 5}},
     {0, MISFIT_TOO_OLD, 0},
     {0, 5, 0},
     "n2 speaks protocol 4 at most, and the cluster's log needs 5: it stays out; update clusterd "
     "on n2"},
    {"too new",
     {{6, 6, 0}, {5, 4, 0}, {5, 4, 0}},
     {MISFIT_TOO_NEW, 0, 0},
     {5, 0, 0},
     "n1 speaks protocol 6 and higher, and other nodes 5 at most: it stays out; update clusterd "
     "on the older ones first"},
    {"an older build speaks one version",
     {{5, 4, 0}, {6, 0, 0}, {5, 4, 0}},
     {0, MISFIT_TOO_NEW, 0},
     {0, 5, 0},
     "n2 speaks protocol 6 and higher, and other nodes 5 at most: it stays out; update clusterd "
     "on the older ones first"},
    {"who is too old makes nobody too new",
     {{6, 5, 5}, {4, 4, 0}, {6, 5, 5}},
     {0, MISFIT_TOO_OLD, 0},
     {0, 5, 0},
     "n2 speaks protocol 4 at most, and the cluster's log needs 5: it stays out; update clusterd "
     "on n2"},
    {"the source is too new",
     {{5, 4, 0}, {5, 4, 0}, {7, 6, 7}},
     {MISFIT_TOO_OLD, MISFIT_TOO_OLD, 0},
     {7, 7, 0},
     "n1 speaks protocol 5 at most, and the cluster's log needs 7: it stays out; update clusterd "
     "on n1"},
    {"the source is too new, and its log needs little",
     {{5, 4, 0}, {5, 4, 0}, {7, 6, 0}},
     {0, 0, MISFIT_TOO_NEW},
     {0, 0, 5},
     "n3 speaks protocol 6 and higher, and other nodes 5 at most: it stays out; update clusterd "
     "on the older ones first"},
    {"the source is too new, and the next one's log needs more than n1 speaks",
     {{4, 4, 0}, {5, 4, 5}, {7, 6, 0}},
     {MISFIT_TOO_OLD, 0, MISFIT_TOO_NEW},
     {5, 0, 4},
     "n1 speaks protocol 4 at most, and the cluster's log needs 5: it stays out; update clusterd "
     "on n1"},
};

static void versions_are_judged(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(judged); i++) {
        struct alone s;
        uint32_t n_misfits = 0;
        alone_begin(&s, 3);
        for (uint32_t k = 0; k < 3; k++) {
            struct replica_peer *p = &s.r.peers[k];
            p->state.protocol = judged[i].v[k].protocol;
            p->state.lowest = judged[i].v[k].lowest;
            p->state.needs = judged[i].v[k].needs;
            p->state.last_index = 10 + k;
            p->misfit = MISFIT_TOO_OLD; /* from an earlier exchange */
        }
        print_message("%s\n", judged[i].what);
        replica_judge_versions(&s.r);
        for (uint32_t k = 0; k < 3; k++) {
            assert_int_equal(s.r.peers[k].misfit, judged[i].misfit[k]);
            assert_int_equal(s.r.peers[k].misfit_version, judged[i].version[k]);
            n_misfits += s.r.peers[k].misfit != MISFIT_NOT;
        }
        assert_int_equal(replica_is_misfit(&s.r), judged[i].misfit[0] != MISFIT_NOT);
        replica_version_text(&s.r, s.text, sizeof(s.text));
        assert_string_equal(s.text, judged[i].text);
        outbox_reset(&s.b.out);
        replica_say_misfits(&s.r, &s.b.out);
        replica_say_misfits(&s.r, &s.b.out); /* of each clusterd once */
        assert_int_equal(alone_errors_logged(&s), n_misfits);
        alone_end(&s);
    }
}

/* An older build judges nobody; and nobody is judged by a log that nobody has told of. */
static void nobody_is_judged(void **state) {
    (void)state;
    for (int older = 0; older < 2; older++) {
        struct alone s;
        alone_begin(&s, 3);
        s.r.peers[1].state.protocol = 4;
        s.r.peers[2].state.needs = 5;
        s.r.tells_versions = !older;
        for (uint32_t k = 0; k < 3; k++) {
            s.r.peers[k].fresh = older;
            s.r.peers[k].misfit = MISFIT_TOO_OLD;
        }
        replica_judge_versions(&s.r);
        for (uint32_t k = 0; k < 3; k++) {
            assert_int_equal(s.r.peers[k].misfit, MISFIT_NOT);
        }
        alone_end(&s);
    }
}

static void who_cannot_join(void **state) {
    static const struct {
        uint32_t node;
        struct versions v;
        uint32_t model_needs, source, source_needs;
        bool older, cannot;
    } cases[] = {
        {2, {5, 4, 0}, 5, 0, 0, false, false}, {2, {4, 4, 0}, 0, 0, 0, false, false},
        {2, {4, 4, 0}, 5, 0, 0, false, true},  {2, {4, 4, 0}, 5, 0, 0, true, false},
        {1, {4, 4, 0}, 5, 0, 0, false, false}, /* it is this node */
        {2, {4, 4, 0}, 0, 3, 5, false, true},  {2, {4, 4, 0}, 0, 3, 4, false, false},
        {2, {4, 4, 0}, 0, 9, 5, false, false}, /* there is no such node */
        {2, {7, 6, 0}, 0, 0, 0, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct alone s;
        alone_begin(&s, 3);
        struct replica_peer *p = replica_peer(&s.r, cases[i].node);
        p->state.protocol = cases[i].v.protocol;
        p->state.lowest = cases[i].v.lowest;
        s.b.m.needs = cases[i].model_needs;
        s.r.source = cases[i].source;
        s.r.peers[2].state.needs = cases[i].source_needs;
        s.r.tells_versions = !cases[i].older;
        s.r.applied_index = log_last_index(&s.r.log);
        print_message("case %zu\n", i);
        assert_int_equal(replica_cannot_join(&s.r, p, &s.b.out), cases[i].cannot);
        alone_end(&s);
    }
}

static void views_of_members(void **state) {
    struct alone s;
    struct propose_member members[] = {{.node = 1}, {.node = 2}, {.node = 9}};
    struct msg_propose propose = {.members = {members, 3}};
    (void)state;
    alone_begin(&s, 3);
    s.r.peers[1].state.protocol = 4;
    assert_int_equal(replica_lowest_protocol(&s.r, &propose.members), 4);
    propose.members.n = 1;
    assert_int_equal(replica_lowest_protocol(&s.r, &propose.members), PROTOCOL_HIGHEST);
    s.r.peers[1].misfit = MISFIT_TOO_OLD;
    assert_true(replica_view_fits(&s.r, &propose));
    propose.members.n = 3;
    assert_false(replica_view_fits(&s.r, &propose));
    s.r.peers[1].misfit = MISFIT_NOT;
    assert_true(replica_view_fits(&s.r, &propose)); /* n9 will be known by the view */
    alone_end(&s);
}

/* What the database is told to need only grows, and is worth telling above the lowest version. */
static void needs_are_noted(void **state) {
    static const struct {
        uint32_t stored, needs;
        bool older;
        uint32_t told;
    } cases[] = {
        {0, PROTOCOL_LOWEST, false, 0},
        {0, 5, false, 5},
        {0, 5, true, 0},
        {5, 5, false, 0},
        {6, 5, false, 0},
        {5, 6, false, 6},
    };
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct core_store store = {0};
        s.r.stored_needs = cases[i].stored;
        s.r.tells_versions = !cases[i].older;
        replica_note_needs(&s.r, cases[i].needs, &store);
        assert_int_equal(store.needs, cases[i].told);
        assert_int_equal(s.r.stored_needs, cases[i].told ? cases[i].told : cases[i].stored);
    }
    alone_end(&s);
}

/* n2's clusterd could not be read; it is told until a clusterd that can be has taken its place. */
static void foreign_versions_are_told(void **state) {
    static const struct {
        uint32_t version;
        uint64_t foreign, incarnation;
        bool there, told;
    } cases[] = {
        {6, 77, 12, true, true},  {6, 77, 12, false, false}, {6, 77, 77, true, false},
        {5, 77, 12, true, false}, {6, 0, 12, true, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct alone s;
        alone_begin(&s, 3);
        s.r.peers[1].foreign_version = cases[i].version;
        s.r.peers[1].foreign_incarnation = cases[i].foreign;
        s.r.peers[1].incarnation = cases[i].incarnation;
        s.r.members.n = cases[i].there ? 3 : 1;
        replica_version_text(&s.r, s.text, sizeof(s.text));
        assert_string_equal(s.text, cases[i].told
                                        ? "n2 speaks protocol 6 and higher, and this node "
                                          "5 at most: they cannot work together; update "
                                          "clusterd on this node"
                                        : "");
        alone_end(&s);
    }
}

static void foreign_nonsense_is_not_told(void **state) {
    static const uint8_t bytes[64] = {1};
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    outbox_reset(&s.b.out);
    replica_foreign(&s.r, 9, bytes, sizeof(bytes), &s.b.out);
    replica_foreign(&s.r, 2, bytes, sizeof(bytes), &s.b.out);
    assert_int_equal(s.b.out.n, 0);
    assert_int_equal(s.r.peers[1].foreign_incarnation, 0);
    alone_end(&s);
}

static void who_speaks_less(void **state) {
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    s.r.peers[1].state.protocol = 4;
    s.r.peers[2].state.protocol = 3;
    replica_who_speaks_less(&s.r, 5, s.text, sizeof(s.text));
    assert_string_equal(s.text, "n2 speaks 4, n3 speaks 3");
    replica_who_speaks_less(&s.r, 4, s.text, sizeof(s.text));
    assert_string_equal(s.text, "n3 speaks 3");
    memset(s.text, 'x', sizeof(s.text) - 1);
    replica_who_speaks_less(&s.r, 5, s.text, 8); /* what has room */
    assert_int_equal(strspn(s.text + 8, "x"), sizeof(s.text) - 9);
    assert_string_equal(s.text, "n2 spea");
    s.r.peers[2].in_view = false;
    replica_who_speaks_less(&s.r, 4, s.text, sizeof(s.text));
    assert_string_equal(s.text, "");
    alone_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_judged),
        cmocka_unit_test(nobody_is_judged),
        cmocka_unit_test(who_cannot_join),
        cmocka_unit_test(views_of_members),
        cmocka_unit_test(needs_are_noted),
        cmocka_unit_test(foreign_versions_are_told),
        cmocka_unit_test(foreign_nonsense_is_not_told),
        cmocka_unit_test(who_speaks_less),
    };
    return cmocka_run_group_tests_name("core_versions", tests, NULL, NULL);
}
