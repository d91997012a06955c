/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Showing the progress of an operation.
 *
 * On a terminal, each moving VM has a line with a bar, which is updated in place. Elsewhere, a line
 * is written for each tenth of the move. In both cases, one final line is written for each VM.
 */
#ifndef CLI_OUTPUT_PROGRESS_H
#define CLI_OUTPUT_PROGRESS_H

#include "output/screen.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_REDRAW_MS = 100 };

struct progress_row;

struct progress {
    const struct screen *screen;
    struct progress_row *rows; /* owned */
    size_t count;
    int name_columns; /* the longest name so far, within limits */
    int route_columns;
    int drawn;        /* lines on the terminal that the next drawing replaces */
    bool pending;     /* changes since the last drawing */
    int64_t drawn_ms; /* time of the last drawing */
};

void progress_init(struct progress *progress, const struct screen *screen);
void progress_finish(struct progress *progress);

/* Takes the state of all VMs from an operation object; writes the final lines of finished VMs. */
void progress_operation(struct progress *progress, const json_t *operation);
/* Takes one sample, {"vm","percent","rate_bps",...}. */
void progress_sample(struct progress *progress, const json_t *sample);

/* Draws the bars, unless they were drawn a moment ago. Returns the time of the next call on
 * ipc_now_ms()'s clock, or IPC_NO_DEADLINE. */
int64_t progress_draw(struct progress *progress);
/* Removes the bars from the terminal, for other output. */
void progress_erase(struct progress *progress);

/* One line: where a VM goes and how that ended; the caller frees it. Never NULL. */
char *progress_closing_line(const json_t *vm);

#endif
