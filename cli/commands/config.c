/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl config ...
 */
#include "cli.h"
#include "output/print.h"
#include "output/table.h"
#include "verbs.h"

#include <stdio.h>

static void show_settings(const struct screen *screen, const json_t *settings) {
    static const struct table_column columns[] = {
        {"KEY", TABLE_NAME}, {"VALUE", TABLE_WRAP}, {"MEANING", TABLE_WRAP}};
    size_t i = 0;
    json_t *setting = NULL;
    struct table *table = table_create(screen, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (settings, i, setting) {
        /* Unchanged settings are dim. */
        bool changed = !json_flag(setting, "default");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(setting, "key"));
        const char *unit = json_text(setting, "unit");
        table_cell(table, changed ? STYLE_PLAIN : STYLE_DIM, "%s%s%s", json_text(setting, "value"),
                   unit[0] != '\0' ? " " : "", unit);
        const char *choices = json_text(setting, "choices");
        table_cell(table, STYLE_PLAIN, "%s%s%s", json_text(setting, "help"),
                   choices[0] != '\0' ? ": " : "", choices);
    }
    table_print(table);
    table_destroy(table);
}

int command_config_list(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    (void)words;
    int code = cli_request(cli, "config.list", NULL, &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        show_settings(&cli->out, json_object_get(answer, "config"));
    }
    return code;
}

int command_config_get(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int code = cli_request(cli, "config.get", json_pack("{s:s}", "key", words[0]), &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        /* Only the value: mostly for scripts. */
        print_text(stdout, "%s\n", json_text(answer, "value"));
    }
    return code;
}

int command_config_set(struct cli *cli, char **words) {
    char done[300];
    snprintf(done, sizeof(done), "%s = %s on all nodes", words[0], words[1]);
    return cli_change(cli, "config.set",
                      json_pack("{s:s, s:s}", "key", words[0], "value", words[1]), done);
}
