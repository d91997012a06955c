/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of verbs: see verbs.h.
 */
#include "verbs.h"
#include "output/text.h"

#include <stdio.h>
#include <string.h>

const struct noun nouns[] = {
    {"status", "the state of the cluster, and its problems"},
    {"node", "nodes: drain, resume, fence"},
    {"vm", "virtual machines: define, start, stop, move"},
    {"host", "libvirt hosts that need not be in a cluster"},
    {"volume", "shared volumes that hold the disks"},
    {"fence-device", "devices that power nodes off"},
    {"rule", "rules: which VMs run together, apart, or on which nodes"},
    {"operation", "drains, moves and recoveries"},
    {"plan", "what would happen if a node failed or was drained"},
    {"export", "write the cluster to a file, for plans"},
    {"event", "what happened in the cluster"},
    {"config", "settings of the whole cluster"},
    {"support-bundle", "collect everything for the analysis of a problem"},
};
const size_t noun_count = sizeof(nouns) / sizeof(nouns[0]);

#define OPT(id) [OPTION_##id] = true

/* clang-format off */
const struct verb verbs[] = {
    {"status", NULL, {WORD_NONE}, {{OPT(WATCH)}}, NULL,
     "show nodes, VMs and problems, and what to do about them",
     "With --watch, the screen is updated whenever something changes.", command_status},

    {"node", "list", {WORD_NONE}, {{0}}, NULL, "list the nodes", NULL, command_node_list},
    {"node", "show", {WORD_NODE}, {{0}}, NULL, "show the details of a node", NULL, command_node_show},
    {"node", "drain", {WORD_NODE}, {{OPT(NO_WAIT), OPT(DEADLINE), OPT(DRY_RUN)}}, NULL,
     "move all VMs off a node, for maintenance",
     "Each VM is moved live to the best possible node. The node accepts no VMs until "
     "`clusterctl node resume`. A drain is refused if the other nodes have no room for the "
     "VMs; --dry-run shows where each VM would go.",
     command_node_drain},
    {"node", "resume", {WORD_NODE}, {{OPT(FAILBACK), OPT(NO_WAIT)}}, NULL,
     "end a drain, and bring the VMs back",
     "What the drain has moved away returns, and what it has shut down starts; other VMs stay. "
     "With --failback no, moved VMs stay where they are; with policy, they return in the hours "
     "of the setting failback_hours.", command_node_resume},
    {"node", "set", {WORD_NODE}, {{OPT(VMS_MAX), OPT(RESOURCE), OPT(NO_WAIT)}}, NULL,
     "limit the VMs on a node, or set its resources",
     "A resource is anything besides memory and CPUs that VMs need from a node, such as vgpu "
     "or hugepages. A VM runs only on nodes with enough of it free. Settings that are not "
     "named are left as they are. Running VMs are not moved; the change applies to later "
     "decisions.", command_node_set},
    {"node", "fence", {WORD_NODE}, {{OPT(YES), OPT(NO_WAIT)}}, NULL,
     "power a node off with its fence device",
     "The node loses power at once. Its VMs lose what they have not written to their disks, "
     "and start again on other nodes.", command_node_fence},
    {"node", "confirm-off", {WORD_NODE}, {{OPT(YES), OPT(NO_WAIT)}}, NULL,
     "confirm that a lost node is off",
     "For a lost node that no fence device could power off: go there, switch it off, and "
     "confirm it here. Its VMs then start on other nodes. If the node is still running, its "
     "VMs run twice and destroy their disks.", command_node_confirm_off},

    {"vm", "list", {WORD_NONE}, {{0}}, NULL, "list the VMs", NULL, command_vm_list},
    {"vm", "show", {WORD_VM}, {{0}}, NULL, "show the details of a VM", NULL, command_vm_show},
    {"vm", "add", {WORD_FILE},
     {{OPT(NAME), OPT(PRIORITY), OPT(MOVE_POLICY), OPT(POSSIBLE), OPT(PREFERRED),
     OPT(RESOURCE), OPT(START), OPT(ADOPT), OPT(NO_WAIT)}}, NULL,
     "define a VM from libvirt's domain XML",
     "FILE is a domain definition as `virsh dumpxml` writes it; - reads standard input. A VM "
     "that could not run on another node is refused, and the element is named: all disks must "
     "be on volumes of the cluster, and devices of a single host are not allowed. A "
     "definition without a UUID gets one. The definition is stored in the cluster's database; "
     "the file is not needed afterwards. With --adopt, libvirt on a node runs the VM already, with "
     "these disks: the cluster takes it over there, and the guest goes on.", command_vm_add},
    {"vm", "set", {WORD_VM},
     {{OPT(PRIORITY), OPT(AUTO_START), OPT(MOBILITY), OPT(MOVE_POLICY), OPT(POSSIBLE),
     OPT(PREFERRED), OPT(RESOURCE), OPT(MAX_DOWNTIME), OPT(ACCEPT_DISKS), OPT(NO_WAIT)}}, NULL,
     "change priority, owners, resources, auto start, mobility or move policy of a VM",
     "Settings that are not named are left as they are. The VM is not moved; the change "
     "applies to later decisions. --possible '' makes every node a possible owner; "
     "--preferred '' removes all preferred owners; --max-downtime default returns to the "
     "setting max_downtime_ms. --move-policy says what a drain does with the VM: move it live, "
     "or quickly if that fails (the default); only live; restart it on another node; shut it down "
     "until the node is resumed; or let it stay.", command_vm_set},
    {"vm", "remove", {WORD_VM}, {{OPT(YES), OPT(NO_WAIT)}}, NULL,
     "remove a stopped VM from the cluster",
     "Its disks are kept.", command_vm_remove},
    {"vm", "start", {WORD_VM}, {{OPT(NO_WAIT)}}, NULL,
     "start a VM on the best node, and keep it running", NULL, command_vm_start},
    {"vm", "adopt", {WORD_VM}, {{OPT(NO_WAIT)}}, NULL,
     "take over a VM that libvirt on a node runs already",
     "The VM is one of the cluster, but somebody has started it with libvirt on a node, with the "
     "disks of its definition. The guest goes on, and the cluster keeps it running from then on; "
     "libvirt's own definition of it is removed.", command_vm_adopt},
    {"vm", "stop", {WORD_VM}, {{OPT(FORCE), OPT(NO_WAIT)}}, NULL,
     "shut a VM down, and keep it stopped",
     "The guest is asked to shut down, and powered off if it has not done so in stop_grace_ms.",
     command_vm_stop},
    {"vm", "move", {WORD_VM},
     {{OPT(BEST_NODE), OPT(TO), OPT(LIVE), OPT(QUICK), OPT(STORAGE), OPT(DISK),
     OPT(DISKS_ONLY), OPT(MAX_DOWNTIME), OPT(BANDWIDTH), OPT(IF_NOT_CONVERGING), OPT(FROM),
     OPT(SHARED), OPT(REMOVE_SOURCE), OPT(NO_WAIT), OPT(DRY_RUN)}},
     "([--best-node | --to NODE] [--live | --quick] [--max-downtime DURATION] "
     "[--bandwidth NUMBER] [--if-not-converging HOW] [--storage DEST] [--disk TARGET=PATH]... "
     "[--disks-only] | --from URI --to URI [--storage DIRECTORY] [--disk TARGET=PATH]... "
     "[--shared] [--remove-source])",
     "move a VM to another node, or its files to other storage",
     "--live moves it while it runs. --quick saves its memory to its volume and restores it "
     "on the target: the guest is stopped meanwhile, but little goes over the network. "
     "Without either option the cluster chooses. If the VM is off, only its owner changes. A "
     "move that fails leaves the VM running where it was. A guest that dirties its memory too "
     "fast is slowed down; if that does not help, --if-not-converging says whether the move is "
     "aborted (the default) or the guest is suspended for as long as the rest takes. With "
     "--storage or --disk, its files are copied, then its definition names the copies, and the "
     "originals are removed; if it runs, it stays on its node and stands still only for the "
     "switch. DEST is a volume, or a directory on one; --disk gives a file a place of its own. "
     "With a node as well, the files are moved first, then the VM. "
     "With --from, a VM moves between two hosts that are in no cluster, live "
     "if it runs; clusterd is not needed. Without --storage and --disk its data stays, on storage "
     "that both reach. The former files are kept, unless --remove-source is given.",
     command_vm_move},
    {"vm", "import", {WORD_URI, WORD_NAME},
     {{OPT(STORAGE), OPT(DISK), OPT(NODE), OPT(REMOVE_SOURCE), OPT(BANDWIDTH), OPT(PRIORITY),
     OPT(MOVE_POLICY), OPT(POSSIBLE), OPT(PREFERRED), OPT(RESOURCE), OPT(START), OPT(DRY_RUN), OPT(NO_WAIT)}},
     "--storage DEST [--disk TARGET=PATH]... [--node NODE]",
     "bring a VM from a libvirt host outside into the cluster",
     "NAME is a VM of the host at URI. Its files are copied to a volume, through libvirt on this "
     "node or on NODE; then the VM is added as `vm add` does. If it runs, it moves live: the guest "
     "goes on, and is the cluster's at the end. The former files are kept, unless --remove-source "
     "is given.", command_vm_import},
    {"vm", "export", {WORD_VM},
     {{OPT(TO), OPT(STORAGE), OPT(DISK), OPT(SHARED), OPT(NODE), OPT(REMOVE_SOURCE),
     OPT(BANDWIDTH), OPT(DRY_RUN)}},
     "--to URI (--storage DIRECTORY | [--disk TARGET=PATH]... | --shared) [--node NODE]",
     "move a VM out of the cluster, to a libvirt host outside",
     "It leaves the cluster, and its files are copied to the host at URI, through libvirt on this "
     "node or on NODE; with --shared they stay, on storage that the host reaches. A VM that runs "
     "moves live, from the node where it is: libvirt there has it meanwhile, and nothing starts it "
     "again if that node fails. If the move fails, the cluster takes the VM back. The former files "
     "are kept, unless --remove-source is given.", command_vm_export},
    {"vm", "checkpoint create", {WORD_VM, WORD_NAME}, {{OPT(NO_WAIT)}}, NULL,
     "keep the disks of a VM as they are now",
     "The disks must be qcow2 files: the checkpoint is in them, and goes wherever they go. If the "
     "VM runs, it goes on meanwhile, and the checkpoint holds its disks as after a power cut; its "
     "memory is not kept.", command_checkpoint_create},
    {"vm", "checkpoint list", {WORD_VM}, {{0}}, NULL, "list the checkpoints of a VM",
     "MADE says whether the VM was off or running then.", command_checkpoint_list},
    {"vm", "checkpoint revert", {WORD_VM, WORD_CHECKPOINT},
     {{OPT(STOP), OPT(START), OPT(NO_WAIT)}}, NULL,
     "set the disks of a VM back to a checkpoint",
     "What has been written since is lost, unless another checkpoint holds it. The VM is off, or "
     "--stop shuts it down; --start starts it afterwards. Its definition stays as it is now. The "
     "checkpoint remains.", command_checkpoint_revert},
    {"vm", "checkpoint remove", {WORD_VM, WORD_CHECKPOINT}, {{OPT(NO_WAIT)}}, NULL,
     "remove a checkpoint of a VM",
     "The VM may run. Its disks stay as they are now, and so do its other checkpoints.",
     command_checkpoint_remove},
    {"vm", "history", {WORD_VM}, {{0}}, NULL,
     "show where a VM ran, from when to when, and why it moved",
     "The last 32 stays on a node are kept.", command_vm_history},
    {"vm", "explain", {WORD_VM}, {{0}}, NULL,
     "show for each node whether a VM could run there, or why not", NULL, command_vm_explain},

    {"host", "inspect", {WORD_URI}, {{OPT(TO)}}, "[--to URI]",
     "show what a libvirt host has, and what stands in the way of its VMs",
     "The host need not be in a cluster, and clusterd is not needed. For each VM it says what would "
     "keep it from moving into a cluster, and, with --to, to that host.",
     command_host_inspect},

    {"volume", "list", {WORD_NONE}, {{0}}, NULL, "list the volumes", NULL, command_volume_list},
    {"volume", "show", {WORD_VOLUME}, {{0}}, NULL, "show a volume as each node sees it", NULL,
     command_volume_show},
    {"volume", "add", {WORD_NAME, WORD_PATH}, {{OPT(NO_WAIT)}}, NULL,
     "add a shared directory",
     "PATH is a directory that is mounted at the same place on all nodes. Each node proves "
     "with heartbeat files that it sees the same storage as the others.", command_volume_add},
    {"volume", "remove", {WORD_VOLUME}, {{OPT(NO_WAIT)}}, NULL,
     "remove a volume that no VM uses", "Its contents are kept.", command_volume_remove},

    {"fence-device", "list", {WORD_NONE}, {{0}}, NULL, "list the fence devices", NULL,
     command_device_list},
    {"fence-device", "add", {WORD_NAME}, {{OPT(AGENT), OPT(NODE), OPT(PARAM), OPT(PARAM_FILE),
     OPT(NO_WAIT)}},
     "--agent AGENT [--node NODE]... [--param KEY=VALUE]... [--param-file FILE]",
     "add a device that can power nodes off",
     "AGENT is the name of any ClusterLabs fence agent. The parameters are those of the agent "
     "(AGENT -o metadata lists them); {node} in a value stands for the node's name. Several "
     "devices of a node are alternatives: the first that succeeds is enough. Two outlets of "
     "one node therefore belong in one device (--param plug=3,4). Put passwords in a file "
     "that only you can read, and pass it with --param-file: all users of this machine can "
     "read a command line.",
     command_device_add},
    {"fence-device", "remove", {WORD_DEVICE}, {{OPT(NO_WAIT)}}, NULL, "remove a fence device", NULL,
     command_device_remove},
    {"fence-device", "test", {WORD_DEVICE, WORD_NODE}, {{OPT(NO_WAIT)}}, NULL,
     "ask a device for the power state of a node", NULL, command_device_test},

    {"rule", "list", {WORD_NONE}, {{0}}, NULL, "list the rules, and whether they are met", NULL,
     command_rule_list},
    {"rule", "show", {WORD_RULE}, {{0}}, NULL, "show the details of a rule", NULL, command_rule_show},
    {"rule", "add", {WORD_NAME},
     {{OPT(APART), OPT(TOGETHER), OPT(ON), OPT(NOT_ON), OPT(VMS), OPT(NODES), OPT(HARD),
     OPT(SOFT), OPT(SCOPE), OPT(WEIGHT), OPT(NO_WAIT)}},
     "(--apart | --together) --vms VM,... [--scope SCOPE] | (--on | --not-on) --vms VM,... "
     "--nodes NODE,... [--hard | --soft [--weight NUMBER]]",
     "keep VMs together or apart, on nodes or off them",
     "A soft rule, the default, is met where possible: no VM stays down for it, and nothing "
     "is moved for it. The cluster never breaks a hard rule: a VM that has no place because "
     "of it stays down, and `clusterctl status` names the rule. A rule that is already broken "
     "when it is added stays broken until the VMs are moved or restarted.",
     command_rule_add},
    {"rule", "remove", {WORD_RULE}, {{OPT(NO_WAIT)}}, NULL, "remove a rule", NULL,
     command_rule_remove},

    {"operation", "list", {WORD_NONE}, {{0}}, NULL, "list operations, running and past", NULL,
     command_operation_list},
    {"operation", "show", {WORD_OPERATION}, {{OPT(FOLLOW)}}, NULL, "show an operation and its VMs",
     "With --follow, its progress is shown until it ends; the exit code is that of the operation.",
     command_operation_show},
    {"operation", "cancel", {WORD_OPERATION}, {{0}}, NULL, "cancel an operation",
     "VMs that have moved stay where they are; moves in progress are aborted.",
     command_operation_cancel},

    {"plan", NULL, {WORD_NONE},
     {{OPT(LOSE), OPT(DRAIN), OPT(BALANCE), OPT(ADMIT), OPT(VM), OPT(FILE), OPT(NO_MOVE_OTHERS),
     OPT(SECONDS), OPT(SEED), OPT(EXPLAIN)}},
     "[--lose NODE,... | --drain NODE,... | --balance | --admit NUMBER | --vm VM,...] [--file FILE]",
     "show where VMs would go, without changing anything",
     "Shows for each VM its node, the time until it runs there and which moves come first, or "
     "why it would stay down. Without a question, it shows where the VMs would start that "
     "have no node and should run. With --file, the cluster is read from a file (see "
     "clusterd-cluster.json(5); `clusterctl export` writes one) and clusterd is not needed. "
     "Exits with 3 if a VM stays down or the answer to --admit is no or unknown. Ctrl-C ends "
     "the search and shows the best plan so far.", command_plan},
    {"export", NULL, {WORD_FILE_OPTIONAL}, {{0}}, NULL,
     "write the cluster to a file, for `clusterctl plan --file`",
     "Without FILE, to standard output. The format is described in clusterd-cluster.json(5).",
     command_export},

    {"event", "list", {WORD_NONE}, {{OPT(FOLLOW), OPT(LIMIT), OPT(USER)}}, NULL,
     "list events, the newest last",
     "With --follow, new events are shown as they happen.", command_event_list},

    {"config", "list", {WORD_NONE}, {{0}}, NULL, "list all settings", NULL, command_config_list},
    {"config", "get", {WORD_KEY}, {{0}}, NULL, "show a setting", NULL, command_config_get},
    {"config", "set", {WORD_KEY, WORD_VALUE}, {{0}}, NULL, "change a setting on all nodes", NULL,
     command_config_set},

    {"support-bundle", NULL, {WORD_NONE}, {{OPT(OUTPUT)}}, NULL,
     "collect everything this node knows in one file",
     "The bundle holds the log of all changes with its snapshot (sim --replay can replay it), "
     "status and events, versions, configuration, and the end of the log. clusterd need not "
     "be running. The file is clusterd-support-NODE-DATE.tar.gz in the current directory, "
     "unless --output names another. The parameters of fence devices are left out, and so is "
     "everything in VM definitions and configuration that may be a secret. Only root can make "
     "a bundle.",
     command_support_bundle},
};
/* clang-format on */
const size_t verb_count = sizeof(verbs) / sizeof(verbs[0]);

