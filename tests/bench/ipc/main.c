/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipc_bench: what reads of a large cluster cost, and what they cost a change. The real server with
 * real clients, on a model of so many VMs; the core behind it answers changes at once, so that a
 * change takes as long as the IPC takes.
 *
 *     ipc_bench [VMS [READERS]]     (default 8000 and 12)
 *
 * Out comes one JSON object; times are in milliseconds:
 *     status_ms   one status, from the call to the last byte of the reply: median of some
 *     change_ms   a change, with nobody else there: median and largest
 *     busy_ms     the same while the readers ask for the status in a loop
 */
#include "adapters/ipc/server.h"
#include "adapters/ipc/socket.h"
#include "base/check.h"
#include "core/core.h"

#include <qb/qbdefs.h>
#include <qb/qbutil.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS "{\"method\":\"io.clusterd.Status\"}"
#define CHANGE "{\"method\":\"io.clusterd.VmStart\",\"parameters\":{\"vm\":\"vm1\"}}"
#define NODES 16u
#define READERS_MOST 64u
#define FIRST_UUID UINT64_C(100000000000) /* twelve digits end a uuid */

enum { STATUSES = 20, CHANGES = 200, PAUSE_US = 10000 };

static qb_loop_t *loop;
static struct core *core;
static struct ipc_server *server;
static char directory[] = "/tmp/ipc_bench-XXXXXX";

/* ---- the cluster ---- */

static void set(const char **field, const char *before, uint64_t number, const char *after) {
    char text[512];
    (void)snprintf(text, sizeof(text), "%s%llu%s", before, (unsigned long long)number, after);
    free((void *)(uintptr_t)*field);
    *field = strdup(text);
    CHECK(*field);
}

static void fill(unsigned vms) {
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    for (unsigned i = 1; i <= NODES; i++) {
        struct model_node *node = model_add(&m->nodes);
        CHECK(node);
        node->id = i;
        set(&node->name, "node", i, "");
        node->state = NODE_ONLINE;
        node->memory_mb = 1 << 20;
    }
    for (unsigned i = 1; i <= vms; i++) {
        struct model_vm *vm = model_add(&m->vms);
        CHECK(vm);
        vm->id = i;
        set(&vm->name, "vm", i, "");
        set(&vm->uuid, "00000000-0000-4000-8000-", FIRST_UUID + i, "");
        set(&vm->xml, "<domain type='kvm'><name>vm", i, "</name><devices/></domain>");
        vm->memory_mb = 1024;
        vm->vcpus = 2;
        vm->wanted = WANTED_RUNNING;
        vm->state = VM_RUNNING;
        vm->owner = 1 + i % NODES;
    }
}

static const char *text_of(void *context) {
    (void)context;
    return "";
}

struct answer {
    uint64_t id;
    qb_loop_timer_handle timer;
};

static void answer_now(void *data) {
    struct answer *answer = data;
    const struct core_reply reply = {
        .id = answer->id, .code = REPLY_OK, .operation = 1, .message = "", .hint = ""};
    ipc_server_reply(server, &reply);
    free(answer);
}

/* As the driver does it: the core has its turn later. */
static void post(void *context, const struct core_event *event) {
    struct answer *answer = malloc(sizeof(*answer));
    (void)context;
    CHECK(answer && event->type == CORE_EVENT_REQUEST);
    answer->id = event->request.id;
    CHECK(qb_loop_timer_add(loop, QB_LOOP_HIGH, 0, answer, answer_now, &answer->timer) == 0);
}

static void serve(unsigned vms) {
    const struct ipc_groups groups = {.admin_group = "", .reader_group = ""};
    struct ipc_source source = {.cluster = text_of, .waiting = text_of};
    struct socket_door *door = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    loop = qb_loop_create();
    CHECK(loop && core_create(&core) == 0);
    fill(vms);
    source.core = core;
    CHECK(ipc_server_create(loop, &source, (struct event_sink){.post = post}, &server) == 0);
    CHECK(socket_door_open(server, loop, directory, &groups, &door) == 0);
    qb_loop_run(loop);
    _exit(1);
}

/* ---- clients ---- */

static int connected(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/io.clusterd", directory);
    for (int tries = 0; tries < 1000; tries++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
            return fd;
        }
        (void)close(fd);
        (void)usleep(PAUSE_US); /* the server is still filling its model */
    }
    CHECK(false); /* nobody listens */
    return -1;
}

/* Milliseconds, and the size of the reply. */
static double ask(int fd, const char *call, size_t *ret_size) {
    static char part[1 << 18];
    uint64_t from_ns = qb_util_nano_current_get();
    size_t size = 0;
    ssize_t n = 0;
    CHECK(send(fd, call, strlen(call) + 1, MSG_NOSIGNAL) == (ssize_t)strlen(call) + 1);
    do {
        n = recv(fd, part, sizeof(part), 0);
        CHECK(n > 0);
        CHECK(size > 0 || strncmp(part, "{\"error\"", 8) != 0);
        size += (size_t)n;
    } while (part[n - 1] != '\0');
    *ret_size = size;
    return (double)(qb_util_nano_current_get() - from_ns) / 1e6;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Sorted. With pauses: nothing that is kept from one is there for the next. */
static size_t measure(const char *call, unsigned n, unsigned pause_us, double *ret_ms) {
    size_t size = 0;
    int fd = connected();
    for (unsigned i = 0; i < n; i++) {
        (void)usleep(pause_us);
        ret_ms[i] = ask(fd, call, &size);
    }
    (void)close(fd);
    qsort(ret_ms, n, sizeof(ret_ms[0]), compare);
    return size;
}

static void read_for_ever(void) {
    size_t size = 0;
    int fd = connected();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) {
        (void)ask(fd, STATUS, &size);
    }
}

static void end(pid_t pid) {
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void remove_all(void) {
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    CHECK(system(command) == 0);
}

int main(int argc, char **argv) {
    static double status[STATUSES], alone[CHANGES], busy[CHANGES];
    unsigned vms = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 8000;
    unsigned readers = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 12;
    pid_t pids[READERS_MOST];
    CHECK(readers <= READERS_MOST && mkdtemp(directory));
    pid_t daemon = fork();
    if (daemon == 0) {
        serve(vms);
    }
    size_t size = measure(STATUS, STATUSES, 600000, status);
    (void)measure(CHANGE, CHANGES, PAUSE_US, alone);
    for (unsigned i = 0; i < readers; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            read_for_ever();
        }
    }
    (void)measure(CHANGE, CHANGES, PAUSE_US, busy);
    for (unsigned i = 0; i < readers; i++) {
        end(pids[i]);
    }
    end(daemon);
    remove_all();
    printf("{\"vms\": %u, \"readers\": %u, \"status_bytes\": %zu, \"status_ms\": %.1f, "
           "\"change_ms\": [%.2f, %.2f], \"busy_ms\": [%.2f, %.2f]}\n",
           vms, readers, size, status[STATUSES / 2], alone[CHANGES / 2], alone[CHANGES - 1],
           busy[CHANGES / 2], busy[CHANGES - 1]);
    return 0;
}
