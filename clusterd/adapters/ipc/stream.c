/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages on a stream socket. See ipc/stream.h. */
#include "adapters/ipc/stream.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbdefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROOM_FIRST 4096u             /* most requests fit, and 500 clients take 2 MB */
#define AT_ONCE ((size_t)256 * 1024) /* sent in one turn of the loop */
#define PARTS_AT_ONCE 32u
#define TOO_LARGE "its request is too large"

struct bytes {
    char *at;
    size_t from, n, room; /* at[from] to at[from + n - 1] are there */
};

struct part {
    struct part *next;
    struct ipc_text *text; /* a reference */
    size_t budget, event;  /* bytes that it counts in the budget, or as an unsent event */
};

struct stream {
    qb_loop_t *loop;
    int fd;
    struct stream_owner owner;
    struct bytes in;
    size_t searched; /* so many bytes of `in` hold no NUL */
    bool complete;   /* `in` holds a whole message: the NUL is at `searched` */
    struct part *first, **last;
    size_t sent;          /* bytes of the first part */
    size_t unsent_events; /* bytes */
    bool paused;
    bool heard_all; /* the peer will send no more */
    bool ended;
    bool delivering; /* its owner has a message */
    int32_t events;
    struct list waiting; /* for the budget */
    qb_loop_timer_handle deliver_timer, half_timer, unread_timer;
};

static void settle(struct stream *s);

/* ---- the user's budget ---- */

void stream_budget_init(struct stream_budget *budget, size_t unsent_most, size_t half_most) {
    *budget = (struct stream_budget){.unsent_most = unsent_most, .half_most = half_most};
    list_init(&budget->waiting);
}

static bool is_spent(const struct stream_budget *budget) {
    return budget->unsent >= budget->unsent_most;
}

static void give_back(struct stream_budget *budget, size_t n) {
    bool was_spent = is_spent(budget);
    budget->unsent -= n;
    if (!was_spent || is_spent(budget)) {
        return;
    }
    list_for_each_safe (at, &budget->waiting) {
        struct stream *s = list_entry(at, struct stream, waiting);
        list_remove(&s->waiting);
        settle(s);
    }
}

static size_t beyond_first(size_t room) {
    return room > ROOM_FIRST ? room - ROOM_FIRST : 0;
}

static void set_room(struct stream *s, size_t room) {
    s->owner.budget->half -= beyond_first(s->in.room);
    s->owner.budget->half += beyond_first(room);
    s->in.room = room;
}

/* ---- what has come ---- */

/* Room for ROOM_FIRST bytes more. -ENOMEM, or -EDQUOT: the user has too much here already. */
static int make_room(struct stream *s) {
    struct bytes *in = &s->in;
    const struct stream_budget *budget = s->owner.budget;
    size_t room = in->room > 0 ? in->room : ROOM_FIRST;
    if (in->from > 0) {
        memmove(in->at, in->at + in->from, in->n);
        in->from = 0;
    }
    if (room - in->n < ROOM_FIRST) {
        room *= 2;
    }
    if (room == in->room) {
        return 0;
    }
    if (budget->half - beyond_first(in->room) + beyond_first(room) > budget->half_most) {
        return -EDQUOT;
    }
    char *at = realloc(in->at, room);
    if (!at) {
        return -ENOMEM;
    }
    in->at = at;
    set_room(s, room);
    return 0;
}

static void drop(struct stream *s, size_t n) {
    struct bytes *in = &s->in;
    in->from += n;
    in->n -= n;
    if (in->n == 0) { /* a client that has once sent much does not keep the memory */
        free(in->at);
        set_room(s, 0);
        *in = (struct bytes){.at = NULL};
    }
}

static void search(struct stream *s) {
    const char *text = s->in.n > 0 ? s->in.at + s->in.from : NULL;
    const char *nul = text ? memchr(text + s->searched, '\0', s->in.n - s->searched) : NULL;
    s->complete = nul != NULL;
    s->searched = nul ? (size_t)(nul - text) : s->in.n;
}

