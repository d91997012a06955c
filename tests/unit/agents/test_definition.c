/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading definitions: what a VM needs, its identity, and the generation in its metadata. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resource-agents/vm/definition.h"
#include "resource-agents/vm/xml.h"

static struct definition parse(const char *text) {
    struct definition definition;
    char reason[256] = "";

    if (definition_parse(text, strlen(text), &definition, reason, sizeof(reason)) < 0) {
        fail_msg("%s: %s", reason, text);
    }
    return definition;
}

static void assert_refused(const char *text, const char *words) {
    struct definition definition = {.doc = NULL};
    char reason[256] = "";

    assert_int_equal(definition_parse(text, strlen(text), &definition, reason, sizeof(reason)),
                     -EINVAL);
    assert_null(definition.doc);
    assert_non_null(strstr(reason, words));
    assert_null(strchr(reason, '\n'));
}

static void test_what_is_no_definition(void **state) {
    (void)state;
    assert_refused("", "0 bytes");
    assert_refused("hello", "line 1");
    assert_refused("<domain>\n<name>x</name>\n", "line");
    assert_refused("<network/>", "<network>");
    assert_refused("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>",
                   "DOCTYPE");
    assert_refused("<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>", "DOCTYPE");
    assert_refused("<x:domain xmlns:x='urn:x'/>", "not <domain>");
}

static void test_uuid(void **state) {
    char uuid[DEFINITION_UUID_SIZE] = "";
    (void)state;

    assert_int_equal(uuid_normalize("0123456789ABCDEF0123456789abcdef", uuid), 0);
    assert_string_equal(uuid, "01234567-89ab-cdef-0123-456789abcdef");
    assert_int_equal(uuid_normalize("01234567-89ab-cdef-0123-456789abcdef", uuid), 0);
    assert_int_equal(uuid_normalize("", uuid), -EINVAL);
    assert_int_equal(uuid_normalize("0123", uuid), -EINVAL);
    assert_int_equal(uuid_normalize("0123456789abcdef0123456789abcdef0", uuid), -EINVAL);
    assert_int_equal(uuid_normalize("0123456789abcdef0123456789abcdeg", uuid), -EINVAL);

    struct definition definition =
        parse("<domain><uuid> 0123456789abcdef0123456789abcdef </uuid></domain>");
    assert_int_equal(definition_uuid(&definition, uuid), 0);
    assert_string_equal(uuid, "01234567-89ab-cdef-0123-456789abcdef");
    definition_finish(&definition);
    definition = parse("<domain/>");
    assert_int_equal(definition_uuid(&definition, uuid), -ENOENT);
    assert_string_equal(definition_name(&definition), "");
    definition_finish(&definition);
}

/* Sets a generation, prints, reads again. */
static void assert_generation(const char *text, const char *expected) {
    struct definition definition = parse(text);
    char *printed = NULL;

    assert_int_equal(definition_set_mark(&definition, 42, DISKS_OF_DEFINITION), 0);
    assert_int_equal(definition_generation(&definition), 42);
    assert_int_equal(definition_print(&definition, &printed), 0);
    assert_string_equal(printed, expected);
    definition_finish(&definition);
    definition = parse(printed);
    assert_int_equal(definition_generation(&definition), 42);
    definition_finish(&definition);
    free(printed);
}

#define MARK "<clusterd:vm xmlns:clusterd=\"https://clusterd.org/xmlns/vm/1\" generation=\"42\"/>"

static void test_generation(void **state) {
    (void)state;
    assert_generation("<domain><name>a</name></domain>",
                      "<domain><name>a</name><metadata>" MARK "</metadata></domain>");
    assert_generation("<domain><metadata/></domain>",
                      "<domain><metadata>" MARK "</metadata></domain>");
    /* Another's metadata stays; an older mark goes, whatever its prefix. */
    assert_generation("<domain><metadata><o:x xmlns:o=\"urn:o\">y</o:x><c:vm "
                      "xmlns:c=\"https://clusterd.org/xmlns/vm/1\" "
                      "generation=\"7\"/></metadata></domain>",
                      "<domain><metadata><o:x xmlns:o=\"urn:o\">y</o:x>" MARK
                      "</metadata></domain>");
}

#define DISK(attr, target) \
    "<disk type='file'><source " attr "/><target dev='" target "' bus='virtio'/></disk>"
#define CDROM "<disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>"
#define WITH(devices) "<domain><name>a</name><devices>" devices "</devices></domain>"

/* Starts a VM with these devices, and puts others in their place while it runs; it is moved then.
 */
