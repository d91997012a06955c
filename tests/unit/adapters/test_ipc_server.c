/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server: calls and their replies, subscriptions, rights, and its sockets' place among
 * other processes. What clients may cost is in test_ipc_costs.c.
 */
#include "ipc_world.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- calls ---- */

static void test_reads_and_errors(void **state) {
    (void)state;
    assert_string_equal(ask(ADMIN, VM_LIST), "{\"parameters\":{\"vms\":[]}}");
    ASSERT_HAS(
        ask(ADMIN, CALL_WITH("VmShow", "\"vm\":\"x\"")),
        "{\"error\":\"io.clusterd.NotFound\",\"parameters\":{\"message\":\"there is no VM x");
    ASSERT_HAS(ask(ADMIN, CALL("VmShow")), "\"error\":\"io.clusterd.Usage\"");
    ASSERT_HAS(ask(ADMIN, CALL_WITH("VmShow", "\"vm\":\"x\",\"id\":1")),
               "'parameters.id' is not an argument");
    ASSERT_HAS(ask(ADMIN, CALL("Nothing")), "\"error\":\"org.varlink.service.MethodNotFound\"");
    ASSERT_HAS(ask(ADMIN, "{\"method\":\"org.varlink.service.GetInfo\"}"),
               "\"interfaces\":[\"org.varlink.service\",\"io.clusterd\"]");
    waiting = "no corosync yet";
    ASSERT_HAS(ask(ADMIN, VM_START), "\"error\":\"io.clusterd.NoQuorum\"");
}

static void test_what_is_no_call_ends_the_connection(void **state) {
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"method\":5}",
        "{\"method\"",
        "{\"method\":\"a.b\",\"parameters\":[]}",
        "{\"method\":\"io.clusterd.Subscribe\",\"more\":true,\"oneway\":true}"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_string_equal(ask(ADMIN, wrong[i]), "");
    }
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

static void test_change_goes_to_the_core(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    call(fd, VM_START);
    uint64_t id = next_start();
    core_answers(id, 12);
    core_answers(id, 12); /* a second one has nobody to go to */
    ASSERT_HAS(reply(fd), "{\"parameters\":{\"operation\":12");
    (void)close(fd);
}

/* Varlink has no numbers of calls: the replies go in the order of the calls. */
static void test_replies_keep_the_order_of_calls(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    call(fd, VM_START);
    call(fd, VM_LIST);
    call(fd, VM_START);
    uint64_t first = next_start(), second = next_start();
    core_answers(second, 2);
    harness_run(&h, 20);
    assert_true(silent(fd)); /* the second waits for the first */
    core_answers(first, 1);
    ASSERT_HAS(reply(fd), "\"operation\":1");
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    ASSERT_HAS(reply(fd), "\"operation\":2");
    (void)close(fd);
}

static void test_oneway_has_no_reply(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    call(fd, "{\"method\":\"io.clusterd.NodeList\",\"oneway\":true}");
    call(fd, VM_LIST);
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    (void)close(fd);
}

