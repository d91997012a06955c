/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fence agent is told, and what of its words is shown.
 */
#include "adapters/agents/fence_text.h"
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
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

/* What is left of `said` when these parameters' secrets are blotted out. */
static const char *masked(const struct core_param *params, uint32_t n, const char *said) {
    const struct core_fence_order order = {.node = "n2", .params = params, .n_params = n};
    static char text[512];
    (void)snprintf(text, sizeof(text), "%s", said);
    fence_mask(&order, text);
    return text;
}

static void test_mask(void **state) {
    const struct core_param params[] = {
        {"password", "geheim"}, {"ip", "host1"}, {"api_token", "abc"}};
    (void)state;
    assert_string_equal(masked(params, 3, "login geheim@host1 failed: geheimgeheim abc"),
                        "login ******@host1 failed: ************ ***");
}

/* Short ones are masked as words; within words they would tell more than they hide. */
static void test_mask_of_short_secrets(void **state) {
    const struct core_param params[] = {{"password", "a"}, {"snmp_priv_passwd", "x1"}, {"key", ""}};
    (void)state;
    assert_string_equal(masked(params, 3, "a bad password (a), not a1: 'x1' x1 ax1 x1_x1 a"),
                        "* bad password (*), not a1: '**' ** ax1 x1_x1 *");
    assert_string_equal(masked(params, 3, "a"), "*");
    assert_string_equal(masked(params, 3, "password:\tx1\t\xe2\x80\x98x1\xe2\x80\x99 refused\r"),
                        "password:\t**\t\xe2\x80\x98**\xe2\x80\x99 refused\r");
    assert_string_equal(masked(params, 3, ""), "");
}

static void test_mask_of_secrets_within_secrets(void **state) {
    const struct core_param params[] = {{"passwd", "hunter"}, {"secret_key", "hunter22"}};
    (void)state;
    assert_string_equal(masked(params, 2, "hunter22 hunter hunter2"), "******** ****** ******2");
}

/* What the agent was told is secret, not what is configured; and only the password of an address.
 */
static void test_mask_of_what_was_sent(void **state) {
    const struct core_param params[] = {{"passphrase", "pw-{node}"},
                                        {"session_url", "https://{node}"},
                                        {"ip", "http://me:geheim@{node}/x"}};
    (void)state;
    assert_string_equal(masked(params, 1, "pw-n2 refused"), "***** refused");
    assert_string_equal(masked(params + 2, 1, "cannot reach http://me:geheim@n2/x"),
                        "cannot reach http://me:******@n2/x");
    assert_string_equal(masked(params, 3, "n2 says no to geheim"), "n2 says no to ******");
}

/* Programs quote what they print. A secret with all that needs quoting. */
static void test_mask_of_encoded_secrets(void **state) {
    static const struct core_param params[] = {{"password", "it's $5 & \"<a\\b>\""}};
    static const char *const said[] = {
        "it's $5 & \"<a\\b>\"",
        "'it'\"'\"'s $5 & \"<a\\b>\"'", /* Python's shlex.quote() */
        "'it'\\''s $5 & \"<a\\b>\"'",
        "it\\'s\\ \\$5\\ \\&\\ \\\"\\<a\\\\b\\>\\\"", /* printf %q */
        "\"it's \\$5 & \\\"<a\\\\b>\\\"\"",           /* a shell's, and JSON */
        "'it\\'s $5 & \"<a\\\\b>\"'",                 /* Python's repr() */
        "it\\u0027s $5 \\u0026 \\u0022\\u003ca\\\\b\\u003e\\u0022",
        "\\x69\\164\\x27s $5 & \\x22<a\\\\b>\"",
        "it%27s%20%245%20%26%20%22%3Ca%5Cb%3E%22",
        "it%27s+%245+%26+%22%3ca%5cb%3e%22",
        "it&apos;s $5 &amp; &quot;&lt;a\\b&gt;&quot;",
        "it&#39;s&#x20;$5 &#38; &#34;&lt;a\\b>&#x22;",
        "aXQncyAkNSAmICI8YVxiPiI=",         /* base64 */
        "dTppdCdzICQ1ICYgIjxhXGI-Ig==",     /* of u:PASSWORD, for addresses */
        "YWRtOml0J3MgJDUgJiAiPGFcYj4i",     /* of adm:PASSWORD */
        "dXNlcjppdCdzICQ1ICYgIjxhXGI+Igo=", /* of user:PASSWORD and a newline */
        "697427732024352026 20223c615c623e22",
        "69:74:27:73:20:24:35:20:26:20:22:3C:61:5C:62:3E:22",
        "0x69,0x74,0x27,0x73, 0x20,0x24,0x35,0x20, 0x26,0x20,0x22,0x3c, 0x61,0x5c,0x62,0x3e, 0x22",
        "it%2527s%2520%25245%2520%2526%2520%2522%253Ca%255Cb%253E%2522", /* twice */
        "aXQlMjdzJTIwJTI0NSUyMCUyNiUyMCUyMiUzQ2ElNUNiJTNFJTIy",          /* base64 of %XX */
        "aXQncyAkNSAmICI8YVxiPiI%3D",
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        (void)snprintf(text, sizeof(text), "cannot log in: %s refused", said[i]);
        const char *left = masked(params, 1, text);
        size_t n = strlen("cannot log in: ");
        n += strspn(left + n, "*='\"%3D, 0x"); /* what was around it, or between */
        if (strcmp(left + n, "refused") != 0) {
            fail_msg("%s became %s", text, left);
        }
    }
}