static void assert_changed(const char *started, const char *now, const char *expected) {
    struct definition definition = parse(started);
    char *printed = NULL;
    char text[200];

    assert_int_equal(definition_set_mark(&definition, 7, DISKS_OF_DEFINITION), 0);
    definition_changed_disks(&definition, text, sizeof(text));
    assert_string_equal(text, "");
    struct definition running = parse(now);
    xmlNode *metadata = xml_child(definition.domain, "metadata");
    assert_non_null(xmlAddChild(running.domain, xmlDocCopyNode(metadata, running.doc, 1)));
    for (int moves = 0; moves < 2; moves++) {
        definition_changed_disks(&running, text, sizeof(text));
        assert_string_equal(text, expected);
        assert_int_equal(definition_set_mark(&running, 8, DISKS_KEPT), 0);
        assert_int_equal(definition_generation(&running), 8);
        assert_int_equal(definition_print(&running, &printed), 0);
        definition_finish(&running);
        running = parse(printed);
        free(printed);
    }
    definition_finish(&running);
    definition_finish(&definition);
}

static void test_changed_disks(void **state) {
    (void)state;
    assert_changed(WITH(DISK("file='/v/a'", "vda")), WITH(DISK("file='/v/a'", "vda")), "");
    assert_changed(WITH(DISK("file='/v/a'", "vda") DISK("dev='/dev/b'", "vdb")),
                   WITH(DISK("file='/v/a.s1'", "vda") DISK("dev='/dev/b'", "vdb")),
                   "vda is /v/a.s1 now, and was /v/a");
    assert_changed(WITH(DISK("file='/v/a'", "vda") DISK("dev='/dev/b'", "vdb")),
                   WITH(DISK("file='/v/c'", "vdb") DISK("file='/v/a.s1'", "vda")),
                   "vda is /v/a.s1 now, and was /v/a; vdb is /v/c now, and was /dev/b");
    /* What comes, goes, or is a medium, makes no disk older. */
    assert_changed(WITH(DISK("file='/v/a'", "vda") CDROM), WITH(DISK("file='/v/x'", "vdc")), "");
    assert_changed(WITH(DISK("file='/v/a'", "vda")),
                   WITH(DISK("file='/v/a'", "vda") DISK("file='/v/x'", "vdc")), "");
}

/* While its files are moved, a disk may be at either place, and at no other. */
static void test_mark_of_a_move(void **state) {
    struct definition definition =
        parse(WITH(DISK("file='/v/a'", "vda") DISK("file='/v/b'", "vdb")));
    char text[80];
    char *mark = NULL;
    (void)state;

    assert_int_equal(definition_mark_disk(&definition, "vda", "/v/a", "/w/a"), -ENOENT);
    assert_int_equal(definition_print_mark(&definition, &mark), -ENOENT);
    assert_int_equal(definition_set_mark(&definition, 7, DISKS_OF_DEFINITION), 0);
    assert_int_equal(definition_mark_disk(&definition, "vda", "/v/a", "/w/a"), 0);
    xmlNode *source =
        xml_child(xml_child(xml_child(definition.domain, "devices"), "disk"), "source");
    static const struct {
        const char *now, *expected;
    } places[] = {{"/v/a", ""}, {"/w/a", ""}, {"/x/a", "vda is /x/a now, and was /v/a"}};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_non_null(
            xmlSetProp(source, (const xmlChar *)"file", (const xmlChar *)places[i].now));
        definition_changed_disks(&definition, text, sizeof(text));
        assert_string_equal(text, places[i].expected);
    }
    assert_int_equal(definition_mark_disk(&definition, "vda", "/x/a", NULL), 0);
    assert_int_equal(definition_mark_disk(&definition, "vdc", "/x/c", "/y/c"), 0); /* a new one */
    definition_changed_disks(&definition, text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(definition_print_mark(&definition, &mark), 0);
    assert_string_equal(mark, "<vm generation=\"7\"><disk target=\"vda\" source=\"/x/a\"/>"
                              "<disk target=\"vdb\" source=\"/v/b\"/>"
                              "<disk target=\"vdc\" source=\"/x/c\" next=\"/y/c\"/></vm>");
    free(mark);
    definition_finish(&definition);
}

/* A definition that was taken from a running VM has a mark already: what counts is what it starts
 * with. One that an older version started has none, and nothing is said. */
static void test_marks_of_before(void **state) {
    const char *old = "<domain><metadata><c:vm xmlns:c='https://clusterd.org/xmlns/vm/1' "
                      "generation='7'><c:disk target='vda' source='/v/old'/></c:vm></metadata>"
                      "<devices>" DISK("file='/v/a'", "vda") "</devices></domain>";
    struct definition definition = parse(old);
    char text[40];
    (void)state;

    definition_changed_disks(&definition, text, sizeof(text));
    assert_string_equal(text, "vda is /v/a now, and was /v/old");
    char little[12];
    definition_changed_disks(&definition, little, sizeof(little));
    assert_string_equal(little, "vda is /v/a");
    assert_int_equal(definition_set_mark(&definition, 8, DISKS_OF_DEFINITION), 0);
    definition_changed_disks(&definition, text, sizeof(text));
    assert_string_equal(text, "");
    definition_finish(&definition);
    definition = parse(WITH(DISK("file='/v/a'", "vda")));
    assert_int_equal(definition_set_mark(&definition, 8, DISKS_KEPT), 0);
    definition_changed_disks(&definition, text, sizeof(text));
    assert_string_equal(text, "");
    definition_finish(&definition);
}

