/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain or a move would do: see commands/dry_run.h.
 */
#include "commands/dry_run.h"
#include "commands/live.h"
#include "output/print.h"
#include "output/table.h"
#include "output/text.h"

#include <stdio.h>
#include <string.h>

/* Without a place it is refused, unless its move policy needs none, or nobody will try. */
static bool needs_place(const json_t *move) {
    static const char *const none[] = {"shut-down", "stay", "none"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (strcmp(json_text(move, "how"), none[i]) == 0) {
            return false;
        }
    }
    return !json_has(move, "to");
}

static bool remains(const json_t *move) {
    const char *how = json_text(move, "how");
    return strcmp(how, "stay") == 0 || strcmp(how, "none") == 0;
}

static const char *place_of(const json_t *move) {
    return json_has(move, "to") ? json_text(move, "to")
           : needs_place(move)  ? "nowhere"
           : remains(move)      ? "stays"
                                : "off";
}

/* "about 2.3 s", "up to 1 min 30 s" to shut down, or "?". */
static const char *time_of(const json_t *move, char text[TEXT_MAX + 8]) {
    char number[TEXT_MAX];
    bool about = json_number(move, "about_ms") > 0;
    int64_t ms = json_number(move, about ? "about_ms" : "longest_ms");
    const char *unknown = json_has(move, "to") ? "?" : "";
    snprintf(text, TEXT_MAX + 8, "%s%s",
             ms == 0 ? unknown
             : about ? "about "
                     : "up to ",
             ms == 0 ? "" : text_duration(ms, number));
    return text;
}

/* A drain's: how each VM is moved, and about how long that takes. */
static void show_drain(const struct screen *screen, const json_t *answer, const json_t *arguments) {
    static const struct table_column columns[] = {{"VM", TABLE_NAME},   {"FROM", TABLE_NAME},
                                                  {"TO", TABLE_NAME},   {"HOW", TABLE_WORD},
                                                  {"TIME", TABLE_WORD}, {"NOTE", TABLE_WRAP}};
    int64_t all_ms = json_number(answer, "about_ms");
    int64_t deadline_ms = json_number(arguments, "deadline_ms");
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    size_t i = 0;
    json_t *move = NULL;
    char text[TEXT_MAX + 8];
    json_array_foreach (json_object_get(answer, "plan"), i, move) {
        enum style style = json_has(move, "to")                 ? STYLE_GOOD
                           : needs_place(move) || remains(move) ? STYLE_BAD
                                                                : STYLE_PLAIN;
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(move, "vm"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(move, "from"));
        table_cell(table, style, "%s", place_of(move));
        table_cell(table, STYLE_PLAIN, "%s", remains(move) ? "" : json_text(move, "how"));
        table_cell(table, STYLE_PLAIN, "%s", time_of(move, text));
        table_cell(table, STYLE_PLAIN, "%s", json_text(move, "reason"));
    }
    table_print(table);
    table_destroy(table);
    if (all_ms > 0) {
        char deadline[TEXT_MAX];
        bool late = deadline_ms > 0 && all_ms > deadline_ms;
        print_text(screen->file, "the moves would take about %s in all%s%s\n",
                   text_duration(all_ms, text), late ? ", longer than the deadline of " : "",
                   late ? text_duration(deadline_ms, deadline) : "");
    }
    fputs("dry run: nothing was moved\n", screen->file);
}

static void show_plan(const struct screen *screen, const json_t *answer, const json_t *arguments) {
    static const struct table_column columns[] = {
        {"VM", TABLE_NAME}, {"FROM", TABLE_NAME}, {"TO", TABLE_NAME}, {"NOTE", TABLE_WRAP}};
    const json_t *plan = json_object_get(answer, "plan");
    size_t i = 0;
    json_t *move = NULL;
    if (json_array_size(plan) == 0) {
        fputs("nothing would be moved\n", screen->file);
        return;
    }
    if (json_has(json_array_get(plan, 0), "how")) {
        show_drain(screen, answer, arguments);
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
    if (json_has(answer, "prediction")) {
        live_show_prediction(screen, json_object_get(answer, "prediction"), arguments);
    }
    fputs("dry run: nothing was moved\n", screen->file);
}

/* The first VM for which there is no place, or NULL. */
static const json_t *first_without_place(const json_t *answer) {
    size_t i = 0;
    json_t *move = NULL;
    json_array_foreach (json_object_get(answer, "plan"), i, move) {
        if (needs_place(move)) {
            return move;
        }
    }
    return NULL;
}

/* The first VM that would keep the node from being empty, or NULL. */
static const json_t *first_that_remains(const json_t *answer) {
    size_t i = 0;
    json_t *move = NULL;
    json_array_foreach (json_object_get(answer, "plan"), i, move) {
        if (remains(move)) {
            return move;
        }
    }
    return NULL;
}

/* Adds what a live move would take to the answer, if it is about one. */
static int add_prediction(struct cli *cli, const char *verb, const json_t *arguments,
                          json_t *answer) {
    const json_t *move = json_array_get(json_object_get(answer, "plan"), 0);
    json_auto *prediction = NULL;
    bool live = strcmp(verb, "vm.move") == 0 && move != NULL &&
                json_text(move, "from")[0] != '\0' &&
                strcmp(json_text(arguments, "mode"), "quick") != 0;
    int code = live ? live_predict(cli, json_text(move, "vm"), arguments, &prediction) : CLI_DONE;
    if (code == CLI_DONE && prediction != NULL) {
        json_object_set(answer, "prediction", prediction);
    }
    return code;
}

int dry_run(struct cli *cli, const char *verb, json_t *arguments) {
    json_auto *kept = json_incref(arguments);
    json_auto *answer = NULL;
    char hint[160];
    json_object_set_new(arguments, "dry_run", json_true());
    int code = cli_request(cli, verb, arguments, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    const json_t *nowhere = first_without_place(answer);
    code = nowhere == NULL ? add_prediction(cli, verb, kept, answer) : CLI_DONE;
    if (code != CLI_DONE) {
        return code;
    }
    const json_t *left = nowhere == NULL ? first_that_remains(answer) : NULL;
    if (nowhere == NULL && left == NULL && cli_print_answer(cli, answer)) {
        return CLI_DONE;
    }
    if (!cli->json) {
        show_plan(&cli->out, answer, kept);
    }
    if (nowhere == NULL && left == NULL) {
        return CLI_DONE;
    }
    if (left != NULL) {
        cli_detail(cli, "plan", json_object_get(answer, "plan"));
        return cli_fail(cli, CLI_FAILED, NULL, "%s would not be safe to power off: %s: %s",
                        json_text(kept, "node"), json_text(left, "vm"), json_text(left, "reason"));
    }
    const char *vm = json_text(nowhere, "vm");
    snprintf(hint, sizeof(hint), "see: clusterctl vm explain %s", vm);
    cli_detail(cli, "plan", json_object_get(answer, "plan"));
    return cli_fail(cli, CLI_REFUSED, hint, "it would be refused: %s: %s", vm,
                    json_text(nowhere, "reason"));
}
