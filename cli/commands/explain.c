/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a VM could run, node by node: see commands/explain.h.
 */
#include "commands/explain.h"
#include "json.h"
#include "output/table.h"
#include "output/text.h"
#include "output/lists.h"

#include <inttypes.h>
#include <stdio.h>

static void permille_cell(struct table *table, int64_t permille) {
    table_cell(table, STYLE_PLAIN, "%" PRId64 ".%" PRId64 " %%", permille / 10, permille % 10);
}

static enum style verdict_style(const json_t *verdict) {
    if (json_flag(verdict, "possible")) {
        return json_flag(verdict, "chosen") ? STYLE_GOOD : STYLE_PLAIN;
    }
    return json_flag(verdict, "current") ? STYLE_BUSY : STYLE_BAD;
}

void explain_show(const struct screen *screen, const json_t *explanation) {
    static const struct table_column columns[] = {
        {"NODE", TABLE_NAME},       {"VERDICT", TABLE_NAME}, {"FREE MEMORY", TABLE_FIGURE},
        {"FREE CPU", TABLE_FIGURE}, {"AFTER", TABLE_FIGURE}, {"REASON", TABLE_WRAP},
    };
    const json_t *nodes = json_object_get(explanation, "nodes");
    char need[TEXT_MAX];
    size_t i = 0;
    json_t *verdict = NULL;
    view_field(screen, STYLE_BOLD, "VM", "%s", json_text(explanation, "vm"));
    view_field(screen, STYLE_PLAIN, "needs", "%s of memory",
               text_megabytes(json_number(json_array_get(nodes, 0), "memory_need_mb"), need));
    view_field(screen, STYLE_PLAIN, "summary", "%s", json_text(explanation, "summary"));
    fputc('\n', screen->file);
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (nodes, i, verdict) {
        char left[TEXT_MAX];
        char all[TEXT_MAX];
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(verdict, "node"));
        table_cell(table, verdict_style(verdict), "%s", json_text(verdict, "verdict"));
        table_cell(table, STYLE_PLAIN, "%s / %s",
                   text_megabytes(json_number(verdict, "memory_free_mb"), left),
                   text_megabytes(json_number(verdict, "memory_mb"), all));
        permille_cell(table, json_number(verdict, "cpu_free_permille"));
        permille_cell(table, json_number(verdict, "free_after_permille"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(verdict, "reason"));
    }
    table_print(table);
    table_destroy(table);
    fputs("AFTER: the free share of the scarcest resource, with the VM on that node\n",
          screen->file);
}