/* ---- the end ---- */

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
    list_remove(&s->waiting);
    timer_end(s, &s->deliver_timer);
    timer_end(s, &s->half_timer);
    timer_end(s, &s->unread_timer);
}

/* The last thing that a function does with the stream. */
static void end(struct stream *s, const char *why) {
    if (!s->ended) {
        forget(s);
        s->owner.ended(s->owner.context, why);
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

/* ---- what the loop shall wait for ---- */

static void timer_begin(struct stream *s, qb_loop_timer_handle *timer, uint32_t ms,
                        qb_loop_timer_dispatch_fn fn) {
    if (!*timer && qb_loop_timer_add(s->loop, QB_LOOP_MED, (uint64_t)ms * QB_TIME_NS_IN_MSEC, s, fn,
                                     timer) < 0) {
        *timer = 0;
    }
}

/* Whether a message would be handed over if there were one. */
static bool may_deliver(const struct stream *s) {
    return !s->paused && !s->first && !s->ended && !is_spent(s->owner.budget);
}

/* Nothing will come any more, and nothing is left to say. */
static bool is_over(const struct stream *s) {
    return s->heard_all && !s->complete && !s->first && !s->ended &&
           !(s->owner.owes && s->owner.owes(s->owner.context));
}

static void deliver_later(void *data);
static int32_t on_ready(int32_t fd, int32_t revents, void *data);

static void settle(struct stream *s) {
    bool reads = may_deliver(s) && !s->complete && !s->heard_all;
    int32_t events = (reads ? POLLIN : 0) | (s->first ? POLLOUT : 0);
    if (s->ended || s->delivering) {
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
    if ((may_deliver(s) && s->complete) || is_over(s)) {
        timer_begin(s, &s->deliver_timer, 0, deliver_later);
    }
    if (is_spent(s->owner.budget)) {
        list_remove(&s->waiting);
        list_append(&s->owner.budget->waiting, &s->waiting);
    }
}

/* false: the stream has ended. One that is too large may have come behind another one. What changes
 * meanwhile is settled by the caller, once. */
static bool deliver(struct stream *s) {
    size_t n = s->searched;
    if (n > s->owner.request_most) {
        end(s, TOO_LARGE);
        return false;
    }
    s->delivering = true;
    s->owner.message(s->owner.context, s->in.at + s->in.from, n);
    s->delivering = false;
    drop(s, n + 1);
    s->searched = 0;
    search(s);
    return true;
}

static void deliver_later(void *data) {
    struct stream *s = data;
    s->deliver_timer = 0;
    if (is_over(s)) {
        end(s, "");
        return;
    }
    if (may_deliver(s) && s->complete && !deliver(s)) {
        return;
    }
    settle(s);
}

/* ---- what goes out ---- */

static int add_part(struct stream *s, struct ipc_text *text, size_t budget, size_t event) {
    struct part *part = malloc(sizeof(*part));
    if (!part) {
        return -ENOMEM;
    }
    *part = (struct part){.text = ipc_text_hold(text), .budget = budget, .event = event};
    *s->last = part;
    s->last = &part->next;
    s->owner.budget->unsent += budget;
    s->unsent_events += event;
    return 0;
}

static void remove_first(struct stream *s) {
    struct part *part = s->first;
    size_t budget = part->budget;
    s->first = part->next;
    if (!s->first) {
        s->last = &s->first;
    }
    s->sent = 0;
    s->unsent_events -= part->event;
    ipc_text_release(part->text);
    free(part);
    give_back(s->owner.budget, budget);
}

static ssize_t send_some(const struct stream *s) {
    struct iovec parts[PARTS_AT_ONCE];
    struct msghdr message = {.msg_iov = parts};
    size_t skip = s->sent, rest = AT_ONCE;
    for (const struct part *part = s->first; part && message.msg_iovlen < PARTS_AT_ONCE && rest > 0;
         part = part->next) {
        size_t n = part->text->size - skip;
        n = n < rest ? n : rest;
        parts[message.msg_iovlen++] = (struct iovec){part->text->bytes + skip, n};
        rest -= n;
        skip = 0;
    }
    return sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What the socket takes now. Each part that is taken gives the peer its time anew. */
static int flush(struct stream *s) {
    ssize_t n = send_some(s);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        return -errno;
    }
    if (n > 0) {
        timer_end(s, &s->unread_timer);
    }
    while (n > 0 && s->first) {
        size_t rest = s->first->text->size - s->sent;
        if ((size_t)n < rest) {
            s->sent += (size_t)n;
            break;
        }
        n -= (ssize_t)rest;
        remove_first(s);
    }
    if (s->first) {
        timer_begin(s, &s->unread_timer, s->owner.unread_ms, unread_too_long);
    }
    return 0;
}

int stream_answer(struct stream *s, struct ipc_text *text) {
    bool idle = !s->first;
    int error = s->ended ? -EPIPE : add_part(s, text, text->size, 0);
    if (error == 0 && idle) {
        error = flush(s);
    }
    settle(s);
    return error;
}

int stream_answer_later(struct stream *s, struct ipc_text *text) {
    int error = s->ended ? -EPIPE : add_part(s, text, text->size, 0);
    settle(s);
    return error;
}

int stream_event(struct stream *s, struct ipc_text *text, size_t limit) {
    if (s->ended) {
        return -EPIPE;
    }
    size_t counts = text->size < limit / 2 ? text->size : limit / 2;
    int error = s->unsent_events > limit ? -ENOBUFS : add_part(s, text, 0, counts);
    settle(s);
    return error;
}

/* ---- the socket ---- */

/* false: nothing came, or the stream has ended. */
static bool receive(struct stream *s) {
    int error = make_room(s);
    if (error < 0) {
        end(s, error == -EDQUOT ? "its user has sent too many halves of requests"
                                : "clusterd is out of memory");
        return false;
    }
    ssize_t n = recv(s->fd, s->in.at + s->in.n, s->in.room - s->in.n, MSG_DONTWAIT);
    if (n > 0) {
        s->in.n += (size_t)n;
        search(s);
        if (s->searched > s->owner.request_most) {
            end(s, TOO_LARGE);
            return false;
        }
        return true;
    }
    s->heard_all = n == 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        end(s, "");
        return false;
    }
    return n == 0;
}

static int32_t on_ready(int32_t fd, int32_t revents, void *data) {
    struct stream *s = data;
    (void)fd;
    if (revents & POLLOUT && s->first && flush(s) < 0) {
        end(s, "");
        return 0;
    }
    if (revents & POLLIN && s->events & POLLIN) {
        if (!receive(s)) {
            return 0;
        }
        if (may_deliver(s) && s->complete && !deliver(s)) {
            return 0;
        }
    } else if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
        end(s, "");
        return 0;
    }
    settle(s);
    return 0;
}

void stream_pause(struct stream *s, bool pause) {
    s->paused = pause;
    settle(s);
}

int stream_create(qb_loop_t *loop, int fd, const struct stream_owner *owner,
                  struct stream **ret_stream) {
    struct stream *s = calloc(1, sizeof(*s));
    if (!s) {
        (void)close(fd);
        return -ENOMEM;
    }
    *s = (struct stream){.loop = loop, .fd = fd, .owner = *owner, .events = POLLIN};
    s->last = &s->first;
    list_init(&s->waiting);
    int error = qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, s, on_ready);
    if (error < 0) {
        (void)close(fd);
        free(s);
        return error;
    }
    settle(s);
    *ret_stream = s;
    return 0;
}

void stream_destroy(struct stream *s) {
    if (!s) {
        return;
    }
    forget(s);
    (void)close(s->fd);
    while (s->first) {
        remove_first(s);
    }
    free(s->in.at);
    set_room(s, 0);
    free(s);
}
