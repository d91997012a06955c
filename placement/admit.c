/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "search.h"

#include <errno.h>

int placement_admit(struct placement_solver *s, const struct placement_problem *problem,
                    const struct placement_admit_request *request,
                    const struct placement_admission **ret_admission) {
    (void)s, (void)problem, (void)request, (void)ret_admission;
    return -ENOTSUP;
}
int placement_admit_witness(struct placement_solver *s, const struct placement_set *lost,
                            const struct placement_plan **ret_plan) {
    (void)s, (void)lost, (void)ret_plan;
    return -ENOENT;
}

void placement_admission_finish(struct placement_solver *s) {
    (void)s;
}
