/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Further resources: what is taken and what refused, and that no decision puts a VM where too
 * little of one is free.
 */
#include "core/planner/planner.h"
#include "core/model/resources.h"
#include "unit/core/one_model.h"
#include "planned.h"

#include <errno.h>

static struct arena arena;

static int begin(void **state) {
    struct bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    bench_begin(b);
    arena_init(&arena);
    bench_volume_ok(b, "csv1");
    *state = b;
    return 0;
}

static int end(void **state) {
    struct bench *b = *state;
    arena_finish(&arena);
    bench_end(b);
    free(b);
    return 0;
}

static enum core_reply_code has(struct bench *b, const char *node, const char *name,
                                uint64_t amount) {
    struct resource_amount item = {.name = name, .amount = amount};
    return GIVE(b, NODE_SET, .node = node, .given = NODE_SET_RESOURCES, .resources = {&item, 1});
}

static enum core_reply_code needs(struct bench *b, const char *vm, const char *name,
                                  uint64_t amount) {
    struct resource_amount item = {.name = name, .amount = amount};
    return GIVE(b, VM_SET, .vm = vm, .given = VM_SET_RESOURCES, .resources = {&item, 1});
}

static const char *last_event(const struct bench *b) {
    const struct model_event *events = b->m.events.rows;
    return events[b->m.events.n - 1].message;
}

static void expect_list(const struct wire_list *list, const char *wanted) {
    const struct resource_amount *items = list->items;
    char text[200] = "";
    for (uint32_t i = 0; i < list->n; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof(text) - used, "%s%s=%llu", i ? "," : "", items[i].name,
                       (unsigned long long)items[i].amount);
    }
    assert_string_equal(text, wanted);
}

static void what_is_given_is_put_in(void **state) {
    struct bench *b = *state;
    struct resource_amount several[] = {{"vgpu", 2}, {"hugepages", 512}, {"sriov", 4}, {"none", 0}};
    assert_int_equal(GIVE(b, NODE_SET, .node = "n1", .given = NODE_SET_RESOURCES,
                          .resources = {several, 4}),
                     REPLY_OK);
    const struct model_node *node = model_node_by_id(&b->m, 1);
    expect_list(&node->resources, "hugepages=512,sriov=4,vgpu=2");
    assert_string_equal(last_event(b), "n1 has vgpu 2, hugepages 512, sriov 4, none 0");
    struct resource_amount change[] = {{"sriov", 0}, {"vgpu", 3}, {"a", UINT64_C(1) << 40}};
    assert_int_equal(GIVE(b, NODE_SET, .node = "n1", .given = NODE_SET_RESOURCES | NODE_SET_VMS_MAX,
                          .vms_max = 7, .resources = {change, 3}),
                     REPLY_OK);
    expect_list(&node->resources, "a=1099511627776,hugepages=512,vgpu=3");
    assert_string_equal(last_event(b),
                        "n1 takes at most 7 VMs and has sriov 0, vgpu 3, a 1099511627776");
    /* What is not given stays, of either kind. */
    assert_int_equal(GIVE(b, NODE_SET, .node = "n1", .given = NODE_SET_VMS_MAX), REPLY_OK);
    expect_list(&node->resources, "a=1099511627776,hugepages=512,vgpu=3");
    struct model_vm *vm = bench_add_vm(b, "a", true);
    assert_int_equal(needs(b, "a", "vgpu", 1), REPLY_OK);
    assert_non_null(strstr(last_event(b), "; needs vgpu 1"));
    assert_int_equal(GIVE(b, VM_SET, .vm = "a", .given = VM_SET_PRIORITY, .priority = 3), REPLY_OK);
    expect_list(&vm->resources, "vgpu=1");
    assert_null(strstr(last_event(b), "needs"));
    assert_int_equal(GIVE(b, VM_ADD, .name = "b", .uuid = "b", .xml = "x", .memory_mb = 1,
                          .vcpus = 1, .resources = {several, 4}),
                     REPLY_OK);
    expect_list(&model_vm_by_name(&b->m, "b")->resources, "hugepages=512,sriov=4,vgpu=2");
    /* All of it is in a snapshot, and what is in one is all. */
    struct model copy;
    struct buffer bytes;
    model_init(&copy);
    buffer_init(&bytes);
    model_encode(&b->m, &bytes);
    assert_int_equal(model_decode(&copy, bytes.data, bytes.size), 0);
    assert_int_equal(model_digest(&copy), model_digest(&b->m));
    expect_list(&model_vm_by_name(&copy, "b")->resources, "hugepages=512,sriov=4,vgpu=2");
    model_finish(&copy);
    buffer_finish(&bytes);
}

