/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QEMU process of a domain: noticing its end, and killing it if libvirt cannot end it in time.
 *
 * To destroy a domain, libvirt first sends SIGTERM and gives QEMU ten seconds to flush its disks.
 * If the storage hangs, QEMU never finishes, and a node that lost quorum does not have ten seconds
 * before another node starts the VM.
 */
#ifndef AGENTS_VM_QEMU_KILL_H
#define AGENTS_VM_QEMU_KILL_H

#include <stdbool.h>
#include <sys/types.h>

/* Where libvirt's QEMU driver keeps the PID and status files of qemu:///system. A unit test has a
 * directory of its own. */
extern const char *qemu_state_dir;

/*
 * What libvirt's PID file of that domain says: its QEMU, or libvirtd's child that is to become it.
 * The file may be an old one. A negative errno: there is none, or it cannot be read.
 */
int qemu_read_pid(const char *name, pid_t *ret_pid);

/*
 * A descriptor of that domain's QEMU; it becomes readable when the process has ended. -ENOENT:
 * there is none. Or another negative errno.
 */
int qemu_open(const char *name, const char *uuid);

/*
 * True if libvirt has recorded that the domain's migration to another node succeeded, so that only
 * the copy here remains to be ended.
 */
bool qemu_was_confirmed(const char *name, const char *uuid);

/*
 * Sends SIGKILL to the QEMU of that domain. It is found by libvirt's PID file and must have the
 * UUID in its arguments. -ENOENT: there is none. Or another negative errno.
 */
int qemu_kill(const char *name, const char *uuid);

#endif
