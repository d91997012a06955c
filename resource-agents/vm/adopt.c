/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt: the cluster takes over a VM that libvirt runs on this node already. The guest goes on.
 *
 *   CHECKED ---- mark set ----> OURS, PERSISTENT ---- undefined ----> OURS, TRANSIENT
 *   it is libvirt's             it is the cluster's,                  as each VM of the cluster is
 *                               but libvirt could start it again
 *
 * The mark is the one step that decides. So it comes first, and the definition goes afterwards: if
 * the agent dies in between, the VM runs with our generation, and the same order again ends the
 * work. A definition that is left starts nothing by itself: `claim` has disabled its autostart.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/ocf.h"
#include "firmware.h"
#include "handover.h"
#include "host.h"
#include "job.h"
#include "kept.h"
#include "tpm.h"
#include "xml.h"

/* Why it cannot be taken over as it runs, and what to do. Nothing is changed. */
static int refuse(struct operation *operation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(struct operation *operation, const char *format, ...) {
    char why[512];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    report_set(&operation->report, VM_FAILED, "%s cannot be taken over while it runs on %s: %s",
               operation->params->name, ocf_node(), why);
    operation->report.refused = true;
    return -EPERM;
}

static int cannot_look(struct operation *operation, const char *what) {
    report_set(&operation->report, VM_FAILED, "%s on %s: cannot read %s: %s",
               operation->params->name, ocf_node(), what, host_error());
    return -EIO;
}

/* ---- what stands in the way ---- */

static int check_history(struct operation *operation) {
    virDomainPtr domain = operation->domain;
    const char *name = operation->params->name;

    int snapshots = virDomainSnapshotNum(domain, 0);
    int checkpoints = snapshots < 0 ? -1 : virDomainListAllCheckpoints(domain, NULL, 0);
    int saved = checkpoints < 0 ? -1 : virDomainHasManagedSaveImage(domain, 0);
    if (saved < 0) {
        return cannot_look(operation, "its snapshots");
    }
    if (snapshots > 0) {
        return refuse(operation,
                      "it has snapshots of libvirt (%d), which would be lost; remove them first "
                      "(virsh snapshot-list %s)",
                      snapshots, name);
    }
    if (checkpoints > 0) {
        return refuse(operation,
                      "it has checkpoints of libvirt for backups (%d), which would be lost; remove "
                      "them first (virsh checkpoint-list %s)",
                      checkpoints, name);
    }
    if (saved > 0) {
        return refuse(operation,
                      "libvirt has also a saved memory of it there; discard that first (virsh "
                      "managedsave-remove %s)",
                      name);
    }
    return 0;
}

/* A copy that stands still may be half of a move, whose source runs on. */
static int check_journal(struct operation *operation) {
    struct handover journal;

    int r = handover_read(operation->domain, &journal);
    if (r == 0) {
        handover_finish(&journal);
        return refuse(operation, "its move to another host is not complete; end that first "
                                 "(clusterctl vm move --from)");
    }
    return r == -ENOENT ? 0 : cannot_look(operation, "its metadata");
}

static int check_jobs(struct operation *operation, const struct definition *runs) {
    char text[200];

    operation_step(operation, "looking at its jobs");
    int r = job_obstacle(operation->domain, runs, text, sizeof(text));
    return r == -EBUSY ? refuse(operation, "%s", text)
           : r < 0     ? cannot_look(operation, "its jobs")
                       : 0;
}

static int check_devices(struct operation *operation, const struct definition *runs,
                         const struct definition *ordered) {
    char text[400];
    const char *now = firmware_of(runs).nvram;
    const char *named = firmware_of(ordered).nvram;

    if (tpm_is_libvirts(runs)) {
        return refuse(operation,
                      "the state of its TPM is on that node's own disk; shut it down there first, "
                      "and copy " TPM_STATE_FILE
                      " from /var/lib/libvirt/swtpm/%s/tpm2 to the directory that its definition "
                      "names",
                      operation->params->uuid);
    }
    if (!definition_has_same_disks(runs, ordered, text, sizeof(text))) {
        return refuse(operation, "%s; correct the definition, or the VM", text);
    }
    if (strcmp(now != NULL ? now : "", named != NULL ? named : "") != 0) {
        return refuse(operation,
                      "its UEFI variables are %s there, and %s in its definition; correct the "
                      "definition, or the VM",
                      now != NULL ? now : "missing", named != NULL ? named : "missing");
    }
    return 0;
}

static int check(struct operation *operation, const struct definition *runs,
                 const struct definition *ordered) {
    const char *name = virDomainGetName(operation->domain);

    if (name == NULL || strcmp(name, operation->params->name) != 0) {
        return refuse(operation,
                      "it is named %s there; give it that name in its definition, or shut it down "
                      "and rename it there (virsh domrename)",
                      name != NULL ? name : "otherwise");
    }
    int r = check_devices(operation, runs, ordered);
    r = r < 0 ? r : check_history(operation);
    return r < 0 ? r : check_jobs(operation, runs);
}

/* ---- the change ---- */

/* A lost file of UEFI variables is to be noticed at the next start. */
static void record_nvram(struct operation *operation, const struct definition *ordered) {
    const char *nvram = firmware_of(ordered).nvram;
    const char *uuid = operation->params->uuid;
    char record[PATH_MAX];

    if (nvram == NULL || uuid[0] == '\0' ||
        kept_look(nvram, uuid, KEPT_NVRAM, record) != KEPT_THERE) {
        return;
    }
    int r = record[0] != '\0' ? kept_record(record, nvram) : 0;
    if (r < 0) {
        ocf_log("%s on %s: the record of its UEFI variables, %s: %s; a lost file would not be "
                "noticed",
                operation->params->name, ocf_node(), record, strerror(-r));
    }
}

/* From here on it is the cluster's copy. */
static int set_mark(struct operation *operation, struct definition *runs) {
    char *text = NULL;

    operation_step(operation, "marking the VM");
    int r = definition_set_mark(runs, operation->params->generation, DISKS_OF_DEFINITION);
    r = r < 0 ? r : definition_print_mark(runs, &text);
    if (r < 0) {
        report_set(&operation->report, VM_FAILED, "%s: out of memory", operation->params->name);
        return r;
    }
    operation_check_begun(operation);
    r = virDomainSetMetadata(operation->domain, VIR_DOMAIN_METADATA_ELEMENT, text,
                             DEFINITION_PREFIX, DEFINITION_NAMESPACE, VIR_DOMAIN_AFFECT_LIVE);
    free(text);
    if (r == 0) {
        return 0;
    }
    report_set(&operation->report, VM_FAILED,
               "%s on %s: libvirt cannot mark it as the cluster's: %s", operation->params->name,
               ocf_node(), host_error());
    host_settle(operation);
    return operation->report.generation == operation->params->generation ? 0 : -EIO;
}

/* It is adopted in any case: what is left of libvirt's own definition is only worth a note. */
static void make_transient(struct operation *operation, char *note, size_t size) {
    operation_step(operation, "removing libvirt's own definition");
    int persistent = virDomainIsPersistent(operation->domain);

    if (persistent == 0) {
        return;
    }
    operation_check_begun(operation);
    if (persistent < 0 ||
        virDomainUndefineFlags(operation->domain, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0) {
        snprintf(note, size,
                 "libvirt on %s still has a definition of %s of its own: %s; once the VM runs "
                 "elsewhere, remove it there (virsh undefine --keep-nvram %s)",
                 ocf_node(), operation->params->name, host_error(), operation->params->name);
        ocf_log("%s", note);
    }
}

/* The state is what was found: it may be paused by now. Then it is the cluster's all the same. */
static void end(struct operation *operation) {
    struct report *report = &operation->report;
    char note[512] = "";

    make_transient(operation, note, sizeof(note));
    report->generation = operation->params->generation;
    host_machine(operation->domain, report->machine);
    report_set(report, VM_OK, "%s", note);
}

/* ---- what is there ---- */

/* It carries our mark already. */
static void judge_marked(struct operation *operation, const char *text) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;

    host_machine(operation->domain, report->machine);
    if (report->generation != params->generation) {
        report_set(report, VM_FAILED,
                   "%s cannot be taken over as generation %" PRIu64 ": it is on %s, %s, with "
                   "generation %" PRIu64,
                   params->name, params->generation, ocf_node(), text, report->generation);
    } else if (operation_may_begin(operation, "its adoption")) {
        end(operation);
    }
}

/* libvirt's own VM, which runs. */
static void adopt(struct operation *operation, const struct definition *ordered) {
    struct definition runs;
    char reason[256];

    if (host_read_definition(operation->domain, 0, &runs, reason, sizeof(reason)) < 0) {
        report_set(&operation->report, VM_FAILED, "%s on %s: cannot read its definition: %s",
                   operation->params->name, ocf_node(), reason);
        return;
    }
    if (check(operation, &runs, ordered) == 0 && operation_may_begin(operation, "its adoption") &&
        set_mark(operation, &runs) == 0) {
        record_nvram(operation, ordered);
        end(operation);
    }
    definition_finish(&runs);
}

/* By a person, itself or its disk; not by a migration, which has another copy of it. */
static bool stands_still(const struct report *report) {
    static const char *const why[] = {"user", "io-error", "watchdog", "suspended"};
    bool still = false;

    for (size_t i = 0; report->detail != NULL && i < sizeof(why) / sizeof(why[0]); i++) {
        still = still || strcmp(report->detail, why[i]) == 0;
    }
    return still && report->state == AGENT_VM_PAUSED;
}

static void look(struct operation *operation, const struct definition *ordered) {
    struct report *report = &operation->report;
    const char *name = operation->params->name;
    const char *text;

    int r = host_find_certain(operation, &text);
    if (r == -ENOENT) {
        report_set(report, VM_FAILED, "%s cannot be taken over: it no longer runs on %s", name,
                   ocf_node());
    } else if (r < 0) {
        return;
    } else if (report->generation != 0) {
        judge_marked(operation, text);
    } else if (check_journal(operation) < 0) {
        return;
    } else if (stands_still(report)) {
        (void)refuse(operation, "it is %s; let it run first (virsh resume %s)", text, name);
    } else if (report->state != AGENT_VM_RUNNING || report->detail != NULL) {
        report_set(report, VM_FAILED, "%s cannot be taken over: on %s it is %s", name, ocf_node(),
                   text);
    } else {
        adopt(operation, ordered);
    }
}

void action_adopt(struct operation *operation) {
    struct definition ordered;

    operation_step(operation, "reading the definition");
    if (read_definition(operation, &ordered) < 0) {
        return;
    }
    look(operation, &ordered);
    definition_finish(&ordered);
}
