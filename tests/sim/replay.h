/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder's player: the recording of a real node (clusterctl support-bundle, or
 * clusterd --export) runs through the same code again and must lead to the same state.
 */
#ifndef TESTS_SIM_REPLAY_H
#define TESTS_SIM_REPLAY_H

#include "core/apply/apply.h"

#include <stddef.h>

/* Prints what happened as a story, and at the end whether the digest is the same. The exit status
 * of the program: 0 it is, 1 it is not, or the file is damaged or of another kind (said in one
 * line). */
int replay_file(const char *path);

/* ---- the words of the story (replay_text.c) ---- */

/* What a command asks or tells, in the names of the model before it is applied. One line. */
void replay_command_text(const struct model *m, uint32_t type, const void *command, char *ret_text,
                         size_t size);
/* Of all that one entry did: a heading where a view begins, the command, then what came of it. */
void replay_tell(const struct apply *applied, const char *command_text);

#endif
