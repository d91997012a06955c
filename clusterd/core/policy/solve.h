/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that are too large for the event loop.
 *
 *     policy ── solve_ask() ──┬─► small and easy: answered at once
 *                             └─► else: a job, with a copy of everything the question is about
 *                                   │ CORE_ACTION_SOLVE
 *                                   ▼
 *                                solve_job_run()   in a thread of the driver
 *                                   │ CORE_EVENT_SOLVED
 *                                   ▼
 *                                solve_ask() returns the answer when it is called again
 *
 * A job belongs to the core. From the action until the event that names the job, only its runner
 * touches it. If that event never comes because clusterd ends, the job is freed with the core,
 * which is destroyed only when nobody runs the job any more.
 *
 * The model changes meanwhile, so an answer is checked against the present model when it comes.
 * All choices are put to the solver once more, each VM with its node as the only candidate. Choices
 * that no longer fit are dropped and asked about again.
 *
 * An answer about the present model is given once: whoever could do nothing with it would get the
 * same again, and the solver would never rest. The question is asked anew when the model has
 * changed, or after TIMEOUT_ANSWER_MS.
 */
#ifndef CLUSTERD_CORE_POLICY_SOLVE_H
#define CLUSTERD_CORE_POLICY_SOLVE_H

#include "core/core.h"
#include "core/planner/planner.h"

#include <stdbool.h>
#include <stdint.h>

struct core;

/* Nodes times VMs above which a question becomes a job. Measured (2 cores, shared, release build)
 * with 64 nodes and 6,000 VMs, four times this size: building the problem takes 15 ms; the answer
 * takes 1 ms if there is room, and PLANNER_WORK more if there is not. That stays below half of 50
 * ms. */
#define SOLVE_IN_LOOP PLANNER_LARGE
/* Work allowed for a job. A small question gets it too, if the loop's answer leaves VMs without a
 * place and is not proven best: half a second in which nothing is placed. */
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
    uint64_t index, epoch; /* of the model that the question was about */
    bool done;
    uint64_t done_ms;
    /* the answer */
    int error;
    struct planner_plan plan;
    struct planner_reserve reserve;
};

/* Questions that jobs have answered about the model of that index. Nodes can be drained at the same
 * time, one question each. */
#define SOLVE_ANSWERS (WIRE_MAX_NODES + SOLVE_PURPOSES)
struct solve_answers {
    uint64_t index, epoch;
    uint32_t n;
    struct {
        uint64_t question; /* digest */
        uint64_t until_ms;
    } v[SOLVE_ANSWERS];
};

/* Returns 0: here is the answer. 1: it is being computed, or has been given already; ask again.
 * Negative: -ENOMEM, ... One question per purpose at a time: a DRAIN of another node waits. */
int solve_ask(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
              const struct planner_question *question, struct planner_plan *ret_plan);
bool solve_takes_long(const struct core *c);
/* Always starts a job. Returns 0, or 1: a job for that purpose is running already. */
int solve_begin(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
                const struct planner_question *question);
/* The finished job for that purpose, which the caller then drops. NULL: there is none. */
const struct solve_job *solve_done(const struct core *c, enum solve_purpose purpose);
void solve_drop(struct core *c, enum solve_purpose purpose);
/* The same job, but the caller owns it now. */
struct solve_job *solve_take_job(struct core *c, enum solve_purpose purpose);
void solve_job_destroy(struct solve_job *job); /* NULL is fine */
/* CORE_EVENT_SOLVED. */
void solve_note(struct core *c, uint64_t id);
struct solve_job *solve_job_by_id(const struct core *c, uint64_t id);
void solve_finish(struct core *c);

#endif
