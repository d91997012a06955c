/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stream can show: see screen.h.
 */
#include "output/screen.h"
#include "output/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_DEFAULT = 80, COLUMNS_MIN = 40, COLUMNS_MAX = 250, ROWS_DEFAULT = 24 };

static const char *const sequences[] = {
    [STYLE_PLAIN] = "",        [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
    [STYLE_GOOD] = "\033[32m", [STYLE_BUSY] = "\033[36m", [STYLE_WARN] = "\033[33m",
    [STYLE_BAD] = "\033[31m",
};

static const struct {
    const char *state;
    enum style style;
} state_styles[] = {
    {"online", STYLE_GOOD},   {"running", STYLE_GOOD},   {"done", STYLE_GOOD},
    {"ok", STYLE_GOOD},       {"joining", STYLE_BUSY},   {"draining", STYLE_BUSY},
    {"starting", STYLE_BUSY}, {"stopping", STYLE_BUSY},  {"migrating", STYLE_BUSY},
    {"saving", STYLE_BUSY},   {"saved", STYLE_BUSY},     {"restoring", STYLE_BUSY},
    {"fencing", STYLE_BUSY},  {"drained", STYLE_WARN},   {"fenced", STYLE_WARN},
    {"blocked", STYLE_WARN},  {"cancelled", STYLE_WARN}, {"warning", STYLE_WARN},
    {"unknown", STYLE_WARN},  {"silent", STYLE_WARN},    {"lost", STYLE_BAD},
    {"offline", STYLE_BAD},   {"failed", STYLE_BAD},     {"error", STYLE_BAD},
    {"stalled", STYLE_BAD},   {"different", STYLE_BAD},
};

enum style screen_state_style(const char *state) {
    for (size_t i = 0; i < sizeof(state_styles) / sizeof(state_styles[0]); i++) {
        if (strcmp(state, state_styles[i].state) == 0) {
            return state_styles[i].style;
        }
    }
    return STYLE_PLAIN;
}

void screen_resize(struct screen *screen) {
    struct winsize size;
    int64_t columns = 0;
    screen->columns = COLUMNS_DEFAULT;
    screen->rows = ROWS_DEFAULT;
    if (screen->terminal && ioctl(fileno(screen->file), TIOCGWINSZ, &size) == 0 &&
        size.ws_col > 0) {
        screen->columns = size.ws_col;
        screen->rows = size.ws_row > 0 ? size.ws_row : ROWS_DEFAULT;
    } else if (!screen->terminal && getenv("COLUMNS") != NULL &&
               text_parse_number(getenv("COLUMNS"), 1, 10000, &columns) == 0) {
        /* Shells do not export it: a user who sets it wants wider lines in a file or a pipe. */
        screen->columns = (int)columns;
    }
    if (screen->columns < COLUMNS_MIN) {
        screen->columns = COLUMNS_MIN;
    }
    if (screen->columns > COLUMNS_MAX) {
        screen->columns = COLUMNS_MAX;
    }
}

void screen_init(struct screen *screen, FILE *file) {
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool dumb = term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0;
    screen->file = file;
    screen->terminal = isatty(fileno(file)) == 1 && !dumb;
    screen->colour = screen->terminal && (no_color == NULL || no_color[0] == '\0');
    screen_resize(screen);
}

const char *screen_begin(const struct screen *screen, enum style style) {
    return screen->colour ? sequences[style] : "";
}

const char *screen_end(const struct screen *screen) {
    return screen->colour ? "\033[0m" : "";
}