/* No encoding of a short secret is a reason to spoil words. */
static void test_mask_of_encoded_short_secrets(void **state) {
    const struct core_param params[] = {{"password", "abc"}};
    (void)state;
    assert_string_equal(masked(params, 1, "Basic dTphYmM= (a\\bc, %61bc, abcd) for abcd"),
                        "Basic *******= (****, *****, abcd) for abcd");
    assert_string_equal(masked(params, 1,
                               "connection to 10.0.0.1 timed out after 30 s (errno 110)"),
                        "connection to 10.0.0.1 timed out after 30 s (errno 110)");
}

static void test_device_with_secrets(void **state) {
    const struct core_param params[] = {
        {"ip", "host1"}, {"url", "http://me:geheim@host1"}, {"password", "geheim"}};
    struct core_fence_order order = {.node = "n2", .params = params, .n_params = 1};
    (void)state;
    assert_false(fence_has_secrets(&order));
    order.n_params = 2;
    assert_true(fence_has_secrets(&order));
    order.params = params + 2;
    order.n_params = 1;
    assert_true(fence_has_secrets(&order));
}

/* All that Debian's fence-agents 4.12 take and that may hold a secret; and what must stay legible,
 * or nobody finds a mistake in it. */
static void test_secret_params(void **state) {
    static const char *const secret[] = {"passwd",
                                         "password",
                                         "Password_Script",
                                         "passwd_script",
                                         "passphrase",
                                         "hexadecimal_kg",
                                         "snmp_priv_passwd",
                                         "snmp_priv_passwd_script",
                                         "snmp_auth_passwd",
                                         "secret_key",
                                         "key",
                                         "access_key",
                                         "apikey",
                                         "api_key",
                                         "ssh_key",
                                         "tlskey",
                                         "key_file",
                                         "private_key",
                                         "token",
                                         "auth_token",
                                         "community",
                                         "auth",
                                         "credentials",
                                         "pwd",
                                         "cookie_file",
                                         "token_file",
                                         "key_value",
                                         "secret-key",
                                         "hidden_page"};
    static const char *const plain[] = {
        "ip",      "ipaddr",       "ipport",        "login",         "username",
        "plug",    "port",         "lanplus",       "identity_file", "cipher",
        "privlvl", "method",       "power_timeout", "ssl_insecure",  "region",
        "zone",    "snmp_version", "session_url",   "pcmk_host_map"};
    (void)state;
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        if (!secret_param(secret[i], "x", NULL, NULL)) {
            fail_msg("%s would be shown", secret[i]);
        }
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (secret_param(plain[i], "10.0.0.1", NULL, NULL)) {
            fail_msg("%s would be hidden", plain[i]);
        }
    }
    size_t at = 0;
    size_t n = 0;
    assert_true(secret_param("ip", "https://root:a@b@bmc/x@y", &at, &n));
    assert_true(at == 13 && n == 3);
    assert_false(secret_param("ip", "https://root@bmc:443/a:b@c", &at, &n));
    assert_false(secret_param("ip", "fe80::1@eth0", &at, &n));
}

static void test_lines(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"site = east\n", "site = east\n"},
        {"password = hunter2 is it\nsite = a", "password = *************\nsite = a"},
        {"\tkey: hunter2", "\tkey: *******"},
        {"api_token=hunter2\n\nx", "api_token=*******\n\nx"},
        {"n1: fence_x said --passwd=hunter2", "n1: fence_x said --passwd=*******"},
        {"{\"Password\":\"hunter2\"}", "{\"Password\":**********"},
        {"uri = qemu+tcp://u:hunter2@h/ ftp://u:hunter2@h",
         "uri = qemu+tcp://u:*******@h/ ftp://u:*******@h"},
        {"the key is at 10:30", "the key is at 10:30"},
        {"", ""},
    };
    char text[128];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(text, sizeof(text), "%s", cases[i][0]);
        secret_mask_lines(text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void test_status_lines(void **state) {
    (void)state;
    assert_int_equal(fence_status_line(SAID_NOTHING, "Status: OFF"), SAID_OFF);
    assert_int_equal(fence_status_line(SAID_NOTHING, "Status: ON \r"), SAID_ON);
    assert_int_equal(fence_status_line(SAID_NOTHING, "Status: unknown"), SAID_BOTH);
    assert_int_equal(fence_status_line(SAID_NOTHING, "Status: OFF, they say"), SAID_BOTH);
    assert_int_equal(fence_status_line(SAID_NOTHING, "Status:"), SAID_BOTH);
    assert_int_equal(fence_status_line(SAID_NOTHING, "n1,Status: OFF"), SAID_NOTHING);
    assert_int_equal(fence_status_line(SAID_OFF, "bye"), SAID_OFF);
    assert_int_equal(fence_status_line(SAID_OFF, "Status: OFF"), SAID_OFF);
    assert_int_equal(fence_status_line(SAID_OFF, "Status: ON"), SAID_BOTH);
    assert_int_equal(fence_status_line(SAID_BOTH, "Status: OFF"), SAID_BOTH);
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
        cmocka_unit_test(test_mask_of_short_secrets),
        cmocka_unit_test(test_mask_of_secrets_within_secrets),
        cmocka_unit_test(test_mask_of_what_was_sent),
        cmocka_unit_test(test_mask_of_encoded_secrets),
        cmocka_unit_test(test_mask_of_encoded_short_secrets),
        cmocka_unit_test(test_device_with_secrets),
        cmocka_unit_test(test_secret_params),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
