/* SPDX-License-Identifier: GPL-2.0-or-later */
/* checker_walk.h - the state of the checker's walk; of its own two files only. */
#pragma once

#include "checker.h"
#include "reading.h"

struct checker {
    const struct placement_problem *p;
    const struct placement_request *q;
    const struct placement_plan *plan;
    bool *asked, *moves_now;
    uint32_t *hops;      /* moves of the VM so far */
    uint32_t *at, *also; /* where each VM is, and the other end of its move */
    uint32_t *n_on;      /* VMs on each node */
    uint64_t *used;
    bool progress_ended;
    char *text;
};

extern const char *const checker_reasons[PLACEMENT_REASON_COUNT];

/* Keeps the first sentence; returns false. */
__attribute__((format(printf, 2, 3))) bool checker_wrong(struct checker *c, const char *format,
                                                         ...);
/* Where everybody ended, and who is left. */
bool checker_end_ok(struct checker *c);
bool checker_costs_ok(struct checker *c);
