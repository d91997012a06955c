/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm ..., all but `add`, which is in vm_add.c.
 */
#include "cli.h"
#include "commands/dry_run.h"
#include "commands/explain.h"
#include "commands/live.h"
#include "commands/vm_hosts.h"
#include "commands/vm_storage.h"
#include "output/text.h"
#include "verbs.h"
#include "output/lists.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static json_t *name_vm(const char *vm) {
    return json_pack("{s:s}", "vm", vm);
}

int command_vm_list(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    (void)words;
    int code = cli_request(cli, "vm.list", NULL, &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        view_vms(&cli->out, json_object_get(answer, "vms"));
    }
    return code;
}

int command_vm_show(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int code = cli_request(cli, "vm.show", name_vm(words[0]), &answer);
    if (code != CLI_DONE || cli_print_answer(cli, answer)) {
        return code;
    }
    const json_t *vm = json_object_get(answer, "vm");
    const struct screen *out = &cli->out;
    const char *state = json_text(vm, "state");
    const char *target = json_text(vm, "target");
    char memory[TEXT_MAX];
    view_field(out, STYLE_BOLD, "VM", "%s", json_text(vm, "name"));
    view_field(out, STYLE_PLAIN, "uuid", "%s", json_text(vm, "uuid"));
    view_field(out, screen_state_style(state), "state", "%s", state);
    view_field(out, STYLE_PLAIN, "wanted", "%s", json_text(vm, "wanted"));
    view_field(out, STYLE_PLAIN, "note", "%s", json_text(vm, "reason"));
    view_field(out, STYLE_PLAIN, "node", "%s%s%s", json_text(vm, "owner"),
               target[0] != '\0' ? " -> " : "", target);
    view_field(out, STYLE_PLAIN, "memory", "%s",
               text_megabytes(json_number(vm, "memory_mb"), memory));
    view_field(out, STYLE_PLAIN, "vCPUs", "%" PRId64, json_number(vm, "vcpus"));
    view_names(out, "resources", json_object_get(vm, "resources"));
    view_field(out, STYLE_PLAIN, "priority", "%" PRId64, json_number(vm, "priority"));
    if (json_is_false(json_object_get(vm, "auto_start"))) {
        view_field(out, STYLE_PLAIN, "auto start", "no");
    }
    if (strcmp(json_text(vm, "mobility"), "quick") == 0) {
        view_field(out, STYLE_PLAIN, "moved", "quick only, never live");
    } else if (strcmp(json_text(vm, "mobility"), "fixed") == 0) {
        view_field(out, STYLE_PLAIN, "moved", "never");
    }
    if (strcmp(json_text(vm, "move_policy"), "live-or-quick") != 0) {
        view_field(out, STYLE_PLAIN, "move policy", "%s", json_text(vm, "move_policy"));
    }
    if (json_number(vm, "max_downtime_ms") > 0) {
        view_field(out, STYLE_PLAIN, "max downtime", "%s",
                   text_duration(json_number(vm, "max_downtime_ms"), memory));
    }
    view_names(out, "volumes", json_object_get(vm, "volumes"));
    view_names(out, "possible", json_object_get(vm, "possible"));
    view_names(out, "preferred", json_object_get(vm, "preferred"));
    view_field(out, STYLE_PLAIN, "generation", "%" PRId64, json_number(vm, "generation"));
    view_storage(out, json_object_get(vm, "storage"));
    if (json_number(vm, "operation") > 0) {
        view_field(out, STYLE_BUSY, "operation", "%" PRId64, json_number(vm, "operation"));
    }
    return CLI_DONE;
}

int command_vm_history(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int code = cli_request(cli, "vm.history", name_vm(words[0]), &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        view_history(&cli->out, words[0], json_object_get(answer, "history"));
        if (json_is_false(json_object_get(answer, "recorded"))) {
            fputs("history is not recorded now; to begin: clusterctl config set vm_history 1\n",
                  cli->out.file);
        }
    }
    return code;
}

int command_vm_remove(struct cli *cli, char **words) {
    char explanation[300];
    char question[160];
    char done[160];
    snprintf(explanation, sizeof(explanation),
             "VM %s will be removed from the cluster; its disks are kept (to save its definition "
             "first: clusterctl vm show %s --json)",
             words[0], words[0]);
    snprintf(question, sizeof(question), "Remove %s? [y/N]", words[0]);
    snprintf(done, sizeof(done), "%s has been removed", words[0]);
    int code = cli_confirm(cli, explanation, question, NULL);
    return code == CLI_DONE ? cli_change(cli, "vm.remove", name_vm(words[0]), done) : code;
}

