/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server with clients on its sockets. The core behind it is one that has not booted; where
 * it would answer, the test does.
 */
#include "harness.h"

#include "adapters/clock.h"
#include "adapters/ipc/server.h"
#include "adapters/ipc/socket.h"
#include "adapters/ipc/stream.h"
#include "wire/ipc_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL(name) "{\"method\":\"io.clusterd." name "\"}"
#define CALL_WITH(name, parameters) \
    "{\"method\":\"io.clusterd." name "\",\"parameters\":{" parameters "}}"
#define VM_LIST CALL("VmList")
#define VM_START CALL_WITH("VmStart", "\"vm\":\"web\"")
#define SUBSCRIBE "{\"method\":\"io.clusterd.Subscribe\",\"more\":true}"
#define ADMIN "io.clusterd"
#define READER "io.clusterd.read"

static struct harness h;
static struct core *core;
static struct ipc_server *server;
static struct socket_door *door;
static const char *waiting;

static const char *cluster_of(void *context) {
    (void)context;
    return "lab";
}

static const char *waiting_of(void *context) {
    (void)context;
    return waiting;
}

static int open_door(struct socket_door **ret_door) {
    const struct ipc_groups groups = {.admin_group = "adm", .reader_group = "video"};
    return socket_door_open(server, h.loop, h.dir, &groups, ret_door);
}

static void close_door(void) {
    socket_door_close(door);
    door = NULL;
}

