/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the model to the solver and back: what the model says of nodes, volumes, CPU models and VMs
 * on their way reaches it, and whatever stands in the model, there is an answer.
 */
#include "core/planner/planner.h"
#include "unit/core/one_model.h"

#include <errno.h>

struct question {
    struct bench b;
    struct arena arena;
    struct planner_explanation answer;
};

static void ask(struct question *q, const struct model_vm *vm) {
    arena_reset(&q->arena);
    assert_int_equal(planner_explain(&q->b.m, vm->id, &q->arena, &q->answer), 0);
    assert_int_equal(q->answer.n, 3);
    assert_true(q->answer.summary[0] != '\0');
}

static const char *verdict(const struct question *q, uint32_t node) {
    for (uint32_t i = 0; i < q->answer.n; i++) {
        if (q->answer.v[i].node == node) {
            return q->answer.v[i].verdict;
        }
    }
    return "";
}

static int begin(void **state) {
    struct question *q = calloc(1, sizeof(*q));
    assert_non_null(q);
    bench_begin(&q->b);
    arena_init(&q->arena);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(GIVE(&q->b, VOLUME_HEALTH, .volume = "csv1", .node = i,
                              .incarnation = 10 + i, .state = VOLUME_OK),
                         REPLY_OK);
    }
    *state = q;
    return 0;
}

static int end(void **state) {
    struct question *q = *state;
    arena_finish(&q->arena);
    bench_end(&q->b);
    free(q);
    return 0;
}

static void node_states(void **state) {
    struct question *q = *state;
    struct model_vm *vm = bench_running_vm(&q->b, "vm1", 1);
    struct model_node *n2 = bench_node(&q->b, 2), *n3 = bench_node(&q->b, 3);
    ask(q, vm);
    assert_true(q->answer.best == 2 || q->answer.best == 3);
    static const enum node_state states[] = {NODE_NEVER_SEEN, NODE_JOINING, NODE_SILENT, NODE_LOST,
                                             NODE_FENCING,    NODE_FENCED,  NODE_OFFLINE};
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        n2->state = (uint8_t)states[i];
        ask(q, vm);
        assert_int_equal(q->answer.best, 3);
        assert_false(q->answer.v[1].possible);
    }
    n2->state = NODE_ONLINE;
    n2->service = SERVICE_DRAINING;
    n3->service = SERVICE_DRAINED;
    ask(q, vm);
    assert_int_equal(q->answer.best, 0);
    assert_string_equal(verdict(q, 2), verdict(q, 3));
    n2->service = n3->service = SERVICE_ACTIVE;
    n2->fence_asked = 1;
    n3->configured = 0;
    ask(q, vm);
    assert_int_equal(q->answer.best, 0);
}

static void cpu_models(void **state) {
    struct question *q = *state;
    static const char *const offers[] = {"Skylake", "Haswell"};
    assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = 1, .incarnation = 11, .memory_mb = 4096,
                          .cpus = 4, .cpu_models = {offers, 2}, .site = "a", .rack = "r1"),
                     REPLY_OK);
    assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = 2, .incarnation = 12, .memory_mb = 4096,
                          .cpus = 4, .cpu_models = {offers, 1}, .site = "b", .rack = "r1"),
                     REPLY_OK);
    static const char *const wanted[][2] = {{"custom", "Haswell"}, {"custom", "Haswell"},
                                            {"custom", "Skylake"}, {"custom", "EPYC"},
                                            {"custom", ""},        {"host-model", "Haswell"}};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(GIVE(&q->b, VM_ADD, .name = names[i], .uuid = names[i], .xml = "x",
                              .memory_mb = 512, .vcpus = 1, .cpu_mode = wanted[i][0],
                              .cpu_model = wanted[i][1]),
                         REPLY_OK);
    }
    static const bool possible[][2] = {{true, false},  {true, false}, {true, true},
                                       {false, false}, {true, true},  {true, true}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        ask(q, model_vm_by_name(&q->b.m, names[i]));
        assert_int_equal(q->answer.v[0].possible, possible[i][0]);
        assert_int_equal(q->answer.v[1].possible, possible[i][1]);
        assert_true(q->answer.v[2].possible); /* a node that has not told offers all */
    }
}

