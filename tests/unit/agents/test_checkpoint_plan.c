/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which disks a checkpoint has, and which VMs can have none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/checkpoint_plan.h"

#define DISK(TARGET, FORMAT, FILE, MORE)                                                   \
    "<disk type='file' device='disk'><driver type='" FORMAT "'/><source file='" FILE "'/>" \
    "<target dev='" TARGET "'/>" MORE "</disk>"
#define GOOD DISK("vda", "qcow2", "/srv/csv1/a.qcow2", "")
#define DOMAIN(OS, DEVICES) "<domain><os>" OS "</os><devices>" DEVICES "</devices></domain>"

static struct checkpoint_plan plan;
static struct move_refusal refusal;

static int ask(const char *text, struct definition *ret_definition) {
    char reason[256] = "";

    if (definition_parse(text, strlen(text), ret_definition, reason, sizeof(reason)) < 0) {
        fail_msg("%s: %s", reason, text);
    }
    return checkpoint_plan(ret_definition, &plan, &refusal);
}

static void assert_refused(const char *text, const char *words) {
    struct definition definition;

    assert_int_equal(ask(text, &definition), -EINVAL);
    if (strstr(refusal.reason, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, refusal.reason);
    }
    definition_finish(&definition);
}

static void test_disks(void **state) {
    struct definition definition;

    (void)state;
    assert_int_equal(
        ask(DOMAIN("", GOOD DISK("vdb", "qcow2", "/srv/csv1/b", "") DISK(
                           "vdc", "raw", "/srv/csv1/base",
                           "<readonly/>") "<disk type='file' device='cdrom'><source file='/x.iso'/>"
                                          "<target dev='sda'/></disk>"),
            &definition),
        0);
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.disks[0].disk, "vda");
    assert_string_equal(plan.disks[0].path, "/srv/csv1/a.qcow2");
    assert_string_equal(plan.disks[1].disk, "vdb");
    definition_finish(&definition);
}

static void test_refusals(void **state) {
    (void)state;
    assert_refused(DOMAIN("", GOOD DISK("vdb", "raw", "/srv/csv1/b.raw", "")),
                   "vdb is of format raw (/srv/csv1/b.raw)");
    assert_refused(DOMAIN("", "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"),
                   "vda is of format raw");
    assert_refused(DOMAIN("", "<disk type='block'><driver type='qcow2'/><source dev='/dev/x'/>"
                              "<target dev='vda'/></disk>"),
                   "vda is a block or network disk");
    assert_refused(DOMAIN("", DISK("vda", "qcow2", "/a", "<shareable/>")), "vda is shareable");
    assert_refused(DOMAIN("", DISK("vda", "qcow2", "a", "")), "is not absolute");
    assert_refused(DOMAIN("", DISK("vda", "qcow2", "/a,format=raw", "")), "rename the file");
    assert_refused(DOMAIN("", GOOD "<tpm model='tpm-crb'><backend type='emulator'/></tpm>"),
                   "VM with a TPM");
    assert_refused(DOMAIN("<nvram>/srv/csv1/v.fd</nvram>", GOOD), "UEFI variables");
    assert_refused("<domain><os firmware='efi'/><devices>" GOOD "</devices></domain>",
                   "UEFI variables");
    assert_refused(DOMAIN("", ""), "it has no disk");
    assert_refused("<domain/>", "it has no disk");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
