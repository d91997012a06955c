/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings of a VM that `vm set` and `vm add` share.
 */
#ifndef CLUSTERD_CLI_COMMANDS_SET_H
#define CLUSTERD_CLI_COMMANDS_SET_H

#include "cli.h"

#include <jansson.h>

/* --move-policy as the argument move_policy, if it is given. CLI_DONE, or the exit code. */
int set_move_policy(struct cli *cli, const char *verb, json_t *arguments);

#endif
