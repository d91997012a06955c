/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `clusterctl plan --admit K`: see plan/solve.h.
 */
#include "output/print.h"
#include "plan/solve.h"

#include "output/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The engine starts over with each call: each call gets four times the work of the one before, and
 * most of the time goes into the last. */
#define WORK_FIRST 1000000u
#define WORK_MOST (UINT64_C(1) << 50)

int plan_admit(struct cli *cli, struct plan_run *run) {
    struct placement_admit_request request = {
        .k = run->k, .may_move_others = run->request.may_move_others, .work = WORK_FIRST};
    cli_catch_signals(cli);
    int64_t begun_us = plan_now_us();
    bool terminal = cli->err.terminal;
    while (true) {
        int error = placement_admit(run->solver, &run->file->problem, &request, &run->admission);
        run->solve_us = plan_now_us() - begun_us;
        if (error < 0) {
            return plan_fail_engine(cli, error);
        }
        /* The next call takes about four times as long as all before it. */
        bool no_time = 4 * run->solve_us > run->limit_us || request.work >= WORK_MOST;
        if (run->admission->answer != PLACEMENT_UNKNOWN || no_time ||
            plan_is_over(cli, begun_us + run->limit_us)) {
            break;
        }
        request.work *= 4;
        if (terminal) {
            fputs("\r\x1b[K", stderr);
            print_text(stderr, "looking for more: %" PRIu64 " of %" PRIu64 " cases are open",
                       run->admission->n_unknown, run->admission->n_cases);
            fflush(stderr);
        }
    }
    if (terminal) {
        fputs("\r\x1b[K", stderr);
    }
    return cli->interrupted ? CLI_INTERRUPTED : CLI_DONE;
}

const char *plan_answer_name(enum placement_answer answer) {
    static const char *const names[] = {
        [PLACEMENT_YES] = "yes", [PLACEMENT_NO] = "no", [PLACEMENT_UNKNOWN] = "unknown"};
    return names[answer];
}

/* "n1, n2 and n3", cut off when the text is full. */
static void put_lost(const struct plan_run *run, char text[PLACEMENT_TEXT_MAX]) {
    const struct placement_set *lost = &run->admission->lost;
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < lost->n && used + 80 < PLACEMENT_TEXT_MAX / 2; i++) {
        const char *before = i == 0 ? "" : i + 1 == lost->n ? " and " : ", ";
        used += (size_t)snprintf(text + used, PLACEMENT_TEXT_MAX - used, "%s%.64s", before,
                                 plan_node_name(run, lost->index[i]));
    }
}

/* Amounts are in thousandths of the unit, or whatever the file says. */
static void put_short(const struct plan_run *run, char text[PLACEMENT_TEXT_MAX]) {
    const struct placement_admission *a = run->admission;
    const struct placement_problem *problem = &run->file->problem;
    text[0] = '\0';
    if (a->resource == PLACEMENT_NONE) {
        return;
    }
    const struct placement_resource *resource = &problem->resources[a->resource];
    uint64_t per_unit = resource->per_unit > 0 ? resource->per_unit : 1;
    snprintf(text, PLACEMENT_TEXT_MAX, "; %s %" PRIu64 "%s%s short of %.64s",
             "the rest is altogether", (a->short_of + per_unit - 1) / per_unit,
             resource->unit[0] != '\0' ? " " : "", resource->unit, resource->name);
    if (a->short_of == 0) {
        snprintf(text, PLACEMENT_TEXT_MAX, "; %.64s lacks", resource->name);
    }
}

void plan_admission_text(const struct plan_run *run, char text[PLACEMENT_TEXT_MAX]) {
    const struct placement_admission *a = run->admission;
    char lost[PLACEMENT_TEXT_MAX];
    char lacks[PLACEMENT_TEXT_MAX];
    if (a->answer == PLACEMENT_YES) {
        snprintf(text, PLACEMENT_TEXT_MAX,
                 "nodes lost at once: any %" PRIu32 "; all VMs run again (%" PRIu64 " cases)",
                 run->k, a->n_cases);
        return;
    }
    put_lost(run, lost);
    put_short(run, lacks);
    if (a->answer == PLACEMENT_UNKNOWN) {
        snprintf(text, PLACEMENT_TEXT_MAX,
                 "neither a plan nor a proof that there is none was found for %" PRIu64
                 " of %" PRIu64
                 " cases, the first of them the loss of %.200s; --seconds gives more time",
                 a->n_unknown, a->n_cases, lost);
        return;
    }
    snprintf(text, PLACEMENT_TEXT_MAX,
             "after the loss of %.200s, %.64s has no place: %s%.120s%s%.64s", lost,
             a->vm != PLACEMENT_NONE ? plan_vm_name(run, a->vm) : "a VM",
             placement_reason_name(a->reason), lacks, a->rule != PLACEMENT_NONE ? "; rule " : "",
             a->rule != PLACEMENT_NONE ? run->file->problem.rules[a->rule].name : "");
}
