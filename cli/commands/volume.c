/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl volume ...
 */
#include "cli.h"
#include "verbs.h"
#include "output/lists.h"

#include <limits.h>
#include <stdio.h>

int command_volume_list(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    json_auto *nodes = NULL;
    (void)words;
    int code = cli_request(cli, "volume.list", NULL, &answer);
    if (code != CLI_DONE || cli_print_answer(cli, answer)) {
        return code;
    }
    code = cli_request(cli, "node.list", NULL, &nodes);
    if (code == CLI_DONE) {
        view_volumes(&cli->out, json_object_get(answer, "volumes"),
                     json_object_get(nodes, "nodes"));
    }
    return code;
}

int command_volume_show(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int code = cli_request(cli, "volume.show", json_pack("{s:s}", "volume", words[0]), &answer);
    if (code != CLI_DONE || cli_print_answer(cli, answer)) {
        return code;
    }
    const json_t *volume = json_object_get(answer, "volume");
    const json_t *reasons = json_object_get(volume, "reasons");
    const char *title = "nodes";
    const char *node = NULL;
    json_t *state = NULL;
    view_field(&cli->out, STYLE_BOLD, "volume", "%s", json_text(volume, "name"));
    view_field(&cli->out, STYLE_PLAIN, "path", "%s", json_text(volume, "path"));
    json_object_foreach (json_object_get(volume, "nodes"), node, state) {
        const char *word = json_is_string(state) ? json_string_value(state) : "";
        const char *reason = json_text(reasons, node);
        view_field(&cli->out, screen_state_style(word), title, "%s: %s%s%s", node, word,
                   reason[0] != '\0' ? ": " : "", reason);
        title = "";
    }
    view_names(&cli->out, "VMs", json_object_get(volume, "vms"));
    return CLI_DONE;
}

int command_volume_add(struct cli *cli, char **words) {
    char done[PATH_MAX + 200];
    if (words[1][0] != '/') {
        return cli_fail_usage(
            cli, "volume add",
            "volume add: the path '%s' is not absolute; it must be the same on all nodes",
            words[1]);
    }
    snprintf(done, sizeof(done),
             "volume %s is %s; see which nodes have it: clusterctl volume show %s", words[0],
             words[1], words[0]);
    return cli_change(cli, "volume.add",
                      json_pack("{s:s, s:s}", "name", words[0], "path", words[1]), done);
}

int command_volume_remove(struct cli *cli, char **words) {
    char done[160];
    snprintf(done, sizeof(done), "volume %s has been removed; its contents are kept", words[0]);
    return cli_change(cli, "volume.remove", json_pack("{s:s}", "volume", words[0]), done);
}
