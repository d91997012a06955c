/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd: creates the parts, connects them, runs the loop, destroys them.
 *
 * The order at the start: configuration, pid file, clients' sockets, room for the database, the
 * database, agents, then corosync. The core boots when corosync has said who this node is. Until
 * then clients get answers, and learn what clusterd waits for.
 */
#include "adapters/clock.h"
#include "adapters/ipc/socket.h"
#include "config/config.h"
#include "adapters/corosync/check_times.h"
#include "adapters/store/flight_record.h"
#include "adapters/store/room.h"
#include "adapters/logging.h"
#include "adapters/notify.h"
#include "adapters/realtime.h"
#include "base/check.h"
#include "base/standard_fds.h"
#include "driver.h"
#include "options.h"
#include "wire/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(IPC_AGENT_PATH == FENCE_MAX_PATH, "find_agent() hands one to the other");

struct daemon {
    struct config config;
    qb_loop_t *loop;
    struct core *core;
    struct driver *driver;
    struct driver_adapters adapters;
    struct socket_door *ipc_door;
    struct room *room;
    bool full; /* the database could not be opened for lack of room */
    char cluster_name[WIRE_MAX_NAME + 1];
    char watchdog_misfit[COROSYNC_MAX_MESSAGE]; /* "": the watchdog fits corosync's times */
    bool ring_in_clear;                         /* corosync does not encrypt */
    char list_changed[COROSYNC_MAX_MESSAGE];    /* corosync's list; "": unchanged since the start */
    int pid_fd;
    int exit_code; /* the failure's own exit code; 0: none */
};

static int fail(struct daemon *d, int exit_code, const char *message) {
    d->exit_code = exit_code;
    log_error("%s", message);
    return -EINVAL;
}

/* ---- boot ---- */

static uint64_t random_incarnation(void) {
    uint64_t number = 0;
    while (number == 0) {
        CHECK(getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number));
    }
    return number;
}

/* Refuses to start. An administrator must repair the cause: the next start would fail as well. */
static int refuse(struct daemon *d, const char *message) {
    d->exit_code = EXIT_CONFIG;
    driver_exit(d->driver, -EINVAL, message);
    return -EINVAL;
}

static bool is_new(const struct core_stored_state *state) {
    return state->promised == 0 && state->snapshot_index == 0 && state->n_entries == 0;
}

static void check_privacy(struct daemon *d, const struct corosync_config *corosync) {
    bool in_clear = !fit_is_private(corosync);
    if (in_clear && !d->ring_in_clear) {
        log_warning("corosync does not encrypt what the nodes tell each other, passwords of fence "
                    "devices among it: set crypto_cipher: aes256 and crypto_hash: sha256 in "
                    "corosync.conf; see clusterd(8)");
    } else if (!in_clear && d->ring_in_clear) {
        log_info("corosync encrypts now what the nodes tell each other");
    }
    d->ring_in_clear = in_clear;
}

/* Corosync has reported its configuration. */
static int on_ready(void *context, const struct corosync_config *corosync) {
    struct daemon *d = context;
    char message[STORE_MAX_MESSAGE];
    memcpy(d->cluster_name, corosync->cluster_name, sizeof(d->cluster_name));
    if (is_new(sqlite_store_state(d->adapters.store)) && fit_is_package_example(corosync)) {
        return refuse(d, "corosync runs with the example of its package (one node, 127.0.0.1): "
                         "write /etc/corosync/corosync.conf for all nodes, run systemctl restart "
                         "corosync, then start clusterd");
    }
    if (!fit_watchdog(corosync, watchdog_timeout_ms(d->adapters.watchdog), message,
                      sizeof(message))) {
        return refuse(d, message);
    }
    int error = sqlite_store_claim(d->adapters.store, corosync->node, message);
    if (error < 0) {
        d->exit_code = EXIT_DATABASE;
        driver_exit(d->driver, error, message);
        return error;
    }
    check_privacy(d, corosync);
    const struct core_boot boot = {
        .node = corosync->node,
        .incarnation = random_incarnation(),
        .version = CLUSTERD_VERSION,
        .nodes = {(void *)(uintptr_t)corosync->nodes, corosync->n_nodes},
        .two_node = corosync->two_node,
        .last_man_standing = corosync->last_man_standing,
        .quorum_device = corosync->quorum_device,
        .wait_for_all = corosync->wait_for_all,
        .memory_mb = d->config.memory_mb,
        .cpus = d->config.cpus,
        .site = d->config.site,
        .rack = d->config.rack,
        .watchdog_ms = watchdog_timeout_ms(d->adapters.watchdog),
        .migrate_uri = d->config.migrate_uri,
        .libvirt_uri = d->config.libvirt_uri,
        .state = *sqlite_store_state(d->adapters.store),
    };
    error = driver_boot(d->driver, &boot);
    sqlite_store_forget(d->adapters.store);
    return error;
}

