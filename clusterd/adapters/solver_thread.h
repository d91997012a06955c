/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for solves that would take too long in the loop; see core/solve.h. It runs one job after
 * the other, at ordinary priority: a full queue delays better plans, never heartbeats.
 */
#ifndef CLUSTERD_ADAPTERS_SOLVER_THREAD_H
#define CLUSTERD_ADAPTERS_SOLVER_THREAD_H

#include "adapters/sink.h"
#include "core/core.h"

#include <qb/qbloop.h>
#include <stdint.h>

struct solver; /* opaque */

/* -ENOMEM or another errno. The first job starts the thread. */
int solver_create(qb_loop_t *loop, struct event_sink sink, struct solver **ret_solver);
/* Waits until the running job has ended; drops the others. NULL is fine. The core that owns the
 * jobs must still exist. */
void solver_destroy(struct solver *solver);
/* CORE_EVENT_SOLVED with this id follows. */
void solver_run(struct solver *solver, uint64_t id, struct solve_job *job);

#endif
