/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checker.h - is this plan what placement.h promises? The plan is walked step by step with plain
 * counting; the first thing wrong is said in a sentence. It stands on reading.h and shares no line
 * with the library.
 */
#pragma once

#include "placement/placement.h"

#define CHECKER_TEXT_MAX 256u

enum checker_extent {
    CHECKER_ALL,
    CHECKER_NO_COSTS, /* a witness of an admission: its figures are not promised */
};

/* true: nothing wrong. Else a sentence in ret_text. */
bool checker_plan_ok(const struct placement_problem *problem,
                     const struct placement_request *request, const struct placement_plan *plan,
                     enum checker_extent extent, char ret_text[CHECKER_TEXT_MAX]);
