/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recording a database; see recording.h.
 */
#include "recording.h"

#include "base/hash.h"
#include "core/apply/apply.h"
#include "core/replica/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

const char RECORDING_XML[] =
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>"
    "<!-- hunter2 --><memory unit='MiB'>512</memory><description>it is hunter2</description>"
    "<metadata><a:b xmlns:a='urn:a' c='hunter2'>hunter2</a:b></metadata>"
    "<os><type arch='x86_64'>hvm</type><cmdline>ks=http://u:hunter2@h/</cmdline></os>"
    "<sysinfo type='fwcfg'><entry name='opt/x'>hunter2</entry></sysinfo>"
    "<devices><disk><source protocol='https' name='https://u:hunter2@h/x' query='t=hunter2'>"
    "<cookies><cookie name='a'>hunter2</cookie></cookies></source></disk>"
    "<graphics type='vnc' passwd='hunter2' port=\"5900\"/></devices><x><![CDATA[hunter2]]></x>"
    "<qemu:commandline><qemu:arg value='secret,data=hunter2'/></qemu:commandline></domain>";

void recording_start(struct recording *r) {
    char message[STORE_MAX_MESSAGE];
    assert_int_equal(sqlite_store_open(r->harness.loop, r->dir, harness_sink(&r->harness),
                                       &r->store, message),
                     0);
    assert_int_equal(sqlite_store_claim(r->store, 1, message), 0);
}

void recording_stop(struct recording *r) {
    sqlite_store_close(r->store);
    r->store = NULL;
}

void recording_init(struct recording *r, const char *dir) {
    *r = (struct recording){.time_ms = 1700000000123};
    model_init(&r->model);
    harness_init(&r->harness);
    (void)snprintf(r->dir, sizeof(r->dir), "%s%s", dir ? dir : r->harness.dir, dir ? "" : "/state");
    recording_start(r);
}

void recording_finish(struct recording *r) {
    recording_stop(r);
    model_finish(&r->model);
    harness_finish(&r->harness);
}

static void put(struct recording *r, struct core_store *store) {
    const struct core_event *event = NULL;
    store->seq = ++r->seq;
    sqlite_store_put(r->store, store);
    do {
        event = harness_wait(&r->harness, 10000);
        assert_int_equal(event->stored.error, 0);
    } while (event->stored.seq < r->seq);
}

static void encode(const struct recording *r, uint32_t type, const void *command,
                   struct buffer *out) {
    struct buffer body;
    buffer_init(&body);
    if (command_record(type)) {
        wire_encode(command_record(type), command, &body);
    } else {
        buffer_append(&body, command, strlen(command));
    }
    const struct log_command entry = {.type = type,
                                      .time_ms = r->time_ms,
                                      .origin = 1,
                                      .incarnation = UINT64_MAX,
                                      .request = r->seq,
                                      .body = {body.data, (uint32_t)body.size}};
    wire_encode(&log_command_record, &entry, out);
    buffer_finish(&body);
}

static void record(struct recording *r, uint32_t type, const void *command, bool committed) {
    struct buffer b;
    struct outbox out;
    struct apply applied;
    buffer_init(&b);
    encode(r, type, command, &b);
    const uint64_t epoch =
        type == COMMAND_VIEW ? ((const struct cmd_view *)command)->epoch : r->model.epoch;
    const struct core_entry entry = {
        .index = r->model.index + 1, .epoch = epoch, .data = b.data, .size = (uint32_t)b.size};
    struct core_store store = {.promised = epoch,
                               .commit_index = committed ? entry.index : 0,
                               .entries = &entry,
                               .n_entries = 1};
    put(r, &store);
    outbox_init(&out);
    if (committed) {
        assert_int_equal(
            apply_entry(&r->model, entry.index, epoch, entry.data, entry.size, &out, &applied), 0);
    }
    outbox_finish(&out);
    buffer_finish(&b);
    r->time_ms += 250;
}

void recording_add(struct recording *r, uint32_t type, const void *command) {
    record(r, type, command, true);
}

void recording_append(struct recording *r, uint32_t type, const void *command) {
    record(r, type, command, false);
}

void recording_snapshot(struct recording *r) {
    struct buffer b;
    buffer_init(&b);
    model_encode(&r->model, &b);
    struct core_store store = {.snapshot = b.data,
                               .snapshot_size = (uint32_t)b.size,
                               .snapshot_index = r->model.index,
                               .snapshot_epoch = r->model.epoch,
                               .snapshot_chain = 77};
    put(r, &store);
    buffer_finish(&b);
}

void recording_view(struct recording *r) {
    struct view_member members[] = {{1, 101}, {2, 102}, {3, 103}};
    struct view_node nodes[] = {{1, "n1", 1}, {2, "n2", 1}, {3, "n3", 1}};
    const uint32_t ring[] = {1, 2, 3};
    const struct cmd_view view = {.epoch = r->model.epoch + 1,
                                  .members = {members, 3},
                                  .ring = {ring, 3},
                                  .nodes = {nodes, 3}};
    recording_add(r, COMMAND_VIEW, &view);
}

void recording_secrets(struct recording *r) {
    static const char *const keys[] = {"ip", "passwd", "plug"};
    static const char *const values[] = {"10.0.0.1", RECORDING_SECRET, RECORDING_SECRET "x"};
    const struct cmd_device_add device = {
        .name = "ilo", .agent = "fence_x", .keys = {keys, 3}, .values = {values, 3}};
    const struct cmd_vm_add vm = {.name = "web",
                                  .uuid = "00000000-0000-0000-0000-000000000001",
                                  .xml = RECORDING_XML,
                                  .memory_mb = 512,
                                  .vcpus = 1,
                                  .cpu_mode = "",
                                  .cpu_model = "",
                                  .start = 1};
    recording_add(r, COMMAND_DEVICE_ADD, &device);
    recording_add(r, COMMAND_VM_ADD, &vm);
    recording_add(r, COMMAND_CONFIG_SET,
                  &(struct cmd_config_set){"self_fence_ms", RECORDING_SECRET});
    recording_add(r, COMMAND_CONFIG_SET, &(struct cmd_config_set){"self_fence_ms", "12345"});
    recording_add(r, 999, RECORDING_SECRET);
}
