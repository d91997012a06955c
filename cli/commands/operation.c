/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl operation ...
 */
#include "cli.h"
#include "commands/live.h"
#include "output/progress.h"
#include "output/text.h"
#include "verbs.h"
#include "output/lists.h"
#include "output/print.h"

#include <inttypes.h>
#include <stdio.h>

static int parse_id(struct cli *cli, const char *command, const char *word, int64_t *ret_id) {
    if (text_parse_number(word, 1, INT64_MAX, ret_id) < 0) {
        return cli_fail_usage(
            cli, command,
            "%s: '%s' is not the number of an operation; list them with: clusterctl operation list",
            command, word);
    }
    return CLI_DONE;
}

static json_t *name_operation(int64_t id) {
    return json_pack("{s:I}", "operation", (json_int_t)id);
}

int command_operation_list(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    (void)words;
    int code = cli_request(cli, "operation.list", NULL, &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        view_operations(&cli->out, json_object_get(answer, "operations"));
    }
    return code;
}

static void show_operation(const struct screen *out, const json_t *operation) {
    const char *state = json_text(operation, "state");
    char text[TEXT_MAX];
    size_t i = 0;
    json_t *vm = NULL;
    view_field(out, STYLE_BOLD, "operation", "%" PRId64, json_number(operation, "id"));
    view_field(out, STYLE_PLAIN, "what", "%s %s", json_text(operation, "kind"),
               json_text(operation, "subject"));
    view_field(out, screen_state_style(state), "state", "%s", state);
    view_field(out, STYLE_PLAIN, "why", "%s", json_text(operation, "why"));
    view_field(out, STYLE_PLAIN, "note", "%s", json_text(operation, "reason"));
    view_field(out, STYLE_PLAIN, "started", "%s",
               text_clock(json_number(operation, "started_ms"), text));
    if (json_number(operation, "ended_ms") > 0) {
        view_field(out, STYLE_PLAIN, "ended", "%s",
                   text_clock(json_number(operation, "ended_ms"), text));
    }
    json_array_foreach (json_object_get(operation, "vms"), i, vm) {
        text_auto *line = progress_closing_line(vm);
        view_field(out, screen_state_style(json_text(vm, "state")), i == 0 ? "VMs" : "", "%s",
                   line);
        text_auto *figures = live_figures(vm);
        if (figures != NULL) {
            view_field(out, STYLE_PLAIN, "", "%s", figures);
        }
    }
}

int command_operation_show(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int64_t id = 0;
    int code = parse_id(cli, "operation show", words[0], &id);
    if (code != CLI_DONE) {
        return code;
    }
    if (options_given(&cli->options, OPTION_FOLLOW)) {
        code = cli_subscribe(cli, -1);
        return code == CLI_DONE ? cli_follow(cli, id) : code;
    }
    code = cli_request(cli, "operation.show", name_operation(id), &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        show_operation(&cli->out, json_object_get(answer, "operation"));
    }
    return code;
}

int command_operation_cancel(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int64_t id = 0;
    int code = parse_id(cli, "operation cancel", words[0], &id);
    if (code != CLI_DONE) {
        return code;
    }
    code = cli_request(cli, "operation.cancel", name_operation(id), &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        print_text(stdout,
                   "operation %" PRId64 " ends when the moves in progress have been aborted; see: "
                   "clusterctl operation show %" PRId64 "\n",
                   id, id);
    }
    return code;
}
