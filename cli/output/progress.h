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
    int name_columns; /* as wide as the names so far, within reason */
    int route_columns;
    int drawn;        /* lines on the terminal that the next drawing replaces */
    bool pending;     /* something has changed since the last drawing */
    int64_t drawn_ms; /* when that was */
};

void progress_init(struct progress *progress, const struct screen *screen);
void progress_finish(struct progress *progress);

/* Takes over the state of all VMs from an operation object; writes the closing lines of those that
 * are through. */
void progress_operation(struct progress *progress, const json_t *operation);
/* Takes over one sample, {"vm","percent","rate_bps",...}. */
void progress_sample(struct progress *progress, const json_t *sample);

/* Draws the bars, unless that was done a moment ago. Returns when it wants to be called again: a
 * time on ipc_now_ms()'s clock, or IPC_NO_DEADLINE. */
int64_t progress_draw(struct progress *progress);
/* Takes the bars off the terminal, so that something else can be written. */
void progress_erase(struct progress *progress);

/* One line about where a VM goes and how that ended; the caller frees it. Never NULL. */
char *progress_closing_line(const json_t *vm);

#endif
