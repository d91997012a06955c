/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain or a move would do (--dry-run).
 */
#ifndef CLI_COMMANDS_DRY_RUN_H
#define CLI_COMMANDS_DRY_RUN_H

#include "cli.h"

/* Sends the change with "dry_run" and shows the answer's "plan". `arguments` is stolen. If a VM has
 * no place, this reports it and returns CLI_REFUSED, as the change itself would. */
int dry_run(struct cli *cli, const char *verb, json_t *arguments);

#endif
