/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What clusterd needs of corosync's configuration: the nodes, who we are, and which options let a
 * small view be quorate.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CONFIG_H
#define CLUSTERD_ADAPTERS_COROSYNC_CONFIG_H

#include "wire/command.h"

#include <stddef.h>
#include <stdint.h>

#define COROSYNC_MAX_MESSAGE 512
#define COROSYNC_MAX_ADDRESS 256

struct corosync_config {
    char cluster_name[WIRE_MAX_NAME + 1];
    uint32_t node; /* own id */
    uint32_t n_nodes;
    struct view_node nodes[WIRE_MAX_NODES]; /* ascending id; names point into `names` */
    char names[WIRE_MAX_NODES][WIRE_MAX_NAME + 1];
    char addresses[WIRE_MAX_NODES][COROSYNC_MAX_ADDRESS]; /* ring0_addr, as the file has them */
    uint32_t token_ms, consensus_ms; /* as corosync uses them now; 0: it does not say */
    uint8_t two_node, wait_for_all, last_man_standing, quorum_device;
};

/*
 * Reads it over IPC. -ENOTCONN, -EAGAIN: corosync is not there (yet), try again. -EINVAL: it is
 * there, and cannot work with clusterd; ret_message (COROSYNC_MAX_MESSAGE bytes) says what to
 * change.
 */
int corosync_config_read(struct corosync_config *ret_config, char *ret_message);

#endif
