/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an earlier move left, when libvirt goes on removing it while it is looked at. The hosts are
 * two of libvirt's test drivers; the linker brings each virDomainGetState() here (--wrap), so that
 * the source can go at the moment that counts.
 */
#include "../../../resource-agents/vm/hosts.h"

#include "../../../resource-agents/vm/handover.h"
#include "../../../resource-agents/vm/host.h"

#include <errno.h>
#include <setjmp.h> /* cmocka needs it, and the next three */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define UUID "6d70b25c-7b4e-4a3b-9e37-0f4b6e0f3a11"

static struct params params;
static struct operation moving;
static struct hosts hosts;
static char files[2][32]; /* each test driver has a file: without one all share their state */

/* ---- what the agent's threads do ---- */

void operation_step(struct operation *operation, const char *step) {
    (void)operation, (void)step;
}

uint64_t operation_changes(struct operation *operation) {
    return operation->events.changes;
}

bool operation_may_begin(struct operation *operation, const char *what) {
    (void)what;
    operation->begun = true;
    return true;
}

bool operation_pause(struct operation *operation, uint64_t seen, uint64_t ms) {
    (void)operation, (void)seen, (void)ms;
    return true;
}

void operation_pause_unstopped(struct operation *operation, uint64_t seen, uint64_t ms) {
    (void)operation, (void)seen, (void)ms;
}

/* ---- the source that goes ---- */

static int questions; /* for the source's state */
static int goes_at;   /* the question before which libvirt removes it; 0: it stays */

int __real_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags);
int __wrap_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags);

int __wrap_virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags) {
    if (virDomainGetConnect(domain) == moving.conn && ++questions == goes_at) {
        virDomainPtr here = virDomainLookupByUUIDString(moving.conn, UUID);
        assert_int_equal(virDomainIsActive(here) == 1 ? virDomainDestroy(here) : 0, 0);
        assert_int_equal(virDomainUndefine(here), 0);
        virDomainFree(here);
    }
    return __real_virDomainGetState(domain, state, reason, flags);
}

/* ---- two hosts ---- */

static virConnectPtr connect_to(char file[32]) {
    static const char node[] = "<node/>";
    char uri[64];

    strcpy(file, "/tmp/hosts-settle-XXXXXX");
    int fd = mkstemp(file);
    assert_true(fd >= 0 && write(fd, node, sizeof(node) - 1) == sizeof(node) - 1);
    close(fd);
    snprintf(uri, sizeof(uri), "test://%s", file);
    virConnectPtr conn = virConnectOpen(uri);
    assert_non_null(conn);
    return conn;
}

static void define(virConnectPtr conn, const char *disk) {
    char xml[512];

    snprintf(xml, sizeof(xml),
             "<domain type='test'><name>v</name><uuid>" UUID "</uuid><memory>1024</memory>"
             "<os><type>hvm</type></os><devices><disk type='file' device='disk'>"
             "<source file='%s'/><target dev='vda'/></disk></devices></domain>",
             disk);
    virDomainFree(virDomainDefineXML(conn, xml));
}

static int setup(void **state) {
    (void)state;
    host_silence();
    memset(&moving, 0, sizeof(moving));
    memset(&hosts, 0, sizeof(hosts));
    params = (struct params){.name = "v"};
    moving.params = &params;
    moving.conn = connect_to(files[0]);
    hosts.operation = &moving;
    hosts.to = connect_to(files[1]);
    strcpy(hosts.from_name, "n1");
    strcpy(hosts.to_name, "n2");
    strcpy(hosts.from_uuid, "from");
    strcpy(hosts.to_uuid, "to");
    questions = 0;
    goes_at = 0;
    define(moving.conn, "/old/v.raw");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    virDomainFree(moving.domain);
    virDomainFree(hosts.there);
    virConnectClose(moving.conn);
    virConnectClose(hosts.to);
    unlink(files[0]);
    unlink(files[1]);
    return 0;
}

/* The copy that a move has brought to the target. */
static void arrive(const char *disk, bool paused) {
    struct handover arrival = {.role = HANDOVER_ARRIVES, .persistent = true, .peer = "from"};

    define(hosts.to, disk);
    virDomainPtr there = virDomainLookupByUUIDString(hosts.to, UUID);
    assert_int_equal(handover_write(there, &arrival), 0);
    if (paused) {
        assert_int_equal(virDomainCreate(there), 0);
        assert_int_equal(virDomainSuspend(there), 0);
    }
    virDomainFree(there);
}

static int state_there(void) {
    int state = VIR_DOMAIN_NOSTATE;
    virDomainPtr there = virDomainLookupByUUIDString(hosts.to, UUID);

    if (there != NULL) {
        assert_int_equal(__real_virDomainGetState(there, &state, NULL, 0), 0);
        virDomainFree(there);
    }
    return state;
}

static void source_is_gone(void) {
    assert_null(virDomainLookupByUUIDString(moving.conn, UUID));
}

static void source_stays(void) {
    virDomainPtr here = virDomainLookupByUUIDString(moving.conn, UUID);
    assert_non_null(here);
    virDomainFree(here);
}

/* ---- tests ---- */

/* Each question in turn is the one before which the source goes. */
static void goes_at_each(const char *disk, bool paused) {
    void *none = NULL;

    arrive(disk, paused);
    (void)hosts_settle(&hosts);
    int last = questions;
    assert_true(last > 0);
    for (int at = 1; at <= last; at++) {
        teardown(&none);
        setup(&none);
        arrive(disk, paused);
        goes_at = at;
        assert_int_equal(hosts_settle(&hosts), 1);
        assert_true(questions >= at);
        assert_int_equal(moving.report.result, VM_OK);
        assert_non_null(strstr(moving.report.reason, "had moved from n1 to n2 already"));
        source_is_gone();
    }
}

static void source_goes_while_the_copy_stands_still(void **state) {
    (void)state;
    goes_at_each("/new/v.raw", true);
    assert_int_equal(state_there(), VIR_DOMAIN_RUNNING);
}

static void source_goes_while_the_copy_is_off(void **state) {
    (void)state;
    goes_at_each("/new/v.raw.clusterd-moving", false);
    assert_int_equal(moving.report.state, AGENT_VM_OFF);
    char *xml = virDomainGetXMLDesc(hosts.there, 0);
    assert_non_null(strstr(xml, "'/new/v.raw'"));
    free(xml);
}

/* It is off, but not because it moved: only a person can tell which of the two is newer. */
static void source_is_off_for_another_reason(void **state) {
    (void)state;
    arrive("/new/v.raw", true);
    assert_int_equal(hosts_settle(&hosts), -EIO);
    assert_non_null(strstr(moving.report.reason, "nobody can tell"));
    assert_int_equal(state_there(), VIR_DOMAIN_PAUSED);
    source_stays();
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(source_goes_while_the_copy_stands_still, setup, teardown),
        cmocka_unit_test_setup_teardown(source_goes_while_the_copy_is_off, setup, teardown),
        cmocka_unit_test_setup_teardown(source_is_off_for_another_reason, setup, teardown),
    };
    return cmocka_run_group_tests_name("agents_hosts_settle", tests, NULL, NULL);
}
