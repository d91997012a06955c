/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of a storage move: its parameters, which files move where, and the new definition. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/move_plan.h"

#define DISK(TARGET, FILE) \
    "<disk type=\"file\"><source file=\"" FILE "\"/><target dev=\"" TARGET "\"/></disk>"
#define DOMAIN(OS, DISKS) "<domain><os>" OS "</os><devices>" DISKS "</devices></domain>"
#define NVRAM "<nvram>/a/web_VARS.fd</nvram>"

static struct move_request request;
static struct move_plan plan;
static struct move_refusal refusal;

static void ask(const char *dest, const char *disks) {
    char reason[512] = "";

    request.dest = dest;
    request.disks_only = false;
    if (move_overrides_parse(disks, &request, reason, sizeof(reason)) < 0) {
        fail_msg("%s: %s", disks, reason);
    }
}

static struct definition parse(const char *text) {
    struct definition definition;
    char reason[256] = "";

    if (definition_parse_verbatim(text, strlen(text), &definition, reason, sizeof(reason)) < 0) {
        fail_msg("%s: %s", reason, text);
    }
    return definition;
}

/* What the plan is, as "disk:from>to:format ...". */
static void assert_plan(const char *text, const char *expected) {
    struct definition definition = parse(text);
    char found[2048] = "";
    size_t used = 0;

    if (move_plan(&definition, &request, &plan, &refusal) < 0) {
        fail_msg("%s: %s", text, refusal.reason);
    }
    for (size_t i = 0; i < plan.count; i++) {
        const struct move_file *file = &plan.files[i];
        used +=
            (size_t)snprintf(found + used, sizeof(found) - used, "%s%s:%s>%s:%s",
                             used > 0 ? " " : "", file->disk, file->from, file->to, file->format);
    }
    assert_string_equal(found, expected);
    definition_finish(&definition);
}

static void assert_refused(const char *text, const char *element, const char *words) {
    struct definition definition = parse(text);

    assert_int_equal(move_plan(&definition, &request, &plan, &refusal), -EINVAL);
    assert_string_equal(refusal.element, element);
    if (strstr(refusal.reason, words) == NULL || strchr(refusal.reason, '\n') != NULL) {
        fail_msg("%s", refusal.reason);
    }
    definition_finish(&definition);
}

static void test_overrides(void **state) {
    (void)state;
    ask("", "");
    assert_int_equal(request.count, 0);
    ask("", "vda=/b//x.qcow2\n\nnvram=/b/v,1.fd\nvdb=/b/y=1,format=raw");
    assert_int_equal(request.count, 3);
    assert_string_equal(request.overrides[0].disk, "vda");
    assert_string_equal(request.overrides[0].path, "/b/x.qcow2");
    assert_string_equal(request.overrides[0].format, "");
    assert_string_equal(request.overrides[1].path, "/b/v,1.fd");
    assert_string_equal(request.overrides[2].path, "/b/y=1");
    assert_string_equal(request.overrides[2].format, "raw");
    ask("", "vda=/b/x,format=a,format=qcow2");
    assert_string_equal(request.overrides[0].path, "/b/x,format=a");
    assert_string_equal(request.overrides[0].format, "qcow2");
}

static void test_what_is_no_override(void **state) {
    static const char *const wrong[] = {
        "vda",     "vda=",          "=/b/x",           "vda=b/x",
        "vda=/b/", "vda=/b/../c/x", "vda=/b/x\001",    "vda=/b/x,format=",
        "vda=/",   ",format=raw",   "vda=,format=raw", "vda=/b/x,format=qcow2qcow2qcow2qcow2"};
    char reason[512];
    (void)state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        reason[0] = '\0';
        if (move_overrides_parse(wrong[i], &request, reason, sizeof(reason)) == 0 ||
            strstr(reason, "TARGET=/") == NULL) {
            fail_msg("%s: %s", wrong[i], reason);
        }
    }
    assert_int_equal(move_overrides_parse("vda=/b/x\nvda=/b/y", &request, reason, sizeof(reason)),
                     -EINVAL);
    assert_non_null(strstr(reason, "vda is given two places"));
}

static void test_targets(void **state) {
    static const char two[] = DOMAIN(NVRAM, DISK("vda", "/a/x") DISK("vdb", "/b/y"));
    (void)state;

    ask("/c", "");
    assert_plan(two, "vda:/a/x>/c/x:raw vdb:/b/y>/c/y:raw nvram:/a/web_VARS.fd>/c/web_VARS.fd:raw");
    request.disks_only = true;
    assert_plan(two, "vda:/a/x>/c/x:raw vdb:/b/y>/c/y:raw");
    ask("/b//", "nvram=/d/v.fd");
    assert_plan(two, "vda:/a/x>/b/x:raw nvram:/a/web_VARS.fd>/d/v.fd:raw"); /* vdb is there */
    ask("", "vdb=/c/z,format=raw");
    assert_plan(two, "vdb:/b/y>/c/z:raw");
    ask("/c", "vda=/a/x");
    assert_plan(two, "vdb:/b/y>/c/y:raw nvram:/a/web_VARS.fd>/c/web_VARS.fd:raw");
    ask("/", "");
    assert_plan(DOMAIN("", DISK("vda", "/a/x")), "vda:/a/x>/x:raw");
    ask("/c", "");
    assert_plan(DOMAIN("<nvram type='file' format='qcow2'><source file='/a/v'/></nvram>", ""),
                "nvram:/a/v>/c/v:qcow2");
}

