/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a job, in any thread; see solve.h. It knows the job and nothing of the core.
 */
#include "core/policy/solve.h"

#include <stdlib.h>

void solve_job_run(struct solve_job *job) {
    job->error = job->purpose == SOLVE_RESERVE
                     ? planner_admit(&job->problem, &job->question, &job->reserve)
                     : planner_solve(&job->problem, &job->question, &job->plan);
}

void solve_job_destroy(struct solve_job *job) {
    if (job) {
        arena_finish(&job->arena);
        free(job);
    }
}
