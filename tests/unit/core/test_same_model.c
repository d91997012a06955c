/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one replica concludes from the samples of the model that its peers tell.
 */
#include "base/check.h"
#include "core/timeouts.h"
#include "unit/core/one_replica.h"

static void only_report(struct alone *s) {
    s->b.m.protocol = PROTOCOL_HIGHEST;
    assert_int_equal(GIVE(&s->b, CONFIG_SET, .key = "state_check", .value = "report"), REPLY_OK);
    outbox_reset(&s->b.out);
}

/* "2a 3B": n2 has come to the model a at one index of the log, n3 to the model B at a later one;
 * "-": its heartbeat has no sample. */
static void hear(struct alone *s, const char *beats) {
    for (const char *at = beats; *at; at += at[2] ? 3 : 2) {
        struct replica_peer *p = replica_peer(&s->r, (uint32_t)(at[0] - '0'));
        struct msg_heartbeat beat = {.check_index = at[1] >= 'a' ? 100 : 200,
                                     .check_digest = (uint64_t)(unsigned char)at[1]};
        struct msg_heartbeat none = {0};
        assert_int_equal(replica_compare(&s->r, p, at[1] == '-' ? &none : &beat, &s->b.out), 0);
    }
}

static const struct {
    const char *beats;
    bool report; /* state_check */
    uint32_t n_nodes;
    uint32_t wrong;     /* a majority says so */
    uint32_t unlike[2]; /* nobody knows which of the two is right */
    bool confirmed;
    uint32_t errors;
} samples[] = {
    {"1a 2a 3a", .n_nodes = 3, .confirmed = true},
    {"2a 1a", .n_nodes = 3, .confirmed = true},
    {"2a 3a", .n_nodes = 3},                       /* n1 has not come so far */
    {"1a 2A 3-", .n_nodes = 3},                    /* of different places */
    {"1a 2a 3b", .n_nodes = 3, .confirmed = true}, /* may be the message's fault */
    {"1a 2a 3b 3a 3b", .n_nodes = 3, .confirmed = true},
    {"1a 2a 3b 3b", .n_nodes = 3, .wrong = 3, .confirmed = true, .errors = 1},
    {"2a 3a 1b 1b", .n_nodes = 3, .wrong = 1, .errors = 1},
    {"1a 2a 3b 3b 3b", .report = true, .n_nodes = 3, .wrong = 3, .confirmed = true, .errors = 1},
    {"1a 2a 3b 3b 3a", .report = true, .n_nodes = 3, .confirmed = true, .errors = 1},
    {"1a 2b", .n_nodes = 3},
    {"1a 2b 2b", .n_nodes = 3, .unlike = {1, 2}, .errors = 1},
    {"1a 2b 2b 2b 1a 1a", .n_nodes = 3, .unlike = {2, 1}, .errors = 1},
    {"1a 2b 2b", .report = true, .n_nodes = 3, .unlike = {1, 2}, .errors = 1},
    {"1a 2b 2b 2a", .n_nodes = 3, .confirmed = true, .errors = 1},
    {"1a 2b 2b 3a 1a 2b", .n_nodes = 3, .wrong = 2, .confirmed = true, .errors = 2},
    {"1a 2b 2b", .n_nodes = 2, .unlike = {1, 2}, .errors = 1},
    {"1a 3b 3b 2c 2c", .n_nodes = 3, .unlike = {3, 2}, .errors = 1},
};

static void samples_differ(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct alone s;
        alone_begin(&s, samples[i].n_nodes);
        if (samples[i].report) {
            only_report(&s);
        }
        print_message("%s\n", samples[i].beats);
        hear(&s, samples[i].beats);
        bool unlike = samples[i].unlike[0] != 0, stops = !samples[i].report;
        assert_int_equal(s.r.confirmed, samples[i].confirmed);
        assert_int_equal(alone_errors_logged(&s), samples[i].errors);
        assert_int_equal(s.r.differs_index, unlike ? 100 : 0);
        assert_true(!unlike || memcmp(s.r.differs, samples[i].unlike, sizeof(s.r.differs)) == 0);
        assert_int_equal(replica_disagrees(&s.r), unlike && stops);
        for (uint32_t id = 1; id <= samples[i].n_nodes; id++) {
            const struct replica_peer *p = replica_peer(&s.r, id);
            assert_int_equal(p->wrong_incarnation, id == samples[i].wrong ? 10 + id : 0);
            assert_int_equal(p->wrong_leaves, id == samples[i].wrong && stops);
        }
        /* Whoever is wrong leaves; the others form the view anew. */
        assert_int_equal(s.r.phase, !samples[i].wrong || !stops ? REPLICA_ACTIVE
                                    : samples[i].wrong == 1     ? REPLICA_DOWN
                                                                : REPLICA_EXCHANGE);
        assert_int_equal(s.r.refusal != NULL, samples[i].wrong == 1);
        alone_end(&s);
    }
}

static void sample_outside_a_view(void **state) {
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    s.r.phase = REPLICA_EXCHANGE;
    hear(&s, "1a 2a 3b 3b");
    assert_int_equal(alone_errors_logged(&s), 0);
    s.r.phase = REPLICA_ACTIVE;
    s.r.peers[2].in_view = false;
    hear(&s, "1a 2a 3b 3b");
    assert_int_equal(alone_errors_logged(&s), 0);
    alone_end(&s);
}

