/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a resource agent from the command line: to check a definition, since only the agent knows
 * how to read one, and for the work between hosts that are in no cluster.
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

    /* For an agent that works for long; NULL: none. Called for each line as it comes; the object is
     * borrowed. It may be cancelled when `interrupt` is readable, and then still reports. */
    void (*on_line)(void *context, const json_t *line);
    void *context;
    int interrupt;
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