static void test_client_gone_before_the_answer(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    call(fd, VM_START);
    uint64_t id = next_start();
    (void)close(fd);
    harness_run(&h, 50);
    core_answers(id, 1);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* So many are carried out at once; the others wait in the socket, and are not refused. */
static void test_many_unanswered(void **state) {
    enum { CALLS = 70, AT_ONCE = 64 };
    uint64_t ids[CALLS];
    int fd = connected(ADMIN);
    (void)state;
    for (unsigned i = 0; i < CALLS; i++) {
        call(fd, VM_START);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ids[i] = next_start();
    }
    harness_run(&h, 50);
    assert_null(h.events.first);
    core_answers(ids[0], 1);
    ids[AT_ONCE] = next_start();
    for (unsigned i = 1; i <= AT_ONCE; i++) {
        core_answers(ids[i], i + 1);
    }
    for (unsigned i = AT_ONCE + 1; i < CALLS; i++) {
        core_answers(next_start(), i + 1);
    }
    for (unsigned i = 0; i < CALLS; i++) {
        char wanted[40];
        (void)snprintf(wanted, sizeof(wanted), "\"operation\":%u,", i + 1);
        ASSERT_HAS(reply(fd), wanted);
    }
    (void)close(fd);
}

/* ---- subscriptions ---- */

static void test_subscription(void **state) {
    const struct core_progress progress = {.operation = 5, .percent = 40};
    int fd = connected(ADMIN);
    (void)state;
    call(fd, SUBSCRIBE);
    assert_string_equal(reply(fd), "{\"parameters\":{},\"continues\":true}");
    ipc_server_event(server, &row);
    ipc_server_progress(server, &progress);
    ipc_server_operation(server, 99); /* there is none: nothing is sent */
    const char *text = reply(fd);
    ASSERT_HAS(text, "{\"parameters\":{\"event\":{\"seq\":1");
    ASSERT_HAS(text, "\"message\":\"hello\",\"repeated\":2,\"first_ms\":7}},\"continues\":true}");
    ASSERT_HAS(reply(fd), "{\"parameters\":{\"progress\":{\"operation\":5,");
    assert_true(silent(fd));
    (void)close(fd);
    harness_run(&h, 50);
    ipc_server_event(server, &row); /* nobody is left */
}

static void test_subscription_needs_more_and_a_connection(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    ASSERT_HAS(ask(ADMIN, CALL("Subscribe")), "\"error\":\"org.varlink.service.ExpectedMore\"");
    call(fd, VM_START);
    call(fd, SUBSCRIBE);
    core_answers(next_start(), 1);
    harness_run(&h, 20);
    ASSERT_HAS(reply(fd), "\"operation\":1");
    (void)close(fd);
}

static void test_slow_subscriber_is_hung_up_on(void **state) {
    static char large[WIRE_MAX_TEXT + 1];
    struct model_event big = row;
    int fd = connected(ADMIN);
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    big.message = large;
    call(fd, SUBSCRIBE);
    ASSERT_HAS(reply(fd), "continues");
    for (int i = 0; i < 20000; i++) { /* 20 MB: more than is kept for it */
        ipc_server_event(server, &big);
    }
    harness_run(&h, 50);
    while (reply(fd)[0]) { /* what the kernel had taken, and then the end */
    }
    (void)close(fd);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* ---- rights ---- */

static void test_readers_only_read(void **state) {
    static const char *const changes[] = {VM_START, CALL_WITH("OperationCancel", "\"operation\":1"),
                                          CALL_WITH("FenceDeviceTest",
                                                    "\"name\":\"d\",\"node\":\"n\""),
                                          CALL_WITH("VmPredict", "\"vm\":\"web\"")};
    (void)state;
    ASSERT_HAS(ask(READER, VM_LIST), "\"vms\":[]");
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        ASSERT_HAS(ask(READER, changes[i]), "\"error\":\"io.clusterd.Permission\"");
    }
}

static bool become(uid_t uid, const char *group_name) {
    const struct group *group = getgrnam(group_name);
    gid_t gid = group ? group->gr_gid : 0;
    return setgroups(group ? 1 : 0, &gid) == 0 && setgid(65534) == 0 && setuid(uid) == 0;
}

/* In a child: 0, or the errno of the connection. */
static int connect_as(uid_t uid, const char *group_name, const char *name) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int fd = become(uid, group_name) ? try_connect(name) : -255;
        _exit(fd < 0 ? -fd : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    harness_run(&h, 20);
    return WEXITSTATUS(status);
}

static void test_the_kernel_decides_who_connects(void **state) {
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(connect_as(65534, "", ADMIN), EACCES);
    assert_int_equal(connect_as(65534, "", READER), EACCES);
    assert_int_equal(connect_as(65534, "video", ADMIN), EACCES);
    assert_int_equal(connect_as(65534, "video", READER), 0);
    assert_int_equal(connect_as(65534, "adm", ADMIN), 0);
}

/* A socket that was opened wider by mistake: the kernel let the user in, clusterd does not. */
static void test_clusterd_asks_who_has_connected(void **state) {
    char path[128], byte = 0;
    int pipes[2], status = 0;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    (void)snprintf(path, sizeof(path), "%s/" ADMIN, h.dir);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char text[512] = "";
        struct pollfd one = {.fd = become(65534, "") ? try_connect(ADMIN) : -1, .events = POLLIN};
        bool told = poll(&one, 1, 10000) == 1 && recv(one.fd, text, sizeof(text) - 1, 0) > 0 &&
                    strstr(text, "does not accept this user");
        _exit(write(pipes[1], told ? "y" : "n", 1) == 1 ? 0 : 1);
    }
    for (int i = 0; i < 1000 && read(pipes[0], &byte, 1) != 1; i++) {
        harness_run(&h, 10);
    }
    assert_int_equal(byte, 'y');
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

/* Takes one connection more than its share, tells how the last one was received, and waits. */
static void take_too_many(int tell, int until) {
    enum { SHARE = 100 };
    int fd = -1;
    char text[512] = "";
    bool all = become(65534, "adm");
    for (int i = 0; all && i <= SHARE; i++) {
        fd = try_connect(ADMIN);
        all = fd >= 0;
    }
    struct pollfd last = {.fd = fd, .events = POLLIN};
    bool told = all && poll(&last, 1, 10000) == 1 && recv(fd, text, sizeof(text) - 1, 0) > 0 &&
                strstr(text, "too many clients");
    _exit(write(tell, told ? "y" : "n", 1) == 1 && read(until, text, 1) == 1 ? 0 : 1);
}

/* Users do not take each other's connections away, and root's least of all. */
static void test_one_user_has_its_share(void **state) {
    int tells[2], until[2], status = 0;
    char byte = 0;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(pipe2(tells, O_NONBLOCK), 0);
    assert_int_equal(pipe(until), 0);
    pid_t pid = fork();
    if (pid == 0) {
        take_too_many(tells[1], until[0]);
    }
    for (int i = 0; i < 1000 && read(tells[0], &byte, 1) != 1; i++) {
        harness_run(&h, 10);
    }
    assert_int_equal(byte, 'y');
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]"); /* root */
    assert_int_equal(write(until[1], &byte, 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 2; i++) {
        (void)close(tells[i]);
        (void)close(until[i]);
    }
}

static void test_sockets_are_gone_afterwards(void **state) {
    char path[128];
    struct stat found;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/" ADMIN, h.dir);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0660);
    close_door();
    assert_int_equal(stat(path, &found), -1);
}

/* With a secret in each place that libvirt has for one, and in those that only look like it. */
static const char definition[] =
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>"
    "<description>geheim01</description><metadata><x:y xmlns:x='urn:x' z='geheim02'/></metadata>"
    "<os><type>hvm</type><kernel>https://h/k?t=geheim03</kernel><cmdline>p=geheim04</cmdline></os>"
    "<sysinfo type='smbios'><oemStrings><entry>ds=nocloud;geheim05</entry></oemStrings></sysinfo>"
    "<sysinfo type='fwcfg'><entry name='opt/x'>geheim06</entry></sysinfo>"
    "<devices><disk><source protocol='https' name='img?token=geheim07' query='t=geheim08'>"
    "<ssl verify='no'/><cookies><cookie name='a'>geheim09</cookie></cookies>"
    "<auth username='u'><secret type='iscsi' usage='geheim10'/></auth>"
    "<encryption><secret type='passphrase' uuid='geheim11'/></encryption></source></disk>"
    "<disk><source protocol='ssh' name='ssh://u:geheim12@h/x'/></disk>"
    "<interface><virtualport><parameters profileid='p'/></virtualport><filterref filter='f'>"
    "<parameter name='PW' value='geheim13'/></filterref></interface>"
    "<graphics type='vnc' passwd='geheim14'/><graphics type='spice' passwd=\"geheim15\"/>"
    "<smartcard mode='passthrough'><property name='password' value='geheim16'/></smartcard>"
    "</devices><!-- geheim17 -->"
    "<launchSecurity><session>geheim18</session></launchSecurity>"
    "<qemu:commandline><qemu:arg value='secret,data=geheim19'/>"
    "<qemu:env name='A' value='geheim20'/></qemu:commandline></domain>";

static unsigned secrets_in(const char *text) {
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, "geheim")); at++) {
        n++;
    }
    return n;
}

