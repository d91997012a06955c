/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of placement: what is taken and what refused, what a hard one keeps from being ordered, and
 * what becomes of a rule when its VMs go. And what may be set of a VM and a node.
 */
#include "core/planner/planner.h"
#include "core/model/rules.h"
#include "core/model/settings.h"
#include "unit/core/one_model.h"
#include "planned.h"

#include <errno.h>
#include <stdio.h>

static const char *const ab[] = {"a", "b"};
static const char *const abc[] = {"a", "b", "c"};
static const char *const twice[] = {"a", "a"};
static const char *const n1[] = {"n1"};
static const char *const n2[] = {"n2"};

static void begin(struct bench *b) {
    bench_begin(b);
    for (size_t i = 0; i < ARRAY_SIZE(abc); i++) {
        (void)bench_add_vm(b, abc[i], true);
    }
    bench_volume_ok(b, "csv1");
}

static enum core_reply_code apart(struct bench *b, const char *name, bool hard) {
    return GIVE(b, RULE_ADD, .name = name, .kind = RULE_APART, .scope = SCOPE_NODE, .hard = hard,
                .vms = {ab, 2});
}

static void shapes(void **state) {
    static const struct {
        struct cmd_rule_add rule;
        enum core_reply_code code;
        const char *text;
    } cases[] = {
        {{.name = "-x", .kind = RULE_APART}, REPLY_REFUSED, "not a valid name for a rule"},
        {{.name = "r"}, REPLY_REFUSED, "must be apart, together"},
        {{.name = "r", .kind = RULE_APART, .vms = {ab, 2}}, REPLY_REFUSED, "scope"},
        {{.name = "r", .kind = RULE_APART, .scope = 9, .vms = {ab, 2}}, REPLY_REFUSED, "scope"},
        {{.name = "r", .kind = RULE_APART, .scope = SCOPE_NODE, .vms = {ab, 1}},
         REPLY_REFUSED,
         "fewer than two"},
        {{.name = "r",
          .kind = RULE_TOGETHER,
          .scope = SCOPE_RACK,
          .vms = {ab, 2},
          .nodes = {n1, 1}},
         REPLY_REFUSED,
         "must name none"},
        {{.name = "r", .kind = RULE_ON, .vms = {ab, 2}}, REPLY_REFUSED, "VMs and nodes"},
        {{.name = "r", .kind = RULE_ON, .scope = SCOPE_NODE, .vms = {ab, 2}, .nodes = {n1, 1}},
         REPLY_REFUSED,
         "have a scope"},
        {{.name = "r", .kind = RULE_APART, .scope = SCOPE_NODE, .vms = {twice, 2}},
         REPLY_REFUSED,
         "named twice"},
        {{.name = "r",
          .kind = RULE_APART,
          .scope = SCOPE_NODE,
          .vms = {ab, 2},
          .hard = 1,
          .weight = 2},
         REPLY_REFUSED,
         "no weight"},
        {{.name = "r", .kind = RULE_APART, .scope = SCOPE_NODE, .vms = {n1, 1}},
         REPLY_REFUSED,
         "fewer"},
        {{.name = "r", .kind = RULE_ON, .vms = {n1, 1}, .nodes = {n1, 1}},
         REPLY_NOT_FOUND,
         "no VM 'n1'"},
        {{.name = "r", .kind = RULE_NOT_ON, .vms = {ab, 2}, .nodes = {ab, 1}},
         REPLY_NOT_FOUND,
         "no node 'a'"},
    };
    struct bench b;
    (void)state;
    begin(&b);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(bench_give(&b, COMMAND_RULE_ADD, &cases[i].rule), cases[i].code);
        assert_non_null(strstr(b.last.message, cases[i].text));
        assert_true(b.last.hint[0] != '\0');
    }
    assert_int_equal(b.m.rules.n, 0);
    assert_int_equal(apart(&b, "r", false), REPLY_OK);
    assert_int_equal(((struct model_rule *)b.m.rules.rows)->weight, 1);
    assert_int_equal(apart(&b, "r", false), REPLY_REFUSED); /* it is there */
    assert_int_equal(GIVE(&b, RULE_REMOVE, .rule = "q"), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, RULE_REMOVE, .rule = "r"), REPLY_OK);
    assert_int_equal(b.m.rules.n, 0);
    bench_end(&b);
}