/* Corosync's times may have become too long for the watchdog. Only report that: other nodes may
 * rely on the timeout that this node reported. */
static void check_watchdog(struct daemon *d, const struct corosync_config *corosync) {
    char message[COROSYNC_MAX_MESSAGE] = "";
    (void)fit_watchdog(corosync, watchdog_timeout_ms(d->adapters.watchdog), message,
                       sizeof(message));
    if (message[0] && strcmp(message, d->watchdog_misfit) != 0) {
        log_error("%s; then restart clusterd", message);
    } else if (!message[0] && d->watchdog_misfit[0]) {
        log_info("corosync's token and consensus fit watchdog_ms again");
    }
    memcpy(d->watchdog_misfit, message, sizeof(message));
}

static void on_changed(void *context, const struct corosync_config *before,
                       const struct corosync_config *now) {
    struct daemon *d = context;
    char text[COROSYNC_MAX_MESSAGE] = "";
    check_watchdog(d, now);
    check_privacy(d, now);
    if (!fit_same_nodes(before, now)) {
        fit_nodes_text(now, text, sizeof(text));
    }
    if (text[0] && strcmp(text, d->list_changed) != 0) {
        log_warning("corosync's list of nodes has changed (%s): to use it, restart clusterd on one "
                    "node after the other",
                    text);
    }
    memcpy(d->list_changed, text, sizeof(text));
}

static void on_fatal(void *context, int error, const char *message) {
    struct daemon *d = context;
    d->exit_code = error == -EBUSY ? EXIT_DUPLICATE : EXIT_CONFIG;
    driver_exit(d->driver, error, message);
}

static int32_t on_signal(int32_t number, void *data) {
    struct daemon *d = data;
    log_info("%s: stopping", strsignal(number));
    notify_supervisor("STOPPING=1");
    if (driver_booted(d->driver)) {
        const struct event_sink sink = driver_sink(d->driver);
        const struct core_event event = {.type = CORE_EVENT_STOP};
        sink_post(&sink, &event);
    } else {
        driver_exit(d->driver, 0, "");
    }
    return 0;
}

static const char *cluster_of(void *context) {
    return ((const struct daemon *)context)->cluster_name;
}

static const char *waiting_of(void *context) {
    const struct daemon *d = context;
    if (driver_booted(d->driver)) {
        return "";
    }
    const char *problem =
        d->adapters.ring ? corosync_ring_problem(d->adapters.ring) : room_problem(d->room);
    return problem[0] ? problem : "clusterd is starting";
}

static const char *misfit_of(void *context) {
    return ((const struct daemon *)context)->watchdog_misfit;
}

static const char *list_changed_of(void *context) {
    return ((const struct daemon *)context)->list_changed;
}

static bool ring_in_clear_of(void *context) {
    return ((const struct daemon *)context)->ring_in_clear;
}

static int find_agent(void *context, const char *agent, char *ret_path) {
    return fence_find_agent(((const struct daemon *)context)->adapters.fence, agent, ret_path);
}

/* ---- start ---- */

/* Passwords are all over this process's memory. Not RLIMIT_CORE: it does not count for a core that
 * is piped into a program (systemd-coredump), and agents would inherit it. This does, and ends with
 * exec. A debugger of root's still gets in. */
static void leave_no_core(void) {
    if (prctl(PR_SET_DUMPABLE, 0) < 0) {
        log_warning("a core dump of clusterd would hold passwords, and cannot be prevented: %s",
                    strerror(errno));
    }
}

/* Clients must be able to reach the sockets there, and only root may put others in their place. */
static int make_run_dir(struct daemon *d) {
    char message[CONFIG_MAX_TEXT + 128];
    struct stat found;
    bool made = mkdir(d->config.run_dir, 0755) == 0;
    if ((!made && errno != EEXIST) || (made && chmod(d->config.run_dir, 0755) < 0) ||
        stat(d->config.run_dir, &found) < 0) {
        (void)snprintf(message, sizeof(message), "run_dir %s cannot be created: %s",
                       d->config.run_dir, strerror(errno));
        return fail(d, EXIT_CONFIG, message);
    }
    if ((found.st_uid != 0 && found.st_uid != geteuid()) || (found.st_mode & 0022) != 0) {
        (void)snprintf(message, sizeof(message),
                       "run_dir %s: others can write to it; it must belong to root and have mode "
                       "0755",
                       d->config.run_dir);
        return fail(d, EXIT_CONFIG, message);
    }
    return 0;
}