/* pc is pc-7 on n1, and pc-10 on n2, which has both; n3 has not told. */
static void machines(void **state) {
    struct question *q = *state;
    static const char *const older[] = {"x86_64/pc=pc-7", "x86_64/pc-7", "i686/isapc"};
    static const char *const newer[] = {"x86_64/pc=pc-10", "x86_64/pc-7", "x86_64/pc-10"};
    assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = 1, .incarnation = 11, .memory_mb = 4096,
                          .cpus = 4, .machines = {older, 3}),
                     REPLY_OK);
    assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = 2, .incarnation = 12, .memory_mb = 4096,
                          .cpus = 4, .machines = {newer, 3}),
                     REPLY_OK);
    static const struct {
        const char *machine, *arch, *running; /* "": it is off */
        bool possible[2];                     /* on n1, n2 */
    } cases[] = {
        {"pc", "x86_64", "", {true, true}},
        {"pc-7", "x86_64", "", {true, true}},
        {"pc-10", "x86_64", "", {false, true}},
        {"pc", "aarch64", "", {false, false}},
        {"isapc", "x86_64", "", {false, false}},
        {"isapc", "", "", {true, false}},
        {"", "", "", {true, true}},
        {"pc", "x86_64", "pc-7", {true, true}},
        {"pc", "x86_64", "pc-10", {false, true}},
        {"pc-1", "x86_64", "", {false, false}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(GIVE(&q->b, VM_ADD, .name = "vm", .uuid = "vm", .xml = "x",
                              .memory_mb = 512, .vcpus = 1, .machine = cases[i].machine,
                              .arch = cases[i].arch, .start = cases[i].running[0] != 0),
                         REPLY_OK);
        struct model_vm *vm = bench_vm(&q->b, "vm");
        if (cases[i].running[0]) {
            assert_int_equal(bench_order(&q->b, vm, ORDER_START, 3, 0), REPLY_OK);
            assert_int_equal(GIVE(&q->b, VM_REPORT, .vm = vm->id, .order = vm->order_index,
                                  .node = 3, .incarnation = 13, .result = RESULT_OK,
                                  .state = VM_STATE_RUNNING, .machine = cases[i].running),
                             REPLY_OK);
        }
        ask(q, vm);
        assert_true(q->answer.v[0].possible == cases[i].possible[0]);
        assert_true(q->answer.v[1].possible == cases[i].possible[1]);
        assert_true(cases[i].running[0] || q->answer.v[2].possible);
        if (!cases[i].possible[0]) {
            const char *type = cases[i].running[0] ? cases[i].running : cases[i].machine;
            char text[64];
            (void)snprintf(text, sizeof(text), "it has no machine type %s", type);
            assert_string_equal(q->answer.v[0].reason, text);
        }
        vm->state = VM_OFF;
        vm->wanted = WANTED_STOPPED;
        assert_int_equal(GIVE(&q->b, VM_REMOVE, .vm = "vm"), REPLY_OK);
    }
}

/* It keeps the type it was started with as long as it runs or lies saved; and starts anew with any.
 */
