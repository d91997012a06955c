/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of Varlink, as varlink.org has them: calls, the service's own methods, and the
 * interface's description, which must say what the verbs take and what the reads answer.
 */
#include "adapters/ipc/varlink.h"
#include "adapters/ipc/verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_DIR CLUSTERD_SOURCE_DIR "/tests/golden/ipc"
#define SERVICE(name, parameters) \
    "{\"method\":\"org.varlink.service." name "\",\"parameters\":{" parameters "}}"

/* ---- calls ---- */

static void test_what_is_a_call(void **state) {
    static const char *const good[] = {
        "{\"method\":\"a.b.C\"}", "{\"method\":\"a.b.C\",\"parameters\":null}",
        "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true,\"upgrade\":false}"};
    static const char *const bad[] = {"",
                                      " ",
                                      "null",
                                      "{}{}",
                                      "{\"method\":null}",
                                      "{\"method\":\"a.b.C\",\"method\":\"a.b.D\"}",
                                      "{\"method\":\"a.b.C\",\"parameters\":\"x\"}",
                                      "{\"method\":\"a.b.C\",\"more\":true,\"oneway\":true}"};
    struct varlink_call c;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(varlink_call_parse(good[i], strlen(good[i]), &c), 0);
        assert_string_equal(c.method, "a.b.C");
        varlink_call_finish(&c);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(varlink_call_parse(bad[i], strlen(bad[i]), &c) < 0);
        varlink_call_finish(&c);
    }
}

/* A text with a NUL inside, however it is spelled, never becomes a shorter one. */
static void test_no_call_has_a_nul(void **state) {
    static const char raw[] = "{\"method\":\"a.b.C\0D\"}";
    static const char spelled[] = "{\"method\":\"a.b.C\\u0000D\"}";
    struct varlink_call c;
    (void)state;
    assert_true(varlink_call_parse(raw, sizeof(raw) - 1, &c) < 0);
    varlink_call_finish(&c);
    assert_true(varlink_call_parse(spelled, sizeof(spelled) - 1, &c) < 0);
    varlink_call_finish(&c);
}

static void test_flags_of_a_call(void **state) {
    static const char text[] = "{\"method\":\"a.b.C\",\"parameters\":{},\"oneway\":true}";
    struct varlink_call c;
    (void)state;
    assert_int_equal(varlink_call_parse(text, strlen(text), &c), 0);
    assert_true(c.oneway && !c.more && json_is_object(c.parameters));
    varlink_call_finish(&c);
}

/* ---- org.varlink.service ---- */

/* The reply as text, compact and with sorted keys; the caller frees it. */
static char *service(const char *text) {
    struct varlink_call c;
    assert_int_equal(varlink_call_parse(text, strlen(text), &c), 0);
    assert_null(varlink_verb(c.method));
    json_t *reply = varlink_service(&c);
    assert_non_null(reply);
    char *result = json_dumps(reply, JSON_COMPACT | JSON_SORT_KEYS);
    assert_non_null(result);
    json_decref(reply);
    varlink_call_finish(&c);
    return result;
}

static void assert_service(const char *call, const char *wanted) {
    char *reply = service(call);
    assert_string_equal(reply, wanted);
    free(reply);
}

static void test_get_info(void **state) {
    char *reply = service("{\"method\":\"org.varlink.service.GetInfo\"}");
    (void)state;
    assert_non_null(strstr(reply, "\"product\":\"clusterd\""));
    assert_non_null(strstr(reply, "\"version\":\"" CLUSTERD_VERSION "\""));
    assert_non_null(strstr(reply, "\"interfaces\":[\"org.varlink.service\",\"io.clusterd\"]"));
    free(reply);
    assert_service(SERVICE("GetInfo", "\"x\":1"),
                   "{\"error\":\"org.varlink.service.InvalidParameter\","
                   "\"parameters\":{\"parameter\":\"x\"}}");
}

static void test_get_interface_description(void **state) {
    char *reply =
        service(SERVICE("GetInterfaceDescription", "\"interface\":\"org.varlink.service\""));
    (void)state;
    assert_non_null(strstr(reply, "\\ninterface org.varlink.service\\n"));
    assert_non_null(strstr(reply, "method GetInfo() -> ("));
    free(reply);
    reply = service(SERVICE("GetInterfaceDescription", "\"interface\":\"io.clusterd\""));
    assert_non_null(strstr(reply, "\\ninterface io.clusterd\\n"));
    free(reply);
    assert_service(SERVICE("GetInterfaceDescription", "\"interface\":\"io.other\""),
                   "{\"error\":\"org.varlink.service.InterfaceNotFound\","
                   "\"parameters\":{\"interface\":\"io.other\"}}");
    assert_service(SERVICE("GetInterfaceDescription", ""),
                   "{\"error\":\"org.varlink.service.InvalidParameter\","
                   "\"parameters\":{\"parameter\":\"interface\"}}");
    assert_service(SERVICE("GetInterfaceDescription", "\"interface\":7"),
                   "{\"error\":\"org.varlink.service.InvalidParameter\","
                   "\"parameters\":{\"parameter\":\"interface\"}}");
}

