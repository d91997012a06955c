/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan that is made in clusterctl is the plan that clusterd would make: models drawn at random,
 * written down as `clusterctl export` gets them, read as `clusterctl plan` reads them, and solved
 * on both sides.
 */
#include "adapters/ipc/view.h"
#include "cluster/file.h"
#include "core/model/settings.h"
#include "planned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 400, NODES_MOST = 6, VMS_MOST = 14, VOLUMES = 2 };

static uint64_t random_state;

static uint32_t draw(uint32_t below) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static void set(const char **field, const char *prefix, unsigned number) {
    char text[64];
    (void)snprintf(text, sizeof(text), "%s%u", prefix, number);
    free((void *)(uintptr_t)*field);
    *field = strdup(text);
    assert_non_null(*field);
}

/* Some of the ids 1 to n, in an order of chance. */
static void set_ids(struct wire_ids *ids, uint32_t n, uint32_t count) {
    uint32_t *v = calloc(n, sizeof(*v));
    assert_non_null(v);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = draw(i + 1);
        v[i] = v[other];
        v[other] = i + 1;
    }
    free((void *)(uintptr_t)ids->v);
    *ids = (struct wire_ids){v, count};
}

static void set_text(struct wire_strs *strs, const char *prefix, unsigned number) {
    const char **v = calloc(1, sizeof(*v));
    char text[64];
    assert_non_null(v);
    (void)snprintf(text, sizeof(text), "%s%u", prefix, number);
    v[0] = strdup(text);
    free((void *)(uintptr_t)strs->v); /* of no elements */
    *strs = (struct wire_strs){v, 1};
}

/* Some of a few names, ascending; fewer by those of which there is none. */
static void set_resources(struct wire_list *list, uint32_t most) {
    static const char *const names[] = {"hugepages", "sriov", "vgpu"};
    struct resource_amount *items = calloc(3, sizeof(*items));
    uint32_t n = 0;
    assert_non_null(items);
    for (size_t i = 0; i < 3; i++) {
        uint64_t amount = draw(most);
        if (amount > 0) {
            items[n++] = (struct resource_amount){strdup(names[i]), amount};
        }
    }
    free(list->items); /* of no elements */
    *list = (struct wire_list){items, n};
}

/* An alias that means another type on some, and types that not all have. */
static void set_machines(struct model_node *node) {
    static const char *const of[3][3] = {{"x/pc=pc-7", "x/pc-7", "x/old"},
                                         {"x/pc=pc-10", "x/pc-7", "x/pc-10"},
                                         {"x/pc=pc-7", "x/pc-7", "x/pc-7"}};
    uint32_t which = draw(4);
    const char **v = which < 3 ? calloc(3, sizeof(*v)) : NULL; /* else it has not told */
    for (uint32_t i = 0; v && i < 3; i++) {
        v[i] = strdup(of[which][i]);
    }
    free((void *)(uintptr_t)node->machines.v); /* of no elements */
    node->machines = (struct wire_strs){v, v ? 3 : 0};
}

static void set_machine(struct model_vm *vm) {
    static const char *const names[] = {"", "pc", "pc", "pc-7", "pc-10", "old"};
    static const char *const running[] = {"", "pc-7", "pc-7", "pc-10"};
    bool runs = vm->state != VM_OFF;
    free((void *)(uintptr_t)vm->machine);
    free((void *)(uintptr_t)vm->machine_running);
    vm->machine = strdup(names[draw(sizeof(names) / sizeof(names[0]))]);
    vm->machine_running = strdup(runs ? running[draw(sizeof(running) / sizeof(running[0]))] : "");
}

static void add_nodes(struct model *m, uint32_t n) {
    for (uint32_t i = 1; i <= n; i++) {
        struct model_node *node = model_add(&m->nodes);
        node->id = i;
        set(&node->name, "node", i);
        node->configured = 1;
        node->state = (uint8_t)(draw(4) > 0 ? NODE_ONLINE : draw(NODE_OFFLINE + 1));
        node->service = (uint8_t)(draw(5) > 0 ? SERVICE_ACTIVE : draw(3));
        node->memory_mb = 1024 * (4 + draw(5));
        node->cpus = 1 + draw(3);
        set_resources(&node->resources, draw(2) > 0 ? 8 : 1);
        set(&node->rack, draw(3) > 0 ? "rack" : "shelf", draw(2));
        if (draw(2) > 0) {
            set_text(&node->cpu_models, "model", draw(2));
        }
        set_machines(node);
    }
    set_ids(&m->members, n, n);
}

static void add_volumes(struct model *m, uint32_t n_nodes) {
    for (uint32_t i = 1; i <= VOLUMES; i++) {
        struct model_volume *volume = model_add(&m->volumes);
        volume->id = i;
        set(&volume->name, "csv", i);
        for (uint32_t node = 1; node <= n_nodes; node++) {
            struct model_health *health = model_add(&m->health);
            health->volume = i;
            health->node = node;
            health->state = (uint8_t)(draw(5) > 0 ? VOLUME_OK : VOLUME_STALLED);
        }
    }
}

