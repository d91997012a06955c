/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests: each verb's arguments reach their place; anything that does not fit refuses the whole
 * request.
 */
#include "adapters/ipc/requests.h"
#include "wire/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct ipc_request request;
static struct ipc_error error;

static int parse(const char *verb, const char *args) {
    char text[4096];
    (void)snprintf(text, sizeof(text), "{\"v\":1,\"id\":9,\"verb\":\"%s\"%s%s}", verb,
                   args[0] ? "," : "", args);
    print_message("%s\n", text);
    return ipc_request_parse(text, strlen(text), &request, &error);
}

static void test_reads(void **state) {
    static const char *const plain[] = {"status",      "node.list",         "vm.list",
                                        "volume.list", "fence-device.list", "operation.list",
                                        "config.list", "event.list",        "subscribe"};
    (void)state;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        assert_int_equal(parse(plain[i], ""), 0);
        assert_int_equal(request.id, 9);
        ipc_request_finish(&request);
    }
    assert_int_equal(parse("vm.explain", "\"vm\":\"web\""), 0);
    assert_string_equal(request.args.name, "web");
    ipc_request_finish(&request);
    assert_int_equal(parse("operation.show", "\"operation\":17"), 0);
    assert_int_equal(request.args.number, 17);
    ipc_request_finish(&request);
    assert_int_equal(parse("event.list", "\"since\":0,\"limit\":5"), 0);
    assert_int_equal(request.args.has_since, 1);
    assert_int_equal(request.args.limit, 5);
    ipc_request_finish(&request);
    assert_int_equal(parse("fence-device.test", "\"name\":\"d\",\"node\":\"n1\""), 0);
    assert_int_equal(request.verb->kind, IPC_DEVICE_TEST);
    assert_string_equal(request.args.node, "n1");
    ipc_request_finish(&request);
}

static void test_vm_add(void **state) {
    (void)state;
    assert_int_equal(
        parse("vm.add",
              "\"name\":\"web\",\"xml\":\"<domain>\\n</domain>\",\"needs\":{\"name\":\"web\","
              "\"uuid\":\"6a8d0f9c-0e2b-4b3e-9b55-0d3d2f1c7a10\",\"memory_mb\":512,\"vcpus\":2,"
              "\"volumes\":[\"csv1\"],"
              "\"cpu_mode\":\"custom\",\"cpu_model\":\"qemu64\",\"machine\":\"q35\","
              "\"arch\":\"x86_64\",\"disks\":[\"/a\"],\"mobility\":\"quick\"},\"priority\":7,"
              "\"possible\":[\"n1\",\"n2\"],\"preferred\":[],\"start\":true"),
        0);
    const struct cmd_vm_add *add = request.command;
    assert_int_equal(request.verb->what, COMMAND_VM_ADD);
    assert_string_equal(add->name, "web");
    assert_string_equal(add->xml, "<domain>\n</domain>");
    assert_string_equal(add->uuid, "6a8d0f9c-0e2b-4b3e-9b55-0d3d2f1c7a10");
    assert_int_equal(add->memory_mb, 512);
    assert_int_equal(add->vcpus, 2);
    assert_int_equal(add->volumes.n, 1);
    assert_string_equal(add->cpu_model, "qemu64");
    assert_int_equal(add->mobility, MOBILITY_QUICK);
    assert_int_equal(add->priority, 7);
    assert_string_equal(add->possible.v[1], "n2");
    assert_int_equal(add->preferred.n, 0);
    assert_int_equal(add->start, 1);
    ipc_request_finish(&request);
}

