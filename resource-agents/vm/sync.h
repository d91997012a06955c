/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and names that must be on the disk before the next step. 0, or a negative errno. */
#ifndef AGENTS_VM_SYNC_H
#define AGENTS_VM_SYNC_H

int sync_file(const char *path);
/* The directory that an absolute path lies in: the names in it, as they are now. */
int sync_parent(const char *path);

#endif
