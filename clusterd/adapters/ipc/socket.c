/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets on which clients connect; see ipc/socket.h.
 *
 * Two sockets, one for each right. The kernel lets only root and the socket's group connect. Who
 * that is is asked of the kernel once more: a descriptor can be handed to somebody else, and a
 * group can lose a member.
 */
#include "adapters/ipc/socket.h"

#include "adapters/clock.h"
#include "adapters/ipc/client.h"
#include "adapters/ipc/transport.h"
#include "adapters/ipc/varlink.h"
#include "adapters/logging.h"
#include "wire/ipc_limits.h"
#include "wire/run_dir.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 256
#define ACCEPT_AGAIN_MS 1000u /* after a failed accept, which would fail again at once */

struct listener {
    struct socket_door *door;
    int fd;
    enum ipc_access access; /* at most */
    bool bound;             /* the file is ours */
    qb_loop_timer_handle again_timer;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* A user whose refusal is in the log. */
struct refusal {
    uid_t uid;
    uint64_t minute; /* since some time, from 1 */
};

struct socket_door {
    struct ipc_server *server;
    qb_loop_t *loop;
    struct ipc_groups groups;
    char *admin_group, *reader_group; /* those of `groups` */
    struct listener listeners[2];
    struct socket_clients clients;
    struct refusal refusals[8]; /* the last ones */
    unsigned next_refusal;
};

/* ---- connections ---- */

/* It reads this as the answer to its first call. */
static void refuse(int fd, const char *error, const char *message, const char *hint) {
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "{\"error\":\"" VARLINK_INTERFACE ".%s\",\"parameters\":"
                     "{\"message\":\"%s\",\"hint\":\"%s\"}}",
                     error, message, hint);
    (void)send(fd, text, (size_t)n + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

/* One user has one line a minute, so that those of others are seen beside it. */
static void complain_of(struct socket_door *door, const struct ucred *peer) {
    struct ipc_sessions *sessions = ipc_server_sessions(door->server);
    uint64_t minute = clock_now_ms() / 60000 + 1;
    for (size_t i = 0; i < sizeof(door->refusals) / sizeof(door->refusals[0]); i++) {
        if (door->refusals[i].uid == peer->uid && door->refusals[i].minute == minute) {
            sessions->n_silent++;
            return;
        }
    }
    door->refusals[door->next_refusal] = (struct refusal){peer->uid, minute};
    door->next_refusal =
        (door->next_refusal + 1) % (sizeof(door->refusals) / sizeof(door->refusals[0]));
    ipc_sessions_complain(sessions,
                          "user %u (process %d) is refused: not root, and in neither admin_group "
                          "nor reader_group",
                          (unsigned)peer->uid, (int)peer->pid);
}

/* What clusterd.conf gives to that process. */
static enum ipc_access access_of(const struct listener *listener, const struct ucred *peer) {
    struct socket_door *door = listener->door;
    enum ipc_access access = ipc_access_of(&door->groups, peer->pid, peer->uid, peer->gid);
    if (access == IPC_ACCESS_NONE) {
        complain_of(door, peer);
    }
    return access > listener->access ? listener->access : access;
}

static void admit(struct listener *listener, int fd) {
    struct socket_door *door = listener->door;
    struct ucred peer;
    socklen_t n = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
        (void)close(fd);
        return;
    }
    enum ipc_access access = access_of(listener, &peer);
    if (access == IPC_ACCESS_NONE) {
        refuse(fd, "Permission", "clusterd does not accept this user",
               "become root, or join a group that clusterd.conf names (admin_group, "
               "reader_group)");
    } else if (ipc_users_full(&door->clients.users, peer.uid)) {
        refuse(fd, "Refused", "too many clients are connected to clusterd on this node",
               "end some of them, such as clusterctl status --watch");
    } else {
        socket_client_create(&door->clients, fd, peer.uid, access);
    }
}

static int32_t on_connect(int32_t fd, int32_t revents, void *data);

static void accept_again(void *data) {
    struct listener *listener = data;
    listener->again_timer = 0;
    (void)qb_loop_poll_mod(listener->door->loop, QB_LOOP_MED, listener->fd, POLLIN, listener,
                           on_connect);
}

/* Without descriptors the loop must not turn for this one for ever. */
static void accept_later(struct listener *listener, int error) {
    struct socket_door *door = listener->door;
    ipc_sessions_complain(ipc_server_sessions(door->server),
                          "a client cannot be accepted: %s; the next try is in a second",
                          strerror(error));
    if (qb_loop_timer_add(door->loop, QB_LOOP_LOW, (uint64_t)ACCEPT_AGAIN_MS * QB_TIME_NS_IN_MSEC,
                          listener, accept_again, &listener->again_timer) == 0) {
        (void)qb_loop_poll_mod(door->loop, QB_LOOP_MED, listener->fd, 0, listener, on_connect);
    }
}

static int32_t on_connect(int32_t fd, int32_t revents, void *data) {
    struct listener *listener = data;
    (void)revents;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) {
        admit(listener, client);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        accept_later(listener, errno);
    }
    return 0;
}

