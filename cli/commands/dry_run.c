/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain or a move would do: see commands/dry_run.h.
 */
#include "commands/dry_run.h"
#include "output/table.h"
#include "output/text.h"

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
    fputs("dry run: nothing was moved\n", screen->file);
}

/* The first VM for which there is no place, or NULL. */
static const json_t *first_without_place(const json_t *answer) {
    size_t i = 0;
    json_t *move = NULL;
    json_array_foreach (json_object_get(answer, "plan"), i, move) {
        if (!json_has(move, "to")) {
            return move;
        }
    }
    return NULL;
}

int dry_run(struct cli *cli, const char *verb, json_t *arguments) {
    json_auto *answer = NULL;
    char hint[160];
    json_object_set_new(arguments, "dry_run", json_true());
    int code = cli_request(cli, verb, arguments, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    const json_t *nowhere = first_without_place(answer);
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
    return cli_fail(cli, CLI_REFUSED, hint, "it would be refused: %s: %s", vm,
                    json_text(nowhere, "reason"));
}
