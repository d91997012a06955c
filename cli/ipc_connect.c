/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connecting to this node's clusterd: see ipc.h.
 *
 *     socket for administrators ─ EACCES ─► socket for readers
 *                  │                              │
 *                  └──────────────┬───────────────┘
 *            the kernel says who listens: root? ─► "who are you?" ─► its answer ─► connected
 *
 * A failure that may pass is tried again. No event tells when: of a socket in a directory inotify
 * reports that it was bound, but not that somebody listens or that the backlog has room. So there
 * is a pause between two tries, and it grows.
 *
 * The answer to the question proves that clusterd's loop turns. A change that is sent to one that
 * hangs could be carried out much later; so nothing is sent to it.
 */
#include "calls.h"
#include "ipc.h"
#include "ipc_channel.h"
#include "json.h"
#include "wire/run_dir.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAUSE_FIRST_MS = 10, PAUSE_MOST_MS = 500 };

/* Who may write to the directory is clusterd's business; but run_dir may be configured badly, and
 * the passwords of fence devices go to whoever listens. */
static int check_server(int fd) {
    struct ucred peer;
    socklen_t n = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
        return -errno;
    }
    return peer.uid == 0 || peer.uid == geteuid() ? 0 : -EPERM;
}

/* A connected socket. */
static int open_socket(const char *directory, const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
                                                                                : check_server(fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int refusal(const json_t *answer) {
    if (json_flag(answer, "ok")) {
        return 0;
    }
    const char *code = json_text(json_object_get(answer, "error"), "code");
    return strcmp(code, "permission") == 0 ? -EACCES
           : strcmp(code, "refused") == 0  ? -EUSERS
                                           : -EBADMSG;
}

static int try_connect(const char *directory, const struct ipc_patience *patience,
                       struct ipc **ret_ipc) {
    struct ipc *ipc = NULL;
    json_auto *answer = NULL;
    int fd = open_socket(directory, RUN_DIR_SOCKET);
    fd = fd == -EACCES ? open_socket(directory, RUN_DIR_READ_SOCKET) : fd;
    int r = fd < 0 ? fd : ipc_create(fd, patience->interrupt_fd, &ipc);
    if (r < 0) {
        return r;
    }
    r = ipc_ask(ipc, call_info_text(), patience->deadline_ms, &answer);
    r = r == 0 ? refusal(answer) : r;
    if (r < 0) {
        ipc_disconnect(ipc);
        return r;
    }
    *ret_ipc = ipc;
    return 0;
}

/* The process of the pid file is there: if nobody listens, it is starting. */
static bool daemon_lives(const char *directory) {
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/" RUN_DIR_PID_FILE, directory);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool read = fscanf(file, "%d", &pid) == 1 && pid > 0;
    fclose(file);
    return read && (kill(pid, 0) == 0 || errno == EPERM);
}

static bool nobody_listens(int error) {
    return error == -ENOENT || error == -ECONNREFUSED;
}

/* -EAGAIN: the backlog is full; -ENOTCONN: clusterd ended, and had been told nothing. */
static bool may_pass(int error) {
    return nobody_listens(error) || error == -EAGAIN || error == -ENOTCONN || error == -EUSERS;
}

static int sooner(int one, int other) {
    return one >= 0 && one < other ? one : other;
}

/* Waits before the next try. */
static int pause_for(const struct ipc_patience *patience, int left_ms, int pause_ms) {
    struct pollfd poll_fd = {.fd = patience->interrupt_fd, .events = POLLIN};
    return poll(&poll_fd, 1, sooner(left_ms, pause_ms)) > 0 ? -EINTR : 0;
}

int ipc_connect(const char *directory, const struct ipc_patience *patience, struct ipc **ret_ipc) {
    int pause_ms = PAUSE_FIRST_MS;
    bool full = false;
    while (true) {
        int r = try_connect(directory, patience, ret_ipc);
        if (r == -ETIMEDOUT && full) {
            return -EUSERS; /* it does answer, but the last try came too late for it */
        }
        if (r == 0 || !may_pass(r)) {
            return r;
        }
        full = r == -EUSERS;
        bool absent = nobody_listens(r) && !daemon_lives(directory);
        int left = ipc_left_ms(absent ? patience->absent_ms : patience->deadline_ms);
        if (left == 0) {
            return absent ? -ECONNREFUSED : r == -EUSERS ? -EUSERS : -ETIMEDOUT;
        }
        r = pause_for(patience, left, pause_ms);
        if (r < 0) {
            return r;
        }
        pause_ms = sooner(2 * pause_ms, PAUSE_MOST_MS);
    }
}
