/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory runs out. A core with a failed allocation returns -ENOMEM and asks for nothing more; its
 * clusterd ends. After its restart the cluster continues, violates no property, and comes to rest.
 *
 * Failing each of a run's million allocations, one a run, would take a million runs. Instead, each
 * path to an allocation (the innermost callers, as a digest) fails once, in the run that reaches it
 * first, in the middle of a simulated cluster with all other faults. The few functions called
 * outside of a step are swept from the first allocation to the last.
 */
#include "sim/run.h"
#include "sim/world.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/hash.h"
#include "core/planner/planner.h"
#include "wire/command.h"

#include <errno.h>
#include <execinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The linker sends the calls of core, wire, placement and base here (--wrap). Of an arena, which
 * asks for memory seldom, each use counts. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
void *__real_arena_alloc(struct arena *a, size_t size);
void *__real_arena_array(struct arena *a, size_t count, size_t size);
void *__real_arena_copy(struct arena *a, const void *data, size_t size);
char *__real_arena_strdup(struct arena *a, const char *text);
int __real_core_step(struct core *core, const struct core_event *event,
                     struct core_actions *ret_actions);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_arena_alloc(struct arena *a, size_t size);
void *__wrap_arena_array(struct arena *a, size_t count, size_t size);
void *__wrap_arena_copy(struct arena *a, const void *data, size_t size);
char *__wrap_arena_strdup(struct arena *a, const char *text);
char *__wrap_arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int __wrap_core_step(struct core *core, const struct core_event *event,
                     struct core_actions *ret_actions);

#define DEPTH 7u /* callers that make a way */
#define MAX_WAYS 16384u

static struct {
    bool on;           /* steps may fail */
    bool inside;       /* of one */
    uint32_t pause;    /* steps until the next one may */
    bool failed;       /* this one has */
    void *last[DEPTH]; /* where */
    uint64_t ways[MAX_WAYS];
    uint32_t n_ways;
    uint64_t random;
    uint64_t n_calls, fail_at; /* of a sweep; 0: none */
} memory = {.random = 88172645463325252u};

static uint32_t draw(uint32_t n) {
    memory.random ^= memory.random << 13;
    memory.random ^= memory.random >> 7;
    memory.random ^= memory.random << 17;
    return (uint32_t)(memory.random >> 33) % n;
}

__attribute__((noinline)) static bool is_new_way(void) {
    void *frames[DEPTH + 3] = {0};
    memory.inside = false; /* backtrace() may allocate */
    int n = backtrace(frames, (int)ARRAY_SIZE(frames));
    memory.inside = true;
    memcpy(memory.last, frames + 3, sizeof(memory.last));
    uint64_t way = fnv64(FNV64_START, memory.last, n > 3 ? (size_t)(n - 3) * sizeof(*frames) : 0);
    uint32_t at = (uint32_t)(way % MAX_WAYS);
    while (memory.ways[at] != 0 && memory.ways[at] != way) {
        at = (at + 1) % MAX_WAYS;
    }
    if (memory.ways[at] == way || memory.n_ways > MAX_WAYS / 2) {
        return false;
    }
    memory.ways[at] = way;
    memory.n_ways++;
    return true;
}

__attribute__((noinline)) static bool fails(void) {
    if (memory.fail_at && ++memory.n_calls == memory.fail_at) {
        return true;
    }
    if (memory.inside && memory.on && memory.pause == 0 && !memory.failed && is_new_way()) {
        memory.failed = true;
        return true;
    }
    return false;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
    return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

void *__wrap_arena_alloc(struct arena *a, size_t size) {
    return fails() ? NULL : __real_arena_alloc(a, size);
}

void *__wrap_arena_array(struct arena *a, size_t count, size_t size) {
    return fails() ? NULL : __real_arena_array(a, count, size);
}

void *__wrap_arena_copy(struct arena *a, const void *data, size_t size) {
    return fails() ? NULL : __real_arena_copy(a, data, size);
}

char *__wrap_arena_strdup(struct arena *a, const char *text) {
    return fails() ? NULL : __real_arena_strdup(a, text);
}

char *__wrap_arena_printf(struct arena *a, const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(text));
    return fails() ? NULL : __real_arena_copy(a, text, (size_t)n + 1);
}

