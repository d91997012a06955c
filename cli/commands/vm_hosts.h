/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm move --from: a VM moves between two hosts that are in no cluster.
 */
#ifndef CLI_COMMANDS_VM_HOSTS_H
#define CLI_COMMANDS_VM_HOSTS_H

#include "cli.h"

/* Whether the options of `vm move` ask for this. */
bool vm_hosts_is_meant(const struct options *options);
int vm_hosts_move(struct cli *cli, const char *vm);

struct hosts_request {
    const char *command; /* of clusterctl, for messages */
    const char *vm;
    const char *from; /* URIs */
    const char *to;
    const char *dest;  /* a directory of the target; "": see `disks` */
    const char *disks; /* as vm_storage_disks() has them */
    int64_t given_up;  /* dry run: the generation of a VM that its cluster will give up; 0: none */
    bool shared;
    bool remove_source;
    bool dry_run; /* then the answer has the definition that the VM would have */
    bool quiet;   /* the plan is not shown */
};

/* Shows the plan and the progress. CLI_DONE: *ret_answer is the agent's, and the caller's. Anything
 * else has been reported; *ret_answer is the agent's then, too, if it has said how the move ended:
 * the VM is where it was, off, or runs. */
int vm_hosts_run(struct cli *cli, const struct hosts_request *request, json_t **ret_answer);
/* Ends a dry run whose files have been shown. CLI_DONE. */
int vm_hosts_end_dry_run(struct cli *cli, json_t *plan);
/* The cluster has the VM: libvirt at `uri` forgets its definition. A failure is a warning: that
 * libvirt knows it as well does no harm. */
void vm_hosts_forget(struct cli *cli, const char *command, const char *uri, const char *vm);

#endif