static void test_unknown_methods_and_interfaces(void **state) {
    (void)state;
    assert_service("{\"method\":\"io.clusterd.Nothing\"}",
                   "{\"error\":\"org.varlink.service.MethodNotFound\","
                   "\"parameters\":{\"method\":\"io.clusterd.Nothing\"}}");
    assert_service("{\"method\":\"io.clusterd.vm.list\"}",
                   "{\"error\":\"org.varlink.service.MethodNotFound\","
                   "\"parameters\":{\"method\":\"io.clusterd.vm.list\"}}");
    assert_service(SERVICE("Nothing", ""), "{\"error\":\"org.varlink.service.MethodNotFound\","
                                           "\"parameters\":{\"method\":"
                                           "\"org.varlink.service.Nothing\"}}");
    assert_service("{\"method\":\"io.other.VmList\"}",
                   "{\"error\":\"org.varlink.service.InterfaceNotFound\","
                   "\"parameters\":{\"interface\":\"io.other\"}}");
    assert_service("{\"method\":\"io.clusterd2.VmList\"}",
                   "{\"error\":\"org.varlink.service.InterfaceNotFound\","
                   "\"parameters\":{\"interface\":\"io.clusterd2\"}}");
    assert_service("{\"method\":\"VmList\"}",
                   "{\"error\":\"org.varlink.service.InterfaceNotFound\","
                   "\"parameters\":{\"interface\":\"\"}}");
}

/* ---- the description and the verbs ---- */

static char *description;

static int describe(void **state) {
    (void)state;
    description = varlink_describe();
    return description ? 0 : -1;
}

static int forget_description(void **state) {
    (void)state;
    free(description);
    return 0;
}

/* Up to the next of `ends`, in a buffer. */
static const char *part(const char *at, const char *ends, char ret[512]) {
    size_t n = strcspn(at, ends);
    assert_true(n < 512);
    memcpy(ret, at, n);
    ret[n] = '\0';
    return at + n;
}

/* "(a: string, b: ?int)" as {"a":"string","b":"?int"}; *at moves behind it. */
static json_t *members(const char **at) {
    char name[512], type[512];
    json_t *result = json_object();
    assert_int_equal(*(*at)++, '(');
    while (**at != ')') {
        *at = part(*at, ":)\n", name);
        assert_int_equal(strncmp(*at, ": ", 2), 0);
        *at = part(*at + 2, ",)\n", type);
        assert_null(json_object_get(result, name));
        json_object_set_new(result, name, json_string(type));
        *at += strncmp(*at, ", ", 2) == 0 ? 2 : 0;
    }
    (*at)++;
    return result;
}

/* The line of the method that `name` is; what follows the name. NULL: there is none. */
static const char *line_of(const char *name) {
    char head[128];
    (void)snprintf(head, sizeof(head), "\nmethod %s(", name);
    const char *at = strstr(description, head);
    return at ? at + strlen(head) - 1 : NULL;
}

static const struct ipc_arg *arg_of(const struct ipc_verb *verb, const char *name) {
    for (size_t i = 0; i < verb->n_args; i++) {
        if (strcmp(verb->args[i].name, name) == 0) {
            return &verb->args[i];
        }
    }
    return NULL;
}

static void check_parameters(const struct ipc_verb *verb, json_t *described) {
    const char *name = NULL;
    json_t *type = NULL;
    assert_int_equal(json_object_size(described), verb->n_args);
    json_object_foreach (described, name, type) {
        const struct ipc_arg *arg = arg_of(verb, name);
        assert_non_null(arg);
        assert_true(arg->required == (json_string_value(type)[0] != '?'));
    }
}

/* Each method that is described is one that clusterd answers, and takes those parameters... */
static void test_what_is_described_is_answered(void **state) {
    size_t n = 0;
    (void)state;
    for (const char *at = description; (at = strstr(at, "\nmethod ")); n++) {
        char full[600] = VARLINK_INTERFACE ".", name[512];
        at = part(at + strlen("\nmethod "), "(\n", name);
        (void)snprintf(full, sizeof(full), VARLINK_INTERFACE ".%s", name);
        const struct ipc_verb *verb = varlink_verb(full);
        print_message("%s\n", full);
        assert_non_null(verb);
        json_t *in = members(&at);
        check_parameters(verb, in);
        assert_int_equal(strncmp(at, " -> (", 5), 0);
        at += 4;
        json_decref(in);
        json_decref(members(&at));
        assert_int_equal(*at, '\n');
    }
    assert_int_equal(n, ipc_n_verbs);
}

