/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain or a move would do (--dry-run), and where a VM could run (`vm explain`).
 */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include "cli.h"

/* Sends the change with "dry_run" and shows the answer's "plan". `arguments` is stolen. Where a VM
 * has no place it is CLI_REFUSED and reported, as the change itself would be. */
int plan_show(struct cli *cli, const char *verb, json_t *arguments);
/* Shows for every node the verdict, its reason and its figures. */
void plan_explain(const struct screen *screen, const json_t *explanation);

#endif
