/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl node ...
 */
#include "cli.h"
#include "commands/dry_run.h"
#include "output/text.h"
#include "verbs.h"
#include "output/lists.h"
#include "output/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static json_t *name_node(const char *node) {
    return json_pack("{s:s}", "node", node);
}

int command_node_list(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    (void)words;
    int code = cli_request(cli, "node.list", NULL, &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        view_nodes(&cli->out, json_object_get(answer, "nodes"));
    }
    return code;
}

/* The resources that the node has, and those that its VMs need although it has none. */
static void show_resources(const struct screen *out, const json_t *node) {
    json_t *has = json_object_get(node, "resources");
    json_t *used = json_object_get(node, "resources_used");
    json_auto *all = json_deep_copy(has);
    const char *title = "resources";
    const char *name = NULL;
    json_t *amount = NULL;
    json_object_update_missing(all, used);
    json_object_foreach (all, name, amount) {
        view_field(out, STYLE_PLAIN, title, "%s: %" PRId64 " of %" PRId64 " allocated to VMs", name,
                   json_number(used, name), json_number(has, name));
        title = "";
    }
}

int command_node_show(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int code = cli_request(cli, "node.show", name_node(words[0]), &answer);
    if (code != CLI_DONE || cli_print_answer(cli, answer)) {
        return code;
    }
    const json_t *node = json_object_get(answer, "node");
    const struct screen *out = &cli->out;
    const char *state = json_text(node, "state");
    char used[TEXT_MAX];
    char total[TEXT_MAX];
    char since[TEXT_MAX];
    view_field(out, STYLE_BOLD, "node", "%s", json_text(node, "name"));
    view_field(out, STYLE_PLAIN, "id", "%" PRId64 "%s", json_number(node, "id"),
               json_flag(node, "coordinator") ? ", the coordinator" : "");
    view_field(out, screen_state_style(state), "state", "%s", state);
    if (json_number(node, "since_ms") > 0) {
        view_field(out, STYLE_PLAIN, "since", "%s",
                   text_clock(json_number(node, "since_ms"), since));
    }
    view_field(out, STYLE_PLAIN, "note", "%s", json_text(node, "reason"));
    view_field(out, STYLE_PLAIN, "memory", "%s of %s allocated to VMs",
               text_megabytes(json_number(node, "memory_used_mb"), used),
               text_megabytes(json_number(node, "memory_mb"), total));
    view_field(out, STYLE_PLAIN, "cpus", "%" PRId64 ", vCPUs of its VMs: %" PRId64,
               json_number(node, "cpus"), json_number(node, "vcpus_used"));
    show_resources(out, node);
    view_field(out, STYLE_PLAIN, "VMs", "%" PRId64, json_number(node, "vms"));
    view_field(out, STYLE_PLAIN, "watchdog", "%s",
               json_flag(node, "watchdog")
                   ? "armed"
                   : "none: only a fence device can confirm that it is off");
    view_field(out, STYLE_PLAIN, "site", "%s", json_text(node, "site"));
    view_field(out, STYLE_PLAIN, "rack", "%s", json_text(node, "rack"));
    view_names(out, "volumes", json_object_get(node, "volumes"));
    view_field(out, STYLE_PLAIN, "version", "%s", json_text(node, "version"));
    return CLI_DONE;
}

/* The last line, if it is true at this moment: somebody may have resumed the node meanwhile. */
static void tell_drained(struct cli *cli, const char *name) {
    json_auto *answer = NULL;
    if (cli->ipc == NULL || cli_try_request(cli, "node.show", name_node(name), &answer) < 0) {
        return;
    }
    const json_t *node = json_object_get(answer, "node");
    if (strcmp(json_text(node, "state"), "drained") == 0) {
        print_text(stdout, "%s is drained: safe to power off\n", name);
    }
}

int command_node_drain(struct cli *cli, char **words) {
    const char *deadline = options_value(&cli->options, OPTION_DEADLINE);
    char done[160];
    int64_t ms = 0;
    if (deadline != NULL && text_parse_duration(deadline, &ms) < 0) {
        return cli_fail_usage(cli, "node drain",
                              "--deadline %s is not a time; write it like 90s, 10m or 2h",
                              deadline);
    }
    json_t *arguments = name_node(words[0]);
    if (ms > 0) {
        json_object_set_new(arguments, "deadline_ms", json_integer(ms));
    }
    if (options_given(&cli->options, OPTION_DRY_RUN)) {
        return dry_run(cli, "node.drain", arguments);
    }
    snprintf(done, sizeof(done), "%s has no VMs", words[0]);
    int code = cli_change(cli, "node.drain", arguments, done);
    if (code == CLI_DONE && !cli->json && !options_given(&cli->options, OPTION_NO_WAIT)) {
        tell_drained(cli, words[0]);
    }
    return code;
}

int command_node_resume(struct cli *cli, char **words) {
    char done[160];
    const char *failback = options_value(&cli->options, OPTION_FAILBACK);
    if (failback != NULL && strcmp(failback, "no") != 0 && strcmp(failback, "now") != 0 &&
        strcmp(failback, "policy") != 0) {
        return cli_fail_usage(cli, "node resume", "--failback %s is neither no, now nor policy",
                              failback);
    }
    json_t *arguments = name_node(words[0]);
    if (failback != NULL) {
        json_object_set_new(arguments, "failback", json_string(failback));
    }
    snprintf(done, sizeof(done), "%s takes VMs again", words[0]);
    return cli_change(cli, "node.resume", arguments, done);
}

int command_node_fence(struct cli *cli, char **words) {
    char explanation[400];
    char question[160];
    char done[160];
    snprintf(explanation, sizeof(explanation),
             "node %s will be powered off at once: its VMs lose what they have not written to "
             "their disks, and start again on other nodes (to move them while they run, drain the "
             "node instead)",
             words[0]);
    snprintf(question, sizeof(question), "Fence %s? [y/N]", words[0]);
    snprintf(done, sizeof(done), "%s has been fenced", words[0]);
    int code = cli_confirm(cli, explanation, question, NULL);
    return code == CLI_DONE ? cli_change(cli, "node.fence", name_node(words[0]), done) : code;
}

int command_node_confirm_off(struct cli *cli, char **words) {
    char explanation[400];
    char question[160];
    char done[160];
    snprintf(explanation, sizeof(explanation),
             "you are about to confirm that %s is off; if it is still running, its VMs will run "
             "twice and destroy their disks",
             words[0]);
    snprintf(question, sizeof(question), "If you have seen that it is off, type the node's name:");
    snprintf(done, sizeof(done), "%s is taken to be off; its VMs start on other nodes", words[0]);
    int code = cli_confirm(cli, explanation, question, words[0]);
    return code == CLI_DONE ? cli_change(cli, "node.confirm-off", name_node(words[0]), done) : code;
}
