/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages in which exactly one thing is wrong: each is refused, and the same message without the
 * fault is not.
 */
#include "base/buffer.h"
#include "base/check.h"
#include "core/replica/replica.h"
#include "wire/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 4u
#define TOO_MUCH (UINT64_C(1) << 62)

/* n1 is asked, n2 proposes, n3 has the log; n4 is a peer, but in no list. All have the same log. */
struct scene {
    struct model model;
    struct outbox out;
    struct replica r;
    struct msg_state said[NODES];
    struct state_vote votes[REPLICA_LISTS + 1];
    struct state_floor floors[2];
    struct msg_propose propose;
    struct propose_member named[NODES];
    struct cmd_view view;
    struct view_member members[NODES];
    struct view_node nodes[NODES];
};

/* Another value for one number of the scene. Its place is an offset, so that a case is a row. */
struct change {
    size_t at, size;
    uint64_t value;
};
#define SET(field, to)                                                                      \
    {                                                                                       \
        .at = offsetof(struct scene, field), .size = sizeof(((struct scene *)NULL)->field), \
        .value = (to)                                                                       \
    }

static void change(struct scene *s, const struct change *c) {
    uint8_t *at = (uint8_t *)s + c->at;
    uint32_t value = (uint32_t)c->value;
    assert_true(c->size == 0 || c->size == 4 || c->size == 8);
    if (c->size > 0) {
        memcpy(at, c->size == 4 ? (const void *)&value : (const void *)&c->value, c->size);
    }
}

/* Votes of all nodes but n4. */
static uint64_t list_of_three(void) {
    struct node_list list = {0};
    for (uint32_t id = 1; id <= 3; id++) {
        node_list_add(&list, id, 1);
    }
    return node_list_digest(&list);
}

static void fill(struct scene *s) {
    static char names[NODES][3] = {"n1", "n2", "n3", "n4"};
    for (uint32_t i = 0; i < NODES; i++) {
        s->said[i] = (struct msg_state){.last_epoch = 4,
                                        .last_index = 10,
                                        .chain = 99,
                                        .promised = 4,
                                        .commit_index = 9,
                                        .protocol = PROTOCOL_HIGHEST,
                                        .list = list_of_three(),
                                        .lists = {s->votes, 3},
                                        .floors = {s->floors, 2},
                                        .lowest = PROTOCOL_LOWEST};
        s->named[i] = (struct propose_member){.node = i + 1, .incarnation = 11 + i, .round = 1};
        s->members[i] = (struct view_member){.node = i + 1, .incarnation = 11 + i};
        s->nodes[i] = (struct view_node){.id = i + 1, .name = names[i], .votes = 1};
        if (i < 3) {
            s->votes[i] = (struct state_vote){.list = 0, .node = i + 1, .votes = 1};
        }
    }
    s->floors[0] = (struct state_floor){.node = 2, .epoch = 4, .index = 9};
    s->floors[1] = (struct state_floor){.node = 3, .epoch = 4, .index = 10};
    s->propose = (struct msg_propose){.epoch = 5,
                                      .members = {s->named, 3},
                                      .source = 3,
                                      .base_epoch = 4,
                                      .base_index = 10,
                                      .base_chain = 99,
                                      .protocol = PROTOCOL_HIGHEST};
    s->view = (struct cmd_view){.epoch = 5,
                                .members = {s->members, 3},
                                .nodes = {s->nodes, 3},
                                .protocol = PROTOCOL_HIGHEST};
}

static void begin(struct scene *s) {
    *s = (struct scene){0};
    model_init(&s->model);
    outbox_init(&s->out);
    fill(s);
    struct core_boot boot = {.node = 1, .incarnation = 11, .nodes = {s->nodes, NODES}};
    assert_int_equal(replica_init(&s->r, &boot, &s->model), 0);
    s->r.commit_index = 9;
    s->r.protocol = PROTOCOL_HIGHEST;
}

static void end(struct scene *s) {
    replica_finish(&s->r);
    outbox_finish(&s->out);
    model_finish(&s->model);
}

/* ---- STATE ---- */

