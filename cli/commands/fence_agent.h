/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata of fence agents: checking a fence device before it is added.
 */
#ifndef CLI_COMMANDS_FENCE_AGENT_H
#define CLI_COMMANDS_FENCE_AGENT_H

#include "cli.h"

/*
 * Whether this node has the agent, and whether a device of several nodes with these parameters
 * can tell them apart. CLI_DONE or reported; of an agent that does not describe itself only a
 * warning is given. `nodes`: none is all.
 */
int fence_agent_check(struct cli *cli, const char *device, const char *agent, const json_t *nodes,
                      const json_t *params);

/* Whether the metadata (XML) has a parameter of that name. */
bool fence_agent_takes(const char *metadata, const char *parameter);

#endif
