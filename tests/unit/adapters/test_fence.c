/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fencing with agents that are small scripts. Each records the actions it was asked for, so that a
 * test sees the order in which things were done as well as what came out.
 */
#include "harness.h"

#include "adapters/agents/fence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct harness h;
static struct fence *fence;

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    assert_int_equal(fence_create(h.loop, h.dir, harness_sink(&h), &fence), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fence_destroy(fence);
    harness_finish(&h);
    return 0;
}

/* `text`: the whole agent. */
static const struct core_fence *order_of(enum core_fence_action action, const char *text,
                                         uint64_t timeout_ms) {
    static const struct core_param params[] = {{"password", "geheim"}, {"ip", "bmc-{node}"}};
    (void)harness_script(&h, "fence_test", text);
    const struct core_fence_order o = {.run = 5,
                                       .agent = "fence_test",
                                       .node = "n2",
                                       .action = action,
                                       .params = params,
                                       .n_params = 2,
                                       .timeout_ms = timeout_ms};
    fence_run(fence, &o);
    const struct core_event *event = harness_wait(&h, 10000);
    assert_int_equal(event->type, CORE_EVENT_FENCE);
    assert_int_equal(event->fence.run, 5);
    print_message("%s\n", event->fence.message);
    assert_null(strstr(event->fence.message, "geheim"));
    return &event->fence;
}

#define SAY_ON "echo 'Status: ON';;"
#define SAY_OFF "echo 'Status: OFF'; exit 2;;"

/* `cases`: the branches of a shell `case` over the action. */
static const struct core_fence *order(enum core_fence_action action, const char *cases,
                                      uint64_t timeout_ms) {
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "#!/bin/sh\nwhile IFS='=' read -r k v; do [ \"$k\" = action ] && a=$v; [ \"$k\" "
                   "= ip ] && ip=$v; "
                   "[ \"$k\" = password ] && p=$v; done\n"
                   "echo \"$a $ip\" >> %s/asked\ncase $a in %s esac\n",
                   h.dir, cases);
    return order_of(action, text, timeout_ms);
}

static void test_off_and_verified(void **state) {
    (void)state;
    assert_true(order(FENCE_OFF, "off) exit 0;; status) " SAY_OFF, 10000)->ok);
    assert_string_equal(harness_read(&h, "asked"), "off bmc-n2\nstatus bmc-n2\n");
}

/* What the supervisor meant for clusterd is not for an agent, whose words would be clusterd's. */
static void test_whether_an_agent_is_there(void **state) {
    char path[FENCE_MAX_PATH], expected[FENCE_MAX_PATH];
    (void)state;
    (void)harness_script(&h, "fence_test", "#!/bin/sh\n");
    assert_int_equal(fence_find_agent(fence, "fence_test", path), 0);
    (void)snprintf(expected, sizeof(expected), "%s/fence_gone", h.dir);
    assert_int_equal(fence_find_agent(fence, "fence_gone", path), -ENOENT);
    assert_string_equal(path, expected);
}

static void test_supervisor_is_not_inherited(void **state) {
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_FDS",    "LISTEN_PID",    "MAINPID"};
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)setenv(names[i], "1", 1);
    }
    (void)setenv("HTTPS_PROXY", "proxy", 1);
    (void)snprintf(text, sizeof(text), "#!/bin/sh\nenv > %s/environment\necho 'Status: ON'\n",
                   h.dir);
    assert_true(order_of(FENCE_STATUS, text, 10000)->ok);
    const char *environment = harness_read(&h, "environment");
    assert_non_null(strstr(environment, "HTTPS_PROXY=proxy"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_null(strstr(environment, names[i]));
        (void)unsetenv(names[i]);
    }
    (void)unsetenv("HTTPS_PROXY");
}

static void test_off_takes_a_while(void **state) {
    char cases[512];
    (void)state;
    (void)snprintf(cases, sizeof(cases),
                   "off) exit 0;; status) [ $(wc -l < %s/asked) -le 2 ] && echo 'Status: ON' && "
                   "exit 0; " SAY_OFF,
                   h.dir);
    assert_true(order(FENCE_OFF, cases, 10000)->ok);
    assert_string_equal(harness_read(&h, "asked"), "off bmc-n2\nstatus bmc-n2\nstatus bmc-n2\n");
}

static void test_stays_on(void **state) {
    (void)state;
    const struct core_fence *f = order(FENCE_OFF, "off) exit 0;; status) " SAY_ON, 3000);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "the status did not confirm it"));
}