static const struct {
    const char *what;
    struct change change;
} states[] = {
    {"committed more than it has", SET(said[1].commit_index, 11)},
    {"its last epoch was never promised", SET(said[1].last_epoch, 5)},
    {"an epoch that no cluster reaches", SET(said[1].promised, TOO_MUCH)},
    {"an index that no cluster reaches", SET(said[1].last_index, TOO_MUCH)},
    {"more floors than nodes", SET(said[1].floors.n, WIRE_MAX_NODES + 1)},
    {"its lists do not begin with the first", SET(votes[0].list, 1)},
    {"a list is left out", SET(votes[2].list, 2)},
    {"a list after a later one", SET(votes[1].list, 1)},
    {"a node twice in a list", SET(votes[2].node, 2)},
    {"the nodes of a list are not in order", SET(votes[1].node, 7)},
    {"its lowest version is above its highest", SET(said[1].lowest, PROTOCOL_HIGHEST + 1)},
    {"its log needs more than it speaks", SET(said[1].needs, PROTOCOL_HIGHEST + 1)},
};

/* An older build's STATE has no digest, and one that was damaged before it was made agrees with its
 * digest. */
static void states_without_sense(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        struct scene s;
        begin(&s);
        assert_true(replica_state_makes_sense(&s.said[1]));
        s.said[1].digest = replica_state_digest(&s.said[1]);
        assert_true(replica_state_makes_sense(&s.said[1]));
        change(&s, &states[i].change);
        s.said[1].digest = 0;
        if (replica_state_makes_sense(&s.said[1])) {
            fail_msg("accepted: %s", states[i].what);
        }
        if (s.said[1].floors.n <= 2 && s.said[1].lists.n <= 3) {
            s.said[1].digest = replica_state_digest(&s.said[1]);
            assert_false(replica_state_makes_sense(&s.said[1]));
        }
        end(&s);
    }
}

static void no_more_lists_than_there_may_be(void **state) {
    struct scene s;
    (void)state;
    begin(&s);
    for (uint32_t i = 0; i <= REPLICA_LISTS; i++) {
        s.votes[i] = (struct state_vote){.list = i, .node = 1, .votes = 1};
    }
    s.said[1].lists.n = REPLICA_LISTS;
    assert_true(replica_state_makes_sense(&s.said[1]));
    s.said[1].lists.n = REPLICA_LISTS + 1;
    assert_false(replica_state_makes_sense(&s.said[1]));
    end(&s);
}

static void no_more_votes_than_there_may_be(void **state) {
    static struct state_vote votes[REPLICA_LISTS * WIRE_MAX_NODES + 1]; /* of one list */
    struct scene s;
    (void)state;
    begin(&s);
    for (uint32_t i = 0; i < ARRAY_SIZE(votes); i++) {
        votes[i] = (struct state_vote){.node = i + 1, .votes = 1};
    }
    s.said[1].lists = (struct wire_list){votes, ARRAY_SIZE(votes) - 1};
    assert_true(replica_state_makes_sense(&s.said[1]));
    s.said[1].lists.n++;
    assert_false(replica_state_makes_sense(&s.said[1]));
    end(&s);
}

/* Each number of it makes sense with any of these values; only the digest tells. */
static void states_that_have_changed(void **state) {
    static const struct change changes[] = {
        SET(said[1].round, 7),      SET(said[1].last_epoch, 3),
        SET(said[1].last_index, 9), SET(said[1].chain, 98),
        SET(said[1].promised, 5),   SET(said[1].commit_index, 8),
        SET(said[1].protocol, 4),   SET(said[1].list, 1),
        SET(said[1].lowest, 5),     SET(said[1].needs, PROTOCOL_HIGHEST),
        SET(floors[0].node, 1),     SET(floors[1].epoch, 3),
        SET(floors[1].index, 9),    SET(said[1].floors.n, 1),
        SET(votes[2].list, 1),      SET(votes[2].node, 4),
        SET(votes[2].votes, 2),     SET(said[1].lists.n, 2),
        SET(said[1].digest, 1),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct scene s;
        begin(&s);
        uint64_t digest = replica_state_digest(&s.said[1]);
        change(&s, &changes[i]);
        bool of_digest = s.said[1].digest != 0;
        assert_true(of_digest || replica_state_makes_sense(&s.said[1]));
        s.said[1].digest = of_digest ? s.said[1].digest : digest;
        if (replica_state_makes_sense(&s.said[1])) {
            fail_msg("accepted: change %zu", i);
        }
        end(&s);
    }
}

/* ---- PROPOSE ---- */