static void add_vm(void) {
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_vm *vm = model_add(&m->vms);
    assert_non_null(vm);
    vm->id = 1;
    free((void *)(uintptr_t)vm->name);
    free((void *)(uintptr_t)vm->xml);
    vm->name = copy("web");
    vm->xml = copy(definition);
}

static void add_event(uint64_t seq, uint64_t asker, const char *user) {
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_event *event = model_add(&m->events);
    assert_non_null(event);
    event->seq = seq;
    event->asker = asker;
    free((void *)(uintptr_t)event->user);
    event->user = copy(user);
}

static void test_events_of_a_user(void **state) {
    (void)state;
    add_event(901, 0, "");
    add_event(902, 1001, "alice");
    add_event(903, 1002, "");
    add_event(904, 1001, "alice");
    const char *text = ask(READER, CALL_WITH("EventList", "\"user\":\"alice\""));
    ASSERT_HAS(text, "\"uid\":1000,\"user\":\"alice\"");
    assert_true(strstr(text, "\"seq\":902") && strstr(text, "\"seq\":904"));
    assert_false(strstr(text, "\"seq\":901") || strstr(text, "\"seq\":903"));
    text = ask(READER, CALL_WITH("EventList", "\"user\":\"1000\",\"limit\":1"));
    assert_true(strstr(text, "\"seq\":904") && !strstr(text, "\"seq\":902"));
    ASSERT_HAS(ask(READER, CALL_WITH("EventList", "\"user\":\"1001\"")), "\"seq\":903");
    ASSERT_HAS(ask(READER, CALL_WITH("EventList", "\"user\":\"al\"")), "\"events\":[]");
}

