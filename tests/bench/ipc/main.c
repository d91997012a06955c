/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipc_bench: what clients cost clusterd, and each other. The real server with real clients, on a
 * model of so many VMs; the core behind it answers changes at once, so that a change takes as long
 * as the IPC takes. For tests/bench/requests.
 *
 *     ipc_bench reads VMS READERS            what reads of a large cluster cost, also a change
 *     ipc_bench rate CLIENTS small|status    requests, on the socket and as it was (libqb.h)
 *     ipc_bench memory CLIENTS               what clients take that are connected
 *
 * Out comes one JSON object; times are in milliseconds. "reads" has:
 *     status_ms   one status, from the call to the last byte of the reply: median of some
 *     loop_ms     of that, what the server's process computes: mean
 *     change_ms, change_most_ms   a change, with nobody else there: median and largest
 *     busy_ms, busy_most_ms       the same while the readers ask for the status in a loop
 */
#include "adapters/ipc/server.h"
#include "adapters/ipc/socket.h"
#include "base/check.h"
#include "core/core.h"
#include "libqb.h"

#include <fcntl.h>
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
#include <time.h>
#include <unistd.h>

#define STATUS "{\"method\":\"io.clusterd.Status\"}"
#define CHANGE "{\"method\":\"io.clusterd.VmStart\",\"parameters\":{\"vm\":\"vm1\"}}"
#define NODES 16u
#define VOLUMES 8u
#define READERS_MOST 64u
#define FIRST_UUID UINT64_C(100000000000) /* twelve digits end a uuid */

#define SMALL "{\"method\":\"io.clusterd.ConfigGet\",\"parameters\":{\"key\":\"restart_limit\"}}"
#define FEW_VMS 100u
#define CLIENTS_MOST 1000u
#define ASKED_MOST 1000000u

enum { STATUSES = 20, CHANGES = 200, PAUSE_US = 10000, ROUNDS = 5, ROUND_MS = 1000 };

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

static void add_volume(struct model_vm *vm, unsigned number) {
    const char **names = calloc(1, sizeof(*names));
    CHECK(names);
    set(&names[0], "volume", number, "");
    vm->volumes = (struct wire_strs){names, 1};
}

static void fill(unsigned vms) {
    struct model *m = (struct model *)(uintptr_t)core_model(core);
    for (unsigned i = 1; i <= VOLUMES; i++) {
        struct model_volume *volume = model_add(&m->volumes);
        CHECK(volume);
        volume->id = i;
        set(&volume->name, "volume", i, "");
        set(&volume->path, "/srv/volume", i, "");
    }
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
        add_volume(vm, 1 + i % VOLUMES);
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
    libqb_serve(loop, strrchr(directory, '/') + 1, core);
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

/* What the process has computed so far, in milliseconds. */
static double cpu_ms(pid_t pid) {
    clockid_t clock = 0;
    struct timespec time;
    CHECK(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void remove_all(void) {
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    CHECK(system(command) == 0);
}

/* ---- how many requests ---- */

static const struct question {
    const char *name;
    const char *call, *before; /* the same request on both ways */
} questions[] = {{"small", SMALL,
                  "{\"v\":1,\"id\":1,\"verb\":\"config.get\",\"key\":\"restart_limit\"}"},
                 {"status", STATUS, "{\"v\":1,\"id\":1,\"verb\":\"status\"}"}};

static const struct question *question_of(const char *name) {
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(questions[i].name, name) == 0) {
            return &questions[i];
        }
    }
    return NULL;
}

static double now_ms(void) {
    return (double)qb_util_nano_current_get() / 1e6;
}

/* Asks until the time is over. Its count and its median in milliseconds go through the pipe. */
static void ask_on(const struct question *question, bool before, int pipe_fd) {
    static double took[ASKED_MOST];
    size_t size = 0, n = 0;
    qb_ipcc_connection_t *old = before ? libqb_connected(strrchr(directory, '/') + 1) : NULL;
    int fd = before ? -1 : connected();
    double end_ms = now_ms() + ROUND_MS;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (n < ASKED_MOST && now_ms() < end_ms) {
        double from_ms = now_ms();
        if (before) {
            libqb_ask(old, question->before);
        } else {
            (void)ask(fd, question->call, &size);
        }
        took[n++] = now_ms() - from_ms;
    }
    CHECK(n > 0);
    qsort(took, n, sizeof(took[0]), compare);
    const double row[] = {(double)n, took[n / 2]};
    CHECK(write(pipe_fd, row, sizeof(row)) == sizeof(row));
    if (old) {
        qb_ipcc_disconnect(old); /* it removes its files in /dev/shm */
    }
    _exit(0);
}

/* One round: requests a second of all clients, and the median of the first one. */
static void round_of(const struct question *question, bool before, unsigned clients,
                     double *ret_rate, double *ret_median_ms) {
    int ends[2];
    double row[2], sum = 0;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    for (unsigned i = 0; i < clients; i++) {
        if (fork() == 0) {
            ask_on(question, before, ends[1]);
        }
    }
    for (unsigned i = 0; i < clients; i++) {
        CHECK(read(ends[0], row, sizeof(row)) == sizeof(row));
        sum += row[0];
        *ret_median_ms = row[1];
        CHECK(wait(NULL) > 0);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    *ret_rate = sum * 1000 / ROUND_MS;
}

/* By turns, so that whatever else runs hits both. */
static void rate(const struct question *question, unsigned clients) {
    double rates[2][ROUNDS], medians[2][ROUNDS];
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        round_of(question, i % 2 == 1, clients, &rates[i % 2][i / 2], &medians[i % 2][i / 2]);
    }
    for (unsigned i = 0; i < 2; i++) {
        qsort(rates[i], ROUNDS, sizeof(double), compare);
        qsort(medians[i], ROUNDS, sizeof(double), compare);
    }
    printf("{\"clients\": %u, \"question\": \"%s\", \"rate\": %.0f, \"rate_before\": %.0f, \"ms\": "
           "%.4f, "
           "\"ms_before\": %.4f}\n",
           clients, question->name, rates[0][ROUNDS / 2], rates[1][ROUNDS / 2],
           medians[0][ROUNDS / 2], medians[1][ROUNDS / 2]);
}

/* ---- memory ---- */

/* KiB that the process has resident, with what it shares. */
static unsigned long resident_kib(pid_t pid) {
    char path[64], line[256];
    unsigned long kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    CHECK(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtoul(line + 6, NULL, 10);
        }
    }
    (void)fclose(file);
    return kib;
}

