/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who answers at corosync's names; see corosync/peer.h.
 */
#include "adapters/corosync/peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where this file is, libqb uses sockets in /run, which only root can make. */
#define FILE_SOCKETS "/etc/libqb/force-filesystem-sockets"

#define UNKNOWN \
    ((uid_t)-1) /* of datagrams (corosync.conf: ipc_type: socket) the kernel knows none */

int corosync_peer_check_fd(int fd, const char *service, uid_t root, char *ret_message,
                           size_t size) {
    struct ucred peer;
    socklen_t length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) {
        return -ENOTCONN;
    }
    if (peer.uid == root || peer.uid == UNKNOWN) {
        return 0;
    }
    (void)snprintf(ret_message, size,
                   "corosync's socket @%s is held by process %d of user %u, not by corosync: end "
                   "that process, then restart corosync",
                   service, (int)peer.pid, (unsigned)peer.uid);
    return -EPERM;
}

int corosync_peer_check(const char *service, uid_t root, char *ret_message, size_t size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX}; /* libqb's names are padded with NULs */
    if (access(FILE_SOCKETS, F_OK) == 0) {
        return 0;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -ENOTCONN;
    }
    (void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", service);
    int error = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0
                    ? corosync_peer_check_fd(fd, service, root, ret_message, size)
                    : -ENOTCONN;
    (void)close(fd);
    return error;
}
