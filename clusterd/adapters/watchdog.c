/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog; see watchdog.h.
 *
 * The kernel's API: opening arms, any byte keeps alive, 'V' before close disarms, an ioctl sets the
 * timeout in whole seconds. On a node without such a device (a virtual one), a program can serve
 * the same over a Unix stream socket or a FIFO: connecting or opening arms, the bytes mean the
 * same, and "M<milliseconds>\n" sets the timeout.
 */
#include "adapters/watchdog.h"

#include "adapters/clock.h"
#include "adapters/logging.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

struct watchdog {
    char *path; /* NULL: none */
    uint64_t timeout_ms;
    mode_t type; /* S_IFCHR, S_IFSOCK or S_IFIFO */
    int fd;      /* -1: not open */
    bool complained;
    bool was_armed;
    uint64_t failing_since_ms; /* 0: feeding works */
};

static int find_type(const char *path, mode_t *ret_type, char *message, size_t size) {
    struct stat st;
    struct sockaddr_un address;
    if (stat(path, &st) < 0) {
        (void)snprintf(message, size, "watchdog %s: %s", path, strerror(errno));
        return -ENOENT;
    }
    mode_t type = st.st_mode & (mode_t)S_IFMT;
    if (type != S_IFCHR && type != S_IFSOCK && type != S_IFIFO) {
        (void)snprintf(message, size, "watchdog %s: it must be a device, a Unix socket or a FIFO",
                       path);
        return -EINVAL;
    }
    if (type == S_IFSOCK && strlen(path) >= sizeof(address.sun_path)) {
        (void)snprintf(message, size, "watchdog %s: the path is too long for a unix socket", path);
        return -ENAMETOOLONG;
    }
    *ret_type = type;
    return 0;
}

int watchdog_create(const char *path, uint64_t timeout_ms, struct watchdog **ret_watchdog,
                    char *ret_message, size_t size) {
    struct watchdog *w = calloc(1, sizeof(*w));
    int error = w ? 0 : -ENOMEM;
    (void)snprintf(ret_message, size, "watchdog: out of memory");
    if (w) {
        w->fd = -1;
    }
    if (w && path[0]) {
        w->path = strdup(path);
        error = w->path ? find_type(path, &w->type, ret_message, size) : -ENOMEM;
        /* A device counts whole seconds: its timeout is rounded up, never less than asked for. */
        w->timeout_ms = w->type == S_IFCHR ? (timeout_ms + 999) / 1000 * 1000 : timeout_ms;
    }
    if (error < 0) {
        watchdog_destroy(w);
        return error;
    }
    *ret_watchdog = w;
    return 0;
}

void watchdog_destroy(struct watchdog *w) {
    if (!w) {
        return;
    }
    if (w->fd >= 0) {
        (void)close(w->fd);
    }
    free(w->path);
    free(w);
}

uint64_t watchdog_timeout_ms(const struct watchdog *w) {
    return w->path ? w->timeout_ms : 0;
}

static int open_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}

static int put(struct watchdog *w, const char *text) {
    size_t n = strlen(text);
    ssize_t r = w->type == S_IFSOCK ? send(w->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT)
                                    : write(w->fd, text, n);
    return r == (ssize_t)n ? 0 : r < 0 ? -errno : -EAGAIN;
}

static int set_timeout(struct watchdog *w) {
    char text[32];
    if (w->type != S_IFCHR) {
        (void)snprintf(text, sizeof(text), "M%llu\n", (unsigned long long)w->timeout_ms);
        return put(w, text);
    }
    int seconds = (int)(w->timeout_ms / 1000);
    if (ioctl(w->fd, WDIOC_SETTIMEOUT, &seconds) < 0) {
        log_error("watchdog %s: its timeout cannot be set to %d s: %s; set watchdog_ms to a value "
                  "that the device supports",
                  w->path, seconds, strerror(errno));
        return -EPROTO;
    }
    int actual = seconds;
    if (ioctl(w->fd, WDIOC_GETTIMEOUT, &actual) == 0 && actual > seconds) {
        log_error("watchdog %s: clusterd asked for %d s, but the device uses %d s; set watchdog_ms "
                  "= %d000",
                  w->path, seconds, actual, actual);
        return -EPROTO;
    }
    return 0;
}

static int open_it(struct watchdog *w) {
    w->fd = w->type == S_IFSOCK ? open_socket(w->path)
                                : open(w->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    return w->fd < 0 ? -errno : 0;
}

static int arm(struct watchdog *w) {
    int error = open_it(w);
    if (error < 0) {
        return error;
    }
    error = set_timeout(w);
    if (error == 0) {
        w->was_armed = true;
        log_info("watchdog %s: armed; it resets this node when clusterd is silent for %llu ms",
                 w->path, (unsigned long long)w->timeout_ms);
        return 0;
    }
    if (error == -EPROTO) {
        watchdog_disarm(w);
    } else {
        (void)close(w->fd);
        w->fd = -1;
    }
    return error;
}

/* The other nodes rely on the watchdog. One that was never armed, or should have reset this node by
 * now, is none. */
static int judge_failure(struct watchdog *w, int error) {
    uint64_t now_ms = clock_now_ms();
    w->failing_since_ms = w->failing_since_ms ? w->failing_since_ms : now_ms;
    bool overdue = now_ms >= w->failing_since_ms + w->timeout_ms;
    return error == -EPROTO || !w->was_armed || overdue ? -EPROTO : 0;
}

int watchdog_feed(struct watchdog *w) {
    if (!w->path) {
        return 0;
    }
    bool fresh = w->fd < 0;
    int error = fresh ? arm(w) : 0;
    if (error == 0) {
        error = put(w, "k");
    }
    if (error < 0 && error != -EAGAIN && !fresh && error != -EPROTO) {
        /* The program that serves it may have restarted: one new try, and no feed is missed. */
        (void)close(w->fd);
        w->fd = -1;
        error = arm(w);
        error = error == 0 ? put(w, "k") : error;
    }
    if (error < 0 && !w->complained) {
        log_error("watchdog %s: cannot be fed: %s; if it was armed it will reset this node",
                  w->path, strerror(-error));
    }
    w->complained = error < 0;
    if (error < 0) {
        return judge_failure(w, error);
    }
    w->failing_since_ms = 0;
    return 0;
}

/* Whether the watchdog may still count down for an earlier clusterd. */
static bool armed_by_predecessor(const struct watchdog *w) {
    struct stat st;
    char path[64], state[16] = "";
    if (w->type != S_IFCHR || stat(w->path, &st) < 0) {
        return w->type != S_IFCHR;
    }
    (void)snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/state", major(st.st_rdev),
                   minor(st.st_rdev));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool active = read(fd, state, sizeof(state) - 1) > 0 && strncmp(state, "active", 6) == 0;
    (void)close(fd);
    return active;
}

void watchdog_disarm(struct watchdog *w) {
    if (!w->path || (w->fd < 0 && !armed_by_predecessor(w))) {
        return;
    }
    if (w->fd < 0 && open_it(w) < 0) {
        return;
    }
    int error = put(w, "V");
    if (error < 0) {
        log_error("watchdog %s: cannot be disarmed: %s; it may reset this node", w->path,
                  strerror(-error));
    } else {
        log_info("watchdog %s: disarmed", w->path);
    }
    (void)close(w->fd);
    w->fd = -1;
}
