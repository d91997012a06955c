/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an earlier move between two hosts left, when its agent, a libvirtd or a host has died. See
 * hosts.h; the journals are in handover.h.
 *
 *     on the source     on the target                       what is done
 *     ---------------   ---------------------------------   -------------------------------------
 *     a migration runs  anything                            wait for its end: libvirt goes on alone
 *     the VM            nothing                             files are removed; begin anew
 *     the VM            arriving, off                       likewise, and the copy is removed
 *     the VM, runs      arriving, paused                    likewise: as long as the source exists,
 *                                                           its memory is the newest
 *     the VM, paused    arriving, paused                    libvirt may be about to end the source:
 *       by a migration                                      wait; then a person has to resume it
 *     defined, off      arriving, runs                      libvirt ended the source and died: the
 *                                                           definition that is left is removed
 *     defined, off      arriving, paused                    likewise, if libvirt says it moved;
 *                                                           otherwise a person has to decide
 *     nothing           arriving, off                       it is armed: the move is complete
 *     nothing           arriving, paused, was defined       libvirt removes a definition only after
 *                                                           all has arrived: resumed, complete
 *     nothing           arriving, paused, was transient     nobody can tell whether the source ran
 *                                                           on: a person has to decide
 *     nothing           arriving, runs                      complete
 *     anything          a VM that did not arrive            refused
 */
#include "hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "handover.h"
#include "host.h"
#include "job.h"

/* libvirt ends a source within milliseconds. One that is longer in doubt has lost its libvirtd. */
enum { POLL_MS = 200, DOUBT_MS = 15000 };

/* ---- the end of a move ---- */

static void remove_sources(struct hosts *hosts, const struct handover *arrival) {
    for (size_t i = 0; arrival->remove && i < arrival->count; i++) {
        int r = host_files_remove(&hosts->from_files, arrival->files[i]);
        if (r < 0 && r != -ENOENT) {
            ocf_log("%s: its former file %s on %s could not be removed: %s; remove it by hand",
                    hosts->operation->params->name, arrival->files[i], hosts->from_name,
                    hosts->from_files.error);
        }
    }
}

void hosts_complete(struct hosts *hosts, virDomainPtr there) {
    const char *name = hosts->operation->params->name;
    struct handover arrival = {.count = 0};

    if (handover_read(there, &arrival) < 0) {
        return;
    }
    /* The next start would go back to an old memory. */
    if (virDomainHasManagedSaveImage(there, 0) == 1 && virDomainManagedSaveRemove(there, 0) < 0) {
        ocf_log("%s on %s: an old memory image stays: %s; remove it with: virsh managedsave-remove "
                "%s",
                name, hosts->to_name, host_error(), name);
    }
    if (arrival.autostart && virDomainSetAutostart(there, 1) < 0) {
        ocf_log("%s on %s: its autostart could not be set: %s", name, hosts->to_name, host_error());
    }
    remove_sources(hosts, &arrival);
    if (handover_clear(there) < 0) {
        ocf_log("%s on %s: the journal of its move stays: %s; run the same command again", name,
                hosts->to_name, host_error());
    }
    handover_finish(&arrival);
}

/* ---- undoing ---- */

int hosts_undo_files(struct hosts *hosts) {
    struct handover left = {.count = 0};
    virDomainPtr domain = hosts->operation->domain;

    int r = handover_read(domain, &left);
    if (r == -ENOENT) {
        return 0;
    }
    if (r < 0) {
        return hosts_fail(hosts, "the journal of an earlier move cannot be read: %s", host_error());
    }
    if (left.role == HANDOVER_LEAVES && strcmp(left.peer, hosts->to_uuid) != 0 && left.count > 0) {
        handover_finish(&left);
        return hosts_refuse(hosts, "an earlier move to another host was interrupted, and has files "
                                   "there; end that one first, by the same command as then");
    }
    for (size_t i = 0; r == 0 && left.role == HANDOVER_LEAVES && i < left.count; i++) {
        int removed = host_files_remove(&hosts->to_files, left.files[i]);
        if (removed < 0 && removed != -ENOENT) {
            r = hosts_fail(hosts, "%s on %s, of an earlier move, cannot be removed: %s",
                           left.files[i], hosts->to_name, hosts->to_files.error);
        }
    }
    handover_finish(&left);
    if (r == 0 && handover_clear(domain) < 0) {
        r = hosts_fail(hosts, "the journal of an earlier move cannot be removed: %s", host_error());
    }
    return r;
}

