/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last step of a live migration: the copy on the target is resumed.
 *
 * It arrives paused, because libvirt alone cannot tell which copy may run: if the target's answer
 * to FINISH is lost, libvirt resumes the source, whatever the target does. So the target's copy is
 * resumed only after the VM was handed over: libvirt has received that answer, so it can only end
 * the source, and the source's QEMU has ended:
 *
 *     libvirt's phase "confirm3" and the end of QEMU ---.
 *                                                        >-- handed over --> resume it there
 *     the call says that all went well, source off ----'
 *
 * The first way is faster: libvirt checks only every 200 ms whether QEMU has ended, and meanwhile
 * the guest stands still. It is not enough that the source is gone: it may have run on for a moment
 * after the copy was made, and the copy is then older than its disk.
 *
 * The connection to the target is opened before the migration, so that the guest has to wait for
 * only one call. If that call fails, clusterd is told that the VM was handed over, and orders the
 * target to resume it. Without this report, clusterd never resumes it.
 */
#ifndef AGENTS_VM_ARRIVAL_H
#define AGENTS_VM_ARRIVAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvirt/libvirt.h>

struct operation;

struct arrival {
    struct operation *operation;
    char uuid[VIR_UUID_STRING_BUFLEN];
    virConnectPtr conn;

    /* Guarded by the operation's lock; each change is signalled by its `changed`. */
    virDomainPtr domain; /* as the target's event named it; NULL: no event yet */
    bool handed_over;    /* the target's copy is the VM now, still paused */
    bool over;           /* the migration is over: nothing more will be learned */
    bool done;           /* the thread has nothing more to do */
    uint64_t resumed_ms; /* when the guest continued on the target; 0: it did not */
    char why[512];       /* why not, after a try */
};

/*
 * Connects to the target and begins to follow both copies. 0, or -EIO: why says so. The arrival
 * must live as long as the process.
 */
int arrival_begin(struct arrival *arrival, struct operation *operation, char *why, size_t why_size);

/* libvirt reports success and the source is off: resume the copy at last. */
void arrival_complete(struct arrival *arrival);

/* Waits until the copy was resumed, or never will be. True if it was handed over, resumed or
 * not. */
bool arrival_end(struct arrival *arrival);

/*
 * From the moment when the guest stopped here until it continued there; -1: not known. libvirt's
 * own figure ends when the copy has arrived; it has to do if the event of the beginning was lost.
 */
int64_t arrival_blackout_ms(const struct arrival *arrival);

#endif
