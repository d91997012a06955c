/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agents that outlive their clusterd. See presence.h. */
#include "presence.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "operation.h"

/* Anybody may have taken the name: only a process of our user counts. */
static bool is_ours(int fd) {
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static int open_socket(const struct params *params, struct sockaddr_un *ret_name,
                       socklen_t *ret_size) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    /* The first byte is NUL: not a name in a file system. */
    int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "clusterd-vm-%s",
                     params->uuid[0] != '\0' ? params->uuid : params->name);
    if (n < 0 || (size_t)n >= sizeof(name.sun_path) - 1) {
        return -ENAMETOOLONG;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    *ret_name = name;
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    return fd;
}

/* A connection to that process; -ECONNREFUSED: there is none. */
static int connect_to(const struct params *params) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = 0;

    int fd = open_socket(params, &name, &size);
    if (fd < 0) {
        return fd;
    }
    if (connect(fd, (const struct sockaddr *)&name, size) < 0 || !is_ours(fd)) {
        close(fd);
        return -ECONNREFUSED;
    }
    return fd;
}

int presence_announce(struct operation *operation) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = 0;

    int other = connect_to(operation->params);
    if (other >= 0) {
        close(other);
        return -EBUSY;
    }
    int fd = open_socket(operation->params, &name, &size);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&name, size) == 0 && listen(fd, 8) == 0) {
        return 0; /* the end of the process closes it */
    }
    ocf_log("%s on %s: cannot create a socket: %s; if clusterd is restarted now, it will not wait "
            "for this operation",
            operation->params->name, ocf_node(), strerror(fd < 0 ? -fd : errno));
    if (fd >= 0) {
        close(fd);
    }
    return 0;
}

int presence_await(struct operation *operation) {
    int fd = connect_to(operation->params);
    int r = 0;

    if (fd < 0) {
        return 0;
    }
    operation_step(operation, "waiting for the end of an earlier operation of clusterd");
    while (r == 0) {
        /* The second one stays unread: it wakes the events thread, too. */
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                               {.fd = operation->events.wake_fd, .events = POLLIN}};
        r = poll(fds, 2, -1) < 0 && errno != EINTR ? -errno : 0;
        if (operation_stopped(operation) != STOP_NONE) {
            r = -ETIME;
        } else if (fds[0].revents != 0) {
            break;
        }
    }
    close(fd);
    return r;
}
