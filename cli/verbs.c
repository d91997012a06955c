/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of verbs: see verbs.h.
 */
#include "verbs.h"
#include "output/text.h"

#include <stdio.h>
#include <string.h>

const struct noun nouns[] = {
    {"status", "the cluster at a glance, and what is wrong with it"},
    {"node", "nodes: empty them, bring them back, fence them"},
    {"vm", "virtual machines: define, start, stop, move"},
    {"volume", "shared volumes on which the disks lie"},
    {"fence-device", "devices that switch nodes off"},
    {"rule", "which VMs run together, apart, on which nodes"},
    {"operation", "drains, moves and recoveries under way"},
    {"plan", "what would go where if a node failed, was drained, ..."},
    {"export", "the cluster as a file, for plans"},
    {"event", "what happened"},
    {"config", "settings of the whole cluster"},
    {"support-bundle", "one file for somebody who is to find out what happened"},
};
const size_t noun_count = sizeof(nouns) / sizeof(nouns[0]);

#define BIT(id) OPTION_BIT(OPTION_##id)

/* clang-format off */
const struct verb verbs[] = {
    {"status", NULL, {WORD_NONE}, BIT(WATCH), NULL,
     "show nodes, VMs, and problems with what to do",
     "With --watch it stays and draws anew whenever something changes.", command_status},

    {"node", "list", {WORD_NONE}, 0, NULL, "list the nodes", NULL, command_node_list},
    {"node", "show", {WORD_NODE}, 0, NULL, "show all about a node", NULL, command_node_show},
    {"node", "drain", {WORD_NODE}, BIT(NO_WAIT) | BIT(DRY_RUN), NULL,
     "move all VMs off a node, for maintenance",
     "Each VM moves live to the best possible node. The node takes no VMs until `clusterctl node "
     "resume`. "
     "A drain is refused if the VMs have no room elsewhere; --dry-run shows where each would go.",
     command_node_drain},
    {"node", "resume", {WORD_NODE}, BIT(NO_WAIT), NULL,
     "let a drained node run VMs again, and bring its own back", NULL, command_node_resume},
    {"node", "set", {WORD_NODE}, BIT(VMS_MAX) | BIT(RESOURCE) | BIT(NO_WAIT), NULL,
     "limit the number of VMs on a node, or say what else it has",
     "A resource is whatever VMs need of a node beyond memory and cpus, such as vgpu or hugepages: a "
     "VM goes only where enough of it is free. What is not named stays as it is. Nothing moves by "
     "it: it counts from the next decision on.", command_node_set},
    {"node", "fence", {WORD_NODE}, BIT(YES) | BIT(NO_WAIT), NULL,
     "switch a node off by its fence device",
     "The node is switched off as if its power failed. Its VMs lose what they have not written to "
     "their disks, "
     "and start again on other nodes.", command_node_fence},
    {"node", "confirm-off", {WORD_NODE}, BIT(YES) | BIT(NO_WAIT), NULL,
     "confirm that a lost node runs nothing",
     "For a lost node that no fence device could switch off: you go there, switch it off, and "
     "give your word for "
     "it. Then its VMs start on other nodes. If the node still runs, its VMs run twice and their "
     "disks are "
     "destroyed.", command_node_confirm_off},

    {"vm", "list", {WORD_NONE}, 0, NULL, "list the VMs", NULL, command_vm_list},
    {"vm", "show", {WORD_VM}, 0, NULL, "show all about a VM", NULL, command_vm_show},
    {"vm", "add", {WORD_FILE},
     BIT(NAME) | BIT(PRIORITY) | BIT(POSSIBLE) | BIT(PREFERRED) | BIT(RESOURCE) | BIT(START) |
     BIT(NO_WAIT), NULL,
     "define a VM by libvirt's domain XML",
     "FILE is a domain definition as `virsh dumpxml` writes it; - reads standard input. It is "
     "refused, naming the "
     "element, if such a VM could not run on another node: all its disks must lie on volumes of "
     "the cluster, and "
     "it must not use devices of one host. A definition without a uuid gets one. The definition "
     "is kept in the "
     "cluster's database; the file is not needed any more.", command_vm_add},
    {"vm", "set", {WORD_VM},
     BIT(PRIORITY) | BIT(AUTO_START) | BIT(MOBILITY) | BIT(POSSIBLE) | BIT(PREFERRED) |
     BIT(RESOURCE) | BIT(ACCEPT_DISKS) | BIT(NO_WAIT), NULL,
     "change priority, owners, resources, auto start or mobility of a VM",
     "What is not named stays as it is. Nothing moves by it: it counts from the next decision on. "
     "--possible '' makes "
     "every node a possible owner, --preferred '' none a preferred one.", command_vm_set},
    {"vm", "remove", {WORD_VM}, BIT(YES) | BIT(NO_WAIT), NULL,
     "forget the definition of a VM that is stopped",
     "Its disks stay where they are.", command_vm_remove},
    {"vm", "start", {WORD_VM}, BIT(NO_WAIT), NULL,
     "start a VM on the best node, and keep it running", NULL, command_vm_start},
    {"vm", "stop", {WORD_VM}, BIT(FORCE) | BIT(NO_WAIT), NULL,
     "shut a VM down, and keep it stopped",
     "The guest is asked to shut down; it is switched off if it has not done so when its time is "
     "over.",
     command_vm_stop},
    {"vm", "move", {WORD_VM},
     BIT(BEST_NODE) | BIT(TO) | BIT(LIVE) | BIT(QUICK) | BIT(NO_WAIT) | BIT(DRY_RUN),
     "(--best-node | --to NODE) [--live | --quick]",
     "move a VM to another node",
     "--live moves it while it runs. --quick saves its memory to its volume and restores it on "
     "the target: the "
     "guest stands still meanwhile, but little goes over the network. Without either the cluster "
     "chooses; of a VM "
     "that is off only the owner changes. A move that fails leaves the VM running where it was.",
     command_vm_move},
    {"vm", "explain", {WORD_VM}, 0, NULL,
     "show for every node whether a VM could run there, and why not", NULL, command_vm_explain},

    {"volume", "list", {WORD_NONE}, 0, NULL, "list the volumes", NULL, command_volume_list},
    {"volume", "show", {WORD_VOLUME}, 0, NULL, "show a volume as each node sees it", NULL,
     command_volume_show},
    {"volume", "add", {WORD_NAME, WORD_PATH}, BIT(NO_WAIT), NULL,
     "tell the cluster of a shared directory",
     "PATH is one directory, mounted at the same place on all nodes. Each node proves by "
     "heartbeat files that it "
     "sees the same storage as the others.", command_volume_add},
    {"volume", "remove", {WORD_VOLUME}, BIT(NO_WAIT), NULL,
     "forget a volume that no VM uses", "What lies on it stays.", command_volume_remove},

    {"fence-device", "list", {WORD_NONE}, 0, NULL, "list the fence devices", NULL,
     command_device_list},
    {"fence-device", "add", {WORD_NAME}, BIT(AGENT) | BIT(NODE) | BIT(PARAM) | BIT(PARAM_FILE) |
     BIT(NO_WAIT),
     "--agent AGENT [--node NODE]... [--param KEY=VALUE]... [--param-file FILE]",
     "tell the cluster of a device that switches nodes off",
     "AGENT is any fence agent of ClusterLabs by its name. The parameters are those of the agent "
     "(AGENT -o metadata "
     "lists them); {node} in a value stands for the node's name. Several devices of a node are "
     "alternatives, not halves: the first that succeeds is enough, so the two outlets of one "
     "node belong into one device (--param plug=3,4). Put passwords into a file that "
     "only you can read "
     "and give it with --param-file: what stands on a command line, all users of this machine can "
     "read.",
     command_device_add},
    {"fence-device", "remove", {WORD_DEVICE}, BIT(NO_WAIT), NULL, "forget a fence device", NULL,
     command_device_remove},
    {"fence-device", "test", {WORD_DEVICE, WORD_NODE}, BIT(NO_WAIT), NULL,
     "ask a device for a node's power state, changing nothing", NULL, command_device_test},

    {"rule", "list", {WORD_NONE}, 0, NULL, "list the rules, and whether they are kept", NULL,
     command_rule_list},
    {"rule", "show", {WORD_RULE}, 0, NULL, "show all about a rule", NULL, command_rule_show},
    {"rule", "add", {WORD_NAME},
     BIT(APART) | BIT(TOGETHER) | BIT(ON) | BIT(NOT_ON) | BIT(VMS) | BIT(NODES) | BIT(HARD) |
     BIT(SOFT) | BIT(SCOPE) | BIT(WEIGHT) | BIT(NO_WAIT),
     "(--apart | --together) --vms VM,... [--scope SCOPE] | (--on | --not-on) --vms VM,... --nodes "
     "NODE,... [--hard | --soft [--weight NUMBER]]",
     "keep VMs together, apart, on nodes or off them",
     "A soft rule, which is the default, is kept where that is possible: no VM stays down for its "
     "sake, and "
     "nothing is moved. A hard one is never broken by a decision of the cluster: a VM that finds "
     "no place for it stays "
     "down, and `clusterctl status` says for which rule. What is broken when the rule is made "
     "stays as it is until "
     "the VMs are moved or started anew.",
     command_rule_add},
    {"rule", "remove", {WORD_RULE}, BIT(NO_WAIT), NULL, "forget a rule", NULL,
     command_rule_remove},

    {"operation", "list", {WORD_NONE}, 0, NULL, "list operations, running and past", NULL,
     command_operation_list},
    {"operation", "show", {WORD_OPERATION}, BIT(FOLLOW), NULL, "show an operation and its VMs",
     "With --follow it shows the progress until the operation ends, and exits as if it had begun "
     "it.",
     command_operation_show},
    {"operation", "cancel", {WORD_OPERATION}, 0, NULL, "stop an operation",
     "What has moved stays where it is now; what is on its way goes back.",
     command_operation_cancel},

    {"plan", NULL, {WORD_NONE},
     BIT(LOSE) | BIT(DRAIN) | BIT(BALANCE) | BIT(ADMIT) | BIT(VM) | BIT(FILE) | BIT(NO_MOVE_OTHERS) |
     BIT(SECONDS) | BIT(SEED) | BIT(EXPLAIN),
     "[--lose NODE,... | --drain NODE,... | --balance | --admit NUMBER | --vm VM,...] [--file FILE]",
     "show what would go where, and change nothing",
     "For each VM the node, the time until it runs there, and which moves come first; what stays "
     "down, and why. Without a request: the VMs that have no node and should. With --file the "
     "cluster stands in a file (see clusterd-cluster.json(5); `clusterctl export` writes one) and "
     "clusterd is not needed. Exits with 3 if a VM stays down or the answer to --admit is no or "
     "unknown. Ctrl-C ends the search, and shows the best plan so far.", command_plan},
    {"export", NULL, {WORD_FILE_OPTIONAL}, 0, NULL,
     "write the cluster as a file, for `clusterctl plan --file`",
     "To standard output without FILE. What stands in it: clusterd-cluster.json(5).",
     command_export},

    {"event", "list", {WORD_NONE}, BIT(FOLLOW) | BIT(LIMIT), NULL, "list what happened, the "
     "newest last",
     "With --follow it stays, and shows each event as it happens.", command_event_list},

    {"config", "list", {WORD_NONE}, 0, NULL, "list all settings", NULL, command_config_list},
    {"config", "get", {WORD_KEY}, 0, NULL, "show a setting", NULL, command_config_get},
    {"config", "set", {WORD_KEY, WORD_VALUE}, 0, NULL, "change a setting on all nodes", NULL,
     command_config_set},

    {"support-bundle", NULL, {WORD_NONE}, BIT(OUTPUT), NULL,
     "pack what this node knows into one file",
     "The log of all changes with its snapshot, which can be replayed (sim --replay), status and "
     "events, versions, configuration, and the end of the log. clusterd need not run. The file is "
     "clusterd-support-NODE-DATE.tar.gz, here, unless --output names another. Values of fence "
     "devices are left out, and so is what may be a secret in definitions of VMs and in "
     "configuration. Only root can make one.",
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
