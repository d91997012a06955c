/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All options of all verbs: see options.h.
 */
#include "options.h"
#include "base/check.h"
#include "output/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct option_set common = {
    .has = {[OPTION_HELP] = true, [OPTION_JSON] = true, [OPTION_TIMEOUT] = true}};

const struct option_info option_infos[OPTION_COUNT] = {
    [OPTION_HELP] = {"help", 'h', WORD_NONE, "show this help"},
    [OPTION_VERSION] = {"version", 'V', WORD_NONE, "show the version"},
    [OPTION_JSON] = {"json", 'j', WORD_NONE, "write one JSON document to standard output"},
    [OPTION_TIMEOUT] = {"timeout", 't', WORD_DURATION,
                        "give up after DURATION (500ms, 30s, 5m, 2h) with exit code 5"},
    [OPTION_WATCH] = {"watch", 'w', WORD_NONE, "keep running, and show each change"},
    [OPTION_FOLLOW] = {"follow", 'f', WORD_NONE, "keep running, and show what happens"},
    [OPTION_LIMIT] = {"limit", 'n', WORD_NUMBER, "show at most the newest NUMBER"},
    [OPTION_USER] = {"user", 0, WORD_NAME, "show what this user, by name or number, has asked for"},
    [OPTION_YES] = {"yes", 'y', WORD_NONE,
                    "do not ask for confirmation; required without a terminal"},
    [OPTION_NO_WAIT] = {"no-wait", 0, WORD_NONE,
                        "return as soon as the cluster has accepted the command"},
    [OPTION_DRY_RUN] = {"dry-run", 0, WORD_NONE, "show what would be done, without doing it"},
    [OPTION_DEADLINE] = {"deadline", 0, WORD_DURATION,
                         "end the drain after this time; what has not left by then stays"},
    [OPTION_FAILBACK] = {"failback", 0, WORD_FAILBACK,
                         "when moved VMs return: now (the default), no, or policy"},
    [OPTION_BEST_NODE] = {"best-node", 0, WORD_NONE, "to the best possible node"},
    [OPTION_TO] = {"to", 0, WORD_NODE, "to this node"},
    [OPTION_LIVE] = {"live", 0, WORD_NONE, "while the guest runs, with a blackout of milliseconds"},
    [OPTION_QUICK] = {"quick", 0, WORD_NONE,
                      "save the guest to its volume and restore it on the target"},
    [OPTION_STORAGE] = {"storage", 0, WORD_STORAGE,
                        "move its files to this volume, or to this directory on one"},
    [OPTION_DISK] = {"disk", 0, WORD_DISK,
                     "move this disk (vda, or nvram) to this path; may be repeated"},
    [OPTION_DISKS_ONLY] = {"disks-only", 0, WORD_NONE,
                           "leave the UEFI variables (NVRAM) where they are"},
    [OPTION_FORCE] = {"force", 0, WORD_NONE,
                      "power off at once, without asking the guest to shut down"},
    [OPTION_NAME] = {"name", 0, WORD_NAME, "name of the VM (default: the name in the definition)"},
    [OPTION_PRIORITY] = {"priority", 0, WORD_NUMBER,
                         "0 to 1000; higher is placed and started first (default 0)"},
    [OPTION_POSSIBLE] = {"possible", 0, WORD_NODES, "run it only on these nodes"},
    [OPTION_PREFERRED] = {"preferred", 0, WORD_NODES, "prefer these nodes, in this order"},
    [OPTION_START] = {"start", 0, WORD_NONE, "start it, and keep it running"},
    [OPTION_AGENT] = {"agent", 0, WORD_AGENT, "name of the fence agent, such as fence_ipmilan"},
    [OPTION_NODE] = {"node", 0, WORD_NODE,
                     "a node that the device can power off; may be repeated (default: all)"},
    [OPTION_PARAM] = {"param", 0, WORD_PARAM,
                      "a parameter of the agent; may be repeated; {node} stands for the node"},
    [OPTION_PARAM_FILE] = {"param-file", 0, WORD_FILE,
                           "read parameters from a file of KEY=VALUE lines; use it for secrets"},
    [OPTION_OUTPUT] = {"output", 'o', WORD_FILE, "write to FILE, which must not exist"},
    [OPTION_LOSE] = {"lose", 0, WORD_NODES, "these nodes fail at the same time"},
    [OPTION_DRAIN] = {"drain", 0, WORD_NODES, "these nodes are drained"},
    [OPTION_BALANCE] = {"balance", 0, WORD_NONE, "move VMs off nodes above their threshold"},
    [OPTION_ADMIT] = {"admit", 0, WORD_NUMBER,
                      "can the cluster lose any NUMBER of its nodes? yes, no or unknown"},
    [OPTION_VM] = {"vm", 0, WORD_VMS,
                   "find the best node for these VMs; running ones leave their node"},
    [OPTION_FILE] = {"file", 0, WORD_FILE,
                     "read the cluster from FILE, not from clusterd; - is standard input"},
    [OPTION_NO_MOVE_OTHERS] = {"no-move-others", 0, WORD_NONE,
                               "do not move other VMs to make room"},
    [OPTION_SECONDS] = {"seconds", 0, WORD_SECONDS,
                        "time to look for a better plan, such as 0.5 or 60"},
    [OPTION_SEED] = {"seed", 0, WORD_NUMBER, "seed of the random choices in the search"},
    [OPTION_EXPLAIN] = {"explain", 0, WORD_NONE,
                        "show for each VM and node whether it is possible, or why not"},
    [OPTION_APART] = {"apart", 0, WORD_NONE, "the VMs do not run together"},
    [OPTION_TOGETHER] = {"together", 0, WORD_NONE, "the VMs run together"},
    [OPTION_ON] = {"on", 0, WORD_NONE, "the VMs run on the nodes"},
    [OPTION_NOT_ON] = {"not-on", 0, WORD_NONE, "the VMs run on other nodes"},
    [OPTION_VMS] = {"vms", 0, WORD_VMS, "the VMs of the rule"},
    [OPTION_NODES] = {"nodes", 0, WORD_NODES, "the nodes of --on and --not-on"},
    [OPTION_HARD] = {"hard", 0, WORD_NONE, "never break the rule, even if a VM stays down"},
    [OPTION_SOFT] = {"soft", 0, WORD_NONE, "meet the rule where possible (the default)"},
    [OPTION_SCOPE] = {"scope", 0, WORD_SCOPE,
                      "what they share or do not: node (the default), rack or site"},
    [OPTION_WEIGHT] = {"weight", 0, WORD_NUMBER,
                       "weight of a soft rule against other soft rules (default 1)"},
    [OPTION_AUTO_START] = {"auto-start", 0, WORD_SWITCH,
                           "no: after the loss of its node it stays down until started by hand"},
    [OPTION_MOBILITY] = {"mobility", 0, WORD_MOBILITY,
                         "how it is moved: live, quick (never live), or fixed (never)"},
    [OPTION_MOVE_POLICY] = {"move-policy", 0, WORD_MOVE_POLICY,
                            "in a drain: live-or-quick, live, restart, shut-down or stay"},
    [OPTION_VMS_MAX] = {"vms-max", 0, WORD_NUMBER,
                        "most VMs that may run on the node; 0: no limit"},
    [OPTION_RESOURCE] = {"resource", 0, WORD_AMOUNTS,
                         "amount that the node has or the VM needs; 0: none; may be repeated"},
    [OPTION_FROM] = {"from", 0, WORD_URI,
                     "from this host, which is in no cluster; --to is a URI as well"},
    [OPTION_SHARED] = {"shared", 0, WORD_NONE,
                       "both hosts reach the data that stays, and see the same"},
    [OPTION_REMOVE_SOURCE] = {"remove-source", 0, WORD_NONE,
                              "remove the former files once the VM has moved"},
    [OPTION_ACCEPT_DISKS] = {"accept-disks", 0, WORD_NONE,
                             "allow it to start with the disks of its definition again"},
    [OPTION_MAX_DOWNTIME] = {"max-downtime", 0, WORD_DURATION,
                             "longest blackout of a live move (1ms to 60s)"},
    [OPTION_BANDWIDTH] = {"bandwidth", 0, WORD_NUMBER, "send at most NUMBER Mbit/s"},
    [OPTION_IF_NOT_CONVERGING] = {"if-not-converging", 0, WORD_CONVERGENCE,
                                  "if the guest dirties its memory too fast: abort, or suspend it"},
    [OPTION_ADOPT] = {"adopt", 0, WORD_NONE,
                      "libvirt on a node runs it already: take it over without stopping it"},
    [OPTION_STOP] = {"stop", 0, WORD_NONE, "shut the VM down first, if it runs"},
};

