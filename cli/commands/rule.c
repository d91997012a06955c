/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl rule ...
 */
#include "cli.h"
#include "output/table.h"
#include "output/text.h"
#include "verbs.h"
#include "output/lists.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WEIGHT_MAX = 1000000 };

/* "apart, by node", "on n1, n2" */
static const char *what_text(const json_t *rule, char *text, size_t size) {
    text_auto *nodes = json_join(json_object_get(rule, "nodes"), ", ");
    const char *kind = json_text(rule, "kind");
    const char *scope = json_text(rule, "scope");
    if (scope[0] != '\0') {
        snprintf(text, size, "%s, by %s", kind, scope);
    } else {
        snprintf(text, size, "%s %s", kind, nodes != NULL ? nodes : "");
    }
    return text;
}

static const char *strength_text(const json_t *rule, char *text, size_t size) {
    const char *strength = json_text(rule, "strength");
    if (strcmp(strength, "soft") == 0) {
        snprintf(text, size, "soft, weight %" PRId64, json_number(rule, "weight"));
    } else {
        snprintf(text, size, "%s", strength);
    }
    return text;
}

static const char *state_text(const json_t *rule, char *text, size_t size) {
    int64_t broken = json_number(rule, "broken");
    if (broken > 0) {
        snprintf(text, size, "broken, %" PRId64 " time%s", broken, broken == 1 ? "" : "s");
    } else {
        snprintf(text, size, "%s", json_text(rule, "state"));
    }
    return text;
}

static enum style state_style(const json_t *rule) {
    return json_number(rule, "broken") == 0 ? STYLE_GOOD : STYLE_WARN;
}

int command_rule_list(struct cli *cli, char **words) {
    static const struct table_column columns[] = {{"RULE", TABLE_NAME},
                                                  {"WHAT", TABLE_WRAP},
                                                  {"STRENGTH", TABLE_WRAP},
                                                  {"STATE", TABLE_WRAP},
                                                  {"VMS", TABLE_WRAP}};
    json_auto *answer = NULL;
    size_t i = 0;
    json_t *rule = NULL;
    (void)words;
    int code = cli_request(cli, "rule.list", NULL, &answer);
    if (code != CLI_DONE || cli_print_answer(cli, answer)) {
        return code;
    }
    const json_t *rules = json_object_get(answer, "rules");
    if (json_array_size(rules) == 0) {
        fputs("no rules; add one with: clusterctl rule add\n", stdout);
        return CLI_DONE;
    }
    struct table *table = table_create(&cli->out, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (rules, i, rule) {
        char text[1024];
        text_auto *vms = json_join(json_object_get(rule, "vms"), ", ");
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(rule, "name"));
        table_cell(table, STYLE_PLAIN, "%s", what_text(rule, text, sizeof(text)));
        table_cell(table, STYLE_PLAIN, "%s", strength_text(rule, text, sizeof(text)));
        table_cell(table, state_style(rule), "%s", state_text(rule, text, sizeof(text)));
        table_cell(table, STYLE_PLAIN, "%s", vms != NULL ? vms : "");
    }
    table_print(table);
    table_destroy(table);
    return CLI_DONE;
}

int command_rule_show(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    char text[1024];
    int code = cli_request(cli, "rule.show", json_pack("{s:s}", "rule", words[0]), &answer);
    if (code != CLI_DONE || cli_print_answer(cli, answer)) {
        return code;
    }
    const json_t *rule = json_object_get(answer, "rule");
    const struct screen *out = &cli->out;
    view_field(out, STYLE_BOLD, "rule", "%s", json_text(rule, "name"));
    view_field(out, STYLE_PLAIN, "what", "%s", what_text(rule, text, sizeof(text)));
    view_field(out, STYLE_PLAIN, "strength", "%s", strength_text(rule, text, sizeof(text)));
    view_field(out, state_style(rule), "state", "%s", state_text(rule, text, sizeof(text)));
    view_names(out, "VMs", json_object_get(rule, "vms"));
    view_names(out, "nodes", json_object_get(rule, "nodes"));
    return CLI_DONE;
}

