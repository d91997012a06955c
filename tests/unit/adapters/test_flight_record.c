/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder's tape: no secret is in it, in no encoding; what is on it replays to the
 * digest of what was recorded; a clusterd that runs is not disturbed; what cannot be read is said.
 */
#include "recording.h"

#include "adapters/store/flight_record.h"
#include "adapters/store/redact.h"
#include "adapters/store/store.h"
#include "base/base64.h"
#include "base/hash.h"
#include "core/apply/apply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET RECORDING_SECRET

static struct recording r;
static char message[STORE_MAX_MESSAGE];

static int setup(void **state) {
    (void)state;
    recording_init(&r, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    recording_finish(&r);
    return 0;
}

/* ---- reading the tape ---- */

static char *tape;
static size_t tape_size;
static json_t *lines;

static int export(void) {
    FILE *out = open_memstream(&tape, &tape_size);
    assert_non_null(out);
    int error = export_write(r.dir, out, message);
    assert_int_equal(fclose(out), 0);
    lines = json_array();
    char *rest = NULL;
    char *copy = strdup(tape);
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_array_append_new(lines, json_loads(line, 0, NULL));
    }
    free(copy);
    return error;
}

static void drop_tape(void) {
    json_decref(lines);
    free(tape);
    tape = NULL;
}

static bool bytes_hold(const void *data, size_t size, const char *text) {
    return memmem(data, size, text, strlen(text)) != NULL;
}

/* The bytes of a line or of the snapshot; they are what crc says. */
static uint8_t *bytes_of(const json_t *line, size_t *ret_size) {
    uint8_t *data = NULL;
    assert_int_equal(
        base64_decode(json_string_value(json_object_get(line, "bytes")), &data, ret_size), 0);
    assert_int_equal(json_integer_value(json_object_get(line, "crc")), crc32c(data, *ret_size));
    return data;
}

static void no_secret(void) {
    size_t i = 0, size = 0;
    json_t *line = NULL;
    assert_false(bytes_hold(tape, tape_size, SECRET));
    assert_false(bytes_hold(tape, tape_size, "chain")); /* by it a secret could be guessed */
    json_array_foreach (lines, i, line) {
        json_t *snapshot = json_object_get(line, "snapshot");
        json_t *holder = json_is_object(snapshot) ? snapshot : line;
        if (json_object_get(holder, "bytes")) {
            uint8_t *data = bytes_of(holder, &size);
            assert_false(bytes_hold(data, size, SECRET));
            free(data);
        }
    }
}

static void replays(void) {
    struct model m;
    struct outbox out;
    struct apply applied;
    char digest[17];
    size_t i = 0, size = 0;
    json_t *line = NULL;
    json_t *snapshot = json_object_get(json_array_get(lines, 0), "snapshot");
    model_init(&m);
    outbox_init(&out);
    if (json_is_object(snapshot)) {
        uint8_t *data = bytes_of(snapshot, &size);
        assert_int_equal(model_decode(&m, data, size), 0);
        free(data);
    }
    json_array_foreach (lines, i, line) {
        if (json_object_get(line, "bytes") && json_is_true(json_object_get(line, "committed"))) {
            uint8_t *data = bytes_of(line, &size);
            assert_int_equal(apply_entry(&m, m.index + 1, 1, data, (uint32_t)size, &out, &applied),
                             0);
            free(data);
        }
    }
    (void)snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)model_digest(&m));
    const json_t *end = json_array_get(lines, json_array_size(lines) - 1);
    assert_string_equal(json_string_value(json_object_get(end, "digest")), digest);
    assert_int_equal(json_integer_value(json_object_get(end, "index")), r.model.index);
    assert_int_equal(model_digest(&m), model_digest(&r.model));
    outbox_finish(&out);
    model_finish(&m);
}

/* ---- stories ---- */

static void test_a_log_with_secrets(void **state) {
    (void)state;
    recording_view(&r);
    recording_secrets(&r);
    assert_int_equal(export(), 0);
    assert_int_equal(json_array_size(lines), 1 + 6 + 1);
    const json_t *header = json_array_get(lines, 0);
    assert_string_equal(json_string_value(json_object_get(header, "name")), "n1");
    assert_int_equal(json_integer_value(json_object_get(header, "node")), 1);
    const json_t *device = json_array_get(lines, 2);
    assert_string_equal(json_string_value(json_object_get(device, "command")), "DEVICE_ADD");
    assert_string_equal(json_string_value(json_object_get(device, "origin")), "n1");
    assert_string_equal(json_string_value(json_object_get(device, "time")),
                        "2023-11-14T22:13:20.373Z");
    no_secret();
    replays();
    drop_tape();
}

