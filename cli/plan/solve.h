/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `clusterctl plan`: a problem, a request, and the best plan that was found in the time given.
 *
 * The engine runs in this process, also for the live cluster: clusterd is asked for its model only
 * once.
 */
#ifndef CLI_PLAN_SOLVE_H
#define CLI_PLAN_SOLVE_H

#include "cli.h"
#include "cluster/file.h"
#include "placement/placement.h"

/* The question: one of these. */
enum plan_question { PLAN_OF_FILE, PLAN_LOSE, PLAN_DRAIN, PLAN_BALANCE, PLAN_ADMIT, PLAN_VM };

struct plan_run {
    enum plan_question question;
    struct cluster_file *file;                   /* owned */
    struct placement_request request;            /* its sets are in the file's arena */
    uint32_t k;                                  /* PLAN_ADMIT */
    int64_t limit_us;                            /* time for better plans */
    struct placement_solver *solver;             /* owned */
    const struct placement_plan *plan;           /* the solver's */
    const struct placement_admission *admission; /* likewise, of PLAN_ADMIT */
    struct placement_verdict *verdicts;          /* owned: one for each node */
    int64_t solve_us;                            /* time that the engine took */
    struct placement_broken *broken;             /* owned: hard rules, as the VMs run now */
    uint32_t n_broken;
};

int64_t plan_now_us(void);
/* Solves, then improves until nothing is left to try, the time is over, or Ctrl-C. CLI_DONE,
 * CLI_INTERRUPTED with the best plan so far, or reported. */
int plan_solve(struct cli *cli, struct plan_run *run);
int plan_admit(struct cli *cli, struct plan_run *run);
/* Reports an error of the engine. */
int plan_fail_engine(struct cli *cli, int error);
/* Whether it is time to end: cli->interrupted is set by Ctrl-C. */
bool plan_is_over(struct cli *cli, int64_t until_us);

/* Names for the output. */
const char *plan_node_name(const struct plan_run *run, uint32_t node);
const char *plan_vm_name(const struct plan_run *run, uint32_t vm);
/* Why a VM stays down, in one line. Names the first rule that forbids, as clusterd does: it can be
 * changed. */
#define PLAN_REASON_MAX PLACEMENT_NOWHERE_MAX
void plan_reason(const struct plan_run *run, uint32_t vm, char text[PLAN_REASON_MAX]);
/* The final place of a VM that was asked for; NULL: not asked for, or no place. The last move
 * counts. */
const struct placement_move *plan_last_move(const struct placement_plan *plan, uint32_t move);

/* For people (plan/show.c). */
void plan_show_run(const struct screen *screen, const struct plan_run *run, bool explain);
void plan_show_admission(const struct screen *screen, const struct plan_run *run);
/* The same as JSON (plan/json.c): a new object. */
json_t *plan_json(const struct plan_run *run, bool explain);
json_t *plan_json_admission(const struct plan_run *run);
/* Which hard rules are broken, and how (plan/broken_rules.c). */
int plan_find_broken(struct cli *cli, struct plan_run *run);
void plan_show_broken(const struct screen *screen, const struct plan_run *run);
json_t *plan_json_broken(const struct plan_run *run);
/* In words: "any 2 of these 14 nodes can be lost", "no: if n1 and n2 are lost, ...". */
void plan_admission_text(const struct plan_run *run, char text[PLACEMENT_TEXT_MAX]);
const char *plan_answer_name(enum placement_answer answer);

#endif
