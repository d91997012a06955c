/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Solving in slices, so that the time limit and Ctrl-C are noticed: see plan/solve.h.
 */
#include "plan/solve.h"

#include "base/check.h"
#include "output/print.h"
#include "output/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The time of a slice: short enough for Ctrl-C and the deadline. */
enum { SLICE_US = 10000, SHOW_FIRST_US = 500000, SHOW_EACH_US = 200000 };
#define SLICE_WORK_FIRST 100000u
#define SLICE_WORK_MOST (UINT64_C(1) << 32)

int64_t plan_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int plan_fail_engine(struct cli *cli, int error) {
    switch (error) {
    case -ENOTSUP:
        return cli_fail(cli, CLI_REFUSED, NULL,
                        "plan: the placement engine of this version does not support this");
    case -E2BIG:
        return cli_fail(cli, CLI_REFUSED, NULL,
                        "plan: the cluster is too large for the placement engine");
    default:
        return cli_fail(cli, CLI_FAILED, NULL, "plan: the placement engine failed: %s",
                        strerror(-error));
    }
}

bool plan_is_over(struct cli *cli, int64_t until_us) {
    struct pollfd interrupt = {.fd = cli->signal_fd, .events = POLLIN};
    if (poll(&interrupt, 1, 0) > 0) {
        cli->interrupted = true;
        return true;
    }
    return plan_now_us() >= until_us || ipc_left_ms(cli->deadline_ms) == 0;
}

/* Nothing can get better: everything that can run does, no running VM is disturbed, and no wish is
 * open. */
static bool is_best(const struct plan_run *run) {
    const struct placement_cost *cost = &run->plan->cost;
    return run->plan->proven && run->request.kind != PLACEMENT_BALANCE && cost->soft_broken == 0 &&
           cost->moves_of_others == 0;
}

struct progress_line {
    struct cli *cli;
    int64_t begun_us;
    int64_t next_us;
    bool shown;
};

static void show_progress(struct progress_line *line, const struct placement_plan *plan) {
    int64_t now_us = plan_now_us();
    char since[TEXT_MAX];
    if (!line->cli->err.terminal || now_us < line->next_us) {
        return;
    }
    fputs("\r\x1b[K", stderr);
    print_text(stderr,
               "looking for a better plan, %s: %" PRIu32 " down, %" PRIu32
               " moves; Ctrl-C ends the search",
               text_duration((now_us - line->begun_us) / 1000, since), plan->cost.unplaced,
               plan->cost.moves);
    fflush(stderr);
    line->shown = true;
    line->next_us = now_us + SHOW_EACH_US;
}

static void end_progress(const struct progress_line *line) {
    if (line->shown) {
        fputs("\r\x1b[K", stderr);
        fflush(stderr);
    }
}

static int improve(struct cli *cli, struct plan_run *run, int64_t begun_us) {
    struct progress_line line = {
        .cli = cli, .begun_us = begun_us, .next_us = begun_us + SHOW_FIRST_US};
    uint64_t work = SLICE_WORK_FIRST;
    int more = 1;
    while (more > 0 && !is_best(run) && !plan_is_over(cli, begun_us + run->limit_us)) {
        int64_t slice_us = plan_now_us();
        more = placement_improve(run->solver, work, &run->plan);
        slice_us = plan_now_us() - slice_us;
        if (slice_us < SLICE_US / 2 && work < SLICE_WORK_MOST) {
            work *= 2;
        } else if (slice_us > SLICE_US * 2 && work > 1000) {
            work /= 2;
        }
        if (more > 0) {
            show_progress(&line, run->plan);
        }
    }
    end_progress(&line);
    return more;
}

int plan_solve(struct cli *cli, struct plan_run *run) {
    cli_catch_signals(cli);
    int64_t begun_us = plan_now_us();
    int error =
        placement_solve_sparing(run->solver, &run->file->problem, &run->request, &run->plan);
    if (error == 0) {
        error = improve(cli, run, begun_us);
    }
    run->solve_us = plan_now_us() - begun_us;
    if (error < 0) {
        return plan_fail_engine(cli, error);
    }
    return cli->interrupted ? CLI_INTERRUPTED : CLI_DONE;
}

const char *plan_node_name(const struct plan_run *run, uint32_t node) {
    CHECK(node == PLACEMENT_NONE || node < run->file->problem.n_nodes);
    return node == PLACEMENT_NONE ? "" : run->file->problem.nodes[node].name;
}

const char *plan_vm_name(const struct plan_run *run, uint32_t vm) {
    CHECK(vm == PLACEMENT_NONE || vm < run->file->problem.n_vms);
    return vm == PLACEMENT_NONE ? "" : run->file->problem.vms[vm].name;
}

void plan_reason(const struct plan_run *run, uint32_t vm, char text[PLAN_REASON_MAX]) {
    const struct placement_problem *problem = &run->file->problem;
    struct placement_explanation explanation;
    int error = placement_explain(run->solver, vm, run->verdicts, &explanation);
    if (error < 0) {
        snprintf(text, PLAN_REASON_MAX, "reason unknown (%s)", strerror(-error));
        return;
    }
    placement_nowhere_text(problem, vm, run->verdicts, &explanation, text, PLAN_REASON_MAX);
}

const struct placement_move *plan_last_move(const struct placement_plan *plan, uint32_t move) {
    for (uint32_t i = move + 1; i < plan->n_moves; i++) {
        if (plan->moves[i].vm == plan->moves[move].vm) {
            return NULL;
        }
    }
    bool asked = plan->moves[move].asked || plan->moves[move].mode == PLACEMENT_START;
    return asked ? &plan->moves[move] : NULL;
}
