/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm move --storage: the files of a VM move to other storage.
 */
#ifndef CLI_COMMANDS_VM_STORAGE_H
#define CLI_COMMANDS_VM_STORAGE_H

#include "cli.h"

/* Whether the options of `vm move` ask for this. */
bool vm_storage_is_meant(const struct options *options);
int vm_storage_move(struct cli *cli, const char *vm);
/* What --storage means: the path of a volume, or a directory as it stands; "" without it. `volumes`
 * is the answer of volume.list; *ret_directory belongs to it. CLI_DONE or reported. */
int vm_storage_directory(struct cli *cli, const char *command, const json_t *volumes,
                         const char **ret_directory);
/* The values of --disk, one a line, as the agent expects them; the caller frees them. CLI_DONE or
 * reported. */
int vm_storage_disks(struct cli *cli, char **ret_lines);

#endif
