/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do the locks of a file system end with their file? QEMU depends on it: it locks its images, opens
 * them anew for a block job and closes the former file. Where a lock is still there then, as on
 * FUSE file systems that hand locks on (their server learns of the close later), QEMU 7.2 takes it
 * for another process's and aborts. Seen with bindfs --enable-lock-forwarding 1.14.7.
 */
#ifndef AGENTS_VM_FILE_LOCKS_H
#define AGENTS_VM_FILE_LOCKS_H

/* Tries it on the file, with a byte that QEMU does not use. 1, 0, or a negative errno. */
int file_locks_end_with_close(const char *path);

#endif
