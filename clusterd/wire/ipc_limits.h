/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limits of the IPC that clusterctl and clusterd must share: bytes of a message, without its
 * NUL.
 */
#ifndef CLUSTERD_WIRE_IPC_LIMITS_H
#define CLUSTERD_WIRE_IPC_LIMITS_H

#define CLUSTERD_IPC_MAX_REQUEST (1024u * 1024)
#define CLUSTERD_IPC_MAX_REPLY (64u * 1024 * 1024)
#define CLUSTERD_IPC_MAX_READ (16u * 1024) /* a request of a reader: it has some names at most */

#endif
