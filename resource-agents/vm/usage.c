/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: how much of the node and of its VMs is in use. */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../shared/jsonl.h"

struct memory {
    uint64_t total_mb;
    uint64_t free_mb;
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* "Available" could be given to VMs without swapping; "free" would count the page cache as used. */
static struct memory read_memory(void) {
    struct memory memory = {0, 0};
    char line[128];
    uint64_t kib;
    FILE *file = fopen("/proc/meminfo", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemTotal: %" SCNu64, &kib) == 1) {
            memory.total_mb = kib / 1024;
        } else if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1) {
            memory.free_mb = kib / 1024;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return memory;
}

/* Clock ticks of all CPUs since boot. */
static int read_ticks(uint64_t *ret_busy, uint64_t *ret_total) {
    /* user nice system idle iowait irq softirq steal; guests are counted in user */
    uint64_t t[8] = {0};
    FILE *file = fopen("/proc/stat", "re");

    if (file == NULL) {
        return -errno;
    }
    int n = fscanf(file,
                   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
    fclose(file);
    if (n < 4) {
        return -EIO;
    }
    *ret_busy = t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
    *ret_total = *ret_busy + t[3] + t[4];
    return 0;
}

void usage_begin(struct usage *usage) {
    *usage = (struct usage){.when_ns = now_ns()};
    (void)read_ticks(&usage->busy_ticks, &usage->total_ticks);
}

static uint64_t cpu_busy_permille(struct usage *usage) {
    uint64_t busy = 0;
    uint64_t total = 0;

    if (read_ticks(&busy, &total) < 0) {
        return 0;
    }
    uint64_t busy_since = busy > usage->busy_ticks ? busy - usage->busy_ticks : 0;
    uint64_t total_since = total > usage->total_ticks ? total - usage->total_ticks : 0;
    usage->busy_ticks = busy;
    usage->total_ticks = total;
    return total_since > 0 ? busy_since * 1000 / total_since : 0;
}

static json_t *vm_usage(struct watched *vm, const virDomainStatsRecord *record,
                        uint64_t elapsed_ns) {
    unsigned long long cpu_ns = 0;
    unsigned long long kib = 0;
    uint64_t permille = 0;

    (void)virTypedParamsGetULLong(record->params, record->nparams, "cpu.time", &cpu_ns);
    if (virTypedParamsGetULLong(record->params, record->nparams, "balloon.rss", &kib) != 1) {
        (void)virTypedParamsGetULLong(record->params, record->nparams, "balloon.current", &kib);
    }
    if (vm->cpu_ns != 0 && cpu_ns > vm->cpu_ns && elapsed_ns > 0) {
        permille = (cpu_ns - vm->cpu_ns) * 1000 / elapsed_ns;
    }
    vm->cpu_ns = cpu_ns;
    return json_pack("{so sI sI}", "name", jsonl_text(vm->name), "cpu_permille",
                     (json_int_t)permille, "memory_mb", (json_int_t)(kib / 1024));
}

/* Never waits for a busy domain: older figures are better than a late event. */
static json_t *all_vms_usage(struct watched_list *list, virConnectPtr conn, uint64_t elapsed_ns) {
    virDomainStatsRecordPtr *records = NULL;
    json_t *vms = json_array();

    int n = virConnectGetAllDomainStats(
        conn, VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON, &records,
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    for (int i = 0; i < n; i++) {
        struct watched *vm = watched_find(list, records[i]->dom);
        if (vm != NULL) {
            json_array_append_new(vms, vm_usage(vm, records[i], elapsed_ns));
        }
    }
    if (n >= 0) {
        virDomainStatsRecordListFree(records);
    }
    return vms;
}

void usage_tell(struct usage *usage, struct watched_list *list, virConnectPtr conn) {
    struct memory memory = read_memory();
    uint64_t now = now_ns();
    json_t *line =
        json_pack("{ss sI sI sI sI}", "event", "usage", "memory_total_mb",
                  (json_int_t)memory.total_mb, "memory_free_mb", (json_int_t)memory.free_mb, "cpus",
                  (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "cpu_busy_permille",
                  (json_int_t)cpu_busy_permille(usage));
    if (line != NULL && conn != NULL) {
        json_object_set_new(line, "vms", all_vms_usage(list, conn, now - usage->when_ns));
        usage->when_ns = now;
    }
    (void)jsonl_send(line, JSONL_DROPPABLE_MS); /* the next line will do as well */
}
