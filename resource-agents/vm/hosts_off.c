/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM that is off moves to another host without a cluster. See hosts.h.
 *
 *                                      source            target
 *     the target's files are made      can be started    nothing
 *     they are filled, and read back   can be started    nothing
 *     its definition arrives           can be started    disarmed: cannot be started
 *     the source's definition goes     nothing           disarmed
 *     it is armed                      nothing           can be started
 *     the source's files go, if asked for
 *
 * Wherever this breaks off, at most one host can start the VM, and its data there is complete. The
 * next run goes on from the last step, or begins anew (hosts_settle.c). A source that is started or
 * changed meanwhile fails the move.
 */
#include "hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/ocf.h"
#include "handover.h"
#include "host.h"
#include "host_copy.h"

/* ---- files ---- */

/* One entry more, once libvirt has made the file: so only files of ours are in the journal. */
static int make_file(struct hosts *hosts, const struct hosts_plan *plan, size_t i,
                     struct handover *journal) {
    const struct move_file *file = &plan->files.files[i];
    const char *format = plan->live ? file->format : "raw"; /* a file is copied as it is */

    int r = host_files_create(&hosts->to_files, file->to, format, plan->sizes[i]);
    if (r < 0) {
        return hosts_fail(hosts, "%s cannot be made on %s: %s", file->to, hosts->to_name,
                          r == -EEXIST ? "it is there already" : hosts->to_files.error);
    }
    r = handover_add(journal, file->to);
    if (r < 0 || handover_write(hosts->operation->domain, journal) < 0) {
        (void)host_files_remove(&hosts->to_files, file->to);
        return hosts_fail(hosts, "the journal of the move cannot be written: %s", host_error());
    }
    return 0;
}

int hosts_make_files(struct hosts *hosts, const struct hosts_plan *plan) {
    struct handover journal = {.role = HANDOVER_LEAVES};
    int r = 0;

    operation_step(hosts->operation, "making the files");
    snprintf(journal.peer, sizeof(journal.peer), "%s", hosts->to_uuid);
    journal.run = hosts->run;
    for (size_t i = 0; r == 0 && i < plan->files.count; i++) {
        r = make_file(hosts, plan, i, &journal);
    }
    if (r < 0 && journal.count > 0) {
        struct report said = hosts->operation->report;
        if (hosts_undo_files(hosts) == 0) {
            hosts->operation->report = said; /* the first reason counts */
        }
    }
    handover_finish(&journal);
    return r;
}

static int copy_files(struct hosts *hosts, const struct hosts_plan *plan) {
    struct host_copy copy = {.operation = hosts->operation, .began_ms = ocf_now_ms()};

    operation_step(hosts->operation, "copying the files");
    for (size_t i = 0; i < plan->files.count; i++) {
        copy.total_bytes += 2 * plan->sizes[i];
    }
    for (size_t i = 0; i < plan->files.count; i++) {
        const struct move_file *file = &plan->files.files[i];
        int r = host_copy_file(&copy, &hosts->from_files, file->from, &hosts->to_files, file->to);
        if (r < 0) {
            return hosts_fail(hosts, "%s: %s", file->from,
                              r == -ECANCELED ? operation_stop_text(hosts->operation)
                              : r == -ENOENT  ? "it is gone"
                                              : hosts->to_files.error);
        }
    }
    return 0;
}

/* Is the source as it was, and the copy of its length? The content has been read back. */
static int verify(struct hosts *hosts, const struct hosts_plan *plan) {
    struct host_file here, there;

    operation_step(hosts->operation, "comparing the files");
    for (size_t i = 0; i < plan->files.count; i++) {
        const struct move_file *file = &plan->files.files[i];
        if (host_files_read(&hosts->from_files, file->from, &here) < 0 ||
            host_files_read(&hosts->to_files, file->to, &there) < 0) {
            return hosts_fail(hosts, "%s: its copy cannot be compared", file->from);
        }
        if (here.physical != plan->sizes[i] || strcmp(here.modified, plan->modified[i]) != 0) {
            return hosts_fail(hosts, "%s was changed while it was copied; keep the VM off",
                              file->from);
        }
        if (there.physical != here.physical) {
            return hosts_fail(hosts, "%s on %s is not as long as %s", file->to, hosts->to_name,
                              file->from);
        }
    }
    return 0;
}