#define QCOW2(attr, target)                                      \
    "<disk type='file'><driver type='qcow2'/><source " attr "/>" \
    "<target dev='" target "' bus='virtio'/></disk>"

static void assert_same(const char *runs, const char *named, const char *expected) {
    struct definition one = parse(runs);
    struct definition other = parse(named);
    char text[200] = "";

    assert_int_equal(definition_has_same_disks(&one, &other, text, sizeof(text)),
                     expected[0] == '\0');
    assert_string_equal(text, expected);
    definition_finish(&other);
    definition_finish(&one);
}

static void test_same_disks(void **state) {
    (void)state;
    /* In any order; media do not count, and a disk is raw if nothing is said. */
    assert_same(WITH(DISK("file='/v/a'", "vda") QCOW2("file='/v/b'", "vdb") CDROM),
                WITH(QCOW2("file='/v/b'", "vdb") DISK("file='/v/a'", "vda")), "");
    assert_same(WITH(""), WITH(CDROM), "");
    assert_same(WITH(DISK("file='/v/a'", "vda")), WITH(DISK("file='/v/x'", "vda")),
                "its disk vda is /v/a (raw) there, and /v/x (raw) in its definition");
    assert_same(WITH(QCOW2("file='/v/a'", "vda")), WITH(DISK("file='/v/a'", "vda")),
                "its disk vda is /v/a (qcow2) there, and /v/a (raw) in its definition");
    assert_same(WITH(DISK("file='/v/a'", "vda") DISK("dev='/dev/b'", "vdb")),
                WITH(DISK("file='/v/a'", "vda")),
                "its disk vdb is /dev/b (raw) there, and missing in its definition");
    assert_same(WITH(DISK("file='/v/a'", "vda")),
                WITH(DISK("file='/v/a'", "vda") DISK("file='/v/c'", "vdc")),
                "its disk vdc is missing there, and /v/c (raw) in its definition");
}

static void test_generation_of_others(void **state) {
    (void)state;
    assert_int_equal(metadata_generation(
                         "<vm xmlns:clusterd='https://clusterd.org/xmlns/vm/1' generation='9'/>"),
                     9);
    assert_int_equal(metadata_generation("<vm generation='-1'/>"), 0);
    assert_int_equal(metadata_generation("<vm generation='99999999999999999999999'/>"), 0);
    assert_int_equal(metadata_generation("<vm/>"), 0);
    assert_int_equal(metadata_generation("?"), 0);

    struct definition definition =
        parse("<domain><metadata><vm generation='3'/></metadata></domain>");
    assert_int_equal(definition_generation(&definition), 0); /* not our namespace */
    definition_finish(&definition);
}

/* The text of a definition survives: special characters, and what libvirt would not understand
 * otherwise. */
static void test_print_keeps_text(void **state) {
    const char *text = "<domain type=\"kvm\"><title>a &lt;b&gt; &amp; \"c\" "
                       "\xc3\xa4</title><os><cmdline>root=/dev/vda "
                       "quiet</cmdline></os></domain>";
    char *printed = NULL;
    (void)state;

    struct definition definition = parse(text);
    assert_int_equal(definition_print(&definition, &printed), 0);
    assert_string_equal(printed, text);
    free(printed);
    definition_finish(&definition);
}

static char *needs_of(const char *text) {
    struct definition definition = parse(text);
    const xmlNode *element = NULL;
    char reason[256] = "";
    json_t *volumes = json_pack("[s]", "csv1");
    json_t *disks = json_pack("[s]", "/srv/csv1/d");
    json_t *needs = NULL;
    char path[128];
    char *printed;

    if (definition_needs(&definition, volumes, disks, &needs, &element, reason, sizeof(reason)) ==
        0) {
        printed = json_dumps(needs, JSON_COMPACT);
    } else {
        xml_path(element, path, sizeof(path));
        size_t size = strlen(path) + strlen(reason) + 3;
        printed = malloc(size);
        assert_non_null(printed);
        snprintf(printed, size, "%s: %s", path, reason);
    }
    json_decref(needs);
    json_decref(volumes);
    json_decref(disks);
    definition_finish(&definition);
    return printed;
}

