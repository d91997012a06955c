/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm export: a VM leaves the cluster for a libvirt host outside, off or live.
 *
 *     vm.show, rule.list
 *       -> agent `vm host-define`, if it is off: libvirt on a node has its definition
 *       -> agent `vm host-move`, as a dry run: which file goes where, what stands in the way
 *       -> vm.remove; of a VM that runs, with "release": it goes on as libvirt's own
 *       -> agent `vm host-move`: to the host, with its files
 *
 * The cluster gives it up before a file is copied: nobody can start it there meanwhile. If the move
 * fails, it is added again as it was; a VM that runs is adopted. If clusterctl is killed meanwhile,
 * it is a VM of libvirt on the node: `vm move --from` goes on from there (hosts_settle.c).
 */
#include "cli.h"
#include "commands/vm_add.h"
#include "commands/vm_agent.h"
#include "commands/vm_hosts.h"
#include "commands/vm_storage.h"
#include "new_file.h"
#include "node_config.h"
#include "output/print.h"
#include "output/text.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A failed move is taken back within this time, whatever --timeout says. */
#define TAKE_BACK_MS 60000

#define COMMAND "vm export"

struct export {
    const char *vm;
    const char *uri;
    char node_uri[NODE_URI_MAX];
    bool live;      /* it runs, and goes on */
    char *disks;    /* owned */
    json_t *answer; /* owned: of vm.show */
    json_t *needs;  /* owned: as vm.add expects them */
};

static void release(struct export *export) {
    free(export->disks);
    json_decref(export->answer);
    json_decref(export->needs);
}

#define export_auto struct export __attribute__((cleanup(release)))

static json_t *shown(const struct export *export) {
    return json_object_get(export->answer, "vm");
}

/* ---- what must be true before ---- */

static int check_options(struct cli *cli, struct export *export) {
    const struct options *options = &cli->options;
    const char *dest = options_value(options, OPTION_STORAGE);
    bool shared = options_given(options, OPTION_SHARED);
    export->uri = options_value(options, OPTION_TO);
    if (export->uri == NULL) {
        return cli_fail_usage(cli, COMMAND,
                              COMMAND " %s: give --to URI, such as qemu+tls://host2/system",
                              export->vm);
    }
    if (dest == NULL && !options_given(options, OPTION_DISK) && !shared) {
        return cli_fail_usage(cli, COMMAND,
                              COMMAND " %s: give --storage DIRECTORY: where its files go on that "
                                      "host; or --shared if it reaches the volume itself",
                              export->vm);
    }
    if (dest != NULL && dest[0] != '/') {
        return cli_fail_usage(cli, COMMAND,
                              "--storage %s: give the absolute path of a directory on the host; it "
                              "has no volumes of the cluster",
                              dest);
    }
    return vm_storage_disks(cli, &export->disks);
}

/* Through which node: the one that runs it, or any, if it is off. */
static const char *node_of(const struct cli *cli, const struct export *export) {
    const char *node = options_value(&cli->options, OPTION_NODE);
    return node == NULL && export->live ? json_text(shown(export), "owner") : node;
}

static int check_vm(struct cli *cli, struct export *export) {
    int code = cli_request(cli, "vm.show", json_pack("{s:s}", "vm", export->vm), &export->answer);
    if (code != CLI_DONE) {
        return code;
    }
    const char *state = json_text(shown(export), "state");
    const char *wanted = json_text(shown(export), "wanted");
    export->live = strcmp(state, "running") == 0 && strcmp(wanted, "running") == 0;
    if (!export->live && (strcmp(state, "off") != 0 || strcmp(wanted, "stopped") != 0)) {
        char hint[300];
        (void)snprintf(hint, sizeof(hint),
                       "clusterctl vm show %s says what it is waiting for; or shut it down first: "
                       "clusterctl vm stop %s",
                       export->vm, export->vm);
        return cli_fail(cli, CLI_REFUSED, hint,
                        COMMAND ": %s is %s, and wanted %s; it leaves the cluster while it runs, "
                                "or while it is off",
                        export->vm, state, wanted);
    }
    return CLI_DONE;
}

/* If the move failed, a rule would not be there again. */
static int check_rules(struct cli *cli, const struct export *export) {
    json_auto *answer = NULL;
    size_t i = 0;
    size_t k = 0;
    json_t *rule = NULL;
    json_t *name = NULL;
    int code = cli_request(cli, "rule.list", NULL, &answer);
    json_array_foreach (json_object_get(answer, "rules"), i, rule) {
        json_array_foreach (json_object_get(rule, "vms"), k, name) {
            if (strcmp(json_string_value(name), export->vm) == 0) {
                char hint[300];
                (void)snprintf(hint, sizeof(hint),
                               "remove the rule first: clusterctl rule remove %s",
                               json_text(rule, "name"));
                return cli_fail(cli, CLI_REFUSED, hint, COMMAND ": rule %s names %s",
                                json_text(rule, "name"), export->vm);
            }
        }
    }
    return code;
}

