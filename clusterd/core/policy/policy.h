/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy: what the coordinator orders. It compares what should be with what is, and proposes
 * commands that close the gap. When they have been applied it looks again. It remembers nothing
 * that a new coordinator would need, except since when it has been waiting for something.
 */
#ifndef CLUSTERD_CORE_POLICY_POLICY_H
#define CLUSTERD_CORE_POLICY_POLICY_H

#include "core/model/model.h"

#include <stdbool.h>
#include <stdint.h>

struct core;

struct policy_wait { /* since when a node is in its present state, by this node's clock */
    uint32_t node;
    uint64_t lost_index; /* which loss of the node that is */
    uint64_t since_ms;
    uint64_t held_serial;   /* the last change of a VM that may run there, ... */
    uint64_t held_since_ms; /* ... and since when: the watchdog's time counts from here */
    uint32_t attempts;      /* the pause after this many failed attempts... */
    uint64_t next_fence_ms; /* ...ends here */
};

/* Rate limit for resolve steps: a step is not repeated for the same VM before next_ms. A VM has its
 * place in one of the rows, by its id; there the oldest entry is reused. So hundreds of VMs can be
 * in trouble at once, and one look costs the same. */
#define POLICY_PACE_ROWS 64u
#define POLICY_PACES 8u
#define PACE_LEFTOVER 1000u
struct policy_pace {
    uint32_t vm, node; /* 0: none */
    uint32_t kind;     /* enum order_kind, or PACE_LEFTOVER */
    uint64_t next_ms, pause_ms;
};

struct policy {
    uint64_t epoch;      /* of the view it works in */
    uint64_t seen_index; /* of the model at the last pass */
    uint64_t wakeup_ms;
    uint64_t view_since_ms;
    uint64_t fence_from_ms; /* after a cold start: not before */
    struct policy_wait waits[WIRE_MAX_NODES];
    uint32_t n_waits;
    struct policy_pace paces[POLICY_PACE_ROWS][POLICY_PACES];
    uint64_t calm_since_ms; /* since when nothing is in progress, for balance */
    uint32_t budget;        /* commands left in this pass */
};

/* One pass, if there is anything new. Only on the coordinator of a usable view. */
int policy_run(struct core *c);
/* Look again at that time, at the latest. */
void policy_wake_at(struct core *c, uint64_t when_ms);

#endif
