/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the stream of a migration goes, whether it is encrypted, and what QEMU lacks for that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "resource-agents/vm/stream.h"

static char etc[64];

static int setup(void **state) {
    (void)state;
    snprintf(etc, sizeof(etc), "/tmp/clusterd-stream-XXXXXX");
    assert_non_null(mkdtemp(etc));
    return 0;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", etc);
    assert_int_equal(system(command),
                     0); /* lint: allow system, because it clears the test's own directory */
    return 0;
}

static void make_dir(const char *name) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", etc, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", etc, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* `lacks` is below etc; NULL: nothing lacks. */
static void assert_lacks(const char *lacks) {
    char found[512] = "";
    char expected[512] = "";
    bool has = stream_has_certificates(etc, found, sizeof(found));
    if (lacks != NULL) {
        snprintf(expected, sizeof(expected), "%s/%s", etc, lacks);
    }
    assert_string_equal(found, expected);
    assert_int_equal(has, lacks == NULL);
}

static void test_uris(void **state) {
    static const struct {
        const char *target, *uri, *host;
        bool encrypted;
    } cases[] = {
        {"qemu+tls://n2/system", "tcp://n2", "n2", true},
        {"qemu+tls://n2.example:16515/system?pkipath=/x", "tcp://n2.example", "n2.example", true},
        {"qemu+tls://[fd00::2]:1/system", "tcp://[fd00::2]", "fd00::2", true},
        {"qemu+ssh://root@n2/system", "tcp://n2", "n2", true},
        {"qemu://n2/system", "tcp://n2", "n2", true}, /* libvirt's default is TLS */
        {"qemu+tcp://n2/system", "tcp://n2", "n2", false},
        {"qemu+tcp://a@n2:99/system", "tcp://n2", "n2", false},
        {"qemu+unix:///system?socket=/run/x", "", "", true},
        {"qemu+tls://[fd00::2/system", "", "", true},
        {"alias", "", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stream stream;
        stream_to(cases[i].target, &stream);
        assert_string_equal(stream.uri, cases[i].uri);
        assert_string_equal(stream.host, cases[i].host);
        assert_int_equal(stream.encrypted, cases[i].encrypted);
    }
}

static void test_certificates_of_the_source(void **state) {
    (void)state;
    assert_lacks("pki/qemu/ca-cert.pem");
    make_dir("pki");
    make_dir("pki/qemu");
    put("pki/qemu/ca-cert.pem", "");
    assert_lacks("pki/qemu/client-cert.pem");
    put("pki/qemu/client-cert.pem", "");
    assert_lacks("pki/qemu/client-key.pem");
    put("pki/qemu/client-key.pem", "");
    assert_lacks(NULL);
    make_dir("pki/libvirt-migrate"); /* libvirt prefers it as soon as it exists */
    assert_lacks("pki/libvirt-migrate/ca-cert.pem");
}

static void test_settings_of_libvirt(void **state) {
    char text[512], lacks[256];
    (void)state;
    make_dir("libvirt");
    make_dir("pki");
    make_dir("pki/own");
    put("libvirt/qemu.conf", "#migrate_tls_x509_cert_dir = \"/x\"\n"
                             "migrate_tls_x509_cert_dir_not = \"/y\"\n"
                             "  migrate_tls_x509_cert_dir=\"/nowhere\" # a comment\n");
    assert_false(stream_has_certificates(etc, lacks, sizeof(lacks)));
    assert_string_equal(lacks, "/nowhere/ca-cert.pem");
    snprintf(text, sizeof(text), "default_tls_x509_cert_dir = '%s/pki/own'\n", etc);
    put("libvirt/qemu.conf", text);
    put("pki/own/ca-cert.pem", "");
    assert_lacks("pki/own/client-cert.pem");
    snprintf(text, sizeof(text),
             "default_tls_x509_cert_dir = \"%s/pki/own\"\ndefault_tls_x509_verify = 0\n", etc);
    put("libvirt/qemu.conf", text);
    assert_lacks(NULL); /* nobody asks for the client's certificate */
    snprintf(text, sizeof(text),
             "default_tls_x509_cert_dir = \"%s/pki/own\"\ndefault_tls_x509_verify = 0\n"
             "migrate_tls_x509_verify = 1",
             etc);
    put("libvirt/qemu.conf", text);
    assert_lacks("pki/own/client-cert.pem");
}

static void test_errors(void **state) {
#define FAILED "internal error: unable to execute QEMU command 'object-add': "
    static const struct {
        const char *error, *who, *why;
    } cases[] = {
        {FAILED "Unable to access credentials /p/ca-cert.pem: No such file or directory", "n2",
         "Unable to access credentials /p/ca-cert.pem: No such file or directory"},
        {FAILED "The server certificate /p/server-cert.pem has expired", "n2",
         "The server certificate /p/server-cert.pem has expired"},
        {FAILED "The client certificate /p/client-cert.pem has expired", "n1",
         "The client certificate /p/client-cert.pem has expired"},
        {FAILED "The CA certificate /p/ca-cert.pem has expired", "one of them",
         "The CA certificate /p/ca-cert.pem has expired"},
        {"operation failed: job 'migration out' failed: Unable to write", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = NULL;
        const char *who = stream_refused_by(cases[i].error, "n1", "n2", &why);
        assert_int_equal(who == NULL, cases[i].who == NULL);
        if (who != NULL) {
            assert_string_equal(who, cases[i].who);
            assert_string_equal(why, cases[i].why);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),
        cmocka_unit_test_setup_teardown(test_certificates_of_the_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_of_libvirt, setup, teardown),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
