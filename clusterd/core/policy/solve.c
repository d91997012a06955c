/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that are too large for the loop; see solve.h.
 */
#include "core/policy/solve.h"

#include "base/check.h"
#include "base/hash.h"

#include "core/policy/inside.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdlib.h>

void solve_drop(struct core *c, enum solve_purpose purpose) {
    solve_job_destroy(c->jobs[purpose]);
    c->jobs[purpose] = NULL;
}

struct solve_job *solve_take_job(struct core *c, enum solve_purpose purpose) {
    struct solve_job *job = c->jobs[purpose];
    CHECK(job && job->done); /* until then it is the thread's */
    c->jobs[purpose] = NULL;
    return job;
}

void solve_finish(struct core *c) {
    for (uint32_t i = 0; i < SOLVE_PURPOSES; i++) {
        solve_drop(c, (enum solve_purpose)i);
    }
}

struct solve_job *solve_job_by_id(const struct core *c, uint64_t id) {
    for (uint32_t i = 0; i < SOLVE_PURPOSES; i++) {
        if (c->jobs[i] && c->jobs[i]->id == id) {
            return c->jobs[i];
        }
    }
    return NULL;
}

void solve_note(struct core *c, uint64_t id) {
    struct solve_job *job = solve_job_by_id(c, id);
    if (job) {
        job->done = true;
        job->done_ms = c->now_ms;
        if (job->purpose != SOLVE_OUTLOOK && job->purpose != SOLVE_ADVICE) {
            policy_wake_at(c, c->now_ms); /* the requester asks again */
        }
    }
}

const struct solve_job *solve_done(const struct core *c, enum solve_purpose purpose) {
    const struct solve_job *job = c->jobs[purpose];
    return job && job->done ? job : NULL;
}

int solve_begin(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
                const struct planner_question *question) {
    if (c->jobs[purpose]) {
        return 1;
    }
    struct solve_job *job = calloc(1, sizeof(*job));
    if (!job) {
        return -ENOMEM;
    }
    arena_init(&job->arena);
    job->id = ++c->last_job;
    job->purpose = purpose;
    job->index = c->model.index;
    job->epoch = c->model.epoch;
    job->question = *question;
    job->question.work = SOLVE_WORK;
    int err = 0;
    if (question->n_vms > 0) {
        job->question.vms =
            arena_copy(&job->arena, question->vms, question->n_vms * sizeof(*question->vms));
        err = job->question.vms ? 0 : -ENOMEM;
    }
    if (err == 0) {
        err = planner_problem_init(&job->problem, &c->model, facts, &job->arena);
    }
    if (err < 0) {
        solve_job_destroy(job);
        return err;
    }
    c->jobs[purpose] = job;
    struct core_action *action = outbox_add(&c->out, CORE_ACTION_SOLVE);
    action->solve.id = job->id;
    action->solve.job = job;
    return 0;
}

/* ---- answers that have been given ---- */

static uint64_t digest_of(enum solve_purpose purpose, const struct planner_question *q) {
    uint64_t digest = fnv64_u64(fnv64_u64(FNV64_START, purpose), q->kind);
    digest = fnv64_u64(fnv64_u64(digest, q->node), q->may_move_others);
    return fnv64(digest, q->vms, q->n_vms * sizeof(*q->vms));
}

/* And will be asked again: each pass of the policy begins without a time to wake up. */
static bool is_answered(struct core *c, uint64_t question) {
    const struct solve_answers *a = &c->answers;
    bool found = false;
    for (uint32_t i = 0; a->index == c->model.index && a->epoch == c->model.epoch && i < a->n;
         i++) {
        if (a->v[i].question == question && c->now_ms < a->v[i].until_ms) {
            policy_wake_at(c, a->v[i].until_ms);
            found = true;
        }
    }
    return found;
}

static void note_answered(struct core *c, uint64_t question) {
    struct solve_answers *a = &c->answers;
    uint32_t i = 0;
    if (a->index != c->model.index || a->epoch != c->model.epoch) {
        *a = (struct solve_answers){.index = c->model.index, .epoch = c->model.epoch};
    }
    while (i < a->n && a->v[i].question != question && c->now_ms < a->v[i].until_ms) {
        i++;
    }
    if (i < SOLVE_ANSWERS) {
        a->v[i].question = question;
        a->v[i].until_ms = c->now_ms + TIMEOUT_ANSWER_MS;
        a->n = i == a->n ? i + 1 : a->n;
    }
    policy_wake_at(c, c->now_ms + TIMEOUT_ANSWER_MS);
}

/* The answer of a job, as far as it can still be carried out. */
static int take(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
                struct planner_plan *ret_plan) {
    const struct solve_job *job = c->jobs[purpose];
    bool older = job->index != c->model.index || job->epoch != c->model.epoch;
    uint32_t dropped = 0;
    int err = job->error;
    if (err == 0) {
        err = planner_verify(&c->model, facts, &job->plan, &c->out.arena, ret_plan, &dropped);
    }
    /* VMs that had no place when the job was asked, or waited for room, may have it now. */
    bool later = err == 0 && (ret_plan->n_unplaced > 0 || ret_plan->n < job->plan.n);
    if (!older) {
        note_answered(c, digest_of(purpose, &job->question));
    } else if (err == 0 && (dropped > 0 || later)) {
        policy_wake_at(c, c->now_ms);
    }
    solve_drop(c, purpose);
    return err;
}

bool solve_takes_long(const struct core *c) {
    return (uint64_t)c->model.nodes.n * c->model.vms.n > c->solve_in_loop;
}

int solve_ask(struct core *c, enum solve_purpose purpose, const struct planner_facts *facts,
              const struct planner_question *question, struct planner_plan *ret_plan) {
    const struct solve_job *job = c->jobs[purpose];
    bool other = job && (job->question.node != question->node || job->epoch != c->model.epoch);
    if ((!job || other) && is_answered(c, digest_of(purpose, question))) {
        return 1;
    }
    if (!solve_takes_long(c) && !job) {
        struct planner_problem problem;
        int err = planner_problem_init(&problem, &c->model, facts, &c->out.arena);
        err = err < 0 ? err : planner_solve(&problem, question, ret_plan);
        if (err < 0 || ret_plan->n_unplaced == 0 || ret_plan->proven) {
            return err;
        }
    }
    if (job && job->done && other) {
        /* Whoever asked for it, does so again when it is done, or not any more. */
        uint64_t until = job->done_ms + TIMEOUT_STEP_MS;
        if (job->epoch == c->model.epoch && c->now_ms < until) {
            policy_wake_at(c, until);
            return 1;
        }
        solve_drop(c, purpose);
        job = NULL;
    }
    if (job && job->done) {
        return take(c, purpose, facts, ret_plan);
    }
    int err = solve_begin(c, purpose, facts, question);
    return err < 0 ? err : 1;
}
