/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state that the parts of the core share. Nothing outside core/ includes this. Each part
 * declares its functions in its own header.
 */
#ifndef CLUSTERD_CORE_CORE_INTERNAL_H
#define CLUSTERD_CORE_CORE_INTERNAL_H

#include "core/answers.h"
#include "core/apply/apply.h"
#include "core/context.h"
#include "core/core.h"
#include "core/executor/executor.h"
#include "core/model/model.h"
#include "core/outbox.h"
#include "core/pending.h"
#include "core/planner/problem.h"
#include "core/policy/policy.h"
#include "core/replica/replica.h"
#include "core/policy/reserve.h"
#include "core/policy/outlook.h"
#include "core/policy/solve.h"

#include <stdbool.h>
#include <stdint.h>

/* How far the agent of a move has come, as last heard. */
struct move_progress {
    struct core_progress p;
    bool unsent; /* of an agent of this node; goes with the next heartbeat */
};

struct core {
    bool booted;
    bool replaying; /* at boot: the events of what is applied have been reported already */
    bool stopping;
    bool was_usable; /* this node has been in a usable view since clusterd started */
    uint64_t now_ms, wall_ms;
    uint64_t prompt_ms; /* the last TIMEOUT that was on time; 0: none yet */

    uint32_t self;
    uint64_t incarnation;
    char *version, *site, *rack, *migrate_uri, *libvirt_uri;
    uint64_t memory_mb, watchdog_ms;
    uint32_t cpus;
    uint32_t compact_entries;
    bool forget; /* a snapshot is due now: the log holds secrets that the model does not */

    struct model model;
    struct replica replica;
    struct policy policy;
    struct executor executor;
    struct outbox out;

    struct pending *pending; /* owned */
    uint32_t n_pending, pending_capacity;
    uint64_t last_request;
    uint32_t policy_inflight;
    struct add *adds; /* owned */
    uint32_t n_adds;

    struct reserve reserve;
    struct outlook outlook;
    struct solve_job *jobs[SOLVE_PURPOSES]; /* owned */
    struct solve_answers answers;
    uint64_t last_job;
    uint64_t solve_in_loop; /* nodes times VMs */

    struct move_progress *progress; /* owned; by VM */
    uint32_t n_progress;
    struct {
        uint32_t node;
        struct core_usage usage;
        uint32_t cpu_mean; /* sixteenths of a permille, over about the last ten reports */
    } usage[WIRE_MAX_NODES];
    uint32_t n_usage;
    uint32_t in_clear[WIRE_MAX_NODES]; /* nodes whose moves are not encrypted, as they say */
    uint32_t n_in_clear;
};

#endif
