/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a VM move to other storage: see commands/vm_storage.h.
 *
 *     vm.show, volume.list
 *       -> agent `vm copy-plan`: which file goes where, and the definition afterwards
 *       -> agent `vm validate-all` of that definition: the volumes that the VM needs then
 *       -> vm.storage, with the serial that vm.show gave: a plan that is out of date is refused
 *
 * The agent looks at the files, so the plan is made on this node, and the storage has to be there.
 */
#include "commands/vm_storage.h"
#include "commands/vm_agent.h"
#include "output/lists.h"
#include "output/text.h"
#include "wire/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND "vm move"

struct storage_plan {
    const char *vm;
    json_t *answer;  /* owned: of vm.show */
    json_t *volumes; /* owned: the answer of volume.list */
    char *paths;     /* owned: the volumes as the agent expects them */
    char *disks;     /* owned: the values of --disk, one a line */
    const char *directory;
    json_t *plan;  /* owned: the answer of copy-plan */
    json_t *needs; /* owned: the answer of validate-all */
};

bool vm_storage_is_meant(const struct options *options) {
    return options_given(options, OPTION_STORAGE) || options_given(options, OPTION_DISK) ||
           options_given(options, OPTION_DISKS_ONLY);
}

static void release(struct storage_plan *plan) {
    json_decref(plan->answer);
    json_decref(plan->volumes);
    json_decref(plan->plan);
    json_decref(plan->needs);
    free(plan->paths);
    free(plan->disks);
}

#define plan_auto struct storage_plan __attribute__((cleanup(release)))

static int no_memory(struct cli *cli) {
    return cli_fail(cli, CLI_FAILED, NULL, COMMAND ": out of memory");
}

/* Text that neither the cluster nor the agent could hand on as it stands. */
static bool is_plain(const char *text) {
    json_auto *json = json_string(text); /* NULL: not UTF-8 */
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return json != NULL;
}

/* ---- the command line ---- */

static int check_options(struct cli *cli, const char *vm) {
    const struct options *options = &cli->options;
    if (!options_given(options, OPTION_STORAGE) && !options_given(options, OPTION_DISK)) {
        return cli_fail_usage(
            cli, COMMAND, "vm move %s: --disks-only needs --storage DEST: where do they go?", vm);
    }
    return CLI_DONE;
}

/* "vda=/srv/csv2/a.qcow2": the agent knows what comes after the path, and which disks there are. */
static int check_disk(struct cli *cli, const char *value) {
    const char *equals = strchr(value, '=');
    if (!is_plain(value) || equals == NULL || equals == value || equals[1] != '/') {
        return cli_fail_usage(
            cli, COMMAND,
            "--disk %s is not of the form TARGET=PATH: write it like vda=/srv/csv2/a.qcow2, with "
            "the absolute path of the file",
            value);
    }
    return CLI_DONE;
}

int vm_storage_disks(struct cli *cli, char **ret_lines) {
    size_t size = 0;
    size_t at = 0;
    int code = CLI_DONE;
    FILE *out = open_memstream(ret_lines, &size);
    if (out == NULL) {
        return no_memory(cli);
    }
    for (const char *value = NULL;
         code == CLI_DONE && (value = options_next(&cli->options, OPTION_DISK, &at)) != NULL;) {
        code = check_disk(cli, value);
        /* lint: allow fprintf, because the agent wants the paths as they are */
        fprintf(out, "%s\n", value);
    }
    fclose(out);
    return code;
}

int vm_storage_directory(struct cli *cli, const char *command, const json_t *volumes,
                         const char **ret_directory) {
    const char *dest = options_value(&cli->options, OPTION_STORAGE);
    size_t i = 0;
    json_t *volume = NULL;
    if (dest == NULL || dest[0] == '/') {
        *ret_directory = dest != NULL ? dest : "";
        return CLI_DONE;
    }
    json_array_foreach (json_object_get(volumes, "volumes"), i, volume) {
        if (strcmp(json_text(volume, "name"), dest) == 0) {
            *ret_directory = json_text(volume, "path");
            return CLI_DONE;
        }
    }
    return cli_fail(cli, CLI_REFUSED,
                    "list the volumes with: clusterctl volume list; or name a directory by its "
                    "absolute path",
                    "%s: there is no volume '%s'", command, dest);
}

