/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to this node's clusterd: see ipc.h. How it is made: ipc_connect.c.
 */
#include "ipc.h"
#include "calls.h"
#include "ipc_channel.h"
#include "json.h"
#include "wire/ipc_limits.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM_FIRST ((size_t)64 * 1024)

struct ipc {
    int fd; /* owned; non-blocking */
    int interrupt_fd;
    char *in;         /* owned */
    size_t from, n;   /* in[from] to in[from + n - 1] have come */
    size_t room;      /* bytes at `in` */
    size_t searched;  /* so many bytes after `from` hold no NUL */
    size_t delivered; /* so many bytes after `from` are the last message, which is done with */
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

/* ---- bytes ---- */

/* 0 when `events` have come. What has come counts before the interrupt. */
static int wait_for(const struct ipc *ipc, short events, int64_t deadline_ms) {
    struct pollfd fds[] = {{.fd = ipc->fd, .events = events},
                           {.fd = ipc->interrupt_fd, .events = POLLIN}};
    while (true) {
        int n = poll(fds, 2, ipc_left_ms(deadline_ms));
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            return fds[0].revents != 0 ? 0 : -EINTR;
        }
        if (n == 0) {
            return -ETIMEDOUT;
        }
    }
}

static int send_text(const struct ipc *ipc, const char *text, int64_t deadline_ms) {
    size_t left = strlen(text) + 1; /* the NUL ends the message */
    if (left - 1 > CLUSTERD_IPC_MAX_REQUEST) {
        return -EMSGSIZE;
    }
    while (left > 0) {
        ssize_t n = send(ipc->fd, text, left, MSG_NOSIGNAL);
        if (n >= 0) {
            text += n;
            left -= (size_t)n;
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return -ENOTCONN;
        }
        int r = wait_for(ipc, POLLOUT, deadline_ms);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int make_room(struct ipc *ipc) {
    if (ipc->in != NULL && ipc->from > 0) {
        memmove(ipc->in, ipc->in + ipc->from, ipc->n);
        ipc->from = 0;
    }
    if (ipc->n < ipc->room) {
        return 0;
    }
    size_t room = ipc->room > 0 ? 2 * ipc->room : ROOM_FIRST;
    char *in = realloc(ipc->in, room);
    if (in == NULL) {
        return -ENOMEM;
    }
    ipc->in = in;
    ipc->room = room;
    return 0;
}

/* More bytes, without waiting. */
static int receive_some(struct ipc *ipc) {
    int r = make_room(ipc);
    if (r < 0) {
        return r;
    }
    ssize_t n = recv(ipc->fd, ipc->in + ipc->n, ipc->room - ipc->n, 0);
    if (n > 0) {
        ipc->n += (size_t)n;
        return 0;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -ENOTCONN;
}

/* The next message, without waiting; it lives until the next call. */
static int next_message(struct ipc *ipc, const char **ret_text, size_t *ret_n) {
    ipc->from += ipc->delivered;
    ipc->n -= ipc->delivered;
    ipc->delivered = 0;
    while (true) {
        const char *begin = ipc->n > 0 ? ipc->in + ipc->from : NULL;
        const char *nul =
            begin != NULL ? memchr(begin + ipc->searched, '\0', ipc->n - ipc->searched) : NULL;
        if (nul != NULL) {
            *ret_text = begin;
            *ret_n = (size_t)(nul - begin);
            ipc->delivered = *ret_n + 1;
            ipc->searched = 0;
            return 0;
        }
        ipc->searched = ipc->n;
        int r = ipc->n > CLUSTERD_IPC_MAX_REPLY ? -EBADMSG : receive_some(ipc);
        if (r < 0) {
            return r;
        }
    }
}

static int receive_answer(struct ipc *ipc, int64_t deadline_ms, json_t **ret_answer) {
    const char *text = NULL;
    size_t n = 0;
    while (true) {
        int r = next_message(ipc, &text, &n);
        if (r == 0) {
            return call_answer(text, n, ret_answer);
        }
        r = r == -EAGAIN ? wait_for(ipc, POLLIN, deadline_ms) : r;
        if (r < 0) {
            return r;
        }
    }
}

/* ---- messages ---- */

int ipc_ask(struct ipc *ipc, char *text, int64_t deadline_ms, json_t **ret_answer) {
    int r = text != NULL ? send_text(ipc, text, deadline_ms) : -ENOMEM;
    free(text);
    /* Who hangs up may have said why before. */
    return r == 0 || r == -ENOTCONN ? receive_answer(ipc, deadline_ms, ret_answer) : r;
}

int ipc_call(struct ipc *ipc, const char *verb, const json_t *arguments, int64_t deadline_ms,
             json_t **ret_answer) {
    return ipc_ask(ipc, call_text(verb, arguments, false), deadline_ms, ret_answer);
}

int ipc_stream(struct ipc *ipc, const char *verb, const json_t *arguments, int64_t deadline_ms,
               json_t **ret_answer) {
    return ipc_ask(ipc, call_text(verb, arguments, true), deadline_ms, ret_answer);
}

int ipc_event(struct ipc *ipc, json_t **ret_event) {
    const char *text = NULL;
    json_t *event = NULL;
    size_t n = 0;
    int r = next_message(ipc, &text, &n);
    r = r == 0 ? call_answer(text, n, &event) : r;
    if (r == 0 && !json_flag(event, "ok")) {
        json_decref(event);
        return -ENOTCONN;
    }
    if (r < 0) {
        return r == -EAGAIN ? -EAGAIN : -ENOTCONN;
    }
    *ret_event = event;
    return 0;
}

/* ---- life ---- */

int ipc_create(int fd, int interrupt_fd, struct ipc **ret_ipc) {
    struct ipc *ipc = calloc(1, sizeof(*ipc));
    if (ipc == NULL) {
        close(fd);
        return -ENOMEM;
    }
    ipc->fd = fd;
    ipc->interrupt_fd = interrupt_fd;
    *ret_ipc = ipc;
    return 0;
}

void ipc_disconnect(struct ipc *ipc) {
    if (ipc == NULL) {
        return;
    }
    close(ipc->fd);
    free(ipc->in);
    free(ipc);
}

void ipc_set_interrupt(struct ipc *ipc, int fd) {
    ipc->interrupt_fd = fd;
}

int ipc_fd(const struct ipc *ipc) {
    return ipc->fd;
}
