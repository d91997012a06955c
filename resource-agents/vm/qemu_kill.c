/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QEMU process of a domain. See qemu_kill.h. */
#include "qemu_kill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

const char *qemu_state_dir = "/run/libvirt/qemu";

/* Enough for all arguments that libvirt gives to QEMU; the UUID is among the first. */
enum { ARGUMENTS_MAX = 65536, STATUS_MAX = 2 * 1024 * 1024 };

/* Reads the beginning of a file. The number of bytes, or a negative errno. */
static ssize_t read_file(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t n = read(fd, text, size);
    ssize_t r = n < 0 ? -errno : n;
    close(fd);
    return r;
}

int qemu_read_pid(const char *name, pid_t *ret_pid) {
    char path[PATH_MAX];
    char text[32];

    int n = snprintf(path, sizeof(path), "%s/%s.pid", qemu_state_dir, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return -ENAMETOOLONG;
    }
    ssize_t len = read_file(path, text, sizeof(text) - 1);
    if (len < 0) {
        return (int)len;
    }
    text[len] = '\0';
    long pid = strtol(text, NULL, 10);
    if (pid <= 1 || pid > INT_MAX) {
        return -EINVAL;
    }
    *ret_pid = (pid_t)pid;
    return 0;
}

/* Does the process have the UUID as one of its arguments? */
static bool is_of_domain(pid_t pid, const char *uuid) {
    static char arguments[ARGUMENTS_MAX];
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    ssize_t len = read_file(path, arguments, sizeof(arguments) - 1);
    if (len <= 0) {
        return false;
    }
    arguments[len] = '\0';
    for (const char *p = arguments; p < arguments + len; p += strlen(p) + 1) {
        if (strcmp(p, uuid) == 0) {
            return true;
        }
    }
    return false;
}

int qemu_open(const char *name, const char *uuid) {
    pid_t pid;

    int r = qemu_read_pid(name, &pid);
    if (r < 0) {
        return r;
    }
    /* Open it before checking it: the number could otherwise become another process in between. */
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        return errno == ESRCH ? -ENOENT : -errno;
    }
    if (!is_of_domain(pid, uuid)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

/* libvirt replaces the whole file: the content is from one moment. */
bool qemu_was_confirmed(const char *name, const char *uuid) {
    static char status[STATUS_MAX];
    char path[PATH_MAX];

    int n = snprintf(path, sizeof(path), "%s/%s.xml", qemu_state_dir, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return false;
    }
    ssize_t len = read_file(path, status, sizeof(status) - 1);
    if (len <= 0) {
        return false;
    }
    status[len] = '\0';
    const char *job = strstr(status, "async='migration out'");
    const char *end = job != NULL ? strchr(job, '>') : NULL;
    const char *phase = job != NULL ? strstr(job, "phase='confirm3'") : NULL;
    return phase != NULL && phase < end && strstr(status, uuid) != NULL;
}

int qemu_kill(const char *name, const char *uuid) {
    int fd = qemu_open(name, uuid);
    if (fd < 0) {
        return fd;
    }
    int r = pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 ? -errno : 0;
    close(fd);
    return r;
}
