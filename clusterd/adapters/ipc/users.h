/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The users with connections, and what each may have of what all share. Nobody can take the
 * connections of others away, and least of all those of root.
 */
#ifndef CLUSTERD_ADAPTERS_IPC_USERS_H
#define CLUSTERD_ADAPTERS_IPC_USERS_H

#include "adapters/ipc/stream.h"
#include "base/list.h"
#include "wire/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ipc_user {
    struct list link;
    uid_t uid;
    char name[WIRE_MAX_NAME + 1]; /* in /etc/passwd of this node; "": it is not there */
    uint32_t n_clients;
    uint64_t turn; /* of its last read that was answered; see ipc/reads.h */
    struct stream_budget budget;
};

struct ipc_users {
    struct list list;
    uint32_t n_clients, clients_most;
};

/* The limits fit what the process may open: fencing and agents always have descriptors left. */
void ipc_users_init(struct ipc_users *users);
bool ipc_users_full(const struct ipc_users *users, uid_t uid);
/* One client more. The user lives until ipc_users_leave() of its last client; NULL: no memory. */
struct ipc_user *ipc_users_enter(struct ipc_users *users, uid_t uid);
void ipc_users_leave(struct ipc_users *users, struct ipc_user *user);

#endif
