/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The environment of every program that clusterd starts: clusterd's own, without what is meant for
 * clusterd alone.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_ENVIRONMENT_H
#define CLUSTERD_ADAPTERS_AGENTS_ENVIRONMENT_H

#include "base/arena.h"

/* In the arena, but for the strings of clusterd's own environment. `extra` is what only this
 * program gets ("NAME=value", ends with NULL; NULL: nothing). NULL: out of memory. */
char **environment_make(struct arena *arena, char *const *extra);

#endif