static void names(void **state) {
    static const struct {
        const char *name, *text;
    } bad[] = {
        {"", "not a valid name for a resource"},      {"2gpu", "not a valid name for a resource"},
        {"-gpu", "not a valid name for a resource"},  {"vGPU", "not a valid name for a resource"},
        {"v_gpu", "not a valid name for a resource"}, {"v gpu", "not a valid name for a resource"},
        {"memory", "knows the memory and cpus"},      {"mem", "knows the memory and cpus"},
        {"cpu", "knows the memory and cpus"},
    };
    struct bench *b = *state;
    (void)bench_add_vm(b, "a", true);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct resource_amount items[] = {{"good", 1}, {bad[i].name, 1}};
        assert_int_equal(GIVE(b, NODE_SET, .node = "n1",
                              .given = NODE_SET_RESOURCES | NODE_SET_VMS_MAX, .vms_max = 5,
                              .resources = {items, 2}),
                         REPLY_REFUSED);
        assert_non_null(strstr(b->last.message, bad[i].text));
        assert_true(b->last.hint[0] != '\0');
        assert_int_equal(needs(b, "a", bad[i].name, 1), REPLY_REFUSED);
        assert_int_equal(GIVE(b, VM_ADD, .name = "b", .uuid = "b", .xml = "x", .memory_mb = 1,
                              .vcpus = 1, .resources = {items, 2}),
                         REPLY_REFUSED);
    }
    const struct model_node *node = model_node_by_id(&b->m, 1);
    assert_true(node->resources.n == 0 && node->vms_max == 0 && b->m.vms.n == 1);
    assert_int_equal(has(b, "n1", "mem-1g", 1), REPLY_OK);
    assert_int_equal(has(b, "n1", "a23456789-123456789-123456789-123456789-123456789-123456789-xyz",
                         1),
                     REPLY_OK);
    assert_int_equal(GIVE(b, NODE_SET, .node = "n1", .given = NODE_SET_RESOURCES), REPLY_REFUSED);
    assert_int_equal(GIVE(b, VM_SET, .vm = "a", .given = VM_SET_RESOURCES), REPLY_REFUSED);
}

/* Counted over nodes and VMs together; a name that nobody has any more makes room for another. */
static void as_many_as_the_engine_counts(void **state) {
    struct bench *b = *state;
    char name[16];
    (void)bench_add_vm(b, "a", true);
    for (unsigned i = 0; i < WIRE_MAX_RESOURCES; i++) {
        (void)snprintf(name, sizeof(name), "r%u", i);
        assert_int_equal(i % 2 ? has(b, "n1", name, 1) : needs(b, "a", name, 1), REPLY_OK);
    }
    assert_int_equal(has(b, "n2", "one-more", 1), REPLY_REFUSED);
    assert_non_null(strstr(b->last.message, "30 further resources, and 'one-more'"));
    assert_true(b->last.hint[0] != '\0');
    assert_int_equal(has(b, "n2", "r0", 1), REPLY_OK);       /* not a new one */
    assert_int_equal(has(b, "n2", "one-more", 0), REPLY_OK); /* none of it */
    struct planner_explanation answer;
    const struct model_vm *vm = model_vm_by_name(&b->m, "a");
    assert_int_equal(planner_explain(&b->m, vm->id, &arena, &answer), 0);
    struct resource_amount in_place[] = {{"one-more", 1}, {"r1", 0}};
    assert_int_equal(GIVE(b, NODE_SET, .node = "n1", .given = NODE_SET_RESOURCES,
                          .resources = {in_place, 2}),
                     REPLY_OK);
    assert_int_equal(needs(b, "a", "r1", 1), REPLY_REFUSED);
    assert_int_equal(needs(b, "a", "r2", 0), REPLY_OK);
    assert_int_equal(needs(b, "a", "r1", 1), REPLY_OK);
    struct resource_amount many[WIRE_MAX_RESOURCES + 1];
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = (struct resource_amount){"same", 1};
    }
    assert_int_equal(GIVE(b, NODE_SET, .node = "n3", .given = NODE_SET_RESOURCES,
                          .resources = {many, ARRAY_SIZE(many)}),
                     REPLY_REFUSED);
}

