/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm set, node set: what may be changed of a VM or a node while it exists.
 */
#include "cli.h"
#include "commands/set.h"
#include "commands/live.h"
#include "verbs.h"
#include "wire/limits.h"

#include <stdio.h>
#include <string.h>

static int set_names(struct cli *cli, enum option_id id, json_t *arguments) {
    json_auto *names = NULL;
    if (!options_given(&cli->options, id)) {
        return CLI_DONE;
    }
    int code = cli_names(cli, "vm set", id, &names);
    if (code == CLI_DONE) {
        json_object_set(arguments, option_infos[id].name, names);
    }
    return code;
}

static int set_auto_start(struct cli *cli, json_t *arguments) {
    const char *value = options_value(&cli->options, OPTION_AUTO_START);
    if (value == NULL) {
        return CLI_DONE;
    }
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
        return cli_fail_usage(cli, "vm set", "--auto-start %s is neither yes nor no", value);
    }
    json_object_set_new(arguments, "auto_start", json_boolean(value[0] == 'y'));
    return CLI_DONE;
}

static int set_mobility(struct cli *cli, json_t *arguments) {
    const char *value = options_value(&cli->options, OPTION_MOBILITY);
    if (value == NULL) {
        return CLI_DONE;
    }
    if (strcmp(value, "live") != 0 && strcmp(value, "quick") != 0 && strcmp(value, "fixed") != 0) {
        return cli_fail_usage(cli, "vm set", "--mobility %s is neither live, quick nor fixed",
                              value);
    }
    json_object_set_new(arguments, "mobility", json_string(value));
    return CLI_DONE;
}

int set_move_policy(struct cli *cli, const char *verb, json_t *arguments) {
    static const char *const words[] = {"live-or-quick", "live", "restart", "shut-down", "stay"};
    const char *value = options_value(&cli->options, OPTION_MOVE_POLICY);
    if (value == NULL) {
        return CLI_DONE;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            json_object_set_new(arguments, "move_policy", json_string(value));
            return CLI_DONE;
        }
    }
    return cli_fail_usage(
        cli, verb, "--move-policy %s is neither live-or-quick, live, restart, shut-down nor stay",
        value);
}

int command_vm_set(struct cli *cli, char **words) {
    json_auto *arguments = json_pack("{s:s}", "vm", words[0]);
    char done[200];
    int code = cli_number(cli, "vm set", OPTION_PRIORITY, WIRE_MAX_PRIORITY, arguments, "priority");
    if (code == CLI_DONE) {
        code = set_auto_start(cli, arguments);
    }
    if (code == CLI_DONE) {
        code = set_mobility(cli, arguments);
    }
    if (code == CLI_DONE) {
        code = set_move_policy(cli, "vm set", arguments);
    }
    if (code == CLI_DONE) {
        code = live_downtime(cli, "vm set", true, arguments);
    }
    if (code == CLI_DONE) {
        code = set_names(cli, OPTION_POSSIBLE, arguments);
    }
    if (code == CLI_DONE) {
        code = set_names(cli, OPTION_PREFERRED, arguments);
    }
    if (code == CLI_DONE) {
        code = cli_resources(cli, "vm set", arguments);
    }
    if (code == CLI_DONE && options_given(&cli->options, OPTION_ACCEPT_DISKS)) {
        json_object_set_new(arguments, "accept_disks", json_true());
    }
    if (code == CLI_DONE && json_object_size(arguments) == 1) {
        code =
            cli_fail_usage(cli, "vm set", "vm set %s: give at least one option to set", words[0]);
    }
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(done, sizeof(done), "%s has been changed; nothing is moved for it", words[0]);
    return cli_change(cli, "vm.set", json_incref(arguments), done);
}

int command_node_set(struct cli *cli, char **words) {
    json_auto *arguments = json_pack("{s:s}", "node", words[0]);
    char done[200];
    int code = cli_number(cli, "node set", OPTION_VMS_MAX, WIRE_MAX_VMS_MAX, arguments, "vms_max");
    if (code == CLI_DONE) {
        code = cli_resources(cli, "node set", arguments);
    }
    if (code == CLI_DONE && json_object_size(arguments) == 1) {
        code = cli_fail_usage(cli, "node set", "node set %s: give at least one option to set",
                              words[0]);
    }
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(done, sizeof(done), "%s has been changed; nothing is moved for it", words[0]);
    return cli_change(cli, "node.set", json_incref(arguments), done);
}
