/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that are too large for the loop.
 *
 *     policy ── solve_ask() ──┬─► small, and not hard: answered at once
 *                             └─► else: a job with a copy of all that is asked about
 *                                   │ CORE_ACTION_SOLVE      a thread of the driver's:
 * solve_job_run() ▼ CORE_EVENT_SOLVED ──► solve_ask() gives the answer next time
 *
 * A job is the core's. From the action until the event that names it only the one who runs it
 * touches it; if that never comes (clusterd ends), it goes with the core, which is destroyed only
 * when nobody runs it any more.
 *
 * The model goes on meanwhile. So an answer is held against it when it comes: every choice that can
 * be carried out now is put to the solver once more, that one node being its only one, and those
 * for which there is no room any more are dropped and asked about again.
 */
#ifndef CLUSTERD_CORE_POLICY_SOLVE_H
#define CLUSTERD_CORE_POLICY_SOLVE_H

#include "core/core.h"
#include "core/planner/planner.h"

#include <stdbool.h>
#include <stdint.h>

struct core;

/* Nodes times VMs; beyond it a question is a job. Measured (2 cores, shared, release build): of 64
 * nodes and 6,000 VMs, four times as many, the problem is made in 15 ms and answered in 1 ms when
 * there is room, in PLANNER_WORK more when there is not; so half of 50 ms is not reached. */
#define SOLVE_IN_LOOP PLANNER_LARGE
/* Of a job. Also what a small question gets when the loop's answer leaves VMs without a place and
 * is not proven to be the best: half a second, in which nothing is placed. */
#define SOLVE_WORK 4000000u

enum solve_purpose {
    SOLVE_STARTS,
    SOLVE_DRAIN,
    SOLVE_BALANCE,
    SOLVE_RESERVE,
    SOLVE_OUTLOOK,
    SOLVE_ADVICE,
    SOLVE_PURPOSES
};

struct solve_job {
    uint64_t id;
    enum solve_purpose purpose;
    struct arena arena;
    struct planner_problem problem;
    struct planner_question question;
    uint64_t index, epoch; /* of the model that was asked about */
    bool done;
    /* the answer */
    int error;
    struct planner_plan plan;
    struct planner_reserve reserve;
};

/* 0: here is the answer. 1: it is being sought, ask again. Negative: -ENOMEM, ...
 * One question of each purpose at a time: a DRAIN of another node waits. */
int solve_ask(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
              const struct planner_question *question, struct planner_plan *ret_plan);
bool solve_takes_long(const struct core *c);
/* A job in any case. 0, or 1: one of that purpose is under way. */
int solve_begin(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
                const struct planner_question *question);
/* The job of that purpose, if it has been done: then the caller drops it. NULL: there is none. */
const struct solve_job *solve_done(const struct core *c, enum solve_purpose purpose);
void solve_drop(struct core *c, enum solve_purpose purpose);
/* The same job, the caller's from now on. */
struct solve_job *solve_take_job(struct core *c, enum solve_purpose purpose);
void solve_job_destroy(struct solve_job *job); /* NULL is fine */
/* CORE_EVENT_SOLVED. */
void solve_note(struct core *c, uint64_t id);
struct solve_job *solve_job_by_id(const struct core *c, uint64_t id);
void solve_finish(struct core *c);

#endif
