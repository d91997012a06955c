/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job that libvirt runs on a domain. See job.h. */
#include "job.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <libvirt/virterror.h>

#include "xml.h"

static uint64_t stat_of(virTypedParameterPtr params, int count, const char *name) {
    unsigned long long value = 0;
    return virTypedParamsGetULLong(params, count, name, &value) == 1 ? value : 0;
}

static uint64_t stat_of_int(virTypedParameterPtr params, int count, const char *name) {
    int value = 0;
    return virTypedParamsGetInt(params, count, name, &value) == 1 && value > 0 ? (uint64_t)value
                                                                               : 0;
}

static struct progress job_figures(virTypedParameterPtr params, int count) {
    uint64_t total = stat_of(params, count, VIR_DOMAIN_JOB_DATA_TOTAL);
    uint64_t remaining = stat_of(params, count, VIR_DOMAIN_JOB_DATA_REMAINING);
    /* Pages a second, in pages of the guest. */
    uint64_t page_size = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE);
    uint64_t dirty_pages = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE);

    return (struct progress){
        .percent = total > 0 && remaining <= total ? (total - remaining) * 100 / total : 0,
        .rate_bps = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_BPS) +
                    stat_of(params, count, VIR_DOMAIN_JOB_DISK_BPS),
        .dirty_bps = dirty_pages * (page_size != 0 ? page_size : 4096),
        .iteration = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_ITERATION),
        .remaining_bytes = remaining,
        .done_bytes = remaining <= total ? total - remaining : 0,
        .total_bytes = total,
        .throttle_percent = stat_of_int(params, count, VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE),
    };
}

struct figures job_completed(virTypedParameterPtr params, int count) {
    const struct progress progress = job_figures(params, count);

    return (struct figures){.sent_bytes = stat_of(params, count, VIR_DOMAIN_JOB_DATA_PROCESSED),
                            .passes = progress.iteration,
                            .throttled_percent = progress.throttle_percent};
}

int job_progress(virDomainPtr domain, struct progress *ret_progress) {
    virTypedParameterPtr params = NULL;
    int count = 0;
    int type = VIR_DOMAIN_JOB_NONE;

    if (virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) {
        return -EIO;
    }
    struct progress progress = job_figures(params, count);
    virTypedParamsFree(params, count);
    if (type == VIR_DOMAIN_JOB_NONE || progress.total_bytes == 0) {
        return -ENOENT;
    }
    if (progress.percent > 99) {
        progress.percent = 99; /* the last percent is the switch-over */
    }
    *ret_progress = progress;
    return 0;
}

int job_kind(virDomainPtr domain) {
    virTypedParameterPtr params = NULL;
    int count = 0;
    int type = VIR_DOMAIN_JOB_NONE;
    int kind = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

    if (virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) {
        /* "migration statistics are available only on the source host" */
        return virGetLastErrorCode() == VIR_ERR_OPERATION_UNSUPPORTED
                   ? VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN
                   : -EIO;
    }
    (void)virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &kind);
    virTypedParamsFree(params, count);
    return type == VIR_DOMAIN_JOB_NONE ? -ENOENT : kind;
}

bool job_switches_over(virDomainPtr domain) {
    int state = VIR_DOMAIN_NOSTATE;
    int reason = 0;

    return domain != NULL && virDomainGetState(domain, &state, &reason, 0) == 0 &&
           state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_MIGRATION;
}

bool job_may_switch_over(virDomainPtr domain, uint64_t within_ms) {
    enum { UNKNOWN_BPS = 256 << 20 }; /* at its beginning no speed is known */
    virTypedParameterPtr params = NULL;
    int count = 0;
    int type = VIR_DOMAIN_JOB_NONE;
    int kind = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

    if (domain == NULL || virDomainGetJobStats(domain, &type, &params, &count, 0) < 0) {
        return false;
    }
    (void)virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &kind);
    uint64_t total = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_TOTAL);
    uint64_t remaining = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_REMAINING);
    uint64_t rate_bps = stat_of(params, count, VIR_DOMAIN_JOB_MEMORY_BPS);
    virTypedParamsFree(params, count);
    uint64_t soon = (rate_bps != 0 ? rate_bps : UNKNOWN_BPS) / 1000 * within_ms;
    return type != VIR_DOMAIN_JOB_NONE && kind == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT &&
           total > 0 && remaining <= soon;
}

int job_obstacle(virDomainPtr domain, const struct definition *runs, char *text, size_t size) {
    const xmlNode *disk = xml_child(xml_child(runs->domain, "devices"), "disk");
    const char *name = virDomainGetName(domain);

    int kind = job_kind(domain);
    if (kind == -EIO) {
        return kind;
    }
    if (kind >= 0) {
        snprintf(text, size, "%s is not over; wait for its end", job_kind_text(kind));
        return -EBUSY;
    }
    for (; disk != NULL; disk = xml_next(disk)) {
        const char *target = xml_attr(xml_child(disk, "target"), "dev");
        virDomainBlockJobInfo info;
        int r = target != NULL ? virDomainGetBlockJobInfo(domain, target, &info, 0) : 0;
        if (r < 0) {
            return -EIO;
        }
        if (r > 0) {
            snprintf(text, size,
                     "a job runs on its disk %s; wait for its end, or end it (virsh blockjob %s "
                     "%s)",
                     target, name, target);
            return -EBUSY;
        }
    }
    return 0;
}

const char *job_kind_text(int kind) {
    switch (kind) {
    case VIR_DOMAIN_JOB_OPERATION_START: return "its start";
    case VIR_DOMAIN_JOB_OPERATION_SAVE: return "a save to a file";
    case VIR_DOMAIN_JOB_OPERATION_RESTORE: return "a restore from a file";
    case VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN: return "a migration to this node";
    case VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT: return "a migration to another node";
    case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT: return "a snapshot";
    case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT: return "a return to a snapshot";
    case VIR_DOMAIN_JOB_OPERATION_DUMP: return "a memory dump";
    case VIR_DOMAIN_JOB_OPERATION_BACKUP: return "a backup";
    default: return "a job of libvirt";
    }
}