/* The given one of these options; NULL if none or several were given. */
static const char *only_one(const struct options *options, const enum option_id *ids, size_t n,
                            size_t *ret_given) {
    const char *only = NULL;
    *ret_given = 0;
    for (size_t i = 0; i < n; i++) {
        if (options_given(options, ids[i])) {
            only = option_infos[ids[i]].name;
            (*ret_given)++;
        }
    }
    return *ret_given == 1 ? only : NULL;
}

/* Refuses contradictory options before anything is sent. */
static int check(struct cli *cli, const char *name, const char **ret_kind) {
    static const enum option_id kinds[] = {OPTION_APART, OPTION_TOGETHER, OPTION_ON, OPTION_NOT_ON};
    const struct options *options = &cli->options;
    size_t given = 0;
    const char *kind = only_one(options, kinds, sizeof(kinds) / sizeof(kinds[0]), &given);
    const char *wrong = NULL;
    bool of_nodes = kind != NULL && strstr(kind, "on") != NULL;
    if (kind == NULL) {
        wrong = given == 0 ? "give one of --apart, --together, --on, --not-on"
                           : "--apart, --together, --on and --not-on exclude each other";
    } else if (options_given(options, OPTION_HARD) && options_given(options, OPTION_SOFT)) {
        wrong = "--hard and --soft exclude each other";
    } else if (options_given(options, OPTION_HARD) && options_given(options, OPTION_WEIGHT)) {
        wrong = "a hard rule has no weight";
    } else if (!options_given(options, OPTION_VMS)) {
        wrong = "--vms is missing";
    } else if (of_nodes && !options_given(options, OPTION_NODES)) {
        wrong = "--nodes is missing";
    } else if (!of_nodes && options_given(options, OPTION_NODES)) {
        wrong = "--nodes belongs to --on and --not-on";
    } else if (of_nodes && options_given(options, OPTION_SCOPE)) {
        wrong = "--scope belongs to --apart and --together";
    }
    if (wrong != NULL) {
        return cli_fail_usage(cli, "rule add", "rule add %s: %s", name, wrong);
    }
    *ret_kind = kind;
    return CLI_DONE;
}

static int add_scope(struct cli *cli, const char *kind, json_t *arguments) {
    const char *scope = options_value(&cli->options, OPTION_SCOPE);
    scope = scope != NULL ? scope : "node";
    if (kind == NULL || strstr(kind, "on") != NULL) {
        return CLI_DONE;
    }
    if (strcmp(scope, "node") != 0 && strcmp(scope, "rack") != 0 && strcmp(scope, "site") != 0) {
        return cli_fail_usage(cli, "rule add", "--scope %s is neither node, rack nor site", scope);
    }
    json_object_set_new(arguments, "scope", json_string(scope));
    return CLI_DONE;
}

int command_rule_add(struct cli *cli, char **words) {
    json_auto *vms = NULL;
    json_auto *nodes = NULL;
    const char *kind = NULL;
    char done[200];
    int code = check(cli, words[0], &kind);
    if (code == CLI_DONE) {
        code = cli_names(cli, "rule add", OPTION_VMS, &vms);
    }
    if (code == CLI_DONE) {
        code = cli_names(cli, "rule add", OPTION_NODES, &nodes);
    }
    if (code != CLI_DONE) {
        return code;
    }
    json_auto *arguments =
        json_pack("{s:s, s:s, s:b, s:O, s:O}", "name", words[0], "kind", kind, "hard",
                  (int)options_given(&cli->options, OPTION_HARD), "vms", vms, "nodes", nodes);
    code = add_scope(cli, kind, arguments);
    if (code == CLI_DONE) {
        code = cli_number(cli, "rule add", OPTION_WEIGHT, WEIGHT_MAX, arguments, "weight");
    }
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(done, sizeof(done),
             "rule %s has been added; see whether it is met: clusterctl rule show %s", words[0],
             words[0]);
    return cli_change(cli, "rule.add", json_incref(arguments), done);
}

int command_rule_remove(struct cli *cli, char **words) {
    char done[160];
    snprintf(done, sizeof(done), "rule %s has been removed", words[0]);
    return cli_change(cli, "rule.remove", json_pack("{s:s}", "rule", words[0]), done);
}
