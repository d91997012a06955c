/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM keeps outside of its disks: its TPM in the definition, firmware files, and the records
 * that tell a lost file from one that has never been made. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "resource-agents/vm/child.h"
#include "resource-agents/vm/firmware.h"
#include "resource-agents/vm/kept.h"
#include "resource-agents/vm/tpm.h"

#define UUID "11111111-0000-4000-8000-000000000001"

static char root[64];
static char path[256];

static int setup(void **state) {
    (void)state;
    snprintf(root, sizeof(root), "/tmp/clusterd-kept-XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    assert_int_equal(system(command),
                     0); /* lint: allow system, because it clears the test's own directory */
    return 0;
}

static const char *at(const char *name) {
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void make_dir(const char *name) {
    assert_int_equal(mkdir(at(name), 0700), 0);
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct definition parse(const char *text) {
    struct definition definition;
    char reason[256];
    if (definition_parse(text, strlen(text), &definition, reason, sizeof(reason)) < 0) {
        fail_msg("%s", reason);
    }
    return definition;
}

/* ---- records ---- */

static void test_a_file_and_its_record(void **state) {
    char record[PATH_MAX];
    char expected[PATH_MAX];
    (void)state;

    make_dir("web");
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_NVRAM, record), KEPT_NO_VOLUME);
    assert_string_equal(record, "");
    make_dir(".clusterd");
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_NVRAM, record), KEPT_NEVER_MADE);
    snprintf(expected, sizeof(expected), "%s/.clusterd/kept." UUID ".nvram", root);
    assert_string_equal(record, expected);
    put("web/v.fd", "x");
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_NVRAM, record), KEPT_THERE);
    assert_int_equal(kept_record(record, at("web/v.fd")), 0);
    assert_int_equal(kept_record(record, at("web/v.fd")), 0); /* at each start */
    assert_int_equal(unlink(at("web/v.fd")), 0);
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_NVRAM, record), KEPT_LOST);
    /* Its directory may be lost with it. */
    assert_int_equal(rmdir(at("web")), 0);
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_NVRAM, record), KEPT_LOST);
    /* Of another VM, or another thing, nothing is known. */
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_TPM, record), KEPT_NEVER_MADE);
    assert_int_equal(unlink(expected), 0);
    assert_int_equal(kept_look(at("web/v.fd"), UUID, KEPT_NVRAM, record), KEPT_NEVER_MADE);
}

static void test_a_volume_that_is_not_mounted(void **state) {
    char record[PATH_MAX];
    (void)state;

    put("v.fd", "x");
    assert_int_equal(kept_look(at("v.fd"), UUID, KEPT_NVRAM, record), KEPT_THERE);
    assert_string_equal(record, "");
    assert_int_equal(kept_look(at("w.fd"), UUID, KEPT_NVRAM, record), KEPT_NO_VOLUME);
    assert_true(kept_record(at("no/such"), "x") == -ENOENT);
}

static void test_what_cannot_be_read_is_not_missing(void **state) {
    char record[PATH_MAX];
    (void)state;

    make_dir(".clusterd");
    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_int_equal(kept_look(at("loop"), UUID, KEPT_NVRAM, record), -ELOOP);
}

/* ---- the TPM in the definition ---- */

static void test_the_tpm_of_a_definition(void **state) {
    struct definition definition = parse(
        "<domain><devices><tpm model='tpm-crb'><backend type='emulator' version='2.0'><source "
        "type='dir' path='/srv//csv1/web/./tpm/'/></backend><alias name='x'/></tpm></devices>"
        "</domain>");
    char dir[PATH_MAX];
    char socket[PATH_MAX];
    char *text = NULL;
    (void)state;

    assert_int_equal(tpm_state_dir(&definition, dir), 0);
    assert_string_equal(dir, "/srv/csv1/web/tpm");
    assert_int_equal(tpm_socket("web", socket), 0);
    assert_string_equal(socket, "/run/libvirt/clusterd-tpm/web.pid");
    assert_int_equal(tpm_connect(&definition, socket), 0);
    assert_int_equal(definition_print(&definition, &text), 0);
    assert_string_equal(text,
                        "<domain><devices><tpm model=\"tpm-crb\"><alias name=\"x\"/><backend "
                        "type=\"external\"><source type=\"unix\" mode=\"connect\" "
                        "path=\"/run/libvirt/clusterd-tpm/web.pid\"/></backend></tpm></devices>"
                        "</domain>");
    free(text);
    assert_int_equal(tpm_state_dir(&definition, dir), -ENOENT);
    definition_finish(&definition);
    /* A path of a socket has 107 characters. */
    char name[DEFINITION_NAME_MAX + 1];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(tpm_socket(name, socket), -ENAMETOOLONG);
}

static void test_definitions_without_one(void **state) {
    static const char *const texts[] = {
        "<domain/>",
        "<domain><devices><tpm/></devices></domain>",
        "<domain><devices><tpm><backend type='emulator'/></tpm></devices></domain>",
        "<domain><devices><tpm><backend type='emulator'><source type='file' path='/a'/></backend>"
        "</tpm></devices></domain>",
        "<domain><devices><tpm><backend type='emulator'><source type='dir' path='a'/></backend>"
        "</tpm></devices></domain>",
    };
    char dir[PATH_MAX];
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct definition definition = parse(texts[i]);
        assert_int_equal(tpm_state_dir(&definition, dir), -ENOENT);
        assert_int_equal(tpm_element(&definition) == NULL, i == 0);
        definition_finish(&definition);
    }
}