/* A reader gets no secret, by whatever method; an administrator the definition as it is. */
static void test_definitions_of_readers_have_no_secrets(void **state) {
    static const char *const reads[] = {CALL_WITH("VmShow", "\"vm\":\"web\""), VM_LIST,
                                        CALL("Status"), CALL("Export"), CALL("EventList")};
    (void)state;
    add_vm();
    assert_int_equal(secrets_in(definition), 20);
    assert_int_equal(secrets_in(ask(ADMIN, reads[0])), 20);
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        const char *text = ask(READER, reads[i]);
        assert_true(text[0] == '{');
        assert_int_equal(secrets_in(text), 0);
    }
    const char *text = ask(READER, reads[0]);
    ASSERT_HAS(text, "<name>web</name>");
    ASSERT_HAS(text, "passwd='********'");
    ASSERT_HAS(text, "name='img?********'");
}

/* A VM that waits for a place. */
static struct model_vm *add_waiting_vm(void) {
    add_vm();
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_vm *vm = model_row(&m->vms, model_vm_by_name(m, "web"));
    vm->state = VM_OFF;
    vm->wanted = WANTED_RUNNING;
    return vm;
}

/* Where a VM that is down could go is planned first; the model is read when the core says so. */
static void test_read_waits_for_the_outlook(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    struct model_vm *vm = add_waiting_vm();
    call(fd, VM_LIST);
    const struct core_event *event = harness_wait(&h, 5000);
    assert_int_equal(event->type, CORE_EVENT_REQUEST);
    assert_int_equal(event->request.kind, REQUEST_OUTLOOK);
    vm->memory_mb = 4711; /* read before the answer, it would say 0 */
    core_answers(event->request.id, 0);
    ASSERT_HAS(reply(fd), "\"memory_mb\":4711");
    vm->wanted = WANTED_STOPPED; /* nothing is planned: answered at once */
    call(fd, VM_LIST);
    ASSERT_HAS(reply(fd), "\"name\":\"web\"");
    (void)close(fd);
}

/* ---- the process and its neighbours ---- */