static void say_where(void) {
    backtrace_symbols_fd(memory.last, DEPTH, 2);
}

int __wrap_core_step(struct core *core, const struct core_event *event,
                     struct core_actions *ret_actions) {
    memory.inside = true;
    memory.failed = false;
    int err = __real_core_step(core, event, ret_actions);
    memory.inside = false;
    memory.pause -= memory.pause > 0;
    if (!memory.failed) {
        return err;
    }
    /* A core that ends anyhow may lack the memory to say why. */
    if (err != -ENOMEM && err != -EIO && err != -ETIME) {
        say_where();
        fail_msg("an allocation failed, and core_step() said %d", err);
    }
    for (uint32_t i = 0; i < ret_actions->n; i++) {
        enum core_action_type type = ret_actions->v[i].type;
        if (type != CORE_ACTION_LOG && type != CORE_ACTION_EXIT) {
            say_where();
            fail_msg("a core that has failed asks for action %d", (int)type);
        }
    }
    memory.pause = 20 + draw(150);
    return err;
}

/* ---- in the simulator ---- */

#define RUNS 100u
#define ROUND_US (60 * SIM_SECOND)

static void fail_if_violated(struct sim *s, uint64_t seed) {
    if (sim_violation(s)) {
        sim_print_trace(s);
        say_where();
        fail_msg("seed %llu: %s", (unsigned long long)seed, sim_violation(s));
    }
}

static void run(uint64_t seed) {
    struct run_options how = {.seed = seed, .vms = 3};
    struct sim_options options = run_settings(&how);
    struct fault_plan plan;
    options.memory_fails = true;
    struct sim *s = sim_create(&options);
    faults_draw(&plan, seed, faults_parse("all"), options.nodes, ROUND_US);
    memory.on = true;
    (void)sim_set_up(s); /* it may not be ready in time */
    for (uint32_t i = 0; i < plan.n && s->n_vms > 0; i++) {
        fault_happen(s, &plan.v[i]);
    }
    memory.on = false;
    fail_if_violated(s, seed);
    sim_heal_and_wait(s);
    fail_if_violated(s, seed);
    faults_finish(&plan);
    sim_destroy(s);
}

static void steps_fail(void **state) {
    (void)state;
    void *none[1];
    (void)backtrace(none, 1); /* the first one loads a library */
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        run(seed);
    }
    print_message("%u ways to an allocation have failed\n", memory.n_ways);
    assert_true(memory.n_ways > 300);
}

/* ---- outside of a step ---- */

/* Each allocation of the function fails once: -ENOMEM; then none: 0. */
static void sweep(int (*function)(const struct model *m, uint64_t number), const struct model *m,
                  uint64_t number) {
    int err = -ENOMEM;
    uint64_t n = 0;
    while (err == -ENOMEM) {
        memory.n_calls = 0;
        memory.fail_at = ++n;
        err = function(m, number);
        bool all = memory.n_calls < n;
        memory.fail_at = 0;
        assert_int_equal(err, all ? 0 : -ENOMEM);
        assert_true(n < 100000);
    }
    assert_true(n > 1);
}

static int create(const struct model *m, uint64_t number) {
    (void)m;
    (void)number;
    struct core *core = NULL;
    int err = core_create(&core);
    core_destroy(core);
    return err;
}

static int encode_and_decode(const struct model *m, uint64_t number) {
    (void)number;
    struct buffer bytes;
    struct model copy;
    buffer_init(&bytes);
    model_init(&copy);
    model_encode(m, &bytes);
    int err = bytes.failed ? -ENOMEM : model_decode(&copy, bytes.data, bytes.size);
    assert_true(err == 0 || (copy.nodes.n == 0 && copy.vms.n == 0));
    model_finish(&copy);
    buffer_finish(&bytes);
    return err;
}

