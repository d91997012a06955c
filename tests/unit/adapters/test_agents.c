/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running resource agents: small shell scripts stand in for them. Whatever an agent does, one
 * AGENT_DONE comes at its end.
 */
#include "harness.h"

#include "adapters/agents/agents.h"
#include "adapters/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

static struct harness h;
static struct agents *agents;

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    assert_int_equal(agents_create(h.loop, h.dir, harness_sink(&h), &agents), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    agents_destroy(agents);
    harness_finish(&h);
    return 0;
}

static uint8_t hears_end;

static void run_as(uint64_t number, const char *agent, const char *script, const char *action,
                   uint64_t timeout_ms, const char *input) {
    static const struct core_param params[] = {{"name", "web"}, {"generation", "7"}};
    char text[4096];
    (void)snprintf(text, sizeof(text), "#!/bin/sh\n%s", script);
    (void)harness_script(&h, agent, text);
    const struct core_run_agent order = {.run = number,
                                         .agent = agent,
                                         .action = action,
                                         .instance = "web",
                                         .params = params,
                                         .n_params = 2,
                                         .input = input,
                                         .timeout_ms = timeout_ms,
                                         .hears_end = hears_end};
    agents_run(agents, &order);
}

static void run(const char *script, const char *action, uint64_t timeout_ms, const char *input) {
    run_as(42, "vm", script, action, timeout_ms, input);
}

static const struct core_agent *next_of(uint64_t number, enum core_agent_line line) {
    const struct core_event *event = harness_wait(&h, 10000);
    assert_int_equal(event->type, CORE_EVENT_AGENT);
    assert_int_equal(event->agent.run, number);
    assert_int_equal(event->agent.line, line);
    return &event->agent;
}

static const struct core_agent *next(enum core_agent_line line) {
    return next_of(42, line);
}

static void test_lines_then_done(void **state) {
    (void)state;
    run("echo '{\"progress\":{\"percent\":10}}'; echo 'some words' >&2\n"
        "echo \"{\\\"result\\\":\\\"ok\\\",\\\"state\\\":\\\"running\\\",\\\"reason\\\":"
        "\\\"$1 $OCF_RESKEY_name $OCF_RESKEY_generation $OCF_RESOURCE_INSTANCE\\\","
        "\\\"machine\\\":\\\"pc-i440fx-7.2\\\"}\"\n",
        "start", 10000, NULL);
    assert_int_equal(next(AGENT_PROGRESS)->percent, 10);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_OK);
    assert_int_equal(done->state, VM_STATE_RUNNING);
    assert_string_equal(done->reason, "start web 7 web");
    assert_string_equal(done->machine, "pc-i440fx-7.2"); /* long after its line has gone */
}

/* What a volume's agent sees comes whole through the queue of events. */
static void test_volume_line(void **state) {
    (void)state;
    run("echo "
        "'{\"volume\":\"csv1\",\"ok\":true,\"seen\":[{\"node\":\"n2\",\"nonce\":\"ab\",\"moved_"
        "ms\":12},"
        "{\"node\":\"n3\",\"nonce\":\"cd\"}]}'\necho '{\"result\":\"ok\"}'\n",
        "watch", 0, NULL);
    const struct core_agent *line = next(AGENT_VOLUME);
    assert_int_equal(line->n_seen, 2);
    assert_string_equal(line->seen[0].node, "n2");
    assert_string_equal(line->seen[0].nonce, "ab");
    assert_true(line->seen[0].moved_ms == 12);
    assert_string_equal(line->seen[1].nonce, "cd");
    assert_true(line->seen[1].moved_ms == CORE_NEVER_MOVED);
    (void)next(AGENT_DONE);
}

static void test_large_input(void **state) {
    const size_t size = 256 * 1024;
    char *input = malloc(size + 1);
    (void)state;
    assert_non_null(input);
    memset(input, 'x', size);
    input[size] = '\0';
    run("n=$(wc -c); echo \"{\\\"result\\\":\\\"ok\\\",\\\"total_ms\\\":$n}\"\n", "start", 10000,
        input);
    free(input);
    assert_int_equal(next(AGENT_DONE)->total_ms, size);
}

static void test_input_that_nobody_reads(void **state) {
    (void)state;
    run("exec <&-; echo '{\"result\":\"ok\"}'\n", "start", 10000, "not read");
    assert_int_equal(next(AGENT_DONE)->result, RESULT_OK);
}

static void test_no_final_line(void **state) {
    (void)state;
    run("exit 5\n", "start", 10000, NULL);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_FAILED);
    assert_non_null(strstr(done->reason, "vm start web"));
    assert_non_null(strstr(done->reason, "code 5"));
    run("kill -ABRT $$\n", "start", 10000, NULL);
    done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_FAILED);
    assert_non_null(strstr(done->reason, "signal 6"));
}

