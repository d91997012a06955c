/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver around a core that only records what it is given and answers with one kind of action.
 */
#include "harness.h"

#include "adapters/clock.h"
#include "driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The stub core. */
struct core {
    enum core_event_type seen[64];
    uint64_t times_ms[64];
    unsigned n;
    unsigned depth, deepest;
    struct core_action actions[4];
    struct core_actions next;
    int error;
    char text[64];
};
static struct core core;
static struct harness h;
static struct driver *driver;
static struct sqlite_store *store;
static char message[STORE_MAX_MESSAGE];

int core_step(struct core *c, const struct core_event *event, struct core_actions *ret_actions) {
    assert_true(c->n < 64);
    assert_int_equal(++c->depth, 1);
    c->seen[c->n] = event->type;
    c->times_ms[c->n++] = event->now_ms;
    if (event->type == CORE_EVENT_MESSAGE) {
        (void)snprintf(c->text, sizeof(c->text), "%.*s", (int)event->message.size,
                       (const char *)event->message.data);
    }
    *ret_actions = c->next;
    c->next = (struct core_actions){.wakeup_ms = UINT64_MAX};
    c->depth--;
    return c->error;
}

/* What the driver's adapters would call and these tests do not. */
const struct model *core_model(const struct core *c) {
    (void)c;
    return NULL;
}
uint32_t core_get_loads(const struct core *c, struct planner_load *ret) {
    (void)c, (void)ret;
    return 0;
}

bool core_outlook_is_known(const struct core *c) {
    (void)c;
    return true;
}

void core_get_outlook(const struct core *c, struct core_outlook *ret_outlook) {
    (void)c;
    *ret_outlook = (struct core_outlook){0};
}

void core_get_reserve(const struct core *c, struct core_reserve *ret_reserve) {
    (void)c;
    *ret_reserve = (struct core_reserve){.text = ""};
}

void core_get_status(const struct core *c, struct core_status *ret_status) {
    (void)c;
    *ret_status = (struct core_status){.phase = ""};
}

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    core = (struct core){.next = {.wakeup_ms = UINT64_MAX}};
    assert_int_equal(driver_create(h.loop, &core, &driver), 0);
    assert_int_equal(sqlite_store_open(h.loop, h.dir, driver_sink(driver), &store, message), 0);
    const struct driver_adapters adapters = {.store = store};
    driver_attach(driver, &adapters);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sqlite_store_close(store);
    driver_destroy(driver);
    harness_finish(&h);
    return 0;
}

static void boot(void) {
    const struct core_boot b = {.node = 1};
    assert_int_equal(driver_boot(driver, &b), 0);
}

/* Runs the loop until the core has had so many events. */
static void wait_for_steps(unsigned n) {
    uint64_t deadline_ms = clock_now_ms() + 10000;
    while (core.n < n && clock_now_ms() < deadline_ms) {
        harness_run(&h, 1);
    }
    assert_int_equal(core.n, n);
}

static void wait_for_end(int error) {
    uint64_t deadline_ms = clock_now_ms() + 10000;
    while (driver_error(driver) == 0 && clock_now_ms() < deadline_ms) {
        harness_run(&h, 1);
    }
    assert_int_equal(driver_error(driver), error);
}

static void post_message(const char *text) {
    const struct event_sink sink = driver_sink(driver);
    char copy[64];
    (void)snprintf(copy, sizeof(copy), "%s", text);
    const struct core_event event = {
        .type = CORE_EVENT_MESSAGE,
        .message = {.sender = 2, .data = (const uint8_t *)copy, .size = (uint32_t)strlen(copy)}};
    sink_post(&sink, &event);
    memset(copy, '?', sizeof(copy)); /* it must have been copied */
}

static void test_boot_comes_first(void **state) {
    (void)state;
    post_message("early");
    harness_run(&h, 20);
    assert_int_equal(core.n, 0);
    boot();
    assert_int_equal(core.n, 1);
    wait_for_steps(2);
    assert_int_equal(core.seen[0], CORE_EVENT_BOOT);
    assert_string_equal(core.text, "early");
}

static void test_wakeup(void **state) {
    (void)state;
    boot();
    uint64_t due_ms = clock_now_ms() + 60;
    core.next.wakeup_ms = due_ms;
    post_message("a");
    wait_for_steps(3);
    assert_int_equal(core.seen[1], CORE_EVENT_MESSAGE);
    assert_int_equal(core.seen[2], CORE_EVENT_TIMEOUT);
    assert_true(core.times_ms[2] >= due_ms);
}

static void test_wakeup_in_the_past(void **state) {
    (void)state;
    boot();
    core.next.wakeup_ms = 1;
    post_message("a");
    wait_for_steps(3);
    harness_run(&h, 20);
    assert_int_equal(core.n, 3); /* once, not again and again */
}