const char *word_kind_title(enum word_kind kind) {
    static const char *const titles[] = {
        [WORD_NONE] = "",
        [WORD_NODE] = "NODE",
        [WORD_NODES] = "NODE,...",
        [WORD_VM] = "VM",
        [WORD_VOLUME] = "VOLUME",
        [WORD_STORAGE] = "DEST",
        [WORD_DISK] = "TARGET=PATH",
        [WORD_CHECKPOINT] = "CHECKPOINT",
        [WORD_URI] = "URI",
        [WORD_DEVICE] = "DEVICE",
        [WORD_OPERATION] = "OPERATION",
        [WORD_KEY] = "KEY",
        [WORD_AGENT] = "AGENT",
        [WORD_FILE] = "FILE",
        [WORD_FILE_OPTIONAL] = "[FILE]",
        [WORD_PATH] = "PATH",
        [WORD_NAME] = "NAME",
        [WORD_VALUE] = "VALUE",
        [WORD_PARAM] = "KEY=VALUE",
        [WORD_NUMBER] = "NUMBER",
        [WORD_DURATION] = "DURATION",
        [WORD_VMS] = "VM,...",
        [WORD_RULE] = "RULE",
        [WORD_SCOPE] = "SCOPE",
        [WORD_SWITCH] = "yes|no",
        [WORD_MOBILITY] = "HOW",
        [WORD_MOVE_POLICY] = "HOW",
        [WORD_FAILBACK] = "WHEN",
        [WORD_CONVERGENCE] = "HOW",
        [WORD_AMOUNTS] = "NAME=AMOUNT,...",
        [WORD_SECONDS] = "SECONDS",
    };
    return titles[kind];
}