static void test_other_changes(void **state) {
    (void)state;
    assert_int_equal(parse("vm.move", "\"vm\":\"web\",\"mode\":\"quick\",\"dry_run\":true"), 0);
    const struct cmd_vm_move *move = request.command;
    assert_string_equal(move->to, "");
    assert_int_equal(move->mode, MOVE_QUICK);
    assert_true(request.dry_run);
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.move", "\"vm\":\"web\",\"max_downtime_ms\":700,"
                                      "\"bandwidth_mbps\":55,\"if_not_converging\":\"suspend\""),
                     0);
    move = request.command;
    assert_int_equal(move->max_downtime_ms, 700);
    assert_int_equal(move->bandwidth_mbps, 55);
    assert_int_equal(move->if_not_converging, CONVERGENCE_SUSPEND);
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.predict", "\"vm\":\"web\",\"bandwidth_mbps\":55"), 0);
    assert_int_equal(request.verb->kind, IPC_PREDICT);
    move = request.command;
    assert_string_equal(move->vm, "web");
    assert_int_equal(move->bandwidth_mbps, 55);
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.set", "\"vm\":\"web\",\"max_downtime_ms\":80"), 0);
    const struct cmd_vm_set *set = request.command;
    assert_int_equal(set->given, VM_SET_MAX_DOWNTIME);
    assert_int_equal(set->max_downtime_ms, 80);
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.move", "\"vm\":\"web\",\"to\":\"n2\""), 0);
    move = request.command;
    assert_string_equal(move->to, "n2");
    assert_int_equal(move->mode, MOVE_AUTO);
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.stop", "\"vm\":\"web\",\"force\":true"), 0);
    assert_int_equal(((const struct cmd_vm_stop *)request.command)->force, 1);
    ipc_request_finish(&request);
    assert_int_equal(parse("fence-device.add",
                           "\"name\":\"d\",\"agent\":\"fence_lab\",\"nodes\":[\"n1\"],"
                           "\"params\":{\"ip\":\"1.2.3.4\",\"password\":\"x\"}"),
                     0);
    const struct cmd_device_add *add = request.command;
    assert_int_equal(add->keys.n, 2);
    assert_int_equal(add->values.n, 2);
    assert_string_equal(add->nodes.v[0], "n1");
    ipc_request_finish(&request);
    assert_int_equal(parse("config.set", "\"key\":\"self_fence_ms\",\"value\":\"9000\""), 0);
    ipc_request_finish(&request);
    assert_int_equal(parse("operation.cancel", "\"operation\":3"), 0);
    assert_int_equal(((const struct cmd_operation_cancel *)request.command)->operation, 3);
    ipc_request_finish(&request);
}

static void test_resources(void **state) {
    (void)state;
    assert_int_equal(parse("node.set", "\"node\":\"n1\",\"resources\":{\"vgpu\":2,\"b\":0}"), 0);
    const struct cmd_node_set *node = request.command;
    const struct resource_amount *items = node->resources.items;
    assert_int_equal(node->given, NODE_SET_RESOURCES);
    assert_true(node->resources.n == 2 && strcmp(items[0].name, "vgpu") == 0);
    assert_true(items[0].amount == 2 && items[1].amount == 0);
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.set", "\"vm\":\"a\",\"priority\":1,"
                                     "\"resources\":{\"vgpu\":1099511627776}"),
                     0);
    const struct cmd_vm_set *vm = request.command;
    items = vm->resources.items;
    assert_int_equal(vm->given, VM_SET_PRIORITY | VM_SET_RESOURCES);
    assert_true(vm->resources.n == 1 && items[0].amount == WIRE_MAX_AMOUNT);
    ipc_request_finish(&request);
}

#define FILE_0 "{\"disk\":\"vda\",\"from\":\"/a/x\",\"to\":\"/b/x\",\"bytes\":7}"
#define STORAGE(files)                                               \
    "\"vm\":\"web\",\"serial\":41,\"xml\":\"<domain>\\n</domain>\"," \
    "\"volumes\":[\"csv2\"],\"files\":[" files "]"

static void test_vm_storage(void **state) {
    (void)state;
    assert_int_equal(parse("vm.storage", STORAGE(FILE_0 ",{\"disk\":\"nvram\",\"from\":\"/a/v\","
                                                        "\"to\":\"/b/v\",\"bytes\":540672}")),
                     0);
    const struct cmd_vm_storage *storage = request.command;
    const struct storage_file *files = storage->files.items;
    assert_int_equal(request.verb->what, COMMAND_VM_STORAGE);
    assert_string_equal(storage->vm, "web");
    assert_int_equal(storage->serial, 41);
    assert_string_equal(storage->xml, "<domain>\n</domain>");
    assert_true(storage->volumes.n == 1 && strcmp(storage->volumes.v[0], "csv2") == 0);
    assert_int_equal(storage->files.n, 2);
    assert_string_equal(files[0].disk, "vda");
    assert_string_equal(files[0].from, "/a/x");
    assert_string_equal(files[0].to, "/b/x");
    assert_int_equal(files[0].bytes, 7);
    assert_string_equal(files[1].disk, "nvram");
    assert_int_equal(files[1].bytes, 540672);
    assert_string_equal(files[1].format, "");
    ipc_request_finish(&request);
    assert_int_equal(parse("vm.storage", STORAGE("{\"disk\":\"vda\",\"from\":\"/a/x\",\"to\":"
                                                 "\"/b/x\",\"bytes\":7,\"format\":\"qcow2\"}")),
                     0);
    files = ((const struct cmd_vm_storage *)request.command)->files.items;
    assert_string_equal(files[0].format, "qcow2");
    ipc_request_finish(&request);
}

