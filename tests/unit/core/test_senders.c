/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may send what, and how much of a node's nonsense gets into the log.
 */
#include "unit/core/one_replica.h"

#define MINUTE_MS 60000u

static uint32_t lines_with(const struct alone *s, const char *words) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->b.out.n; i++) {
        const struct core_action *a = &s->b.out.v[i];
        n += a->type == CORE_ACTION_LOG && strstr(a->log.message, words) != NULL;
    }
    return n;
}

/* Messages that nobody can read, one in each millisecond; returns the time of the last. */
static uint64_t send_rubbish(struct alone *s, uint32_t sender, uint32_t n, uint64_t now_ms) {
    static const uint8_t rubbish[] = "not a message of clusterd at all";
    for (uint32_t i = 0; i < n; i++) {
        now_ms++;
        assert_int_equal(replica_tick(&s->r, now_ms, now_ms, &s->b.out), 0);
        assert_int_equal(replica_malformed(&s->r, sender, rubbish, sizeof(rubbish), &s->b.out), 0);
    }
    return now_ms;
}

/* 500 messages are one line at once, and one more when the minute is over. */
static void rubbish_is_counted(void **state) {
    static const struct {
        uint32_t sender;
        const char *more;
    } cases[] = {{2, "499 more damaged messages of n2"},
                 {77, "499 more damaged messages of nodes that the cluster does not know"}};
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct alone s;
        alone_begin(&s, 3);
        uint64_t now_ms = send_rubbish(&s, cases[i].sender, 500, 1000);
        assert_int_equal(lines_with(&s, "damaged message"), 1);
        assert_int_equal(s.r.phase, REPLICA_ACTIVE);
        for (uint64_t end_ms = now_ms + MINUTE_MS + 1000; now_ms < end_ms; now_ms += 500) {
            for (uint32_t k = 0; k < s.r.n_peers; k++) {
                s.r.peers[k].last_heard_ms = now_ms;
            }
            assert_int_equal(replica_tick(&s.r, now_ms, now_ms, &s.b.out), 0);
        }
        assert_int_equal(lines_with(&s, cases[i].more), 1);
        assert_int_equal(lines_with(&s, "damaged message"), 2);
        /* a new minute begins with a line again */
        (void)send_rubbish(&s, cases[i].sender, 2, now_ms);
        assert_int_equal(lines_with(&s, "damaged message"), 3);
        alone_end(&s);
    }
}

/* One node's rubbish does not hide another's. */
static void each_sender_is_named(void **state) {
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    (void)send_rubbish(&s, 3, 9, send_rubbish(&s, 2, 9, 1000));
    assert_int_equal(lines_with(&s, "of node 2 "), 1);
    assert_int_equal(lines_with(&s, "of node 3 "), 1);
    alone_end(&s);
}

/* A sender that gives itself out for another clusterd each time is never left out. */
static void new_clusterd_each_time(void **state) {
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    for (uint32_t i = 0; i < 200; i++) {
        struct message m = {.type = MESSAGE_STATE,
                            .incarnation = 100 + i,
                            .body.msg_state = {.last_epoch = 2, .promised = 1}};
        assert_int_equal(replica_message(&s.r, 2, &m, 1000, 1000, &s.b.out), 0);
    }
    assert_int_equal(lines_with(&s, "cannot be read"), REPLICA_DAMAGED_LINES);
    alone_end(&s);
}

/* The view rests on the log of one node; what another sends as a piece of it is not taken. */
static void pieces_from_another(void **state) {
    struct suffix_entry entry = {.index = 1, .epoch = 3, .data = {(const uint8_t *)"aaaa", 4}};
    struct message suffix = {.type = MESSAGE_SUFFIX,
                             .epoch = 4,
                             .body.msg_suffix = {.target = 1, .entries = {&entry, 1}}};
    struct message snapshot = {.type = MESSAGE_SNAPSHOT,
                               .epoch = 4,
                               .body.msg_snapshot = {.target = 1,
                                                     .index = 1,
                                                     .epoch = 3,
                                                     .total_bytes = 8,
                                                     .data = {(const uint8_t *)"aaaa", 4}}};
    const struct message *const messages[] = {&suffix, &snapshot};
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        struct alone s;
        bool is_snapshot = i & 1;
        uint32_t sender = i < 2 ? 2 : 3;
        alone_begin(&s, 3);
        s.r.epoch = s.r.promised = 4;
        s.r.source = 3;
        s.r.base_index = 2;
        s.r.base_epoch = 3;
        s.r.catching = true;
        assert_int_equal(replica_message(&s.r, sender, messages[is_snapshot], 1000, 1000, &s.b.out),
                         0);
        bool taken = is_snapshot ? s.r.incoming.size == 4 : log_last_index(&s.r.log) == 1;
        assert_int_equal(taken, sender == 3);
        assert_int_equal(lines_with(&s, "n2 has sent a piece of a log that nobody has asked for"),
                         sender == 2);
        assert_int_equal(s.r.phase, sender == 3 ? REPLICA_ACTIVE : REPLICA_EXCHANGE);
        alone_end(&s);
    }
}

/* An acknowledgement follows each entry; that it is of another log is said once. */
static void log_that_differs(void **state) {
    struct alone s;
    (void)state;
    alone_begin(&s, 3);
    s.r.epoch = s.r.promised = 4;
    assert_int_equal(log_append(&s.r.log, 4, (const uint8_t *)"aaaa", 4), 0);
    for (uint32_t i = 0; i < 50; i++) {
        struct message m = {
            .type = MESSAGE_ACK, .epoch = 4, .body.msg_ack = {.index = 1, .chain = 1}};
        assert_int_equal(replica_message(&s.r, 2, &m, 1000, 1000, &s.b.out), 0);
    }
    assert_int_equal(lines_with(&s, "node 2 acknowledges a log that differs"), 1);
    alone_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rubbish_is_counted),     cmocka_unit_test(each_sender_is_named),
        cmocka_unit_test(new_clusterd_each_time), cmocka_unit_test(pieces_from_another),
        cmocka_unit_test(log_that_differs),
    };
    return cmocka_run_group_tests_name("core_senders", tests, NULL, NULL);
}
