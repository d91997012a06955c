/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cluster-wide settings: what `clusterctl config` lists, with their defaults and limits. The table
 * is the only place that knows them; values live in the model once they have been changed.
 */
#ifndef CLUSTERD_CORE_MODEL_SETTINGS_H
#define CLUSTERD_CORE_MODEL_SETTINGS_H

#include "core/model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct setting {
    const char *key;
    uint64_t initial, min, max;
    const char *unit; /* "ms", "", ...; of a named choice its words, from `min` on: "off|auto" */
    const char *help; /* one line */
};

/* clang-format off */
#define SETTINGS(X)                                                                                \
    X(self_fence_ms,          10000, 7000, 600000, "ms",                                           \
      "a node without quorum runs no VM after this; how long others wait for its watchdog")        \
    X(fence_timeout_ms,       60000, 1000, 600000, "ms", "deadline of one call of a fence agent")  \
    X(fence_retry_ms,         2000,  100,  600000, "ms", "first pause after a failed fencing; it doubles each time") \
    X(fence_retry_max_ms,     60000, 100,  3600000, "ms", "longest pause between attempts to fence") \
    X(start_timeout_ms,       60000, 1000, 3600000, "ms", "deadline of a VM's start")              \
    X(stop_grace_ms,          90000, 0,    3600000, "ms", "time that a guest gets to shut down before it is destroyed") \
    X(migrate_timeout_ms,     3600000, 1000, 86400000, "ms", "deadline of a live migration")       \
    X(save_timeout_ms,        600000, 1000, 86400000, "ms", "deadline of saving or restoring a VM") \
    X(probe_timeout_ms,       30000, 1000, 600000, "ms", "deadline for libvirt to say what runs")  \
    X(max_downtime_ms,        300,   1,    60000, "ms", "blackout that a live migration aims at")  \
    X(migrate_bandwidth_mbps, 0,     0,    1000000, "Mbit/s", "per migration; 0: no limit")         \
    X(migrations_per_node,    2,     1,    64, "", "moves at the same time that a node takes part in") \
    X(starts_per_node,        8,     1,    1000, "", "VMs that a node starts at the same time")    \
    X(restart_limit,          3,     0,    100, "", "failures of a VM on a node within restart_period_ms before it goes elsewhere") \
    X(restart_period_ms,      600000, 1000, 86400000, "ms", "see restart_limit")                   \
    X(start_retry_ms,         10000, 1000, 3600000, "ms", "first pause after a VM has failed to start on every node; it doubles each time") \
    X(start_retry_max_ms,     300000, 1000, 86400000, "ms", "longest pause between such attempts to start a VM") \
    X(startup_wait_ms,        15000, 0,    600000, "ms", "after a start of the whole cluster: time for missing nodes to come before they are fenced") \
    X(drain_allow_quick,      1,     0,    1, "", "a drain may move a VM quickly when it cannot be moved live") \
    X(cpu_overcommit_percent, 400,   100,  10000, "%", "vcpus that may be placed on the cpus of a node") \
    X(failover_may_move,      1,     0,    1, "", "VMs that find no place may have others moved live out of their way") \
    X(drain_may_move,         0,     0,    1, "", "VMs that a drain finds no place for may have others moved live out of their way") \
    X(balance,                0,     0,    2, "off|advise|auto", "whether VMs are moved live off nodes that are too full or too busy") \
    X(balance_threshold_percent, 80, 10,   100, "%", "share of a node's memory and of its cpu that may be in use before balance acts") \
    X(balance_pause_s,        60,    0,    86400, "s", "so long the cluster must have been calm before balance moves one VM") \
    X(reserve_nodes,          0,     0,    8, "", "so many nodes, any of them, can be lost, and all VMs run again: warn when not; 0: do not ask") \
    X(balance_stay_s,         3600,  0,    2592000, "s", "so long a VM stays where a person, or balance, has moved it") \
    X(state_check,            0,     0,    1, "leave|report", "a node whose copy of the cluster's state differs leaves the cluster, or status only says so")

/* Those that came after the lowest version of the protocol that is still spoken, and with which. */
#define SETTINGS_SINCE(X) \
    X(state_check, 5)
/* clang-format on */

enum setting_id {
#define X(key, initial, min, max, unit, help) SETTING_##key,
    SETTINGS(X)
#undef X
        SETTING_COUNT
};

extern const struct setting settings[SETTING_COUNT];

uint64_t setting_get(const struct model *m, enum setting_id id);
/* -1: no such key */
int setting_find(const char *key);
/* 0 and the number, or -EINVAL (not a number, not one of the words), -ERANGE. */
int setting_parse(enum setting_id id, const char *text, uint64_t *ret_value);
/* Whether its values have names. */
bool setting_is_named(enum setting_id id);
/* The value as it is written: fills and returns `text`. */
#define SETTING_TEXT 24u
const char *setting_text(enum setting_id id, uint64_t value, char text[SETTING_TEXT]);

/* The version of the protocol that it came with. */
uint32_t setting_since(enum setting_id id);

enum state_check { STATE_CHECK_LEAVE = 0, STATE_CHECK_REPORT };
enum balance { BALANCE_OFF = 0, BALANCE_ADVISE, BALANCE_AUTO };

#endif