/* ... and each that it answers is described, once. */
static void test_what_is_answered_is_described(void **state) {
    (void)state;
    for (size_t i = 0; i < ipc_n_verbs; i++) {
        char name[VARLINK_MAX_METHOD], full[128];
        varlink_name_of(ipc_verbs[i].name, name);
        const char *line = line_of(name);
        print_message("%s\n", name);
        assert_non_null(line);
        (void)snprintf(full, sizeof(full), "\nmethod %s(", name);
        assert_null(strstr(line, full));
        (void)snprintf(full, sizeof(full), VARLINK_INTERFACE ".%s", name);
        assert_ptr_equal(varlink_verb(full), &ipc_verbs[i]);
    }
}

static bool fits(const char *type, const json_t *value) {
    bool maybe = type[0] == '?';
    type += maybe;
    if (!value || json_is_null(value)) {
        return maybe;
    }
    return strncmp(type, "[]", 2) == 0   ? json_is_array(value)
           : strcmp(type, "string") == 0 ? json_is_string(value)
           : strcmp(type, "int") == 0    ? json_is_integer(value)
           : strcmp(type, "bool") == 0   ? json_is_boolean(value)
           : strcmp(type, "object") == 0 ? json_is_object(value)
                                         : false;
}

/* What the read answers about the cluster of test_ipc_golden.c. */
static void check_answer(const json_t *answer, json_t *described) {
    const char *name = NULL;
    json_t *value = NULL;
    json_t *reply = varlink_reply(answer);
    json_t *parameters = json_object_get(reply, "parameters");
    json_object_foreach (parameters, name, value) {
        assert_non_null(json_object_get(described, name));
    }
    json_object_foreach (described, name, value) {
        print_message("  %s: %s\n", name, json_string_value(value));
        assert_true(fits(json_string_value(value), json_object_get(parameters, name)));
    }
    json_decref(reply);
}

static void test_reads_answer_what_is_described(void **state) {
    unsigned n = 0;
    (void)state;
    for (size_t i = 0; i < ipc_n_verbs; i++) {
        char name[VARLINK_MAX_METHOD], path[512];
        (void)snprintf(path, sizeof(path), GOLDEN_DIR "/%s.json", ipc_verbs[i].name);
        json_t *answer = ipc_verbs[i].kind == IPC_READ ? json_load_file(path, 0, NULL) : NULL;
        if (!answer) {
            continue;
        }
        varlink_name_of(ipc_verbs[i].name, name);
        print_message("%s\n", name);
        const char *at = line_of(name);
        assert_non_null(at);
        json_decref(members(&at));
        at += strlen(" -> ");
        json_t *described = members(&at);
        check_answer(answer, described);
        json_decref(described);
        json_decref(answer);
        n++;
    }
    assert_int_equal(n, READ_COUNT - 2); /* all but config.list, which is as config.get */
}

static void test_errors_are_described(void **state) {
    static const char *const codes[] = {"refused", "no-quorum",  "not-found",
                                        "usage",   "permission", "failed"};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char name[VARLINK_MAX_METHOD], head[128], full[128];
        varlink_name_of(codes[i], name);
        (void)snprintf(head, sizeof(head), "\nerror %s (message: string, hint: string)\n", name);
        assert_non_null(strstr(description, head));
        json_t *answer = json_pack("{sb s{ss ss ss}}", "ok", 0, "error", "code", codes[i],
                                   "message", "m", "hint", "h");
        json_t *reply = varlink_reply(answer);
        (void)snprintf(full, sizeof(full), VARLINK_INTERFACE ".%s", name);
        assert_string_equal(json_string_value(json_object_get(reply, "error")), full);
        json_decref(reply);
        json_decref(answer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_call),
        cmocka_unit_test(test_no_call_has_a_nul),
        cmocka_unit_test(test_flags_of_a_call),
        cmocka_unit_test(test_get_info),
        cmocka_unit_test(test_get_interface_description),
        cmocka_unit_test(test_unknown_methods_and_interfaces),
        cmocka_unit_test(test_what_is_described_is_answered),
        cmocka_unit_test(test_what_is_answered_is_described),
        cmocka_unit_test(test_reads_answer_what_is_described),
        cmocka_unit_test(test_errors_are_described),
    };
    return cmocka_run_group_tests(tests, describe, forget_description);
}
