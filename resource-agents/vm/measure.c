/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * predict: what would a live move of this VM take? It changes nothing. How fast the guest dirties
 * its memory is measured for a second; what the network carries is known from earlier moves.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <libvirt/libvirt.h>

#include "../shared/ocf.h"
#include "host.h"
#include "predict.h"

enum {
    MEASURE_S = 1,
    ASK_AGAIN_MS = 50, /* libvirt has no event for the end of the measurement */
    NO_MOVE_YET_BPS = 125 * 1000 * 1000,
};

/* The rate if it is known by now: 0; -EAGAIN; or -EIO. */
static int read_rate(virDomainPtr domain, uint64_t *ret_bps) {
    virDomainPtr domains[] = {domain, NULL};
    virDomainStatsRecordPtr *records = NULL;
    long long mib = 0;
    int status = 0;

    int n = virDomainListGetStats(domains, VIR_DOMAIN_STATS_DIRTYRATE, &records, 0);
    if (n < 1) {
        return -EIO;
    }
    bool done = virTypedParamsGetInt(records[0]->params, records[0]->nparams,
                                     "dirtyrate.calc_status", &status) == 1 &&
                status == VIR_DOMAIN_DIRTYRATE_MEASURED;
    bool known = virTypedParamsGetLLong(records[0]->params, records[0]->nparams,
                                        "dirtyrate.megabytes_per_second", &mib) == 1;
    virDomainStatsRecordListFree(records);
    if (!done || !known) {
        return -EAGAIN;
    }
    *ret_bps = mib > 0 ? (uint64_t)mib * 1024 * 1024 : 0;
    return 0;
}

static int measure_rate(struct operation *operation, uint64_t *ret_bps) {
    int r = virDomainStartDirtyRateCalc(operation->domain, MEASURE_S, 0) < 0 ? -EIO : -EAGAIN;
    uint64_t due_ms = ocf_now_ms() + UINT64_C(1000) * MEASURE_S;

    while (r == -EAGAIN) {
        pthread_mutex_lock(&operation->lock);
        bool waits = !operation_wait(operation, operation->events.changes, due_ms) &&
                     operation_stopped(operation) == STOP_NONE;
        pthread_mutex_unlock(&operation->lock);
        if (!waits) {
            return -ECANCELED;
        }
        r = read_rate(operation->domain, ret_bps);
        due_ms = ocf_now_ms() + ASK_AGAIN_MS;
    }
    return r;
}

/*
 * Pages that were never touched are not sent, and cost almost nothing. So what is resident is an
 * upper limit (QEMU itself is in it), and what an earlier move sent is another, unless the guest
 * uses more since then.
 */
static int memory_in_use(virDomainPtr domain, uint64_t known_bytes, uint64_t *ret_bytes) {
    virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
    virDomainInfo info;

    if (virDomainGetInfo(domain, &info) < 0) {
        return -EIO;
    }
    uint64_t kib = info.memory;
    int n = virDomainMemoryStats(domain, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
    for (int i = 0; i < n; i++) {
        if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_RSS && stats[i].val < kib) {
            kib = stats[i].val;
        }
    }
    *ret_bytes = known_bytes > 0 && known_bytes < kib * 1024 ? known_bytes : kib * 1024;
    return 0;
}

static uint64_t assumed_rate(const struct params *params) {
    uint64_t bps = params->rate_bps > 0 ? params->rate_bps : NO_MOVE_YET_BPS;
    uint64_t limit_bps = params->bandwidth_mbps * (1000 * 1000 / 8);

    return limit_bps > 0 && (limit_bps < bps || params->rate_bps == 0) ? limit_bps : bps;
}

static void fill(struct operation *operation, const struct measured *measured) {
    const struct params *params = operation->params;
    struct converge converge;

    converge_init(&converge,
                  params->max_downtime_ms > 0 ? params->max_downtime_ms : CONVERGE_USUAL_MS,
                  params->if_not_converging, params->auto_converge);
    const struct predicted predicted = predict(measured, &converge);
    operation->report.predicts = true;
    operation->report.prediction =
        (struct prediction){.converges = predicted.converges,
                            .predicted_ms = predicted.total_ms,
                            .predicted_blackout_ms = predicted.blackout_ms,
                            .predicted_passes = predicted.passes,
                            .predicted_throttle = predicted.throttle,
                            .measured_bps = measured->dirty_bps,
                            .memory_bytes = measured->memory_bytes,
                            .assumed_bps = measured->rate_bps};
}

void action_predict(struct operation *operation) {
    const struct params *params = operation->params;
    struct report *report = &operation->report;
    struct measured measured = {.rate_bps = assumed_rate(params),
                                .overhead_ms = params->overhead_ms,
                                .blackout_ms = params->blackout_ms};
    const char *text = "in an unknown state";

    if (host_open(operation) < 0) {
        return;
    }
    int r = host_read_state(operation, &text);
    if (r < 0 || report->state != AGENT_VM_RUNNING) {
        report_set(report, VM_FAILED, "%s cannot be measured: it is %s", params->name, text);
        return;
    }
    operation_step(operation, "measuring how fast the guest dirties its memory");
    r = measure_rate(operation, &measured.dirty_bps);
    if (r == 0) {
        r = memory_in_use(operation->domain, params->known_bytes, &measured.memory_bytes);
    }
    if (r == -ECANCELED) {
        report_set(report, VM_CANCELLED, "%s: the measurement was cancelled", params->name);
        return;
    }
    if (r < 0) {
        report_set(report, VM_FAILED, "%s cannot be measured: %s", params->name, host_error());
        return;
    }
    measured.set_bytes = measured.memory_bytes;
    fill(operation, &measured);
    report_set(report, VM_OK, "%s", "");
}