static void add_vm(struct model *m, uint32_t id, uint32_t n_nodes) {
    static const enum vm_state states[] = {VM_OFF,      VM_RUNNING, VM_RUNNING,  VM_RUNNING,
                                           VM_STARTING, VM_SAVED,   VM_MIGRATING};
    static const char *const modes[] = {"",           "custom",  "custom",
                                        "host-model", "maximum", "host-passthrough"};
    struct model_vm *vm = model_add(&m->vms);
    vm->id = id;
    set(&vm->name, "vm", id);
    vm->memory_mb = 512 * (1 + draw(6));
    vm->vcpus = 1 + draw(3);
    set_resources(&vm->resources, draw(3) > 0 ? 1 : 3);
    vm->priority = draw(3) * 10;
    vm->wanted = draw(5) > 0 ? WANTED_RUNNING : WANTED_STOPPED;
    vm->state = (uint8_t)states[draw(sizeof(states) / sizeof(states[0]))];
    vm->owner = 1 + draw(n_nodes);
    vm->target = vm->state == VM_MIGRATING ? 1 + vm->owner % n_nodes : 0;
    vm->restore_node = vm->state == VM_SAVED ? 1 + draw(n_nodes) : 0;
    set_text(&vm->volumes, "csv", 1 + draw(VOLUMES));
    set_ids(&vm->possible, n_nodes, draw(3) > 0 ? 0 : 1 + draw(n_nodes));
    set_ids(&vm->preferred, n_nodes, draw(2) > 0 ? 0 : 1 + draw(n_nodes));
    set_ids(&vm->avoid, n_nodes, draw(4) > 0 ? 0 : 1);
    vm->no_auto_start = draw(6) == 0;
    vm->mobility = (uint8_t)draw(3);
    const char *mode = modes[draw(sizeof(modes) / sizeof(modes[0]))];
    free((void *)(uintptr_t)vm->cpu_mode);
    vm->cpu_mode = strdup(mode);
    assert_non_null(vm->cpu_mode);
    if (strcmp(mode, "custom") == 0) {
        set(&vm->cpu_model, "model", draw(2));
    }
    set_machine(vm);
}

static void add_rule(struct model *m, uint32_t id, uint32_t n_nodes, uint32_t n_vms) {
    struct model_rule *rule = model_add(&m->rules);
    set(&rule->name, "rule", id);
    rule->kind = (uint8_t)(RULE_APART + draw(4));
    rule->scope = (uint8_t)(SCOPE_NODE + draw(3));
    rule->hard = draw(2) > 0;
    rule->weight = 1 + draw(3);
    set_ids(&rule->vms, n_vms, 1 + draw(n_vms));
    if (rule->kind == RULE_ON || rule->kind == RULE_NOT_ON) {
        set_ids(&rule->nodes, n_nodes, 1 + draw(n_nodes));
    }
}

/* One by one: whoever may move others for a failover need not for a drain. */
static void add_setting(struct model *m, const char *key) {
    struct model_setting *setting = model_add(&m->settings);
    free((void *)(uintptr_t)setting->key);
    setting->key = strdup(key);
    assert_non_null(setting->key);
    set(&setting->value, "", draw(2));
}

static struct cluster_file *through_the_file(struct model *m, struct arena *arena) {
    struct ipc_error error = {.code = NULL};
    struct ipc_view view = {.model = m, .cluster = "lab", .waiting = "", .arena = arena};
    struct cluster_file *file = NULL;
    char message[CLUSTER_FILE_MESSAGE_MAX] = "";
    json_t *body = render_cluster(&view, &error);
    assert_non_null(body);
    char *text = json_dumps(json_object_get(body, "cluster"), 0);
    json_t *cluster = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (cluster_file_take(cluster, "export", &file, message) < 0) {
        fail_msg("%s\n%s", message, text);
    }
    free(text);
    json_decref(body);
    return file;
}

/* What clusterctl shows of the plan against what the planner answered. */
static void same_plan(const struct model *m, const struct cluster_file *file,
                      const struct placement_request *request, const struct planner_plan *wanted) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_solve_sparing(solver, &file->problem, request, &plan), 0);
    assert_int_equal(plan->n_moves + plan->n_unplaced, wanted->n);
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        const struct placement_move *move = &plan->moves[i];
        assert_string_equal(file->problem.vms[move->vm].name,
                            model_vm_by_id(m, wanted->v[i].vm)->name);
        assert_string_equal(file->problem.nodes[move->to].name,
                            model_node_name(m, wanted->v[i].to));
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        struct placement_explanation explanation;
        char text[PLACEMENT_TEXT_MAX];
        uint32_t vm = plan->unplaced[i].vm;
        assert_int_equal(placement_explain(solver, vm, NULL, &explanation), 0);
        placement_explanation_text(&file->problem, vm, &explanation, text, sizeof(text));
        /* The planner adds the words of a rule, as plan_reason() does. */
        assert_int_equal(strncmp(text, wanted->v[plan->n_moves + i].reason, strlen(text)), 0);
    }
    placement_solver_destroy(solver);
}