static void differing_is_told(void **state) {
    static const struct {
        const char *beats;
        bool report;
        const char *text, *end; /* "": nothing */
    } cases[] = {
        {"1a 2a 3a", false, "", ""},
        {"1a 2a 3b 3b", false,
         "n3 disagrees with the others about the state of the cluster at "
         "index 100 of the log",
         "it is left out and starts nothing"},
        {"1a 2a 3b 3b", true, "n3 disagrees with the others", "or it runs a different clusterd"},
        {"1a 2b 2b", false, "n1 and n2 disagree about the state of the cluster at index 100",
         "nothing is started, moved or stopped"},
        {"1a 2b 2b", true, "n1 and n2 disagree", "no majority says which is right"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct alone s;
        alone_begin(&s, 3);
        if (cases[i].report) {
            only_report(&s);
        }
        hear(&s, cases[i].beats);
        replica_state_text(&s.r, s.text, sizeof(s.text));
        size_t used = strlen(s.text), ends = strlen(cases[i].end);
        assert_int_equal(strncmp(s.text, cases[i].text, strlen(cases[i].text)), 0);
        assert_true(used >= ends && strcmp(s.text + used - ends, cases[i].end) == 0);
        assert_int_equal(used > 0, cases[i].text[0] != '\0');
        alone_end(&s);
    }
}

/* A wrong model is told of while that clusterd is there. */
static void differing_ends_with_its_clusterd(void **state) {
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    hear(&s, "1a 2a 3b 3b");
    s.r.peers[2].incarnation++;
    replica_state_text(&s.r, s.text, sizeof(s.text));
    assert_string_equal(s.text, "");
    s.r.peers[2].incarnation--;
    s.r.members.n = 2;
    replica_state_text(&s.r, s.text, sizeof(s.text));
    assert_string_equal(s.text, "");
    alone_end(&s);
}

/* Two that differ are remembered in the next view if both are in it. */
static void next_view(void **state) {
    static const struct {
        uint32_t gone;
        uint64_t differs_index;
    } cases[] = {{0, 100}, {1, 0}, {2, 0}, {3, 100}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct alone s;
        alone_begin(&s, 3);
        hear(&s, "1a 2b 2b");
        for (uint32_t id = 1; id <= 3; id++) {
            replica_peer(&s.r, id)->in_view = id != cases[i].gone;
        }
        replica_forget_samples(&s.r, 7000);
        assert_int_equal(s.r.differs_index, cases[i].differs_index);
        assert_int_equal(s.r.view_ms, 7000);
        assert_int_equal(s.r.peers[1].unlike, 0);
        assert_int_equal(s.r.peers[1].sample.index, 0);
        alone_end(&s);
    }
}

static void who_may_report(void **state) {
    static const struct {
        const char *beats;
        uint32_t nodes;    /* in the view */
        uint32_t protocol; /* of the others */
        bool older;        /* this node plays an older build */
        uint64_t view_age_ms;
        bool may;
    } cases[] = {
        {"", 3, PROTOCOL_HIGHEST, false, TIMEOUT_CONFIRM_MS - 1, false},
        {"", 3, PROTOCOL_HIGHEST, false, TIMEOUT_CONFIRM_MS, true},
        {"", 3, PROTOCOL_HIGHEST, true, 0, true},
        {"", 3, PROTOCOL_VERSIONS_TOLD - 1, false, 0, true}, /* nobody who could confirm it */
        {"", 1, PROTOCOL_HIGHEST, false, 0, true},
        {"1a 2a", 3, PROTOCOL_HIGHEST, false, 0, true},
        {"2b 3c 1a", 3, PROTOCOL_HIGHEST, false, TIMEOUT_CONFIRM_MS, false}, /* contradicted */
        {"1a 2b 2b", 3, PROTOCOL_HIGHEST, false, TIMEOUT_CONFIRM_MS, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct alone s;
        alone_begin(&s, 3);
        for (uint32_t k = 1; k < 3; k++) {
            s.r.peers[k].in_view = k < cases[i].nodes;
            s.r.peers[k].state.protocol = cases[i].protocol;
        }
        s.r.tells_versions = !cases[i].older;
        s.r.view_ms = 1000;
        s.r.last_step_ms = 1000 + cases[i].view_age_ms;
        hear(&s, cases[i].beats);
        print_message("case %zu\n", i);
        assert_int_equal(replica_may_report(&s.r), cases[i].may);
        alone_end(&s);
    }
}

static void when_to_sample(void **state) {
    static const struct {
        uint32_t type;
        uint64_t epoch, applied_index;
        bool older, wanted;
    } cases[] = {
        {COMMAND_VIEW, 5, 11, false, true},
        {COMMAND_VIEW, 5, 11, true, false},
        {COMMAND_VIEW, 4, 11, false, false},
        {COMMAND_VIEW, 5, 10, false, false}, /* from before the view */
        {COMMAND_VM_STOP, 5, 11, false, false},
        {COMMAND_VM_STOP, 5, REPLICA_SAMPLE_EVERY, false, true},
        {COMMAND_VM_STOP, 5, REPLICA_SAMPLE_EVERY + 1, false, false},
    };
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    s.r.epoch = 5;
    s.r.base_index = 10;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        s.r.applied_index = cases[i].applied_index;
        s.r.tells_versions = !cases[i].older;
        assert_int_equal(replica_wants_sample(&s.r, cases[i].type, cases[i].epoch),
                         cases[i].wanted);
    }
    alone_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_differ),    cmocka_unit_test(sample_outside_a_view),
        cmocka_unit_test(differing_is_told), cmocka_unit_test(differing_ends_with_its_clusterd),
        cmocka_unit_test(next_view),         cmocka_unit_test(who_may_report),
        cmocka_unit_test(when_to_sample),
    };
    return cmocka_run_group_tests_name("core_same_model", tests, NULL, NULL);
}
