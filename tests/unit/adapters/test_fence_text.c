/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fence agent is told, and what of its words is shown.
 */
#include "adapters/fence_text.h"
#include "adapters/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static char *input_of(const struct core_param *params, uint32_t n, int *ret_error) {
    const struct core_fence_order order = {
        .agent = "fence_x", .node = "n2", .params = params, .n_params = n};
    static char text[1024];
    struct buffer out;
    const char *why = "";
    buffer_init(&out);
    *ret_error = fence_input(&order, "off", &out, &why);
    size_t size = out.size < sizeof(text) - 1 ? out.size : sizeof(text) - 1;
    if (size) {
        memcpy(text, out.data, size);
    }
    text[size] = '\0';
    buffer_finish(&out);
    return text;
}

static void test_agent_names(void **state) {
    (void)state;
    assert_true(fence_agent_name_valid("fence_ipmilan"));
    assert_true(fence_agent_name_valid("fence_lab2"));
    assert_false(fence_agent_name_valid("fence_"));
    assert_false(fence_agent_name_valid("ipmilan"));
    assert_false(fence_agent_name_valid("fence_x/../../bin/sh"));
    assert_false(fence_agent_name_valid("../fence_x"));
    assert_false(fence_agent_name_valid("fence_X"));
}

static void test_plug_is_added(void **state) {
    const struct core_param params[] = {{"ip", "10.0.0.1"}, {"password", "geheim"}};
    int error = 0;
    (void)state;
    assert_string_equal(
        input_of(params, 2, &error),
        "action=off\nnodename=n2\nip=10.0.0.1\npassword=geheim\nplug=n2\nport=n2\n");
    assert_int_equal(error, 0);
}

static void test_node_is_named_by_a_parameter(void **state) {
    const struct core_param by_mark[] = {{"ip", "bmc-{node}.example"}, {"x", "{node}{node}"}};
    const struct core_param by_plug[] = {{"plug", "7"}};
    int error = 0;
    (void)state;
    assert_string_equal(input_of(by_mark, 2, &error),
                        "action=off\nnodename=n2\nip=bmc-n2.example\nx=n2n2\n");
    assert_string_equal(input_of(by_plug, 1, &error), "action=off\nnodename=n2\nplug=7\n");
}

static void test_nothing_is_smuggled_in(void **state) {
    const struct core_param newline[] = {{"ip", "1\naction=on"}};
    const struct core_param equals[] = {{"action=on\nx", "1"}};
    const struct core_param action[] = {{"action", "on"}, {"nodename", "n1"}, {"plug", "1"}};
    int error = 0;
    (void)state;
    (void)input_of(newline, 1, &error);
    assert_int_equal(error, -EINVAL);
    (void)input_of(equals, 1, &error);
    assert_int_equal(error, -EINVAL);
    assert_string_equal(input_of(action, 3, &error), "action=off\nnodename=n2\nplug=1\n");
}

static void test_mask(void **state) {
    const struct core_param params[] = {
        {"password", "geheim"}, {"ip", "host1"}, {"api_token", "abc"}};
    const struct core_fence_order order = {.params = params, .n_params = 3};
    char text[] = "login geheim@host1 failed: geheimgeheim abc";
    (void)state;
    fence_mask(&order, text);
    assert_string_equal(text, "login ******@host1 failed: ************ abc");
}

static void test_secret_keys(void **state) {
    (void)state;
    assert_true(secret_key("passwd"));
    assert_true(secret_key("Password_Script"));
    assert_true(secret_key("snmp_priv_passwd"));
    assert_true(secret_key("secret_key"));
    assert_true(secret_key("auth_token"));
    assert_true(secret_key("community"));
    assert_false(secret_key("ip"));
    assert_false(secret_key("login"));
    assert_false(secret_key("plug"));
}

static void test_metadata(void **state) {
    static const char text[] =
        "<resource-agent><actions>\n<action name=\"off\" />\n<action  name='status'/>\n"
        "<action on_target=\"1\" name=\"metadata\" /></actions>";
    (void)state;
    assert_true(fence_metadata_offers(text, "off"));
    assert_true(fence_metadata_offers(text, "status"));
    assert_true(fence_metadata_offers(text, "metadata"));
    assert_false(fence_metadata_offers(text, "stat"));
    assert_false(fence_metadata_offers(text, "monitor"));
    assert_false(fence_metadata_offers("<action name=\"status", "status"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_names),
        cmocka_unit_test(test_plug_is_added),
        cmocka_unit_test(test_node_is_named_by_a_parameter),
        cmocka_unit_test(test_nothing_is_smuggled_in),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_secret_keys),
        cmocka_unit_test(test_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