static void contradictions(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    assert_int_equal(apart(&b, "apart", true), REPLY_OK);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "t", .kind = RULE_TOGETHER, .scope = SCOPE_NODE,
                          .hard = 1, .vms = {abc, 3}),
                     REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "apart"));
    /* In one rack on two nodes: that can be. Softly anything can. */
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "t", .kind = RULE_TOGETHER, .scope = SCOPE_RACK,
                          .hard = 1, .vms = {abc, 3}),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "s", .kind = RULE_TOGETHER, .scope = SCOPE_NODE,
                          .vms = {abc, 3}),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "on", .kind = RULE_ON, .hard = 1, .vms = {ab, 1},
                          .nodes = {n1, 1}),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "off", .kind = RULE_NOT_ON, .hard = 1,
                          .vms = {abc, 3}, .nodes = {n1, 1}),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "on2", .kind = RULE_ON, .hard = 1, .vms = {ab, 2},
                          .nodes = {n2, 1}),
                     REPLY_REFUSED);
    bench_end(&b);
}

static void run_on(struct bench *b, const char *name, uint32_t node) {
    const struct model_vm *vm = model_vm_by_name(&b->m, name);
    assert_int_equal(bench_order(b, vm, ORDER_START, node, 0), REPLY_OK);
    assert_int_equal(bench_report(b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
}

/* Held when the order is applied, at both ends of a move, whoever thought of it. */
static void orders_are_held_against_hard_rules(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    assert_int_equal(apart(&b, "apart", true), REPLY_OK);
    const struct model_vm *first = model_vm_by_name(&b.m, "a");
    const struct model_vm *second = model_vm_by_name(&b.m, "b");
    run_on(&b, "a", 1);
    assert_int_equal(bench_order(&b, second, ORDER_START, 1, 0), REPLY_REFUSED);
    run_on(&b, "b", 2);
    assert_int_equal(bench_order(&b, second, ORDER_MIGRATE, 2, 1), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, second, ORDER_SAVE, 2, 1), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, second, ORDER_MIGRATE, 2, 3), REPLY_OK);
    assert_int_equal(bench_order(&b, first, ORDER_MIGRATE, 1, 2), REPLY_REFUSED); /* not off yet */
    assert_int_equal(bench_order(&b, first, ORDER_MIGRATE, 1, 3), REPLY_REFUSED);
    assert_int_equal(bench_report(&b, second, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(bench_order(&b, first, ORDER_MIGRATE, 1, 2), REPLY_OK);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "off", .kind = RULE_NOT_ON, .hard = 1,
                          .vms = {abc, 3}, .nodes = {n1, 1}),
                     REPLY_OK);
    const struct model_vm *third = model_vm_by_name(&b.m, "c");
    assert_int_equal(bench_order(&b, third, ORDER_START, 1, 0), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, third, ORDER_START, 2, 0), REPLY_OK);
    bench_end(&b);
}

static void breaches_are_counted_and_told(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    run_on(&b, "a", 1);
    run_on(&b, "b", 1);
    run_on(&b, "c", 2);
    assert_int_equal(apart(&b, "apart", true), REPLY_OK);
    assert_non_null(strstr(b.last.warning, "is broken by where VMs run now (1 time);"));
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "t", .kind = RULE_TOGETHER, .scope = SCOPE_NODE,
                          .vms = {abc, 3}),
                     REPLY_OK);
    assert_string_equal(b.last.warning, "");
    assert_int_equal(rule_broken(&b.m, model_rule_by_name(&b.m, "t")), 1);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "on", .kind = RULE_ON, .vms = {abc, 3},
                          .nodes = {n2, 1}),
                     REPLY_OK);
    assert_int_equal(rule_broken(&b.m, model_rule_by_name(&b.m, "on")), 2);
    bench_view(&b, 2, 2);
    struct model_node *node = bench_node(&b, 3);
    node->configured = 0;
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "three", .kind = RULE_APART, .scope = SCOPE_NODE,
                          .hard = 1, .vms = {abc, 3}),
                     REPLY_OK);
    assert_non_null(strstr(b.last.warning, "keeps VMs down: it has 3 VMs, and there are 2 nodes"));
    bench_end(&b);
}