/* What vm.add wants to know of the VM, should it have to come back. */
static int find_needs(struct cli *cli, struct export *export) {
    json_auto *answer = NULL;
    int code = vm_add_check(cli, export->vm, json_text(shown(export), "xml"), &answer);
    export->needs = json_incref(json_object_get(answer, "needs"));
    return code;
}

/* ---- libvirt on the node ---- */

static int ask_node(struct cli *cli, const struct export *export, const char *action,
                    const char *xml) {
    json_auto *answer = NULL;
    const char *const params[][2] = {
        {"OCF_RESKEY_uri", export->node_uri}, {"OCF_RESKEY_name", export->vm}, {NULL, NULL}};
    const struct vm_question question = {
        .command = COMMAND, .action = action, .name = export->vm, .xml = xml, .params = params};
    int code = vm_agent_ask(cli, &question, &answer);
    if (code != CLI_DONE || vm_agent_agrees(answer)) {
        return code;
    }
    return cli_fail(cli, json_flag(answer, "refused") ? CLI_REFUSED : CLI_FAILED, NULL,
                    COMMAND ": %s", json_text(answer, "reason"));
}

/* ---- the move ---- */

static struct hosts_request request_of(struct cli *cli, const struct export *export) {
    const char *dest = options_value(&cli->options, OPTION_STORAGE);
    return (struct hosts_request){
        .command = COMMAND,
        .vm = export->vm,
        .from = export->node_uri,
        .to = export->uri,
        .dest = dest != NULL ? dest : "",
        .disks = export->disks,
        .shared = options_given(&cli->options, OPTION_SHARED),
        .remove_source = options_given(&cli->options, OPTION_REMOVE_SOURCE),
        .given_up = export->live ? json_number(shown(export), "generation") : 0,
    };
}

/* As it was: vm.add and vm.set take what vm.show said. One that runs is adopted meanwhile. */
static int add_again(struct cli *cli, const struct export *export) {
    static const char *const of_add[] = {"xml",       "priority",  "possible",
                                         "preferred", "resources", "move_policy"};
    static const char *const of_set[] = {"auto_start", "mobility", "max_downtime_ms"};
    json_auto *set = NULL;
    json_t *add = json_pack("{s:s, s:O}", "name", export->vm, "needs", export->needs);
    json_t *change = json_pack("{s:s}", "vm", export->vm);
    for (size_t i = 0; i < sizeof(of_add) / sizeof(of_add[0]); i++) {
        json_object_set(add, of_add[i], json_object_get(shown(export), of_add[i]));
    }
    for (size_t i = 0; i < sizeof(of_set) / sizeof(of_set[0]); i++) {
        json_object_set(change, of_set[i], json_object_get(shown(export), of_set[i]));
    }
    if (export->live) {
        json_object_set_new(add, "adopt", json_true());
    }
    cli_renew(cli, TAKE_BACK_MS);
    cli_begin_step(cli, "taken_back");
    int code = cli_change(cli, "vm.add", add, "it is a VM of the cluster again");
    if (code == CLI_DONE) {
        code = cli_request(cli, "vm.set", change, &set);
    } else if (cli->ipc != NULL) { /* it may be the cluster's, and not be adopted */
        (void)cli_try_request(cli, "vm.set", change, &set);
    } else {
        json_decref(change);
    }
    cli_end_step(cli);
    return code;
}

/* libvirt on the node has it, and the node may fail: the definition is kept here, too. */
static void keep_definition(const struct export *export) {
    new_file_auto file = {.stream = NULL};
    char prefix[160];
    (void)snprintf(prefix, sizeof(prefix), "/var/tmp/clusterd-%s-", export->vm);
    int r = new_file_create(&file, prefix, ".xml"); /* for root alone: it may hold secrets */
    if (r == 0) {
        /* lint: allow fputs, because it is written to a file of its own */
        (void)fputs(json_text(shown(export), "xml"), file.stream);
        r = new_file_finish(&file, 0);
    }
    if (r < 0) {
        print_text(stderr, "clusterctl: its definition cannot be kept in /var/tmp: %s\n",
                   strerror(-r));
        return;
    }
    print_text(stderr, "clusterctl: its definition, as the cluster had it, is in %s\n", file.part);
}