int command_vm_start(struct cli *cli, char **words) {
    char done[160];
    snprintf(done, sizeof(done), "%s runs", words[0]);
    return cli_change(cli, "vm.start", name_vm(words[0]), done);
}

int command_vm_adopt(struct cli *cli, char **words) {
    char done[160];
    json_t *arguments = name_vm(words[0]);
    json_object_set_new(arguments, "adopt", json_true());
    snprintf(done, sizeof(done), "%s runs", words[0]);
    return cli_change(cli, "vm.start", arguments, done);
}

int command_vm_stop(struct cli *cli, char **words) {
    char done[160];
    json_t *arguments = name_vm(words[0]);
    json_object_set_new(arguments, "force",
                        json_boolean(options_given(&cli->options, OPTION_FORCE)));
    snprintf(done, sizeof(done), "%s is off", words[0]);
    return cli_change(cli, "vm.stop", arguments, done);
}

/* Whether the options of `vm move` ask for another node. */
static bool node_is_meant(const struct options *options) {
    static const enum option_id all[] = {
        OPTION_TO,        OPTION_BEST_NODE,        OPTION_LIVE, OPTION_QUICK, OPTION_MAX_DOWNTIME,
        OPTION_BANDWIDTH, OPTION_IF_NOT_CONVERGING};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (options_given(options, all[i])) {
            return true;
        }
    }
    return false;
}

/* The files first: on the way the guest stands still for the switch only, and a node that has only
 * the new storage can take the VM. */
static int move_files_first(struct cli *cli, const char *vm, const json_t *arguments) {
    json_auto *answer = NULL;
    if (options_given(&cli->options, OPTION_NO_WAIT)) {
        return cli_fail_usage(
            cli, "vm move",
            "vm move %s: these are two moves, and the second waits for the first: "
            "give no --no-wait",
            vm);
    }
    /* A node that does not exist, say, is refused before a file is moved. */
    json_t *asked = json_deep_copy(arguments);
    json_object_set_new(asked, "dry_run", json_true());
    int code = cli_request(cli, "vm.move", asked, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    cli_begin_step(cli, "storage");
    code = vm_storage_move(cli, vm);
    cli_end_step(cli);
    return code;
}

int command_vm_move(struct cli *cli, char **words) {
    const struct options *options = &cli->options;
    bool files = vm_storage_is_meant(options);
    const char *to = options_value(options, OPTION_TO);
    bool best = options_given(options, OPTION_BEST_NODE);
    bool live = options_given(options, OPTION_LIVE);
    bool quick = options_given(options, OPTION_QUICK);
    char done[200];
    if (vm_hosts_is_meant(options)) {
        return vm_hosts_move(cli, words[0]);
    }
    if (files && !node_is_meant(options)) {
        return vm_storage_move(cli, words[0]);
    }
    if (best == (to != NULL)) {
        return cli_fail_usage(cli, "vm move",
                              "vm move %s: give either --best-node or --to NODE; or --storage DEST "
                              "to move its files",
                              words[0]);
    }
    if (live && quick) {
        return cli_fail_usage(cli, "vm move", "vm move %s: --live and --quick exclude each other",
                              words[0]);
    }
    json_t *arguments = name_vm(words[0]);
    json_object_set_new(arguments, "mode", json_string(live ? "live" : quick ? "quick" : "auto"));
    if (to != NULL) {
        json_object_set_new(arguments, "to", json_string(to));
    }
    int code = live_options(cli, "vm move", arguments);
    if (code == CLI_DONE && files) {
        code = move_files_first(cli, words[0], arguments);
    }
    if (code != CLI_DONE) {
        json_decref(arguments);
        return code;
    }
    if (options_given(options, OPTION_DRY_RUN)) {
        return dry_run(cli, "vm.move", arguments);
    }
    snprintf(done, sizeof(done), "%s now belongs to %s", words[0],
             to != NULL ? to : "its best node");
    return cli_change(cli, "vm.move", arguments, done);
}

int command_vm_explain(struct cli *cli, char **words) {
    json_auto *answer = NULL;
    int code = cli_request(cli, "vm.explain", name_vm(words[0]), &answer);
    if (code == CLI_DONE && !cli_print_answer(cli, answer)) {
        explain_show(&cli->out, answer);
    }
    return code;
}
