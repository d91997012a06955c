/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words.h - the words of clusterd-cluster.json(5) for the enumerations of placement.h, as the
 * initialisers of a table: clusterd writes them (ipc/export.c), clusterctl reads them
 * (cli/cluster_*.c), and each makes its own table of them.
 */
#pragma once

#include "placement/placement.h"

/* clang-format off */
#define PLACEMENT_WORDS_OF_STATES                     \
    [PLACEMENT_NODE_ACCEPTS] = "online",              \
    [PLACEMENT_NODE_JOINING] = "joining",             \
    [PLACEMENT_NODE_DRAINING] = "draining",           \
    [PLACEMENT_NODE_DRAINED] = "drained",             \
    [PLACEMENT_NODE_LOST] = "lost",                   \
    [PLACEMENT_NODE_FENCING] = "fencing",             \
    [PLACEMENT_NODE_FENCED] = "fenced",               \
    [PLACEMENT_NODE_OFFLINE] = "offline",             \
    [PLACEMENT_NODE_NO_HYPERVISOR] = "no-hypervisor", \
    [PLACEMENT_NODE_NO_WATCHDOG] = "no-watchdog"

#define PLACEMENT_WORDS_OF_MOBILITIES  \
    [PLACEMENT_MOVABLE_LIVE] = "live", \
    [PLACEMENT_MOVABLE_COLD] = "cold", \
    [PLACEMENT_FIXED] = "fixed"

/* Without parts: a rule of clusterd's model has none. */
#define PLACEMENT_WORDS_OF_SCOPES \
    [PLACEMENT_NODE] = "node",    \
    [PLACEMENT_RACK] = "rack",    \
    [PLACEMENT_SITE] = "site"
/* clang-format on */