static void test_already_off(void **state) {
    (void)state;
    const struct core_fence *f =
        order(FENCE_OFF, "off) echo 'cannot switch off' >&2; exit 1;; status) " SAY_OFF, 10000);
    assert_true(f->ok);
    assert_non_null(strstr(f->message, "already off"));
}

static void test_fails_without_telling_secrets(void **state) {
    (void)state;
    const struct core_fence *f =
        order(FENCE_OFF,
              "off) echo \"login with $p to $ip refused\" >&2; exit 1;; status) exit 1;;", 10000);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "login with ****** to bmc-n2 refused"));
}

/* stderr, which is the log, goes to h.dir/log. */
static void log_to_file(int *ret_stderr) {
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/log", h.dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    *ret_stderr = dup(STDERR_FILENO);
    assert_true(*ret_stderr >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    (void)close(fd);
}

static void log_to_stderr(int before) {
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    (void)close(before);
}

/* An agent in verbose mode prints what it sends, in all the forms that there are; also some that
 * nobody recognises: the secret on two lines. */
static void test_last_line_of_an_agent_with_secrets(void **state) {
    int before = -1;
    (void)state;
    log_to_file(&before);
    const struct core_fence *f =
        order(FENCE_OFF,
              "off) echo \"POST password=$p\" >&2; echo 'key: geh' >&2; echo 'eim' >&2; "
              "echo 'Z2VoZWlt 67656865696d %67eheim ge\\heim dXNlcjpnZWhlaW0= refused' >&2; "
              "exit 1;; status) exit 1;;",
              10000);
    log_to_stderr(before);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "******** ************ ******** ******* ************"));
    assert_non_null(strstr(f->message, "refused"));
    const char *log = harness_read(&h, "log");
    print_message("%s", log);
    static const char *const forms[] = {"geh", "eim", "Z2Vo", "6765", "cjpnZ"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_null(strstr(log, forms[i]));
        assert_null(strstr(f->message, forms[i]));
    }
    const char *line = strstr(log, "refused");
    assert_non_null(line);                       /* when the process had ended, */
    assert_non_null(strstr(line + 1, "failed")); /* and in the result */
    assert_null(strstr(log, "POST"));
}

/* The reason is what was said before the hint that ClusterLabs' library ends with. */
static void test_reason_is_no_hint(void **state) {
    (void)state;
    const struct core_fence *f =
        order(FENCE_OFF,
              "off) echo 'ERROR: no route to host' >&2; echo >&2; "
              "echo \"ERROR: Please use '-h' for usage\" >&2; exit 1;; status) exit 1;;",
              10000);
    assert_false(f->ok);
    assert_string_equal(f->message, "fence_test: off failed with code 1: ERROR: no route to host");
}

static void test_no_status(void **state) {
    (void)state;
    const struct core_fence *f = order(
        FENCE_OFF,
        "off) exit 0;; metadata) echo '<actions><action name=\"off\"/></actions>';; *) exit 1;;",
        10000);
    assert_true(f->ok);
    assert_non_null(strstr(f->message, "no status action to verify"));
    assert_string_equal(harness_read(&h, "asked"), "off bmc-n2\nstatus bmc-n2\nmetadata bmc-n2\n");
}

static void test_status_that_fails_is_no_proof(void **state) {
    (void)state;
    const struct core_fence *f = order(FENCE_OFF,
                                       "off) exit 0;; metadata) echo '<action name=\"status\"/>';; "
                                       "*) echo 'no answer' >&2; exit 1;;",
                                       900);
    assert_false(f->ok);
}

static void test_deadline(void **state) {
    (void)state;
    const struct core_fence *f = order(FENCE_OFF, "off) sleep 1000;;", 300);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "deadline"));
}

static void test_test_of_a_device(void **state) {
    (void)state;
    const struct core_fence *f = order(FENCE_STATUS, "status) " SAY_ON, 10000);
    assert_true(f->ok);
    assert_int_equal(f->power, POWER_ON);
    assert_non_null(strstr(f->message, "n2 is on"));
    assert_string_equal(harness_read(&h, "asked"), "status bmc-n2\n");
    f = order(FENCE_STATUS, "status) " SAY_OFF, 10000);
    assert_true(f->ok);
    assert_int_equal(f->power, POWER_OFF);
    assert_non_null(strstr(f->message, "n2 is off"));
    f = order(
        FENCE_STATUS,
        "status) echo 'wrong password' >&2; exit 1;; metadata) echo '<action name=\"status\"/>';;",
        10000);
    assert_false(f->ok);
    assert_non_null(strstr(f->message, "wrong password"));
    assert_int_equal(f->power, POWER_UNKNOWN);
    f = order(FENCE_STATUS,
              "status) exit 1;; metadata) echo '<action name=\"off\"/>';; monitor) exit 0;;",
              10000);
    assert_true(f->ok);
    assert_int_equal(f->power, POWER_UNKNOWN);
}

