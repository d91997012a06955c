/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence agents: FENCE in, CORE_EVENT_FENCE out, exactly one for each order. Any ClusterLabs fence
 * agent works. An order is carried out once, within its time; the core repeats orders.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_FENCE_H
#define CLUSTERD_ADAPTERS_AGENTS_FENCE_H

#include "adapters/sink.h"

#include <qb/qbloop.h>

#define FENCE_MAX_PATH 4096 /* bytes, with the NUL */

struct fence; /* opaque */

/* -ENOMEM. `agent_dir` is copied. */
int fence_create(qb_loop_t *loop, const char *agent_dir, struct event_sink sink,
                 struct fence **ret_fence);
/* Kills all running agents. NULL is fine. */
void fence_destroy(struct fence *fence);
/* Whether this node can run the agent: 0, -ENOENT, -EACCES, ... `ret_path`, of FENCE_MAX_PATH
 * bytes, is set in either case. */
int fence_find_agent(const struct fence *fence, const char *agent, char *ret_path);
void fence_run(struct fence *fence, const struct core_fence_order *order);

#endif