static int explain(const struct model *m, uint64_t vm) {
    struct arena arena;
    struct planner_explanation explanation;
    arena_init(&arena);
    int err = planner_explain(m, (uint32_t)vm, &arena, &explanation);
    arena_finish(&arena);
    return err;
}

static int drain(const struct model *m, uint64_t node) {
    struct arena arena;
    struct planner_plan plan;
    arena_init(&arena);
    int err = planner_drain(m, 0, (uint32_t)node, &arena, &plan);
    arena_finish(&arena);
    return err;
}

static int check(const struct model *m, uint64_t vm) {
    struct arena arena;
    struct planner_verdict verdict;
    arena_init(&arena);
    int err = planner_check(m, (uint32_t)vm, 2, &arena, &verdict);
    arena_finish(&arena);
    return err;
}

/* May any k nodes be lost, while one of them is being drained. */
static int admit(const struct model *m, uint64_t k) {
    struct arena arena;
    struct planner_problem problem;
    struct planner_reserve reserve = {.text = "untouched"};
    struct planner_facts facts = {.loss = true};
    struct planner_question question = {.kind = PLANNER_PLACE, .k = (uint32_t)k};
    arena_init(&arena);
    int err = planner_problem_init(&problem, m, &facts, &arena);
    if (err == 0) {
        problem.nodes[0].state = PLACEMENT_NODE_DRAINING;
        err = planner_admit(&problem, &question, &reserve);
        assert_true(err == 0 || strcmp(reserve.text, "untouched") == 0);
        assert_true(err != 0 || (reserve.answer == PLACEMENT_YES) == (reserve.text[0] == '\0'));
    }
    arena_finish(&arena);
    return err;
}

static void others_fail(void **state) {
    (void)state;
    struct sim_options options = {.seed = 1, .nodes = 3, .vms = 4, .calm = true};
    struct sim *s = sim_create(&options);
    assert_true(sim_set_up(s));
    const struct model *m = sim_model(s);
    sweep(create, NULL, 0);
    sweep(encode_and_decode, m, 0);
    for (uint32_t vm = 1; vm <= 4; vm++) {
        sweep(explain, m, vm);
        sweep(check, m, vm);
    }
    for (uint32_t node = 1; node <= 3; node++) {
        sweep(drain, m, node);
    }
    sweep(admit, m, 1);
    sweep(admit, m, 2);
    sim_destroy(s);
}

/* A record with everything in it: each text, each array of it may be what could not be copied. */
static int copy_command(const struct model *m, uint64_t number) {
    (void)m;
    static const char *const words[] = {"a", "b"};
    static const uint32_t ids[] = {1, 2};
    struct operation_vm vms[] = {{.name = "a", .reason = "b"}, {.name = "c", .reason = "d"}};
    struct model_operation operation = {.subject = "s", .reason = "r", .vms = {vms, 2}};
    struct cmd_vm_add add = {.name = "n", .volumes = {words, 2}, .possible = {words, 2}};
    struct model_health health = {.nonce = "x", .sees = {ids, 2}};
    struct entry_bytes bytes = {.data = {.data = (const uint8_t *)"abc", .size = 3}};
    const struct {
        const struct wire_record *record;
        const void *value;
    } cases[] = {{&model_operation_record, &operation},
                 {&cmd_vm_add_record, &add},
                 {&model_health_record, &health},
                 {&entry_bytes_record, &bytes}};
    union {
        struct model_operation operation;
        struct cmd_vm_add add;
        struct model_health health;
        struct entry_bytes bytes;
    } copy;
    int err = wire_copy(cases[number].record, cases[number].value, &copy);
    if (err == 0) {
        wire_release(cases[number].record, &copy);
    }
    return err;
}

static void copies_fail(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        sweep(copy_command, NULL, i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_fail),
        cmocka_unit_test(others_fail),
        cmocka_unit_test(steps_fail),
    };
    return cmocka_run_group_tests_name("core: memory", tests, NULL, NULL);
}
