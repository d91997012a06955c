/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to this node's clusterd: see ipc.h.
 *
 * libqb announces an answer by a semaphore in shared memory, but events and the death of the daemon
 * by a file descriptor. So the wait for an answer is cut into slices: each ends at once when the
 * answer arrives, and between two slices the descriptor is checked for a dead daemon or Ctrl-C.
 */
#include "ipc.h"
#include "wire/ipc_limits.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbipcc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_SLICE_MS = 200 };

struct ipc {
    qb_ipcc_connection_t *connection; /* owned */
    char *buffer;                     /* owned; the receive buffer */
    size_t buffer_size;
    int64_t last_id;
    int fd; /* of the connection */
    int interrupt_fd;
};

int64_t ipc_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int ipc_left_ms(int64_t deadline_ms) {
    if (deadline_ms == IPC_NO_DEADLINE) {
        return -1;
    }
    int64_t left = deadline_ms - ipc_now_ms();
    if (left <= 0) {
        return 0;
    }
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static bool readable(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&poll_fd, 1, 0) > 0;
}

/* libqb reports one error by several numbers, some with the sign reversed. */
static int connect_error(int error) {
    switch (abs(error)) {
    case ECONNREFUSED: /* an abstract socket that nobody has bound */
    case ENOENT:       /* the same, if libqb uses sockets in the file system */
    case ENOTCONN:     /* the daemon ended during the connect */
    case ECONNRESET:
    case EPIPE: return -ECONNREFUSED;
    case EACCES:
    case EPERM: return -EACCES;
    case EAGAIN: /* its queue of new connections is full */
    case ETIMEDOUT: return -ETIMEDOUT;
    case 0: return -EIO;
    default: return -abs(error);
    }
}

/* Any user can bind a free name, also clusterd's while clusterd does not run; that user would get
 * the passwords of fence devices. The kernel says who answered. */
static int check_server(qb_ipcc_connection_t *connection) {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    int r = qb_ipcc_auth_get(connection, &pid, &uid, &gid);
    if (r != 0) {
        return -EIO;
    }
    return uid == 0 || uid == geteuid() ? 0 : -EPERM;
}

static int connection_open(const char *name, size_t size, int64_t deadline_ms,
                           qb_ipcc_connection_t **ret_connection) {
    struct pollfd poll_fd = {.fd = -1, .events = POLLIN};
    errno = 0;
    qb_ipcc_connection_t *connection = qb_ipcc_connect_async(name, size, &poll_fd.fd);
    if (connection == NULL) {
        return connect_error(errno);
    }
    int ready = 0;
    do {
        ready = poll(&poll_fd, 1, ipc_left_ms(deadline_ms));
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        /* libqb cannot abandon half a connection: it frees the memory, but the socket remains
         * ours. */
        int fd = poll_fd.fd;
        qb_ipcc_disconnect(connection);
        close(fd);
        return -ETIMEDOUT;
    }
    int r = qb_ipcc_connect_continue(connection); /* frees the connection if it fails */
    if (r != 0) {
        return connect_error(r);
    }
    r = check_server(connection);
    if (r < 0) {
        qb_ipcc_disconnect(connection);
        return r;
    }
    *ret_connection = connection;
    return 0;
}

int ipc_connect(const char *name, size_t size, int64_t deadline_ms, struct ipc **ret_ipc) {
    struct ipc *ipc = calloc(1, sizeof(*ipc));
    if (ipc == NULL) {
        return -ENOMEM;
    }
    int r = connection_open(name, size, deadline_ms, &ipc->connection);
    if (r < 0) {
        free(ipc);
        return r;
    }
    ipc->interrupt_fd = -1;
    ipc->buffer_size = (size_t)qb_ipcc_get_buffer_size(ipc->connection);
    ipc->buffer = malloc(ipc->buffer_size);
    if (ipc->buffer == NULL || qb_ipcc_fd_get(ipc->connection, &ipc->fd) != 0) {
        ipc_disconnect(ipc);
        return -ENOMEM;
    }
    *ret_ipc = ipc;
    return 0;
}

void ipc_disconnect(struct ipc *ipc) {
    if (ipc == NULL) {
        return;
    }
    qb_ipcc_disconnect(ipc->connection);
    free(ipc->buffer);
    free(ipc);
}

