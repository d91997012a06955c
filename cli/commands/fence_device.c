/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl fence-device ...
 *
 * The parameters of a fence device contain passwords. They come from a file, go to clusterd, and
 * are never shown again: the daemon hides them, and this code hides them again, also in JSON.
 */
#include "cli.h"
#include "commands/fence_agent.h"
#include "output/print.h"
#include "output/table.h"
#include "output/text.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the parameter should not appear on a command line. */
static bool param_is_secret(const char *key) {
    static const char *const parts[] = {"passw",     "passphrase",  "secret", "token",
                                        "community", "private_key", "api_key"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcasestr(key, parts[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* "ip=10.0.0.1 plug={node} password=***"; the caller frees it. */
static char *params_text(const json_t *params) {
    char *text = NULL;
    size_t size = 0;
    const char *key = NULL;
    json_t *value = NULL;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return strdup("");
    }
    json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
        print_text(out, "%s%s=%s", size > 0 ? " " : "", key, json_text(params, key));
        fflush(out); /* updates `size` */
    }
    fclose(out);
    return text;
}

int command_device_list(struct cli *cli, char **words) {
    static const struct table_column columns[] = {{"DEVICE", TABLE_NAME},
                                                  {"AGENT", TABLE_NAME},
                                                  {"NODES", TABLE_WRAP},
                                                  {"PARAMETERS", TABLE_WRAP}};
    json_auto *answer = NULL;
    size_t i = 0;
    json_t *device = NULL;
    (void)words;
    int code = cli_request(cli, "fence-device.list", NULL, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    json_t *devices = json_object_get(answer, "devices");
    if (cli_print_answer(cli, answer)) {
        return CLI_DONE;
    }
    if (json_array_size(devices) == 0) {
        fputs("no fence devices: the VMs of a lost node start again only after its watchdog or an "
              "administrator has confirmed that it is off\n",
              stdout);
        return CLI_DONE;
    }
    struct table *table = table_create(&cli->out, columns, sizeof(columns) / sizeof(columns[0]));
    json_array_foreach (devices, i, device) {
        text_auto *nodes = json_join(json_object_get(device, "nodes"), ", ");
        text_auto *params = params_text(json_object_get(device, "params"));
        table_row(table);
        table_cell(table, STYLE_BOLD, "%s", json_text(device, "name"));
        table_cell(table, STYLE_PLAIN, "%s", json_text(device, "agent"));
        table_cell(table, STYLE_PLAIN, "%s", nodes[0] != '\0' ? nodes : "all");
        table_cell(table, STYLE_PLAIN, "%s", params);
    }
    table_print(table);
    table_destroy(table);
    if (json_array_size(devices) > 1) {
        fputs("tried in this order, devices that name the node first; one success is enough\n",
              stdout);
    }
    return CLI_DONE;
}

/* Adds one "key=value" to `params`. Messages say where it came from, never its value. */
static int add_param(struct cli *cli, json_t *params, char *text, const char *where) {
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return cli_fail_usage(cli, "fence-device add", "%s: not of the form KEY=VALUE", where);
    }
    *equals = '\0';
    if (json_object_get(params, text) != NULL) {
        return cli_fail_usage(cli, "fence-device add", "%s: parameter '%s' is given twice", where,
                              text);
    }
    if (json_object_set_new(params, text, json_string(equals + 1)) != 0) {
        return cli_fail_usage(cli, "fence-device add", "%s: parameter '%s' is not UTF-8 text",
                              where, text);
    }
    return CLI_DONE;
}

static int add_param_file(struct cli *cli, json_t *params, const char *path) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    struct stat status;
    text_auto *line = NULL;
    size_t size = 0;
    int number = 0;
    int code = CLI_DONE;
    if (file == NULL) {
        return cli_fail(cli, CLI_USAGE, NULL, "fence-device add: cannot read %s: %s", path,
                        strerror(errno));
    }
    if (!standard && fstat(fileno(file), &status) == 0 && (status.st_mode & 0077) != 0) {
        print_text(stderr,
                   "clusterctl: warning: other users can read %s; if it contains a password: chmod "
                   "600 %s\n",
                   path, path);
    }
    while (code == CLI_DONE && getline(&line, &size, file) >= 0) {
        char where[300];
        line[strcspn(line, "\r\n")] = '\0';
        number++;
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        snprintf(where, sizeof(where), "%s, line %d", path, number);
        code = add_param(cli, params, line, where);
    }
    if (line != NULL) {
        explicit_bzero(line, size);
    }
    if (!standard) {
        fclose(file);
    }
    return code;
}

static int add_param_option(struct cli *cli, json_t *params, const char *value) {
    text_auto *copy = strdup(value);
    if (copy == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, "fence-device add: out of memory");
    }
    int code = add_param(cli, params, copy, "--param");
    if (code == CLI_DONE && param_is_secret(copy)) {
        print_text(stderr,
                   "clusterctl: warning: all users of this machine can read the value of %s on the "
                   "command line; use --param-file instead\n",
                   copy);
    }
    return code;
}

static int collect_params(struct cli *cli, json_t *params) {
    const struct options *options = &cli->options;
    const char *value = NULL;
    int code = CLI_DONE;
    size_t at = 0;
    while (code == CLI_DONE && (value = options_next(options, OPTION_PARAM_FILE, &at)) != NULL) {
        code = add_param_file(cli, params, value);
    }
    at = 0;
    while (code == CLI_DONE && (value = options_next(options, OPTION_PARAM, &at)) != NULL) {
        code = add_param_option(cli, params, value);
    }
    return code;
}

int command_device_add(struct cli *cli, char **words) {
    const char *agent = options_value(&cli->options, OPTION_AGENT);
    const char *node = NULL;
    char done[300];
    if (agent == NULL) {
        return cli_fail_usage(cli, "fence-device add", "fence-device add %s: --agent is missing",
                              words[0]);
    }
    json_auto *params = json_object();
    json_auto *nodes = json_array();
    int code = collect_params(cli, params);
    if (code != CLI_DONE) {
        return code;
    }
    for (size_t at = 0; (node = options_next(&cli->options, OPTION_NODE, &at)) != NULL;) {
        json_array_append_new(nodes, json_string(node));
    }
    code = fence_agent_check(cli, words[0], agent, nodes, params);
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(done, sizeof(done),
             "fence device %s has been added; test it with: clusterctl fence-device test %s NODE",
             words[0], words[0]);
    return cli_change(cli, "fence-device.add",
                      json_pack("{s:s, s:s, s:O, s:O}", "name", words[0], "agent", agent, "nodes",
                                nodes, "params", params),
                      done);
}

int command_device_remove(struct cli *cli, char **words) {
    char done[160];
    snprintf(done, sizeof(done), "fence device %s has been removed", words[0]);
    return cli_change(cli, "fence-device.remove", json_pack("{s:s}", "name", words[0]), done);
}

int command_device_test(struct cli *cli, char **words) {
    char done[200];
    snprintf(done, sizeof(done), "fence device %s works for node %s", words[0], words[1]);
    return cli_change(cli, "fence-device.test",
                      json_pack("{s:s, s:s}", "name", words[0], "node", words[1]), done);
}
