/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reserve: enough room to lose any `reserve_nodes` nodes. Each node checks it for itself after
 * every change of the model, never in the event loop (solve.h). `status` shows the result.
 *
 * A client's change is answered once its effect on the reserve is known, with a warning if it
 * breaks the reserve. After a while it is answered without that.
 *
 * The check also yields plans for the loss of each single node. They are kept: in a cluster that is
 * too large to plan in the loop, a failover starts with the plan that is already there.
 */
#ifndef CLUSTERD_CORE_POLICY_RESERVE_H
#define CLUSTERD_CORE_POLICY_RESERVE_H

#include "core/core.h"
#include "core/planner/planner.h"

#include <stdbool.h>
#include <stdint.h>

struct apply;
struct solve_job;

#define RESERVE_HELD 64u /* answers that wait; further ones are given at once */

struct held_reply {
    uint64_t client, operation, deadline_ms, index;
};

struct reserve {
    enum core_reserve_state state;
    uint64_t asked_index; /* of the model that was last checked */
    uint64_t next_ms;     /* no check before this time */
    uint64_t wakeup_ms;
    struct solve_job *kept; /* owned: the last answer, with its plans and its text; NULL: none */
    struct held_reply held[RESERVE_HELD];
    uint32_t n_held;
};

int reserve_run(struct core *c);
/* Whether the client's answer is held until the reserve is known. If so, it is given here later. */
bool reserve_holds(struct core *c, uint64_t client, const struct apply *a);
/* The kept plan for VMs that must start because their node was lost; n == 0: nothing was
 * planned. */
int reserve_warm_plan(struct core *c, struct planner_plan *ret_plan);
void reserve_finish(struct core *c);

#endif
