/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource agents: RUN_AGENT and KILL_AGENT in, CORE_EVENT_AGENT out. Each run is one process. Its
 * lines become events as they come. Its end is always exactly one AGENT_DONE, even if the process
 * could not be started.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_AGENTS_H
#define CLUSTERD_ADAPTERS_AGENTS_AGENTS_H

#include "adapters/sink.h"

#include <qb/qbloop.h>

struct agents; /* opaque */

/* -ENOMEM. `agent_dir` is copied. */
int agents_create(qb_loop_t *loop, const char *agent_dir, struct event_sink sink,
                  struct agents **ret_agents);
/* Kills all running agents. NULL is fine. */
void agents_destroy(struct agents *agents);

void agents_run(struct agents *agents, const struct core_run_agent *order);
/* Ignores a run that has ended, or never was. */
void agents_kill(struct agents *agents, const struct core_kill_agent *order);

#endif
