/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of corosync's configuration that clusterd needs: the nodes, the own id, and the options
 * that let a minority be quorate.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CONFIG_H
#define CLUSTERD_ADAPTERS_COROSYNC_CONFIG_H

#include "wire/command.h"

#include <stdbool.h>
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
    char addresses[WIRE_MAX_NODES][COROSYNC_MAX_ADDRESS]; /* ring0_addr, as in the file */
    uint32_t token_ms, consensus_ms; /* corosync's effective values; 0: unknown */
    uint8_t in_clear;                /* totem does not encrypt what it sends */
    uint8_t two_node, wait_for_all, last_man_standing, quorum_device;
    uint8_t reloading; /* corosync is loading another one: this is a part of each */
};

/* Whether totem encrypts with these values of corosync.conf, each "" if it is not set: the rules of
 * corosync.conf(5). */
bool corosync_config_encrypts(const char *transport, const char *secauth,
                              const char *crypto_cipher);

#define COROSYNC_RELOAD_KEYS 2u
extern const char *const corosync_reload_keys[COROSYNC_RELOAD_KEYS];

/*
 * Reads it over IPC; may block for as long as corosync is stopped. -ENOTCONN, -EAGAIN: corosync is
 * not there (yet), try again. -EPERM: somebody else has taken its place. -EINVAL: clusterd
 * cannot work with this configuration; ret_message (COROSYNC_MAX_MESSAGE bytes) says what to
 * change.
 */
int corosync_config_read(struct corosync_config *ret_config, char *ret_message);

#endif
