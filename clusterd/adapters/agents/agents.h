/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource agents: RUN_AGENT and KILL_AGENT in, CORE_EVENT_AGENT out. Each run is one process; its
 * lines are events as they come, and its end is always one AGENT_DONE, whatever happened, also when
 * it could not be started.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_AGENTS_H
#define CLUSTERD_ADAPTERS_AGENTS_AGENTS_H

#include "adapters/sink.h"

#include <qb/qbloop.h>

struct agents; /* opaque */

/* -ENOMEM. `agent_dir` is copied. */
int agents_create(qb_loop_t *loop, const char *agent_dir, struct event_sink sink,
                  struct agents **ret_agents);
/* Kills all that run. NULL is fine. */
void agents_destroy(struct agents *agents);

void agents_run(struct agents *agents, const struct core_run_agent *order);
/* A run that has ended, or never was, is passed over. */
void agents_kill(struct agents *agents, const struct core_kill_agent *order);

#endif
