/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stable storage: STORE in, CORE_EVENT_STORED out.
 *
 * One thread does nothing but sqlite. All STOREs that arrive during a commit go together into the
 * next transaction: under load, one commit covers more of them. STORED reports the highest sequence
 * number that is safe on disk.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_STORE_H
#define CLUSTERD_ADAPTERS_STORE_STORE_H

#include "adapters/sink.h"

#include <qb/qbloop.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_store; /* opaque */

#define STORE_MAX_MESSAGE 512

/*
 * Opens STATE_DIR/cluster.db, creates it if there is none, and loads it. On error ret_message
 * (STORE_MAX_MESSAGE bytes) says in one line what and where:
 *
 *     -EBUSY            another clusterd has it open
 *     -EPROTONOSUPPORT  a newer clusterd wrote it
 *     -EBADMSG          its content contradicts itself; set the node up anew: it gets its data
 *                       from the others
 *
 * or another errno.
 */
int sqlite_store_open(qb_loop_t *loop, const char *state_dir, struct event_sink sink,
                      struct sqlite_store **ret_store, char *ret_message);
/* Waits until all that was queued is on disk (or has failed). NULL is fine. */
void sqlite_store_close(struct sqlite_store *store);

/* The content at opening; valid until the first sqlite_store_put() or sqlite_store_forget(). */
const struct core_stored_state *sqlite_store_state(const struct sqlite_store *store);
void sqlite_store_forget(struct sqlite_store *store);

/* A database belongs to one node for ever: two nodes with copies of it would each count as the
 * other. Writes the id the first time; -EXDEV and a message if it belongs to another node. */
int sqlite_store_claim(struct sqlite_store *store, uint32_t node, char *ret_message);

/* Copies its argument. After an error nothing is stored any more, and each put is answered with
 * that error. */
void sqlite_store_put(struct sqlite_store *store, const struct core_store *put);

/* That error; 0: all is well. NULL is fine. */
int sqlite_store_error(struct sqlite_store *store);

#endif
