/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: domains and what happens to them.
 *
 * libvirt reports by an event and its detail how a domain ended. The protocol says who wanted it:
 *
 *   libvirt                                 who wanted it               event
 *   STOPPED_SHUTDOWN after SHUTDOWN_GUEST   the guest                   shutdown
 *   STOPPED_SHUTDOWN after SHUTDOWN_HOST    nobody (a signal to QEMU)   crashed
 *   STOPPED_DESTROYED                       a caller of libvirt         stopped
 *   STOPPED_CRASHED, STOPPED_FAILED         nobody                      crashed
 *   STOPPED_MIGRATED, STOPPED_SAVED         a caller of libvirt         migrated
 *
 * If the receiving half of a migration ends before it ran, it was not a VM yet: it is always
 * "stopped".
 */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"
#include "host.h"

/* The list also reports the machine types, because they determine where a VM can go. */
static void tell_with_machine(const struct watched *vm, virDomainPtr domain, const char *state,
                              const char *reason) {
    char machine[HOST_MACHINE_SIZE];

    host_machine(domain, machine);
    watch_tell(json_pack("{ss so ss sI sb ss so so}", "event", "domain", "name",
                         jsonl_text(vm->name), "uuid", vm->uuid, "generation",
                         (json_int_t)vm->generation, "foreign", (int)vm->foreign, "state", state,
                         "machine", jsonl_text(machine), "reason", jsonl_text(reason)));
}

static void tell(const char *event, const struct watched *vm, const char *state,
                 const char *reason) {
    watch_tell(json_pack("{ss so ss sI sb ss so}", "event", event, "name", jsonl_text(vm->name),
                         "uuid", vm->uuid, "generation", (json_int_t)vm->generation, "foreign",
                         (int)vm->foreign, "state", state, "reason", jsonl_text(reason)));
}

/* The state's name in "domain" lines; these know two more names than an operation's final line. */
static void tell_domain(struct watched *vm, virDomainPtr domain, int state, int reason) {
    struct host_state known = host_state_of(state, reason);
    const char *name = agent_vm_state_name(known.state);

    vm->incoming = host_is_incoming(domain, state, reason);
    if (vm->incoming) {
        name = "incoming";
    } else if (state == VIR_DOMAIN_SHUTDOWN) {
        name = "shutting-down";
    }
    tell_with_machine(vm, domain, name, vm->incoming ? "arriving from another node" : known.text);
}

static int state_of(const virDomainStatsRecord *record, const char *name) {
    int value = 0;
    (void)virTypedParamsGetInt(record->params, record->nparams, name, &value);
    return value;
}

int watched_tell_all(struct watched_list *list, virConnectPtr conn) {
    virDomainStatsRecordPtr *records = NULL;

    int n = virConnectGetAllDomainStats(conn, VIR_DOMAIN_STATS_STATE, &records,
                                        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
                                            VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (n < 0) {
        return -EIO;
    }
    for (int i = 0; i < n; i++) {
        struct watched *vm = watched_remember(list, records[i]->dom);
        if (vm != NULL) {
            vm->generation = host_generation(records[i]->dom, &vm->foreign);
            tell_domain(vm, records[i]->dom, state_of(records[i], "state.state"),
                        state_of(records[i], "state.reason"));
        }
    }
    virDomainStatsRecordListFree(records);
    watched_tell_all_disks(list, conn);
    watch_tell(json_pack("{ss}", "event", "listed"));
    return 0;
}

static void on_started(struct watched *vm, virDomainPtr domain, int detail) {
    static const char *const reasons[] = {
        [VIR_DOMAIN_EVENT_STARTED_BOOTED] = "booted",
        [VIR_DOMAIN_EVENT_STARTED_MIGRATED] = "incoming", /* reported differently below */
        [VIR_DOMAIN_EVENT_STARTED_RESTORED] = "restored",
        [VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT] = "from-snapshot",
        [VIR_DOMAIN_EVENT_STARTED_WAKEUP] = "woken",
    };
    bool known = detail >= 0 && (size_t)detail < sizeof(reasons) / sizeof(reasons[0]);

    vm->incoming = detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED;
    vm->shutdown = -1;
    vm->panicked = false;
    vm->io_error[0] = '\0';
    vm->disks_told = false;
    vm->generation = host_generation(domain, &vm->foreign);
    if (vm->incoming) {
        tell("domain", vm, "incoming",
             "arriving from another node"); /* "resumed" once it runs here */
    } else {
        tell("started", vm, "running", known ? reasons[detail] : "started");
    }
}

static void on_suspended(struct watched *vm, int detail) {
    static const char *const reasons[] = {
        [VIR_DOMAIN_EVENT_SUSPENDED_PAUSED] = "paused",
        [VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED] = "migration",
        [VIR_DOMAIN_EVENT_SUSPENDED_IOERROR] = "io-error",
        [VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG] = "watchdog",
        [VIR_DOMAIN_EVENT_SUSPENDED_RESTORED] = "restored",
        [VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT] = "from-snapshot",
        [VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR] = "libvirt-error",
        [VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY] = "post-copy",
        [VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED] = "post-copy-failed",
    };
    bool known = detail >= 0 && (size_t)detail < sizeof(reasons) / sizeof(reasons[0]);
    const char *reason = known ? reasons[detail] : "paused";

    if (vm->incoming) {
        return; /* it has not run yet */
    }
    if (detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR && vm->io_error[0] != '\0') {
        reason = vm->io_error;
    }
    tell("paused", vm, "paused", reason);
}

static void on_resumed(struct watched *vm, int detail) {
    bool arrived = vm->incoming;

    vm->incoming = false;
    vm->io_error[0] = '\0';
    tell("resumed", vm, "running",
         arrived || detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED ? "migrated" : "resumed");
}

static void on_stopped(struct watched *vm, int detail) {
    if (vm->incoming) {
        tell("stopped", vm, "off", "the migration to this node did not complete");
        return;
    }
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        if (vm->shutdown == VIR_DOMAIN_EVENT_SHUTDOWN_HOST) {
            tell("crashed", vm, "off", "QEMU was killed by a signal that libvirt did not send");
        } else {
            tell("shutdown", vm, "off", "the guest shut down");
        }
        break;
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED: tell("stopped", vm, "off", "destroyed"); break;
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED: tell("migrated", vm, "off", "migrated"); break;
    case VIR_DOMAIN_EVENT_STOPPED_SAVED: tell("migrated", vm, "off", "saved"); break;
    case VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT:
        tell("stopped", vm, "off", "returned to a snapshot");
        break;
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
        tell("crashed", vm, "off", "libvirt or QEMU failed");
        break;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
    default: tell("crashed", vm, "off", vm->panicked ? "the guest panicked" : "QEMU died"); break;
    }
}

