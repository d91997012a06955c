/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that fit the screen: see table.h.
 *
 * On its own, libsmartcols cuts names and states before it wraps long texts, and wraps in the
 * middle of words. So the widths are decided here, and libsmartcols gets cells that fit.
 */
#include "output/table.h"
#include "base/check.h"
#include "base/clean.h"
#include "json.h"
#include "output/text.h"

#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SEPARATOR = 2, COLUMNS_MOST = 16, WIDE_ENOUGH = 10000 };

/* How far columns shrink, step by step, until the table fits: to readable texts, to names of usual
 * length, and at last, on a very narrow screen, to anything. */
static const struct {
    enum table_kind kind;
    int least;
} concessions[] = {
    {TABLE_WRAP, 24}, {TABLE_NAME, 16}, {TABLE_WRAP, 12}, {TABLE_NAME, 6}, {TABLE_WRAP, 6}};

struct cell {
    char *text; /* owned */
    enum style style;
};

struct table {
    const struct screen *screen;
    const struct table_column *columns;
    size_t column_count;
    size_t next_column; /* of the next cell */
    struct cell *cells; /* owned; row after row */
    size_t cell_count;
    size_t capacity;
};

static _Noreturn void table_out_of_memory(void) {
    fputs("clusterctl: out of memory while drawing a table\n", stderr);
    exit(1);
}

struct table *table_create(const struct screen *screen, const struct table_column *columns,
                           size_t count) {
    struct table *table = calloc(1, sizeof(*table));
    CHECK(count > 0 && count <= COLUMNS_MOST);
    if (table == NULL) {
        table_out_of_memory();
    }
    table->screen = screen;
    table->columns = columns;
    table->column_count = count;
    return table;
}

void table_destroy(struct table *table) {
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
    free(table);
}

void table_row(struct table *table) {
    size_t needed = table->cell_count + table->column_count;
    CHECK(table->cell_count % table->column_count == 0); /* or all cells below move to the left */
    table->next_column = 0;
    if (needed <= table->capacity) {
        return;
    }
    table->capacity = needed * 2;
    table->cells = reallocarray(table->cells, table->capacity, sizeof(table->cells[0]));
    if (table->cells == NULL) {
        table_out_of_memory();
    }
}

void table_cell(struct table *table, enum style style, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    CHECK(table->next_column < table->column_count && table->cell_count < table->capacity);
    if (length < 0) {
        table_out_of_memory();
    }
    const struct table_column *column = &table->columns[table->next_column++];
    if (length == 0 && column->kind != TABLE_WRAP) {
        free(text);
        text = strdup("-");
        if (text == NULL) {
            table_out_of_memory();
        }
    }
    clean_line(text); /* before its width is measured */
    table->cells[table->cell_count++] = (struct cell){text, style};
}

/* Shrinks the widest columns of this kind until all fit into `room`, none below `least`. */
static void shrink(const struct table *table, enum table_kind kind, int least, int room,
                   int widths[]) {
    int total = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        total += widths[i] + (i > 0 ? SEPARATOR : 0);
    }
    while (total > room) {
        size_t widest = table->column_count;
        for (size_t i = 0; i < table->column_count; i++) {
            if (table->columns[i].kind == kind && widths[i] > least &&
                (widest == table->column_count || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == table->column_count) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

static void measure(const struct table *table, int widths[]) {
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = text_columns(table->columns[i].title);
        for (size_t at = i; at < table->cell_count; at += table->column_count) {
            int width = text_columns(table->cells[at].text);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    for (size_t i = 0; i < sizeof(concessions) / sizeof(concessions[0]); i++) {
        shrink(table, concessions[i].kind, concessions[i].least, table->screen->columns, widths);
    }
}

/* The cell's text in fitting lines; the caller frees it. */
static char *broken(const char *text, int width) {
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    if (out == NULL) {
        table_out_of_memory();
    }
    text_wrap(out, text, 0, width);
    fclose(out);
    lines[size - 1] = '\0'; /* the last newline */
    return lines;
}

static struct libscols_table *make_columns(const struct table *table) {
    struct libscols_table *scols = scols_new_table();
    if (scols == NULL) {
        table_out_of_memory();
    }
    scols_table_enable_colors(scols, table->screen->colour ? 1 : 0);
    scols_table_set_termforce(scols, SCOLS_TERMFORCE_ALWAYS);
    scols_table_set_termwidth(scols, WIDE_ENOUGH);
    scols_table_set_column_separator(scols, "  ");
    for (size_t i = 0; i < table->column_count; i++) {
        int flags = table->columns[i].kind == TABLE_FIGURE ? SCOLS_FL_RIGHT : SCOLS_FL_WRAP;
        struct libscols_column *column =
            scols_table_new_column(scols, table->columns[i].title, 1, flags);
        if (column == NULL ||
            scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk,
                                      NULL) != 0 ||
            scols_column_set_safechars(column, "\n") != 0) {
            table_out_of_memory();
        }
    }
    return scols;
}

static void fill_row(const struct table *table, struct libscols_table *scols,
                     const struct cell *cells, const int widths[]) {
    struct libscols_line *line = scols_table_new_line(scols, NULL);
    for (size_t i = 0; i < table->column_count; i++) {
        text_auto *text = broken(cells[i].text, widths[i]);
        if (line == NULL || scols_line_set_data(line, i, text) != 0) {
            table_out_of_memory();
        }
        if (cells[i].style != STYLE_PLAIN && table->screen->colour) {
            scols_cell_set_color(scols_line_get_cell(line, i),
                                 screen_begin(table->screen, cells[i].style));
        }
    }
}

void table_print(struct table *table) {
    int widths[COLUMNS_MOST] = {0};
    text_auto *text = NULL;
    measure(table, widths);
    struct libscols_table *scols = make_columns(table);
    for (size_t at = 0; at < table->cell_count; at += table->column_count) {
        fill_row(table, scols, &table->cells[at], widths);
    }
    if (scols_print_table_to_string(scols, &text) != 0 || text == NULL) {
        table_out_of_memory();
    }
    scols_unref_table(scols);
    /* The last column is padded with blanks; cut them off: a line is often pasted into a report. */
    for (char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        size_t shown = length;
        while (shown > 0 && line[shown - 1] == ' ') {
            shown--;
        }
        fwrite(line, 1, shown, table->screen->file); /* lint: allow fwrite: with its colours */
        fputc('\n', table->screen->file);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}
