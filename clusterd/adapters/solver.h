/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that answers what would take too long in the loop; see core/solve.h. It runs one job
 * after the other, at the priority of an ordinary process: whoever waits for it waits for a better
 * plan, never for a heartbeat.
 */
#ifndef CLUSTERD_ADAPTERS_SOLVER_H
#define CLUSTERD_ADAPTERS_SOLVER_H

#include "adapters/sink.h"
#include "core/core.h"

#include <qb/qbloop.h>
#include <stdint.h>

struct solver; /* opaque */

/* -ENOMEM or another errno. The thread is made with the first job. */
int solver_create(qb_loop_t *loop, struct event_sink sink, struct solver **ret_solver);
/* Waits until the job that is being run has ended; the others are not run. NULL is fine. The core
 * whose jobs they are must still be there. */
void solver_destroy(struct solver *solver);
/* CORE_EVENT_SOLVED with this id follows. */
void solver_run(struct solver *solver, uint64_t id, struct solve_job *job);

#endif
