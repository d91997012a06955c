/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource agent `vm`: one action on one virtual machine, then it ends (but for `watch`).
 *
 * Parameters come as OCF_RESKEY_* in the environment, a definition on standard input; standard
 * output carries JSON lines only, standard error text for the log. See resource-agents/README.md
 * for the protocol.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "actions.h"
#include "host.h"

/* Does the action read a definition? */
enum input { NO_INPUT, DEFINITION };

static const struct action {
    const char *name;
    unsigned int required; /* enum params_required */
    enum input input;
    /* One of the two: works on a VM, with deadline and final line; or runs by itself. */
    void (*operation)(struct operation *operation);
    int (*plain)(const struct params *params, const char *xml, size_t xml_len);
    bool gated;             /* changes things only after operation_may_begin() */
    enum ocf_parent parent; /* what clusterd's death means for it */
} vm_actions[] = {
    {"start", PARAMS_VM | PARAMS_GENERATION, DEFINITION, action_start, NULL, true,
     OCF_DIES_WITH_PARENT},
    {"stop", PARAMS_VM, NO_INPUT, action_stop, NULL, false, OCF_DIES_WITH_PARENT},
    {"destroy", PARAMS_VM, NO_INPUT, action_destroy, NULL, false, OCF_DIES_WITH_PARENT},
    {"monitor", PARAMS_VM, NO_INPUT, action_monitor, NULL, false, OCF_DIES_WITH_PARENT},
    {"migrate_to", PARAMS_VM | PARAMS_GENERATION | PARAMS_TARGET, NO_INPUT, action_migrate_to, NULL,
     true, OCF_OUTLIVES_PARENT},
    {"migrate_from", PARAMS_VM, NO_INPUT, action_migrate_from, NULL, false, OCF_DIES_WITH_PARENT},
    {"save", PARAMS_VM | PARAMS_STATE_FILE, NO_INPUT, action_save, NULL, true, OCF_OUTLIVES_PARENT},
    {"restore", PARAMS_VM | PARAMS_GENERATION | PARAMS_STATE_FILE, DEFINITION, action_restore, NULL,
     true, OCF_DIES_WITH_PARENT},
    {"resume", PARAMS_VM, NO_INPUT, action_resume, NULL, false, OCF_DIES_WITH_PARENT},
    {"claim", PARAMS_VM, NO_INPUT, action_claim, NULL, false, OCF_DIES_WITH_PARENT},
    {"validate-all", 0, DEFINITION, NULL, action_validate_all, false, OCF_DIES_WITH_PARENT},
    {"meta-data", 0, NO_INPUT, NULL, action_meta_data, false, OCF_DIES_WITH_PARENT},
    {"host-cpu", 0, NO_INPUT, NULL, action_host_cpu, false, OCF_DIES_WITH_PARENT},
    {"watch", 0, NO_INPUT, NULL, action_watch, false, OCF_DIES_WITH_PARENT},
};

static const struct action *find_action(const char *name) {
    for (size_t i = 0; i < sizeof(vm_actions) / sizeof(vm_actions[0]); i++) {
        if (strcmp(vm_actions[i].name, name) == 0) {
            return &vm_actions[i];
        }
    }
    return NULL;
}

static void usage(void) {
    fprintf(stderr, "usage: vm");
    for (size_t i = 0; i < sizeof(vm_actions) / sizeof(vm_actions[0]); i++) {
        fprintf(stderr, "%s%s", i == 0 ? " " : "|", vm_actions[i].name);
    }
    fprintf(stderr,
            "\nParameters: OCF_RESKEY_name, OCF_RESKEY_uuid, ...; `vm meta-data` lists them.\n");
}

/* For errors before an operation exists. */
static int fail_early(const char *action, const char *why, enum ocf_exit code) {
    struct report report = {.state = AGENT_VM_UNKNOWN, .blackout_ms = -1};

    report_set(&report, VM_FAILED, "vm %s on %s: %s", action, ocf_node(), why);
    report_send(&report);
    ocf_log("%s", report.reason);
    return (int)code;
}

static int run(const struct action *action, const struct params *params, char *xml, size_t xml_len,
               uint64_t started_ms) {
    static struct operation operation; /* threads may use it until the process ends */

    if (action->plain != NULL) {
        return action->plain(params, xml, xml_len);
    }
    operation.params = params;
    operation.xml = xml;
    operation.xml_len = xml_len;
    operation.started_ms = started_ms;
    operation.gated = action->gated;
    operation_step(&operation, "beginning");
    return operation_run(&operation, action->operation);
}

int main(int argc, char **argv) {
    uint64_t started_ms = ocf_now_ms();
    const struct action *action = argc == 2 ? find_action(argv[1]) : NULL;
    static struct params params;
    char reason[256];
    char *xml = NULL;
    size_t xml_len = 0;

    if (argc != 2) {
        usage();
        return OCF_ERR_ARGS;
    }
    if (action == NULL) {
        usage();
        return OCF_ERR_UNIMPLEMENTED;
    }
    int r = ocf_process_setup(action->parent);
    if (r < 0) {
        return fail_early(action->name, strerror(-r), OCF_ERR_GENERIC);
    }
    if (params_read(action->required, &params, reason, sizeof(reason)) < 0) {
        return fail_early(action->name, reason, OCF_ERR_ARGS);
    }
    host_silence();
    xmlInitParser(); /* before any thread exists */
    if (action->input == DEFINITION) {
        r = ocf_read_input(DEFINITION_SIZE_MAX, &xml, &xml_len);
        if (r < 0) {
            snprintf(reason, sizeof(reason), "cannot read the definition from standard input: %s",
                     strerror(-r));
            return fail_early(action->name, reason, OCF_ERR_ARGS);
        }
    }
    int code = run(action, &params, xml, xml_len, started_ms);
    free(xml);
    return code;
}