static void encode_entry(uint32_t type, const void *command, struct buffer *ret) {
    struct buffer body;
    buffer_init(&body);
    wire_encode(command_record(type), command, &body);
    struct log_command entry = {.type = type, .body = {body.data, (uint32_t)body.size}};
    wire_encode(&log_command_record, &entry, ret);
    buffer_finish(&body);
}

/* 0, or -EBADMSG; then ret_view stays untouched. */
static int check(struct scene *s, uint32_t type, const void *command) {
    const struct cmd_view *view = NULL;
    struct buffer entry;
    buffer_init(&entry);
    encode_entry(type, command, &entry);
    s->propose.entry = (struct wire_bytes){entry.data, (uint32_t)entry.size};
    for (uint32_t i = 0; i < NODES; i++) {
        s->r.peers[i].state = s->said[i];
    }
    int err = replica_check_proposal(&s->r, &s->r.peers[1], &s->propose, &s->out.arena, &view);
    assert_true(err != 0 || view->epoch == s->propose.epoch);
    buffer_finish(&entry);
    return err;
}

static const struct {
    const char *what;
    int err;
    struct change v[3];
} proposals[] = {
    {"nothing is wrong", 0, {{0}}},
    {"the source is no member", -EBADMSG, {SET(propose.source, 4)}},
    {"the source's log ends in another epoch", -EBADMSG, {SET(said[2].last_epoch, 3)}},
    {"the source's log is shorter", -EBADMSG, {SET(said[2].last_index, 9)}},
    {"the source's log is another", -EBADMSG, {SET(said[2].chain, 98)}},
    {"less than is committed here", -EBADMSG, {SET(r.commit_index, 11)}},
    {"an epoch that a member has promised", -EBADMSG, {SET(said[0].promised, 5)}},
    {"an epoch is left out", -EBADMSG, {SET(propose.epoch, 6), SET(view.epoch, 6)}},
    {"the highest promise counts",
     0,
     {SET(said[0].promised, 7), SET(propose.epoch, 8), SET(view.epoch, 8)}},
    {"more than a member speaks", -EBADMSG, {SET(said[1].protocol, PROTOCOL_LOWEST)}},
    {"less than all speak", -EBADMSG, {SET(propose.protocol, PROTOCOL_LOWEST)}},
    {"the lowest that all speak",
     0,
     {SET(said[1].protocol, PROTOCOL_LOWEST), SET(propose.protocol, PROTOCOL_LOWEST),
      SET(view.protocol, PROTOCOL_LOWEST)}},
    {"the lowest is not told by an older build",
     0,
     {SET(said[1].protocol, PROTOCOL_LOWEST), SET(propose.protocol, PROTOCOL_LOWEST),
      SET(view.protocol, 0)}},
    {"the entry has another version", -EBADMSG, {SET(view.protocol, PROTOCOL_LOWEST)}},
    {"the entry has another epoch", -EBADMSG, {SET(view.epoch, 6)}},
    {"the entry has one member less", -EBADMSG, {SET(view.members.n, 2)}},
    {"the entry has another member", -EBADMSG, {SET(members[2].node, 1)}},
    {"the entry has another clusterd", -EBADMSG, {SET(members[2].incarnation, 99)}},
    {"a node twice in the list", -EBADMSG, {SET(view.nodes.n, 4), SET(nodes[3].id, 3)}},
    {"a list that nobody has read", -EBADMSG, {SET(nodes[2].votes, 2)}},
    {"the list that the proposer has read", 0, {SET(votes[2].votes, 2)}},
    {"the list of the source's log", 0, {SET(said[1].list, 1)}},
    {"no list in the source's log", 0, {SET(said[2].lists.n, 0)}},
    {"no list in the source's log, and the proposer has read another",
     -EBADMSG,
     {SET(said[2].lists.n, 0), SET(said[1].list, 1)}},
    {"a member that is not in the list",
     -EBADMSG,
     {SET(named[2].node, 4), SET(members[2].node, 4), SET(propose.source, 2)}},
};

static void proposals_without_sense(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(proposals); i++) {
        struct scene s;
        begin(&s);
        for (size_t k = 0; k < ARRAY_SIZE(proposals[i].v); k++) {
            change(&s, &proposals[i].v[k]);
        }
        int err = check(&s, COMMAND_VIEW, &s.view);
        if (err != proposals[i].err) {
            fail_msg("%d, not %d: %s", err, proposals[i].err, proposals[i].what);
        }
        end(&s);
    }
}