/* Agents that are broken, each in a way that makes 2 of its exit code. */
static const char *const broken[] = {
    ("#!/usr/bin/python3\nimport argparse as a\np = a.ArgumentParser('fence_test')\n"
     "p.add_argument('--ip', required=True)\np.parse_args()\n"),
    "#!/bin/sh\nif true; then\n",
    "#!/usr/bin/python3 /nonexistent/fence\n",
    "#!/bin/sh\necho 'usage: fence_test -a IP' >&2\nexit 2\n",
    "#!/bin/sh\ngrep -q off /nonexistent/bmc-answer\n",
};

static void test_broken_agents_are_no_evidence(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const struct core_fence *f = order_of(FENCE_OFF, broken[i], 10000);
        assert_false(f->ok);
        assert_non_null(strstr(f->message, "off failed with code 2: "));
        f = order_of(FENCE_STATUS, broken[i], 10000);
        assert_false(f->ok);
        assert_non_null(strstr(f->message, "status exited with code 2 and did not print"));
    }
}

/* A code without words is no evidence after an `off` that seems to have worked, either; nor are
 * words that the code contradicts, or that contradict each other. */
static void test_words_and_code_must_agree(void **state) {
    static const char *const statuses[] = {
        "exit 2;;",
        "exit 0;;",
        "echo 'Status: OFF';;",
        "echo 'Status: OFF'; exit 1;;",
        "echo 'Status: ON'; exit 2;;",
        "echo 'Status: OFF'; echo 'Status: ON'; exit 2;;",
        "echo 'Status: OFFLINE'; exit 2;;",
        "echo 'Status: OFF' >&2; exit 2;;",
    };
    char cases[512];
    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        (void)snprintf(cases, sizeof(cases),
                       "off) exit 0;; metadata) echo '<action name=\"off\"/><action "
                       "name=\"status\"/>';; status) %s",
                       statuses[i]);
        assert_false(order(FENCE_OFF, cases, 600)->ok);
        (void)snprintf(cases, sizeof(cases), "off) exit 1;; status) %s", statuses[i]);
        assert_false(order(FENCE_OFF, cases, 10000)->ok);
        (void)snprintf(cases, sizeof(cases), "status) %s", statuses[i]);
        assert_false(order(FENCE_STATUS, cases, 10000)->ok);
    }
}

/* It ends with 0 whatever it is asked, and describes nothing: that is no agent without a status. */
static void test_an_agent_that_agrees_to_all_is_no_evidence(void **state) {
    (void)state;
    assert_false(order(FENCE_OFF, "*) exit 0;;", 700)->ok);
    assert_false(order(FENCE_STATUS, "*) exit 0;;", 10000)->ok);
}

static void refused(const char *agent, const char *part) {
    const struct core_fence_order o = {.run = 5, .agent = agent, .node = "n2", .action = FENCE_OFF};
    fence_run(fence, &o);
    const struct core_event *event = harness_wait(&h, 10000);
    assert_false(event->fence.ok);
    assert_non_null(strstr(event->fence.message, part));
}

static void test_wrong_agents(void **state) {
    (void)state;
    refused("../../bin/sh", "not the name");
    refused("fence_missing", "No such file");
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_off_and_verified),
        T(test_whether_an_agent_is_there),
        T(test_supervisor_is_not_inherited),
        T(test_off_takes_a_while),
        T(test_stays_on),
        T(test_already_off),
        T(test_no_status),
        T(test_fails_without_telling_secrets),
        T(test_last_line_of_an_agent_with_secrets),
        T(test_reason_is_no_hint),
        T(test_deadline),
        T(test_status_that_fails_is_no_proof),
        T(test_wrong_agents),
        T(test_test_of_a_device),
        T(test_broken_agents_are_no_evidence),
        T(test_words_and_code_must_agree),
        T(test_an_agent_that_agrees_to_all_is_no_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