/* A clusterd that was killed leaves its sockets; whatever lies there, the new one starts. */
static void test_what_a_dead_clusterd_has_left(void **state) {
    struct socket_door *other = NULL;
    char path[128];
    (void)state;
    assert_int_equal(open_door(&other), 0);
    close_door();
    socket_door_close(other);
    (void)snprintf(path, sizeof(path), "%s/" ADMIN, h.dir);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(open_door(&door), 0);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* What cannot be bound is not removed. */
static void test_a_directory_in_the_place_of_a_socket(void **state) {
    char path[128];
    struct stat found;
    (void)state;
    close_door();
    (void)snprintf(path, sizeof(path), "%s/" READER, h.dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_true(open_door(&door) < 0);
    assert_int_equal(stat(path, &found), 0);
    (void)snprintf(path, sizeof(path), "%s/" ADMIN, h.dir);
    assert_int_equal(stat(path, &found), -1);
}

/* Clients never take the descriptors that fencing and agents need. */
static void test_descriptors_are_left(void **state) {
    enum { FILES = 64 };
    struct rlimit before, few;
    int fds[FILES];
    unsigned n = 0;
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){FILES, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    close_door();
    assert_int_equal(open_door(&door), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0); /* the clients are in this process */
    for (int i = 0; i < FILES; i++) {
        fds[i] = connected(ADMIN);
        call(fds[i], VM_LIST);
        n += strstr(reply(fds[i]), "too many clients") == NULL;
    }
    assert_int_equal(n, FILES / 2);
    for (int i = 0; i < FILES; i++) {
        (void)close(fds[i]);
    }
}

/* Without a descriptor for it a client waits; it is accepted when there is one again. */
static void test_no_descriptor_for_a_client(void **state) {
    struct rlimit before, few;
    (void)state;
    int fd = try_connect(ADMIN), last = dup(fd);
    assert_true(last >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){(rlim_t)fd + 1, before.rlim_max};
    for (int i = 0; i < fd; i++) { /* holes */
        if (fcntl(i, F_GETFD) < 0) {
            assert_int_equal(fcntl(0, F_DUPFD_CLOEXEC, i), i);
        }
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    call(fd, VM_LIST);
    harness_run(&h, 300);
    bool waits = silent(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(waits);
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    (void)close(fd);
    (void)close(last);
}

/* What a client does wrong costs the log some lines, not one each. */
static void test_the_log_is_not_filled(void **state) {
    enum { CLIENTS = 200 };
    char path[128];
    unsigned lines = 0;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/log", h.dir);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), kept = dup(STDERR_FILENO);
    assert_true(file >= 0 && kept >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    for (int i = 0; i < CLIENTS; i++) {
        const char *got = ask(ADMIN, "nonsense");
        if (got[0]) {
            break;
        }
    }
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(file);
    (void)close(kept);
    const char *text = harness_read(&h, "log");
    ASSERT_HAS(text, "is no Varlink call");
    for (const char *at = text; (at = strchr(at, '\n')); at++) {
        lines++;
    }
    assert_in_range(lines, 1, 45); /* two minutes may have been touched */
}

/* Connects so often, one after the other, and is refused. */
static void be_refused(uid_t uid, int times) {
    bool good = become(uid, "");
    for (int i = 0; good && i < times; i++) {
        char text[512];
        struct pollfd one = {.fd = try_connect(ADMIN), .events = POLLIN};
        good = one.fd >= 0 && poll(&one, 1, 10000) == 1 && recv(one.fd, text, sizeof(text), 0) > 0;
        (void)close(one.fd);
    }
    _exit(good ? 0 : 1);
}

static unsigned count(const char *text, const char *part) {
    unsigned n = 0;
    for (; (text = strstr(text, part)); text++) {
        n++;
    }
    return n;
}

/* Each user is named, whatever another one does, and the log has no more of it for each. */
static void test_refusals_in_the_log(void **state) {
    enum { USERS = 4, TIMES = 700, FIRST = 65530 };
    char path[128], line[32];
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    (void)snprintf(path, sizeof(path), "%s/" ADMIN, h.dir);
    assert_int_equal(chmod(path, 0666), 0);
    (void)snprintf(path, sizeof(path), "%s/log", h.dir);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), kept = dup(STDERR_FILENO);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    int good = 0;
    for (uid_t uid = FIRST; uid < FIRST + USERS; uid++) { /* one after the other */
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            be_refused(uid, TIMES);
        }
        while (waitpid(pid, &status, WNOHANG) == 0) {
            harness_run(&h, 5);
        }
        good += status == 0;
    }
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(file);
    (void)close(kept);
    assert_int_equal(good, USERS);
    const char *text = harness_read(&h, "log");
    for (unsigned uid = FIRST; uid < FIRST + USERS; uid++) {
        (void)snprintf(line, sizeof(line), "user %u (", uid);
        assert_in_range(count(text, line), 1, 2); /* two minutes may have been touched */
    }
    assert_in_range(count(text, "\n"), USERS, 2 * USERS + 1);
}

/* What the core cannot answer before corosync has answered is refused at once: it would be done
 * long after the client has given up. */
static void test_nothing_waits_for_the_cluster(void **state) {
    static const char *const calls[] = {
        CALL_WITH("FenceDeviceTest", "\"name\":\"d\",\"node\":\"n\""),
        CALL_WITH("VmPredict", "\"vm\":\"web\""),
        CALL_WITH("VmMove", "\"vm\":\"web\""),
        CALL_WITH("VmMove", "\"vm\":\"web\",\"dry_run\":true"),
        CALL_WITH("NodeDrain", "\"node\":\"n\",\"dry_run\":true"),
        CALL_WITH("FenceDeviceAdd", "\"name\":\"d\",\"agent\":\"fence_here\"")};
    (void)state;
    waiting = "no corosync yet";
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const char *got = ask(ADMIN, calls[i]);
        ASSERT_HAS(got, "\"error\":\"io.clusterd.NoQuorum\"");
        ASSERT_HAS(got, "no corosync yet");
    }
    add_waiting_vm();
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"name\":\"web\"");
    ASSERT_HAS(ask(ADMIN, CALL("Status")), "no corosync yet");
    assert_null(h.events.first);
}

/* The device would fail when it is needed. Whatever client asks: nothing goes to the core. */
static void test_an_agent_that_is_not_installed(void **state) {
    (void)state;
    ASSERT_HAS(
        ask(ADMIN, CALL_WITH("FenceDeviceAdd", "\"name\":\"d\",\"agent\":\"fence_gone\"")),
        "{\"error\":\"io.clusterd.Refused\",\"parameters\":{\"message\":\"this node has no fence "
        "agent /sbin/fence_gone: No such file or directory\",\"hint\":\"install it on all nodes");
    assert_null(h.events.first);
    int fd = connected(ADMIN);
    call(fd, CALL_WITH("FenceDeviceAdd", "\"name\":\"d\",\"agent\":\"fence_here\""));
    assert_int_equal(harness_wait(&h, 5000)->request.command, COMMAND_DEVICE_ADD);
    /* What is no name of an agent is for the core to refuse, and nowhere looked for. */
    call(fd, CALL_WITH("FenceDeviceAdd", "\"name\":\"d\",\"agent\":\"reboot\""));
    assert_int_equal(harness_wait(&h, 5000)->request.command, COMMAND_DEVICE_ADD);
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_reads_and_errors),
        T(test_what_is_no_call_ends_the_connection),
        T(test_change_goes_to_the_core),
        T(test_replies_keep_the_order_of_calls),
        T(test_oneway_has_no_reply),
        T(test_client_gone_before_the_answer),
        T(test_many_unanswered),
        T(test_subscription),
        T(test_subscription_needs_more_and_a_connection),
        T(test_slow_subscriber_is_hung_up_on),
        T(test_readers_only_read),
        T(test_the_kernel_decides_who_connects),
        T(test_clusterd_asks_who_has_connected),
        T(test_one_user_has_its_share),
        T(test_sockets_are_gone_afterwards),
        T(test_events_of_a_user),
        T(test_definitions_of_readers_have_no_secrets),
        T(test_read_waits_for_the_outlook),
        T(test_what_a_dead_clusterd_has_left),
        T(test_a_directory_in_the_place_of_a_socket),
        T(test_descriptors_are_left),
        T(test_no_descriptor_for_a_client),
        T(test_the_log_is_not_filled),
        T(test_refusals_in_the_log),
        T(test_nothing_waits_for_the_cluster),
        T(test_an_agent_that_is_not_installed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
