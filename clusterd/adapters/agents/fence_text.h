/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The texts that go to a fence agent and come from it. Pure.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_FENCE_TEXT_H
#define CLUSTERD_ADAPTERS_AGENTS_FENCE_TEXT_H

#include "base/buffer.h"
#include "core/core.h"

#include <stdbool.h>

/* fence_[a-z0-9_]+: not a path, nothing but a fence agent. */
bool fence_agent_name_valid(const char *name);

/*
 * The agent's stdin: action, nodename, and the parameters with {node} replaced. If no parameter
 * names the node, plug and port do. -EINVAL: a parameter would smuggle in another line; *ret_why
 * says which kind.
 */
int fence_input(const struct core_fence_order *order, const char *action, struct buffer *out,
                const char **ret_why);

/* Whether the device has secret parameters. */
bool fence_has_secrets(const struct core_fence_order *order);
/* Masks every secret value in the text, encoded or not: see secret_mask(). A text that cannot be
 * masked becomes empty. */
void fence_mask(const struct core_fence_order *order, char *text);

/*
 * The answer of `status`, as ClusterLabs' library prints it: "Status: ON" or "Status: OFF" on a
 * line of its own. Begin with SAID_NOTHING and pass each line of standard output.
 */
enum fence_said { SAID_NOTHING = 0, SAID_ON, SAID_OFF, SAID_BOTH /* or something else */ };
enum fence_said fence_status_line(enum fence_said before, const char *line);

/* Whether the agent's metadata (XML) offers the action. */
bool fence_metadata_offers(const char *metadata, const char *action);

#endif