static void memory(pid_t daemon, unsigned clients) {
    int fds[CLIENTS_MOST];
    size_t size = 0;
    CHECK(clients > 0 && clients <= CLIENTS_MOST);
    int first = connected();
    (void)ask(first, SMALL, &size);
    unsigned long before_kib = resident_kib(daemon);
    fds[0] = first;
    for (unsigned i = 1; i < clients; i++) {
        fds[i] = connected();
        (void)ask(fds[i], SMALL, &size);
    }
    unsigned long with_kib = resident_kib(daemon);
    for (unsigned i = 0; i < clients; i++) {
        (void)close(fds[i]);
    }
    printf("{\"clients\": %u, \"kib\": %lu, \"kib_before\": %lu}\n", clients, with_kib, before_kib);
}

/* ---- */

static void reads(pid_t daemon, unsigned vms, unsigned readers) {
    static double status[STATUSES], alone[CHANGES], busy[CHANGES];
    pid_t pids[READERS_MOST];
    CHECK(readers <= READERS_MOST);
    (void)close(connected()); /* the model is full */
    double from_ms = cpu_ms(daemon);
    size_t size = measure(STATUS, STATUSES, 600000, status);
    double loop_ms = (cpu_ms(daemon) - from_ms) / STATUSES;
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
    printf("{\"vms\": %u, \"readers\": %u, \"status_bytes\": %zu, \"status_ms\": %.1f, "
           "\"loop_ms\": %.1f, \"change_ms\": %.2f, \"change_most_ms\": %.2f, \"busy_ms\": %.2f, "
           "\"busy_most_ms\": %.2f}\n",
           vms, readers, size, status[STATUSES / 2], loop_ms, alone[CHANGES / 2],
           alone[CHANGES - 1], busy[CHANGES / 2], busy[CHANGES - 1]);
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    unsigned n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    bool of_reads = strcmp(what, "reads") == 0 && argc == 4;
    const struct question *question =
        strcmp(what, "rate") == 0 && argc == 4 ? question_of(argv[3]) : NULL;
    if (!of_reads && !question && !(strcmp(what, "memory") == 0 && argc == 3)) {
        (void)fprintf(stderr, "ipc_bench reads VMS READERS | rate CLIENTS small|status | "
                              "memory CLIENTS\n");
        return 2;
    }
    CHECK(mkdtemp(directory));
    pid_t daemon = fork();
    if (daemon == 0) {
        serve(of_reads ? n : FEW_VMS);
    }
    if (of_reads) {
        reads(daemon, n, (unsigned)strtoul(argv[3], NULL, 10));
    } else if (question) {
        (void)close(connected());
        rate(question, n);
    } else {
        memory(daemon, n);
    }
    end(daemon);
    remove_all();
    return 0;
}