static void test_store_and_stored(void **state) {
    const struct core_entry entry = {
        .index = 1, .epoch = 1, .data = (const uint8_t *)"x", .size = 1};
    (void)state;
    boot();
    core.actions[0] =
        (struct core_action){.type = CORE_ACTION_STORE,
                             .store = {.seq = 1, .promised = 1, .entries = &entry, .n_entries = 1}};
    core.next = (struct core_actions){.v = core.actions, .n = 1, .wakeup_ms = UINT64_MAX};
    post_message("a");
    wait_for_steps(3);
    assert_int_equal(core.seen[2], CORE_EVENT_STORED);
}

/* The best of many: the machine may be busy, but not each time. A job of libqb would take 50 ms. */
static void test_latency_of_an_event(void **state) {
    uint64_t best_ms = UINT64_MAX;
    (void)state;
    boot();
    for (unsigned i = 0; i < 20; i++) {
        uint64_t begin_ms = clock_now_ms();
        post_message("x");
        wait_for_steps(2 + i);
        uint64_t took_ms = clock_now_ms() - begin_ms;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    assert_true(best_ms < 25);
}

static void test_exit(void **state) {
    (void)state;
    boot();
    core.actions[0] = (struct core_action){.type = CORE_ACTION_EXIT,
                                           .exit = {.error = -EIO, .message = "told to"}};
    core.next = (struct core_actions){.v = core.actions, .n = 1, .wakeup_ms = UINT64_MAX};
    post_message("a");
    post_message("never seen");
    wait_for_end(-EIO);
    harness_run(&h, 20);
    assert_int_equal(core.n, 2);
}

static void test_failing_core(void **state) {
    (void)state;
    boot();
    core.error = -EBADMSG;
    post_message("a");
    wait_for_end(-EBADMSG);
}

static void test_copy_of_a_command(void **state) {
    struct event_queue q;
    const char *nodes[] = {"n1", "n2"};
    struct cmd_vm_add add = {.name = "web",
                             .uuid = "u",
                             .xml = "<x/>",
                             .cpu_mode = "",
                             .cpu_model = "",
                             .possible = {nodes, 2}};
    const struct core_event event = {
        .type = CORE_EVENT_REQUEST,
        .request = {.id = 3, .kind = REQUEST_COMMAND, .command = COMMAND_VM_ADD, .value = &add}};
    (void)state;
    event_queue_init(&q);
    assert_int_equal(event_queue_push(&q, &event), 0);
    nodes[1] = "changed";
    add.name = "changed";
    struct queued_event *queued = event_queue_pop(&q);
    const struct cmd_vm_add *copy = queued->event.request.value;
    assert_string_equal(copy->name, "web");
    assert_string_equal(copy->possible.v[1], "n2");
    queued_event_free(queued);
    event_queue_finish(&q);
}

/* What a line points to lies in memory that its reader uses again. */
static void test_copy_of_an_agents_line(void **state) {
    struct event_queue q;
    char model[] = "EPYC", type[] = "x86_64/pc-7", machine[] = "pc-7", node[] = "n1";
    char bridge[] = "bridge/br0";
    const char *models[] = {model}, *machines[] = {type, type}, *networks[] = {bridge};
    struct core_seen seen[] = {{.node = node, .nonce = node}};
    struct core_event event = {.type = CORE_EVENT_AGENT,
                               .agent = {.line = AGENT_CPU_MODELS,
                                         .models = {models, 1},
                                         .machines = {machines, 2},
                                         .networks = {networks, 1},
                                         .machine = machine,
                                         .seen = seen,
                                         .n_seen = 1}};
    (void)state;
    event_queue_init(&q);
    assert_int_equal(event_queue_push(&q, &event), 0);
    model[0] = type[0] = machine[0] = node[0] = bridge[0] = '?';
    models[0] = machines[0] = machines[1] = networks[0] = "changed";
    struct queued_event *queued = event_queue_pop(&q);
    const struct core_agent *copy = &queued->event.agent;
    assert_string_equal(copy->models.v[0], "EPYC");
    assert_string_equal(copy->machines.v[0], "x86_64/pc-7");
    assert_string_equal(copy->machines.v[1], "x86_64/pc-7");
    assert_string_equal(copy->networks.v[0], "bridge/br0");
    assert_string_equal(copy->machine, "pc-7");
    assert_string_equal(copy->seen[0].nonce, "n1");
    queued_event_free(queued);
    event_queue_finish(&q);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_boot_comes_first),
        T(test_copy_of_an_agents_line),
        T(test_wakeup),
        T(test_wakeup_in_the_past),
        T(test_store_and_stored),
        T(test_exit),
        T(test_latency_of_an_event),
        T(test_failing_core),
        cmocka_unit_test(test_copy_of_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