static void test_a_snapshot_with_secrets(void **state) {
    (void)state;
    recording_view(&r);
    recording_secrets(&r);
    recording_snapshot(&r);
    const struct cmd_config_set set = {.key = "self_fence_ms", .value = "23456"};
    recording_add(&r, COMMAND_CONFIG_SET, &set);
    assert_int_equal(export(), 0);
    assert_int_equal(json_array_size(lines), 1 + 1 + 1);
    assert_true(json_is_object(json_object_get(json_array_get(lines, 0), "snapshot")));
    no_secret();
    replays();
    drop_tape();
}

/* What is appended and not known to be committed is told, and does not count. */
static void test_an_uncommitted_tail(void **state) {
    (void)state;
    recording_view(&r);
    recording_append(&r, COMMAND_CONFIG_SET, &(struct cmd_config_set){"self_fence_ms", "23456"});
    assert_int_equal(export(), 0);
    assert_int_equal(json_array_size(lines), 1 + 2 + 1);
    assert_true(json_is_false(json_object_get(json_array_get(lines, 2), "committed")));
    const json_t *end = json_array_get(lines, 3);
    assert_int_equal(json_integer_value(json_object_get(end, "index")), 1);
    assert_int_equal(json_integer_value(json_object_get(end, "tail_index")), 2);
    assert_string_not_equal(json_string_value(json_object_get(end, "digest")),
                            json_string_value(json_object_get(end, "tail_digest")));
    replays();
    drop_tape();
}

/* clusterd runs, has stopped, was killed: the tape is the same, and clusterd starts again after it.
 */
static void test_whatever_clusterd_does(void **state) {
    (void)state;
    recording_view(&r);
    recording_secrets(&r);
    assert_int_equal(export(), 0);
    char *running = strdup(tape);
    drop_tape();
    recording_add(&r, COMMAND_CONFIG_SET, &(struct cmd_config_set){"self_fence_ms", "34567"});
    recording_stop(&r);
    assert_int_equal(export(), 0);
    assert_true(tape_size > strlen(running));
    replays();
    drop_tape();
    free(running);
    recording_start(&r);
    assert_int_equal(sqlite_store_state(r.store)->n_entries, r.model.index);
}

static void test_no_database(void **state) {
    (void)state;
    (void)snprintf(r.dir, sizeof(r.dir), "%s/nowhere", r.harness.dir);
    assert_int_equal(export(), -ENOENT);
    assert_non_null(strstr(message, "nowhere/cluster.db: No such file"));
    assert_int_equal(tape_size, 0);
    assert_int_equal(access(r.dir, F_OK), -1); /* nothing is made */
    drop_tape();
}

static void test_a_damaged_database(void **state) {
    (void)state;
    char path[256];
    recording_view(&r);
    recording_stop(&r);
    (void)snprintf(path, sizeof(path), "%s/cluster.db", r.dir);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    for (long at = 4096; at < 5 * 4096; at += 7) {
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(0x55, file), 0x55);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(export() < 0);
    assert_non_null(strstr(message, "cluster.db"));
    drop_tape();
}

static void test_a_full_disk(void **state) {
    (void)state;
    recording_view(&r);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(export_write(r.dir, full, message), -ENOSPC);
    assert_string_equal(message, "the export cannot be written: No space left on device");
    (void)fclose(full);
}

static void test_what_stays_of_a_definition(void **state) {
    (void)state;
    static const char *const lost[] = {"<domain", "<domain a=hunter2/>",
                                       "<!DOCTYPE x [<!ENTITY e 'hunter2'>]><domain/>",
                                       "<domain xmlns='urn:x'><arg value='hunter2'/></domain>"};
    char *xml = redact_xml(RECORDING_XML);
    assert_null(strstr(xml, SECRET));
    assert_non_null(strstr(xml, "<name>web</name><!----><memory unit='MiB'>512</memory>"));
    assert_non_null(strstr(xml, "name='https://u:********@h/x' query='********'"));
    assert_non_null(strstr(xml, "<graphics type='vnc' passwd='********' port=\"5900\"/>"));
    assert_non_null(strstr(xml, "<os><type arch='x86_64'>hvm</type><cmdline>********</cmdline>"));
    char *again = redact_xml(xml);
    assert_string_equal(again, xml);
    free(again);
    free(xml);
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        xml = redact_xml(lost[i]);
        if (strcmp(xml, "(a definition that cannot be read)") != 0) {
            fail_msg("%s became %s", lost[i], xml);
        }
        free(xml);
    }
    xml = redact_xml("<!-- hunter2 --><?hunter2?><domain/>");
    assert_string_equal(xml, "<!----><?"
                             "?><domain/>");
    free(xml);
    xml = redact_xml("");
    assert_string_equal(xml, "");
    free(xml);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_log_with_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_snapshot_with_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_uncommitted_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whatever_clusterd_does, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
        cmocka_unit_test(test_what_stays_of_a_definition),
    };
    return cmocka_run_group_tests_name("adapters_export", tests, NULL, NULL);
}