static void machine_of_a_life(void **state) {
    struct question *q = *state;
    struct model_vm *vm = bench_add_vm(&q->b, "vm1", true);
    assert_int_equal(bench_order(&q->b, vm, ORDER_START, 1, 0), REPLY_OK);
    assert_int_equal(GIVE(&q->b, VM_REPORT, .vm = vm->id, .order = vm->order_index, .node = 1,
                          .incarnation = 11, .result = RESULT_OK, .state = VM_STATE_RUNNING,
                          .machine = "pc-10"),
                     REPLY_OK);
    assert_string_equal(vm->machine_running, "pc-10");
    assert_int_equal(bench_order(&q->b, vm, ORDER_SAVE, 1, 2), REPLY_OK);
    assert_int_equal(bench_report(&q->b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(bench_order(&q->b, vm, ORDER_RESTORE, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&q->b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_string_equal(vm->machine_running, "pc-10");
    assert_int_equal(bench_order(&q->b, vm, ORDER_DESTROY, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&q->b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_string_equal(vm->machine_running, "");
}

/* Whoever adds a VM is told that its alias means what another node cannot run. */
static void alias_that_differs(void **state) {
    struct question *q = *state;
    static const char *const older[] = {"x86_64/pc=pc-7", "x86_64/pc-7", "x86_64/q35=q35-7",
                                        "x86_64/q35-7"};
    static const char *const newer[] = {"x86_64/pc=pc-10", "x86_64/pc-7", "x86_64/pc-10",
                                        "x86_64/q35=q35-7", "x86_64/q35-7"};
    assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = 1, .incarnation = 11, .machines = {older, 4}),
                     REPLY_OK);
    assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = 2, .incarnation = 12, .machines = {newer, 5}),
                     REPLY_OK);
    static const char *const names[] = {"pc", "q35", "pc-7", ""};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(GIVE(&q->b, VM_ADD, .name = "vm", .uuid = "vm", .xml = "x",
                              .memory_mb = 512, .vcpus = 1, .machine = names[i]),
                         REPLY_OK);
        assert_string_equal(q->b.last.warning,
                            i == 0 ? "pc is pc-10 on n2 and pc-7 on n1: started on n2, vm cannot "
                                     "be moved to n1; name a machine type that all nodes have"
                                   : "");
        assert_int_equal(GIVE(&q->b, VM_REMOVE, .vm = "vm"), REPLY_OK);
    }
    const char *const only = "n2";
    assert_int_equal(GIVE(&q->b, VM_ADD, .name = "vm", .uuid = "vm", .xml = "x", .memory_mb = 512,
                          .vcpus = 1, .machine = "pc", .possible = {&only, 1}),
                     REPLY_OK);
    assert_string_equal(q->b.last.warning, "");
}

/* Owners that are not configured any more, and volumes that are not there, are left out. */
static void what_has_gone(void **state) {
    struct question *q = *state;
    struct model_vm *vm = bench_add_vm(&q->b, "vm1", true);
    uint32_t gone[] = {77}, *ids = malloc(sizeof(gone));
    assert_non_null(ids);
    memcpy(ids, gone, sizeof(gone));
    free((void *)(uintptr_t)vm->preferred.v);
    vm->preferred = (struct wire_ids){.v = ids, .n = 1};
    vm->return_to = 77;
    ask(q, vm);
    assert_int_not_equal(q->answer.best, 0);
    struct model_health *health = model_row(&q->b.m.health, model_health_of(&q->b.m, 1, 2));
    health->state = VOLUME_FAILED;
    model_remove(&q->b.m.health, model_health_of(&q->b.m, 1, 3));
    ask(q, vm);
    assert_int_equal(q->answer.best, 1);
    struct planner_verdict place;
    assert_int_equal(planner_check(&q->b.m, vm->id, 2, &q->arena, &place), 0);
    assert_true(!place.possible && place.reason[0]);
    assert_int_equal(planner_check(&q->b.m, vm->id, 1, &q->arena, &place), 0);
    assert_true(place.possible);
    assert_int_equal(planner_check(&q->b.m, vm->id, 77, &q->arena, &place), -ENOENT);
    assert_int_equal(planner_check(&q->b.m, 77, 1, &q->arena, &place), -ENOENT);
}

/* n1's CPU is another than that of n2 and n3: a guest that has it can go nowhere, unless the drain
 * restarts it; and so can it return. */
static void restart_on_another_cpu(void **state) {
    struct question *q = *state;
    static const char *const offers[] = {"Skylake", "Haswell"};
    for (uint32_t node = 1; node <= 3; node++) {
        assert_int_equal(GIVE(&q->b, NODE_REPORT, .node = node, .incarnation = 10 + node,
                              .memory_mb = 4096, .cpus = 4,
                              .cpu_models = {offers, node == 1 ? 2 : 1}),
                         REPLY_OK);
    }
    assert_int_equal(GIVE(&q->b, VM_ADD, .name = "vm", .uuid = "vm", .xml = "x", .memory_mb = 512,
                          .vcpus = 1, .cpu_mode = "host-passthrough", .start = 1),
                     REPLY_OK);
    struct model_vm *vm = bench_vm(&q->b, "vm");
    vm->state = VM_RUNNING;
    vm->owner = 1;
    struct planner_plan plan;
    struct planner_verdict place;
    assert_int_equal(planner_drain(&q->b.m, 0, 1, &q->arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].to == 0);
    vm->move_policy = MOVE_POLICY_RESTART;
    assert_int_equal(planner_drain(&q->b.m, 0, 1, &q->arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].to > 1);
    /* Nothing else than a drain restarts it. */
    assert_int_equal(planner_check(&q->b.m, vm->id, 2, &q->arena, &place), 0);
    assert_false(place.possible);
    vm->owner = 2;
    vm->return_to = 1;
    assert_int_equal(planner_check(&q->b.m, vm->id, 1, &q->arena, &place), 0);
    assert_true(place.possible);
    vm->move_policy = MOVE_POLICY_LIVE;
    assert_int_equal(planner_check(&q->b.m, vm->id, 1, &q->arena, &place), 0);
    assert_false(place.possible);
}

/* Figures that nobody's machine has: an error here would end every core. */
static void any_figures(void **state) {
    struct question *q = *state;
    struct model_vm *vm = bench_running_vm(&q->b, "vm1", 1);
    struct planner_plan plan;
    static const uint64_t figures[] = {0, 1, UINT64_C(1) << 40, UINT64_MAX / 1000, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(figures); k++) {
            vm->memory_mb = figures[i];
            vm->vcpus = (uint32_t)figures[i];
            bench_node(&q->b, 2)->memory_mb = figures[k];
            bench_node(&q->b, 2)->cpus = (uint32_t)figures[k];
            ask(q, vm);
            assert_int_equal(planner_place(&q->b.m, &vm->id, 1, &q->arena, &plan), 0);
            assert_int_equal(planner_drain(&q->b.m, 0, 1, &q->arena, &plan), 0);
            assert_int_equal(plan.n, 1);
        }
    }
}