static void test_says_ok_and_fails(void **state) {
    (void)state;
    run("echo '{\"result\":\"ok\",\"state\":\"running\"}'; exit 1\n", "start", 10000, NULL);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_FAILED);
    assert_int_equal(done->state, VM_STATE_RUNNING);
}

static void test_monitor_codes(void **state) {
    (void)state;
    run("exit 7\n", "monitor", 10000, NULL);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_OK);
    assert_int_equal(done->state, VM_STATE_OFF);
    run("exit 0\n", "monitor", 10000, NULL);
    assert_int_equal(next(AGENT_DONE)->state, VM_STATE_RUNNING);
    run("echo '{\"result\":\"ok\",\"state\":\"off\"}'; exit 7\n", "monitor", 10000, NULL);
    done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_OK);
    assert_int_equal(done->state, VM_STATE_OFF);
    run("exit 1\n", "monitor", 10000, NULL);
    assert_int_equal(next(AGENT_DONE)->result, RESULT_FAILED);
}

/*
 * Waits for the end of the process whose pid the script has written. SIGKILL has been sent when the
 * agent's end is told; the kernel takes its time to carry it out, which is no fault of ours.
 */
static void expect_gone(const char *pid_file) {
    pid_t pid = (pid_t)strtol(harness_read(&h, pid_file), NULL, 10);
    assert_true(pid > 1);
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        assert_int_equal(errno, ESRCH);
        return;
    }
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int n = poll(&ended, 1, 10000);
    (void)close(fd);
    assert_int_equal(n, 1);
}

static void test_deadline_kills_the_group(void **state) {
    char script[512];
    uint64_t begin_ms = clock_now_ms();
    (void)state;
    (void)snprintf(script, sizeof(script),
                   "trap '' TERM\nsleep 1000 &\necho $! > %s/child\n"
                   "echo '{\"progress\":{}}'\nwait\n",
                   h.dir);
    run(script, "migrate_to", 1000, NULL);
    (void)next(AGENT_PROGRESS);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_TIMEOUT);
    assert_non_null(strstr(done->reason, "deadline"));
    assert_true(clock_now_ms() - begin_ms >= 1000);
    expect_gone("child");
}

/* Each has its own deadline: what happens to one that is past it touches no other, nor what that
 * other has started. */
static void test_deadline_touches_no_other(void **state) {
    char script[512];
    (void)state;
    (void)snprintf(script, sizeof(script),
                   "mkfifo %s/go\nexec 3<>%s/go\n"
                   "(read -r n <&3; echo \"{\\\"progress\\\":{\\\"percent\\\":$n}}\") &\n"
                   "echo '{\"progress\":{\"percent\":1}}'\nwait\n"
                   "echo '{\"result\":\"ok\",\"state\":\"running\"}'\n",
                   h.dir, h.dir);
    run_as(43, "other", script, "migrate_to", 60000, NULL);
    assert_int_equal(next_of(43, AGENT_PROGRESS)->percent, 1);
    run_as(42, "vm", "trap '' TERM\necho '{\"progress\":{}}'\nsleep 1000\n", "migrate_to", 500,
           NULL);
    (void)next_of(42, AGENT_PROGRESS);
    const struct core_agent *done = next_of(42, AGENT_DONE);
    assert_int_equal(done->result, RESULT_TIMEOUT);
    assert_string_equal(done->reason, "agent vm migrate_to web: killed at its deadline");
    (void)snprintf(script, sizeof(script), "%s/go", h.dir);
    int go = open(script, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* ENXIO: its reader is dead */
    assert_true(go >= 0);
    assert_true(write(go, "77\n", 3) == 3);
    (void)close(go);
    assert_int_equal(next_of(43, AGENT_PROGRESS)->percent, 77);
    done = next_of(43, AGENT_DONE);
    assert_int_equal(done->result, RESULT_OK);
    assert_int_equal(done->state, VM_STATE_RUNNING);
}

static void test_cancel(void **state) {
    const struct core_kill_agent soft = {.run = 42, .force = 0}, other = {.run = 43, .force = 1};
    (void)state;
    run("trap 'echo {\\\"result\\\":\\\"cancelled\\\",\\\"state\\\":\\\"running\\\"}; exit 0' "
        "TERM\n"
        "echo '{\"progress\":{}}'\nsleep 1000 & wait\n",
        "migrate_to", 10000, NULL);
    (void)next(AGENT_PROGRESS);
    agents_kill(agents, &other);
    agents_kill(agents, &soft);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_CANCELLED);
    assert_int_equal(done->state, VM_STATE_RUNNING);
}

