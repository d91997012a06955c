/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fencing with agents of ClusterLabs as Debian packages them: what the small scripts of
 * test_fence.c stand for. fence_dummy keeps a node's power in a file; the others get a device that
 * is not there. Where they are not installed the tests are skipped; tools/packages.sh fence
 * installs them.
 */
#include "harness.h"

#include "adapters/agents/fence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGENT_DIR "/usr/sbin"

static struct harness h;
static struct fence *fence;

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    assert_int_equal(fence_create(h.loop, AGENT_DIR, harness_sink(&h), &fence), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fence_destroy(fence);
    harness_finish(&h);
    return 0;
}

static void need(const char *agent) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", AGENT_DIR, agent);
    if (access(path, X_OK) != 0) {
        print_message("skipped: there is no %s (tools/packages.sh fence)\n", path);
        skip();
    }
}

static const struct core_fence *order(const char *agent, enum core_fence_action action,
                                      const struct core_param *params, uint32_t n) {
    const struct core_fence_order o = {.run = 5,
                                       .agent = agent,
                                       .node = "n2",
                                       .action = action,
                                       .params = params,
                                       .n_params = n,
                                       .timeout_ms = 60000};
    fence_run(fence, &o);
    const struct core_event *event = harness_wait(&h, 60000);
    assert_int_equal(event->type, CORE_EVENT_FENCE);
    assert_int_equal(event->fence.run, 5);
    print_message("%s\n", event->fence.message);
    return &event->fence;
}

static void set_power(const char *state) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/power-n2", h.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(state, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_dummy(void **state) {
    char path[128];
    const struct core_param params[] = {{"status_file", path}};
    (void)state;
    need("fence_dummy");
    (void)snprintf(path, sizeof(path), "%s/power-{node}", h.dir);
    set_power("on");
    const struct core_fence *f = order("fence_dummy", FENCE_STATUS, params, 1);
    assert_true(f->ok);
    assert_non_null(strstr(f->message, "n2 is on"));
    assert_string_equal(harness_read(&h, "power-n2"),
                        "on"); /* a test of a device changes nothing */

    f = order("fence_dummy", FENCE_OFF, params, 1);
    assert_true(f->ok);
    assert_string_equal(f->message, "fence_dummy: off, verified by its status");
    assert_string_equal(harness_read(&h, "power-n2"), "off");

    assert_true(order("fence_dummy", FENCE_OFF, params, 1)->ok); /* off already */
    f = order("fence_dummy", FENCE_STATUS, params, 1);
    assert_true(f->ok);
    assert_non_null(strstr(f->message, "n2 is off"));
}

/* It takes the order and nothing comes of it: no evidence, and the agent's own reason. */
static void test_dummy_that_fails(void **state) {
    const struct core_param params[] = {
        {"type", "fail"}, {"plug", "{node}"}, {"power_timeout", "1"}};
    (void)state;
    need("fence_dummy");
    const struct core_fence *f = order("fence_dummy", FENCE_OFF, params, 3);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "off failed with code 1"));
    assert_non_null(strstr(f->message, "Timed out waiting to power OFF"));
}

/* A device that is not there: the agent's reason comes through, and no secret, though it is told to
 * be verbose. fence_redfish ends its words with a hint at its options, which is no reason. */
static void test_device_that_is_not_there(void **state) {
    const struct core_param redfish[] = {{"ip", "127.0.0.1"},   {"ipport", "1"},
                                         {"username", "me"},    {"password", "geheim-77"},
                                         {"systems_uri", "/x"}, {"verbose", "1"}};
    const struct core_param ipmi[] = {{"ip", "127.0.0.1"},
                                      {"username", "me"},
                                      {"password", "geheim-77"},
                                      {"hexadecimal_kg", "a7"},
                                      {"ipmitool_path", "/bin/false"},
                                      {"verbose", "1"}};
    (void)state;
    need("fence_redfish");
    const struct core_fence *f = order("fence_redfish", FENCE_STATUS, redfish, 6);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "Connection refused"));
    assert_null(strstr(f->message, "geheim"));
    f = order("fence_ipmilan", FENCE_OFF, ipmi, 6);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "Unable to obtain correct plug status"));
    assert_null(strstr(f->message, "geheim"));
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_dummy),
        T(test_dummy_that_fails),
        T(test_device_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
