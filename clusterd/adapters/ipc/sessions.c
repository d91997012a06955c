/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connected clients, and sending to them; see ipc/sessions.h.
 *
 * A failed send may happen inside libqb's callback for the same connection. Therefore a zero timer
 * disconnects the client later, from a clean stack.
 */
#include "adapters/ipc/sessions.h"

#include "adapters/ipc/json.h"
#include "adapters/logging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define MESSAGE_ID (QB_IPC_MSG_USER_START + 1)

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
            qb_ipcs_disconnect(session->connection); /* frees the session */
        }
    }
}

static void doom(struct ipc_sessions *s, struct ipc_session *session, const char *why) {
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

typedef ssize_t (*send_function)(qb_ipcs_connection_t *, const struct iovec *, size_t);

static ssize_t send_text(struct ipc_session *session, send_function send_it, const char *text) {
    size_t n = strlen(text);
    if (n > INT32_MAX / 2) {
        return -EMSGSIZE;
    }
    struct qb_ipc_response_header header = {.id = MESSAGE_ID};
    header.size = (int32_t)(sizeof(header) + n + 1);
    const struct iovec parts[2] = {{.iov_base = &header, .iov_len = sizeof(header)},
                                   {.iov_base = (void *)(uintptr_t)text, .iov_len = n + 1}};
    return send_it(session->connection, parts, 2);
}

static void send_message(struct ipc_sessions *s, struct ipc_session *session, send_function send_it,
                         const char *text) {
    if (session->doomed || !session->connected) {
        return;
    }
    ssize_t sent = text ? send_text(session, send_it, text) : -ENOMEM;
    if (sent < 0) {
        doom(s, session, sent == -EAGAIN ? "it does not read its messages" : strerror((int)-sent));
    }
}

void ipc_session_answer(struct ipc_sessions *s, struct ipc_session *session, json_t *message) {
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    size_t room = (size_t)qb_ipcs_connection_get_buffer_size(session->connection);
    if (text && strlen(text) + sizeof(struct qb_ipc_response_header) + 64 > room) {
        struct ipc_error error;
        (void)ipc_fail(&error, "too-large", "connect again with a larger buffer, or ask for less",
                       "the answer has %zu bytes, but the client takes only %zu", strlen(text),
                       room);
        json_t *refusal =
            ipc_answer_error(json_integer_value(json_object_get(message, "id")), &error);
        free(text);
        text = refusal ? json_dumps(refusal, JSON_COMPACT) : NULL;
        json_decref(refusal);
    }
    send_message(s, session, qb_ipcs_response_sendv, text);
    free(text);
    json_decref(message);
}

void ipc_session_event(struct ipc_sessions *s, struct ipc_session *session, json_t *message) {
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    send_message(s, session, qb_ipcs_event_sendv, text);
    free(text);
    json_decref(message);
}

void ipc_sessions_publish(struct ipc_sessions *s, json_t *message) {
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    list_for_each (at, &s->list) {
        struct ipc_session *session = list_entry(at, struct ipc_session, link);
        if (session->subscribed) {
            send_message(s, session, qb_ipcs_event_sendv, text);
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