/* Asked to end in its first moment, an agent that says how it ended must not just die. Bit 14 of
 * the mask is SIGTERM. */
static void test_cancel_in_the_first_moment(void **state) {
    static const char script[] =
        "mask=$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/self/status)\n"
        "case $mask in *[4567cdef]000) word=held;; *) word=\"not held: $mask\";; esac\n"
        "echo \"{\\\"result\\\":\\\"cancelled\\\",\\\"state\\\":\\\"off\\\","
        "\\\"reason\\\":\\\"$word\\\"}\"; exit 1\n";
    (void)state;
    hears_end = 1;
    run(script, "copy", 0, NULL);
    hears_end = 0;
    agents_kill(agents, &(struct core_kill_agent){.run = 42});
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_CANCELLED);
    assert_string_equal(done->reason, "held");
    run(script, "watch", 0, NULL);
    assert_non_null(strstr(next(AGENT_DONE)->reason, "not held"));
}

static void test_kill(void **state) {
    const struct core_kill_agent hard = {.run = 42, .force = 1};
    (void)state;
    run("trap '' TERM\necho '{\"event\":\"connected\"}'\nsleep 1000 & wait\n", "watch", 0, NULL);
    (void)next(AGENT_CONNECTED);
    agents_kill(agents, &hard);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_FAILED);
    assert_non_null(strstr(done->reason, "signal 9"));
}

static void test_background_child_does_not_hold_the_end_up(void **state) {
    char script[512];
    uint64_t begin_ms = clock_now_ms();
    (void)state;
    (void)snprintf(script, sizeof(script),
                   "sleep 1000 &\necho $! > %s/child\necho '{\"result\":\"ok\"}'\n", h.dir);
    run(script, "start", 60000, NULL);
    assert_int_equal(next(AGENT_DONE)->result, RESULT_OK);
    assert_true(clock_now_ms() - begin_ms < 30000);
    expect_gone("child");
}

static void test_bad_lines_are_passed_over(void **state) {
    (void)state;
    run("echo 'not json'; echo; head -c 100000 /dev/zero | tr '\\0' a; echo\n"
        "printf '{\"event\":\"lis\\000ted\"}\\n'\n"
        "echo '{\"event\":\"listed\"}'\nprintf '{\"result\":\"ok\"}'\n",
        "watch", 0, NULL);
    (void)next(AGENT_LISTED);
    assert_int_equal(next(AGENT_DONE)->result, RESULT_OK); /* without a newline at the end */
}

static void test_no_such_agent(void **state) {
    const struct core_run_agent order = {
        .run = 42, .agent = "nothing", .action = "start", .instance = "x"};
    (void)state;
    agents_run(agents, &order);
    const struct core_agent *done = next(AGENT_DONE);
    assert_int_equal(done->result, RESULT_FAILED);
    assert_non_null(strstr(done->reason, "cannot be run"));
}

/* The agent's environment is ours, but for what would confuse it. */
static void test_environment(void **state) {
    (void)state;
    (void)setenv("NOTIFY_SOCKET", "/run/x", 1);
    (void)setenv("OCF_RESKEY_force", "1", 1);
    run("echo "
        "\"{\\\"result\\\":\\\"ok\\\",\\\"reason\\\":\\\"$NOTIFY_SOCKET-$OCF_RESKEY_force-$OCF_"
        "ROOT\\\"}\"\n",
        "start", 10000, NULL);
    assert_string_equal(next(AGENT_DONE)->reason, "--/usr/lib/ocf");
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("OCF_RESKEY_force");
}

/* A library in another thread may open a file, and mark it only afterwards. */
static void test_no_file_is_inherited(void **state) {
    (void)state;
    char script[128];
    int fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
    assert_true(fd > 2);
    (void)snprintf(script, sizeof(script),
                   "test -e /proc/self/fd/%d || echo '{\"result\":\"ok\"}'\n", fd);
    run(script, "start", 10000, NULL);
    assert_int_equal(next(AGENT_DONE)->result, RESULT_OK);
    (void)close(fd);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_lines_then_done),
        T(test_volume_line),
        T(test_large_input),
        T(test_input_that_nobody_reads),
        T(test_no_final_line),
        T(test_says_ok_and_fails),
        T(test_monitor_codes),
        T(test_deadline_kills_the_group),
        T(test_deadline_touches_no_other),
        T(test_cancel),
        T(test_cancel_in_the_first_moment),
        T(test_kill),
        T(test_background_child_does_not_hold_the_end_up),
        T(test_bad_lines_are_passed_over),
        T(test_no_such_agent),
        T(test_no_file_is_inherited),
        T(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
