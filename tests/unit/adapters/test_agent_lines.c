/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of resource agents: what each kind becomes, and that a wrong line is refused whole.
 */
#include "adapters/agents/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct agent_line line;
static const char *why;

static int decode(const char *text) {
    return agent_line_decode(text, strlen(text), &line, &why);
}

static void test_final_line(void **state) {
    (void)state;
    assert_int_equal(
        decode("{\"result\":\"ok\",\"state\":\"running\",\"reason\":\"\",\"blackout_ms\":210,"
               "\"total_ms\":640,\"generation\":7}"),
        0);
    assert_int_equal(line.agent.line, AGENT_DONE);
    assert_int_equal(line.agent.result, RESULT_OK);
    assert_int_equal(line.agent.state, VM_STATE_RUNNING);
    assert_int_equal(line.agent.blackout_ms, 210);
    assert_int_equal(line.agent.total_ms, 640);
    assert_int_equal(line.agent.generation, 7);
    agent_line_finish(&line);
    assert_int_equal(
        decode("{\"result\":\"cancelled\",\"state\":\"paused\",\"reason\":\"n2: aborted\"}"), 0);
    assert_int_equal(line.agent.result, RESULT_CANCELLED);
    assert_int_equal(line.agent.state, VM_STATE_PAUSED);
    assert_string_equal(line.agent.reason, "n2: aborted");
    agent_line_finish(&line);
}

static void test_progress(void **state) {
    (void)state;
    assert_int_equal(
        decode("{\"progress\":{\"percent\":43,\"rate_bps\":1000,\"dirty_bps\":20,\"iteration\":3,"
               "\"remaining_bytes\":5000000000}}"),
        0);
    assert_int_equal(line.agent.line, AGENT_PROGRESS);
    assert_int_equal(line.agent.percent, 43);
    assert_int_equal(line.agent.iteration, 3);
    assert_int_equal(line.agent.remaining_bytes, 5000000000);
    agent_line_finish(&line);
}

static void test_watch(void **state) {
    static const struct {
        const char *text;
        enum core_agent_line line;
        uint8_t event;
    } cases[] = {
        {"{\"event\":\"connected\",\"version\":9000000}", AGENT_CONNECTED, VM_EVENT_NONE},
        {"{\"event\":\"disconnected\",\"reason\":\"gone\"}", AGENT_DISCONNECTED, VM_EVENT_NONE},
        {"{\"event\":\"listed\"}", AGENT_LISTED, VM_EVENT_NONE},
        {"{\"event\":\"domain\",\"name\":\"a\",\"uuid\":\"u\",\"generation\":3,\"state\":"
         "\"incoming\"}",
         AGENT_DOMAIN, VM_EVENT_NONE},
        {"{\"event\":\"domain\",\"name\":\"a\",\"uuid\":\"u\",\"generation\":null,\"state\":"
         "\"shutting-down\"}",
         AGENT_DOMAIN, VM_EVENT_NONE},
        {"{\"event\":\"started\",\"uuid\":\"u\",\"generation\":3}", AGENT_DOMAIN_EVENT,
         VM_EVENT_STARTED},
        {"{\"event\":\"stopped\",\"uuid\":\"u\",\"generation\":3}", AGENT_DOMAIN_EVENT,
         VM_EVENT_STOPPED},
        {"{\"event\":\"crashed\",\"uuid\":\"u\",\"generation\":3}", AGENT_DOMAIN_EVENT,
         VM_EVENT_CRASHED},
        {"{\"event\":\"shutdown\",\"uuid\":\"u\",\"generation\":3}", AGENT_DOMAIN_EVENT,
         VM_EVENT_SHUTDOWN},
        {"{\"event\":\"paused\",\"uuid\":\"u\",\"reason\":\"I/O error\"}", AGENT_DOMAIN_EVENT,
         VM_EVENT_PAUSED},
        {"{\"event\":\"resumed\",\"uuid\":\"u\"}", AGENT_DOMAIN_EVENT, VM_EVENT_RESUMED},
        {"{\"event\":\"migrated\",\"uuid\":\"u\",\"reason\":\"saved\"}", AGENT_DOMAIN_EVENT,
         VM_EVENT_MIGRATED},
        {"{\"event\":\"usage\",\"memory_total_mb\":10,\"memory_free_mb\":4,\"cpus\":2,\"cpu_busy_"
         "permille\":300,"
         "\"vms\":[]}",
         AGENT_USAGE, VM_EVENT_NONE},
        {"{\"event\":\"of a later version\",\"what\":1}", AGENT_LINE_NONE, VM_EVENT_NONE},
        {"{\"something\":\"else\"}", AGENT_LINE_NONE, VM_EVENT_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].text);
        assert_int_equal(decode(cases[i].text), 0);
        assert_int_equal(line.agent.line, cases[i].line);
        assert_int_equal(line.agent.domain_event, cases[i].event);
        agent_line_finish(&line);
    }
}

