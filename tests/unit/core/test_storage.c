/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose storage is the right one: each row is a cluster, and what each node must find.
 */
#include "core/model/storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NODES 6u

struct row {
    const char *what;
    uint32_t nodes;          /* that are configured, a vote each */
    const char *states;      /* o: OK, d: DIFFERENT, u: UNKNOWN, -: has no say */
    const char *sees[NODES]; /* ids as digits */
    const char *right;       /* +: right, .: not, of each that has a say */
};

static const struct row rows[] = {
    /* clang-format off */
    {"one alone", 3, "u--", {""}, "+--"},
    {"all see each other", 3, "ooo", {"23", "13", "12"}, "+++"},
    {"by way of another", 3, "ooo", {"2", "13", "2"}, "+++"},
    {"one sees nobody", 3, "ooo", {"2", "1", ""}, "++."},
    {"the first one sees nobody", 3, "ooo", {"", "3", "2"}, ".++"},
    {"nobody sees anybody", 3, "ooo", {"", "", ""}, "+.."},
    {"one sees the others, who do not see it", 3, "ooo", {"2", "1", "12"}, "++."},
    {"the others see one that does not see them", 3, "ooo", {"23", "13", ""}, "++."},
    {"two pairs", 4, "oooo", {"2", "1", "4", "3"}, "++.."},
    {"two pairs, in another order", 4, "oooo", {"3", "4", "1", "2"}, "+.+."},
    {"two and three", 5, "ooooo", {"2", "1", "45", "35", "34"}, "..+++"},
    {"two, two and one", 5, "ooooo", {"2", "1", "4", "3", ""}, "++..."},
    {"one, two and two", 5, "ooooo", {"", "3", "2", "5", "4"}, ".++.."},
    /* -- what was before -- */
    {"one that comes does not take it away", 2, "uo", {"", ""}, ".+"},
    {"nor do two", 5, "u-oo-", {"", "", "4", "3", ""}, ".-++-"},
    {"nor two against one", 5, "uu-o-", {"2", "1", "", ""}, "..-+-"},
    {"but a majority does", 3, "ouu", {"", "3", "2"}, ".++"},
    {"a majority that was found wrong before", 5, "ooddd", {"2", "1", "45", "35", "34"}, "..+++"},
    {"the right ones have gone", 5, "dd---", {"2", "1"}, "..---"},
    {"the right ones have gone but for one", 5, "dd--o", {"2", "1", "", "", ""}, "..--+"},
    {"a new one with those who were found wrong", 6, "dd---u", {"26", "16", "", "", "", "12"}, "..---."},
    {"one that has mended its mount", 3, "ood", {"23", "13", "12"}, "+++"},
    {"a pair that has mended its mount", 4, "oodd", {"234", "134", "124", "123"}, "++++"},
    /* clang-format on */
};

/* The node's claim is the first one for itself, as it is in the daemon. */
static bool finds(const struct row *row, uint32_t self) {
    struct storage_claim claims[NODES];
    uint32_t ids[NODES][NODES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < row->nodes; i++) {
        uint32_t node = (self + i) % row->nodes;
        const char *sees = row->sees[node] ? row->sees[node] : "";
        char state = row->states[node];
        for (uint32_t k = 0; sees[k]; k++) {
            ids[node][k] = (uint32_t)(sees[k] - '0');
        }
        if (state == '-') {
            continue;
        }
        enum volume_state found = state == 'o' ? VOLUME_OK : VOLUME_UNKNOWN;
        claims[n] = (struct storage_claim){
            .node = node + 1,
            .votes = 1,
            .state = state == 'd' ? VOLUME_DIFFERENT : (uint8_t)found,
            .sees = {.v = ids[node], .n = (uint32_t)strlen(sees)},
        };
        n++;
    }
    return storage_is_right(claims, n, 0, row->nodes);
}

static void each_node_finds_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char found[NODES + 1] = "------";
        for (uint32_t node = 0; node < rows[i].nodes; node++) {
            if (rows[i].states[node] != '-') {
                found[node] = finds(&rows[i], node) ? '+' : '.';
            }
        }
        found[rows[i].nodes] = '\0';
        if (strcmp(found, rows[i].right) != 0) {
            fail_msg("%s: found %s, not %s", rows[i].what, found, rows[i].right);
        }
    }
}

/* Votes count, not nodes. */
static void votes_count(void **state) {
    const uint32_t of_two[] = {3}, of_three[] = {2};
    const struct storage_claim claims[] = {
        {.node = 1, .votes = 3, .state = VOLUME_OK},
        {.node = 2, .votes = 1, .state = VOLUME_OK, .sees = {of_two, 1}},
        {.node = 3, .votes = 1, .state = VOLUME_OK, .sees = {of_three, 1}},
    };
    (void)state;
    assert_true(storage_is_right(claims, 3, 0, 5));
    assert_false(storage_is_right(claims, 3, 1, 5));
    assert_false(storage_is_right(claims, 3, 2, 5));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_finds_the_same),
        cmocka_unit_test(votes_count),
    };
    return cmocka_run_group_tests_name("core_storage", tests, NULL, NULL);
}
