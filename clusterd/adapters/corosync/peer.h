/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who answers at corosync's names.
 *
 * They are abstract sockets: while corosync is down, any local user can take them, and libqb acts
 * on what the other side says before its caller can ask who that is. So the name is tried first,
 * with a plain connection that nothing is read from. What remains is a name that changes hands in
 * the microseconds between the two connections: only the end of corosync makes that possible.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_PEER_H
#define CLUSTERD_ADAPTERS_COROSYNC_PEER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Before libqb connects to `service` ("cmap", ...). -EPERM: somebody else answers; ret_message says
 * who and what to do. -ENOTCONN: nobody does. `root` is 0 but in tests. Does not wait.
 */
int corosync_peer_check(const char *service, uid_t root, char *ret_message, size_t size);
/* The same of a connection that libqb has made; 0 if the kernel does not know who that is. */
int corosync_peer_check_fd(int fd, const char *service, uid_t root, char *ret_message, size_t size);

#endif
