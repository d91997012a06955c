/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a resource agent from the command line, for `validate-all`. Only the agent knows how to
 * read a definition, and what it refuses here, the cluster would refuse later.
 */
#ifndef CLI_AGENT_H
#define CLI_AGENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct agent_call {
    const char *path; /* of the agent */
    const char *action;
    const char *input;                /* for its standard input */
    const char *const (*settings)[2]; /* environment variables, ended by {NULL, NULL} */
    int64_t deadline_ms;              /* then it is killed, with all its children */
};

/* Runs the agent to its end. 0: *ret_result has the members of all JSON lines that it wrote, and
 * the caller owns it. Otherwise
 *     -ENOENT, -EACCES   it cannot be run
 *     -ETIMEDOUT         the deadline has passed
 *     -EBADMSG           it wrote no JSON
 * `ret_words` (of `size` bytes) receives the last line of its standard error, "" if it wrote none.
 */
int agent_run(const struct agent_call *call, json_t **ret_result, char *ret_words, size_t size);

#endif
