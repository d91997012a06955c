/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM moves between two hosts without a cluster: see commands/vm_hosts.h. The VM agent of this
 * machine does it, and clusterd is not asked. If clusterctl is killed, the agent goes on.
 */
#include "commands/vm_hosts.h"
#include "commands/vm_agent.h"
#include "commands/vm_storage.h"
#include "output/lists.h"
#include "output/print.h"
#include "output/progress.h"
#include "output/text.h"
#include "wire/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND "vm move"
#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

struct hosts_move {
    struct cli *cli;
    const struct hosts_request *request;
    struct progress progress;
    json_t *state; /* owned: the VM as the progress shows it */
};

bool vm_hosts_is_meant(const struct options *options) {
    return options_given(options, OPTION_FROM) || options_given(options, OPTION_SHARED) ||
           options_given(options, OPTION_REMOVE_SOURCE);
}

/* ---- the command line ---- */

static int check_options(struct cli *cli, const char *vm) {
    static const enum option_id others[] = {
        OPTION_BEST_NODE,         OPTION_LIVE,       OPTION_QUICK,  OPTION_MAX_DOWNTIME,
        OPTION_IF_NOT_CONVERGING, OPTION_DISKS_ONLY, OPTION_NO_WAIT};
    const struct options *options = &cli->options;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (options_given(options, others[i])) {
            return cli_fail_usage(cli, COMMAND,
                                  "vm move %s: --%s cannot be combined with --from, --shared and "
                                  "--remove-source",
                                  vm, option_infos[others[i]].name);
        }
    }
    if (!options_given(options, OPTION_FROM) || !options_given(options, OPTION_TO)) {
        return cli_fail_usage(cli, COMMAND,
                              "vm move %s: between hosts without a cluster, give both --from URI "
                              "and --to URI, such as qemu:///system and qemu+tls://host2/system",
                              vm);
    }
    const char *dest = options_value(options, OPTION_STORAGE);
    if (dest != NULL && dest[0] != '/') {
        return cli_fail_usage(cli, COMMAND,
                              "--storage %s: give the absolute path of a directory on the target; "
                              "there are no volumes without a cluster",
                              dest);
    }
    return CLI_DONE;
}

/* ---- what the agent reports ---- */

static void show_state(struct hosts_move *move, const char *state) {
    json_object_set_new(move->state, "state", json_string(state));
    json_auto *operation = json_pack("{s:[O]}", "vms", move->state);
    progress_operation(&move->progress, operation);
}

static void show_plan(struct hosts_move *move, const json_t *plan) {
    const struct screen *screen = move->progress.screen;
    size_t i = 0;
    json_t *file = NULL;
    json_array_foreach (json_object_get(plan, "files"), i, file) {
        text_auto *line = storage_file_line(file);
        text_wrap(screen->file, line, 2, screen->terminal ? screen->columns - 1 : 0);
    }
    fflush(screen->file);
    json_object_set_new(move->state, "from", json_string(json_text(plan, "from")));
    json_object_set_new(move->state, "to", json_string(json_text(plan, "to")));
    json_object_set_new(move->state, "mode", json_string(json_text(plan, "how")));
    show_state(move, "running");
}

static void on_line(void *context, const json_t *line) {
    struct hosts_move *move = context;
    json_t *plan = json_object_get(line, "plan");
    json_t *sample = json_object_get(line, "progress");
    if (json_is_object(plan) && !move->request->quiet) {
        show_plan(move, plan);
    }
    if (json_is_object(sample)) {
        json_object_set_new(sample, "vm", json_string(move->request->vm));
        progress_sample(&move->progress, sample);
    }
    progress_draw(&move->progress);
}

/* ---- how it ended ---- */

static int report_failure(struct hosts_move *move, json_t *answer) {
    struct cli *cli = move->cli;
    const char *result = json_text(answer, "result");
    cli_detail(cli, "plan", json_object_get(answer, "plan"));
    if (strcmp(result, "cancelled") == 0) {
        return cli_fail(cli, CLI_INTERRUPTED, NULL, "%s", json_text(answer, "reason"));
    }
    return cli_fail(cli, json_flag(answer, "refused") ? CLI_REFUSED : CLI_FAILED, NULL, "%s",
                    json_text(answer, "reason"));
}

static void say_what_remains(struct hosts_move *move, const json_t *plan) {
    const struct screen *screen = move->progress.screen;
    size_t i = 0;
    json_t *file = NULL;
    if (json_array_size(json_object_get(plan, "files")) == 0) {
        return;
    }
    text_auto *names = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&names, &size);
    if (out == NULL) {
        return;
    }
    print_text(out, "its former files are still on %s:", json_text(plan, "from"));
    json_array_foreach (json_object_get(plan, "files"), i, file) {
        print_text(out, "%s %s", i > 0 ? "," : "", json_text(file, "from"));
    }
    fclose(out);
    text_wrap(screen->file, names, 2, screen->terminal ? screen->columns - 1 : 0);
}

/* The closing line of a move that has been made. */
static void show_end(struct hosts_move *move, const json_t *answer) {
    const json_t *plan = json_object_get(answer, "plan");
    if (plan == NULL || move->request->dry_run) {
        return;
    }
    json_object_set_new(move->state, "total_ms", json_integer(json_number(answer, "total_ms")));
    json_object_set_new(move->state, "blackout_ms",
                        json_integer(json_number(answer, "blackout_ms")));
    show_state(move, "done");
    if (!move->request->remove_source) {
        say_what_remains(move, plan);
    }
}

