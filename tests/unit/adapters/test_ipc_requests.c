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
              "\"arch\":\"x86_64\",\"disks\":[\"/a\"]},\"priority\":7,"
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
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_secrets_are_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
