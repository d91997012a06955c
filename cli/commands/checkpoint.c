/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm checkpoint ...: the disks of a VM as they were at a moment.
 *
 *     vm.show
 *       -> agent `vm checkpoint-plan`: the disks, or why they cannot have a checkpoint
 *       -> vm.checkpoint-create, -revert or -remove, with the serial that vm.show gave
 *
 * The agent looks at the images, so this is done on a node that sees them.
 */
#include "cli.h"
#include "commands/vm_agent.h"
#include "output/lists.h"
#include "output/text.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

struct checkpoint_plan {
    const char *command, *vm, *name;
    json_t *answer; /* owned: of vm.show */
    json_t *plan;   /* owned: of checkpoint-plan */
};

static void release(struct checkpoint_plan *plan) {
    json_decref(plan->answer);
    json_decref(plan->plan);
}

#define plan_auto struct checkpoint_plan __attribute__((cleanup(release)))

static int ask_cluster(struct cli *cli, struct checkpoint_plan *plan) {
    return cli_request(cli, "vm.show", json_pack("{s:s}", "vm", plan->vm), &plan->answer);
}

static const json_t *shown_vm(const struct checkpoint_plan *plan) {
    return json_object_get(plan->answer, "vm");
}

static int ask_agent(struct cli *cli, struct checkpoint_plan *plan) {
    const char *const params[][2] = {{NULL, NULL}};
    const struct vm_question question = {.command = plan->command,
                                         .action = "checkpoint-plan",
                                         .name = plan->vm,
                                         .xml = json_text(shown_vm(plan), "xml"),
                                         .params = params};
    int code = vm_agent_ask(cli, &question, &plan->plan);
    if (code == CLI_DONE && !vm_agent_agrees(plan->plan)) {
        cli_detail(cli, "element", json_object_get(plan->plan, "element"));
        return cli_fail(cli, CLI_REFUSED, NULL, "%s %s: %s", plan->command, plan->vm,
                        json_text(plan->plan, "reason"));
    }
    return code;
}

