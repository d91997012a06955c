/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outlook; see outlook.h.
 */
#include "core/policy/outlook.h"

#include "core/core_internal.h"
#include "core/model/settings.h"
#include "core/planner/planner.h"
#include "core/timeouts.h"

#include <stdlib.h>

static bool wants_advice(const struct core *c) {
    return setting_get(&c->model, SETTING_balance) == BALANCE_ADVISE && replica_usable(&c->replica);
}

static bool is_fresh(const struct core *c, const struct solve_job *job, uint64_t taken_ms,
                     uint64_t index) {
    return job && job->index >= index && c->now_ms < taken_ms + TIMEOUT_OUTLOOK_MS;
}

static bool lacks_starts(const struct core *c, uint64_t index) {
    const struct outlook *o = &c->outlook;
    return planner_anything_to_start(&c->model) &&
           !is_fresh(c, o->starts.job, o->starts.taken_ms, index);
}

static bool lacks_advice(const struct core *c, uint64_t index) {
    const struct outlook *o = &c->outlook;
    return wants_advice(c) && !is_fresh(c, o->advice.job, o->advice.taken_ms, index);
}

static bool is_known(const struct core *c, uint64_t index) {
    return !lacks_starts(c, index) && !lacks_advice(c, index);
}

static int ask_starts(struct core *c) {
    struct planner_facts facts = {.wall_ms = c->wall_ms};
    struct planner_question question;
    bool may_move = setting_get(&c->model, SETTING_failover_may_move) != 0;
    int err = planner_starts_question(&c->model, may_move, &c->out.arena, &question);
    err = err < 0 ? err : solve_begin(c, SOLVE_OUTLOOK, &facts, &question);
    return err < 0 ? err : 0;
}

static int ask_advice(struct core *c) {
    struct planner_load loads[WIRE_MAX_NODES];
    uint32_t n = core_get_loads(c, loads);
    struct planner_facts facts = planner_balance_facts(&c->model, c->wall_ms, loads, n);
    struct planner_question question;
    int err = planner_balance_question(&c->model, c->wall_ms, &c->out.arena, &question);
    err = err < 0 ? err : solve_begin(c, SOLVE_ADVICE, &facts, &question);
    return err < 0 ? err : 0;
}

static int ask(struct core *c, uint64_t index) {
    int err = lacks_starts(c, index) ? ask_starts(c) : 0;
    return err == 0 && lacks_advice(c, index) ? ask_advice(c) : err;
}

int outlook_request(struct core *c, uint64_t client) {
    struct outlook *o = &c->outlook;
    if (is_known(c, c->model.index) || o->n_waiting == OUTLOOK_WAITING) {
        outbox_reply(&c->out, client, REPLY_OK, 0, "", "");
        return 0;
    }
    o->waiting[o->n_waiting].client = client;
    o->waiting[o->n_waiting].index = c->model.index;
    o->waiting[o->n_waiting].since_ms = c->now_ms;
    o->n_waiting++;
    return 0; /* outlook_run() asks, in this same step */
}

static void take(struct core *c) {
    struct outlook *o = &c->outlook;
    if (solve_done(c, SOLVE_OUTLOOK)) {
        solve_job_destroy(o->starts.job);
        o->starts.job = solve_take_job(c, SOLVE_OUTLOOK);
        o->starts.taken_ms = c->now_ms;
    }
    if (solve_done(c, SOLVE_ADVICE)) {
        solve_job_destroy(o->advice.job);
        o->advice.job = solve_take_job(c, SOLVE_ADVICE);
        o->advice.taken_ms = c->now_ms;
    }
}

int outlook_run(struct core *c) {
    struct outlook *o = &c->outlook;
    int err = 0;
    uint32_t kept = 0;
    o->wakeup_ms = UINT64_MAX;
    take(c);
    for (uint32_t i = 0; i < o->n_waiting; i++) {
        uint64_t due_ms = o->waiting[i].since_ms + TIMEOUT_OUTLOOK_MS;
        if (is_known(c, o->waiting[i].index) || c->now_ms >= due_ms) {
            outbox_reply(&c->out, o->waiting[i].client, REPLY_OK, 0, "", "");
            continue;
        }
        err = err < 0 ? err : ask(c, o->waiting[i].index);
        o->wakeup_ms = due_ms < o->wakeup_ms ? due_ms : o->wakeup_ms;
        o->waiting[kept++] = o->waiting[i];
    }
    o->n_waiting = kept;
    return err;
}

void outlook_finish(struct core *c) {
    solve_job_destroy(c->outlook.starts.job);
    solve_job_destroy(c->outlook.advice.job);
    c->outlook.starts.job = NULL;
    c->outlook.advice.job = NULL;
}

bool core_outlook_is_known(const struct core *c) {
    return is_known(c, c->model.index);
}

static const struct planner_plan *plan_of(const struct solve_job *job) {
    return job && job->error == 0 ? &job->plan : NULL;
}

void core_get_outlook(const struct core *c, struct core_outlook *ret) {
    *ret = (struct core_outlook){.starts = plan_of(c->outlook.starts.job),
                                 .advice = wants_advice(c) ? plan_of(c->outlook.advice.job) : NULL};
}
