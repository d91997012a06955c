/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain or a move would do, and where a VM could run: see plan.h.
 *
 * The daemon decides what figures a verdict has; this shows whatever numbers come, with their
 * names, so that a new resource needs no new client.
 */
#include "plan.h"
#include "table.h"
#include "text.h"
#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void show_plan(const struct screen *screen, const json_t *answer) {
    static const struct table_column columns[] = {
        {"VM", TABLE_NAME}, {"FROM", TABLE_NAME}, {"TO", TABLE_NAME}, {"NOTE", TABLE_WRAP}};
    const json_t *plan = json_object_get(answer, "plan");
    size_t i = 0;
    json_t *move = NULL;
    if (json_array_size(plan) == 0) {
        fputs("nothing would be moved\n", screen->file);
        return;
    }
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (plan, i, move) {
        bool placed = json_has(move, "to");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(move, "vm"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(move, "from"));
        table_cell(table, placed ? STYLE_GOOD : STYLE_BAD, "%s",
                   placed ? json_text(move, "to") : "nowhere");
        table_cell(table, STYLE_PLAIN, "%s", json_text(move, "reason"));
    }
    table_print(table);
    table_destroy(table);
    fputs("this was a dry run: nothing has been moved\n", screen->file);
}

/* The first VM for which there is no place, or NULL. */
static const json_t *plan_nowhere(const json_t *answer) {
    size_t i = 0;
    json_t *move = NULL;
    json_array_foreach (json_object_get(answer, "plan"), i, move) {
        if (!json_has(move, "to")) {
            return move;
        }
    }
    return NULL;
}

int plan_show(struct cli *cli, const char *verb, json_t *arguments) {
    json_auto *answer = NULL;
    char hint[160];
    json_object_set_new(arguments, "dry_run", json_true());
    int code = cli_request(cli, verb, arguments, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    const json_t *nowhere = plan_nowhere(answer);
    if (nowhere == NULL && cli_print_answer(cli, answer)) {
        return CLI_DONE;
    }
    if (!cli->json) {
        show_plan(&cli->out, answer);
    }
    if (nowhere == NULL) {
        return CLI_DONE;
    }
    const char *vm = json_text(nowhere, "vm");
    snprintf(hint, sizeof(hint), "see: clusterctl vm explain %s", vm);
    cli_detail(cli, "plan", json_object_get(answer, "plan"));
    return cli_fail(cli, CLI_REFUSED, hint, "it would be refused, as %s has no place: %s", vm,
                    json_text(nowhere, "reason"));
}

static void permille_cell(struct table *table, int64_t permille) {
    table_cell(table, STYLE_PLAIN, "%" PRId64 ".%" PRId64 " %%", permille / 10, permille % 10);
}

static enum style verdict_style(const json_t *verdict) {
    if (json_flag(verdict, "possible")) {
        return json_flag(verdict, "chosen") ? STYLE_GOOD : STYLE_PLAIN;
    }
    return json_flag(verdict, "current") ? STYLE_BUSY : STYLE_BAD;
}

void plan_explain(const struct screen *screen, const json_t *explanation) {
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
    view_field(screen, STYLE_PLAIN, "in short", "%s", json_text(explanation, "summary"));
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
    fputs("AFTER: what would be left free of the scarcest resource, with the VM there\n",
          screen->file);
}
