/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads that wait for their turn. See ipc/reads.h. */
#include "adapters/ipc/reads.h"

#include <qb/qbdefs.h>
#include <qb/qbutil.h>
#include <stdlib.h>

#define REST_TIMES 4u
#define TURN_NS (1 * QB_TIME_NS_IN_MSEC)
#define REST_FROM_NS (1 * QB_TIME_NS_IN_MSEC)
#define REST_MOST_NS (2000 * QB_TIME_NS_IN_MSEC)
#define KEPT_NS (IPC_READS_KEPT_MS * QB_TIME_NS_IN_MSEC)
#define KEPT_COUNT (sizeof(((struct ipc_reads *)NULL)->kept) / sizeof(struct ipc_reads_kept))

static void take_turn(void *data);

static void turn_after(struct ipc_reads *r, uint64_t ns) {
    if (!r->timer && qb_loop_timer_add(r->loop, QB_LOOP_LOW, ns, r, take_turn, &r->timer) < 0) {
        r->timer = 0; /* the next read that is added tries again */
    }
}

void ipc_read_free(struct ipc_read *read) {
    ipc_request_finish(&read->request);
    free(read);
}

/* ---- what is known already ---- */

static struct ipc_reads_kept *kept_of(struct ipc_reads *r, const struct ipc_read *read) {
    const struct ipc_verb *verb = read->request.verb;
    struct ipc_reads_kept *kept = r->kept[read->session->access >= IPC_ACCESS_CHANGE];
    return verb->kind == IPC_READ && verb->n_args == 0 ? &kept[verb->what] : NULL;
}

static bool is_known(struct ipc_reads *r, const struct ipc_read *read, uint64_t state,
                     uint64_t now_ns) {
    const struct ipc_reads_kept *kept = kept_of(r, read);
    return kept && kept->text && kept->state == state && now_ns - kept->since_ns < KEPT_NS;
}

static void keep(struct ipc_reads *r, const struct ipc_read *read, struct ipc_text *text,
                 uint64_t state, uint64_t now_ns) {
    struct ipc_reads_kept *kept = kept_of(r, read);
    if (kept) {
        ipc_text_release(kept->text);
        *kept = (struct ipc_reads_kept){ipc_text_hold(text), state, now_ns};
    }
}

/* Texts that nobody may get any more do not take memory. */
static void drop_old(struct ipc_reads *r, uint64_t state, uint64_t now_ns) {
    for (size_t i = 0; i < KEPT_COUNT; i++) {
        struct ipc_reads_kept *kept = &r->kept[i / READ_COUNT][i % READ_COUNT];
        if (kept->text && (kept->state != state || now_ns - kept->since_ns >= KEPT_NS)) {
            ipc_text_release(kept->text);
            kept->text = NULL;
        }
    }
}

/* ---- turns ---- */

static struct ipc_read *next_read(struct ipc_reads *r, uint64_t state, uint64_t now_ns) {
    struct ipc_read *next = NULL;
    bool rests = now_ns < r->rest_until_ns;
    list_for_each (at, &r->list) {
        struct ipc_read *read = list_entry(at, struct ipc_read, link);
        if ((!next || read->session->user->turn < next->session->user->turn) &&
            (!rests || is_known(r, read, state, now_ns))) {
            next = read;
        }
    }
    return next;
}

static struct ipc_text *make(struct ipc_reads *r, struct ipc_read *read, uint64_t state) {
    uint64_t from_ns = qb_util_nano_current_get();
    struct ipc_text *text = r->source.make(r->source.context, read);
    uint64_t now_ns = qb_util_nano_current_get(), took_ns = now_ns - from_ns;
    if (text && read->same) {
        keep(r, read, text, state, from_ns);
    }
    if (read->request.verb->kind == IPC_READ) {
        r->took_ns[read->request.verb->what] = took_ns;
    }
    if (took_ns >= REST_FROM_NS) {
        uint64_t rest_ns = took_ns * REST_TIMES;
        r->rest_until_ns = now_ns + (rest_ns < REST_MOST_NS ? rest_ns : REST_MOST_NS);
    }
    return text;
}