const struct verb *verb_find(const char *noun, const char *name) {
    for (size_t i = 0; i < verb_count; i++) {
        bool same_name = name == NULL || verbs[i].name == NULL ? name == verbs[i].name
                                                               : strcmp(verbs[i].name, name) == 0;
        if (same_name && strcmp(verbs[i].noun, noun) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

bool verb_begins_with(const struct verb *verb, const char *word) {
    size_t n = strlen(word);
    return verb->name != NULL && strncmp(verb->name, word, n) == 0 && verb->name[n] == ' ';
}

bool verb_has_second_word(const char *noun, const char *word) {
    for (size_t i = 0; i < verb_count; i++) {
        if (strcmp(verbs[i].noun, noun) == 0 && verb_begins_with(&verbs[i], word)) {
            return true;
        }
    }
    return false;
}

bool verb_noun_exists(const char *noun) {
    for (size_t i = 0; i < noun_count; i++) {
        if (strcmp(nouns[i].name, noun) == 0) {
            return true;
        }
    }
    return false;
}

const char *verb_title(const struct verb *verb, char title[64]) {
    snprintf(title, 64, "%s%s%s", verb->noun, verb->name != NULL ? " " : "",
             verb->name != NULL ? verb->name : "");
    return title;
}

size_t verb_word_count(const struct verb *verb) {
    size_t count = 0;
    while (count < VERB_WORDS_MAX && verb->words[count] != WORD_NONE) {
        count++;
    }
    return count;
}

const char *verb_nearest(const char *noun, const char *word) {
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    if (noun == NULL) {
        for (size_t i = 0; i < noun_count; i++) {
            text_nearer(word, nouns[i].name, &best, &distance);
        }
        return best;
    }
    for (size_t i = 0; i < verb_count; i++) {
        if (verbs[i].name != NULL && strcmp(verbs[i].noun, noun) == 0) {
            text_nearer(word, verbs[i].name, &best, &distance);
        }
    }
    return best;
}