/* The copy on the target, which is not the VM. */
static int undo_copy(struct hosts *hosts) {
    virDomainPtr there = hosts->there;

    if (virDomainIsActive(there) == 1 && virDomainDestroy(there) < 0) {
        return hosts_fail(hosts, "the copy that an earlier move left there cannot be ended: %s",
                          host_error());
    }
    if (virDomainIsPersistent(there) == 1 &&
        virDomainUndefineFlags(there, VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                                          VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0) {
        return hosts_fail(hosts,
                          "the definition that an earlier move left there cannot be "
                          "removed: %s",
                          host_error());
    }
    return 0;
}

/* ---- deciding ---- */

/* Arms what is defined on the target; it is the VM now. */
static int arm(struct hosts *hosts) {
    struct definition definition;
    char reason[256];
    char *armed = NULL;

    int r = host_read_definition(hosts->there, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE,
                                 &definition, reason, sizeof(reason));
    if (r < 0) {
        return hosts_fail(hosts, "its definition there cannot be read: %s", reason);
    }
    r = handover_arm(&definition);
    r = r < 0 ? r : definition_print(&definition, &armed);
    definition_finish(&definition);
    virDomainPtr again = r == 0 ? virDomainDefineXML(hosts->to, armed) : NULL;
    free(armed);
    if (again == NULL) {
        return hosts_fail(hosts,
                          "its definition there cannot be completed: %s; run the same "
                          "command again",
                          host_error());
    }
    virDomainFree(hosts->there);
    hosts->there = again;
    return 0;
}

static int complete(struct hosts *hosts, enum agent_vm_state state) {
    struct report *report = &hosts->operation->report;

    hosts_complete(hosts, hosts->there);
    report->state = state;
    report_set(report, VM_OK, "%s had moved from %s to %s already; what was left to do is done",
               hosts->operation->params->name, hosts->from_name, hosts->to_name);
    return 1;
}

/* The source has no VM of that UUID. */
static int only_there(struct hosts *hosts, const struct handover *arrival, int state) {
    const char *name = hosts->operation->params->name;

    if (state == VIR_DOMAIN_SHUTOFF) {
        int r = arm(hosts);
        return r < 0 ? r : complete(hosts, AGENT_VM_OFF);
    }
    if (state != VIR_DOMAIN_PAUSED) {
        return complete(hosts, AGENT_VM_RUNNING);
    }
    if (!arrival->persistent) {
        return hosts_fail(
            hosts,
            "it stands still on %s, where an interrupted move has brought it, and its "
            "source is gone; nobody can tell whether the source ran on for a while: "
            "if not, virsh resume %s there; otherwise virsh destroy %s, and start it "
            "from its disks",
            hosts->to_name, name, name);
    }
    if (virDomainResume(hosts->there) < 0) {
        return hosts_fail(hosts, "it has arrived but cannot be resumed: %s", host_error());
    }
    return complete(hosts, AGENT_VM_RUNNING);
}

/* The source's QEMU has ended, and the copy stands still. Did libvirt end it, because all had
 * arrived? Or did it run on for a while? */
static int resume_moved(struct hosts *hosts) {
    const char *name = hosts->operation->params->name;
    int state = VIR_DOMAIN_NOSTATE;
    int reason = 0;

    if (virDomainGetState(hosts->operation->domain, &state, &reason, 0) < 0 ||
        state != VIR_DOMAIN_SHUTOFF || reason != VIR_DOMAIN_SHUTOFF_MIGRATED) {
        return hosts_fail(hosts,
                          "an interrupted move has brought it to %s, where it stands still, and it "
                          "is off on %s; nobody can tell whether it ran on there for a while: if "
                          "not, virsh resume %s on %s and run the same command again; otherwise "
                          "virsh destroy %s there first",
                          hosts->to_name, hosts->from_name, name, hosts->to_name, name);
    }
    return virDomainResume(hosts->there) < 0
               ? hosts_fail(hosts, "it has arrived but cannot be resumed: %s", host_error())
               : 0;
}

bool hosts_leaves_now(virDomainPtr domain) {
    int kind = domain != NULL && virDomainIsActive(domain) == 1 ? job_kind(domain) : -ENOENT;
    return kind == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT || kind == -EIO;
}

/* A copy that does not run, while the source exists. Only a source that is off, or that runs and is
 * not leaving, is certain not to be ended by libvirt a moment later. */
static int copy_beside_source(struct hosts *hosts, int state) {
    const char *name = hosts->operation->params->name;
    int here = VIR_DOMAIN_NOSTATE;
    int reason = 0;

    if (virDomainGetState(hosts->operation->domain, &here, &reason, 0) < 0) {
        return hosts_fail(hosts, "its state on %s cannot be read: %s; run the same command again",
                          hosts->from_name, host_error());
    }
    bool off = here == VIR_DOMAIN_SHUTOFF && state == VIR_DOMAIN_SHUTOFF;
    bool runs = here == VIR_DOMAIN_RUNNING && !hosts_leaves_now(hosts->operation->domain);
    if (!off && !runs) {
        return hosts_fail(hosts,
                          "an interrupted move has left it standing still on %s; its memory there "
                          "is the newest: virsh resume %s on %s, and run the same command again",
                          hosts->from_name, name, hosts->from_name);
    }
    int r = undo_copy(hosts);
    return r < 0 ? r : hosts_undo_files(hosts);
}

/* Both hosts have it. */
static int both(struct hosts *hosts, int state) {
    virDomainPtr here = hosts->operation->domain;
    bool runs_there = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_PAUSED;

    if (state == VIR_DOMAIN_PAUSED && virDomainIsActive(here) == 0) {
        int r = resume_moved(hosts);
        if (r < 0) {
            return r;
        }
        runs_there = true;
    }
    if (!runs_there) {
        return copy_beside_source(hosts, state);
    }
    if (virDomainIsActive(here) != 0) {
        return hosts_fail(hosts, "it runs on both hosts; destroy the wrong one at once");
    }
    if (virDomainUndefineFlags(here, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) < 0) {
        return hosts_fail(hosts, "it runs there; its former definition here cannot be removed: %s",
                          host_error());
    }
    return complete(hosts, AGENT_VM_RUNNING);
}

/* A dead agent's migration goes on in libvirtd. Its job ends a moment before the source does. 0;
 * -EINVAL: the operation is to stop. */
static int await_migration(struct hosts *hosts) {
    struct operation *operation = hosts->operation;
    uint64_t give_up_ms = 0;

    for (;;) {
        bool leaves = hosts_leaves_now(operation->domain);
        if (!leaves && (!job_switches_over(operation->domain) ||
                        (give_up_ms != 0 && ocf_now_ms() >= give_up_ms))) {
            return 0;
        }
        if (leaves || give_up_ms == 0) {
            give_up_ms = ocf_now_ms() + DOUBT_MS;
        }
        operation_step(operation, "waiting for an earlier migration of the VM");
        if (!operation_pause(operation, operation_changes(operation), POLL_MS)) {
            return hosts_refuse(hosts, "an earlier migration of it is still under way");
        }
    }
}

/* By UUID: a name may have been given to another VM meanwhile. */
static virDomainPtr look(virConnectPtr conn, const struct hosts *hosts) {
    const char *name = hosts->operation->params->name;
    return hosts->uuid[0] != '\0' ? virDomainLookupByUUIDString(conn, hosts->uuid)
                                  : virDomainLookupByName(conn, name);
}

static void forget(virDomainPtr *domain) {
    if (*domain != NULL) {
        virDomainFree(*domain);
        *domain = NULL;
    }
}

/* Finds the VM on both. 0 or -EIO. */
static int find(struct hosts *hosts) {
    struct operation *operation = hosts->operation;

    forget(&operation->domain);
    forget(&hosts->there);
    operation->domain = look(operation->conn, hosts);
    if (operation->domain == NULL && !host_error_is_absent()) {
        return hosts_fail(hosts, "%s cannot be asked for it: %s", hosts->from_name, host_error());
    }
    if (operation->domain != NULL) {
        (void)virDomainGetUUIDString(operation->domain, hosts->uuid);
    }
    hosts->there = look(hosts->to, hosts);
    if (hosts->there == NULL && !host_error_is_absent()) {
        return hosts_fail(hosts, "%s cannot be asked for it: %s", hosts->to_name, host_error());
    }
    if (hosts->there != NULL) {
        (void)virDomainGetUUIDString(hosts->there, hosts->uuid);
    }
    return 0;
}

/* libvirt ends the source's QEMU first and removes the definition some milliseconds later: what was
 * found may be gone when it is asked. */
static bool source_has_gone(const struct hosts *hosts) {
    virDomainPtr again =
        hosts->operation->domain != NULL ? look(hosts->operation->conn, hosts) : NULL;
    bool gone = hosts->operation->domain != NULL && again == NULL && host_error_is_absent();

    forget(&again);
    return gone;
}

static int check_name(struct hosts *hosts) {
    virDomainPtr other = virDomainLookupByName(hosts->to, hosts->operation->params->name);

    if (other == NULL) {
        return 0;
    }
    virDomainFree(other);
    return hosts_refuse(hosts, "%s has another VM of that name", hosts->to_name);
}

/* Is there anything that an earlier move left, or that is under way? */
static bool has_journal(const struct hosts *hosts) {
    struct handover journal = {.count = 0};
    virDomainPtr domains[] = {hosts->operation->domain, hosts->there};
    virDomainPtr here = hosts->operation->domain;
    bool found = hosts_leaves_now(here) || job_switches_over(here);

    for (size_t i = 0; !found && i < sizeof(domains) / sizeof(domains[0]); i++) {
        found = domains[i] != NULL && handover_read(domains[i], &journal) == 0;
        handover_finish(&journal);
    }
    return found;
}

static int decide(struct hosts *hosts) {
    struct handover arrival = {.count = 0};
    virDomainPtr here = hosts->operation->domain;
    int state = VIR_DOMAIN_NOSTATE;
    int reason = 0;

    if (hosts->there == NULL) {
        int r = here == NULL ? hosts_refuse(hosts, "it is on neither of them") : check_name(hosts);
        return r < 0 ? r : hosts_undo_files(hosts);
    }
    int r = handover_read(hosts->there, &arrival);
    if (r == 0 && arrival.role != HANDOVER_ARRIVES) {
        handover_finish(&arrival);
        r = -ENOENT;
    }
    if (r == -ENOENT) {
        return here == NULL ? hosts_refuse(hosts, "it is not on %s; %s has it", hosts->from_name,
                                           hosts->to_name)
                            : hosts_refuse(hosts, "%s has a VM of that name or UUID already",
                                           hosts->to_name);
    }
    if (r < 0 || virDomainGetState(hosts->there, &state, &reason, 0) < 0) {
        return hosts_fail(hosts, "%s cannot be asked for it: %s", hosts->to_name, host_error());
    }
    if (strcmp(arrival.peer, hosts->from_uuid) != 0) {
        r = hosts_refuse(hosts,
                         "an interrupted move from another host has left it on %s; end that "
                         "one first, by the same command as then",
                         hosts->to_name);
    } else {
        r = here == NULL ? only_there(hosts, &arrival, state) : both(hosts, state);
    }
    handover_finish(&arrival);
    return r;
}

int hosts_settle(struct hosts *hosts) {
    operation_step(hosts->operation, "looking for the VM on both hosts");
    int r = find(hosts);
    if (r < 0) {
        return r;
    }
    host_files_open(&hosts->from_files, hosts->operation->conn, hosts->uuid);
    host_files_open(&hosts->to_files, hosts->to, hosts->uuid);
    bool interrupted = has_journal(hosts);
    if (interrupted && hosts->operation->params->dry_run) {
        return hosts_refuse(hosts, "an earlier move of it was interrupted, or is under way; the "
                                   "same command without --dry-run ends that one first");
    }
    if (interrupted && !operation_may_begin(hosts->operation, "the end of an earlier move")) {
        return -EINVAL;
    }
    r = await_migration(hosts);
    if (r == 0 && interrupted) {
        r = find(hosts); /* it may have left meanwhile */
    }
    r = r == 0 ? decide(hosts) : r;
    if (r == -EIO && source_has_gone(hosts)) {
        r = find(hosts);
        r = r == 0 ? decide(hosts) : r; /* with no source: it cannot go once more */
    }
    return r;
}
