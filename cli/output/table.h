/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that fit the screen, drawn by libsmartcols.
 *
 * Nothing is cut off. Cells that do not fit are wrapped: first texts (TABLE_WRAP), at blanks, and
 * if that is not enough, names (TABLE_NAME). Figures and states keep their width.
 */
#ifndef CLI_OUTPUT_TABLE_H
#define CLI_OUTPUT_TABLE_H

#include "output/screen.h"

#include <stddef.h>

enum table_kind { TABLE_WORD, TABLE_FIGURE, TABLE_NAME, TABLE_WRAP };

struct table_column {
    const char *title;
    enum table_kind kind;
};

struct table;

/* Never NULL: without memory the program ends with a message. `columns` must outlive the table. */
struct table *table_create(const struct screen *screen, const struct table_column *columns,
                           size_t count);
void table_destroy(struct table *table);

/* Begins the next row; table_cell() then fills every cell from left to right. */
void table_row(struct table *table);
void table_cell(struct table *table, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes the table to its screen; the table stays. */
void table_print(struct table *table);

#endif