static void compare_starts(const struct model *m, struct cluster_file *file, struct arena *arena) {
    struct planner_plan wanted;
    assert_int_equal(planned_starts(m, 0, file->request.may_move_others, arena, &wanted), 0);
    same_plan(m, file, &file->request, &wanted);
}

static void compare_drain(const struct model *m, struct cluster_file *file, struct arena *arena,
                          uint32_t node) {
    struct placement_request request = {.kind = PLACEMENT_DRAIN,
                                        .nodes = {.index = &node, .n = 1},
                                        .may_move_others = file->drain_moves_others};
    struct planner_plan wanted;
    assert_int_equal(planner_drain(m, 0, node + 1, arena, &wanted), 0);
    same_plan(m, file, &request, &wanted);
}

/* After cluster_file_unbind(). */
static void compare_loss(const struct model *m, struct cluster_file *file, struct arena *arena,
                         uint32_t node) {
    struct placement_request request = file->request;
    struct planner_facts facts = {.loss = true};
    struct planner_question question = {.kind = PLANNER_LOSE, .node = node + 1};
    struct planner_problem pr;
    struct planner_plan wanted;
    request.may_move_others = false; /* see compare_starts() */
    request.kind = PLACEMENT_FAILOVER;
    request.vms = (struct placement_set){0};
    request.nodes = (struct placement_set){.index = &node, .n = 1};
    assert_int_equal(planner_problem_init(&pr, m, &facts, arena), 0);
    assert_int_equal(planner_solve(&pr, &question, &wanted), 0);
    same_plan(m, file, &request, &wanted);
}

static void same_row(const uint64_t *row, const uint64_t *wanted, uint32_t n) {
    for (uint32_t r = 0; r < n; r++) {
        assert_int_equal(row[r], wanted[r]);
    }
}

/* Every amount, of every resource: what nodes have, what VMs need, what they use. */
static void compare_amounts(const struct model *m, const struct cluster_file *file,
                            struct arena *arena) {
    const struct placement_problem *p = &file->problem;
    struct planner_facts facts = planner_balance_facts(m, 0, NULL, 0);
    struct planner_problem pr;
    assert_int_equal(planner_problem_init(&pr, m, &facts, arena), 0);
    assert_int_equal(p->n_resources, pr.p.n_resources);
    for (uint32_t r = 0; r < p->n_resources; r++) {
        assert_string_equal(p->resources[r].name, pr.p.resources[r].name);
    }
    for (uint32_t node = 0; node < p->n_nodes; node++) {
        same_row(&p->capacities[node * p->n_resources], planner_capacities(&pr, node),
                 p->n_resources);
    }
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        same_row(&p->needs[vm * p->n_resources], planner_needs(&pr, vm), p->n_resources);
        same_row(&p->loads[vm * p->n_resources], &pr.p.loads[vm * p->n_resources], p->n_resources);
    }
}

static void compare(struct model *m, struct arena *arena) {
    struct cluster_file *file = through_the_file(m, arena);
    compare_amounts(m, file, arena);
    compare_starts(m, file, arena);
    for (uint32_t node = 0; node < file->problem.n_nodes; node++) {
        compare_drain(m, file, arena, node);
    }
    cluster_file_unbind(file);
    for (uint32_t node = 0; node < file->problem.n_nodes; node++) {
        compare_loss(m, file, arena, node);
    }
    cluster_file_destroy(file);
}

static void test_same_answer_on_both_sides(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct model m;
        struct arena arena;
        random_state = round * 977 + 1;
        model_init(&m);
        arena_init(&arena);
        uint32_t n_nodes = 2 + draw(NODES_MOST - 1), n_vms = draw(VMS_MOST + 1);
        add_nodes(&m, n_nodes);
        add_volumes(&m, n_nodes);
        for (uint32_t id = 1; id <= n_vms; id++) {
            add_vm(&m, id, n_nodes);
        }
        for (uint32_t id = draw(3); n_vms > 0 && id > 0; id--) {
            add_rule(&m, id, n_nodes, n_vms);
        }
        add_setting(&m, "failover_may_move");
        add_setting(&m, "drain_may_move");
        compare(&m, &arena);
        arena_finish(&arena);
        model_finish(&m);
    }
}

static void test_before_any_node_is_known(void **state) {
    struct model m;
    struct arena arena;
    struct ipc_error error = {.code = NULL};
    (void)state;
    model_init(&m);
    arena_init(&arena);
    struct ipc_view view = {.model = &m, .cluster = "lab", .waiting = "", .arena = &arena};
    assert_null(render_cluster(&view, &error));
    assert_string_equal(error.message, "this clusterd knows no nodes yet");
    arena_finish(&arena);
    model_finish(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answer_on_both_sides),
        cmocka_unit_test(test_before_any_node_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