static void test_checkpoints(void **state) {
    static const char arguments[] = "\"vm\":\"web\",\"serial\":41,\"name\":\"before\","
                                    "\"disks\":{\"vda\":\"/a/x\",\"vdb\":\"/a/y\"}";
    static const char *const verbs[] = {"vm.checkpoint-create", "vm.checkpoint-revert",
                                        "vm.checkpoint-remove"};
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(parse(verbs[i], arguments), 0);
        /* All three have the same fields. */
        const struct cmd_checkpoint_create *command = request.command;
        assert_int_equal(request.verb->what, COMMAND_CHECKPOINT_CREATE + i);
        assert_string_equal(command->vm, "web");
        assert_string_equal(command->name, "before");
        assert_int_equal(command->serial, 41);
        assert_int_equal(command->disks.n, 2);
        assert_int_equal(command->paths.n, 2);
        assert_string_equal(command->disks.v[1], "vdb");
        assert_string_equal(command->paths.v[1], "/a/y");
        ipc_request_finish(&request);
    }
    assert_int_equal(parse(verbs[0], "\"vm\":\"web\",\"serial\":41,\"name\":\"before\""), -EINVAL);
    ipc_request_finish(&request);
}

/* As many as one move takes, and one more. */
static void test_many_files(void **state) {
    char text[16384];
    (void)state;
    for (uint32_t n = WIRE_MAX_STORAGE_FILES; n <= WIRE_MAX_STORAGE_FILES + 1; n++) {
        size_t used = (size_t)snprintf(text, sizeof(text),
                                       "{\"v\":1,\"id\":9,\"verb\":\"vm.storage\",\"vm\":\"a\","
                                       "\"serial\":1,\"xml\":\"x\",\"volumes\":[],\"files\":[");
        for (uint32_t i = 0; i < n; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used,
                                     "%s{\"disk\":\"vd%u\",\"from\":\"/a/%u\",\"to\":\"/b/%u\","
                                     "\"bytes\":0}",
                                     i ? "," : "", i, i, i);
        }
        used += (size_t)snprintf(text + used, sizeof(text) - used, "]}");
        assert_int_equal(ipc_request_parse(text, used, &request, &error),
                         n == WIRE_MAX_STORAGE_FILES ? 0 : -EINVAL);
        ipc_request_finish(&request);
    }
    assert_non_null(strstr(error.message, "'files' must be a list of files"));
}