static int ask(struct hosts_move *move, json_t **ret_answer) {
    struct cli *cli = move->cli;
    const struct hosts_request *request = move->request;
    char timeout[32];
    char generation[32];
    char bandwidth[32];
    json_auto *answer = NULL;
    json_auto *limits = json_object();
    int code = cli_number(cli, request->command, OPTION_BANDWIDTH, WIRE_MAX_MBPS, limits, "mbps");
    if (code != CLI_DONE) {
        return code;
    }
    snprintf(bandwidth, sizeof(bandwidth), "%" PRId64, json_number(limits, "mbps"));
    snprintf(timeout, sizeof(timeout), "%" PRId64, cli->timeout_ms > 0 ? cli->timeout_ms : WEEK_MS);
    snprintf(generation, sizeof(generation), "%" PRId64, request->given_up);
    const char *const params[][2] = {{"OCF_RESKEY_name", request->vm},
                                     {"OCF_RESKEY_generation", generation},
                                     {"OCF_RESKEY_uri", request->from},
                                     {"OCF_RESKEY_target", request->to},
                                     {"OCF_RESKEY_target_uri", request->to},
                                     {"OCF_RESKEY_dest", request->dest},
                                     {"OCF_RESKEY_disks", request->disks},
                                     {"OCF_RESKEY_shared", request->shared ? "1" : "0"},
                                     {"OCF_RESKEY_remove_source",
                                      request->remove_source ? "1" : "0"},
                                     {"OCF_RESKEY_dry_run", request->dry_run ? "1" : "0"},
                                     {"OCF_RESKEY_auto_converge", "1"},
                                     {"OCF_RESKEY_bandwidth_mbps", bandwidth},
                                     {"OCF_RESKEY_timeout_ms", timeout},
                                     {NULL, NULL}};
    const struct vm_question question = {.command = request->command,
                                         .action = "host-move",
                                         .name = request->vm,
                                         .params = params,
                                         .on_line = on_line,
                                         .context = move};
    cli_catch_signals(cli);
    code = vm_agent_ask(cli, &question, &answer);
    progress_erase(&move->progress);
    if (code != CLI_DONE) {
        return code;
    }
    *ret_answer = json_incref(answer);
    if (!vm_agent_agrees(answer)) {
        return report_failure(move, answer);
    }
    show_end(move, answer);
    return CLI_DONE;
}

int vm_hosts_run(struct cli *cli, const struct hosts_request *request, json_t **ret_answer) {
    struct hosts_move move = {.cli = cli, .request = request};
    progress_init(&move.progress, cli->json ? &cli->err : &cli->out);
    move.state = json_pack("{s:s}", "vm", request->vm);
    int code = ask(&move, ret_answer);
    progress_finish(&move.progress);
    json_decref(move.state);
    return code;
}

int vm_hosts_end_dry_run(struct cli *cli, json_t *plan) {
    if (cli->json) {
        json_auto *document = json_pack("{s:b, s:O}", "ok", 1, "plan", plan);
        cli_print_json(document);
    } else {
        fputs("dry run: nothing was moved\n", cli->out.file);
    }
    return CLI_DONE;
}

void vm_hosts_forget(struct cli *cli, const char *command, const char *uri, const char *vm) {
    json_auto *answer = NULL;
    const char *const params[][2] = {
        {"OCF_RESKEY_uri", uri}, {"OCF_RESKEY_name", vm}, {NULL, NULL}};
    const struct vm_question question = {
        .command = command, .action = "host-forget", .name = vm, .params = params};
    int code = vm_agent_ask(cli, &question, &answer);
    if (code != CLI_DONE || !vm_agent_agrees(answer)) {
        print_text(
            stderr,
            "clusterctl: warning: libvirt on the node still has a definition of %s; remove it "
            "with: virsh -c %s undefine --keep-nvram %s\n",
            vm, uri, vm);
    }
}

/* ---- vm move ---- */

static void report_end(struct cli *cli, const struct hosts_request *request, json_t *answer) {
    const json_t *plan = json_object_get(answer, "plan");
    if (cli->json) {
        json_object_del(answer, "progress");
        json_object_del(answer, "result");
        json_object_del(answer, "definition");
        json_object_set_new(answer, "ok", json_true());
        cli_print_json(answer);
    } else if (request->dry_run) {
        print_text(stdout, "%s would move from %s to %s, %s\ndry run: nothing was moved\n",
                   request->vm, json_text(plan, "from"), json_text(plan, "to"),
                   strcmp(json_text(plan, "how"), "live") == 0 ? "live" : "while it is off");
    } else if (plan == NULL) {
        print_text(stdout, "%s\n", json_text(answer, "reason"));
    }
}

int vm_hosts_move(struct cli *cli, const char *vm) {
    const struct options *options = &cli->options;
    const char *dest = options_value(options, OPTION_STORAGE);
    text_auto *disks = NULL;
    json_auto *answer = NULL;
    int code = check_options(cli, vm);
    if (code == CLI_DONE) {
        code = vm_storage_disks(cli, &disks);
    }
    if (code != CLI_DONE) {
        return code;
    }
    bool dry_run = options_given(options, OPTION_DRY_RUN);
    const struct hosts_request request = {
        .command = COMMAND,
        .vm = vm,
        .from = options_value(options, OPTION_FROM),
        .to = options_value(options, OPTION_TO),
        .dest = dest != NULL ? dest : "",
        .disks = disks,
        .shared = options_given(options, OPTION_SHARED),
        .remove_source = options_given(options, OPTION_REMOVE_SOURCE),
        .dry_run = dry_run,
        .quiet = dry_run && cli->json,
    };
    code = vm_hosts_run(cli, &request, &answer);
    if (code == CLI_DONE) {
        report_end(cli, &request, answer);
    }
    return code;
}
