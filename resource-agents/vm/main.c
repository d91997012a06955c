/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource agent `vm`: one action on one virtual machine, then it ends (except `watch`).
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
#include "base/standard_fds.h"
#include "host.h"

/* Does the action read a definition? Does it work on files alone, without libvirt? */
enum input { NO_INPUT, DEFINITION, FILES };
/* Does it change things only after operation_may_begin()? Has it much to ask before that? */
enum gate { OPEN, GATED, PATIENT };
enum { PATIENT_MS = 60000 };

static const struct action {
    const char *name;
    unsigned int required; /* enum params_required */
    enum input input;
    /* One of the two: works on a VM, with deadline and final line; or runs by itself. */
    void (*operation)(struct operation *operation);
    int (*plain)(const struct params *params, const char *xml, size_t xml_len);
    enum gate gate;
    enum ocf_parent parent; /* what clusterd's death means for it */
} vm_actions[] = {
    {"start", PARAMS_VM | PARAMS_GENERATION, DEFINITION, action_start, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"stop", PARAMS_VM, NO_INPUT, action_stop, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"destroy", PARAMS_VM, NO_INPUT, action_destroy, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"monitor", PARAMS_VM, NO_INPUT, action_monitor, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"migrate_to", PARAMS_VM | PARAMS_GENERATION | PARAMS_TARGET, NO_INPUT, action_migrate_to, NULL,
     GATED, OCF_OUTLIVES_PARENT},
    {"migrate_from", PARAMS_VM, NO_INPUT, action_migrate_from, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"predict", PARAMS_VM, NO_INPUT, action_predict, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"save", PARAMS_VM | PARAMS_STATE_FILE, NO_INPUT, action_save, NULL, GATED,
     OCF_OUTLIVES_PARENT},
    {"restore", PARAMS_VM | PARAMS_GENERATION | PARAMS_STATE_FILE, DEFINITION, action_restore, NULL,
     GATED, OCF_DIES_WITH_PARENT},
    {"state-remove", PARAMS_VM | PARAMS_STATE_FILE, FILES, action_state_remove, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"resume", PARAMS_VM, NO_INPUT, action_resume, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"claim", PARAMS_VM, NO_INPUT, action_claim, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"adopt", PARAMS_VM | PARAMS_GENERATION, DEFINITION, action_adopt, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"release", PARAMS_VM | PARAMS_GENERATION, DEFINITION, action_release, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"copy", PARAMS_VM | PARAMS_FILES, FILES, action_copy, NULL, GATED, OCF_DIES_WITH_PARENT},
    {"copy-undo", PARAMS_VM | PARAMS_FILES, FILES, action_copy_undo, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"copy-finish", PARAMS_VM | PARAMS_FILES, FILES, action_copy_finish, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"mirror", PARAMS_VM | PARAMS_GENERATION | PARAMS_FILES, NO_INPUT, action_mirror, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"mirror-continue", PARAMS_VM | PARAMS_GENERATION | PARAMS_FILES, NO_INPUT,
     action_mirror_continue, NULL, GATED, OCF_DIES_WITH_PARENT},
    {"checkpoint", PARAMS_VM | PARAMS_CHECKPOINT, FILES, action_checkpoint, NULL, GATED,
     OCF_DIES_WITH_PARENT},
    {"checkpoint-revert", PARAMS_VM | PARAMS_CHECKPOINT, FILES, action_checkpoint_revert, NULL,
     GATED, OCF_DIES_WITH_PARENT},
    {"checkpoint-remove", PARAMS_VM | PARAMS_CHECKPOINT, FILES, action_checkpoint_remove, NULL,
     GATED, OCF_DIES_WITH_PARENT},
    {"checkpoint-live", PARAMS_VM | PARAMS_GENERATION | PARAMS_CHECKPOINT, NO_INPUT,
     action_checkpoint_live, NULL, GATED, OCF_DIES_WITH_PARENT},
    {"checkpoint-remove-live", PARAMS_VM | PARAMS_GENERATION | PARAMS_CHECKPOINT, NO_INPUT,
     action_checkpoint_remove_live, NULL, GATED, OCF_DIES_WITH_PARENT},
    {"checkpoint-plan", 0, DEFINITION, NULL, action_checkpoint_plan, OPEN, OCF_DIES_WITH_PARENT},
    {"copy-plan", 0, DEFINITION, NULL, action_copy_plan, OPEN, OCF_DIES_WITH_PARENT},
    {"host-inspect", 0, NO_INPUT, action_host_inspect, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"host-define", PARAMS_VM, DEFINITION, action_host_define, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"host-forget", PARAMS_VM, NO_INPUT, action_host_forget, NULL, OPEN, OCF_DIES_WITH_PARENT},
    {"host-move", PARAMS_VM | PARAMS_TARGET, NO_INPUT, action_host_move, NULL, PATIENT,
     OCF_OUTLIVES_PARENT},
    {"validate-all", 0, DEFINITION, NULL, action_validate_all, OPEN, OCF_DIES_WITH_PARENT},
    {"meta-data", 0, NO_INPUT, NULL, action_meta_data, OPEN, OCF_DIES_WITH_PARENT},
    {"host-cpu", 0, NO_INPUT, NULL, action_host_cpu, OPEN, OCF_DIES_WITH_PARENT},
    {"watch", 0, NO_INPUT, NULL, action_watch, OPEN, OCF_DIES_WITH_PARENT},
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
    operation.gated = action->gate != OPEN;
    operation.begin_ms = action->gate == PATIENT ? PATIENT_MS : 0;
    operation.files_only = action->input == FILES;
    operation.own_images = (action->required & PARAMS_CHECKPOINT) != 0;
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

    if (standard_fds_occupy() < 0) {
        return OCF_ERR_GENERIC; /* there is nowhere to say why */
    }
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
