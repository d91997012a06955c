/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both ends of the IPC between clusterctl and clusterd must agree on.
 */
#ifndef CLUSTERD_WIRE_IPC_LIMITS_H
#define CLUSTERD_WIRE_IPC_LIMITS_H

#define CLUSTERD_IPC_SERVICE "clusterd"
#define CLUSTERD_IPC_VERSION 1
#define CLUSTERD_IPC_MAX_REQUEST (1024u * 1024)
/* The size that a client asks for when it connects. The daemon holds three rings of it for each
 * client, in memory that counts as its own, and fills them with zeros while everything else waits
 * (20 ms for 8 MiB): so it is small. It is room for the status of 1500 VMs. */
#define CLUSTERD_IPC_MAX_RESPONSE (1024u * 1024)

#endif
