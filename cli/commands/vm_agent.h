/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM agent of this node: asked about a definition, or given work between hosts that are in no
 * cluster.
 */
#ifndef CLI_COMMANDS_VM_AGENT_H
#define CLI_COMMANDS_VM_AGENT_H

#include "cli.h"

struct vm_question {
    const char *command; /* of clusterctl, for messages: "vm add" */
    const char *action;
    const char *name;               /* of the VM; the agent uses it for messages */
    const char *xml;                /* the definition */
    const char *const (*params)[2]; /* OCF_RESKEY_*, ended by {NULL, NULL} */

    /* Of work that takes long: see struct agent_call. It ends with --timeout only. */
    void (*on_line)(void *context, const json_t *line);
    void *context;
};

/* CLI_DONE: *ret_answer has the members of all lines that the agent wrote, and is the caller's;
 * whether the agent agrees is vm_agent_agrees(). Anything else has been reported. */
int vm_agent_ask(struct cli *cli, const struct vm_question *question, json_t **ret_answer);
/* false: the answer's "reason" says why, always with words, and "element" where. */
bool vm_agent_agrees(const json_t *answer);

/* "csv1=/srv/csv1:csv2=/srv/csv2", the form that the agent expects. The caller frees it; NULL: no
 * memory. */
char *vm_agent_volumes(const json_t *volumes);

#endif
