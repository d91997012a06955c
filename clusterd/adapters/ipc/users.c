/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users with connections. See ipc/users.h. */
#include "adapters/ipc/users.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define CLIENTS_MOST 500u
#define SHARE_OF_ROOT 10u /* this part of all is for root alone */
#define SHARE_OF_USER 5u  /* one user may have this part, root all */
#define UNSENT_MOST ((size_t)64 << 20)
#define HALF_MOST ((size_t)16 << 20)

void ipc_users_init(struct ipc_users *users) {
    struct rlimit files;
    *users = (struct ipc_users){.clients_most = CLIENTS_MOST};
    list_init(&users->list);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < CLIENTS_MOST) {
        users->clients_most = (uint32_t)(files.rlim_cur / 2);
    }
}

static struct ipc_user *find(const struct ipc_users *users, uid_t uid) {
    for (const struct list *at = users->list.next; at != &users->list; at = at->next) {
        struct ipc_user *user = list_entry((uintptr_t)at, struct ipc_user, link);
        if (user->uid == uid) {
            return user;
        }
    }
    return NULL;
}

/* getpwuid() would ask directory services, too, which may take their time: the loop must not wait
 * for them. */
static void find_name(struct ipc_user *user) {
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd entry, *found = NULL;
    char text[1024];
    while (file && fgetpwent_r(file, &entry, text, sizeof(text), &found) == 0) {
        if (entry.pw_uid == user->uid) {
            (void)snprintf(user->name, sizeof(user->name), "%s", entry.pw_name);
            break;
        }
    }
    if (file) {
        (void)fclose(file);
    }
}

bool ipc_users_full(const struct ipc_users *users, uid_t uid) {
    const struct ipc_user *user = find(users, uid);
    if (uid == 0) {
        return users->n_clients >= users->clients_most;
    }
    return users->n_clients >= users->clients_most - users->clients_most / SHARE_OF_ROOT ||
           (user && user->n_clients >= users->clients_most / SHARE_OF_USER);
}

struct ipc_user *ipc_users_enter(struct ipc_users *users, uid_t uid) {
    struct ipc_user *user = find(users, uid);
    if (!user) {
        user = calloc(1, sizeof(*user));
        if (!user) {
            return NULL;
        }
        user->uid = uid;
        find_name(user);
        stream_budget_init(&user->budget, UNSENT_MOST, HALF_MOST);
        list_append(&users->list, &user->link);
    }
    user->n_clients++;
    users->n_clients++;
    return user;
}

void ipc_users_leave(struct ipc_users *users, struct ipc_user *user) {
    users->n_clients--;
    if (--user->n_clients == 0) {
        list_remove(&user->link);
        free(user);
    }
}
