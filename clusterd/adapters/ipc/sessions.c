/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connected clients, and sending to them; see ipc/sessions.h.
 *
 * A failed send may happen inside the callback of the same connection. Therefore a zero timer
 * disconnects the client later, from a clean stack.
 */
#include "adapters/ipc/sessions.h"

#include "adapters/logging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    log_info("IPC: a client is disconnected: %s", why);
    if (!s->doom_timer &&
        qb_loop_timer_add(s->loop, QB_LOOP_LOW, 0, s, hang_up, &s->doom_timer) < 0) {
        s->doom_timer = 0;
    }
}

static void sent(struct ipc_sessions *s, struct ipc_session *session, int error) {
    if (error < 0) {
        ipc_session_doom(s, session,
                         error == -EAGAIN ? "it does not read its messages" : strerror(-error));
    }
}

static void send_event(struct ipc_sessions *s, struct ipc_session *session, const char *text) {
    if (!session->doomed && session->connected) {
        sent(s, session, text ? session->transport->event(session, text) : -ENOMEM);
    }
}

void ipc_session_answer(struct ipc_sessions *s, struct ipc_session *session, json_t *message) {
    if (!session->doomed && session->connected) {
        sent(s, session, message ? session->transport->answer(session, message) : -ENOMEM);
    }
    json_decref(message);
}

void ipc_session_event(struct ipc_sessions *s, struct ipc_session *session, json_t *message) {
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    send_event(s, session, text);
    free(text);
    json_decref(message);
}

void ipc_sessions_publish(struct ipc_sessions *s, json_t *message) {
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    list_for_each (at, &s->list) {
        struct ipc_session *session = list_entry(at, struct ipc_session, link);
        if (session->subscribed) {
            send_event(s, session, text);
        }
    }
    free(text);
    json_decref(message);
}

bool ipc_sessions_anybody(const struct ipc_sessions *s) {
    for (const struct list *at = s->list.next; at != &s->list; at = at->next) {
        if (list_entry((uintptr_t)at, struct ipc_session, link)->subscribed) {
            return true;
        }
    }
    return false;
}
