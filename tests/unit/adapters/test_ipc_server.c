/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPC server with real clients, which are child processes. The core behind it is one that has
 * not booted; where it would answer, the test does.
 */
#include "harness.h"

#include "adapters/ipc/server.h"
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
#include <qb/qbipcc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness h;
static struct core *core;
static struct ipc_server *server;
static const char *waiting;
static size_t buffer_bytes = CLUSTERD_IPC_MAX_RESPONSE; /* that clients ask for */
static char service[64];
static int answers[2]; /* pipe: what clients received */

static const char *cluster_of(void *context) {
    (void)context;
    return "lab";
}

static const char *waiting_of(void *context) {
    (void)context;
    return waiting;
}

static int setup(void **state) {
    const struct ipc_source source = {.cluster = cluster_of, .waiting = waiting_of};
    const struct ipc_groups groups = {.admin_group = "adm", .reader_group = "video"};
    (void)state;
    harness_init(&h);
    waiting = "";
    (void)snprintf(service, sizeof(service), "clusterd-test-%d", (int)getpid());
    assert_int_equal(core_create(&core), 0);
    struct ipc_source full = source;
    full.core = core;
    assert_int_equal(ipc_server_create(h.loop, service, &groups, &full, harness_sink(&h), &server),
                     0);
    assert_int_equal(pipe2(answers, O_NONBLOCK), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ipc_server_destroy(server);
    core_destroy(core);
    (void)close(answers[0]);
    (void)close(answers[1]);
    harness_finish(&h);
    return 0;
}

/* In the child: sends a request; 0, or libqb's error. */
static ssize_t send_request(qb_ipcc_connection_t *c, const char *text) {
    struct qb_ipc_request_header header = {.id = QB_IPC_MSG_USER_START};
    header.size = (int32_t)(sizeof(header) + strlen(text));
    struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)text, strlen(text)}};
    return qb_ipcc_sendv(c, parts, 2);
}

static void tell(const char *line) {
    char text[8192];
    int n = snprintf(text, sizeof(text), "%s\n", line);
    if (write(answers[1], text, (size_t)n) < 0) {
        _exit(9);
    }
}

static void tell_answers(qb_ipcc_connection_t *c, unsigned n_answers, unsigned n_events) {
    static char buffer[CLUSTERD_IPC_MAX_RESPONSE];
    const size_t head = sizeof(struct qb_ipc_response_header);
    for (unsigned i = 0; i < n_answers + n_events; i++) {
        ssize_t n = i < n_answers ? qb_ipcc_recv(c, buffer, sizeof(buffer), 5000)
                                  : qb_ipcc_event_recv(c, buffer, sizeof(buffer), 5000);
        tell(n < (ssize_t)head ? "nothing" : buffer + head);
    }
}

struct client {
    const char *const *requests;
    unsigned n_requests, n_answers, n_events;
    uid_t uid;
    gid_t group; /* the only supplementary one */
    bool hang;   /* subscribe and never read */
};

static void client_main(const struct client *client) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (client->uid && (setgroups(client->group ? 1 : 0, &client->group) < 0 || setgid(65534) < 0 ||
                        setuid(client->uid) < 0)) {
        _exit(8);
    }
    qb_ipcc_connection_t *c = qb_ipcc_connect(service, buffer_bytes);
    if (!c) {
        tell("refused");
        _exit(0);
    }
    for (unsigned i = 0; i < client->n_requests; i++) {
        (void)send_request(c, client->requests[i]);
    }
    tell_answers(c, client->n_answers, client->n_events);
    if (client->hang) {
        (void)pause();
    }
    qb_ipcc_disconnect(c);
    _exit(0);
}

static pid_t start(const struct client *client) {
    pid_t pid = fork();
    if (pid == 0) {
        client_main(client);
    }
    assert_true(pid > 0);
    return pid;
}