bool option_is_common(enum option_id id) {
    return common.has[id];
}

bool option_is_allowed(const struct option_set *allowed, enum option_id id) {
    return allowed->has[id] || option_is_common(id);
}

bool options_given(const struct options *options, enum option_id id) {
    for (size_t i = 0; i < options->count; i++) {
        if (options->uses[i].id == id) {
            return true;
        }
    }
    return false;
}

const char *options_value(const struct options *options, enum option_id id) {
    const char *value = NULL;
    CHECK(option_infos[id].argument != WORD_NONE); /* it never takes a value */
    for (size_t i = 0; i < options->count; i++) {
        if (options->uses[i].id == id) {
            value = options->uses[i].value;
        }
    }
    return value;
}

const char *options_next(const struct options *options, enum option_id id, size_t *at) {
    while (*at < options->count) {
        const struct option_use *use = &options->uses[(*at)++];
        if (use->id == id) {
            return use->value;
        }
    }
    return NULL;
}

/* Reports an option that is unknown here, and a suggestion: a similar allowed option, or the verb
 * that has it. */
static void describe_unknown(const char *word, const struct option_set *allowed, char *problem,
                             size_t size) {
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    size_t length = strcspn(word, "=");
    char name[TEXT_MAX];
    snprintf(name, sizeof(name), "%.*s", (int)(length < TEXT_MAX ? length : TEXT_MAX - 1), word);
    const char *plain = name + strspn(name, "-");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(option_infos[i].name, plain) == 0) {
            snprintf(problem, size, "option --%s cannot be used here", plain);
            return;
        }
        if (option_is_allowed(allowed, (enum option_id)i)) {
            text_nearer(plain, option_infos[i].name, &best, &distance);
        }
    }
    if (best != NULL) {
        snprintf(problem, size, "unknown option '%s'; did you mean '--%s'?", name, best);
    } else {
        snprintf(problem, size, "unknown option '%s'", name);
    }
}

static size_t fill_tables(const struct option_set *allowed, enum options_order order,
                          struct option longs[OPTION_COUNT + 1], char shorts[]) {
    size_t used = 0;
    size_t count = 0;
    if (order == OPTIONS_UNTIL_WORD) {
        shorts[used++] = '+';
    }
    shorts[used++] = ':'; /* getopt stays silent; the messages are clusterctl's */
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!option_is_allowed(allowed, (enum option_id)i)) {
            continue;
        }
        const struct option_info *info = &option_infos[i];
        CHECK(info->name != NULL); /* each option has its row in the table */
        int has_argument = info->argument == WORD_NONE ? no_argument : required_argument;
        longs[count++] = (struct option){info->name, has_argument, NULL, 0x100 + i};
        if (info->letter != 0) {
            shorts[used++] = info->letter;
            if (info->argument != WORD_NONE) {
                shorts[used++] = ':';
            }
        }
    }
    shorts[used] = '\0';
    longs[count] = (struct option){0};
    return count;
}

static enum option_id option_by_code(int code) {
    if (code >= 0x100) {
        return (enum option_id)(code - 0x100);
    }
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (option_infos[i].letter == code) {
            return (enum option_id)i;
        }
    }
    return OPTION_COUNT;
}

int options_parse(struct options *options, int argc, char **argv, const struct option_set *allowed,
                  enum options_order order, int *ret_first, char *ret_problem, size_t size) {
    struct option longs[OPTION_COUNT + 1];
    char shorts[2 * OPTION_COUNT + 3];
    fill_tables(allowed, order, longs, shorts);
    optind = 0; /* starts over: this runs twice in one process */
    opterr = 0;
    while (true) {
        int code = getopt_long(argc, argv, shorts, longs, NULL);
        if (code == -1) {
            *ret_first = optind;
            return 0;
        }
        const char *word = argv[optind - 1];
        if (code == ':') {
            enum option_id id = option_by_code(optopt);
            const char *title = id < OPTION_COUNT ? word_kind_title(option_infos[id].argument) : "";
            snprintf(ret_problem, size, "option %s needs a %s", word, title);
            return -EINVAL;
        }
        if (code == '?' && optopt >= 0x100) {
            snprintf(ret_problem, size, "option --%s takes no value: '%s'",
                     option_infos[optopt - 0x100].name, word);
            return -EINVAL;
        }
        if (code == '?') {
            char letter[3] = {'-', (char)optopt, '\0'};
            describe_unknown(optopt != 0 ? letter : word, allowed, ret_problem, size);
            return -EINVAL;
        }
        if (options->count == OPTION_USES_MAX) {
            snprintf(ret_problem, size, "more than %d options", OPTION_USES_MAX);
            return -EINVAL;
        }
        options->uses[options->count++] = (struct option_use){option_by_code(code), optarg};
    }
}
