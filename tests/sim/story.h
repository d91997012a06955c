/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios as stories: what happens to a cluster, one thing a line (scenarios/README.md lists the
 * words), and beside it, in NAME.trace, what the cluster then said and did. A calm simulation plays
 * the story with all checks on, and compares the result with the trace line by line.
 */
#ifndef TESTS_SIM_STORY_H
#define TESTS_SIM_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum story_end {
    STORY_HELD = 0,
    STORY_UNREADABLE,     /* a line is wrong: nothing was played */
    STORY_BROKEN,         /* a property of the simulation or an expectation of the story */
    STORY_TOLD_OTHERWISE, /* the trace is not what lies beside it */
    STORY_WRITTEN         /* CLUSTERD_GOLDEN_UPDATE: the trace is new, and is to be read */
};

/* Plays NAME.scn. What is wrong is said to `out`, with file and line. `timed`: all that happens, as
 * it happens, to standard output. */
enum story_end story_play(const char *path, bool timed, FILE *out);
/* For the command line: an exit status. */
int story_main(const char *path, bool timed);

#endif
