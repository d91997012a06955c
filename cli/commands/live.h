/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live moves: how they may go, and how one went. */
#ifndef CLI_COMMANDS_LIVE_H
#define CLI_COMMANDS_LIVE_H

#include "cli.h"

/* --max-downtime as the argument max_downtime_ms, if it is given. "default" is 0, where
 * `may_be_default`. */
int live_downtime(struct cli *cli, const char *command, bool may_be_default, json_t *arguments);

/* All options of `vm move` for a live move. */
int live_options(struct cli *cli, const char *command, json_t *arguments);

/* Asks what a live move would take, as `arguments` (of vm.move) choose. On success *ret_prediction,
 * to be released, is NULL if the VM would not be moved live. */
int live_predict(struct cli *cli, const char *vm, const json_t *arguments, json_t **ret_prediction);
void live_show_prediction(const struct screen *screen, const json_t *prediction,
                          const json_t *arguments);

/* The phases of a VM's live move in an operation, one line. NULL: there are none. The caller frees
 * it. */
char *live_figures(const json_t *vm);

#endif