/* What has ended before it changed anything; any other detail says nothing of that. */
static void test_not_begun(void **state) {
    (void)state;
    assert_int_equal(
        decode("{\"result\":\"failed\",\"state\":\"unknown\",\"detail\":\"not-begun\"}"), 0);
    assert_int_equal(line.agent.not_begun, 1);
    assert_int_equal(line.agent.state_lost, 0);
    agent_line_finish(&line);
    assert_int_equal(decode("{\"result\":\"failed\",\"state\":\"off\",\"detail\":\"state-used\"}"),
                     0);
    assert_int_equal(line.agent.not_begun, 0);
    agent_line_finish(&line);
    assert_int_equal(decode("{\"result\":\"failed\",\"state\":\"unknown\"}"), 0);
    assert_int_equal(line.agent.not_begun, 0);
    agent_line_finish(&line);
}

static void test_refused(void **state) {
    (void)state;
    assert_int_equal(decode("{\"result\":\"failed\",\"state\":\"running\",\"refused\":true}"), 0);
    assert_int_equal(line.agent.refused, 1);
    agent_line_finish(&line);
    assert_int_equal(decode("{\"result\":\"failed\",\"state\":\"running\"}"), 0);
    assert_int_equal(line.agent.refused, 0);
    agent_line_finish(&line);
    assert_true(decode("{\"result\":\"failed\",\"refused\":\"yes\"}") < 0);
}

static void test_volume_and_cpu(void **state) {
    (void)state;
    assert_int_equal(
        decode("{\"volume\":\"csv1\",\"ok\":true,\"free_mb\":10,\"total_mb\":20,\"seen\":["
               "{\"node\":\"n2\",\"nonce\":\"ab\",\"age_ms\":12,\"moved_ms\":0},"
               "{\"node\":\"n3\",\"nonce\":\"cd\",\"age_ms\":12},"
               "{\"node\":\"n4\",\"nonce\":\"ef\",\"moved_ms\":4711}"
               "]}"),
        0);
    assert_int_equal(line.agent.line, AGENT_VOLUME);
    assert_string_equal(line.agent.name, "csv1");
    assert_int_equal(line.agent.volume_ok, 1);
    assert_int_equal(line.agent.n_seen, 3);
    assert_string_equal(line.agent.seen[1].nonce, "cd");
    assert_true(line.agent.seen[0].moved_ms == 0);
    assert_true(line.agent.seen[1].moved_ms == CORE_NEVER_MOVED);
    assert_true(line.agent.seen[2].moved_ms == 4711);
    agent_line_finish(&line);
    assert_int_equal(decode("{\"volume\":\"csv1\",\"ok\":false,\"reason\":\"read-only\"}"), 0);
    assert_int_equal(line.agent.volume_ok, 0);
    assert_string_equal(line.agent.reason, "read-only");
    agent_line_finish(&line);
    assert_int_equal(
        decode("{\"cpu\":{\"model\":\"EPYC\",\"usable_models\":[\"qemu64\",\"EPYC\"]}}"), 0);
    assert_int_equal(line.agent.line, AGENT_CPU_MODELS);
    assert_int_equal(line.agent.models.n, 2);
    assert_string_equal(line.agent.models.v[1], "EPYC");
    assert_int_equal(line.agent.machines.n, 0);
    agent_line_finish(&line);
    assert_int_equal(decode("{\"cpu\":{\"usable_models\":[\"qemu64\"],\"machines\":["
                            "\"x86_64/pc-i440fx-7.2\",\"x86_64/pc=pc-i440fx-7.2\"]}}"),
                     0);
    assert_int_equal(line.agent.models.n, 1);
    assert_int_equal(line.agent.machines.n, 2);
    assert_string_equal(line.agent.machines.v[1], "x86_64/pc=pc-i440fx-7.2");
    agent_line_finish(&line);
    assert_int_equal(
        decode("{\"event\":\"networks\",\"networks\":[\"bridge/br0\",\"network/lan\"]}"), 0);
    assert_int_equal(line.agent.line, AGENT_NETWORKS);
    assert_int_equal(line.agent.networks.n, 2);
    assert_string_equal(line.agent.networks.v[1], "network/lan");
    agent_line_finish(&line);
}

