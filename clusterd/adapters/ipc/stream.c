/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages on a stream socket. See ipc/stream.h. */
#include "adapters/ipc/stream.h"

#include "wire/ipc_limits.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM_FIRST 4096u /* most requests fit, and 500 clients take 2 MB */

struct bytes {
    char *at;
    size_t from, n, room; /* at[from] to at[from + n - 1] are there */
};

struct stream {
    qb_loop_t *loop;
    int fd;
    struct stream_handlers handlers;
    struct bytes in, out;
    size_t searched; /* so many bytes of `in` hold no NUL */
    bool complete;   /* `in` holds a whole message: the NUL is at `searched` */
    bool paused;
    bool ended;
    bool job; /* in the loop's list */
    int32_t events;
    qb_loop_timer_handle half_timer, unread_timer;
};

static int make_room(struct bytes *bytes, size_t more) {
    size_t room = bytes->room > 0 ? bytes->room : ROOM_FIRST;
    if (bytes->from > 0) {
        memmove(bytes->at, bytes->at + bytes->from, bytes->n);
        bytes->from = 0;
    }
    while (room < bytes->n + more) {
        room *= 2;
    }
    if (room == bytes->room) {
        return 0;
    }
    char *at = realloc(bytes->at, room);
    if (!at) {
        return -ENOMEM;
    }
    bytes->at = at;
    bytes->room = room;
    return 0;
}

static void drop(struct bytes *bytes, size_t n) {
    bytes->from += n;
    bytes->n -= n;
    if (bytes->n == 0) { /* a client that has once had much does not keep the memory */
        free(bytes->at);
        *bytes = (struct bytes){.at = NULL};
    }
}

static void timer_end(struct stream *s, qb_loop_timer_handle *timer) {
    if (*timer) {
        (void)qb_loop_timer_del(s->loop, *timer);
        *timer = 0;
    }
}

static void forget(struct stream *s) {
    if (!s->ended) {
        s->ended = true;
        (void)qb_loop_poll_del(s->loop, s->fd);
    }
    timer_end(s, &s->half_timer);
    timer_end(s, &s->unread_timer);
}

/* The last thing that a function does with the stream. */
static void end(struct stream *s, const char *why) {
    if (!s->ended) {
        forget(s);
        s->handlers.ended(s->handlers.context, why);
    }
}

static void half_too_long(void *data) {
    struct stream *s = data;
    s->half_timer = 0;
    end(s, "it sent half a request and no more");
}

static void unread_too_long(void *data) {
    struct stream *s = data;
    s->unread_timer = 0;
    end(s, "it does not read its messages");
}

static void timer_begin(struct stream *s, qb_loop_timer_handle *timer, uint32_t ms,
                        qb_loop_timer_dispatch_fn fn) {
    if (!*timer && qb_loop_timer_add(s->loop, QB_LOOP_LOW, (uint64_t)ms * QB_TIME_NS_IN_MSEC, s, fn,
                                     timer) < 0) {
        *timer = 0;
    }
}

static bool may_deliver(const struct stream *s) {
    return s->complete && !s->paused && s->out.n == 0 && !s->ended;
}

static void search(struct stream *s) {
    const char *text = s->in.n > 0 ? s->in.at + s->in.from : NULL;
    const char *nul = text ? memchr(text + s->searched, '\0', s->in.n - s->searched) : NULL;
    s->complete = nul != NULL;
    s->searched = nul ? (size_t)(nul - text) : s->in.n;
}

static void deliver_later(void *data);
static int32_t on_ready(int32_t fd, int32_t revents, void *data);