static int write_pid_file(struct daemon *d) {
    char path[CONFIG_MAX_TEXT + 32];
    char message[CONFIG_MAX_TEXT + 128];
    int error = make_run_dir(d);
    if (error < 0) {
        return error;
    }
    (void)snprintf(path, sizeof(path), "%s/" RUN_DIR_PID_FILE, d->config.run_dir);
    /* Whoever may read it could hold its lock, and keep clusterd from starting. */
    d->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->pid_fd < 0) {
        (void)snprintf(message, sizeof(message), "%s: %s", path, strerror(errno));
        return fail(d, EXIT_CONFIG, message);
    }
    if (flock(d->pid_fd, LOCK_EX | LOCK_NB) < 0) {
        (void)snprintf(message, sizeof(message), "another clusterd runs on this node: it holds %s",
                       path);
        return fail(d, EXIT_DUPLICATE, message);
    }
    if (ftruncate(d->pid_fd, 0) < 0 || dprintf(d->pid_fd, "%d\n", (int)getpid()) < 0) {
        (void)snprintf(message, sizeof(message), "%s: %s", path, strerror(errno));
        return fail(d, EXIT_BROKEN, message);
    }
    return 0;
}

static int open_store(struct daemon *d) {
    char message[STORE_MAX_MESSAGE];
    int error = sqlite_store_open(d->loop, d->config.state_dir, driver_sink(d->driver),
                                  &d->adapters.store, message);
    if (error == 0) {
        return 0;
    }
    d->full = error == -ENOSPC;
    return fail(d,
                error == -EBUSY                                  ? EXIT_DUPLICATE
                : error == -EBADMSG || error == -EPROTONOSUPPORT ? EXIT_DATABASE
                                                                 : EXIT_BROKEN,
                message);
}

static int open_ipc(struct daemon *d) {
    const struct ipc_groups groups = {d->config.admin_group, d->config.reader_group};
    const struct ipc_source source = {.core = d->core,
                                      .cluster = cluster_of,
                                      .waiting = waiting_of,
                                      .misfit = misfit_of,
                                      .list_changed = list_changed_of,
                                      .ring_in_clear = ring_in_clear_of,
                                      .find_agent = find_agent,
                                      .context = d};
    if (ipc_server_create(d->loop, &source, driver_sink(d->driver), &d->adapters.ipc) < 0) {
        return fail(d, EXIT_BROKEN, "out of memory");
    }
    int error =
        socket_door_open(d->adapters.ipc, d->loop, d->config.run_dir, &groups, &d->ipc_door);
    return error < 0 ? fail(d, EXIT_BROKEN,
                            "its sockets in run_dir cannot be opened: clusterctl could not connect")
                     : 0;
}

static int open_adapters(struct daemon *d) {
    char message[512] = "";
    struct event_sink sink = driver_sink(d->driver);
    const struct ring_handlers handlers = {
        .ready = on_ready, .changed = on_changed, .fatal = on_fatal, .context = d};
    int error = open_store(d);
    if (error == 0 && watchdog_create(d->config.watchdog, d->config.watchdog_ms,
                                      &d->adapters.watchdog, message, sizeof(message)) < 0) {
        error = fail(d, EXIT_CONFIG, message);
    }
    if (error == 0 &&
        (agents_create(d->loop, d->config.agent_dir, sink, &d->adapters.agents) < 0 ||
         fence_create(d->loop, d->config.fence_agent_dir, sink, &d->adapters.fence) < 0 ||
         solver_create(d->loop, sink, &d->adapters.solver) < 0 ||
         corosync_ring_create(d->loop, sink, &handlers, &d->adapters.ring) < 0)) {
        error = fail(d, EXIT_BROKEN, "out of memory");
    }
    if (error == 0) {
        driver_attach(d->driver, &d->adapters);
        realtime_thread();
    }
    return error;
}

/* There is room for the database. */
static int on_room(void *context) {
    struct daemon *d = context;
    int error = open_adapters(d);
    if (error < 0 && d->room) { /* it has waited: the loop runs */
        driver_exit(d->driver, error, "it cannot start");
    }
    return error;
}

