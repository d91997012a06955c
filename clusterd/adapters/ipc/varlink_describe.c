/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The description of the interface io.clusterd, from the tables of ipc/verbs.c. Words of an enum
 * are strings here: some have a hyphen ("live-or-quick"), which Varlink's enums cannot.
 */
#include "adapters/ipc/varlink.h"

#include "adapters/ipc/verbs.h"
#include "base/check.h"
#include "wire/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "# clusterd: a failover cluster of virtual machines.\n"
    "# clusterctl(8) tells what each of these means: VmStop is \"clusterctl vm stop\".\n"
    "interface " VARLINK_INTERFACE "\n\n";

static const char errors[] = "\n# The request breaks a rule of the cluster; nothing was changed.\n"
                             "error Refused (message: string, hint: string)\n\n"
                             "# The cluster cannot decide now.\n"
                             "error NoQuorum (message: string, hint: string)\n\n"
                             "error NotFound (message: string, hint: string)\n\n"
                             "# A parameter is missing, unknown or wrong.\n"
                             "error Usage (message: string, hint: string)\n\n"
                             "# This user may only read.\n"
                             "error Permission (message: string, hint: string)\n\n"
                             "error Failed (message: string, hint: string)\n";

/* What reads answer. A member with a question mark is null, or missing, at times. */
static const char status_answers[] =
    "cluster: string, quorate: bool, usable: bool, epoch: int, coordinator: ?string, "
    "node: ?string, phase: string, nodes: []object, vms: []object, volumes: []object, "
    "operations: []object, problems: []object, index: int, digest: string, reserve: object";
static const char config_answers[] =
    "key: string, value: string, default: bool, unit: string, help: string, initial: int, "
    "min: int, max: int, choices: string";
static const char *const read_answers[] = {
    [READ_STATUS] = status_answers,
    [READ_NODE_LIST] = "nodes: []object",
    [READ_NODE_SHOW] = "node: object",
    [READ_VM_LIST] = "vms: []object",
    [READ_VM_SHOW] = "vm: object",
    [READ_VM_HISTORY] = "vm: string, history: []object, recorded: bool",
    [READ_VM_EXPLAIN] = "vm: string, best: ?string, summary: string, nodes: []object",
    [READ_VOLUME_LIST] = "volumes: []object",
    [READ_VOLUME_SHOW] = "volume: object",
    [READ_DEVICE_LIST] = "devices: []object",
    [READ_OPERATION_LIST] = "operations: []object",
    [READ_OPERATION_SHOW] = "operation: object",
    [READ_EVENT_LIST] = "events: []object",
    [READ_CONFIG_LIST] = "config: []object",
    [READ_CONFIG_GET] = config_answers,
    [READ_EXPORT] = "cluster: object",
    [READ_RULE_LIST] = "rules: []object",
    [READ_RULE_SHOW] = "rule: object",
};

static const char *type_of(const struct ipc_arg *arg) {
    switch (arg->type) {
    case ARG_TEXT:
    case ARG_NEW_NAME:
    case ARG_UUID:
    case ARG_MODE:
    case ARG_RULE_KIND:
    case ARG_RULE_SCOPE:
    case ARG_MOBILITY:
    case ARG_MOVE_POLICY:
    case ARG_FAILBACK:
    case ARG_CONVERGENCE: return "string";
    case ARG_BOOL:
    case ARG_DRY_RUN: return "bool";
    case ARG_U32:
    case ARG_U64:
    case ARG_SINCE: return "int";
    case ARG_NAMES: return "[]string";
    case ARG_PARAMS: return "[string]string";
    case ARG_AMOUNTS: return "[string]int";
    case ARG_FILES: return "[]File";
    case ARG_NEEDS: return "Needs";
    case ARG_CHECKED: return "object";
    }
    return "object";
}

static void put_args(FILE *out, const struct ipc_arg *args, size_t n) {
    (void)fputc('(', out);
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(out, "%s%s: %s%s", i > 0 ? ", " : "", args[i].name,
                      args[i].required ? "" : "?", type_of(&args[i]));
    }
    (void)fputc(')', out);
}

static bool has_dry_run(const struct ipc_verb *verb) {
    for (size_t i = 0; i < verb->n_args; i++) {
        if (verb->args[i].type == ARG_DRY_RUN) {
            return true;
        }
    }
    return false;
}

static void put_answer(FILE *out, const struct ipc_verb *verb) {
    switch (verb->kind) {
    case IPC_READ:
        CHECK(verb->what < sizeof(read_answers) / sizeof(read_answers[0]) &&
              read_answers[verb->what]);
        (void)fputs(read_answers[verb->what], out);
        break;
    case IPC_SUBSCRIBE:
        (void)fputs("event: ?object, operation: ?object, progress: ?object", out);
        break;
    case IPC_CHANGE:
    case IPC_DEVICE_TEST:
    case IPC_PREDICT:
        (void)fputs("operation: ?int, message: ?string, warning: ?string, prediction: ?object",
                    out);
        if (has_dry_run(verb)) {
            (void)fputs(", plan: ?[]object", out);
        }
        if (verb->kind == IPC_CHANGE && verb->what == COMMAND_NODE_DRAIN) {
            (void)fputs(", about_ms: ?int, becomes_empty: ?bool", out);
        }
        break;
    }
}

char *varlink_describe(void) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out) {
        return NULL;
    }
    (void)fputs(head, out);
    (void)fputs("# What a VM asks of its node.\ntype Needs ", out);
    put_args(out, ipc_needs_args, ipc_n_needs_args);
    (void)fputs("\n\n# A file of a VM that goes to another place.\ntype File ", out);
    put_args(out, ipc_file_args, ipc_n_file_args);
    (void)fputs("\n\n", out);
    for (size_t i = 0; i < ipc_n_verbs; i++) {
        char name[VARLINK_MAX_METHOD];
        varlink_name_of(ipc_verbs[i].name, name);
        if (ipc_verbs[i].kind == IPC_SUBSCRIBE) {
            (void)fputs("# What happens from now on; needs \"more\". The first reply is empty.\n",
                        out);
        }
        (void)fprintf(out, "method %s", name);
        put_args(out, ipc_verbs[i].args, ipc_verbs[i].n_args);
        (void)fputs(" -> (", out);
        put_answer(out, &ipc_verbs[i]);
        (void)fputs(")\n", out);
    }
    (void)fputs(errors, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