/* It is in the view's entry, and in the list that the proposer has read: but no STATE of it was
 * heard. */
static void proposal_with_a_stranger(void **state) {
    struct scene s;
    struct node_list list = {0};
    (void)state;
    begin(&s);
    s.named[0].node = s.members[0].node = s.nodes[0].id = 9;
    for (uint32_t i = 0; i < 3; i++) {
        node_list_add(&list, s.nodes[i].id, s.nodes[i].votes);
    }
    s.said[1].list = node_list_digest(&list);
    assert_int_equal(check(&s, COMMAND_VIEW, &s.view), -EBADMSG);
    assert_non_null(replica_add_peer(&s.r, 9, "n9"));
    s.r.peers[4].state = s.said[0];
    assert_int_equal(check(&s, COMMAND_VIEW, &s.view), 0);
    end(&s);
}

static void proposals_with_another_entry(void **state) {
    struct scene s;
    (void)state;
    begin(&s);
    struct cmd_node_drain drain = {.node = "n1"};
    assert_int_equal(check(&s, COMMAND_NODE_DRAIN, &drain), -EBADMSG);
    const struct cmd_view *view = NULL;
    static const uint8_t nonsense[] = {9, 0, 0, 0, 1};
    s.propose.entry = (struct wire_bytes){nonsense, sizeof(nonsense)};
    assert_int_equal(replica_check_proposal(&s.r, &s.r.peers[1], &s.propose, &s.out.arena, &view),
                     -EBADMSG);
    assert_null(view);
    end(&s);
}

/* ---- entries ---- */

static void entries_without_sense(void **state) {
    struct scene s;
    (void)state;
    begin(&s);
    struct cmd_node_drain drain = {.node = "n1"};
    struct cmd_config_set set = {.key = "state_check", .value = "report"};
    const struct {
        uint32_t type;
        const void *command;
        uint32_t protocol; /* of the view */
        bool older;        /* this node plays a build that knows of no versions */
        int err;
    } cases[] = {
        {COMMAND_NODE_DRAIN, &drain, 5, false, 0},      {COMMAND_VIEW, &s.view, 5, false, -EBADMSG},
        {COMMAND_CONFIG_SET, &set, 5, false, 0},        {COMMAND_CONFIG_SET, &set, 4, true, 0},
        {COMMAND_CONFIG_SET, &set, 4, false, -EBADMSG},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer good, entry;
        buffer_init(&good);
        buffer_init(&entry);
        encode_entry(COMMAND_NODE_DRAIN, &drain, &good);
        encode_entry(cases[i].type, cases[i].command, &entry);
        struct entry_bytes entries[] = {{{good.data, (uint32_t)good.size}},
                                        {{entry.data, (uint32_t)entry.size}}};
        s.r.protocol = cases[i].protocol;
        s.r.tells_versions = !cases[i].older;
        assert_int_equal(replica_check_entries(&s.r, entries, 2, &s.out.arena), cases[i].err);
        entries[1].data.size--;
        assert_int_equal(replica_check_entries(&s.r, entries, 2, &s.out.arena), -EBADMSG);
        buffer_finish(&good);
        buffer_finish(&entry);
    }
    end(&s);
}

/* ---- catching up ---- */

