/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterctl vm import: a VM of a libvirt host outside comes into the cluster, off or live.
 *
 *     volume.list
 *       -> agent `vm host-move`, as a dry run: which file goes where, and the definition afterwards
 *       -> agent `vm validate-all` of that definition: could it be highly available?
 *       -> agent `vm host-move`: to libvirt on a node, with its files on the volume
 *       -> vm.add; of a VM that runs, with "adopt": the cluster takes it over on the node
 *       -> agent `vm host-forget`: the node's libvirt forgets it; the adoption has seen to that
 *
 * A VM that is off is so all the time. Before vm.add it is a VM of libvirt on the node, which only
 * a person starts. Afterwards the cluster starts it, and does not while a person runs it on a node.
 * A VM that runs goes on all the time: on its host, then under libvirt on the node, then there as
 * the cluster's.
 */
#include "cli.h"
#include "commands/vm_add.h"
#include "commands/vm_agent.h"
#include "commands/vm_hosts.h"
#include "commands/vm_storage.h"
#include "node_config.h"
#include "output/print.h"
#include "output/text.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND "vm import"

struct import {
    const char *uri;
    const char *vm;
    const char *directory;
    char node_uri[NODE_URI_MAX]; /* libvirt on the node that takes it */
    char *disks;                 /* owned */
    char *xml;                   /* owned; the definition that it will have */
    json_t *volumes;             /* owned: the answer of volume.list */
    json_t *plan;                /* owned: which files would move where */
    bool live;                   /* it runs, and goes on */
};

static void release(struct import *import) {
    free(import->disks);
    free(import->xml);
    json_decref(import->volumes);
    json_decref(import->plan);
}

#define import_auto struct import __attribute__((cleanup(release)))

/* What the cluster would refuse in the end is refused before anything is copied. */
static int check_name(struct cli *cli, const struct import *import) {
    json_auto *answer = NULL;
    size_t i = 0;
    json_t *vm = NULL;
    int code = cli_request(cli, "vm.list", NULL, &answer);
    json_array_foreach (json_object_get(answer, "vms"), i, vm) {
        if (strcmp(json_text(vm, "name"), import->vm) == 0) {
            return cli_fail(cli, CLI_REFUSED,
                            "rename it on its host first: virsh domrename OLD NEW",
                            COMMAND ": the cluster has a VM %s already", import->vm);
        }
    }
    return code;
}

static struct hosts_request request_of(struct cli *cli, const struct import *import) {
    return (struct hosts_request){
        .command = COMMAND,
        .vm = import->vm,
        .from = import->uri,
        .to = import->node_uri,
        .dest = import->directory,
        .disks = import->disks,
        .remove_source = options_given(&cli->options, OPTION_REMOVE_SOURCE),
    };
}

static int make_plan(struct cli *cli, struct import *import) {
    json_auto *answer = NULL;
    json_auto *needs = NULL; /* looked at by vm_add_definition() */
    struct hosts_request request = request_of(cli, import);
    request.dry_run = true;
    request.quiet = !options_given(&cli->options, OPTION_DRY_RUN) || cli->json;
    int code = vm_hosts_run(cli, &request, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    import->plan = json_incref(json_object_get(answer, "plan"));
    import->live = strcmp(json_text(import->plan, "how"), "live") == 0;
    import->xml = strdup(json_text(answer, "definition"));
    if (import->xml == NULL) {
        return cli_fail(cli, CLI_FAILED, NULL, COMMAND ": out of memory");
    }
    return vm_add_check(cli, import->vm, import->xml, &needs);
}

/* The cluster may have accepted it, and have failed to take it over. Silent. */
static bool is_in_cluster(struct cli *cli, const char *vm) {
    json_auto *answer = NULL;
    return cli->ipc != NULL &&
           cli_try_request(cli, "vm.show", json_pack("{s:s}", "vm", vm), &answer) == 0 &&
           json_flag(answer, "ok");
}

/* The VM has moved, but is not what it should be. Where is it, and what to type? */
static void say_where(struct cli *cli, const struct import *import) {
    if (import->live && is_in_cluster(cli, import->vm)) {
        print_text(
            stderr,
            "clusterctl: %s runs on the node, and is a VM of the cluster, which has not taken "
            "it over; try it again with: clusterctl vm adopt %s\n",
            import->vm, import->vm);
        return;
    }
    print_text(stderr,
               "clusterctl: %s %s, and a VM of libvirt on the node now; add it with: virsh -c %s "
               "dumpxml --inactive --security-info %s | clusterctl vm add -%s\n",
               import->vm, import->live ? "runs" : "is off", import->node_uri, import->vm,
               import->live ? " --adopt" : "");
}

static int carry_out(struct cli *cli, struct import *import) {
    json_auto *answer = NULL;
    struct hosts_request request = request_of(cli, import);
    int code = vm_hosts_run(cli, &request, &answer);
    if (code != CLI_DONE) {
        return code;
    }
    code = vm_add_definition(cli, import->vm, &import->xml,
                             import->live ? VM_ADD_ADOPTED : VM_ADD_OFF);
    if (code != CLI_DONE) {
        say_where(cli, import);
    } else if (!import->live) {
        vm_hosts_forget(cli, COMMAND, import->node_uri, import->vm);
    }
    return code;
}

int command_vm_import(struct cli *cli, char **words) {
    import_auto import = {.uri = words[0], .vm = words[1]};
    if (!options_given(&cli->options, OPTION_STORAGE)) {
        return cli_fail_usage(cli, COMMAND,
                              COMMAND " %s: give --storage DEST: the volume, or a directory on "
                                      "one, for its files",
                              import.vm);
    }
    int code = vm_storage_disks(cli, &import.disks);
    if (code == CLI_DONE) {
        code = node_config_uri(cli, COMMAND, NULL, import.node_uri);
    }
    if (code == CLI_DONE) {
        code = cli_request(cli, "volume.list", NULL, &import.volumes);
    }
    if (code == CLI_DONE) {
        code = vm_storage_directory(cli, COMMAND, import.volumes, &import.directory);
    }
    if (code == CLI_DONE) {
        code = check_name(cli, &import);
    }
    if (code == CLI_DONE) {
        code = make_plan(cli, &import);
    }
    if (code != CLI_DONE) {
        return code;
    }
    if (options_given(&cli->options, OPTION_DRY_RUN)) {
        return vm_hosts_end_dry_run(cli, import.plan);
    }
    return carry_out(cli, &import);
}