static int setup(void **state) {
    struct ipc_source source = {.cluster = cluster_of, .waiting = waiting_of};
    (void)state;
    harness_init(&h);
    assert_int_equal(chmod(h.dir, 0755), 0); /* as run_dir */
    waiting = "";
    assert_int_equal(core_create(&core), 0);
    source.core = core;
    assert_int_equal(ipc_server_create(h.loop, &source, harness_sink(&h), &server), 0);
    assert_int_equal(open_door(&door), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close_door();
    ipc_server_destroy(server);
    core_destroy(core);
    harness_finish(&h);
    return 0;
}

/* ---- clients ---- */

static int try_connect(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", h.dir, name);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    return fd;
}

static int connected(const char *name) {
    int fd = try_connect(name);
    assert_true(fd >= 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            harness_run(&h, 5);
            continue;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void call(int fd, const char *text) {
    send_bytes(fd, text, strlen(text) + 1);
}

enum { BUFFER = 1 << 20 };
static char buffer[BUFFER];

/* How many bytes there are of the next message, with its NUL; 0: it has not come whole. */
static size_t whole_message(const char *text, ssize_t n) {
    const char *nul = n > 0 ? memchr(text, '\0', (size_t)n) : NULL;
    return nul ? (size_t)(nul - text) + 1 : 0;
}

/* The next message; "" when the server has hung up. */
static const char *reply(int fd) {
    for (int i = 0; i < 2000; i++) {
        ssize_t n = recv(fd, buffer, BUFFER, MSG_PEEK);
        size_t whole = whole_message(buffer, n);
        if (whole > 0) {
            assert_int_equal(recv(fd, buffer, whole, 0), whole);
            print_message("%.200s\n", buffer);
            return buffer;
        }
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            return "";
        }
        harness_run(&h, 5);
    }
    fail_msg("no reply within 10 s");
    return NULL;
}

static bool silent(int fd) {
    char byte = 0;
    return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

static const char *ask(const char *name, const char *text) {
    int fd = connected(name);
    call(fd, text);
    const char *got = reply(fd);
    (void)close(fd);
    return got;
}

#define ASSERT_HAS(text, part) assert_non_null(strstr(text, part))

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

static uint64_t next_start(void) {
    const struct core_event *event = harness_wait(&h, 5000);
    assert_int_equal(event->type, CORE_EVENT_REQUEST);
    assert_int_equal(event->request.command, COMMAND_VM_START);
    assert_string_equal(((const struct cmd_vm_start *)event->request.value)->vm, "web");
    assert_int_equal(event->request.asker, 1); /* root, by the kernel's word */
    assert_string_equal(event->request.user, "root");
    return event->request.id;
}

static void core_answers(uint64_t id, uint64_t operation) {
    const struct core_reply answer = {
        .id = id, .code = REPLY_OK, .operation = operation, .message = "", .hint = ""};
    ipc_server_reply(server, &answer);
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

static struct model_event row = {.seq = 1,
                                 .kind = "k",
                                 .node = "n",
                                 .subject = "s",
                                 .message = "hello",
                                 .repeated = 2,
                                 .first_ms = 7};

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

/* ---- clients that do harm ---- */

static void test_a_request_that_is_too_large(void **state) {
    static char large[CLUSTERD_IPC_MAX_REQUEST + 100000];
    int fd = connected(ADMIN);
    ssize_t n = 0;
    (void)state;
    memset(large, ' ', sizeof(large));
    for (size_t sent = 0; sent<sizeof(large); sent += n> 0 ? (size_t)n : 0) {
        n = send(fd, large + sent, sizeof(large) - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            break;
        }
        harness_run(&h, 1);
    }
    assert_string_equal(reply(fd), "");
    (void)close(fd);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

static void test_half_a_request_has_its_time(void **state) {
    int fd = connected(ADMIN), idle = connected(ADMIN);
    (void)state;
    send_bytes(fd, VM_LIST, 10);
    harness_run(&h, STREAM_HALF_MS - 2000);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]"); /* nobody waits for it */
    assert_true(silent(fd));
    assert_string_equal(reply(fd), "");
    (void)close(fd);
    call(idle, VM_LIST); /* one that has said nothing at all is welcome */
    ASSERT_HAS(reply(idle), "\"vms\":[]");
    (void)close(idle);
}

/* A request in pieces, and two in one piece. */
static void test_pieces(void **state) {
    static const char two[] = VM_LIST "\0" VM_LIST;
    int fd = connected(ADMIN);
    (void)state;
    for (size_t i = 0; i <= strlen(VM_LIST); i++) {
        send_bytes(fd, &VM_LIST[i], 1);
        harness_run(&h, 1);
    }
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    send_bytes(fd, two, sizeof(two));
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    ASSERT_HAS(reply(fd), "\"vms\":[]");
    (void)close(fd);
}

/* A message ends at its NUL: one NUL more is a message of no bytes, which is no call. */
static void test_nuls_at_odd_places(void **state) {
    static const char twice[] = VM_LIST "\0";
    static const char inside[] = "{\"method\":\"io.clusterd.\0VmList\"}";
    (void)state;
    int fd = connected(ADMIN);
    send_bytes(fd, twice, sizeof(twice));
    const char *got = reply(fd); /* the end may be known before the answer */
    assert_true(got[0] == '\0' || strcmp(got, "{\"parameters\":{\"vms\":[]}}") == 0);
    if (got[0]) {
        assert_string_equal(reply(fd), "");
    }
    (void)close(fd);
    fd = connected(ADMIN);
    send_bytes(fd, inside, sizeof(inside));
    assert_string_equal(reply(fd), "");
    (void)close(fd);
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* "more" may be said where one reply is all: it is the last one. */
static void test_more_where_there_is_no_more(void **state) {
    (void)state;
    assert_string_equal(ask(ADMIN, "{\"method\":\"io.clusterd.VmList\",\"more\":true}"),
                        "{\"parameters\":{\"vms\":[]}}");
    ASSERT_HAS(ask(ADMIN, "{\"method\":\"org.varlink.service.GetInfo\",\"more\":true}"),
               "\"product\":\"clusterd\"");
}

/* Who reads no answers is not read from, and delays nobody. */
static void test_a_client_that_does_not_read(void **state) {
    static const char get[] = "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                              "\"parameters\":{\"interface\":\"io.clusterd\"}}";
    int fd = connected(ADMIN);
    unsigned sent = 0;
    (void)state;
    for (unsigned blocked = 0; blocked < 20;) {
        bool taken = send(fd, get, sizeof(get), MSG_NOSIGNAL) == (ssize_t)sizeof(get);
        sent += taken;
        blocked += !taken;
        harness_run(&h, 1);
        assert_true(sent < 100000);
    }
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
    for (unsigned i = 0; i < sent; i++) {
        ASSERT_HAS(reply(fd), "interface io.clusterd");
    }
    (void)close(fd);
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

static char *copy(const char *text) {
    char *result = strdup(text);
    assert_non_null(result);
    return result;
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

/* Where a VM that is down could go is planned first; the model is read when the core says so. */
static void test_read_waits_for_the_outlook(void **state) {
    int fd = connected(ADMIN);
    (void)state;
    add_vm();
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_vm *vm = model_row(&m->vms, model_vm_by_name(m, "web"));
    vm->state = VM_OFF;
    vm->wanted = WANTED_RUNNING;
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

/* ---- what a user costs others ---- */

static void set_operation(uint64_t bytes) {
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_operation *operation = model_add(&m->operations);
    char *text = malloc(bytes + 1);
    assert_non_null(operation);
    assert_non_null(text);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    operation->id = 7;
    free((void *)(uintptr_t)operation->why);
    operation->why = text;
}

/* One that is larger than all that a subscriber may leave unread is no reason to hang up on it. */
static void test_a_large_event_arrives(void **state) {
    enum { LARGE = 6 << 20 };
    size_t n = 0;
    int fd = connected(ADMIN);
    (void)state;
    set_operation(LARGE);
    call(fd, SUBSCRIBE);
    ASSERT_HAS(reply(fd), "continues");
    ipc_server_operation(server, 7);
    ipc_server_event(server, &row); /* and one behind it */
    for (int i = 0; i < 5000 && n < LARGE + 100; i++) {
        ssize_t got = recv(fd, buffer, BUFFER, 0);
        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        n += got > 0 ? (size_t)got : 0;
        harness_run(&h, 1);
    }
    assert_true(n > LARGE);
    (void)close(fd);
}

/* All events that the cluster keeps, in one go: more than may be unread later. */
static void test_replayed_events_may_be_many(void **state) {
    enum { EVENTS = 6000 };
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    static char large[WIRE_MAX_TEXT + 1];
    int fd = connected(ADMIN);
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    for (uint64_t i = 1; i <= EVENTS; i++) {
        struct model_event *event = model_add(&m->events);
        event->seq = i;
        free((void *)(uintptr_t)event->message);
        event->message = copy(large);
    }
    call(fd, "{\"method\":\"io.clusterd.Subscribe\",\"more\":true,\"parameters\":{\"since\":0}}");
    ASSERT_HAS(reply(fd), "continues");
    ASSERT_HAS(reply(fd), "\"seq\":1,");
    ipc_server_event(server, &row);
    for (int i = 2; i <= EVENTS; i++) {
        ASSERT_HAS(reply(fd), "\"event\"");
    }
    ASSERT_HAS(reply(fd), "\"hello\"");
    (void)close(fd);
}

/* A reader has nothing to send that is long. */
static void test_readers_send_little(void **state) {
    static char large[CLUSTERD_IPC_MAX_READ + 1000];
    int fd = connected(READER);
    (void)state;
    memset(large, ' ', sizeof(large));
    send_bytes(fd, large, sizeof(large));
    assert_string_equal(reply(fd), "");
    (void)close(fd);
}

/* VM_LIST behind so many spaces; its end. */
static char *put_call(char *at, size_t spaces) {
    memset(at, ' ', spaces);
    memcpy(at + spaces, VM_LIST, sizeof(VM_LIST));
    return at + spaces + sizeof(VM_LIST);
}

/* Also if it comes together with a message that is within the limit. */
static void test_a_large_request_behind_another(void **state) {
    static char both[2 * CLUSTERD_IPC_MAX_READ];
    enum { HALF = 13000 };
    char *end = put_call(both, HALF);
    unsigned n = 0;
    int fd = connected(READER);
    (void)state;
    end = put_call(end, CLUSTERD_IPC_MAX_READ + 100);
    send_bytes(fd, both, HALF); /* there is room for much more now */
    harness_run(&h, 50);
    send_bytes(fd, both + HALF, (size_t)(end - both) - HALF);
    for (; reply(fd)[0]; n++) {
        assert_string_equal(buffer, "{\"parameters\":{\"vms\":[]}}");
    }
    assert_int_equal(n, 1);
    (void)close(fd);
}

/* Each of these would keep 64 answers of 3 MB for a client that reads none of them. */
static void test_answers_that_nobody_reads_stay_few(void **state) {
    enum { CLIENTS = 40, CALLS = 64, LARGE = 3 << 20, UNREAD_MOST = 64 << 20 };
    int fds[CLIENTS];
    (void)state;
    set_operation(LARGE);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connected(ADMIN);
        call(fds[i], VM_START); /* the core does not answer */
        for (int k = 0; k < CALLS; k++) {
            call(fds[i], CALL_WITH("OperationShow", "\"operation\":7"));
        }
    }
    harness_run(&h, 1000);
    struct mallinfo2 memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 2 * (size_t)UNREAD_MOST + CLIENTS * (LARGE + 1));
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    harness_run(&h, 100);
    memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 20 << 20); /* it is all given back */
}

static unsigned how_many_heard(const int *fds, unsigned n) {
    unsigned heard = 0;
    for (unsigned i = 0; i < n; i++) {
        heard += !silent(fds[i]);
    }
    return heard;
}

/* While a user's answers are unread, it gets no further ones; when they are read, it does. */
static void test_the_users_budget_is_given_back(void **state) {
    enum { CLIENTS = 30, LARGE = 3 << 20, FIT = 22 /* 64 MiB */ };
    int fds[CLIENTS];
    unsigned got = 0;
    (void)state;
    set_operation(LARGE);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connected(ADMIN);
        call(fds[i], CALL_WITH("OperationShow", "\"operation\":7"));
    }
    for (int k = 0; k < 2000 && got < FIT; k++) { /* one after the other: each takes long to make */
        harness_run(&h, 10);
        got = how_many_heard(fds, CLIENTS);
    }
    assert_int_equal(got, FIT);
    int late = connected(ADMIN);
    call(late, VM_LIST);
    harness_run(&h, 100);
    assert_true(silent(late));
    assert_int_equal(how_many_heard(fds, CLIENTS), FIT); /* the others wait */
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    ASSERT_HAS(reply(late), "\"vms\":[]");
    (void)close(late);
}

/* 1 MiB of each request may be there; of all of a user's together much less than of each. */
static void test_halves_of_requests_take_little_memory(void **state) {
    enum { CLIENTS = 60, HALF = 900 * 1024 };
    static char half[HALF];
    int fds[CLIENTS];
    (void)state;
    memset(half, ' ', sizeof(half));
    for (int i = 0; i < CLIENTS; i++) {
        size_t sent = 0;
        fds[i] = connected(ADMIN);
        for (int k = 0; k < 100 && sent < HALF; k++) {
            ssize_t n = send(fds[i], half + sent, HALF - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
            harness_run(&h, 1);
        }
    }
    struct mallinfo2 memory = mallinfo2();
    assert_true(memory.uordblks + memory.hblkhd < 32 << 20);
    for (int i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    ASSERT_HAS(ask(ADMIN, VM_LIST), "\"vms\":[]");
}

/* libqb runs a job of an idle loop 50 ms late: with 100 calls that would be 5 s. */
static void test_calls_in_one_piece_are_not_late(void **state) {
    enum { CALLS = 100, MOST_MS = 2500 };
    static char all[CALLS * sizeof(VM_LIST)];
    int fd = connected(ADMIN);
    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        memcpy(all + i * sizeof(VM_LIST), VM_LIST, sizeof(VM_LIST));
    }
    uint64_t from_ms = clock_now_ms();
    send_bytes(fd, all, sizeof(all));
    for (int i = 0; i < CALLS; i++) {
        while (whole_message(buffer, recv(fd, buffer, BUFFER, MSG_PEEK)) == 0) {
            harness_run(&h, 1);
            assert_true(clock_now_ms() - from_ms < MOST_MS);
        }
        ASSERT_HAS(reply(fd), "\"vms\":[]");
    }
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

/* A measurement would be made long after its client has given up. */
static void test_no_measurement_before_the_cluster(void **state) {
    (void)state;
    waiting = "no corosync yet";
    ASSERT_HAS(ask(ADMIN, CALL_WITH("FenceDeviceTest", "\"name\":\"d\",\"node\":\"n\"")),
               "\"error\":\"io.clusterd.NoQuorum\"");
    assert_null(h.events.first);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
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
        T(test_a_request_that_is_too_large),
        T(test_half_a_request_has_its_time),
        T(test_pieces),
        T(test_nuls_at_odd_places),
        T(test_more_where_there_is_no_more),
        T(test_a_client_that_does_not_read),
        T(test_readers_only_read),
        T(test_the_kernel_decides_who_connects),
        T(test_clusterd_asks_who_has_connected),
        T(test_one_user_has_its_share),
        T(test_sockets_are_gone_afterwards),
        T(test_events_of_a_user),
        T(test_definitions_of_readers_have_no_secrets),
        T(test_read_waits_for_the_outlook),
        T(test_a_large_event_arrives),
        T(test_replayed_events_may_be_many),
        T(test_readers_send_little),
        T(test_a_large_request_behind_another),
        T(test_answers_that_nobody_reads_stay_few),
        T(test_the_users_budget_is_given_back),
        T(test_halves_of_requests_take_little_memory),
        T(test_calls_in_one_piece_are_not_late),
        T(test_what_a_dead_clusterd_has_left),
        T(test_a_directory_in_the_place_of_a_socket),
        T(test_descriptors_are_left),
        T(test_no_descriptor_for_a_client),
        T(test_the_log_is_not_filled),
        T(test_no_measurement_before_the_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