static void tell_lifecycle(struct watched_list *list, const struct news *news) {
    bool started = news->event == VIR_DOMAIN_EVENT_STARTED;
    struct watched *vm =
        started ? watched_remember(list, news->domain) : watched_find(list, news->domain);

    if (vm == NULL && started) {
        ocf_log("vm watch on %s: out of memory", ocf_node());
        exit(OCF_ERR_GENERIC);
    }
    if (vm == NULL) {
        return; /* defined, or starting: libvirt reports running CPUs before it reports the start */
    }
    switch (news->event) {
    case VIR_DOMAIN_EVENT_STARTED: on_started(vm, news->domain, news->detail); break;
    case VIR_DOMAIN_EVENT_SUSPENDED: on_suspended(vm, news->detail); break;
    case VIR_DOMAIN_EVENT_RESUMED: on_resumed(vm, news->detail); break;
    case VIR_DOMAIN_EVENT_SHUTDOWN:
        vm->shutdown = news->detail;
        break; /* QEMU still runs; STOPPED follows */
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
        tell("paused", vm, "paused", "suspended by the guest itself");
        break;
    case VIR_DOMAIN_EVENT_CRASHED: /* libvirt ends it or starts it again; STOPPED follows, or
                                      nothing did end */
        vm->panicked = news->detail == VIR_DOMAIN_EVENT_CRASHED_PANICKED;
        break;
    case VIR_DOMAIN_EVENT_STOPPED:
        on_stopped(vm, news->detail);
        watched_forget(list, vm);
        break;
    default: break;
    }
}

/* An adoption gives a VM that runs a generation, and a release takes it away. A storage move writes
 * the mark, too, but keeps the generation: nothing is told then. */
static void tell_mark(struct watched *vm, virDomainPtr domain) {
    bool foreign = false;
    int state;
    int reason;
    uint64_t generation = host_generation(domain, &foreign);

    if (generation == vm->generation || (generation == 0 && !foreign) ||
        virDomainGetState(domain, &state, &reason, 0) < 0) {
        return;
    }
    vm->generation = generation;
    vm->foreign = foreign;
    vm->disks_told = false;
    tell_domain(vm, domain, state, reason);
    watched_tell_disks(vm, domain);
}

void watched_tell_news(struct watched_list *list, const struct news *news) {
    struct watched *vm;

    switch (news->kind) {
    case NEWS_LIFECYCLE:
        tell_lifecycle(list, news);
        vm = watched_find(list, news->domain);
        if (vm != NULL) {
            watched_tell_disks(vm, news->domain);
        }
        break;
    case NEWS_BLOCK_JOB:
        vm = watched_find(list, news->domain);
        if (vm != NULL) {
            watched_tell_disks(vm, news->domain);
        }
        break;
    case NEWS_MARK:
        vm = watched_find(list, news->domain);
        if (vm != NULL) {
            tell_mark(vm, news->domain);
        }
        break;
    case NEWS_IO_ERROR:
        vm = watched_find(list, news->domain);
        if (vm != NULL) {
            snprintf(vm->io_error, sizeof(vm->io_error), "%s", news->text);
        }
        break;
    }
}

/* libvirt removes a domain from its list before it sends the event, which may be late on a busy
 * node. A domain must be missing for this time before it is reported without an event. */
#define EVENT_PATIENCE_MS 2000u

/* True if the domain must be dropped from the list. */
static bool is_lost(struct watched *vm) {
    const uint64_t now_ms = ocf_now_ms();
    if (vm->seen || vm->missing_since_ms == 0) {
        vm->missing_since_ms = vm->seen ? 0 : now_ms;
        return false;
    }
    if (now_ms - vm->missing_since_ms < EVENT_PATIENCE_MS) {
        return false;
    }
    if (vm->incoming) {
        tell("stopped", vm, "off", "the migration to this node did not complete");
    } else {
        tell("crashed", vm, "off", "QEMU ended while libvirtd was not running");
    }
    return true;
}

void watched_sweep(struct watched_list *list, virConnectPtr conn) {
    virDomainPtr *domains = NULL;

    int n = virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0) {
        return; /* the end of the connection is reported elsewhere */
    }
    for (size_t i = 0; i < list->count; i++) {
        list->items[i].seen = false;
    }
    for (int i = 0; i < n; i++) {
        struct watched *vm = watched_find(list, domains[i]);
        if (vm != NULL) {
            vm->seen = true;
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    for (size_t i = list->count; i > 0; i--) {
        if (is_lost(&list->items[i - 1])) {
            watched_forget(list, &list->items[i - 1]);
        }
    }
}
