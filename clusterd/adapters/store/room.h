/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for room on the disk of the database.
 *
 *     start ── is there room? ── yes ─────────────────────────► go on
 *                  │ no                            ▲
 *                  └──► looks every second ── yes ─┘
 *     end for lack of room ── notes in run_dir how much there was ──► start
 *
 * A clusterd that has no room ends. Started again at once, it would join its view, fail to store
 * what it promises there, and end again, some times a second: each time all nodes form two views.
 * So it waits before it joins, and after such an end for more room than was there. For the other
 * nodes that is a clusterd that does not come back; they have its node fenced. No event tells that
 * a disk has room again.
 */
#ifndef CLUSTERD_ADAPTERS_STORE_ROOM_H
#define CLUSTERD_ADAPTERS_STORE_ROOM_H

#include <qb/qbloop.h>
#include <stdint.h>

/* Bytes that must be free; after an end for lack of room, these more than there were. */
#define ROOM_LEAST (UINT64_C(1) << 20)

struct room; /* opaque */

/* Calls `there` once, as soon as there is room: from within the call if it is there already. Texts
 * are copied. -ENOMEM, or what `there` returned from within; later nobody takes its result. */
int room_wait(qb_loop_t *loop, const char *state_dir, const char *run_dir,
              int (*there)(void *context), void *context, struct room **ret_room);
/* What is waited for, and what to do; "": nothing. NULL is fine. */
const char *room_problem(const struct room *room);
/* NULL is fine. */
void room_destroy(struct room *room);

/* This clusterd ends for lack of room, and has closed the database. Errors are ignored: then the
 * next start looks for ROOM_LEAST alone. */
void room_note_end(const char *state_dir, const char *run_dir);

#endif