/* A VM that is saved is restored where its move wanted it; one that is off starts where it was. */
static void home(void **state) {
    struct question *q = *state;
    struct model_vm *vm = bench_running_vm(&q->b, "vm1", 1);
    struct planner_plan plan;
    assert_int_equal(bench_order(&q->b, vm, ORDER_SAVE, 1, 3), REPLY_OK);
    assert_int_equal(bench_report(&q->b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(planner_place(&q->b.m, &vm->id, 1, &q->arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].to == 3 && plan.v[0].from == 0);
    vm->restore_node = 0; /* it could not be restored there */
    assert_int_equal(planner_place(&q->b.m, &vm->id, 1, &q->arena, &plan), 0);
    assert_int_equal(plan.v[0].to, 1);
    vm->state = VM_OFF;
    vm->owner = 2;
    assert_int_equal(planner_place(&q->b.m, &vm->id, 1, &q->arena, &plan), 0);
    assert_int_equal(plan.v[0].to, 2);
    uint32_t none = 77;
    assert_int_equal(planner_place(&q->b.m, &none, 1, &q->arena, &plan), -EINVAL);
}

/* A plan that was made before is carried out as far as it still fits what is now. */
struct older_plan {
    struct planner_choice v[2];
    struct planner_plan plan, fits;
    uint32_t dropped;
};

static void verify(struct question *q, struct older_plan *old) {
    old->plan = (struct planner_plan){.v = old->v, .n = 2};
    assert_int_equal(
        planner_verify(&q->b.m, NULL, &old->plan, &q->arena, &old->fits, &old->dropped), 0);
}

static void only_vm2_is_left(struct question *q, struct older_plan *old, uint32_t dropped) {
    verify(q, old);
    assert_int_equal(old->fits.n, 1);
    assert_int_equal(old->fits.v[0].vm, old->v[1].vm);
    assert_int_equal(old->dropped, dropped);
}

static void an_older_plan(void **state) {
    struct question *q = *state;
    struct model_vm *vm1 = bench_add_vm(&q->b, "vm1", true);
    const uint32_t id1 = vm1->id, id2 = bench_add_vm(&q->b, "vm2", true)->id;
    vm1 = model_row(&q->b.m.vms, model_vm_by_id(&q->b.m, id1));
    struct model_node *n2 = bench_node(&q->b, 2);
    struct older_plan old = {.v = {{.vm = id1, .to = 2, .asked = true, .reason = "a"},
                                   {.vm = id2, .to = 3, .asked = true, .reason = "b"}}};
    verify(q, &old);
    assert_true(old.fits.n == 2 && old.dropped == 0 && old.fits.v[0].to == 2);
    assert_string_equal(old.fits.v[1].reason, "b");

    n2->service = SERVICE_DRAINING;
    only_vm2_is_left(q, &old, 1);
    n2->service = SERVICE_ACTIVE;
    const uint64_t memory_mb = n2->memory_mb;
    n2->memory_mb = 1;
    only_vm2_is_left(q, &old, 1);
    n2->memory_mb = memory_mb;
    static const char *const owners[] = {"n1", "n3"};
    assert_int_equal(GIVE(&q->b, VM_SET, .vm = "vm1", .given = VM_SET_POSSIBLE,
                          .possible = {owners, 2}),
                     REPLY_OK);
    only_vm2_is_left(q, &old, 1);
    assert_int_equal(GIVE(&q->b, VM_SET, .vm = "vm1", .given = VM_SET_POSSIBLE), REPLY_OK);

    /* What is not to be done any more, or not yet, does not count as dropped. */
    vm1->wanted = WANTED_STOPPED;
    only_vm2_is_left(q, &old, 0);
    vm1->wanted = WANTED_RUNNING;
    old.v[0].stage = 1; /* what it waited for has come about */
    verify(q, &old);
    assert_true(old.fits.n == 2 && old.fits.v[0].stage == 0 && old.dropped == 0);
    old.v[0].stage = 0;
    old.v[0].vm = 77;
    only_vm2_is_left(q, &old, 0);
    old.v[0].vm = id1;
    old.v[0].to = 77;
    only_vm2_is_left(q, &old, 1);

    /* That there is no place for it is part of the answer. */
    old.v[0].to = 0;
    verify(q, &old);
    assert_true(old.fits.n == 2 && old.fits.n_unplaced == 1 && old.dropped == 0);
}

/* VMs that a rule keeps together move one after the other, and fit only together. */
static void an_older_plan_for_a_group(void **state) {
    struct question *q = *state;
    static const char *const names[] = {"vm1", "vm2"};
    uint32_t id1 = bench_running_vm(&q->b, "vm1", 1)->id;
    uint32_t id2 = bench_running_vm(&q->b, "vm2", 1)->id;
    assert_int_equal(GIVE(&q->b, RULE_ADD, .name = "r", .kind = RULE_TOGETHER, .scope = SCOPE_NODE,
                          .hard = 1, .vms = {names, 2}),
                     REPLY_OK);
    struct older_plan old = {.v = {{.vm = id1, .from = 1, .to = 2, .reason = ""},
                                   {.vm = id2, .from = 1, .to = 2, .stage = 1, .reason = ""}}};
    verify(q, &old);
    assert_true(old.fits.n == 2 && old.dropped == 0);
    assert_true(old.fits.v[0].stage == 0 || old.fits.v[1].stage == 0);
    bench_node(&q->b, 2)->service = SERVICE_DRAINING;
    verify(q, &old);
    assert_true(old.fits.n == 0 && old.dropped == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_older_plan_for_a_group, begin, end),
        cmocka_unit_test_setup_teardown(node_states, begin, end),
        cmocka_unit_test_setup_teardown(cpu_models, begin, end),
        cmocka_unit_test_setup_teardown(machines, begin, end),
        cmocka_unit_test_setup_teardown(machine_of_a_life, begin, end),
        cmocka_unit_test_setup_teardown(alias_that_differs, begin, end),
        cmocka_unit_test_setup_teardown(what_has_gone, begin, end),
        cmocka_unit_test_setup_teardown(any_figures, begin, end),
        cmocka_unit_test_setup_teardown(home, begin, end),
        cmocka_unit_test_setup_teardown(restart_on_another_cpu, begin, end),
        cmocka_unit_test_setup_teardown(an_older_plan, begin, end),
    };
    return cmocka_run_group_tests_name("core_planner", tests, NULL, NULL);
}