void ipc_set_interrupt(struct ipc *ipc, int fd) {
    ipc->interrupt_fd = fd;
}

int ipc_fd(const struct ipc *ipc) {
    return ipc->fd;
}

static int send_request(struct ipc *ipc, const char *text, int64_t deadline_ms) {
    struct qb_ipc_request_header header = {.id = QB_IPC_MSG_USER_START};
    size_t length = strlen(text);
    if (length + sizeof(header) > CLUSTERD_IPC_MAX_REQUEST) {
        return -EMSGSIZE;
    }
    header.size = (int32_t)(sizeof(header) + length);
    struct iovec parts[2] = {{.iov_base = &header, .iov_len = sizeof(header)},
                             {.iov_base = (void *)(uintptr_t)text, .iov_len = length}};
    while (true) {
        ssize_t sent = qb_ipcc_sendv(ipc->connection, parts, 2);
        if (sent >= 0) {
            return 0;
        }
        if (sent != -EAGAIN) {
            return sent == -EMSGSIZE ? -EMSGSIZE : -ENOTCONN;
        }
        /* clusterd has asked its clients to slow down; no event reports the end of that. */
        if (ipc_left_ms(deadline_ms) == 0) {
            return -ETIMEDOUT;
        }
        struct pollfd poll_fd = {.fd = ipc->interrupt_fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 20) > 0) {
            return -EINTR;
        }
    }
}

/* The JSON after the header of a message of `size` bytes, with or without a final NUL. */
static int parse_message(const struct ipc *ipc, size_t size, json_t **ret_message) {
    size_t header = sizeof(struct qb_ipc_response_header);
    if (size < header || size > ipc->buffer_size) {
        return -EBADMSG;
    }
    const char *text = ipc->buffer + header;
    json_t *message = json_loadb(text, strnlen(text, size - header), JSON_ALLOW_NUL, NULL);
    if (!json_is_object(message)) {
        json_decref(message);
        return -EBADMSG;
    }
    *ret_message = message;
    return 0;
}

/* Skips answers to requests that nobody waits for (interrupted ones). */
static int receive_answer(struct ipc *ipc, int64_t id, int64_t deadline_ms, json_t **ret_answer) {
    while (true) {
        int left = ipc_left_ms(deadline_ms);
        int slice = left < 0 || left > ANSWER_SLICE_MS ? ANSWER_SLICE_MS : left;
        ssize_t size = qb_ipcc_recv(ipc->connection, ipc->buffer, ipc->buffer_size, slice);
        if (size == -EAGAIN || size == -ETIMEDOUT || size == -EINTR) {
            if (readable(ipc->interrupt_fd)) {
                return -EINTR;
            }
            if (left == 0) {
                return -ETIMEDOUT;
            }
            continue;
        }
        if (size < 0) {
            return -ENOTCONN;
        }
        json_t *answer = NULL;
        int r = parse_message(ipc, (size_t)size, &answer);
        if (r < 0) {
            return r;
        }
        json_t *answer_id = json_object_get(answer, "id");
        if (answer_id == NULL || json_integer_value(answer_id) == id) {
            *ret_answer = answer;
            return 0;
        }
        json_decref(answer);
    }
}

int ipc_request(struct ipc *ipc, json_t *request, int64_t deadline_ms, json_t **ret_answer) {
    int64_t id = ++ipc->last_id;
    json_object_set_new(request, "v", json_integer(CLUSTERD_IPC_VERSION));
    json_object_set_new(request, "id", json_integer(id));
    char *text = json_dumps(request, JSON_COMPACT);
    if (text == NULL) {
        return -ENOMEM;
    }
    int r = send_request(ipc, text, deadline_ms);
    free(text);
    if (r < 0) {
        return r;
    }
    return receive_answer(ipc, id, deadline_ms, ret_answer);
}

int ipc_event(struct ipc *ipc, json_t **ret_event) {
    ssize_t size = qb_ipcc_event_recv(ipc->connection, ipc->buffer, ipc->buffer_size, 0);
    if (size == -EAGAIN || size == -ETIMEDOUT || size == -EINTR || size == 0) {
        return -EAGAIN;
    }
    if (size < 0) {
        return -ENOTCONN;
    }
    return parse_message(ipc, (size_t)size, ret_event);
}
