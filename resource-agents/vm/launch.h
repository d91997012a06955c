/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moment between libvirtd's fork and QEMU's exec. libvirtd takes the leases of the disks in the
 * forked child, which needs locks that another thread of libvirtd may have held when it forked:
 * then the child waits for ever. Seen with virtlockd and libvirt 9.0 and 11.3 (Debian 12 and 13):
 * one of a few starts at the same time, the first since libvirtd began. The child registers the
 * types of libvirt's RPC client there, unless libvirtd has been a client before; with qemu.conf's
 * stdio_handler "logd", it has. The VM does not start, and libvirtd does not answer any more where
 * it lists its VMs.
 *
 * Such a child is ended. It is no QEMU yet, so nothing of the VM has run; libvirtd then says that
 * the VM did not start. Its parent is init, and its name that of the thread that forked it:
 * libvirt's PID file of the VM tells which one it is (vircommand.c: written before the leases).
 */
#ifndef AGENTS_VM_LAUNCH_H
#define AGENTS_VM_LAUNCH_H

#include <pthread.h>
#include <stdbool.h>

#include "operation.h"

/* A child gets ready within milliseconds, unless virtlockd or the storage hangs. */
enum { LAUNCH_HANGS_MS = 5000 };

/* Why the VM did not start, and what to do. */
#define LAUNCH_HUNG                                                                             \
    "libvirtd's new process hung before it became QEMU, and was ended; if this happens again, " \
    "check whether virtlockd and the storage answer"

struct launch {
    struct operation *operation;
    pthread_t thread;
    bool watched;

    /* Guarded by the operation's lock. */
    bool over;
    bool ended; /* a child that hung */
};

/* Before the call that makes libvirtd start a QEMU; the launch must live until launch_end(). */
void launch_begin(struct launch *launch, struct operation *operation);

/* After it. True: a child that hung was ended, so the call has failed. */
bool launch_end(struct launch *launch);

/*
 * Looks at all VMs of this node. An incoming migration starts a QEMU, too, and its agent is on the
 * other node; and an agent may die while it waits.
 */
void launch_end_all_hung(void);

#endif
