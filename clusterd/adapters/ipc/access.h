/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access rights: root and the members of one group may change, the members of a second group may
 * read.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_ACCESS_H
#define CLUSTERD_ADAPTERS_IPC_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

enum ipc_access { IPC_ACCESS_NONE = 0, IPC_ACCESS_READ, IPC_ACCESS_CHANGE };

struct ipc_groups {
    const char *admin_group; /* names; a group need not exist */
    const char *reader_group;
};

/* Looks in /etc/group, at each call: a group may be made while clusterd runs. */
bool ipc_find_group(const char *name, gid_t *ret_gid);

/* The kernel's pid, uid and gid of the connection. Never waits. */
enum ipc_access ipc_access_of(const struct ipc_groups *groups, pid_t pid, uid_t uid, gid_t gid);

#endif