static void rules_shrink_with_their_vms(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    assert_int_equal(apart(&b, "two", false), REPLY_OK);
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "three", .kind = RULE_APART, .scope = SCOPE_SITE,
                          .vms = {abc, 3}),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "a"), REPLY_OK);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "a"), REPLY_OK);
    assert_null(model_rule_by_name(&b.m, "two"));
    assert_int_equal(model_rule_by_name(&b.m, "three")->vms.n, 2);
    struct model copy;
    struct buffer bytes;
    model_init(&copy);
    buffer_init(&bytes);
    model_encode(&b.m, &bytes);
    assert_int_equal(model_decode(&copy, bytes.data, bytes.size), 0);
    assert_int_equal(model_digest(&copy), model_digest(&b.m));
    assert_int_equal(copy.rules.n, 1);
    model_finish(&copy);
    /* A snapshot of version 1 has no rules: it ends before their number. */
    b.m.rules.n = 0;
    buffer_clear(&bytes);
    model_encode(&b.m, &bytes);
    b.m.rules.n = 1;
    assert_int_equal(model_decode(&copy, bytes.data, bytes.size - 4), 0);
    assert_int_equal(copy.rules.n, 0);
    model_finish(&copy);
    assert_int_equal(model_decode(&copy, bytes.data, bytes.size - 2), -EBADMSG);
    model_finish(&copy);
    buffer_finish(&bytes);
    bench_end(&b);
}

/* What is planned keeps them too, and says whose rule it is that leaves a VM without a place. */
static void the_planner_knows_them(void **state) {
    struct bench b;
    struct arena arena;
    struct planner_plan plan;
    (void)state;
    begin(&b);
    arena_init(&arena);
    assert_int_equal(apart(&b, "apart", true), REPLY_OK);
    assert_int_equal(planned_starts(&b.m, 0, true, &arena, &plan), 0);
    assert_int_equal(plan.n, 3);
    assert_int_equal(plan.n_unplaced, 0);
    run_on(&b, "a", 1);
    bench_node(&b, 2)->service = SERVICE_DRAINED;
    bench_node(&b, 3)->service = SERVICE_DRAINED;
    assert_int_equal(planned_starts(&b.m, 0, true, &arena, &plan), 0);
    assert_int_equal(plan.n_unplaced, 1);
    const struct planner_choice *down = &plan.v[plan.n - 1];
    assert_int_equal(down->vm, model_vm_by_name(&b.m, "b")->id);
    print_message("    %s\n", down->reason);
    assert_non_null(strstr(down->reason, "apart"));
    arena_finish(&arena);
    bench_end(&b);
}

static void what_may_be_set(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    run_on(&b, "a", 1);
    struct model_vm *vm = bench_vm(&b, "a");
    assert_int_equal(GIVE(&b, VM_SET, .vm = "x", .given = VM_SET_PRIORITY), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, VM_SET, .vm = "a"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_SET, .vm = "a", .given = VM_SET_POSSIBLE, .possible = {ab, 1}),
                     REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, VM_SET, .vm = "a", .given = VM_SET_POSSIBLE | VM_SET_PRIORITY,
                          .priority = 7, .possible = {n2, 1}),
                     REPLY_OK);
    assert_non_null(strstr(b.last.warning, "no longer one of its possible owners"));
    assert_true(vm->priority == 7 && vm->possible.n == 1 && vm->preferred.n == 0);
    assert_int_equal(GIVE(&b, VM_SET, .vm = "a", .given = VM_SET_POSSIBLE | VM_SET_PREFERRED,
                          .preferred = {n1, 1}),
                     REPLY_OK);
    assert_true(vm->priority == 7 && vm->possible.n == 0 && vm->preferred.n == 1);
    assert_int_equal(GIVE(&b, NODE_SET, .node = "x", .given = NODE_SET_VMS_MAX), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, NODE_SET, .node = "n1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, NODE_SET, .node = "n1", .given = NODE_SET_VMS_MAX, .vms_max = 1),
                     REPLY_OK);
    assert_int_equal(model_node_by_id(&b.m, 1)->vms_max, 1);
    bench_end(&b);
}