/* ---- the plan ---- */

static const json_t *shown_vm(const struct storage_plan *plan) {
    return json_object_get(plan->answer, "vm");
}

static const json_t *planned_files(const struct storage_plan *plan) {
    return json_object_get(plan->plan, "files");
}

static int other_version(struct cli *cli, const struct storage_plan *plan, const char *what) {
    return cli_fail(cli, CLI_FAILED, "are clusterctl, clusterd and the agents of the same version?",
                    "vm move %s: %s", plan->vm, what);
}

static int ask_for_plan(struct cli *cli, struct storage_plan *plan) {
    bool runs = strcmp(json_text(shown_vm(plan), "state"), "running") == 0;
    const char *const params[][2] = {{"OCF_RESKEY_volumes", plan->paths},
                                     {"OCF_RESKEY_running", runs ? "1" : "0"},
                                     {"OCF_RESKEY_dest", plan->directory},
                                     {"OCF_RESKEY_disks", plan->disks},
                                     {"OCF_RESKEY_disks_only",
                                      options_given(&cli->options, OPTION_DISKS_ONLY) ? "1" : "0"},
                                     {NULL, NULL}};
    const struct vm_question question = {.command = COMMAND,
                                         .action = "copy-plan",
                                         .name = plan->vm,
                                         .xml = json_text(shown_vm(plan), "xml"),
                                         .params = params};
    int code = vm_agent_ask(cli, &question, &plan->plan);
    if (code != CLI_DONE) {
        return code;
    }
    size_t count = json_array_size(planned_files(plan));
    if (!vm_agent_agrees(plan->plan)) {
        cli_detail(cli, "element", json_object_get(plan->plan, "element"));
        return cli_fail(cli, CLI_REFUSED, NULL, "vm move %s: %s", plan->vm,
                        json_text(plan->plan, "reason"));
    }
    if (count == 0 || json_text(plan->plan, "definition")[0] == '\0') {
        return other_version(cli, plan, "the agent reported no plan");
    }
    if (count > WIRE_MAX_STORAGE_FILES) {
        return cli_fail(cli, CLI_REFUSED, "move them by several commands, with --disk",
                        "vm move %s: %zu files are more than the %u of one move", plan->vm, count,
                        WIRE_MAX_STORAGE_FILES);
    }
    return CLI_DONE;
}

/* What the VM needs afterwards is asked in the same way as when it was added. */
static int ask_for_needs(struct cli *cli, struct storage_plan *plan) {
    const char *const params[][2] = {{"OCF_RESKEY_volumes", plan->paths}, {NULL, NULL}};
    const struct vm_question question = {.command = COMMAND,
                                         .action = "validate-all",
                                         .name = plan->vm,
                                         .xml = json_text(plan->plan, "definition"),
                                         .params = params};
    int code = vm_agent_ask(cli, &question, &plan->needs);
    if (code != CLI_DONE) {
        return code;
    }
    if (!vm_agent_agrees(plan->needs)) {
        const char *element = json_text(plan->needs, "element");
        cli_detail(cli, "problems", json_object_get(plan->needs, "problems"));
        return cli_fail(cli, CLI_REFUSED, NULL,
                        "vm move %s: with its files there it could not be highly available: "
                        "%s%s%s",
                        plan->vm, element, element[0] != '\0' ? ": " : "",
                        json_text(plan->needs, "reason"));
    }
    return CLI_DONE;
}

static json_t *needed_volumes(const struct storage_plan *plan) {
    return json_object_get(json_object_get(plan->needs, "needs"), "volumes");
}

