/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reserve; see reserve.h.
 */
#include "core/policy/reserve.h"
#include "core/timeouts.h"

#include "core/policy/inside.h"
#include "core/model/settings.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t nodes_to_lose(const struct core *c) {
    return (uint32_t)setting_get(&c->model, SETTING_reserve_nodes);
}

static const char *text_of(const struct reserve *r) {
    return r->kept ? r->kept->reserve.text : "";
}

static enum core_reserve_state state_of(const struct solve_job *job) {
    if (job->error < 0) {
        return RESERVE_UNKNOWN;
    }
    return job->reserve.answer == PLACEMENT_YES  ? RESERVE_OK
           : job->reserve.answer == PLACEMENT_NO ? RESERVE_BROKEN
                                                 : RESERVE_UNKNOWN;
}

/* ---- answers that wait ---- */

bool reserve_holds(struct core *c, uint64_t client, const struct apply *a) {
    struct reserve *r = &c->reserve;
    bool holds = nodes_to_lose(c) > 0 && a->code == REPLY_OK && a->warning[0] == '\0' &&
                 a->message[0] == '\0' && command_takes_room(a->type) &&
                 r->state != RESERVE_BROKEN && r->n_held < RESERVE_HELD &&
                 replica_usable(&c->replica);
    if (holds) {
        r->held[r->n_held++] =
            (struct held_reply){.client = client,
                                .operation = a->operation,
                                .deadline_ms = c->now_ms + TIMEOUT_RESERVE_ANSWER_MS,
                                .index = a->index};
    }
    return holds;
}

static void answer(struct core *c, uint32_t i, const char *warning) {
    struct reserve *r = &c->reserve;
    outbox_reply(&c->out, r->held[i].client, REPLY_OK, r->held[i].operation, "", "")->warning =
        warning;
    r->n_held--;
    for (uint32_t k = i; k < r->n_held; k++) {
        r->held[k] = r->held[k + 1];
    }
}

/* Answers the requests made before that model. */
static void answer_known(struct core *c, uint64_t index) {
    struct reserve *r = &c->reserve;
    const char *warning = "";
    if (r->state == RESERVE_BROKEN) {
        warning = outbox_text(&c->out, "this breaks the reserve (reserve_nodes %u): %s",
                              nodes_to_lose(c), text_of(r));
    } else if (r->state == RESERVE_UNKNOWN) {
        warning =
            outbox_text(&c->out,
                        "it is not known whether the reserve (reserve_nodes %u) still holds: %s",
                        nodes_to_lose(c), text_of(r));
    }
    for (uint32_t i = 0; i < r->n_held;) {
        if (r->held[i].index <= index) {
            answer(c, i, warning);
        } else {
            i++;
        }
    }
}

static void answer_late(struct core *c, bool all) {
    struct reserve *r = &c->reserve;
    for (uint32_t i = 0; i < r->n_held;) {
        if (all || c->now_ms >= r->held[i].deadline_ms) {
            answer(
                c, i,
                all ? ""
                    : "the effect on the reserve is not known yet: clusterctl status will show it");
        } else {
            r->wakeup_ms =
                r->held[i].deadline_ms < r->wakeup_ms ? r->held[i].deadline_ms : r->wakeup_ms;
            i++;
        }
    }
}

/* ---- what is known ---- */

static void tell(struct core *c, enum core_reserve_state before) {
    const struct reserve *r = &c->reserve;
    if (r->state == before || (r->state == RESERVE_OK && before == RESERVE_OFF)) {
        return;
    }
    if (r->state == RESERVE_BROKEN) {
        outbox_log(&c->out, SEVERITY_WARNING, "the reserve is broken: %s", text_of(r));
    } else if (r->state == RESERVE_OK) {
        uint32_t n = nodes_to_lose(c);
        outbox_log(&c->out, SEVERITY_INFO, "any %u node%s can be lost", n, n == 1 ? "" : "s");
    }
}

