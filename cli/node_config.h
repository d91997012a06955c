/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd.conf of this node, as clusterd reads it: clusterctl runs the same agents.
 */
#ifndef CLI_NODE_CONFIG_H
#define CLI_NODE_CONFIG_H

#include "cli.h"
#include "config/config.h"

/* The path: $CLUSTERD_CONFIG, or where clusterd looks for it. */
const char *node_config_path(void);

/* Reads it, with defaults for missing values; all defaults if there is no file, or this user may
 * not read it. CLI_DONE or reported. `command` is for the message. */
int node_config_read(struct cli *cli, const char *command, struct config *ret_config);

/* The directory of clusterd's sockets: $CLUSTERD_RUN_DIR, or run_dir of clusterd.conf, as far as
 * that can be read. Returns `ret_path`. */
const char *node_run_dir(char ret_path[CONFIG_MAX_TEXT]);

#define NODE_URI_MAX (CONFIG_MAX_TEXT + 256)
/* libvirt on a node, as the nodes reach each other (migrate_uri). NULL: --node, or this node.
 * CLI_DONE or reported. */
int node_config_uri(struct cli *cli, const char *command, const char *node,
                    char ret_uri[NODE_URI_MAX]);

#endif
