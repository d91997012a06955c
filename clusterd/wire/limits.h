/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes and counts: each limit once, for clusterd, clusterctl and the agents. The limits of record
 * fields are made of these.
 */
#ifndef CLUSTERD_WIRE_LIMITS_H
#define CLUSTERD_WIRE_LIMITS_H

#include <stdint.h>

#define WIRE_MAX_LIST 200000u
#define WIRE_MAX_NAME 63u   /* names of nodes, VMs, volumes, devices, settings */
#define WIRE_MAX_TEXT 1023u /* reasons and messages for people */
#define WIRE_MAX_PATH 1023u
/* A VM's definition. It shares a message with others (MESSAGE_MAX_BYTES), and travels in a client's
 * request. */
#define WIRE_MAX_XML (256u * 1024)
#define WIRE_MAX_NODES 64u
#define WIRE_MAX_PRIORITY 1000u                   /* of a VM */
#define WIRE_MAX_VMS_MAX 100000u                  /* the highest limit of a node */
#define WIRE_MAX_DOWNTIME_MS 60000u               /* of a live move; the same as of the setting */
#define WIRE_MAX_DEADLINE_MS UINT64_C(2592000000) /* of a drain: 30 days */
#define WIRE_MAX_MBPS 1000000u                    /* of a move; likewise */
#define WIRE_MAX_NETWORKS 512u                    /* bridges and libvirt networks of a node */
#define WIRE_MAX_VM_NETWORKS 64u
#define WIRE_MAX_RULE_VMS 1000u  /* named by one rule */
#define WIRE_MAX_WEIGHT 1000000u /* of a soft rule */
/* Files of one storage move. An agent gets all their paths in one environment variable, for which
 * Linux has 128 KiB. */
#define WIRE_MAX_STORAGE_FILES 60u
/* The name of a copy: while it is made, the agent appends 34 bytes, and a file system takes 255. */
#define WIRE_MAX_STORAGE_NAME (255u - 34u)
#define WIRE_MAX_CHECKPOINTS 50u /* of one VM */
/* Further resources: names in the whole cluster, and the amount of one. The same as the placement
 * engine's limits. */
#define WIRE_MAX_RESOURCES 30u
#define WIRE_MAX_AMOUNT UINT64_C(1099511627776) /* 2^40 */

#endif
