/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The facts of the IPC that clusterctl and clusterd must share.
 */
#ifndef CLUSTERD_WIRE_IPC_LIMITS_H
#define CLUSTERD_WIRE_IPC_LIMITS_H

#define CLUSTERD_IPC_SERVICE "clusterd"
#define CLUSTERD_IPC_VERSION 1
#define CLUSTERD_IPC_MAX_REQUEST (1024u * 1024)
/* The buffer size that a client asks for. The daemon keeps three rings of this size for each
 * client, in memory that counts as its own, and zeroes them while everything else waits (20 ms for
 * 8 MiB): keep it small. The status of 1500 VMs fits. */
#define CLUSTERD_IPC_MAX_RESPONSE (1024u * 1024)

#endif