/* ---- the definition ---- */

/* Nobody else may have begun the same move, and the source must still be off. */
static int check_source(struct hosts *hosts, const struct hosts_plan *plan) {
    struct handover journal = {.count = 0};
    bool ours = plan->files.count == 0;

    if (!ours && handover_read(hosts->operation->domain, &journal) == 0) {
        ours = journal.run == hosts->run;
        handover_finish(&journal);
    }
    if (!ours) {
        return hosts_fail(hosts, "another move of it was begun meanwhile");
    }
    return virDomainIsActive(hosts->operation->domain) == 0
               ? 0
               : hosts_fail(hosts, "it was started meanwhile");
}

static int define(struct hosts *hosts, struct hosts_plan *plan, bool armed) {
    char *text = NULL;
    int r = armed ? handover_arm(&plan->definition) : handover_disarm(&plan->definition);

    r = r < 0 ? r : hosts_print_arrival(hosts, plan, &plan->definition, &text);
    virDomainPtr domain = r == 0 ? virDomainDefineXML(hosts->to, text) : NULL;
    free(text);
    if (domain == NULL) {
        return hosts_fail(hosts, "%s does not take its definition: %s", hosts->to_name,
                          r < 0 ? strerror(-r) : host_error());
    }
    if (hosts->there != NULL) {
        virDomainFree(hosts->there);
    }
    hosts->there = domain;
    return 0;
}

/* An old memory of the target belongs to nobody now, and would be used at the next start. */
static int drop_old_memory(struct hosts *hosts) {
    return virDomainHasManagedSaveImage(hosts->there, 0) == 1 &&
                   virDomainManagedSaveRemove(hosts->there, 0) < 0
               ? hosts_fail(hosts, "an old memory image there cannot be removed: %s", host_error())
               : 0;
}

static int leave(struct hosts *hosts) {
    return virDomainUndefineFlags(hosts->operation->domain, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0
               ? hosts_fail(hosts, "its definition on %s cannot be removed: %s", hosts->from_name,
                            host_error())
               : 0;
}

/* From the disarmed definition to the end. Before the source's is gone, all can be undone. */
static int hand_over(struct hosts *hosts, struct hosts_plan *plan) {
    int r = check_source(hosts, plan);

    if (r == 0) {
        r = define(hosts, plan, false);
    }
    if (r < 0) {
        return r;
    }
    r = drop_old_memory(hosts);
    r = r < 0 ? r : check_source(hosts, plan);
    r = r < 0 ? r : leave(hosts);
    if (r < 0) {
        (void)virDomainUndefineFlags(hosts->there, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM);
        return r;
    }
    hosts->left = true;
    return define(hosts, plan, true);
}

void hosts_move_off(struct hosts *hosts, struct hosts_plan *plan) {
    struct operation *operation = hosts->operation;
    struct report *report = &operation->report;

    int r = hosts_make_files(hosts, plan);
    if (r < 0) {
        return;
    }
    r = copy_files(hosts, plan);
    r = r < 0 ? r : verify(hosts, plan);
    r = r < 0 ? r : hand_over(hosts, plan);
    report->state = AGENT_VM_OFF;
    if (r == 0) {
        hosts_complete(hosts, hosts->there);
        report_set(report, VM_OK, "%s has moved from %s to %s", operation->params->name,
                   hosts->from_name, hosts->to_name);
        return;
    }
    if (hosts->left) {
        return; /* the files are those of the VM; the next run arms its definition */
    }
    struct report said = *report;
    if (hosts_undo_files(hosts) < 0) {
        return;
    }
    *report = said;
    if (operation_stopped(operation) == STOP_CANCELLED) {
        report_set(report, VM_CANCELLED, "%s: its move from %s to %s was cancelled; it is on %s",
                   operation->params->name, hosts->from_name, hosts->to_name, hosts->from_name);
    }
}
