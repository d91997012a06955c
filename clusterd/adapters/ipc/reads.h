/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads that wait for their turn. They never delay a change for long, however many readers ask:
 *
 *   - they are answered after the core's own work, for 1 ms in a turn of the loop
 *   - one that takes less, as it did the last time, is answered at once if nobody waits; together
 *     for 1 ms, then they wait for the next turn, too
 *   - the user whose last one is longest ago comes first
 *   - readers that ask the same of the same state get the same bytes, made once
 *   - after one that took long the others have a rest four times as long, so that all reads
 *     together have a fifth of the loop's time; what is known already is answered meanwhile
 */
#ifndef CLUSTERD_ADAPTERS_IPC_READS_H
#define CLUSTERD_ADAPTERS_IPC_READS_H

#include "adapters/ipc/requests.h"
#include "adapters/ipc/sessions.h"
#include "adapters/ipc/text.h"

#include <qb/qbloop.h>

#define IPC_READS_KEPT_MS 250u /* also if nothing seems to have changed: some texts hold times */

struct ipc_read {
    struct list link;
    struct ipc_session *session;
    json_int_t id;
    bool planned;               /* for the server: the core has been asked for plans */
    bool same;                  /* set by `make`: the reply is the same for all who ask this */
    struct ipc_request request; /* owned */
};

struct ipc_reads_source {
    /* A number that differs if anything that is shown differs. */
    uint64_t (*state)(void *context);
    /* Whether the read can be answered now. If not, it has been taken over. */
    bool (*ready)(void *context, struct ipc_read *read);
    /* The reply, a reference for the caller; NULL: out of memory. It sets read->same. */
    struct ipc_text *(*make)(void *context, struct ipc_read *read);
    void (*answered)(void *context, struct ipc_read *read, struct ipc_text *text);
    void *context;
};

struct ipc_reads_kept {
    struct ipc_text *text;
    uint64_t state, since_ns;
};

struct ipc_reads {
    qb_loop_t *loop;
    struct ipc_reads_source source;
    struct list list; /* oldest first */
    qb_loop_timer_handle timer;
    uint64_t turn, rest_until_ns;
    uint64_t at_once_ns;          /* spent on what was answered at once, since the last turn */
    uint64_t took_ns[READ_COUNT]; /* the last one of each verb */
    /* By enum ipc_read_verb. [1]: for those who may see secrets, so that no reader gets it. */
    struct ipc_reads_kept kept[2][READ_COUNT];
};

void ipc_reads_init(struct ipc_reads *reads, qb_loop_t *loop,
                    const struct ipc_reads_source *source);
void ipc_reads_finish(struct ipc_reads *reads);

/* The reads of a session that goes away are removed and freed by ipc_reads_forget(). */
void ipc_reads_add(struct ipc_reads *reads, struct ipc_read *read);
void ipc_reads_forget(struct ipc_reads *reads, const struct ipc_session *session);

void ipc_read_free(struct ipc_read *read);

#endif
