/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder's tape: no secret is in it, in no encoding; what is on it replays to the
 * digest of what was recorded; a clusterd that runs is not disturbed; what cannot be read is said.
 */
#include "harness.h"

#include "adapters/export.h"
#include "adapters/redact.h"
#include "adapters/sqlite_store.h"
#include "base/base64.h"
#include "base/hash.h"
#include "core/apply.h"
#include "core/log.h"

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

/* Each secret of these tests has it in it. */
#define SECRET "hunter2"
#define XML                                                                                       \
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>" \
    "<!-- hunter2 --><memory unit='MiB'>512</memory><description>it is hunter2</description>"     \
    "<metadata><a:b xmlns:a='urn:a' c='hunter2'>hunter2</a:b></metadata>"                         \
    "<os><type arch='x86_64'>hvm</type><cmdline>ks=http://u:hunter2@h/</cmdline></os>"            \
    "<sysinfo type='fwcfg'><entry name='opt/x'>hunter2</entry></sysinfo>"                         \
    "<devices><disk><source protocol='https' name='https://u:hunter2@h/x' query='t=hunter2'>"     \
    "<cookies><cookie name='a'>hunter2</cookie></cookies></source></disk>"                        \
    "<graphics type='vnc' passwd='hunter2' port=\"5900\"/></devices><x><![CDATA[hunter2]]></x>"   \
    "<qemu:commandline><qemu:arg value='secret,data=hunter2'/></qemu:commandline></domain>"

static struct harness h;
static struct sqlite_store *store;
static char dir[96];
static char message[STORE_MAX_MESSAGE];
static struct model model; /* of what was recorded */
static uint64_t seq;