static void finish(pid_t pid) {
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 1000 && (ended = waitpid(pid, &status, WNOHANG)) == 0; i++) {
        harness_run(&h, 10);
    }
    assert_int_equal(ended, pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* All that clients have told so far. */
static const char *told(void) {
    static char text[65536];
    ssize_t n = read(answers[0], text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    print_message("%s", text);
    return text;
}

static void wait_until_told(const char *what) {
    for (int i = 0; i < 1000; i++) {
        if (strstr(told(), what)) {
            return;
        }
        harness_run(&h, 10);
    }
    fail_msg("no client told within 10 s: %s", what);
}

static const char *ask_as(uid_t uid, const char *group, const char *request) {
    const struct group *entry = group[0] ? getgrnam(group) : NULL;
    const struct client client = {.requests = &request,
                                  .n_requests = 1,
                                  .n_answers = 1,
                                  .uid = uid,
                                  .group = entry ? entry->gr_gid : 0};
    finish(start(&client));
    return told();
}

static const char *ask(const char *request) {
    return ask_as(0, "", request);
}

static void test_reads_and_errors(void **state) {
    (void)state;
    waiting = "corosync does not answer";
    const char *text = ask("{\"v\":1,\"id\":3,\"verb\":\"status\"}");
    assert_non_null(strstr(text, "\"id\":3,\"ok\":true,\"cluster\":\"lab\",\"quorate\":false"));
    assert_non_null(strstr(text, "corosync does not answer"));
    text = ask("{\"v\":1,\"id\":4,\"verb\":\"vm.start\",\"vm\":\"a\"}");
    assert_non_null(strstr(text, "\"id\":4,\"ok\":false"));
    assert_non_null(strstr(text, "\"code\":\"no-quorum\""));
    assert_non_null(strstr(ask("{\"v\":1,"), "\"code\":\"usage\""));
    assert_non_null(strstr(ask(""), "\"code\":\"usage\""));
}

static void test_change_goes_to_the_core(void **state) {
    const char *request = "{\"v\":1,\"id\":7,\"verb\":\"vm.start\",\"vm\":\"web\"}";
    const struct client client = {.requests = &request, .n_requests = 1, .n_answers = 1};
    (void)state;
    pid_t pid = start(&client);
    const struct core_event *event = harness_wait(&h, 5000);
    assert_int_equal(event->type, CORE_EVENT_REQUEST);
    assert_int_equal(event->request.command, COMMAND_VM_START);
    assert_string_equal(((const struct cmd_vm_start *)event->request.value)->vm, "web");
    const struct core_reply reply = {
        .id = event->request.id, .code = REPLY_OK, .operation = 12, .message = "", .hint = ""};
    ipc_server_reply(server, &reply);
    ipc_server_reply(server, &reply); /* a second one has nobody to go to */
    finish(pid);
    assert_non_null(strstr(told(), "\"id\":7,\"ok\":true,\"operation\":12"));
}

static void test_answer_that_does_not_fit(void **state) {
    const char *request = "{\"v\":1,\"id\":7,\"verb\":\"vm.start\",\"vm\":\"web\"}";
    const struct client client = {.requests = &request, .n_requests = 1, .n_answers = 1};
    static char large[100000];
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    buffer_bytes = 16384;
    pid_t pid = start(&client);
    const struct core_event *event = harness_wait(&h, 5000);
    const struct core_reply reply = {
        .id = event->request.id, .code = REPLY_OK, .message = large, .hint = ""};
    ipc_server_reply(server, &reply);
    finish(pid);
    buffer_bytes = CLUSTERD_IPC_MAX_RESPONSE;
    assert_non_null(strstr(told(), "\"id\":7,\"ok\":false,\"error\":{\"code\":\"too-large\""));
}

static void test_client_gone_before_the_answer(void **state) {
    const char *request = "{\"v\":1,\"id\":7,\"verb\":\"vm.start\",\"vm\":\"web\"}";
    const struct client client = {.requests = &request, .n_requests = 1, .hang = true};
    (void)state;
    pid_t pid = start(&client);
    const struct core_event *event = harness_wait(&h, 5000);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    harness_run(&h, 100);
    const struct core_reply reply = {
        .id = event->request.id, .code = REPLY_REFUSED, .message = "no", .hint = ""};
    ipc_server_reply(server, &reply);
    assert_non_null(strstr(ask("{\"v\":1,\"id\":1,\"verb\":\"vm.list\"}"), "\"vms\":[]"));
}

static void test_access(void **state) {
    static const char list[] = "{\"v\":1,\"id\":1,\"verb\":\"vm.list\"}";
    static const char change[] = "{\"v\":1,\"id\":1,\"verb\":\"operation.cancel\",\"operation\":1}";
    static const char try_device[] =
        "{\"v\":1,\"id\":1,\"verb\":\"fence-device.test\",\"name\":\"d\",\"node\":\"n\"}";
    static const char measure[] = "{\"v\":1,\"id\":1,\"verb\":\"vm.predict\",\"vm\":\"web\"}";
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_string_equal(ask_as(65534, "", list), "refused\n");
    assert_non_null(strstr(ask_as(65534, "video", list), "\"ok\":true"));
    assert_non_null(strstr(ask_as(65534, "video", change), "\"code\":\"permission\""));
    assert_non_null(strstr(ask_as(65534, "video", try_device), "\"code\":\"permission\""));
    assert_non_null(strstr(ask_as(65534, "video", measure), "\"code\":\"permission\""));
    waiting = "not yet";
    assert_non_null(strstr(ask_as(65534, "adm", change), "\"code\":\"no-quorum\""));
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

/* A reader gets no secret, by whatever verb; an administrator the definition as it is. */
static void test_definitions_of_readers_have_no_secrets(void **state) {
    static const char *const reads[] = {
        "{\"v\":1,\"id\":1,\"verb\":\"vm.show\",\"vm\":\"web\"}",
        "{\"v\":1,\"id\":1,\"verb\":\"vm.list\"}",
        "{\"v\":1,\"id\":1,\"verb\":\"status\"}",
        "{\"v\":1,\"id\":1,\"verb\":\"export\"}",
        "{\"v\":1,\"id\":1,\"verb\":\"event.list\"}",
    };
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    add_vm();
    assert_int_equal(secrets_in(definition), 20);
    assert_int_equal(secrets_in(ask_as(0, "", reads[0])), 20);
    assert_int_equal(secrets_in(ask_as(65534, "adm", reads[0])), 20);
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        const char *text = ask_as(65534, "video", reads[i]);
        assert_non_null(strstr(text, "\"id\":1,\"ok\":"));
        assert_int_equal(secrets_in(text), 0);
    }
    const char *text = ask_as(65534, "video", reads[0]);
    assert_non_null(strstr(text, "<name>web</name>"));
    assert_non_null(strstr(text, "passwd='********'"));
    assert_non_null(strstr(text, "name='img?********'"));
}

/* Where a VM that is down could go is planned first; the model is read when the core says so. */
static void test_read_waits_for_the_outlook(void **state) {
    const char *request = "{\"v\":1,\"id\":7,\"verb\":\"vm.list\"}";
    const struct client client = {.requests = &request, .n_requests = 1, .n_answers = 1};
    (void)state;
    add_vm();
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    struct model_vm *vm = model_row(&m->vms, model_vm_by_name(m, "web"));
    vm->state = VM_OFF;
    vm->wanted = WANTED_RUNNING;
    pid_t pid = start(&client);
    const struct core_event *event = harness_wait(&h, 5000);
    assert_int_equal(event->type, CORE_EVENT_REQUEST);
    assert_int_equal(event->request.kind, REQUEST_OUTLOOK);
    vm->memory_mb = 4711; /* read before the answer, it would say 0 */
    const struct core_reply reply = {
        .id = event->request.id, .code = REPLY_OK, .message = "", .hint = ""};
    ipc_server_reply(server, &reply);
    finish(pid);
    const char *text = told();
    assert_non_null(strstr(text, "\"id\":7,\"ok\":true"));
    assert_non_null(strstr(text, "\"memory_mb\":4711"));
    vm->wanted = WANTED_STOPPED; /* nothing is planned: answered at once */
    assert_non_null(strstr(ask(request), "\"name\":\"web\""));
}

static struct model_event row = {.seq = 1,
                                 .kind = "k",
                                 .node = "n",
                                 .subject = "s",
                                 .message = "hello",
                                 .repeated = 2,
                                 .first_ms = 7};

static void test_subscription(void **state) {
    const char *request = "{\"v\":1,\"id\":2,\"verb\":\"subscribe\"}";
    const struct client client = {
        .requests = &request, .n_requests = 1, .n_answers = 1, .n_events = 2};
    const struct core_progress progress = {.operation = 5, .percent = 40};
    (void)state;
    pid_t pid = start(&client);
    wait_until_told("\"ok\":true");
    ipc_server_event(server, &row);
    ipc_server_progress(server, &progress);
    ipc_server_operation(server, 99); /* there is none: nothing is sent */
    finish(pid);
    const char *text = told();
    assert_non_null(strstr(text, "{\"event\":{\"seq\":1"));
    assert_non_null(strstr(text, "\"message\":\"hello\",\"repeated\":2,\"first_ms\":7}}"));
    assert_non_null(strstr(text, "{\"progress\":{\"operation\":5,\"vm\":\"\",\"percent\":40"));
}

static void test_slow_subscriber_is_hung_up_on(void **state) {
    const char *request = "{\"v\":1,\"id\":2,\"verb\":\"subscribe\"}";
    const struct client slow = {
        .requests = &request, .n_requests = 1, .n_answers = 1, .hang = true};
    static char large[WIRE_MAX_TEXT + 1];
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    row.message = large;
    pid_t pid = start(&slow);
    wait_until_told("\"ok\":true");
    for (int i = 0; i < 20000; i++) { /* 20 MB: more than any ring holds */
        ipc_server_event(server, &row);
    }
    harness_run(&h, 50);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_non_null(strstr(ask("{\"v\":1,\"id\":1,\"verb\":\"vm.list\"}"), "\"vms\":[]"));
}

static void test_many_unanswered(void **state) {
    const char *requests[66];
    (void)state;
    for (unsigned i = 0; i < 66; i++) {
        requests[i] = "{\"v\":1,\"id\":7,\"verb\":\"vm.start\",\"vm\":\"web\"}";
    }
    const struct client client = {.requests = requests, .n_requests = 65, .n_answers = 1};
    finish(start(&client));
    assert_non_null(strstr(told(), "requests of this client are unanswered"));
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_reads_and_errors),
        T(test_change_goes_to_the_core),
        T(test_access),
        T(test_client_gone_before_the_answer),
        T(test_subscription),
        T(test_slow_subscriber_is_hung_up_on),
        T(test_many_unanswered),
        T(test_answer_that_does_not_fit),
        T(test_definitions_of_readers_have_no_secrets),
        T(test_read_waits_for_the_outlook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