/* It is not the cluster's, or nobody knows whether it is. What to type? */
static void say_where(const struct export *export, const char *state) {
    print_text(
        stderr,
        "clusterctl: %s is a VM of libvirt on the node now (%s), and not of the cluster. To "
        "go on with the move: clusterctl vm move %s --from %s --to %s, with the same options; "
        "to add it again: virsh -c %s dumpxml --inactive --security-info %s | clusterctl vm "
        "add -%s\n",
        export->vm, state, export->vm, export->node_uri, export->uri, export->node_uri, export->vm,
        export->live ? " --adopt" : "");
    keep_definition(export);
}

/* The move has failed, and has been reported. It has come to an end if there is an answer; a VM
 * that ran is taken back only if it runs there still. */
static void take_back(struct cli *cli, const struct export *export, json_t *answer) {
    bool ended = answer != NULL && json_has(answer, "result");
    const char *state = ended ? json_text(answer, "state") : "unknown";
    if (!ended || (export->live && strcmp(state, "running") != 0)) {
        say_where(export, export->live ? state : "off");
    } else if (add_again(cli, export) != CLI_DONE) {
        print_text(
            stderr,
            "clusterctl: clusterctl vm show %s says whether the cluster has it again; if not:\n",
            export->vm);
        say_where(export, export->live ? state : "off");
    } else {
        print_text(stderr, "clusterctl: %s is a VM of the cluster again, %s\n", export->vm,
                   export->live ? "and ran all the time" : "as it was");
        if (!export->live) {
            vm_hosts_forget(cli, COMMAND, export->node_uri, export->vm);
        }
    }
}

/* From here on it is libvirt's. CLI_DONE, or it is the cluster's still (reported), unless the
 * command was interrupted: then it may leave the cluster all the same. */
static int give_up(struct cli *cli, const struct export *export) {
    json_auto *removed = NULL;
    if (!export->live) {
        int code = cli_request(cli, "vm.remove", json_pack("{s:s}", "vm", export->vm), &removed);
        if (code != CLI_DONE) {
            vm_hosts_forget(cli, COMMAND, export->node_uri, export->vm);
        }
        return code;
    }
    json_t *arguments = json_pack("{s:s, s:s}", "vm", export->vm, "release", node_of(cli, export));
    cli_begin_step(cli, "release");
    int code = cli_change(cli, "vm.remove", arguments, "");
    cli_end_step(cli);
    if (code == CLI_INTERRUPTED || code == CLI_DEADLINE || code == CLI_UNREACHED) {
        print_text(
            stderr,
            "clusterctl: clusterctl vm show %s says whether the cluster has it still; if not:\n",
            export->vm);
        say_where(export, "running");
    }
    return code;
}

static int carry_out(struct cli *cli, struct export *export) {
    json_auto *answer = NULL;
    int code = give_up(cli, export);
    if (code != CLI_DONE) {
        return code;
    }
    struct hosts_request request = request_of(cli, export);
    code = vm_hosts_run(cli, &request, &answer);
    if (code != CLI_DONE) {
        take_back(cli, export, answer);
        return code;
    }
    if (cli->json) {
        json_auto *document =
            json_pack("{s:b, s:O}", "ok", 1, "plan", json_object_get(answer, "plan"));
        cli_print_document(cli, document);
    }
    return CLI_DONE;
}

int command_vm_export(struct cli *cli, char **words) {
    export_auto export = {.vm = words[0]};
    json_auto *answer = NULL;
    bool dry_run = options_given(&cli->options, OPTION_DRY_RUN);
    int code = check_options(cli, &export);
    code = code == CLI_DONE ? check_vm(cli, &export) : code;
    code = code == CLI_DONE ? node_config_uri(cli, COMMAND, node_of(cli, &export), export.node_uri)
                            : code;
    code = code == CLI_DONE ? check_rules(cli, &export) : code;
    code = code == CLI_DONE ? find_needs(cli, &export) : code;
    if (code == CLI_DONE && !export.live) {
        code = ask_node(cli, &export, "host-define", json_text(shown(&export), "xml"));
    }
    if (code != CLI_DONE) {
        return code;
    }
    struct hosts_request request = request_of(cli, &export);
    request.dry_run = true;
    request.quiet = !dry_run || cli->json;
    code = vm_hosts_run(cli, &request, &answer);
    if (code != CLI_DONE || dry_run) {
        if (!export.live) {
            vm_hosts_forget(cli, COMMAND, export.node_uri, export.vm);
        }
        return code == CLI_DONE ? vm_hosts_end_dry_run(cli, json_object_get(answer, "plan")) : code;
    }
    return carry_out(cli, &export);
}