static void assert_needs(const char *text, const char *expected) {
    char *printed = needs_of(text);
    if (strstr(printed, expected) == NULL) {
        fail_msg("%s is not in %s", expected, printed);
    }
    free(printed);
}

static void test_needs(void **state) {
    char *all = needs_of(
        "<domain><name>a</name><uuid>0123456789abcdef0123456789abcdef</uuid><memory>1024</memory>"
        "<vcpu>4</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        "<cpu mode='custom' match='exact'><model>Skylake-Server</model></cpu></domain>");
    (void)state;
    assert_string_equal(
        all, "{\"name\":\"a\",\"uuid\":\"01234567-89ab-cdef-0123-456789abcdef\","
             "\"memory_mb\":1,\"vcpus\":4,"
             "\"volumes\":[\"csv1\"],\"networks\":[],\"cpu_mode\":\"custom\",\"cpu_model\":"
             "\"Skylake-Server\",\"machine\":"
             "\"q35\",\"arch\":\"x86_64\",\"disks\":[\"/srv/csv1/d\"]}");
    free(all);
    /* Memory is rounded up, in all of libvirt's units. */
    assert_needs("<domain><memory>1025</memory></domain>", "\"memory_mb\":2,");
    assert_needs("<domain><memory unit='b'>1</memory></domain>", "\"memory_mb\":1,");
    assert_needs("<domain><memory unit='GiB'>3</memory></domain>", "\"memory_mb\":3072,");
    assert_needs("<domain><memory unit='G'>1</memory></domain>", "\"memory_mb\":1024,");
    assert_needs("<domain><memory unit='GB'>1</memory></domain>", "\"memory_mb\":954,");
    assert_needs("<domain><memory unit='TiB'>1</memory></domain>", "\"memory_mb\":1048576,");
    assert_needs("<domain><memory>1</memory><devices><tpm/></devices></domain>",
                 "\"mobility\":\"quick\"");
    assert_needs(
        "<domain><memory>1</memory><devices><interface type='bridge'><source bridge='br0'/>"
        "</interface><interface type='network'><source network='lan' portgroup='a'/></interface>"
        "<interface type='direct'><source dev='eth1' mode='vepa'/></interface>"
        "<interface type='bridge'><source bridge='br0'/></interface>"
        "<interface type='bridge'><source bridge='ovs'/><virtualport type='openvswitch'/>"
        "</interface><interface type='user'/><interface type='ethernet'/>"
        "<interface type='network'/></devices></domain>",
        "\"networks\":[\"bridge/br0\",\"network/lan\",\"device/eth1\",\"device/ovs\"],");
    assert_needs("<domain/>", "/domain: the VM has no <memory>");
    assert_needs("<domain><memory unit='ells'>1</memory></domain>",
                 "/domain/memory: not an amount");
    assert_needs("<domain><memory>0</memory></domain>", "/domain/memory: not an amount");
    assert_needs("<domain><memory unit='TiB'>99999999999</memory></domain>",
                 "/domain/memory: not an amount");
    /* What runs now is what counts. */
    assert_needs("<domain><memory>1024</memory></domain>", "\"vcpus\":1,");
    assert_needs("<domain><memory>1024</memory><vcpu current='2'>8</vcpu></domain>",
                 "\"vcpus\":2,");
    assert_needs("<domain><memory>1024</memory><vcpu>0</vcpu></domain>",
                 "/domain/vcpu: not a number");
    assert_needs("<domain><memory>1024</memory><vcpu current='9'>8</vcpu></domain>",
                 "/domain/vcpu: not a number");
    assert_needs("<domain><memory>1024</memory><cpu mode='host-passthrough'/></domain>",
                 "\"cpu_mode\":\"host-passthrough\",\"cpu_model\":\"\"");
    assert_needs("<domain><memory>1024</memory></domain>",
                 "\"cpu_mode\":\"custom\",\"cpu_model\":\"\"");
}

static void test_path_of_a_deep_element(void **state) {
    struct definition definition =
        parse("<domain><devices><disk/><disk><source/></disk></devices></domain>");
    const xmlNode *disk = xml_next(xml_child(xml_child(definition.domain, "devices"), "disk"));
    char path[64];
    char small[16];
    (void)state;

    xml_path(xml_child(disk, "source"), path, sizeof(path));
    assert_string_equal(path, "/domain/devices/disk[2]/source");
    xml_path(xml_child(disk, "source"), small, sizeof(small));
    assert_string_equal(small, "/disk[2]/source");
    definition_finish(&definition);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_definition),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_generation),
        cmocka_unit_test(test_generation_of_others),
        cmocka_unit_test(test_changed_disks),
        cmocka_unit_test(test_same_disks),
        cmocka_unit_test(test_marks_of_before),
        cmocka_unit_test(test_mark_of_a_move),
        cmocka_unit_test(test_print_keeps_text),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_path_of_a_deep_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