static void test_refused_files(void **state) {
    static const char *const cases[][2] = {
        {"", "'files' must be a list of files"},
        {"7", "'files[0].disk' is missing: each element must be an object"},
        {FILE_0 ",null", "'files[1].disk' is missing: each element must be an object"},
        {FILE_0 ",{\"disk\":\"vdb\",\"from\":\"/a/y\",\"to\":\"/b/y\"}",
         "'files[1].bytes' is missing"},
        {FILE_0 ",{\"disk\":\"vdb\",\"from\":\"/a/y\",\"bytes\":1}", "'files[1].to' is missing"},
        {"{\"disk\":\"\",\"from\":\"/a/y\",\"to\":\"/b/y\",\"bytes\":1}",
         "'files[0].disk' is empty"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/b/y\",\"bytes\":-1}",
         "'files[0].bytes' must be a number"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/b/y\",\"bytes\":1,\"size\":\"raw\"}",
         "'files[0].size' is not an argument"},
        {"{\"disk\":\"a\",\"from\":\"a/y\",\"to\":\"/b/y\",\"bytes\":1}",
         "'files[0].from' is not an absolute path"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"b/y\",\"bytes\":1}",
         "'files[0].to' is not an absolute path"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/b/y\",\"bytes\":1,\"format\":\"vmdk\"}",
         "'files[0].format' is neither raw nor qcow2"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/b/\",\"bytes\":1}",
         "'files[0].to' is not the path of a file"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\\t/c\",\"to\":\"/b/y\",\"bytes\":1}",
         "'files[0].from' holds a control character"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/b/y\\n/c\",\"bytes\":1}",
         "'files[0].to' holds a control character"},
        {"{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/a/y\",\"bytes\":1}",
         "'files[0].to' is the \"from\" of a file, too"},
        {FILE_0 ",{\"disk\":\"vdb\",\"from\":\"/a/x\",\"to\":\"/b/y\",\"bytes\":1}",
         "'files[1].from' is named twice"},
        {FILE_0 ",{\"disk\":\"vdb\",\"from\":\"/a/y\",\"to\":\"/b/x\",\"bytes\":1}",
         "'files[1].to' is named twice"},
        {FILE_0 ",{\"disk\":\"vdb\",\"from\":\"/a/y\",\"to\":\"/a/x\",\"bytes\":1}",
         "'files[1].to' is the \"from\" of a file, too"},
        {FILE_0 ",{\"disk\":\"vdb\",\"from\":\"/b/x\",\"to\":\"/c/x\",\"bytes\":1}",
         "'files[1].from' is the \"to\" of a file, too"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char args[1024];
        (void)snprintf(args, sizeof(args), STORAGE("%s"), cases[i][0]);
        assert_int_equal(parse("vm.storage", args), -EINVAL);
        print_message("    %s\n", error.message);
        assert_non_null(strstr(error.message, cases[i][1]));
        ipc_request_finish(&request);
    }
}

/* A name of 221 bytes leaves room for what the agent appends. */
static void test_long_names_of_copies(void **state) {
    char args[1024];
    char name[WIRE_MAX_STORAGE_NAME + 2];
    (void)state;
    for (size_t n = WIRE_MAX_STORAGE_NAME; n <= WIRE_MAX_STORAGE_NAME + 1; n++) {
        memset(name, 'x', n);
        name[n] = '\0';
        (void)snprintf(args, sizeof(args),
                       STORAGE("{\"disk\":\"a\",\"from\":\"/a/y\",\"to\":\"/b/%s\",\"bytes\":1}"),
                       name);
        assert_int_equal(parse("vm.storage", args), n == WIRE_MAX_STORAGE_NAME ? 0 : -EINVAL);
        ipc_request_finish(&request);
    }
    assert_non_null(strstr(error.message, "'files[0].to' has too long a name for a copy"));
}

static void test_refusals(void **state) {
    static const struct {
        const char *verb, *args, *part;
    } cases[] = {
        {"vm.explode", "", "does not know the request 'vm.explode'"},
        {"vm.start", "", "'vm' is missing"},
        {"vm.start", "\"vm\":null", "'vm' is missing"},
        {"vm.start", "\"vm\":\"\"", "is empty"},
        {"vm.start", "\"vm\":7", "must be a string"},
        {"vm.start", "\"vm\":\"a\",\"now\":true", "'now' is not an argument"},
        {"vm.start", "\"vm\":\"a\\nb\"", "control character"},
        {"vm.start", "\"vm\":\"0123456789012345678901234567890123456789012345678901234567890123\"",
         "too long"},
        {"vm.stop", "\"vm\":\"a\",\"force\":1", "must be true or false"},
        {"vm.move", "\"vm\":\"a\",\"mode\":\"fast\"", "must be auto or live or quick"},
        {"vm.move", "\"vm\":\"a\",\"if_not_converging\":\"default\"", "abort or suspend"},
        {"vm.move", "\"vm\":\"a\",\"max_downtime_ms\":60001", "not too large"},
        {"node.drain", "\"node\":\"a\",\"dry_run\":\"yes\"", "must be true or false"},
        {"operation.show", "\"operation\":-1", "not negative"},
        {"operation.show", "\"operation\":\"3\"", "must be a number"},
        {"volume.add", "\"name\":\"a/b\",\"path\":\"/x\"", "letters, digits"},
        {"volume.add", "\"name\":\"-a\",\"path\":\"/x\"", "letters, digits"},
        {"fence-device.add", "\"name\":\"d\",\"agent\":\"fence_x\",\"params\":{\"a\":1}",
         "must be a string"},
        {"fence-device.add", "\"name\":\"d\",\"agent\":\"fence_x\",\"params\":{\"a b\":\"1\"}",
         "valid parameter name"},
        {"fence-device.add", "\"name\":\"d\",\"agent\":\"fence_x\",\"nodes\":[\"n1\",\"n1\"]",
         "twice"},
        {"fence-device.add", "\"name\":\"d\",\"agent\":\"fence_x\",\"nodes\":\"n1\"",
         "list of names"},
        {"vm.add", "\"name\":\"a\",\"xml\":\"x\",\"needs\":[]", "validate-all"},
        {"vm.add", "\"name\":\"a\",\"xml\":\"x\",\"needs\":{\"uuid\":\"u-1\"}", "is not a UUID"},
        {"vm.add",
         "\"name\":\"a\",\"xml\":\"x\",\"needs\":{\"uuid\":\"6a8d0f9c-0e2b-4b3e-9b55-"
         "0d3d2f1c7a10\"}",
         "'memory_mb' is missing"},
        {"vm.add",
         "\"name\":\"a\",\"xml\":\"x\",\"needs\":{\"uuid\":\"6a8d0f9c-0e2b-4b3e-9b55-"
         "0d3d2f1c7a10\",\"memory_mb\":1,\"vcpus\":1,"
         "\"volumes\":[],\"gpu\":1}",
         "'gpu' is not an argument"},
        {"node.set", "\"node\":\"a\",\"resources\":[]", "object of numbers"},
        {"node.set", "\"node\":\"a\",\"resources\":{\"vgpu\":-1}", "'vgpu' must be a number"},
        {"node.set", "\"node\":\"a\",\"resources\":{\"vgpu\":\"1\"}", "must be a number"},
        {"vm.set", "\"vm\":\"a\",\"resources\":{\"vgpu\":1.5}", "must be a number"},
        {"vm.set", "\"vm\":\"a\",\"resources\":{\"vgpu\":1099511627777}", "not too large"},
        {"vm.set", "\"vm\":\"a\",\"resources\":{\"\":1}", "an invalid name"},
        {"vm.set", "\"vm\":\"a\",\"resources\":{\"a\\nb\":1}", "an invalid name"},
        {"vm.set",
         "\"vm\":\"a\",\"resources\":{"
         "\"a123456789-123456789-123456789-123456789-123456789-123456789-xyz\":1}",
         "an invalid name"},
        {"vm.storage", "\"vm\":\"a\"", "'serial' is missing"},
        {"vm.storage", "\"vm\":\"a\",\"serial\":1", "'files' is missing"},
        {"vm.storage", "\"vm\":\"a\",\"serial\":\"1\"", "'serial' must be a number"},
        {"vm.storage", "\"vm\":\"a\",\"serial\":1,\"files\":{}", "list of files"},
        {"vm.storage", "\"vm\":\"a\",\"serial\":1,\"files\":[" FILE_0 "]", "'xml' is missing"},
        {"vm.storage", "\"vm\":\"a\",\"serial\":1,\"xml\":\"x\",\"files\":[" FILE_0 "]",
         "'volumes' is missing"},
        {"vm.storage", STORAGE(FILE_0) ",\"dry_run\":true", "'dry_run' is not an argument"},
        {"config.get", "\"v\":2,\"key\":\"x\"", "not a JSON object"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(cases[i].verb, cases[i].args), -EINVAL);
        print_message("    %s\n", error.message);
        assert_non_null(strstr(error.message, cases[i].part));
        assert_string_equal(error.code, "usage");
        ipc_request_finish(&request);
    }
}

static void test_secrets_are_not_repeated(void **state) {
    (void)state;
    assert_int_equal(
        parse("fence-device.add",
              "\"name\":\"d\",\"agent\":\"fence_x\",\"params\":{\"password\":\"geheim\\u0001\"}"),
        -EINVAL);
    assert_null(strstr(error.message, "geheim"));
    ipc_request_finish(&request);
}

static void test_versions(void **state) {
    static const char old[] = "{\"v\":0,\"id\":1,\"verb\":\"status\"}", garbage[] = "{\"v\":1,";
    (void)state;
    assert_int_equal(ipc_request_parse(old, strlen(old), &request, &error), -EINVAL);
    assert_int_equal(request.id, 1);
    ipc_request_finish(&request);
    assert_int_equal(ipc_request_parse(garbage, strlen(garbage), &request, &error), -EINVAL);
    assert_int_equal(request.id, 0);
    ipc_request_finish(&request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_vm_add),
        cmocka_unit_test(test_other_changes),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_vm_storage),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_long_names_of_copies),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_secrets_are_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
