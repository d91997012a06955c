/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of a node's network devices VMs can be attached to: a tree that looks like sysfs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "resource-agents/vm/links.h"

static char root[64];

static void write_file(const char *device, const char *name, const char *text) {
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, device);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/%s/%s", root, device, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void device(const char *name, const char *uevent, const char *ifindex, const char *iflink) {
    write_file(name, "uevent", uevent);
    write_file(name, "ifindex", ifindex);
    write_file(name, "iflink", iflink);
}

static int setup(void **state) {
    (void)state;
    snprintf(root, sizeof(root), "/tmp/clusterd-links-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command); /* lint: allow system, because it clears the test's own directory */
}

static bool listed(const char *name) {
    json_t *list = json_array();
    bool found = false;

    assert_int_equal(links_append(root, list), 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        found = found || strcmp(json_string_value(json_array_get(list, i)), name) == 0;
    }
    json_decref(list);
    return found;
}

static void test_bridges_and_cards_are_offered(void **state) {
    char path[128];
    (void)state;

    device("eth0", "INTERFACE=eth0\nIFINDEX=2\n", "2\n", "2\n");
    device("br0", "DEVTYPE=bridge\nINTERFACE=br0\nIFINDEX=5\n", "5\n", "5\n");
    snprintf(path, sizeof(path), "%s/br0/bridge", root);
    assert_int_equal(mkdir(path, 0755), 0);
    device("eth0.7", "DEVTYPE=vlan\nINTERFACE=eth0.7\nIFINDEX=6\n", "6\n", "2\n");
    device("ovs-br", "INTERFACE=ovs-br\nIFINDEX=9\n", "9\n", "9\n");
    assert_true(listed("device/eth0") && listed("device/eth0.7") && listed("device/ovs-br"));
    assert_true(listed("bridge/br0") && listed("device/br0"));
    assert_false(listed("bridge/eth0") || listed("bridge/ovs-br"));
}

/* They come and go with each guest; telling the cluster of them would be a change for nobody. */
static void test_what_belongs_to_one_guest_is_not(void **state) {
    (void)state;
    device("vnet0", "INTERFACE=vnet0\nIFINDEX=7\n", "7\n", "7\n");
    write_file("vnet0", "tun_flags", "0x5002\n");
    device("macvtap0", "DEVTYPE=macvtap\nINTERFACE=macvtap0\nIFINDEX=8\n", "8\n", "2\n");
    device("veth1", "INTERFACE=veth1\nIFINDEX=11\n", "11\n", "4\n");
    assert_false(listed("device/vnet0") || listed("device/macvtap0") || listed("device/veth1"));
}

static void test_odd_names(void **state) {
    char name[80];
    json_t *list = json_array();
    (void)state;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(links_append_one(list, "network", name), 0);
    name[55] = '\0';
    assert_int_equal(links_append_one(list, "network", name), 0);
    assert_int_equal(links_append_one(list, "network", "\xff"), 0);
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(strlen(json_string_value(json_array_get(list, 0))), 63);
    assert_int_equal(links_append("/nowhere", list), -ENOENT);
    /* A file beside the devices, as the bonding driver makes one. */
    snprintf(name, sizeof(name), "%.60s/bonding_masters", root);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_false(listed("device/bonding_masters"));
    json_decref(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bridges_and_cards_are_offered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_belongs_to_one_guest_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_names, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
