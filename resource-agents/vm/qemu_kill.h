/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a QEMU that libvirt cannot end in time.
 *
 * To destroy a domain libvirt sends SIGTERM first and gives QEMU ten seconds to bring its disks in
 * order. On storage that hangs it never will, and a node that lost its quorum does not have ten
 * seconds before another starts the VM.
 */
#ifndef AGENTS_VM_QEMU_KILL_H
#define AGENTS_VM_QEMU_KILL_H

/*
 * Sends SIGKILL to the QEMU of that domain. It is found by libvirt's PID file and must have the
 * UUID in its arguments. -ENOENT: there is none; another negative errno.
 */
int qemu_kill(const char *name, const char *uuid);

#endif
