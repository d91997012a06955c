/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small changes to a domain definition, and what they must not be misled by.
 */
#include "commands/xml_edit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_content(const char *xml, const char *name, const char *expected) {
    struct xml_place place;
    assert_int_equal(xml_find(xml, name, &place), 0);
    assert_int_equal(place.content_end - place.content, strlen(expected));
    assert_memory_equal(xml + place.content, expected, strlen(expected));
    assert_true(place.end > place.content_end);
}

static void a_child_is_found(void **state) {
    (void)state;
    assert_content("<domain type='kvm'><name>web1</name><uuid>1-2</uuid></domain>", "name", "web1");
    assert_content("<domain><name>web1</name><uuid>1-2</uuid></domain>", "uuid", "1-2");
    assert_content(
        "<?xml version='1.0'?>\n<!-- <domain> -->\n<domain>\n <name\n a='>'>x</name >\n</domain>",
        "name", "x");
    assert_content("<domain><a/><b x=\"</b>\"/><name>w</name></domain>", "name", "w");
    assert_content("<domain><name></name></domain>", "name", "");
    assert_content("<d><a>1</a></d>", NULL, "<a>1</a>");
}

/* A uuid elsewhere (of an interface's network, of a secret, in a comment) is not the domain's. */
static void only_a_child_of_the_root_counts(void **state) {
    static const char *const without[] = {
        "<domain><name>w</name></domain>",
        "<domain><!-- <uuid>1</uuid> --><name>w</name></domain>",
        "<domain><![CDATA[<uuid>1</uuid>]]></domain>",
        "<domain><devices><uuid>1</uuid></devices></domain>",
        "<domain><uuidx>1</uuidx><x uuid='1'/></domain>",
    };
    struct xml_place place = {.end = 77};
    (void)state;
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        assert_int_equal(xml_find(without[i], "uuid", &place), -ENOENT);
        assert_int_equal(place.end, 77);
    }
    assert_content("<domain><metadata><uuid>no</uuid></metadata><uuid>yes</uuid></domain>", "uuid",
                   "yes");
}

static void what_is_no_xml_is_refused(void **state) {
    static const char *const bad[] = {
        "<domain>",      "<domain><uuid>1</domain>", "<domain><uuid/></domain>", "</domain>",
        "<domain><!-- ", "<domain a='></domain>",    "<domain><name>w</name>",
    };
    struct xml_place place;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(xml_find(bad[i], "uuid", &place), -EBADMSG);
    }
    assert_int_equal(xml_find("", "uuid", &place), -ENOENT);
    assert_int_equal(xml_find("memory = 5", NULL, &place), -ENOENT);
}

static void replacing_leaves_the_rest(void **state) {
    const char *xml = "<d>\n  <name>old</name> <!-- mine -->\n</d>\n";
    struct xml_place place;
    (void)state;
    assert_int_equal(xml_find(xml, "name", &place), 0);
    char *renamed = xml_replace(xml, place.content, place.content_end, "new");
    assert_string_equal(renamed, "<d>\n  <name>new</name> <!-- mine -->\n</d>\n");
    assert_int_equal(xml_find(renamed, "name", &place), 0);
    char *grown = xml_replace(renamed, place.end, place.end, "<uuid>u</uuid>");
    assert_string_equal(grown, "<d>\n  <name>new</name><uuid>u</uuid> <!-- mine -->\n</d>\n");
    free(renamed);
    free(grown);
}

static void a_uuid_is_random_and_well_formed(void **state) {
    char one[XML_UUID_SIZE];
    char other[XML_UUID_SIZE];
    (void)state;
    assert_int_equal(xml_make_uuid(one), 0);
    assert_int_equal(xml_make_uuid(other), 0);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), 36);
    assert_int_equal(strspn(one, "0123456789abcdef-"), 36);
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
    assert_int_equal(one[8], '-');
    assert_int_equal(one[23], '-');
}

static const char *const macs[] = {"devices", "interface", "mac"};

static void assert_lacking(const char *xml, size_t nth, int expected, const char *follows) {
    size_t at = 0;
    assert_int_equal(xml_find_lacking(xml, macs, nth, &at), expected);
    if (expected >= 0) {
        assert_memory_equal(xml + at, follows, strlen(follows));
    }
}

static void elements_that_lack_a_child_are_found(void **state) {
    static const char two[] =
        "<domain><!-- <interface> --><interface><x/></interface><devices>"
        "<interface type='a'><mac address='1'/><source/></interface>"
        "<controller><interface>no</interface></controller>"
        "<interface type='b'/><interface type='c'>1<!-- <mac/> --></interface>"
        "<interface type=\"<mac/>\">2<x><mac/></x></interface></devices></domain>";
    (void)state;
    assert_lacking(two, 0, 2, "1<!--");
    assert_lacking(two, 2, 2, "1<!--");
    assert_lacking(two, 3, 3, "2<x>");
    assert_lacking(two, 4, -ENOENT, "");
    assert_lacking("<d><devices/></d>", 0, -EBADMSG, "");
    assert_lacking("<d><name>x</name></d>", 0, -ENOENT, "");
    assert_lacking("<d><devices><interface></devices></d>", 0, -EBADMSG, "");
    assert_lacking("<d/>", 0, -EBADMSG, "");
}

static void a_mac_is_random_and_of_a_guest(void **state) {
    char one[XML_MAC_SIZE];
    char other[XML_MAC_SIZE];
    (void)state;
    assert_int_equal(xml_make_mac(one), 0);
    do {
        assert_int_equal(xml_make_mac(other), 0); /* one in 16 millions is the same */
    } while (strcmp(one, other) == 0);
    assert_int_equal(strlen(one), 17);
    assert_memory_equal(one, "52:54:00:", 9);
    assert_int_equal(strspn(one, "0123456789abcdef:"), 17);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_found),
        cmocka_unit_test(only_a_child_of_the_root_counts),
        cmocka_unit_test(what_is_no_xml_is_refused),
        cmocka_unit_test(replacing_leaves_the_rest),
        cmocka_unit_test(a_uuid_is_random_and_well_formed),
        cmocka_unit_test(elements_that_lack_a_child_are_found),
        cmocka_unit_test(a_mac_is_random_and_of_a_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