static void test_wrong_lines(void **state) {
    static const char *const cases[] = {
        "",
        "hello",
        "[1]",
        "{\"result\":\"ok\"",
        "{\"result\":\"perhaps\"}",
        "{\"result\":1}",
        "{\"result\":\"ok\",\"state\":\"flying\"}",
        "{\"result\":\"ok\",\"total_ms\":-1}",
        "{\"result\":\"ok\",\"total_ms\":1.5}",
        "{\"result\":\"ok\",\"result\":\"failed\"}",
        "{\"progress\":7}",
        "{\"progress\":{\"percent\":99999999999}}",
        "{\"event\":3}",
        "{\"event\":\"domain\",\"uuid\":7}",
        "{\"event\":\"stopped\",\"generation\":\"3\"}",
        "{\"volume\":\"csv1\",\"ok\":\"yes\"}",
        "{\"volume\":\"csv1\",\"ok\":true,\"seen\":{}}",
        "{\"volume\":\"csv1\",\"ok\":true,\"seen\":[{\"node\":\"n1\"}]}",
        "{\"volume\":\"v\",\"seen\":[{\"node\":\"n1\",\"nonce\":\"a\",\"moved_ms\":-1}]}",
        "{\"volume\":\"v\",\"seen\":[{\"node\":\"n1\",\"nonce\":\"a\",\"moved_ms\":true}]}",
        "{\"cpu\":{\"usable_models\":[1]}}",
        "{\"cpu\":[]}",
        "{\"event\":\"networks\"}",
        "{\"event\":\"networks\",\"networks\":[\"bridge/br0\",3]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i]);
        assert_int_equal(decode(cases[i]), -EBADMSG);
        assert_non_null(why);
        assert_null(line.json);
    }
}

static void test_too_many_seen(void **state) {
    char text[8192] = "{\"volume\":\"csv1\",\"ok\":true,\"seen\":[";
    size_t n = strlen(text);
    (void)state;
    for (unsigned i = 0; i <= AGENT_MAX_SEEN; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{\"node\":\"n%u\",\"nonce\":\"a\"}",
                              i ? "," : "", i);
    }
    (void)snprintf(text + n, sizeof(text) - n, "]}");
    assert_int_equal(decode(text), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_final_line),  cmocka_unit_test(test_progress),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_not_begun),
        cmocka_unit_test(test_watch),       cmocka_unit_test(test_volume_and_cpu),
        cmocka_unit_test(test_wrong_lines), cmocka_unit_test(test_too_many_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
