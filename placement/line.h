/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.h - a line of text for a person, put together piece by piece.
 *
 * The library has no I/O and no locale, so numbers are written here by hand. A line that does not
 * fit is cut off; it is always terminated.
 */
#pragma once

#include "search.h"

struct line {
    char *text;
    size_t size, length;
};

void placement_line_text(struct line *line, const char *text);
void placement_line_number(struct line *line, uint64_t number);
/* value / per_unit with up to three decimals, without trailing zeros. */
void placement_line_fraction(struct line *line, uint64_t value, uint32_t per_unit);
void placement_line_permille(struct line *line, uint32_t permille);
/* The name; without one, the kind of thing and its number. */
void placement_line_name(struct line *line, const char *name, const char *kind, uint32_t index);
void placement_line_node(struct line *line, const struct placement_problem *problem, uint32_t node);
void placement_line_resource(struct line *line, const struct placement_problem *problem,
                             uint32_t resource);
/* With its unit. */
void placement_line_amount(struct line *line, const struct placement_problem *problem,
                           uint32_t resource, uint64_t amount);
/* With defaults filled in. */
struct placement_resource placement_resource_of(const struct placement_problem *problem,
                                                uint32_t resource);