static void test_what_stays(void **state) {
    static const char text[] = DOMAIN(
        "<loader>/a/code.fd</loader>",
        DISK("vda", "/a/x") "<disk type='file' device='cdrom'><source file='/a/cd'/><target "
                            "dev='sda'/></disk><disk type='block'><source dev='/dev/x'/><target "
                            "dev='vdb'/></disk><disk type='network' device='disk'><source "
                            "protocol='rbd'/><target dev='vdc'/></disk>");
    (void)state;

    ask("/c", "");
    assert_plan(text, "vda:/a/x>/c/x:raw");
    ask("/c", "sda=/c/cd");
    assert_refused(text, "/domain/devices/disk[2]", "sda stays where it is: it is no disk");
    ask("/c", "vdb=/c/b");
    assert_refused(text, "/domain/devices/disk[3]", "vdb stays where it is: it is no file");
    ask("/c", "vdc=/c/b");
    assert_refused(text, "/domain/devices/disk[4]", "vdc stays where it is: it is no file");
    ask("/c", "nvram=/c/b");
    assert_refused(text, "/domain", "no file of UEFI variables");
    ask("/c", "vdx=/c/b");
    assert_refused(text, "/domain/devices", "no disk vdx; it has vda, sda, vdb, vdc");
}

static void test_a_tpm(void **state) {
    static const char with_tpm[] =
        DOMAIN("", DISK("vda", "/a/x") "<tpm><backend type='emulator' version='2.0'><source "
                                       "type='dir' path='/a/tpm'/></backend></tpm>");
    (void)state;

    ask("/b", "");
    assert_plan(with_tpm, "vda:/a/x>/b/x:raw "
                          "tpm:/a/tpm/tpm2-00.permall>/b/tpm/tpm2-00.permall:raw");
    request.running = true;
    assert_refused(with_tpm, "/domain/devices/tpm[1]", "/a/tpm, would stay behind");
    request.running = false;
    request.elsewhere = true;
    assert_refused(with_tpm, "/domain/devices/tpm[1]", "/a/tpm, would stay behind");
    request.elsewhere = false;
    struct definition definition = parse(with_tpm);
    assert_int_equal(move_plan(&definition, &request, &plan, &refusal), 0);
    assert_int_equal(move_rewrite(&plan), 0);
    char *text = NULL;
    assert_int_equal(definition_print(&definition, &text), 0);
    assert_non_null(strstr(text, "<source type=\"dir\" path=\"/b/tpm\"/>"));
    free(text);
    definition_finish(&definition);
    request.disks_only = true;
    assert_plan(with_tpm, "vda:/a/x>/b/x:raw");
    ask("", "vda=/b/y");
    assert_plan(with_tpm, "vda:/a/x>/b/y:raw");
    ask("/a/", "vda=/a/y"); /* it is there already */
    assert_plan(with_tpm, "vda:/a/x>/a/y:raw");
}

/* QEMU copies its disks: into another format, too, but nothing else. */
static void test_of_a_vm_that_runs(void **state) {
    static const char one[] = DOMAIN(NVRAM, DISK("vda", "/a/x"));
    static const char source[] = "/domain/devices/disk[1]/source";
    (void)state;

    request.running = true;
    ask("", "vda=/b/x,format=qcow2");
    struct definition definition = parse(one);
    assert_int_equal(move_plan(&definition, &request, &plan, &refusal), 0);
    assert_int_equal(plan.count, 1);
    assert_string_equal(plan.files[0].format, "raw");
    assert_string_equal(plan.files[0].new_format, "qcow2");
    assert_int_equal(move_rewrite(&plan), 0);
    char *text = NULL;
    assert_int_equal(definition_print(&definition, &text), 0);
    assert_non_null(strstr(text, "<source file=\"/b/x\"/>"));
    assert_non_null(strstr(text, "<driver name=\"qemu\" type=\"qcow2\"/>"));
    free(text);
    definition_finish(&definition);

    ask("", "vda=/b/x,format=raw"); /* as it is */
    definition = parse(one);
    assert_int_equal(move_plan(&definition, &request, &plan, &refusal), 0);
    assert_null(plan.files[0].new_format);
    definition_finish(&definition);
    ask("", "vda=/b/x,format=vmdk");
    assert_refused(one, source, "vda: a disk can become raw or qcow2, not vmdk");
    ask("/b", "");
    assert_refused(one, "/domain/os/nvram", "the VM runs: its UEFI variables (/a/web_VARS.fd)");
    request.disks_only = true;
    definition = parse(one);
    assert_int_equal(move_plan(&definition, &request, &plan, &refusal), 0);
    definition_finish(&definition);
    request.running = false;
}

