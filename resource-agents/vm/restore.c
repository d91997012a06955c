/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restore: the second half of a quick migration. A saved state may be used only once: afterwards
 * the disks have changed, and the older memory would destroy them. So the file is claimed by a
 * rename before QEMU sees it:
 *
 *   STATE_FILE --- claim ---> STATE_FILE.restoring-GENERATION --- the guest runs ---> removed
 *       ^                                |
 *       '--- libvirt failed, and no -----'
 *            domain is here
 *
 * An agent that dies in between leaves a claimed file. Nobody can tell whether the guest has run,
 * so the file is never restored again ("state-used"), and the VM starts afresh, as after a power
 * cut.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "host.h"
#include "launch.h"
#include "outside.h"
#include "state_file.h"

static void fail(struct operation *operation, const char *what, const char *why) {
    report_set(&operation->report, VM_FAILED, "%s: cannot restore on %s: %s: %s",
               operation->params->name, ocf_node(), what, why);
}

/* The guest runs: its saved state must never be used again. */
static void remove_claimed(struct operation *operation, const char *claimed) {
    if (unlink(claimed) < 0 && errno != ENOENT) {
        report_set(&operation->report, VM_OK,
                   "%s runs on %s, but its used state %s cannot be removed: %s; remove it by hand",
                   operation->params->name, ocf_node(), claimed, strerror(errno));
    }
}

/* The XML in the state with the order's generation, after a check that it belongs to the order. The
 * caller frees it, and the order's definition. */
static int prepare_xml(struct operation *operation, struct outside *outside,
                       struct definition *ret_ordered, char **ret_xml) {
    const struct params *params = operation->params;
    struct definition definition;
    struct state_info info;
    char uuid[DEFINITION_UUID_SIZE];
    struct definition ordered;

    operation_step(operation, "reading the saved state");
    if (state_file_definition(operation->conn, params->state_file, &info, &definition) < 0) {
        fail(operation, params->state_file, host_error());
        return -EIO;
    }
    int r = read_definition(operation, &ordered);
    if (r < 0) {
        definition_finish(&definition);
        return r;
    }
    (void)definition_uuid(&ordered, uuid); /* read_definition() made sure of it */
    if (strcmp(uuid, info.uuid) != 0) {
        fail(operation, params->state_file, "it is the state of another VM");
        r = -EINVAL;
    } else if (info.generation > params->generation) {
        fail(operation, params->state_file, "it is newer than this order");
        r = -ESTALE;
    } else {
        r = outside_read(operation, &ordered, &definition, outside);
        if (r == 0) {
            r = definition_set_mark(&definition, params->generation, DISKS_KEPT);
            r = r < 0 ? r : definition_print(&definition, ret_xml);
        }
        if (r == -ENOMEM) {
            fail(operation, params->state_file, strerror(-r));
        }
    }
    definition_finish(&definition);
    if (r < 0) {
        definition_finish(&ordered);
        return r;
    }
    *ret_ordered = ordered;
    return 0;
}

/* No state file: an earlier order used it, or it never existed. */
static void explain_missing(struct operation *operation, const char *claimed) {
    if (state_file_exists(claimed) || state_file_is_claimed(operation->params->state_file)) {
        operation->report.detail = "state-used";
        fail(operation, claimed,
             "an earlier order started to use this state and did not finish; start the VM from its "
             "disks");
        return;
    }
    if (!state_file_has_room(operation->params->state_file)) {
        fail(operation, operation->params->state_file, "its volume is not available");
        return;
    }
    operation->report.detail = "state-missing";
    fail(operation, operation->params->state_file, "no saved state; start the VM from its disks");
}

/* libvirt failed to restore. If no domain is here, the state is as good as before. */
static void judge_failure(struct operation *operation, const char *claimed, bool hung) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    fail(operation, claimed, hung ? LAUNCH_HUNG : host_error());
    report->refused = host_error_is_refusal();
    host_settle(operation);
    if (report->state == AGENT_VM_OFF) {
        int r = state_file_rename(claimed, params->state_file);
        if (r < 0) {
            ocf_log("%s on %s: %s cannot be renamed back to %s: %s", params->name, ocf_node(),
                    claimed, params->state_file, strerror(-r));
        }
    } else if (report->state != AGENT_VM_UNKNOWN) {
        judge_present(operation, "restore");
        if (report->result == VM_OK) {
            remove_claimed(operation, claimed);
        }
    }
}

/* The state is there, and all that the VM needs besides. False: the report says why not. */
static bool begin(struct operation *operation, const struct definition *ordered,
                  struct outside *outside) {
    if (!operation_may_begin(operation, "its restore")) {
        return false;
    }
    operation_check_begun(operation);
    int r = outside_begin(operation, ordered, outside, OUTSIDE_RESTORE);
    if (r == -EEXIST) {
        judge_present(operation, "restore");
    }
    if (r < 0) {
        return false;
    }
    if (!operation_may_begin(operation, "its restore")) { /* that may have taken a while */
        outside_failed(operation, outside);
        return false;
    }
    return true;
}

static void restore_from(struct operation *operation, const char *claimed,
                         const struct outside *outside, const char *xml) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    uint64_t began_ms = ocf_now_ms();
    static struct launch launch; /* its thread may use it until the process ends */

    int r = state_file_rename(params->state_file, claimed);
    if (r < 0) {
        fail(operation, params->state_file, strerror(-r));
        outside_failed(operation, outside);
        return;
    }
    operation_step(operation, "restoring the VM");
    launch_begin(&launch, operation);
    r = virDomainRestoreFlags(operation->conn, claimed, xml, VIR_DOMAIN_SAVE_RUNNING);
    bool hung = launch_end(&launch);
    if (r < 0) {
        judge_failure(operation, claimed, hung);
        if (report->state == AGENT_VM_OFF) {
            outside_failed(operation, outside);
        }
        return;
    }
    outside_runs(operation, outside);
    report->state = AGENT_VM_RUNNING;
    report->generation = params->generation;
    report->blackout_ms = (int64_t)(ocf_now_ms() - began_ms);
    report_set(report, VM_OK, "%s", "");
    remove_claimed(operation, claimed);
}

static void restore(struct operation *operation, const char *claimed) {
    static struct outside outside;
    struct definition ordered;
    char *xml = NULL;

    if (!state_file_exists(operation->params->state_file)) {
        explain_missing(operation, claimed);
        return;
    }
    if (prepare_xml(operation, &outside, &ordered, &xml) < 0) {
        return;
    }
    if (begin(operation, &ordered, &outside)) {
        restore_from(operation, claimed, &outside, xml);
    }
    free(xml);
    definition_finish(&ordered);
}

void action_restore(struct operation *operation) {
    const struct params *params = operation->params;
    char claimed[STATE_FILE_PATH_MAX];

    int n = snprintf(claimed, sizeof(claimed), "%s" STATE_FILE_CLAIM "%" PRIu64, params->state_file,
                     params->generation);
    if (n < 0 || (size_t)n >= sizeof(claimed)) {
        fail(operation, params->state_file, strerror(ENAMETOOLONG));
        return;
    }
    int r = host_open(operation);
    if (r == 0) {
        judge_present(operation, "restore");
        if (operation->report.result == VM_OK) {
            remove_claimed(operation, claimed);
        }
    } else if (r == -ENOENT) {
        restore(operation, claimed);
    }
}
