/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reserve: room to lose any `reserve_nodes` nodes. Each node asks for itself, after every
 * change of the model and never in the loop (solve.h), whether it is there; `status` says what it
 * knows.
 *
 * A change that somebody asked for is answered when it is known what it does to the reserve, with a
 * warning if it breaks it; or after a while without.
 *
 * The answer brings the plans by which single nodes may be lost. They are kept: in a cluster that
 * is too large to be planned for in the loop, a failover begins with the plan that is there
 * already.
 */
#ifndef CLUSTERD_CORE_POLICY_RESERVE_H
#define CLUSTERD_CORE_POLICY_RESERVE_H

#include "core/core.h"
#include "core/planner/planner.h"

#include <stdbool.h>
#include <stdint.h>

struct apply;
struct solve_job;

#define RESERVE_HELD 64u /* answers that wait; more are given at once */

struct held_reply {
    uint64_t client, operation, deadline_ms, index;
};

struct reserve {
    enum core_reserve_state state;
    uint64_t asked_index; /* of the model that was asked about last */
    uint64_t next_ms;     /* not asked again before */
    uint64_t wakeup_ms;
    struct solve_job *kept; /* owned: the last answer, with its plans and its text; NULL: none */
    struct held_reply held[RESERVE_HELD];
    uint32_t n_held;
};

int reserve_run(struct core *c);
/* Whether the answer to a client is kept until the reserve is known; then it is given here. */
bool reserve_holds(struct core *c, uint64_t client, const struct apply *a);
/* What was planned for the loss of the nodes where VMs were that are to start; n == 0: nothing. */
int reserve_warm_plan(struct core *c, struct planner_plan *ret_plan);
void reserve_finish(struct core *c);

#endif
