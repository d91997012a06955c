/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.c - see line.h.
 */
#include "line.h"

void placement_line_text(struct line *line, const char *text) {
    for (; *text != '\0' && line->length + 1 < line->size; text++) {
        line->text[line->length++] = *text;
    }
    if (line->size > 0) {
        line->text[line->length] = '\0';
    }
}

void placement_line_number(struct line *line, uint64_t number) {
    char digits[21];
    size_t i = sizeof(digits) - 1;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    placement_line_text(line, &digits[i]);
}

void placement_line_fraction(struct line *line, uint64_t value, uint32_t per_unit) {
    uint64_t thousandths = value % per_unit * 1000 / per_unit;
    placement_line_number(line, value / per_unit);
    if (thousandths > 0) {
        char decimals[] = {'.', (char)('0' + thousandths / 100),
                           (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10),
                           '\0'};
        size_t end = 3;
        while (decimals[end] == '0') {
            decimals[end--] = '\0';
        }
        placement_line_text(line, decimals);
    }
}

void placement_line_permille(struct line *line, uint32_t permille) {
    placement_line_number(line, permille / 10);
    placement_line_text(line, (const char[]){'.', (char)('0' + permille % 10), '\0'});
    placement_line_text(line, " %");
}

void placement_line_name(struct line *line, const char *name, const char *kind, uint32_t index) {
    if (name != NULL) {
        placement_line_text(line, name);
    } else {
        placement_line_text(line, kind);
        placement_line_text(line, " ");
        placement_line_number(line, index);
    }
}

void placement_line_node(struct line *line, const struct placement_problem *p, uint32_t node) {
    placement_line_name(line, p->nodes[node].name, "node", node);
}

struct placement_resource placement_resource_of(const struct placement_problem *p, uint32_t r) {
    static const struct placement_resource built_in[] = {
        [PLACEMENT_MEMORY] = {.name = "memory", .unit = "MB", .per_unit = 1},
        [PLACEMENT_CPU] = {.name = "cpu", .unit = "cpu", .per_unit = 1000},
    };
    struct placement_resource resource = {0};
    if (p->resources != NULL) {
        resource = p->resources[r];
    } else if (r <= PLACEMENT_CPU) {
        resource = built_in[r];
    }
    resource.unit = resource.unit != NULL ? resource.unit : "";
    resource.per_unit = resource.per_unit > 0 ? resource.per_unit : 1;
    return resource;
}

void placement_line_resource(struct line *line, const struct placement_problem *p, uint32_t r) {
    placement_line_name(line, placement_resource_of(p, r).name, "resource", r);
}

void placement_line_amount(struct line *line, const struct placement_problem *p, uint32_t r,
                           uint64_t amount) {
    const struct placement_resource resource = placement_resource_of(p, r);
    placement_line_fraction(line, amount, resource.per_unit);
    if (resource.unit[0] != '\0') {
        placement_line_text(line, " ");
        placement_line_text(line, resource.unit);
    }
}
