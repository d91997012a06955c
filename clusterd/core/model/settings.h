/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cluster-wide settings, as `clusterctl config list` shows them. This table is the only place that
 * holds their defaults, limits and texts. The model holds the values that have been changed.
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
    const char *unit; /* "ms", "", ...; for a named choice the words, from `min` on: "off|auto";
                         "hours": of the day, "22-6" is the value 2206 */
    const char *help; /* one line */
};

/* clang-format off */
#define SETTINGS(X)                                                                                \
    X(self_fence_ms,          10000, 7000, 600000, "ms",                                           \
      "a node without quorum runs no VM after this time; the others wait as long for its watchdog") \
    X(fence_timeout_ms,       60000, 1000, 600000, "ms", "deadline for one call of a fence agent") \
    X(fence_retry_ms,         2000,  100,  600000, "ms", "first pause after a failed fencing; doubles each time") \
    X(fence_retry_max_ms,     60000, 100,  3600000, "ms", "longest pause between attempts to fence a node") \
    X(start_timeout_ms,       60000, 1000, 3600000, "ms", "deadline for the start of a VM")        \
    X(stop_grace_ms,          90000, 0,    3600000, "ms", "time that a guest has to shut down before it is powered off") \
    X(migrate_timeout_ms,     3600000, 1000, 86400000, "ms", "deadline for a live migration")      \
    X(save_timeout_ms,        600000, 1000, 86400000, "ms", "deadline for saving a VM, and for restoring it") \
    X(storage_timeout_ms,     86400000, 60000, 2592000000, "ms", "deadline for copying the files of a VM") \
    X(probe_timeout_ms,       30000, 1000, 600000, "ms", "deadline for libvirt to report what is running") \
    X(max_downtime_ms,        300,   1,    60000, "ms", "longest blackout of a live migration") \
    X(migrate_bandwidth_mbps, 0,     0,    1000000, "Mbit/s", "bandwidth of each migration; 0: no limit") \
    X(migrations_per_node,    2,     1,    64, "", "moves that a node takes part in at the same time") \
    X(starts_per_node,        8,     1,    1000, "", "VMs that a node starts at the same time")    \
    X(restart_limit,          3,     0,    100, "", "failures on a node within restart_period_ms before a VM is started elsewhere") \
    X(restart_period_ms,      600000, 1000, 86400000, "ms", "see restart_limit")                   \
    X(start_retry_ms,         10000, 1000, 3600000, "ms", "first pause after a VM has failed to start on every node; doubles each time") \
    X(start_retry_max_ms,     300000, 1000, 86400000, "ms", "longest pause between such attempts") \
    X(startup_wait_ms,        15000, 0,    600000, "ms", "time for missing nodes to appear, after the whole cluster has started, before they are fenced") \
    X(drain_allow_quick,      1,     0,    1, "", "1: a drain may quick-move a VM that cannot be moved live") \
    X(cpu_overcommit_percent, 400,   100,  10000, "%", "virtual CPUs that may be placed on a node, in percent of its CPUs") \
    X(failover_may_move,      1,     0,    1, "", "1: others may be moved live to make room for VMs that must start") \
    X(drain_may_move,         0,     0,    1, "", "1: others may be moved live to make room for VMs of a drained node") \
    X(balance,                0,     0,    2, "off|advise|auto", "whether VMs are moved live off nodes that are too full or too busy") \
    X(balance_threshold_percent, 80, 10,   100, "%", "use of a node's memory or CPU above which balance acts") \
    X(balance_pause_s,        60,    0,    86400, "s", "minimum quiet time before balance moves a VM") \
    X(reserve_nodes,          0,     0,    8, "", "warn if VMs could not all be restarted after losing this many nodes; 0: off") \
    X(balance_stay_s,         3600,  0,    2592000, "s", "minimum time a VM stays after a manual or balance move") \
    X(state_check,            0,     0,    1, "leave|report",                                       \
      "whether a node leaves the cluster when its copy of the state differs, or status only reports it") \
    X(if_not_converging,      0,     0,    1, "abort|suspend", "what follows if a guest dirties its memory too fast for a live move") \
    X(vm_history,             1,     0,    1, "", "1: it is recorded where each VM runs, and why it moved") \
    X(failback_hours,         24,    0,    2424, "hours", "hours (UTC) in which VMs return after resume --failback policy")

/* Settings newer than the lowest protocol version still spoken, each with its version. */
#define SETTINGS_SINCE(X) \
    X(state_check, 5) \
    X(storage_timeout_ms, 5) \
    X(if_not_converging, 5) \
    X(vm_history, 5) \
    X(failback_hours, 5)
/* clang-format on */

enum setting_id {
#define X(key, initial, min, max, unit, help) SETTING_##key,
    SETTINGS(X)
#undef X
        SETTING_COUNT
};

extern const struct setting settings[SETTING_COUNT];

uint64_t setting_get(const struct model *m, enum setting_id id);
/* Whether the history of VMs is recorded; see apply/stay.c. */
bool setting_records_history(const struct model *m);
/* -1: no such key */
int setting_find(const char *key);
/* 0; -EINVAL: neither a number nor one of the words; -ERANGE. */
int setting_parse(enum setting_id id, const char *text, uint64_t *ret_value);
/* From that wall clock on: how long it is until hours of this value; 0: it is one of them. */
uint64_t setting_hours_wait_ms(uint64_t hours, uint64_t wall_ms);
bool setting_is_hours(enum setting_id id);
/* Whether its values have names. */
bool setting_is_named(enum setting_id id);
/* Formats the value for people: fills and returns `text`. */
#define SETTING_TEXT 24u
const char *setting_text(enum setting_id id, uint64_t value, char text[SETTING_TEXT]);

/* The protocol version that introduced it. */
uint32_t setting_since(enum setting_id id);

enum state_check { STATE_CHECK_LEAVE = 0, STATE_CHECK_REPORT };
enum balance { BALANCE_OFF = 0, BALANCE_ADVISE, BALANCE_AUTO };

#endif