static bool has_checkpoint(const struct checkpoint_plan *plan) {
    size_t i = 0;
    json_t *checkpoint = NULL;
    json_array_foreach (json_object_get(shown_vm(plan), "checkpoints"), i, checkpoint) {
        if (strcmp(json_text(checkpoint, "name"), plan->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Before anything is done to the VM, such as a stop. */
static int check_name(struct cli *cli, const struct checkpoint_plan *plan) {
    char hint[160];
    if (has_checkpoint(plan)) {
        return CLI_DONE;
    }
    snprintf(hint, sizeof(hint), "clusterctl vm checkpoint list %.60s shows them", plan->vm);
    return cli_fail(cli, CLI_REFUSED, hint, "%s: %s has no checkpoint '%s'", plan->command,
                    plan->vm, plan->name);
}

static json_t *request_of(const struct checkpoint_plan *plan) {
    return json_pack("{s:s, s:s, s:I, s:O}", "vm", plan->vm, "name", plan->name, "serial",
                     (json_int_t)json_number(shown_vm(plan), "serial"), "disks",
                     json_object_get(plan->plan, "disks"));
}

/* vm.show, the agent, and the request. */
static int change(struct cli *cli, struct checkpoint_plan *plan, const char *verb,
                  const char *done) {
    int code = ask_cluster(cli, plan);
    if (code == CLI_DONE) {
        code = ask_agent(cli, plan);
    }
    if (code == CLI_DONE && !json_is_object(json_object_get(plan->plan, "disks"))) {
        code = cli_fail(cli, CLI_FAILED,
                        "are clusterctl, clusterd and the agents of the same version?",
                        "%s %s: the agent reported no disks", plan->command, plan->vm);
    }
    return code == CLI_DONE ? cli_change(cli, verb, request_of(plan), done) : code;
}

int command_checkpoint_create(struct cli *cli, char **words) {
    plan_auto plan = {.command = "vm checkpoint create", .vm = words[0], .name = words[1]};
    char done[200];
    snprintf(done, sizeof(done), "checkpoint %s of %s has been made", words[1], words[0]);
    return change(cli, &plan, "vm.checkpoint-create", done);
}

int command_checkpoint_remove(struct cli *cli, char **words) {
    plan_auto plan = {.command = "vm checkpoint remove", .vm = words[0], .name = words[1]};
    char done[200];
    int code = ask_cluster(cli, &plan);
    if (code == CLI_DONE) {
        code = check_name(cli, &plan);
    }
    json_decref(plan.answer);
    plan.answer = NULL;
    snprintf(done, sizeof(done), "checkpoint %s of %s has been removed", words[1], words[0]);
    return code == CLI_DONE ? change(cli, &plan, "vm.checkpoint-remove", done) : code;
}

int command_checkpoint_list(struct cli *cli, char **words) {
    plan_auto plan = {.vm = words[0]};
    int code = ask_cluster(cli, &plan);
    if (code != CLI_DONE) {
        return code;
    }
    json_t *checkpoints = json_object_get(shown_vm(&plan), "checkpoints");
    if (cli->json) {
        json_auto *document =
            json_pack("{s:b, s:s, s:O}", "ok", 1, "vm", plan.vm, "checkpoints", checkpoints);
        cli_print_document(cli, document);
        return CLI_DONE;
    }
    view_checkpoints(&cli->out, plan.vm, checkpoints);
    return CLI_DONE;
}

/* ---- revert: with --stop and --start up to three changes ---- */

static int change_vm(struct cli *cli, const char *step, const char *verb, const char *vm) {
    char done[160];
    snprintf(done, sizeof(done), "%s %s", vm, strcmp(step, "stop") == 0 ? "is off" : "runs");
    cli_begin_step(cli, step);
    int code = cli_change(cli, verb, json_pack("{s:s}", "vm", vm), done);
    cli_end_step(cli);
    return code;
}

static bool is_off(const struct checkpoint_plan *plan) {
    return strcmp(json_text(shown_vm(plan), "state"), "off") == 0 &&
           strcmp(json_text(shown_vm(plan), "wanted"), "stopped") == 0;
}

/* What would refuse the revert does so before the VM is stopped. */
static int prepare(struct cli *cli, struct checkpoint_plan *plan) {
    const struct options *options = &cli->options;
    bool stops = options_given(options, OPTION_STOP);
    if (options_given(options, OPTION_NO_WAIT) && (stops || options_given(options, OPTION_START))) {
        return cli_fail_usage(cli, plan->command,
                              "%s %s: with --stop or --start, each step waits for the one before: "
                              "give no --no-wait",
                              plan->command, plan->vm);
    }
    int code = ask_cluster(cli, plan);
    if (code == CLI_DONE) {
        code = check_name(cli, plan);
    }
    if (code == CLI_DONE && stops && !is_off(plan)) {
        code = ask_agent(cli, plan);
        if (code == CLI_DONE) {
            code = change_vm(cli, "stop", "vm.stop", plan->vm);
        }
    }
    json_decref(plan->answer);
    json_decref(plan->plan);
    plan->answer = plan->plan = NULL;
    return code;
}

int command_checkpoint_revert(struct cli *cli, char **words) {
    plan_auto plan = {.command = "vm checkpoint revert", .vm = words[0], .name = words[1]};
    bool starts = options_given(&cli->options, OPTION_START);
    char done[200];
    int code = prepare(cli, &plan);
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(done, sizeof(done), "the disks of %s are those of checkpoint %s", words[0], words[1]);
    if (!starts) {
        return change(cli, &plan, "vm.checkpoint-revert", done);
    }
    cli_begin_step(cli, "revert");
    code = change(cli, &plan, "vm.checkpoint-revert", done);
    cli_end_step(cli);
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(done, sizeof(done), "%s runs", words[0]);
    return cli_change(cli, "vm.start", json_pack("{s:s}", "vm", words[0]), done);
}