static void answer(struct ipc_reads *r, struct ipc_read *read, uint64_t state, uint64_t now_ns) {
    struct ipc_text *text = is_known(r, read, state, now_ns) ? ipc_text_hold(kept_of(r, read)->text)
                                                             : make(r, read, state);
    read->session->user->turn = ++r->turn;
    r->source.answered(r->source.context, read, text);
    ipc_text_release(text);
    ipc_read_free(read);
}

static void take(struct ipc_reads *r, struct ipc_read *read, uint64_t state, uint64_t now_ns) {
    list_remove(&read->link);
    if (is_known(r, read, state, now_ns) || r->source.ready(r->source.context, read)) {
        answer(r, read, state, now_ns);
    }
}

static void take_turn(void *data) {
    struct ipc_reads *r = data;
    uint64_t state = r->source.state(r->source.context), from_ns = qb_util_nano_current_get();
    uint64_t now_ns = from_ns;
    struct ipc_read *read = NULL;
    r->timer = 0;
    do {
        read = next_read(r, state, now_ns);
        if (read) {
            take(r, read, state, now_ns);
            now_ns = qb_util_nano_current_get();
        }
    } while (read && now_ns - from_ns < TURN_NS);
    r->at_once_ns = 0;
    if (!list_empty(&r->list)) {
        turn_after(r, read ? 0 : r->rest_until_ns - now_ns);
    } else {
        drop_old(r, state, now_ns);
    }
}

/* What takes no time need not wait, if nobody else does: a turn of the loop costs more. */
static bool is_answered_at_once(struct ipc_reads *r, struct ipc_read *read) {
    const struct ipc_verb *verb = read->request.verb;
    if (verb->kind != IPC_READ || !list_empty(&r->list) || r->at_once_ns >= TURN_NS ||
        r->took_ns[verb->what] >= TURN_NS) {
        return false;
    }
    uint64_t from_ns = qb_util_nano_current_get();
    if (from_ns < r->rest_until_ns) {
        return false;
    }
    uint64_t state = kept_of(r, read) ? r->source.state(r->source.context) : 0;
    list_append(&r->list, &read->link);
    take(r, read, state, from_ns);
    r->at_once_ns += qb_util_nano_current_get() - from_ns;
    return true;
}

void ipc_reads_add(struct ipc_reads *r, struct ipc_read *read) {
    if (is_answered_at_once(r, read)) {
        return;
    }
    list_append(&r->list, &read->link);
    if (r->timer) { /* it may wait for the end of a rest, which this one need not */
        (void)qb_loop_timer_del(r->loop, r->timer);
        r->timer = 0;
    }
    turn_after(r, 0);
}

void ipc_reads_forget(struct ipc_reads *r, const struct ipc_session *session) {
    list_for_each_safe (at, &r->list) {
        struct ipc_read *read = list_entry(at, struct ipc_read, link);
        if (read->session == session) {
            list_remove(&read->link);
            ipc_read_free(read);
        }
    }
}

void ipc_reads_init(struct ipc_reads *r, qb_loop_t *loop, const struct ipc_reads_source *source) {
    *r = (struct ipc_reads){.loop = loop, .source = *source};
    list_init(&r->list);
    for (size_t i = 0; i < READ_COUNT; i++) {
        r->took_ns[i] = UINT64_MAX; /* not known yet */
    }
}

void ipc_reads_finish(struct ipc_reads *r) {
    if (r->timer) {
        (void)qb_loop_timer_del(r->loop, r->timer);
        r->timer = 0;
    }
    list_for_each_safe (at, &r->list) {
        struct ipc_read *read = list_entry(at, struct ipc_read, link);
        list_remove(&read->link);
        ipc_read_free(read);
    }
    for (size_t i = 0; i < KEPT_COUNT; i++) {
        struct ipc_reads_kept *kept = &r->kept[i / READ_COUNT][i % READ_COUNT];
        ipc_text_release(kept->text);
        kept->text = NULL;
    }
}
