/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Balance: moves VMs off nodes that are too full or too busy, one at a time, live.
 *
 * Balance comes last: it acts only when nothing else is in progress and nothing has been for a
 * while (the pause). The pause also spaces its own moves, because each of them is an operation.
 * After each move the question is asked again, so no plan is carried out against the facts. Balance
 * does not fight: a VM stays if it is on one of its preferred owners, if a resume will bring it
 * back, or if a person or balance moved it a short while ago (planner/balance.c). A VM only moves
 * to a node that is below the threshold afterwards.
 *
 * A new coordinator waits a whole pause first, because only its predecessor knew when the last move
 * was.
 */
#include "core/policy/inside.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

/* "91 % of its memory and 20 % of its cpu are in use" */
static const char *use_text(struct core *c, uint32_t id, const struct planner_load *loads,
                            uint32_t n_loads) {
    const struct model_node *node = model_node_by_id(&c->model, id);
    uint64_t memory_mb = 0;
    uint32_t busy = 0;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        memory_mb += model_vm_may_run_on(vm, id) ? vm->memory_mb : 0;
    }
    for (uint32_t i = 0; i < n_loads; i++) {
        busy = loads[i].node == id ? loads[i].cpu_busy_permille : busy;
    }
    uint64_t of_mb = node && node->memory_mb ? node->memory_mb : 1;
    return outbox_text(&c->out, "%llu %% of the memory and %u %% of the cpu of %s are in use",
                       (unsigned long long)(memory_mb * 100 / of_mb), busy / 10,
                       node ? node->name : "it");
}

static int move_one(struct core *c, const struct planner_plan *plan,
                    const struct planner_load *loads, uint32_t n_loads) {
    for (uint32_t i = 0; i < plan->n; i++) {
        const struct planner_choice *choice = &plan->v[i];
        const struct model_vm *vm = model_vm_by_id(&c->model, choice->vm);
        if (vm && choice->to != 0 && choice->stage == 0) {
            return policy_move(c, vm, choice->to, CAUSE_BALANCE,
                               outbox_text(&c->out, "balance: %s",
                                           use_text(c, choice->from, loads, n_loads)));
        }
    }
    return 0;
}

int policy_balance(struct core *c) {
    struct policy *p = &c->policy;
    if (setting_get(&c->model, SETTING_balance) != BALANCE_AUTO || !model_is_calm(&c->model)) {
        p->calm_since_ms = c->now_ms;
        return 0;
    }
    uint64_t from_ms = p->calm_since_ms + setting_get(&c->model, SETTING_balance_pause_s) * 1000;
    if (c->now_ms < from_ms) {
        policy_wake_at(c, from_ms);
        return 0;
    }
    struct planner_load loads[WIRE_MAX_NODES];
    struct planner_plan plan;
    uint32_t n = core_get_loads(c, loads);
    policy_wake_at(c, c->now_ms + TIMEOUT_BALANCE_LOOK_MS);
    struct planner_facts facts = planner_balance_facts(&c->model, c->wall_ms, loads, n);
    struct planner_question question;
    int err = planner_balance_question(&c->model, c->wall_ms, &c->out.arena, &question);
    if (err == 0 && question.n_vms > 0) {
        err = solve_ask(c, SOLVE_BALANCE, &facts, &question, &plan);
        return err != 0 ? (err < 0 ? err : 0) : move_one(c, &plan, loads, n);
    }
    return err;
}
