/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what; see ipc/access.h.
 *
 * The main loop must not wait, but a lookup of a user's groups by name may go over the network
 * (LDAP). Therefore clusterd asks the kernel: /proc lists the groups of the connected process, as
 * they count for opening a file. If that process has gone and another has its pid, the other
 * process must have the same user; then nobody gains anything.
 *
 * Group names are looked up in /etc/group at each connection: an administrator may create the group
 * while clusterd runs.
 */
#include "adapters/ipc/access.h"

#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE_BYTES 65536

bool ipc_find_group(const char *name, gid_t *ret_gid) {
    FILE *file = name[0] ? fopen("/etc/group", "re") : NULL;
    bool found = false;
    const struct group *group = NULL;
    while (file && !found && (group = fgetgrent(file))) {
        if (strcmp(group->gr_name, name) == 0) {
            *ret_gid = group->gr_gid;
            found = true;
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return found;
}

/* A line "Uid: REAL EFFECTIVE ...": the kernel gave the effective id of the connection. */
static bool same_user(const char *line, uid_t uid) {
    unsigned long real = 0, effective = 0;
    return sscanf(line, "Uid: %lu %lu", &real, &effective) == 2 && (uid_t)effective == uid;
}

static bool lists_group(const char *line, gid_t gid) {
    char *end = NULL;
    for (const char *at = line + strcspn(line, "0123456789"); *at;) {
        unsigned long id = strtoul(at, &end, 10);
        if (end == at) {
            break;
        }
        if ((gid_t)id == gid) {
            return true;
        }
        at = end;
    }
    return false;
}

static bool in_group(pid_t pid, uid_t uid, gid_t gid, gid_t wanted) {
    if (gid == wanted) {
        return true;
    }
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    char *line = file ? malloc(MAX_LINE_BYTES) : NULL;
    bool user = false, member = false;
    while (line && fgets(line, MAX_LINE_BYTES, file)) {
        if (strncmp(line, "Uid:", 4) == 0) {
            user = same_user(line, uid);
        } else if (strncmp(line, "Groups:", 7) == 0) {
            member = lists_group(line, wanted);
        }
    }
    free(line);
    if (file) {
        (void)fclose(file);
    }
    return user && member;
}

enum ipc_access ipc_access_of(const struct ipc_groups *groups, pid_t pid, uid_t uid, gid_t gid) {
    gid_t wanted = 0;
    if (uid == 0) {
        return IPC_ACCESS_CHANGE;
    }
    if (ipc_find_group(groups->admin_group, &wanted) && in_group(pid, uid, gid, wanted)) {
        return IPC_ACCESS_CHANGE;
    }
    if (ipc_find_group(groups->reader_group, &wanted) && in_group(pid, uid, gid, wanted)) {
        return IPC_ACCESS_READ;
    }
    return IPC_ACCESS_NONE;
}
