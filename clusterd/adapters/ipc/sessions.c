/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connected clients, and sending to them; see ipc/sessions.h.
 *
 * A failed send may happen inside the callback of the same connection. Therefore a zero timer
 * disconnects the client later, from a clean stack.
 */
#include "adapters/ipc/sessions.h"

#include "adapters/clock.h"
#include "adapters/ipc/varlink.h"
#include "adapters/logging.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COMPLAINTS_A_MINUTE 20u

void ipc_sessions_init(struct ipc_sessions *s, qb_loop_t *loop) {
    *s = (struct ipc_sessions){.loop = loop};
    list_init(&s->list);
}

void ipc_sessions_finish(struct ipc_sessions *s) {
    if (s->doom_timer) {
        (void)qb_loop_timer_del(s->loop, s->doom_timer);
        s->doom_timer = 0;
    }
}

void ipc_session_add(struct ipc_sessions *s, struct ipc_session *session) {
    session->connected = true;
    list_append(&s->list, &session->link);
    s->n++;
}

void ipc_session_remove(struct ipc_sessions *s, struct ipc_session *session) {
    if (session->connected) {
        session->connected = false;
        list_remove(&session->link);
        s->n--;
    }
}

void ipc_sessions_complain(struct ipc_sessions *s, const char *format, ...) {
    char text[512];
    va_list args;
    uint64_t minute = clock_now_ms() / 60000;
    if (minute != s->minute) {
        if (s->n_silent > 0) {
            log_info("IPC: %u more lines about clients were left out", s->n_silent);
        }
        s->minute = minute;
        s->n_complaints = s->n_silent = 0;
    }
    if (s->n_complaints >= COMPLAINTS_A_MINUTE) {
        s->n_silent++;
        return;
    }
    s->n_complaints++;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_info("IPC: %s", text);
}

static void hang_up(void *data) {
    struct ipc_sessions *s = data;
    s->doom_timer = 0;
    list_for_each_safe (at, &s->list) {
        struct ipc_session *session = list_entry(at, struct ipc_session, link);
        if (session->doomed) {
            session->transport->hang_up(session);
        }
    }
}

void ipc_session_doom(struct ipc_sessions *s, struct ipc_session *session, const char *why) {
    if (session->doomed) {
        return;
    }
    session->doomed = true;
    ipc_sessions_complain(s, "a client of user %u is disconnected: %s",
                          (unsigned)session->user->uid, why);
    if (!s->doom_timer &&
        qb_loop_timer_add(s->loop, QB_LOOP_LOW, 0, s, hang_up, &s->doom_timer) < 0) {
        s->doom_timer = 0;
    }
}

static void sent(struct ipc_sessions *s, struct ipc_session *session, int error) {
    if (error < 0) {
        ipc_session_doom(s, session,
                         error == -ENOBUFS ? "it does not read its messages" : strerror(-error));
    }
}

static bool listens(const struct ipc_session *session) {
    return !session->doomed && session->connected;
}

void ipc_session_reply(struct ipc_sessions *s, struct ipc_session *session, json_int_t id,
                       struct ipc_text *reply) {
    if (listens(session)) {
        sent(s, session, reply ? session->transport->answer(session, id, reply) : -ENOMEM);
    }
}

void ipc_session_answer(struct ipc_sessions *s, struct ipc_session *session, json_t *message) {
    struct ipc_text *reply = message ? ipc_text_dump(varlink_reply(message)) : NULL;
    ipc_session_reply(s, session, json_integer_value(json_object_get(message, "id")), reply);
    ipc_text_release(reply);
    json_decref(message);
}

static void send_event(struct ipc_sessions *s, struct ipc_session *session, struct ipc_text *reply,
                       bool replayed) {
    if (listens(session)) {
        sent(s, session, reply ? session->transport->event(session, reply, replayed) : -ENOMEM);
    }
}

void ipc_session_replay(struct ipc_sessions *s, struct ipc_session *session, json_t *message) {
    struct ipc_text *reply = ipc_text_dump(varlink_event(message));
    send_event(s, session, reply, true);
    ipc_text_release(reply);
}

void ipc_sessions_publish(struct ipc_sessions *s, json_t *message) {
    struct ipc_text *reply = ipc_text_dump(varlink_event(message));
    list_for_each (at, &s->list) {
        struct ipc_session *session = list_entry(at, struct ipc_session, link);
        if (session->subscribed) {
            send_event(s, session, reply, false);
        }
    }
    ipc_text_release(reply);
}

bool ipc_sessions_anybody(const struct ipc_sessions *s) {
    for (const struct list *at = s->list.next; at != &s->list; at = at->next) {
        if (list_entry((uintptr_t)at, struct ipc_session, link)->subscribed) {
            return true;
        }
    }
    return false;
}