static int setup(void **state) {
    (void)state;
    store = NULL;
    seq = 0;
    model_init(&model);
    harness_init(&h);
    (void)snprintf(dir, sizeof(dir), "%s/state", h.dir);
    assert_int_equal(sqlite_store_open(h.loop, dir, harness_sink(&h), &store, message), 0);
    assert_int_equal(sqlite_store_claim(store, 1, message), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sqlite_store_close(store);
    model_finish(&model);
    harness_finish(&h);
    return 0;
}

static void wait_stored(void) {
    const struct core_event *event = NULL;
    do {
        event = harness_wait(&h, 10000);
        assert_int_equal(event->stored.error, 0);
    } while (event->stored.seq < seq);
}

static void encode(uint32_t type, const void *command, struct buffer *out) {
    struct buffer body;
    buffer_init(&body);
    if (command_record(type)) {
        wire_encode(command_record(type), command, &body);
    } else {
        buffer_append(&body, command, strlen(command));
    }
    const struct log_command entry = {.type = type,
                                      .time_ms = 1700000000123,
                                      .origin = 1,
                                      .incarnation = UINT64_MAX,
                                      .request = 7,
                                      .body = {body.data, (uint32_t)body.size}};
    wire_encode(&log_command_record, &entry, out);
    buffer_finish(&body);
}

/* Into the database, and applied. */
static void record(uint32_t type, const void *command) {
    struct buffer b;
    struct outbox out;
    struct apply applied;
    buffer_init(&b);
    outbox_init(&out);
    encode(type, command, &b);
    const struct core_entry entry = {
        .index = model.index + 1, .epoch = 1, .data = b.data, .size = (uint32_t)b.size};
    const struct core_store put = {.seq = ++seq,
                                   .promised = 1,
                                   .commit_index = entry.index,
                                   .entries = &entry,
                                   .n_entries = 1};
    sqlite_store_put(store, &put);
    wait_stored();
    assert_int_equal(apply_entry(&model, entry.index, 1, entry.data, entry.size, &out, &applied),
                     0);
    outbox_finish(&out);
    buffer_finish(&b);
}

static void record_view(void) {
    struct view_member member = {.node = 1, .incarnation = 5};
    struct view_node node = {.id = 1, .name = "n1", .votes = 1};
    const uint32_t ring[] = {1};
    const struct cmd_view view = {
        .epoch = 1, .members = {&member, 1}, .ring = {ring, 1}, .nodes = {&node, 1}};
    record(COMMAND_VIEW, &view);
}

static void record_secrets(void) {
    static const char *const keys[] = {"ip", "passwd", "plug"};
    static const char *const values[] = {"10.0.0.1", SECRET, SECRET "x"};
    const struct cmd_device_add device = {
        .name = "ilo", .agent = "fence_x", .keys = {keys, 3}, .values = {values, 3}};
    const struct cmd_vm_add vm = {.name = "web",
                                  .uuid = "00000000-0000-0000-0000-000000000001",
                                  .xml = XML,
                                  .memory_mb = 512,
                                  .vcpus = 1,
                                  .cpu_mode = "",
                                  .cpu_model = ""};
    const struct cmd_config_set slip = {.key = "self_fence_ms", .value = SECRET};
    const struct cmd_config_set set = {.key = "self_fence_ms", .value = "12345"};
    record(COMMAND_DEVICE_ADD, &device);
    record(COMMAND_VM_ADD, &vm);
    record(COMMAND_CONFIG_SET, &slip);
    record(COMMAND_CONFIG_SET, &set);
    record(999, SECRET);
}

static void record_snapshot(void) {
    struct buffer b;
    buffer_init(&b);
    model_encode(&model, &b);
    const struct core_store put = {.seq = ++seq,
                                   .snapshot = b.data,
                                   .snapshot_size = (uint32_t)b.size,
                                   .snapshot_index = model.index,
                                   .snapshot_epoch = 1,
                                   .snapshot_chain = 77};
    sqlite_store_put(store, &put);
    wait_stored();
    buffer_finish(&b);
}

/* ---- reading the tape ---- */

static char *tape;
static size_t tape_size;
static json_t *lines;

static int export(void) {
    FILE *out = open_memstream(&tape, &tape_size);
    assert_non_null(out);
    int error = export_write(dir, out, message);
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
    assert_int_equal(json_integer_value(json_object_get(end, "index")), model.index);
    assert_int_equal(model_digest(&m), model_digest(&model));
    outbox_finish(&out);
    model_finish(&m);
}

/* ---- stories ---- */

static void test_a_log_with_secrets(void **state) {
    (void)state;
    record_view();
    record_secrets();
    assert_int_equal(export(), 0);
    assert_int_equal(json_array_size(lines), 1 + 6 + 1);
    const json_t *header = json_array_get(lines, 0);
    assert_string_equal(json_string_value(json_object_get(header, "name")), "n1");
    assert_int_equal(json_integer_value(json_object_get(header, "node")), 1);
    const json_t *device = json_array_get(lines, 2);
    assert_string_equal(json_string_value(json_object_get(device, "command")), "DEVICE_ADD");
    assert_string_equal(json_string_value(json_object_get(device, "origin")), "n1");
    assert_string_equal(json_string_value(json_object_get(device, "time")),
                        "2023-11-14T22:13:20.123Z");
    no_secret();
    replays();
    drop_tape();
}

static void test_a_snapshot_with_secrets(void **state) {
    (void)state;
    record_view();
    record_secrets();
    record_snapshot();
    const struct cmd_config_set set = {.key = "self_fence_ms", .value = "23456"};
    record(COMMAND_CONFIG_SET, &set);
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
    struct buffer b;
    record_view();
    buffer_init(&b);
    encode(COMMAND_CONFIG_SET, &(struct cmd_config_set){"self_fence_ms", "23456"}, &b);
    const struct core_entry entry = {
        .index = 2, .epoch = 1, .data = b.data, .size = (uint32_t)b.size};
    const struct core_store put = {.seq = ++seq, .entries = &entry, .n_entries = 1};
    sqlite_store_put(store, &put);
    wait_stored();
    buffer_finish(&b);
    assert_int_equal(export(), 0);
    assert_int_equal(json_array_size(lines), 1 + 2 + 1);
    assert_true(json_is_false(json_object_get(json_array_get(lines, 2), "committed")));
    replays();
    drop_tape();
}

/* clusterd runs, has stopped, was killed: the tape is the same, and clusterd starts again after it.
 */
static void test_whatever_clusterd_does(void **state) {
    (void)state;
    record_view();
    record_secrets();
    assert_int_equal(export(), 0);
    char *running = strdup(tape);
    drop_tape();
    record(COMMAND_CONFIG_SET, &(struct cmd_config_set){"self_fence_ms", "34567"});
    sqlite_store_close(store);
    store = NULL;
    assert_int_equal(export(), 0);
    assert_true(tape_size > strlen(running));
    replays();
    drop_tape();
    free(running);
    assert_int_equal(sqlite_store_open(h.loop, dir, harness_sink(&h), &store, message), 0);
    assert_int_equal(sqlite_store_state(store)->n_entries, model.index);
}

static void test_no_database(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/nowhere", h.dir);
    assert_int_equal(export(), -ENOENT);
    assert_non_null(strstr(message, "nowhere/cluster.db: No such file"));
    assert_int_equal(tape_size, 0);
    assert_int_equal(access(dir, F_OK), -1); /* nothing is made */
    drop_tape();
}

static void test_a_damaged_database(void **state) {
    (void)state;
    char path[128];
    record_view();
    sqlite_store_close(store);
    store = NULL;
    (void)snprintf(path, sizeof(path), "%s/cluster.db", dir);
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
    record_view();
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(export_write(dir, full, message), -ENOSPC);
    assert_string_equal(message, "the export cannot be written: No space left on device");
    (void)fclose(full);
}

static void test_what_stays_of_a_definition(void **state) {
    (void)state;
    static const char *const lost[] = {"<domain",
                                       "<domain a=hunter2/>",
                                       "<!DOCTYPE x [<!ENTITY e 'hunter2'>]><domain/>",
                                       "<domain xmlns='urn:x'><arg value='hunter2'/></domain>",
                                       "<!-- hunter2 -->",
                                       "<?hunter2?>"};
    char *xml = redact_xml(XML);
    assert_null(strstr(xml, SECRET));
    assert_non_null(strstr(xml, "<name>web</name><memory unit='MiB'>512</memory>"));
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