/* What the loop shall wait for, and do, in the present state. */
static void settle(struct stream *s) {
    bool reads = !s->complete && !s->paused && s->out.n == 0;
    int32_t events = (reads ? POLLIN : 0) | (s->out.n > 0 ? POLLOUT : 0);
    if (s->ended) {
        return;
    }
    if (events != s->events) {
        s->events = events;
        (void)qb_loop_poll_mod(s->loop, QB_LOOP_MED, s->fd, events, s, on_ready);
    }
    if (reads && s->in.n > 0) {
        timer_begin(s, &s->half_timer, STREAM_HALF_MS, half_too_long);
    } else {
        timer_end(s, &s->half_timer);
    }
    if (may_deliver(s) && !s->job) {
        s->job = qb_loop_job_add(s->loop, QB_LOOP_MED, s, deliver_later) == 0;
    }
}

static void deliver(struct stream *s) {
    size_t n = s->searched;
    s->handlers.message(s->handlers.context, s->in.at + s->in.from, n);
    drop(&s->in, n + 1);
    s->searched = 0;
    search(s);
}

static void deliver_later(void *data) {
    struct stream *s = data;
    s->job = false;
    if (may_deliver(s)) {
        deliver(s);
    }
    settle(s);
}

/* ---- the socket ---- */

/* All that the socket takes now. Each part that is taken gives the peer its time anew. */
static int flush(struct stream *s) {
    while (s->out.n > 0) {
        ssize_t n = send(s->fd, s->out.at + s->out.from, s->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN) {
                return -errno;
            }
            timer_begin(s, &s->unread_timer, STREAM_UNREAD_MS, unread_too_long);
            return 0;
        }
        timer_end(s, &s->unread_timer);
        drop(&s->out, (size_t)n);
    }
    return 0;
}

/* false: nothing came, or the stream has ended. */
static bool receive(struct stream *s) {
    if (make_room(&s->in, ROOM_FIRST) < 0) {
        end(s, "clusterd is out of memory");
        return false;
    }
    ssize_t n = recv(s->fd, s->in.at + s->in.n, s->in.room - s->in.n, MSG_DONTWAIT);
    if (n > 0) {
        s->in.n += (size_t)n;
        search(s);
        if (s->searched > CLUSTERD_IPC_MAX_REQUEST) {
            end(s, "its request is larger than 1 MiB");
            return false;
        }
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end(s, "");
    }
    return false;
}

static int32_t on_ready(int32_t fd, int32_t revents, void *data) {
    struct stream *s = data;
    (void)fd;
    if (revents & POLLOUT && flush(s) < 0) {
        end(s, "");
        return 0;
    }
    if (revents & POLLIN && s->events & POLLIN) {
        if (!receive(s)) {
            return 0;
        }
        if (may_deliver(s)) {
            deliver(s);
        }
    } else if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
        end(s, "");
        return 0;
    }
    settle(s);
    return 0;
}

int stream_send(struct stream *s, const char *text, size_t n, size_t limit) {
    if (s->ended) {
        return -EPIPE;
    }
    if (s->out.n + n + 1 > limit) {
        return -ENOBUFS;
    }
    if (make_room(&s->out, n + 1) < 0) {
        return -ENOMEM;
    }
    memcpy(s->out.at + s->out.n, text, n);
    s->out.at[s->out.n + n] = '\0';
    s->out.n += n + 1;
    int error = flush(s);
    settle(s);
    return error;
}

void stream_pause(struct stream *s, bool pause) {
    s->paused = pause;
    settle(s);
}

int stream_create(qb_loop_t *loop, int fd, const struct stream_handlers *handlers,
                  struct stream **ret_stream) {
    struct stream *s = calloc(1, sizeof(*s));
    if (!s) {
        (void)close(fd);
        return -ENOMEM;
    }
    *s = (struct stream){.loop = loop, .fd = fd, .handlers = *handlers, .events = POLLIN};
    int error = qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, s, on_ready);
    if (error < 0) {
        (void)close(fd);
        free(s);
        return error;
    }
    *ret_stream = s;
    return 0;
}

void stream_destroy(struct stream *s) {
    if (!s) {
        return;
    }
    forget(s);
    if (s->job) {
        (void)qb_loop_job_del(s->loop, QB_LOOP_MED, s, deliver_later);
    }
    (void)close(s->fd);
    free(s->in.at);
    free(s->out.at);
    free(s);
}
