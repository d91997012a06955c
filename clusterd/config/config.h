/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd.conf: the settings that differ from node to node. Anything unknown is an error that
 * names file and line: a typing error must not become a default. clusterctl also reads it, for the
 * agents' directories.
 */
#ifndef CLUSTERD_CONFIG_CONFIG_H
#define CLUSTERD_CONFIG_CONFIG_H

#include "base/log_level.h"

#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEFAULT_PATH "/etc/clusterd/clusterd.conf"
#define CONFIG_MAX_TEXT 1024

struct config {
    char state_dir[CONFIG_MAX_TEXT];
    char run_dir[CONFIG_MAX_TEXT];
    char agent_dir[CONFIG_MAX_TEXT];
    char fence_agent_dir[CONFIG_MAX_TEXT];
    char admin_group[64];
    char reader_group[64];
    char libvirt_uri[CONFIG_MAX_TEXT];
    char migrate_uri[CONFIG_MAX_TEXT]; /* exactly one %s: name of the target node */
    char watchdog[CONFIG_MAX_TEXT];    /* "": none */
    uint64_t watchdog_ms;
    uint64_t memory_mb; /* 0: not set */
    uint32_t cpus;      /* 0: not set */
    char site[64];
    char rack[64];
    enum log_target log_target;
    enum log_level log_level;
};

void config_init(struct config *config); /* all defaults */

/*
 * Reads the file over the defaults. -ENOENT: the file does not exist; the caller decides whether
 * that matters. On any error ret_message (size bytes) holds one line with file and line, and
 * *config must not be used.
 */
int config_read(struct config *config, const char *path, char *ret_message, size_t size);

/* Capacity for VMs if the file says nothing: the machine's memory less 1 GiB for the host, and its
 * online CPUs. */
void config_default_capacity(struct config *config);

#endif
