/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_oracle.c - the brute force itself, on cases that can be worked out by hand. */
#include "oracle.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct oracle_case {
    const char *what, *situation;
    uint32_t n_unplaced, others, soft_with_others, soft, nodes_over;
};

#define TWO "node n1 memory 8 cpu 8\nnode n2 memory 8 cpu 8\n"

static const struct oracle_case cases[] = {
    {"nothing to do", "request place", 0, 0, 0, 0, 0},
    {"no node", "vm a\nrequest place vms a", 1, 0, 0, 0, 0},
    {"Pacemaker's example: all three fit",
     "node n1 memory 2048 cpu 2\nnode n2 memory 4096 cpu 4\nvm s memory 1024 cpu 1\n"
     "vm m memory 2048 cpu 2\nvm l memory 3072 cpu 3\nrequest place vms s,m,l",
     0, 0, 0, 0, 0},
    {"with one more cpu they do not",
     "node n1 memory 2048 cpu 2\nnode n2 memory 4096 cpu 4\nvm s memory 1024 cpu 2\n"
     "vm m memory 2048 cpu 2\nvm l memory 3072 cpu 3\nrequest place vms s,m,l",
     1, 0, 0, 0, 0},
    {"room is made",
     TWO "vm big memory 7\nvm s memory 2 on n1\nvm t memory 2 on n2\n"
         "request place vms big may-move-others",
     0, 1, 0, 0, 0},
    {"nobody may make room",
     TWO "vm big memory 7\nvm s memory 2 on n1\nvm t memory 2 on n2\n"
         "request place vms big",
     1, 0, 0, 0, 0},
    {"nor more than are allowed",
     "node n1 memory 8\nnode n2 memory 8\nvm big memory 8\nvm s memory 2 on n1\n"
     "vm t memory 2 on n1\nvm u memory 4 fixed on n2\n"
     "request place vms big may-move-others moves-max 1",
     1, 0, 0, 0, 0},
    {"two moves make room for one",
     "node n1 memory 8\nnode n2 memory 8\nvm big memory 8\nvm s memory 2 on n1\n"
     "vm t memory 2 on n1\nvm u memory 4 fixed on n2\n"
     "request place vms big may-move-others moves-max 2",
     0, 2, 0, 0, 0},
    {"cold and fixed ones do not make room",
     TWO "vm big memory 7\nvm s memory 2 cold on n1\nvm t memory 2 fixed on n2\n"
         "request place vms big may-move-others",
     1, 0, 0, 0, 0},
    {"a swap has no first step",
     TWO "vm a memory 5 on n1 return-to n2\nvm b memory 5 on n2 return-to n1\n"
         "request return vms a,b",
     2, 0, 0, 0, 0},
    {"but by way of a third node",
     TWO "node n3 memory 5\nvm a memory 5 on n1 return-to n2\nvm b memory 5 on n2 return-to n1\n"
         "request return vms a,b",
     0, 0, 0, 0, 0},
    {"soft rules give way to being placed",
     "node n1 memory 8\nvm a on n1\nvm b\nrule r apart soft weight 3 vms a,b\n"
     "request place vms b",
     0, 0, 3, 3, 0},
    {"hard ones do not",
     "node n1 memory 8\nvm a on n1\nvm b\nrule r apart hard vms a,b\n"
     "request place vms b",
     1, 0, 0, 0, 0},
    {"a move of another mends a soft rule",
     TWO "node n3 memory 1\nvm a memory 1 on n1\nvm b memory 2\nvm c memory 8 possible n2\n"
         "rule r apart soft vms a,b\nrequest place vms b,c may-move-others",
     0, 0, 1, 0, 0},
    {"soft rules of those that are not asked for do not matter",
     TWO "vm a on n1\nvm b on n1\nvm c\nrule r apart soft vms a,b\n"
         "request place vms c may-move-others",
     0, 0, 0, 0, 0},
    {"a hard group goes as one or not at all",
     "node n1 memory 4\nnode n2 memory 3\nnode n3 memory 3\nvm a memory 2 on n1\n"
     "vm b memory 2 on n1\nrule r together hard vms a,b\nrequest drain nodes n1",
     2, 0, 0, 0, 0},
    {"room of a move in progress",
     TWO "vm a memory 7 on n1 also-on n2\nvm b memory 7\nrequest place vms b", 0, 0, 0, 0, 0},
    {"balance",
     "node n1 memory 10 threshold 0.5\nnode n2 memory 10 threshold 0.5\n"
     "vm a memory 3 on n1\nvm b memory 3 on n1\nrequest balance",
     0, 1, 0, 0, 0},
    {"no balance to be had",
     "node n1 memory 10 threshold 0.5\nnode n2 memory 10 threshold 0.5\n"
     "vm a memory 6 on n1\nvm b memory 3 on n1\nrequest balance",
     0, 0, 0, 0, 1},
};

static void test_by_hand(void **state) {
    (void)state;
    const struct oracle_options options = {0};
    unsigned n_wrong = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct oracle_case *c = &cases[i];
        struct world *w = world_create();
        struct oracle_answer a;
        if (world_parse(w, c->situation) < 0) {
            fail_msg("%s: %s", c->what, w->error);
        }
        assert_true(oracle_solve(&w->problem, &w->request, &options, &a));
        uint32_t n = 0; /* all have one priority: its count stands alone */
        for (oracle_unplaced_t u = a.unplaced; u > 0; u >>= 5) {
            n += (uint32_t)(u & 31);
        }
        if (n != c->n_unplaced || a.others != c->others || a.soft != c->soft ||
            a.soft_with_others != c->soft_with_others || a.nodes_over != c->nodes_over) {
            print_error("%s: %u unplaced, %u others, soft %llu and %llu, %u over\n", c->what, n,
                        a.others, (unsigned long long)a.soft_with_others,
                        (unsigned long long)a.soft, a.nodes_over);
            n_wrong++;
        }
        world_destroy(w);
    }
    assert_int_equal(n_wrong, 0);
}

/* Highest priority first: one important VM is worth any number of others. */
static void test_priorities(void **state) {
    (void)state;
    const struct oracle_options options = {0};
    struct oracle_answer a;
    struct world *w = world_create();
    const struct placement_unplaced left[2] = {{.vm = 1}, {.vm = 2}};
    const struct placement_plan plan = {.unplaced = left, .n_unplaced = 2};
    assert_int_equal(world_parse(w, "node n1 memory 8\nvm big memory 8 priority 5\nvm a memory 4\n"
                                    "vm b memory 4\nrequest place vms big,a,b"),
                     0);
    assert_true(oracle_solve(&w->problem, &w->request, &options, &a));
    assert_true(a.unplaced == oracle_unplaced(&w->problem, &plan));
    world_destroy(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand),
                                       cmocka_unit_test(test_priorities)};
    return cmocka_run_group_tests_name("placement: the brute force", tests, NULL, NULL);
}