static void assert_conf(const char *text, const char *expected) {
    char value[16];
    tpm_conf_value(text, "swtpm_user", "tss", value, sizeof(value));
    assert_string_equal(value, expected);
}

static void test_settings_of_libvirt(void **state) {
    (void)state;
    assert_conf("", "tss");
    assert_conf("#swtpm_user = \"root\"\n", "tss");
    assert_conf("user = \"x\"\n  swtpm_user=\"root\"", "root");
    assert_conf("swtpm_user = \"a\"\nswtpm_user = \"b\" # c\n", "b");
    assert_conf("swtpm_user_of = \"a\"\nswtpm_user\n", "tss");
}

static void test_which_process_is_ours(void **state) {
    static const char ours[] =
        "/usr/bin/swtpm\0socket\0--ctrl\0type=unixio,path=/run/a/web.pid,mode=0600\0--daemon";
    static const char other[] = "/usr/bin/qemu\0-chardev\0socket,path=/run/a/web.pid,mode=0600\0";
    (void)state;

    assert_true(tpm_is_swtpm(ours, sizeof(ours), "/run/a/web.pid"));
    assert_true(tpm_is_swtpm(ours + strlen("/usr/bin/"), sizeof(ours) - strlen("/usr/bin/"),
                             "/run/a/web.pid"));
    assert_false(tpm_is_swtpm(ours, sizeof(ours), "/run/a/web"));
    assert_false(tpm_is_swtpm(ours, sizeof(ours), "/run/a/web.pid2"));
    assert_false(tpm_is_swtpm(ours, sizeof("/usr/bin/swtpm"), "/run/a/web.pid"));
    assert_false(tpm_is_swtpm(other, sizeof(other), "/run/a/web.pid"));
    assert_false(tpm_is_swtpm("", 0, "/run/a/web.pid"));
}

/* ---- firmware ---- */

static void test_firmware_of_definitions(void **state) {
    struct definition definition =
        parse("<domain><os><loader type='pflash'> /usr/c.fd </loader><nvram "
              "template='/usr/v.fd' format='qcow2' type='file'><source file='/srv/v'/></nvram>"
              "</os></domain>");
    struct firmware firmware = firmware_of(&definition);
    (void)state;

    assert_string_equal(firmware.loader, "/usr/c.fd");
    assert_null(firmware.loader_format);
    assert_string_equal(firmware.nvram, "/srv/v");
    assert_string_equal(firmware.nvram_format, "qcow2");
    assert_string_equal(firmware.blank, "/usr/v.fd");
    assert_string_equal(firmware.blank_format, "qcow2");
    definition_finish(&definition);

    definition = parse("<domain><os><nvram type='network'><source protocol='rbd'/></nvram></os>"
                       "</domain>");
    firmware = firmware_of(&definition);
    assert_null(firmware.loader);
    assert_null(firmware.nvram);
    assert_null(firmware.blank);
    definition_finish(&definition);

    definition = parse("<domain><os><nvram>/srv/v</nvram></os></domain>");
    assert_string_equal(firmware_of(&definition).nvram, "/srv/v");
    definition_finish(&definition);
}

static void test_formats_of_files(void **state) {
    (void)state;
    put("q", "QFI\xfb more");
    put("r", "QFI");
    assert_string_equal(firmware_format(at("q")), "qcow2");
    assert_string_equal(firmware_format(at("r")), "raw");
    assert_null(firmware_format(at("missing")));
    assert_int_equal(errno, ENOENT);
}

/* ---- other programs ---- */

static void test_other_programs(void **state) {
    static const char *const good[] = {"true", NULL};
    static const char *const bad[] = {"sh", "-c", "echo one; echo two >&2; echo; exit 3", NULL};
    static const char *const none[] = {"no-such-program-of-clusterd", NULL};
    static const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL};
    char line[8];
    (void)state;

    assert_int_equal(child_run(good, line, sizeof(line)), 0);
    assert_string_equal(line, "");
    assert_int_equal(child_run(bad, line, sizeof(line)), -EIO);
    assert_string_equal(line, "two");
    assert_int_equal(child_run(none, line, sizeof(line)), -ENOENT);
    assert_int_equal(child_run(killed, line, sizeof(line)), -EIO);
    assert_string_equal(line, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_and_its_record, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_volume_that_is_not_mounted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_not_missing, setup, teardown),
        cmocka_unit_test(test_the_tpm_of_a_definition),
        cmocka_unit_test(test_definitions_without_one),
        cmocka_unit_test(test_settings_of_libvirt),
        cmocka_unit_test(test_which_process_is_ours),
        cmocka_unit_test(test_firmware_of_definitions),
        cmocka_unit_test_setup_teardown(test_formats_of_files, setup, teardown),
        cmocka_unit_test(test_other_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