static int make_plan(struct cli *cli, struct storage_plan *plan) {
    char command[TEXT_MAX + 16];
    int code = check_options(cli, plan->vm);
    if (code == CLI_DONE) {
        code = vm_storage_disks(cli, &plan->disks);
    }
    if (code == CLI_DONE) {
        code = cli_request(cli, "vm.show", json_pack("{s:s}", "vm", plan->vm), &plan->answer);
    }
    if (code == CLI_DONE && !json_is_integer(json_object_get(shown_vm(plan), "serial"))) {
        code = other_version(cli, plan, "clusterd did not report the VM's serial");
    }
    if (code == CLI_DONE) {
        code = cli_request(cli, "volume.list", NULL, &plan->volumes);
    }
    if (code == CLI_DONE) {
        plan->paths = vm_agent_volumes(json_object_get(plan->volumes, "volumes"));
        snprintf(command, sizeof(command), COMMAND " %s", plan->vm);
        code = plan->paths != NULL
                   ? vm_storage_directory(cli, command, plan->volumes, &plan->directory)
                   : no_memory(cli);
    }
    if (code == CLI_DONE) {
        code = ask_for_plan(cli, plan);
    }
    if (code == CLI_DONE) {
        code = ask_for_needs(cli, plan);
    }
    if (code == CLI_DONE && !json_is_array(needed_volumes(plan))) {
        code = other_version(cli, plan, "the agent did not report the VM's volumes");
    }
    return code;
}

/* ---- what becomes of it ---- */

/* With --json for people, too: then on standard error. */
static void show_files(const struct screen *screen, const struct storage_plan *plan) {
    size_t i = 0;
    json_t *file = NULL;
    json_array_foreach (planned_files(plan), i, file) {
        text_auto *line = storage_file_line(file);
        text_wrap(screen->file, line, 2, screen->terminal ? screen->columns - 1 : 0);
    }
    fflush(screen->file);
}

static int show_dry_run(struct cli *cli, const struct storage_plan *plan) {
    if (cli->json) {
        json_auto *document = json_pack("{s:b, s:O, s:O}", "ok", 1, "plan", planned_files(plan),
                                        "volumes", needed_volumes(plan));
        cli_print_document(cli, document);
        return CLI_DONE;
    }
    show_files(&cli->out, plan);
    if (cli->step == NULL) { /* else its last line says so */
        fputs("dry run: nothing was moved\n", cli->out.file);
    }
    return CLI_DONE;
}

/* The cluster takes what it needs, and refuses anything else. */
static json_t *request_of(const struct storage_plan *plan) {
    json_t *files = json_array();
    size_t i = 0;
    json_t *file = NULL;
    json_array_foreach (planned_files(plan), i, file) {
        json_t *asked = json_pack("{s:s, s:s, s:s, s:I}", "disk", json_text(file, "disk"), "from",
                                  json_text(file, "from"), "to", json_text(file, "to"), "bytes",
                                  (json_int_t)json_number(file, "bytes"));
        if (json_text(file, "new_format")[0] != '\0') { /* an older clusterd has to refuse it */
            json_object_set_new(asked, "format", json_string(json_text(file, "new_format")));
        }
        json_array_append_new(files, asked);
    }
    return json_pack("{s:s, s:I, s:o, s:s, s:O}", "vm", plan->vm, "serial",
                     (json_int_t)json_number(shown_vm(plan), "serial"), "files", files, "xml",
                     json_text(plan->plan, "definition"), "volumes", needed_volumes(plan));
}

int vm_storage_move(struct cli *cli, const char *vm) {
    plan_auto plan = {.vm = vm};
    char done[160];
    int code = make_plan(cli, &plan);
    if (code != CLI_DONE) {
        return code;
    }
    if (options_given(&cli->options, OPTION_DRY_RUN)) {
        return show_dry_run(cli, &plan);
    }
    show_files(cli->json ? &cli->err : &cli->out, &plan);
    snprintf(done, sizeof(done), "the files of %s have been moved", vm);
    return cli_change(cli, "vm.storage", request_of(&plan), done);
}