/* What the failover asks: to the node that has it, however full of memory; else nowhere. */
static void starts(void **state) {
    struct bench *b = *state;
    struct planner_plan plan;
    struct model_vm *vm = bench_add_vm(b, "a", true);
    struct model_vm *other = bench_add_vm(b, "b", true);
    assert_int_equal(has(b, "n2", "vgpu", 1), REPLY_OK);
    assert_int_equal(needs(b, "a", "vgpu", 1), REPLY_OK);
    bench_vm(b, "b")->memory_mb = 3500;
    assert_int_equal(planned_starts(&b->m, 0, true, &arena, &plan), 0);
    assert_true(plan.n == 2 && plan.n_unplaced == 0);
    for (uint32_t i = 0; i < plan.n; i++) {
        assert_int_equal(plan.v[i].to == 2, plan.v[i].vm == vm->id);
    }
    assert_int_equal(needs(b, "b", "vgpu", 1), REPLY_OK);
    assert_int_equal(planned_starts(&b->m, 0, true, &arena, &plan), 0);
    assert_int_equal(plan.n_unplaced, 1);
    assert_non_null(strstr(plan.v[plan.n - 1].reason, "not enough vgpu: needs 1, 0 free of "));
    assert_int_equal(has(b, "n1", "vgpu", 1), REPLY_OK);
    assert_int_equal(planned_starts(&b->m, 0, true, &arena, &plan), 0);
    assert_int_equal(plan.n_unplaced, 0);
    assert_int_equal(has(b, "n1", "vgpu", 0), REPLY_OK);
    /* A move to a node named by a person, and the best one. */
    assert_int_equal(bench_order(b, vm, ORDER_START, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    struct planner_verdict place;
    assert_int_equal(planner_check(&b->m, vm->id, 1, &arena, &place), 0);
    assert_false(place.possible);
    assert_string_equal(place.reason, "not enough vgpu: needs 1, 0 free of 0");
    assert_int_equal(planner_check(&b->m, other->id, 2, &arena, &place), 0);
    assert_non_null(strstr(place.reason, "not enough vgpu: needs 1, 0 free of 1"));
    assert_int_equal(has(b, "n3", "vgpu", 2), REPLY_OK);
    struct planner_explanation answer;
    assert_int_equal(planner_explain(&b->m, vm->id, &arena, &answer), 0);
    assert_int_equal(answer.best, 3);
    assert_int_equal(planner_drain(&b->m, 0, 2, &arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].to == 3);
    /* A plan of before is not carried out where there is none any more. */
    struct planner_plan fits;
    struct planner_choice choice = {.vm = other->id, .to = 3, .asked = true, .reason = ""};
    struct planner_facts facts = {0};
    uint32_t dropped = 0;
    plan = (struct planner_plan){.v = &choice, .n = 1};
    assert_int_equal(planner_verify(&b->m, &facts, &plan, &arena, &fits, &dropped), 0);
    assert_true(fits.n == 1 && dropped == 0);
    assert_int_equal(has(b, "n3", "vgpu", 0), REPLY_OK);
    assert_int_equal(planner_verify(&b->m, &facts, &plan, &arena, &fits, &dropped), 0);
    assert_true(fits.n == 0 || fits.v[0].to == 0);
}

/* A node whose last vGPU is taken is full of vGPUs, and not busy. */
static void balance(void **state) {
    struct bench *b = *state;
    struct planner_plan plan;
    assert_int_equal(has(b, "n1", "vgpu", 1), REPLY_OK);
    assert_int_equal(has(b, "n2", "vgpu", 1), REPLY_OK);
    struct model_vm *vm = bench_running_vm(b, "a", 1);
    assert_int_equal(needs(b, "a", "vgpu", 1), REPLY_OK);
    assert_int_equal(planned_balance(&b->m, 1000000, NULL, 0, &arena, &plan), 0);
    assert_true(plan.n == 0 && plan.nodes_over == 0);
    /* Full of memory it gives the VM to the node that has one. */
    (void)bench_running_vm(b, "b", 1);
    struct model_vm *second = bench_vm(b, "b");
    vm = bench_vm(b, "a");
    vm->memory_mb = second->memory_mb = 2000;
    second->mobility = MOBILITY_FIXED;
    assert_int_equal(planned_balance(&b->m, 1000000, NULL, 0, &arena, &plan), 0);
    assert_true(plan.n == 1 && plan.v[0].vm == vm->id && plan.v[0].to == 2);
    assert_int_equal(has(b, "n2", "vgpu", 0), REPLY_OK);
    assert_int_equal(planned_balance(&b->m, 1000000, NULL, 0, &arena, &plan), 0);
    assert_int_equal(plan.n, 0);
}

static void what_runs_stays_and_is_warned_of(void **state) {
    struct bench *b = *state;
    assert_int_equal(has(b, "n1", "vgpu", 1), REPLY_OK);
    const struct model_vm *vm = bench_running_vm(b, "a", 1);
    assert_int_equal(needs(b, "a", "vgpu", 1), REPLY_OK);
    assert_string_equal(b->last.warning, "");
    assert_int_equal(needs(b, "a", "vgpu", 2), REPLY_OK);
    assert_non_null(strstr(b->last.warning, "n1 has vgpu 1, and its VMs need 2 now"));
    assert_int_equal(has(b, "n1", "vgpu", 2), REPLY_OK);
    assert_string_equal(b->last.warning, "");
    assert_int_equal(has(b, "n1", "vgpu", 0), REPLY_OK);
    assert_non_null(strstr(b->last.warning, "n1 has vgpu 0, and its VMs need 2 now"));
    assert_int_equal(has(b, "n2", "vgpu", 0), REPLY_OK);
    assert_string_equal(b->last.warning, "");
    assert_true(vm->state == VM_RUNNING && vm->owner == 1 && vm->operation == 0);
}

/* Any single node can be lost, as long as a vGPU is free elsewhere. */
static void reserve(void **state) {
    struct bench *b = *state;
    struct planner_facts facts = {.loss = true};
    struct planner_question question = {.kind = PLANNER_PLACE, .k = 1};
    struct planner_problem pr;
    struct planner_reserve found;
    (void)bench_running_vm(b, "a", 1);
    assert_int_equal(has(b, "n1", "vgpu", 1), REPLY_OK);
    assert_int_equal(has(b, "n2", "vgpu", 1), REPLY_OK);
    assert_int_equal(needs(b, "a", "vgpu", 1), REPLY_OK);
    assert_int_equal(planner_problem_init(&pr, &b->m, &facts, &arena), 0);
    assert_int_equal(planner_admit(&pr, &question, &found), 0);
    assert_int_equal(found.answer, PLACEMENT_YES);
    assert_int_equal(has(b, "n2", "vgpu", 0), REPLY_OK);
    assert_int_equal(planner_problem_init(&pr, &b->m, &facts, &arena), 0);
    assert_int_equal(planner_admit(&pr, &question, &found), 0);
    assert_int_equal(found.answer, PLACEMENT_NO);
    assert_string_equal(found.text,
                        "if n1 is lost, a has no place: the other nodes lack 1 of vgpu");
}

/* vm1, vm2 and vm3 run on n1, n2 and n3. */
static void may_be_lost(struct bench *b, uint32_t k, enum placement_answer answer,
                        const char *text) {
    struct planner_facts facts = {.loss = true};
    struct planner_question question = {.kind = PLANNER_PLACE, .k = k};
    struct planner_problem pr;
    struct planner_reserve found;
    assert_int_equal(planner_problem_init(&pr, &b->m, &facts, &arena), 0);
    assert_int_equal(planner_admit(&pr, &question, &found), 0);
    assert_string_equal(found.text, text);
    assert_int_equal(found.answer, answer);
}

/* What breaks the reserve is told: the nodes, the VM, and what it lacks or which rule stands. */
static void reserve_is_told(void **state) {
    struct bench *b = *state;
    static const char *const names[] = {"vm1", "vm2", "vm3"}, *const pair[] = {"vm1", "vm2"};
    for (uint32_t i = 0; i < 3; i++) {
        (void)bench_running_vm(b, names[i], i + 1);
    }
    may_be_lost(b, 1, PLACEMENT_YES, "");
    may_be_lost(b, 2, PLACEMENT_YES, "");
    for (uint32_t i = 0; i < 3; i++) {
        bench_vm(b, names[i])->memory_mb = 1500;
    }
    may_be_lost(b, 1, PLACEMENT_YES, "");
    may_be_lost(b, 2, PLACEMENT_NO,
                "if n1 and n2 are lost, vm2 has no place: the other nodes lack 404 MB of memory");
    for (uint32_t i = 0; i < 3; i++) {
        bench_vm(b, names[i])->memory_mb = 3000;
    }
    may_be_lost(b, 1, PLACEMENT_NO,
                "if n1 is lost, vm1 has no place: the other nodes lack 808 MB of memory");
    for (uint32_t i = 0; i < 3; i++) {
        bench_vm(b, names[i])->memory_mb = 100;
    }
    assert_int_equal(GIVE(b, RULE_ADD, .name = "apart", .kind = RULE_APART, .scope = SCOPE_NODE,
                          .hard = 1, .vms = {pair, 2}),
                     REPLY_OK);
    may_be_lost(b, 1, PLACEMENT_YES, "");
    may_be_lost(b, 2, PLACEMENT_NO,
                "if n1 and n2 are lost, vm2 has no place: forbidden by anti-affinity (rule apart)");
    assert_int_equal(GIVE(b, RULE_REMOVE, .rule = "apart"), REPLY_OK);
    bench_node(b, 2)->service = bench_node(b, 3)->service = SERVICE_DRAINED;
    may_be_lost(b, 1, PLACEMENT_NO, "if n1 is lost, vm1 has no place: not enough cpu");
}

/* What is under way counts as done: a VM has arrived where it goes, VMs have left a node that is
 * drained, and VMs that are to start run. */
static void reserve_after_what_is_under_way(void **state) {
    struct bench *b = *state;
    struct planner_facts facts = {.loss = true};
    struct planner_problem pr;
    struct planner_reserve found;
    uint32_t start = 0, to_n2 = 0, to_n3 = 0, moved = 0;
    (void)bench_running_vm(b, "arrives", 1);
    (void)bench_running_vm(b, "leaves", 1);
    start = bench_add_vm(b, "starts", true)->id;
    bench_node(b, 1)->service = SERVICE_DRAINING;
    assert_int_equal(bench_order(b, bench_vm(b, "arrives"), ORDER_MIGRATE, 1, 3), REPLY_OK);
    struct planner_question question = {.kind = PLANNER_PLACE, .k = 2, .vms = &start, .n_vms = 1};
    assert_int_equal(planner_problem_init(&pr, &b->m, &facts, &arena), 0);
    assert_int_equal(planner_admit(&pr, &question, &found), 0);
    /* n1 is empty then, and takes nothing. */
    assert_int_equal(found.n_witnesses, 2);
    for (uint32_t i = 0; i < found.n_witnesses; i++) {
        const struct planner_witness *w = &found.witnesses[i];
        for (uint32_t k = 0; k < w->n; k++) {
            assert_int_equal(w->v[k].to, w->node == 2 ? 3 : 2);
            moved += w->v[k].vm == bench_vm(b, "arrives")->id && w->node == 3;
        }
        to_n2 += w->node == 3 ? w->n : 0;
        to_n3 += w->node == 2 ? w->n : 0;
    }
    assert_int_equal(to_n2 + to_n3, 3);
    assert_int_equal(moved, 1);
}

/* A plan that is kept for a loss holds what starts then; what else would be moved is planned
 * again. */
static void reserve_with_others_moved(void **state) {
    struct bench *b = *state;
    struct planner_facts facts = {.loss = true};
    struct planner_question question = {.kind = PLANNER_PLACE, .k = 1, .may_move_others = true};
    struct planner_problem pr;
    struct planner_reserve found;
    (void)bench_running_vm(b, "a", 1);
    (void)bench_running_vm(b, "b", 2);
    assert_int_equal(has(b, "n1", "vgpu", 2), REPLY_OK);
    assert_int_equal(has(b, "n2", "vgpu", 2), REPLY_OK);
    assert_int_equal(has(b, "n3", "vgpu", 1), REPLY_OK);
    assert_int_equal(needs(b, "a", "vgpu", 2), REPLY_OK);
    assert_int_equal(needs(b, "b", "vgpu", 1), REPLY_OK);
    assert_int_equal(planner_problem_init(&pr, &b->m, &facts, &arena), 0);
    assert_int_equal(planner_admit(&pr, &question, &found), 0);
    assert_int_equal(found.answer, PLACEMENT_YES);
    assert_int_equal(found.n_witnesses, 3);
    assert_int_equal(found.witnesses[0].node, 1);
    assert_int_equal(found.witnesses[0].n, 1);
    const struct model_vm *vm = bench_vm(b, "a");
    assert_true(found.witnesses[0].v[0].vm == vm->id && found.witnesses[0].v[0].to == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_given_is_put_in, begin, end),
        cmocka_unit_test_setup_teardown(names, begin, end),
        cmocka_unit_test_setup_teardown(as_many_as_the_engine_counts, begin, end),
        cmocka_unit_test_setup_teardown(starts, begin, end),
        cmocka_unit_test_setup_teardown(balance, begin, end),
        cmocka_unit_test_setup_teardown(what_runs_stays_and_is_warned_of, begin, end),
        cmocka_unit_test_setup_teardown(reserve, begin, end),
        cmocka_unit_test_setup_teardown(reserve_is_told, begin, end),
        cmocka_unit_test_setup_teardown(reserve_with_others_moved, begin, end),
        cmocka_unit_test_setup_teardown(reserve_after_what_is_under_way, begin, end),
    };
    return cmocka_run_group_tests_name("core_resources", tests, NULL, NULL);
}
