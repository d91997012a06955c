/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_checker.c - the checker itself: valid plans pass, and each way of spoiling one is found.
 *
 * A plan is written as text, so that what is wrong with it can be seen:
 *     move VM FROM TO STAGE start|live|cold asked|other [READY_MS]
 *     unplaced VM NODE|- REASON
 *     cost UNPLACED NODES_OVER SOFT MOVES MOVES_OF_OTHERS MOVED_MB LEAST_FREE
 */
#include "checker.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PLAN_MAX 8u

struct written {
    struct placement_move moves[PLAN_MAX];
    struct placement_unplaced unplaced[PLAN_MAX];
    struct placement_plan plan;
};

static uint32_t node_named(const struct world *w, const char *name) {
    return strcmp(name, "-") == 0 ? PLACEMENT_NONE : world_find_node(w, name);
}

static void read_line(const struct world *w, const char *line, struct written *to) {
    char vm[16], from[16], node[16], mode[16], who[16];
    unsigned stage, ready = 0, reason;
    struct placement_cost *c = &to->plan.cost;
    unsigned long long soft, mb;
    if (sscanf(line, " move %15s %15s %15s %u %15s %15s %u", vm, from, node, &stage, mode, who,
               &ready) >= 6) {
        ready = ready > 0 ? ready : 1000 * (stage + 1);
        to->moves[to->plan.n_moves++] = (struct placement_move){
            .vm = world_find_vm(w, vm),
            .from = node_named(w, from),
            .to = node_named(w, node),
            .stage = stage,
            .mode = strcmp(mode, "start") == 0  ? PLACEMENT_START
                    : strcmp(mode, "live") == 0 ? PLACEMENT_LIVE
                                                : PLACEMENT_COLD,
            .asked = strcmp(who, "asked") == 0,
            .ready_ms = ready,
        };
    } else if (sscanf(line, " unplaced %15s %15s %u", vm, node, &reason) == 3) {
        to->unplaced[to->plan.n_unplaced++] =
            (struct placement_unplaced){.vm = world_find_vm(w, vm),
                                        .node = node_named(w, node),
                                        .reason = (enum placement_reason)reason};
    } else if (sscanf(line, " cost %u %u %llu %u %u %llu %u", &c->unplaced, &c->nodes_over, &soft,
                      &c->moves, &c->moves_of_others, &mb, &c->least_free_permille) == 7) {
        c->soft_broken = soft;
        c->moved_mb = mb;
    } else {
        fail_msg("not a line of a plan: %s", line);
    }
}

static void read_plan(const struct world *w, const char *text, struct written *to) {
    char *copy = strdup(text), *rest = NULL;
    memset(to, 0, sizeof(*to));
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        read_line(w, line, to);
    }
    to->plan.moves = to->moves;
    to->plan.unplaced = to->unplaced;
    free(copy);
}

struct checker_case {
    const char *what, *situation, *plan;
    const char *complaint; /* part of it; NULL: the plan is fine, and its costs too */
};

#define TWO "node n1 memory 8 cpu 8\nnode n2 memory 8 cpu 8\n"
#define THREE TWO "node n3 memory 8 cpu 8\n"
#define SWAP                                                                           \
    "node n1 memory 8 cpu 8\nnode n2 memory 8 cpu 8\nnode n3 memory 6 cpu 8\n"         \
    "vm a memory 5 cpu 1 on n1 return-to n2\nvm b memory 5 cpu 1 on n2 return-to n1\n" \
    "request return vms a,b"
#define ROOM_MAKING                                                                     \
    TWO "vm big memory 7 cpu 1\nvm s memory 2 cpu 1 on n1\nvm t memory 2 cpu 1 on n2\n" \
        "request place vms big may-move-others"
#define DRAIN_ONE TWO "vm a memory 2 cpu 1 on n1\nrequest drain nodes n1"
#define NO_MEMORY "19"

/* Values of enum placement_reason are written as numbers: 5 fixed, 4 no auto start, 3 in transit,
 * 19 no memory, 15 affinity. */