/* The log has entries 6 to 8, each of four bytes and of epoch 3. */
static void pieces_of_the_log(void **state) {
    static const struct {
        const char *what;
        struct suffix_entry entry;
        bool ours;
    } cases[] = {
        {"as it was sent", {7, 3, {(const uint8_t *)"bbbb", 4}}, true},
        {"dropped since", {5, 3, {(const uint8_t *)"xxxx", 4}}, true},
        {"not sent yet", {9, 3, {(const uint8_t *)"dddd", 4}}, false},
        {"of another epoch", {7, 2, {(const uint8_t *)"bbbb", 4}}, false},
        {"too short", {7, 3, {(const uint8_t *)"bbb", 3}}, false},
        {"with another byte", {7, 3, {(const uint8_t *)"bbbc", 4}}, false},
        {"at another place", {8, 3, {(const uint8_t *)"bbbb", 4}}, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct scene s;
        begin(&s);
        log_reset(&s.r.log, 5, 3, 1);
        for (const char *text = "aaaabbbbcccc"; *text; text += 4) {
            assert_int_equal(log_append(&s.r.log, 3, (const uint8_t *)text, 4), 0);
        }
        struct suffix_entry entries[] = {{6, 3, {(const uint8_t *)"aaaa", 4}}, cases[i].entry};
        struct msg_suffix m = {.target = 2, .entries = {entries, 2}};
        if (replica_suffix_is_ours(&s.r, &m) != cases[i].ours) {
            fail_msg("%s", cases[i].what);
        }
        end(&s);
    }
}

static void pieces_of_the_state(void **state) {
    static const uint8_t data[] = "0123456789 and more"; /* the first ten bytes are sent */
    static const struct msg_snapshot good = {.index = 7,
                                             .epoch = 3,
                                             .chain = 55,
                                             .digest = 66,
                                             .total_bytes = 10,
                                             .offset_bytes = 4,
                                             .data = {data + 4, 6}};
    struct msg_snapshot bad[8];
    struct scene s;
    (void)state;
    begin(&s);
    s.r.feed_snapshot = malloc(sizeof(data));
    assert_non_null(s.r.feed_snapshot);
    memcpy(s.r.feed_snapshot, data, sizeof(data));
    s.r.feed_snapshot_size = 10;
    s.r.feed_snapshot_index = 7;
    s.r.feed_snapshot_epoch = 3;
    s.r.feed_snapshot_chain = 55;
    s.r.feed_snapshot_digest = 66;
    assert_true(replica_snapshot_is_ours(&s.r, &good));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        bad[i] = good;
    }
    bad[0].index = 8;
    bad[1].epoch = 2;
    bad[2].chain = 54;
    bad[3].digest = 67;
    bad[4].total_bytes = 11;
    bad[5].offset_bytes = 11; /* beyond the end */
    bad[5].data.data = data + 11;
    bad[6].offset_bytes = 5; /* the piece would end beyond it */
    bad[6].data.data = data + 5;
    bad[7].data.data = data + 3;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (replica_snapshot_is_ours(&s.r, &bad[i])) {
            fail_msg("accepted: case %zu", i);
        }
    }
    end(&s);
}

/* Entry 9 of epoch 4 is committed here, and the view goes on from entry 20 of epoch 6. */
static void whole_states(void **state) {
    static const struct {
        const char *what;
        uint64_t index, epoch, chain;
        bool other_digest, fits;
    } cases[] = {
        {"right after what is committed", 10, 4, 55, false, true},
        {"right before the base", 19, 6, 66, false, true},
        {"at the base", 20, 6, 77, false, true},
        {"nothing new", 9, 4, 55, false, false},
        {"beyond the base", 21, 6, 77, false, false},
        {"an epoch that is over", 10, 3, 55, false, false},
        {"an epoch above the base's", 19, 7, 55, false, false},
        {"at the base, an earlier epoch", 20, 5, 77, false, false},
        {"at the base, another log", 20, 6, 78, false, false},
        {"another digest", 20, 6, 77, true, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct scene s;
        begin(&s);
        log_reset(&s.r.log, 9, 4, 55);
        s.r.base_index = 20;
        s.r.base_epoch = 6;
        s.r.base_chain = 77;
        buffer_append(&s.r.incoming, (const uint8_t *)"all of it", 9);
        s.r.arrived_index = cases[i].index;
        s.r.arrived_epoch = cases[i].epoch;
        s.r.arrived_chain = cases[i].chain;
        s.r.arrived_digest = replica_snapshot_digest(cases[i].index, cases[i].epoch, cases[i].chain,
                                                     s.r.incoming.data, s.r.incoming.size) ^
                             cases[i].other_digest;
        if (replica_snapshot_fits(&s.r) != cases[i].fits) {
            fail_msg("%s", cases[i].what);
        }
        end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_without_sense),
        cmocka_unit_test(no_more_lists_than_there_may_be),
        cmocka_unit_test(no_more_votes_than_there_may_be),
        cmocka_unit_test(states_that_have_changed),
        cmocka_unit_test(proposal_with_a_stranger),
        cmocka_unit_test(proposals_without_sense),
        cmocka_unit_test(proposals_with_another_entry),
        cmocka_unit_test(entries_without_sense),
        cmocka_unit_test(pieces_of_the_log),
        cmocka_unit_test(pieces_of_the_state),
        cmocka_unit_test(whole_states),
    };
    return cmocka_run_group_tests_name("core_damage", tests, NULL, NULL);
}