/* ---- listening ---- */

/* Not connectable by anybody else before its group and mode are right: it does not listen yet. */
static int open_socket(struct listener *listener, const char *group) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gid_t gid = 0;
    bool shared = ipc_find_group(group, &gid);
    memcpy(address.sun_path, listener->path, sizeof(address.sun_path));
    if (unlink(listener->path) < 0 && errno != ENOENT) {
        return -errno;
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    listener->bound = listener->fd >= 0 &&
                      bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    if (!listener->bound || (shared && chown(listener->path, (uid_t)-1, gid) < 0) ||
        chmod(listener->path, shared ? 0660 : 0600) < 0 || listen(listener->fd, BACKLOG) < 0) {
        return -errno;
    }
    return 0;
}

static int listener_open(struct socket_door *door, struct listener *listener, const char *directory,
                         const char *group) {
    bool reads = listener->access == IPC_ACCESS_READ;
    int n = snprintf(listener->path, sizeof(listener->path), "%s/%s", directory,
                     reads ? RUN_DIR_READ_SOCKET : RUN_DIR_SOCKET);
    if (n < 0 || (size_t)n >= sizeof(listener->path)) {
        return -ENAMETOOLONG;
    }
    int error = open_socket(listener, group);
    if (error == 0) {
        error =
            qb_loop_poll_add(door->loop, QB_LOOP_MED, listener->fd, POLLIN, listener, on_connect);
    }
    if (error < 0) {
        log_error("IPC: %s cannot be opened: %s", listener->path, strerror(-error));
    }
    return error;
}

int socket_door_open(struct ipc_server *server, qb_loop_t *loop, const char *directory,
                     const struct ipc_groups *groups, struct socket_door **ret_door) {
    struct socket_door *door = calloc(1, sizeof(*door));
    if (!door) {
        return -ENOMEM;
    }
    *door = (struct socket_door){.server = server, .loop = loop};
    socket_clients_init(&door->clients, server, loop);
    door->listeners[0] = (struct listener){.door = door, .fd = -1, .access = IPC_ACCESS_CHANGE};
    door->listeners[1] = (struct listener){.door = door, .fd = -1, .access = IPC_ACCESS_READ};
    door->admin_group = strdup(groups->admin_group);
    door->reader_group = strdup(groups->reader_group);
    door->groups = (struct ipc_groups){door->admin_group, door->reader_group};
    int error = door->admin_group && door->reader_group ? 0 : -ENOMEM;
    error = error < 0 ? error
                      : listener_open(door, &door->listeners[0], directory, groups->admin_group);
    error = error < 0 ? error
                      : listener_open(door, &door->listeners[1], directory, groups->reader_group);
    if (error < 0) {
        socket_door_close(door);
        return error;
    }
    *ret_door = door;
    return 0;
}

static void listener_close(struct listener *listener) {
    if (listener->fd < 0) {
        return;
    }
    if (listener->again_timer) {
        (void)qb_loop_timer_del(listener->door->loop, listener->again_timer);
    }
    (void)qb_loop_poll_del(listener->door->loop, listener->fd);
    (void)close(listener->fd);
    if (listener->bound) {
        (void)unlink(listener->path);
    }
}

void socket_door_close(struct socket_door *door) {
    if (!door) {
        return;
    }
    socket_clients_finish(&door->clients);
    listener_close(&door->listeners[0]);
    listener_close(&door->listeners[1]);
    free(door->admin_group);
    free(door->reader_group);
    free(door);
}
