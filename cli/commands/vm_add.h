/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm add: a definition becomes a VM of the cluster.
 */
#ifndef CLI_COMMANDS_VM_ADD_H
#define CLI_COMMANDS_VM_ADD_H

#include "cli.h"

/* Could it be one? `title` names the definition in messages. CLI_DONE: *ret_answer is the agent's,
 * with what the VM needs, and the caller's. Anything else has been reported. */
int vm_add_check(struct cli *cli, const char *title, const char *xml, json_t **ret_answer);
/* Adds it, with the options of the command line; completes *xml (of malloc) before. ADOPTED:
 * libvirt on a node runs it. CLI_DONE or reported. */
enum vm_add_as { VM_ADD_OFF, VM_ADD_ADOPTED };
int vm_add_definition(struct cli *cli, const char *title, char **xml, enum vm_add_as as);

#endif
