/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a VM could run (`vm explain`).
 */
#ifndef CLI_COMMANDS_EXPLAIN_H
#define CLI_COMMANDS_EXPLAIN_H

#include "output/screen.h"

#include <jansson.h>

/* Shows each node's verdict, its reason and its figures. */
void explain_show(const struct screen *screen, const json_t *explanation);

#endif
