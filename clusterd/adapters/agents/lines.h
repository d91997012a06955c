/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The output of resource agents: one line of JSON in, one struct core_agent out. Pure, for the
 * fuzzer: an agent is another process, and its output is not trusted.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_LINES_H
#define CLUSTERD_ADAPTERS_AGENTS_LINES_H

#include "core/core.h"

#include <jansson.h>
#include <stddef.h>

#define AGENT_MAX_SEEN 64u /* nodes whose heartbeat a volume agent reads */
#define AGENT_MAX_MODELS 512u
#define AGENT_MAX_MACHINES 1024u

/* A decoded line; the strings of `agent` live in `json`. */
struct agent_line {
    json_t *json;
    struct core_agent agent; /* line: AGENT_DONE for the final line of an operation; run is 0 */
    struct core_seen seen[AGENT_MAX_SEEN];
    const char *models[AGENT_MAX_MODELS];
    const char *machines[AGENT_MAX_MACHINES];
    const char *networks[WIRE_MAX_NETWORKS];
};

/*
 * -EBADMSG: not JSON, or not a line of an agent; *ret_why is a constant that says which. -ENOMEM. A
 * line that only newer agents know is 0 with AGENT_LINE_NONE. After 0 the caller calls
 * agent_line_finish().
 */
int agent_line_decode(const char *text, size_t size, struct agent_line *ret_line,
                      const char **ret_why);
void agent_line_finish(struct agent_line *line);

#endif