static void forget(struct core *c) {
    struct reserve *r = &c->reserve;
    solve_job_destroy(r->kept);
    r->kept = NULL;
    r->state = RESERVE_OFF;
    r->asked_index = 0;
}

static void take(struct core *c) {
    struct reserve *r = &c->reserve;
    enum core_reserve_state before = r->state;
    solve_job_destroy(r->kept);
    r->kept = solve_take_job(c, SOLVE_RESERVE);
    r->state = state_of(r->kept);
    tell(c, before);
    answer_known(c, r->kept->index);
}

static int ask(struct core *c) {
    struct reserve *r = &c->reserve;
    struct planner_facts facts = {.loss = true, .wall_ms = c->wall_ms};
    struct planner_question question;
    bool may_move = setting_get(&c->model, SETTING_failover_may_move) != 0;
    int err = planner_starts_question(&c->model, may_move, &c->out.arena, &question);
    if (err < 0) {
        return err;
    }
    question.k = nodes_to_lose(c);
    r->asked_index = c->model.index;
    r->next_ms = c->now_ms + TIMEOUT_RESERVE_ASK_MS;
    err = solve_begin(c, SOLVE_RESERVE, &facts, &question);
    return err < 0 ? err : 0;
}

int reserve_run(struct core *c) {
    struct reserve *r = &c->reserve;
    r->wakeup_ms = UINT64_MAX;
    bool done = solve_done(c, SOLVE_RESERVE) != NULL;
    if (nodes_to_lose(c) == 0 || !replica_usable(&c->replica)) {
        answer_late(c, true);
        if (done) {
            solve_drop(c, SOLVE_RESERVE);
        }
        if (nodes_to_lose(c) == 0) {
            forget(c);
        }
        return 0;
    }
    if (done) {
        take(c);
    }
    answer_late(c, false);
    bool waited_for = r->n_held > 0;
    if (r->asked_index == c->model.index || c->jobs[SOLVE_RESERVE] ||
        (!waited_for && !model_is_calm(&c->model))) {
        return 0;
    }
    if (!waited_for && c->now_ms < r->next_ms) {
        r->wakeup_ms = r->next_ms < r->wakeup_ms ? r->next_ms : r->wakeup_ms;
        return 0;
    }
    return ask(c);
}

void reserve_finish(struct core *c) {
    solve_job_destroy(c->reserve.kept);
    c->reserve.kept = NULL;
}

void core_get_reserve(const struct core *c, struct core_reserve *ret) {
    *ret = (struct core_reserve){
        .nodes = nodes_to_lose(c), .state = c->reserve.state, .text = text_of(&c->reserve)};
}

/* ---- the plan that is there ---- */

static const struct planner_choice *kept_for(const struct planner_reserve *reserve,
                                             const struct model_vm *vm) {
    for (uint32_t i = 0; i < reserve->n_witnesses; i++) {
        const struct planner_witness *w = &reserve->witnesses[i];
        for (uint32_t k = 0; w->node == vm->owner && k < w->n; k++) {
            if (w->v[k].vm == vm->id) {
                return &w->v[k];
            }
        }
    }
    return NULL;
}

int reserve_warm_plan(struct core *c, struct planner_plan *ret_plan) {
    struct planner_facts facts = {.wall_ms = c->wall_ms};
    struct planner_choice *v = arena_array(&c->out.arena, c->model.vms.n, sizeof(*v));
    struct planner_plan plan = {.v = v};
    uint32_t dropped = 0;
    *ret_plan = (struct planner_plan){0};
    if (!v) {
        return -ENOMEM;
    }
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        const struct planner_choice *choice =
            c->reserve.kept && vm->state == VM_OFF && planner_to_be_started(&c->model, vm)
                ? kept_for(&c->reserve.kept->reserve, vm)
                : NULL;
        if (choice) {
            v[plan.n++] = *choice;
        }
    }
    return plan.n == 0
               ? 0
               : planner_verify(&c->model, &facts, &plan, &c->out.arena, ret_plan, &dropped);
}
