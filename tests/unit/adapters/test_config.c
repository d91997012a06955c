/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd.conf: what is read, and that each mistake is an error with file and line.
 */
#include "harness.h"

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct harness h;
static struct config config;
static char message[512];

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    harness_finish(&h);
    return 0;
}

static int read_text(const char *text) {
    config_init(&config);
    return config_read(&config, harness_script(&h, "clusterd.conf", text), message,
                       sizeof(message));
}

static void test_all_keys(void **state) {
    (void)state;
    assert_int_equal(read_text("# a comment\n"
                               "[clusterd]\n"
                               "state_dir = /a\nrun_dir=/b\nagent_dir = /c\nfence_agent_dir = /d\n"
                               "admin_group = ops ; who may change\nreader_group = view\n"
                               "log_target = syslog\nlog_level = debug\n"
                               "libvirt_uri = test:///default\nmigrate_uri = qemu+ssh://%s/system\n"
                               "watchdog = /dev/watchdog\nwatchdog_ms = 8000\n"
                               "\n[node]\nmemory_mb = 4096\ncpus = 3\nsite = east\nrack = r1\n"),
                     0);
    assert_string_equal(config.state_dir, "/a");
    assert_string_equal(config.run_dir, "/b");
    assert_string_equal(config.agent_dir, "/c");
    assert_string_equal(config.fence_agent_dir, "/d");
    assert_string_equal(config.admin_group, "ops");
    assert_string_equal(config.reader_group, "view");
    assert_int_equal(config.log_target, LOG_TARGET_SYSLOG);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    assert_string_equal(config.libvirt_uri, "test:///default");
    assert_string_equal(config.migrate_uri, "qemu+ssh://%s/system");
    assert_string_equal(config.watchdog, "/dev/watchdog");
    assert_int_equal(config.watchdog_ms, 8000);
    assert_int_equal(config.memory_mb, 4096);
    assert_int_equal(config.cpus, 3);
    assert_string_equal(config.site, "east");
    assert_string_equal(config.rack, "r1");
}

static void test_defaults(void **state) {
    (void)state;
    assert_int_equal(read_text("[clusterd]\n;state_dir = /x\nwatchdog = none\n[node]\n"), 0);
    assert_string_equal(config.state_dir, "/var/lib/clusterd");
    assert_string_equal(config.migrate_uri,
                        "qemu+tls://%s/system"); /* clear text only if asked for */
    assert_string_equal(config.watchdog, "");
    assert_int_equal(config.watchdog_ms, 5000);
    assert_int_equal(config.memory_mb, 0);
    config_default_capacity(&config);
    assert_true(config.memory_mb > 0);
    assert_true(config.cpus > 0);
}

static void test_mistakes(void **state) {
    static const struct {
        const char *text;
        int line;
        const char *part; /* of the message */
    } cases[] = {
        {"[clusterd]\nstate_dri = /a\n", 2, "unknown key 'state_dri' in section [clusterd]"},
        {"[clusterd]\nmemory_mb = 5\n", 2, "unknown key 'memory_mb' in section [clusterd]"},
        {"[nodes]\n", 1, "unknown section"},
        {"[node] site = a\n", 1, "a section must stand alone on its line"},
        {"[node]memory_mb = 5\n", 1, "a section must stand alone on its line"},
        {"[clusterd] ; all of it\nstate_dri = /a\n", 2, "unknown key"},
        {"[clusterd] \t\nstate_dri = /a\n", 2, "unknown key"},
        {"state_dir = /a\n", 1, "unknown key"},
        {"[clusterd]\nstate_dir = a/b\n", 2, "absolute path"},
        {"[clusterd]\nstate_dir = /a\n\nstate_dir = /b\n", 4, "given twice"},
        {"[clusterd]\nlog_level = loud\n", 2, "must be error, warning, info or debug"},
        {"[clusterd]\nlog_target = file\n", 2, "must be stderr or syslog"},
        {"[clusterd]\nmigrate_uri = qemu+tcp://n2/system\n", 2, "exactly once"},
        {"[clusterd]\nmigrate_uri = qemu+tcp://%s/%d\n", 2, "exactly once"},
        {"[clusterd]\nwatchdog = yes\n", 2, "or none"},
        {"[clusterd]\nwatchdog_ms = 2999\n", 2, "number from 3000 to 600000"},
        {"[node]\nmemory_mb = lots\n", 2, "must be a number"},
        {"[node]\nmemory_mb = -5\n", 2, "must be a number"},
        {"[node]\ncpus = 4x\n", 2, "must be a number"},
        {"[node]\ncpus\n", 2, "key = value"},
        {"[node]\nsite = east\n  west\n", 3, "begins with white space"},
        {"[node]\nsite = 0123456789012345678901234567890123456789012345678901234567890123456789\n",
         2, "too long"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char place[128];
        (void)snprintf(place, sizeof(place), "clusterd.conf:%d: ", cases[i].line);
        assert_int_equal(read_text(cases[i].text), -EINVAL);
        print_message("%s\n", message);
        assert_non_null(strstr(message, place));
        assert_non_null(strstr(message, cases[i].part));
    }
}

static void test_long_line(void **state) {
    char text[512];
    (void)state;
    (void)snprintf(text, sizeof(text), "[clusterd]\nstate_dir = /%0250d\n", 1);
    assert_int_equal(read_text(text), -EINVAL);
    assert_non_null(strstr(message, ":2: the line is too long"));
}

static void test_missing_file(void **state) {
    (void)state;
    config_init(&config);
    assert_int_equal(config_read(&config, "/nonexistent/clusterd.conf", message, sizeof(message)),
                     -ENOENT);
    assert_non_null(strstr(message, "/nonexistent/clusterd.conf"));
}

/* The one that is installed must be read without a complaint. */
static void test_example(void **state) {
    (void)state;
    config_init(&config);
    int error = config_read(&config, CLUSTERD_SOURCE_DIR "/examples/configuration/clusterd.conf",
                            message, sizeof(message));
    if (error < 0) {
        fail_msg("%s", message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys),     cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_mistakes),     cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_missing_file), cmocka_unit_test(test_example),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