static const struct checker_case cases[] = {
    {"a start", TWO "vm a memory 2 cpu 1\nrequest place vms a",
     "move a - n1 0 start asked 500\ncost 0 0 0 0 0 0 750", NULL},
    {"a swap by way of a third node", SWAP,
     "move a n1 n3 0 live asked\nmove b n2 n1 1 live asked\nmove a n3 n2 2 live asked\n"
     "cost 0 0 0 3 0 15 375",
     NULL},
    {"a swap at once", SWAP, "move a n1 n2 0 live asked\nmove b n2 n1 0 live asked",
     "overloaded in resource 0"},
    {"room that is left in the same stage is not there yet", ROOM_MAKING,
     "move s n1 n2 0 live other\nmove big - n1 0 start asked", "overloaded in resource 0"},
    {"room that was left a stage before is", ROOM_MAKING,
     "move s n1 n2 0 live other\nmove big - n1 1 start asked\ncost 0 0 0 1 1 2 125", NULL},
    {"room of a move in progress is not there in stage 0",
     TWO "vm a memory 7 cpu 1 on n1 also-on n2\nvm b memory 7 cpu 1\nrequest place vms b",
     "move b - n1 0 start asked", "overloaded in resource 0"},
    {"it is in stage 1",
     TWO "vm a memory 7 cpu 1 on n1 also-on n2\nvm b memory 7 cpu 1\nrequest place vms b",
     "move b - n1 1 start asked\ncost 0 0 0 0 0 0 125", NULL},
    {"a move in progress takes its room at the other end",
     TWO "vm a memory 7 cpu 1 on n1 also-on n2\nvm b memory 7 cpu 1\nrequest place vms b",
     "move b - n2 1 start asked", "overloaded in resource 0"},
    {"an overloaded node gets nothing more",
     "node n1 memory 4 cpu 8\nvm a memory 5 cpu 1 on n1\nvm b memory 1 cpu 1\nrequest place vms b",
     "move b - n1 0 start asked", "overloaded in resource 0"},
    {"but what takes nothing of that resource",
     "node n1 memory 4 cpu 8\nvm a memory 5 cpu 1 on n1\nvm b cpu 1\nrequest place vms b",
     "move b - n1 0 start asked\ncost 0 0 0 0 0 0 0", NULL},
    {"cpu", "node n1 memory 4 cpu 2\nvm b cpu 3\nrequest place vms b", "move b - n1 0 start asked",
     "overloaded in resource 1"},
    {"cpu with overcommit",
     "node n1 memory 4 cpu 2 overcommit 1.5\nvm b cpu 3\nrequest place vms b",
     "move b - n1 0 start asked\ncost 0 0 0 0 0 0 0", NULL},
    {"a further resource",
     "resource vgpu\nnode n1 memory 4 vgpu 1\nvm b vgpu 2\nrequest place vms b",
     "move b - n1 0 start asked", "overloaded in resource 2"},
    {"the limit of VMs", "node n1 max-vms 1\nvm a on n1\nvm b\nrequest place vms b",
     "move b - n1 0 start asked", "more VMs than it may"},
    {"node state", "node n1 draining\nvm b\nrequest place vms b", "move b - n1 0 start asked",
     "takes no VM"},
    {"possible owners", TWO "vm b possible n2\nrequest place vms b", "move b - n1 0 start asked",
     "not a possible owner"},
    {"cpu model", "node n1 cpu-models x\nvm b cpu-model y\nrequest place vms b",
     "move b - n1 0 start asked", "cpu model"},
    {"volume", "node n1 volumes x\nvm b volumes x,y\nrequest place vms b",
     "move b - n1 0 start asked", "volume"},
    {"excluded", TWO "vm b excluded n1\nrequest place vms b", "move b - n1 0 start asked",
     "excluded"},
    {"a leaving node", TWO "vm a memory 1 on n1\nvm b\nrequest drain nodes n1 vms b",
     "move a n1 n2 0 live asked\nmove b - n1 0 start asked", "leaving"},
    {"its own host", TWO "vm a memory 1 on n1\nrequest place vms a", "move a n1 n1 0 live asked",
     "where it is"},
    {"back to its own host", TWO "vm a memory 1 on n1\nrequest place vms a",
     "move a n1 n2 0 live asked\nmove a n2 n1 1 live asked", "it is its host"},
    {"a fixed VM", TWO "vm a fixed on n1\nrequest place vms a", "move a n1 n2 0 cold asked",
     "it is fixed"},
    {"a fixed VM that was lost", TWO "vm a memory 4 fixed on n1\nrequest failover nodes n1",
     "move a n1 n2 0 start asked\ncost 0 0 0 0 0 0 500", NULL},
    {"not started by a failover", TWO "vm a no-auto-start on n1\nrequest failover nodes n1",
     "move a n1 n2 0 start asked", "not started by a failover"},
    {"hard ON", TWO "vm b\nrule r on hard vms b nodes n2\nrequest place vms b",
     "move b - n1 0 start asked", "hard rule about nodes"},
    {"hard ON, at a stop between",
     THREE "vm b memory 1 on n1\nrule r off hard vms b nodes n2\nrequest place vms b",
     "move b n1 n2 0 live asked\nmove b n2 n3 1 live asked", "hard rule about nodes"},
    {"hard NOT_ON", TWO "vm b\nrule r off hard vms b nodes n1\nrequest place vms b",
     "move b - n1 0 start asked", "hard rule about nodes"},
    {"hard APART at the end",
     TWO "vm a on n1\nvm b\nrule r apart hard vms a,b\nrequest place vms b",
     "move b - n1 0 start asked", "hard APART"},
    {"hard APART during a move",
     THREE "vm a memory 1 on n1\nvm b memory 1 on n2\nrule r apart hard vms a,b\n"
           "request place vms a,b",
     "move a n1 n3 0 live asked\nmove b n2 n1 0 live asked", "hard APART"},
    {"hard APART, one after the other",
     THREE "vm a memory 1 on n1\nvm b memory 1 on n2\nrule r apart hard vms a,b\n"
           "request place vms a,b",
     "move a n1 n3 0 live asked\nmove b n2 n1 1 live asked\ncost 0 0 0 2 0 2 875", NULL},
    {"hard APART in a rack",
     "node n1 rack x\nnode n2 rack x\nvm a on n1\nvm b\nrule r apart hard rack vms a,b\n"
     "request place vms b",
     "move b - n2 0 start asked", "hard APART"},
    {"hard APART at the other end of a move in progress",
     THREE "vm a on n1 also-on n2\nvm b\nrule r apart hard vms a,b\nrequest place vms b",
     "move b - n1 0 start asked", "hard APART"},
    {"hard TOGETHER with one that stays",
     TWO "vm a on n1\nvm b\nrule r together hard vms a,b\nrequest place vms b",
     "move b - n2 0 start asked", "hard TOGETHER"},
    {"hard TOGETHER, both start",
     TWO "vm a\nvm b\nrule r together hard vms a,b\nrequest place vms a,b",
     "move a - n1 0 start asked\nmove b - n2 0 start asked", "hard TOGETHER"},
    {"hard TOGETHER, one is left behind",
     TWO "vm a memory 1 on n1\nvm b memory 9 on n1\nrule r together hard vms a,b\n"
         "request place vms a,b",
     "move a n1 n2 0 live asked\nunplaced b n2 " NO_MEMORY, "hard TOGETHER"},
    {"hard TOGETHER, outside all parts",
     TWO "vm a\nrule r together hard parts n1 vms a\nrequest place vms a",
     "move a - n2 0 start asked", "outside all parts"},
    {"not asked for", TWO "vm a on n1\nvm b\nrequest place vms b", "move a n1 n2 0 live other",
     "not asked for"},
    {"a cold one that was not asked for",
     TWO "vm a on n1 cold\nvm b\nrequest place vms b may-move-others", "move a n1 n2 0 live other",
     "not asked for"},
    {"`asked`", DRAIN_ONE, "move a n1 n2 0 live other", "`asked`"},
    {"mode", DRAIN_ONE, "move a n1 n2 0 cold asked", "wrong mode"},
    {"mode of a lost one", TWO "vm a memory 1 on n1\nrequest failover nodes n1",
     "move a n1 n2 0 live asked", "wrong mode"},
    {"from", DRAIN_ONE, "move a n2 n2 0 live asked", "from a node where it is not"},
    {"the second stop begins where the first ended", SWAP,
     "move a n1 n3 0 live asked\nmove b n2 n1 1 live asked\nmove a n1 n2 2 live asked",
     "from a node where it is not"},
    {"twice in one stage", SWAP, "move a n1 n3 0 live asked\nmove a n3 n2 0 live asked",
     "while it is on its way"},
    {"three times", THREE "node n4 memory 8 cpu 8\nvm a memory 1 on n1\nrequest place vms a",
     "move a n1 n2 0 live asked\nmove a n2 n3 1 live asked\nmove a n3 n4 2 live asked",
     "too often"},
    {"on its way already", THREE "vm a on n1 also-on n2\nrequest place vms a",
     "move a n2 n3 1 live asked", "sent elsewhere"},
    {"stages descend", SWAP, "move a n1 n3 1 live asked\nmove b n2 n1 0 live asked",
     "do not ascend"},
    {"no such node", TWO "vm a\nrequest place vms a", "move a - - 0 start asked",
     "no VM or no node"},
    {"return ends elsewhere", SWAP, "move a n1 n3 0 live asked\nmove b n2 n1 1 live asked",
     "does not end where it returns"},
    {"neither placed nor unplaced", DRAIN_ONE, "cost 0 0 0 0 0 0 1000", "neither"},
    {"both", DRAIN_ONE, "move a n1 n2 0 live asked\nunplaced a n2 " NO_MEMORY, "both"},
    {"unplaced twice", TWO "vm a memory 9\nrequest place vms a",
     "unplaced a n1 " NO_MEMORY "\nunplaced a n1 " NO_MEMORY, "both"},
    {"unplaced, not asked", TWO "vm a\nvm b\nrequest place vms b",
     "move b - n1 0 start asked\nunplaced a n1 " NO_MEMORY, "not asked for"},
    {"unplaced for a reason that is none", TWO "vm a memory 9\nrequest place vms a",
     "unplaced a n1 5", "not so: it is fixed"},
    {"unplaced for a reason that is not the first",
     TWO "vm a memory 9 excluded n1\nrequest place vms a", "unplaced a n1 " NO_MEMORY,
     "not the first"},
    {"unplaced without a reason", TWO "vm a memory 9\nrequest place vms a", "unplaced a n1 1",
     "without a reason"},
    {"order of the unplaced", TWO "vm a memory 9\nvm b memory 9 priority 2\nrequest place vms a,b",
     "unplaced a n1 " NO_MEMORY "\nunplaced b n1 " NO_MEMORY, "most important"},
    {"ready too soon", TWO "vm a start-ms 700\nrequest place vms a",
     "move a - n1 0 start asked 600\ncost 0 0 0 0 0 0 1000", "ready before"},
    {"ready before the stage began", SWAP,
     "move a n1 n3 0 live asked 100\nmove b n2 n1 1 live asked 50\nmove a n3 n2 2 live asked 120\n"
     "cost 0 0 0 3 0 15 375",
     "ready before"},
    {"more than moves_max",
     THREE "vm big memory 7\nvm s memory 2 on n1\nrequest place vms big may-move-others "
           "moves-max 1",
     "move s n1 n2 0 live other\nmove s n2 n3 1 live other\nmove big - n1 1 start asked\n"
     "cost 0 0 0 2 2 4 125",
     "moves_max"},
    {"cost: unplaced", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 1 0 0 1 0 2 750",
     "cost.unplaced"},
    {"cost: nodes over", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 0 1 0 1 0 2 750",
     "cost.nodes_over"},
    {"cost: soft", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 0 0 1 1 0 2 750",
     "cost.soft_broken"},
    {"cost: moves", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 0 0 0 2 0 2 750", "cost.moves is"},
    {"cost: others", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 0 0 0 1 1 2 750",
     "cost.moves_of_others"},
    {"cost: MB", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 0 0 0 1 0 3 750", "cost.moved_mb"},
    {"cost: least free", DRAIN_ONE, "move a n1 n2 0 live asked\ncost 0 0 0 1 0 2 751",
     "cost.least_free"},
    {"soft rules: three in one domain, a pair apart, one elsewhere, one where it should not be; "
     "and one that names nobody asked for",
     TWO
     "vm a on n1\nvm b on n1\nvm c\nvm d on n2\nrule one apart soft weight 2 vms a,b,c,a\n"
     "rule two together soft weight 10 vms a,c,d\nrule three on soft weight 100 vms c nodes n2\n"
     "rule four off soft weight 1000 vms c,d nodes n2\n"
     "rule five off soft weight 10000 vms d nodes n2\nrequest place vms c",
     "move c - n1 0 start asked\ncost 0 0 1114 0 0 0 1000", NULL},
    {"balance: the load counts, not the need",
     "node n1 memory 10 cpu 8 threshold 0.5\nnode n2 memory 10 cpu 8 threshold 0.5\n"
     "vm a memory 8 on n1 load-memory 6\nvm b memory 1 on n2 load-memory 1\nrequest balance",
     "cost 0 1 0 0 0 0 1000", NULL},
};

static void test_every_complaint(void **state) {
    (void)state;
    unsigned n_wrong = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct checker_case *c = &cases[i];
        struct world *w = world_create();
        struct written written;
        char text[CHECKER_TEXT_MAX];
        if (world_parse(w, c->situation) < 0) {
            fail_msg("%s: %s", c->what, w->error);
        }
        read_plan(w, c->plan, &written);
        bool ok = checker_plan_ok(&w->problem, &w->request, &written.plan, CHECKER_ALL, text);
        if (ok != (c->complaint == NULL) || (!ok && strstr(text, c->complaint) == NULL)) {
            print_error("%s:\n  is      %s\n  should  %s\n", c->what, ok ? "fine" : text,
                        c->complaint != NULL ? c->complaint : "fine");
            n_wrong++;
        }
        world_destroy(w);
    }
    assert_int_equal(n_wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_complaint)};
    return cmocka_run_group_tests_name("placement: the checker", tests, NULL, NULL);
}