static void test_refusals(void **state) {
    static const char one[] = DOMAIN(NVRAM, DISK("vda", "/a/x"));
    static const char source[] = "/domain/devices/disk[1]/source";
    (void)state;

    ask("", "");
    assert_refused(one, "/domain", "nothing would move");
    ask("/a", "");
    assert_refused(one, "/domain", "nothing would move");
    ask("", "vda=/b/x,format=qcow2");
    assert_refused(one, source, "vda is raw: a move changes its format only while the VM");
    ask("", "vda=/a/x,format=qcow2");
    assert_refused(one, source, "leave out format=qcow2");
    ask("/b", "nvram=/b/v");
    request.disks_only = true;
    assert_refused(one, "/domain/os/nvram", "leave out one of the two");
    ask("/b", "");
    assert_refused(DOMAIN("", DISK("vda", "/a/x") DISK("vdb", "/c/x")),
                   "/domain/devices/disk[2]/source", "vda and vdb would both become /b/x");
    assert_refused(DOMAIN("", DISK("vda", "/a/x&#10;y")), source, "control characters");
    assert_refused(DOMAIN("", DISK("vda", "/a/../x")), source, "without \"..\"");
    assert_refused(DOMAIN("", DISK("vda", "x")), source, "absolute");
    assert_refused(DOMAIN("", "<disk type='file'><source file='/a/x'/><target dev='vda'/>"
                              "<shareable/></disk>"),
                   "/domain/devices/disk[1]", "vda is shareable");
    char text[1024];
    snprintf(text, sizeof(text),
             "<domain><devices><disk><source file='/a/%0225d'/><target dev='vda'/></disk>"
             "</devices></domain>",
             0);
    assert_refused(text, source, "too long");
}

static void assert_rewritten(const char *text, const char *expected) {
    struct definition definition = parse(text);
    char *printed = NULL;

    assert_int_equal(move_plan(&definition, &request, &plan, &refusal), 0);
    assert_int_equal(move_rewrite(&plan), 0);
    assert_int_equal(definition_print_verbatim(&definition, text, strlen(text), &printed), 0);
    assert_string_equal(printed, expected);
    free(printed);
    definition_finish(&definition);
}

#define BEFORE                                                   \
    "<!-- \"web\" -->\n<domain type=\"kvm\">\n\t<name>w\xc3\xa9" \
    "b &amp; co</name>\n\n  <os>"
#define BETWEEN                                                                             \
    "</os>\n  <description><![CDATA[a < b]]></description>\n  <devices>\n    <disk "        \
    "type=\"file\" device=\"disk\">\n      <!-- its file -->\n      <source startupPolicy=" \
    "\"mandatory\" "
#define AFTER                                                                               \
    ">\n        <seclabel model=\"dac\" relabel=\"no\"/>\n      </source>\n      <target "  \
    "dev=\"vda\"/>\n    </disk>\n    <disk type=\"file\" device=\"cdrom\">\n      <source " \
    "file=\"/a/x\"/>\n      <target dev=\"sda\"/>\n    </disk>\n  </devices>\n  <q:x "      \
    "xmlns:q=\"urn:q\" a=\"&lt;&#10;\"/>\n</domain>\n<!-- end -->"

static void test_rewriting_keeps_the_rest(void **state) {
    (void)state;
    ask("/b", "vda=/b/a&b<\"x");
    assert_rewritten(BEFORE "<nvram template=\"/t\">/a/v</nvram>" BETWEEN "file=\"/a/x\"" AFTER,
                     BEFORE "<nvram template=\"/t\">/b/v</nvram>" BETWEEN
                            "file=\"/b/a&amp;b&lt;&quot;x\"" AFTER);
    ask("/b", "nvram=/b/a&b");
    assert_rewritten(BEFORE "<nvram>/a/v</nvram>" BETWEEN "file=\"/a/x\"" AFTER "\n",
                     BEFORE "<nvram>/b/a&amp;b</nvram>" BETWEEN "file=\"/b/x\"" AFTER "\n");
    assert_rewritten(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" BEFORE
        "<nvram type=\"file\"><source file=\"/a/v\"/></nvram>" BETWEEN "file=\"/a/x\"" AFTER,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" BEFORE
        "<nvram type=\"file\"><source file=\"/b/a&amp;b\"/></nvram>" BETWEEN "file=\"/b/x\"" AFTER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overrides), cmocka_unit_test(test_what_is_no_override),
        cmocka_unit_test(test_targets),   cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_a_tpm),     cmocka_unit_test(test_of_a_vm_that_runs),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_rewriting_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