static int open_all(struct daemon *d) {
    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(0077);
    leave_no_core();
    int error = write_pid_file(d);
    if (error < 0) {
        return error;
    }
    realtime_process();
    d->loop = qb_loop_create();
    if (!d->loop || core_create(&d->core) < 0 || driver_create(d->loop, d->core, &d->driver) < 0 ||
        qb_loop_signal_add(d->loop, QB_LOOP_HIGH, SIGTERM, d, on_signal, NULL) < 0 ||
        qb_loop_signal_add(d->loop, QB_LOOP_HIGH, SIGINT, d, on_signal, NULL) < 0) {
        return fail(d, EXIT_BROKEN, "out of memory");
    }
    error = open_ipc(d);
    if (error == 0) {
        error = room_wait(d->loop, d->config.state_dir, d->config.run_dir, on_room, d, &d->room);
    }
    return error;
}

/* The ring first: the others then know at once. The store last: it still writes what was queued. */
static void close_all(struct daemon *d) {
    corosync_ring_destroy(d->adapters.ring);
    socket_door_close(d->ipc_door);
    ipc_server_destroy(d->adapters.ipc);
    agents_destroy(d->adapters.agents);
    fence_destroy(d->adapters.fence);
    sqlite_store_close(d->adapters.store);
    watchdog_destroy(d->adapters.watchdog);
    room_destroy(d->room);
    solver_destroy(d->adapters.solver); /* before the core: it may own the running job */
    driver_destroy(d->driver);
    core_destroy(d->core);
    if (d->loop) {
        qb_loop_destroy(d->loop);
    }
    if (d->pid_fd >= 0) {
        /* The file stays, empty: the lock says whether a clusterd runs. After a removal, one
         * process could lock the removed file while another creates it anew. */
        if (ftruncate(d->pid_fd, 0) < 0) {
            log_warning("pid file: %s", strerror(errno));
        }
        (void)close(d->pid_fd);
    }
}

static int read_config(struct daemon *d, const struct options *options) {
    char message[CONFIG_MAX_TEXT + 256];
    config_init(&d->config);
    int error = config_read(&d->config, options->config_path, message, sizeof(message));
    if (error == -ENOENT && !options->config_given) {
        error = 0;
    }
    config_default_capacity(&d->config);
    return error < 0 ? fail(d, EXIT_CONFIG, message) : 0;
}

static int run(struct daemon *d) {
    int error = log_open(d->config.log_target, d->config.log_level);
    if (error < 0) {
        (void)fail(d, EXIT_BROKEN, "out of memory");
        return d->exit_code;
    }
    log_info("clusterd %s starts", CLUSTERD_VERSION);
    error = open_all(d);
    if (error == 0) {
        notify_supervisor("READY=1");
        qb_loop_run(d->loop);
        error = driver_error(d->driver);
    }
    bool full = d->full || sqlite_store_error(d->adapters.store) == -ENOSPC;
    close_all(d);
    if (full) {
        room_note_end(d->config.state_dir, d->config.run_dir);
    }
    log_close();
    return d->exit_code ? d->exit_code : error < 0 ? EXIT_BROKEN : EXIT_STOPPED;
}

/* The directory of the database to export, found without starting anything. */
static int export(struct daemon *d, const struct options *options) {
    char message[STORE_MAX_MESSAGE];
    if (!options->state_dir && read_config(d, options) < 0) {
        return d->exit_code;
    }
    const char *directory = options->state_dir ? options->state_dir : d->config.state_dir;
    int error = export_write(directory, stdout, message);
    if (error < 0) {
        log_error("%s", message); /* the log is not open: to stderr */
    }
    return error == 0                                       ? EXIT_STOPPED
           : error == -EBADMSG || error == -EPROTONOSUPPORT ? EXIT_DATABASE
                                                            : EXIT_BROKEN;
}

int main(int argc, char **argv) {
    struct daemon d = {.pid_fd = -1};
    struct options options;
    int exit_code = 0;
    if (standard_fds_occupy() < 0) {
        return EXIT_BROKEN; /* there is nowhere to say why */
    }
    if (!options_parse(argc, argv, &options, &exit_code)) {
        return exit_code;
    }
    if (options.export) {
        return export(&d, &options);
    }
    return read_config(&d, &options) < 0 ? d.exit_code : run(&d);
}
