/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stream can show: is it a terminal, how wide, with colour or without.
 *
 * Colours only repeat what the words say. They are used only on a terminal, and not with NO_COLOR
 * or TERM=dumb.
 */
#ifndef CLI_OUTPUT_SCREEN_H
#define CLI_OUTPUT_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BUSY, STYLE_WARN, STYLE_BAD };

struct screen {
    FILE *file;
    bool terminal; /* the cursor can be moved: progress bars and redrawing make sense */
    bool colour;
    int columns; /* the width of lines; 80 by default */
    int rows;
};

void screen_init(struct screen *screen, FILE *file);
/* Asks for the size again, after SIGWINCH. */
void screen_resize(struct screen *screen);

/* The sequence that begins a style on this screen and the one that ends it; "" without colour. */
const char *screen_begin(const struct screen *screen, enum style style);
const char *screen_end(const struct screen *screen);

/* The style of a state's word, for nodes, VMs, operations and volumes alike. */
enum style screen_state_style(const char *state);

#endif