/* A VM that is not to start by itself is lost with its node, and stays down. */
static void no_auto_start(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    run_on(&b, "a", 3);
    run_on(&b, "b", 3);
    const struct model_vm *vm = model_vm_by_name(&b.m, "a");
    assert_int_equal(GIVE(&b, VM_SET, .vm = "a", .given = VM_SET_AUTO_START), REPLY_OK);
    bench_view(&b, 2, 2);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_OK);
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(vm->wanted, WANTED_STOPPED);
    assert_non_null(strstr(vm->reason, "auto start is off"));
    assert_int_equal(model_vm_by_name(&b.m, "b")->wanted, WANTED_RUNNING);
    assert_int_equal(GIVE(&b, VM_START, .vm = "a"), REPLY_OK);
    assert_int_equal(vm->wanted, WANTED_RUNNING);
    bench_end(&b);
}

static void named_settings(void **state) {
    struct bench b;
    char text[SETTING_TEXT];
    (void)state;
    bench_begin(&b);
    assert_int_equal(setting_get(&b.m, SETTING_balance), BALANCE_OFF);
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "balance", .value = "auto"), REPLY_OK);
    assert_int_equal(setting_get(&b.m, SETTING_balance), BALANCE_AUTO);
    static const char *const wrong[] = {"", "2", "aut", "auto|", "off|advise"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(GIVE(&b, CONFIG_SET, .key = "balance", .value = wrong[i]), REPLY_REFUSED);
        assert_non_null(strstr(b.last.message, "one of off|advise|auto"));
    }
    assert_string_equal(setting_text(SETTING_balance, BALANCE_ADVISE, text), "advise");
    assert_string_equal(setting_text(SETTING_balance_pause_s, 60, text), "60");
    bench_end(&b);
}

/* What is too full is made emptier by VMs that may be moved for it. */
static void balance(void **state) {
    struct bench b;
    struct arena arena;
    struct planner_plan plan;
    (void)state;
    begin(&b);
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_SIZE(abc); i++) {
        bench_vm(&b, abc[i])->memory_mb = 1200;
        run_on(&b, abc[i], 1);
    }
    assert_int_equal(planned_balance(&b.m, 1000000, NULL, 0, &arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].from == 1 && plan.v[0].to != 1);
    /* On a preferred owner; moved a while ago; to return: these stay. */
    assert_int_equal(GIVE(&b, VM_SET, .vm = "a", .given = VM_SET_PREFERRED, .preferred = {n1, 1}),
                     REPLY_OK);
    bench_vm(&b, "b")->moved_ms = 999999;
    bench_vm(&b, "c")->return_to = 2;
    assert_int_equal(planned_balance(&b.m, 1000000, NULL, 0, &arena, &plan), 0);
    assert_int_equal(plan.n, 0);
    /* None may be moved at all: that is not a question about all of them. */
    bench_vm(&b, "c")->return_to = 0;
    bench_vm(&b, "c")->moved_ms = 999999;
    assert_int_equal(planned_balance(&b.m, 1000000, NULL, 0, &arena, &plan), 0);
    assert_int_equal(plan.n, 0);
    bench_vm(&b, "c")->return_to = 2;
    bench_vm(&b, "c")->moved_ms = 0;
    assert_int_equal(planned_balance(&b.m, 1000000 + 3600000, NULL, 0, &arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].vm == model_vm_by_name(&b.m, "b")->id);
    /* A busy cpu is one reason, too. */
    for (size_t i = 0; i < ARRAY_SIZE(abc); i++) {
        bench_vm(&b, abc[i])->memory_mb = 100;
        bench_vm(&b, abc[i])->vcpus = 2;
    }
    struct planner_load loads[] = {{.node = 1, .cpu_busy_permille = 700}};
    assert_int_equal(planned_balance(&b.m, UINT64_C(1) << 40, loads, 1, &arena, &plan), 0);
    assert_int_equal(plan.n, 0);
    loads[0].cpu_busy_permille = 900;
    assert_int_equal(planned_balance(&b.m, UINT64_C(1) << 40, loads, 1, &arena, &plan), 0);
    assert_int_equal(plan.n, 1);
    arena_finish(&arena);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(contradictions),
        cmocka_unit_test(orders_are_held_against_hard_rules),
        cmocka_unit_test(breaches_are_counted_and_told),
        cmocka_unit_test(rules_shrink_with_their_vms),
        cmocka_unit_test(the_planner_knows_them),
        cmocka_unit_test(what_may_be_set),
        cmocka_unit_test(no_auto_start),
        cmocka_unit_test(named_settings),
        cmocka_unit_test(balance),
    };
    return cmocka_run_group_tests_name("core_rules", tests, NULL, NULL);
}
