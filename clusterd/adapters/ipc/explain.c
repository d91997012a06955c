/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Explains where a VM could run and why, and what a move would do. The same planner
 * makes the orders, so what is shown here is what would be done.
 */
#include "adapters/ipc/view.h"

#include "base/buffer.h"

#include <errno.h>
#include <string.h>

static const char *name_of(const struct model *m, uint32_t node) {
    return node ? model_node_name(m, node) : "";
}

static json_t *render_verdict(const struct model *m, const struct planner_verdict *v) {
    return json_pack("{so sb sb sb sb so so so so so so so}", "node",
                     json_of_text(name_of(m, v->node)), "possible", (int)v->possible, "chosen",
                     (int)v->chosen, "current", (int)v->current, "runner_up", (int)v->runner_up,
                     "verdict", json_of_text(v->verdict), "reason", json_of_text(v->reason),
                     "memory_free_mb", json_of_number(v->memory_free_mb), "memory_mb",
                     json_of_number(v->memory_mb), "memory_need_mb",
                     json_of_number(v->memory_need_mb), "cpu_free_permille",
                     json_of_number(v->cpu_free_permille), "free_after_permille",
                     json_of_number(v->free_after_permille));
}

json_t *render_explanation(struct ipc_view *view, const struct model_vm *vm,
                           struct ipc_error *ret_error) {
    struct planner_explanation explanation;
    int error = planner_explain(view->model, vm->id, view->arena, &explanation);
    if (error < 0) {
        (void)ipc_fail(ret_error, "failed", "", "%s: no explanation: %s", vm->name,
                       strerror(-error));
        return NULL;
    }
    json_t *nodes = json_array();
    for (uint32_t i = 0; i < explanation.n; i++) {
        json_array_append_new(nodes, render_verdict(view->model, &explanation.v[i]));
    }
    return json_pack("{so so so so}", "vm", json_of_text(vm->name), "best",
                     json_of_text_or_null(name_of(view->model, explanation.best)), "summary",
                     json_of_text(explanation.summary), "nodes", nodes);
}

static json_t *render_choice(const struct model *m, const struct planner_choice *choice) {
    const struct model_vm *vm = model_vm_by_id(m, choice->vm);
    return json_pack("{so so so so}", "vm", json_of_text(vm ? vm->name : ""), "from",
                     json_of_text_or_null(name_of(m, choice->from)), "to",
                     json_of_text_or_null(name_of(m, choice->to)), "reason",
                     json_of_text(choice->asked || choice->reason[0] ? choice->reason
                                                                     : "it makes room for others"));
}

static json_t *render_plan(const struct model *m, const struct planner_plan *plan) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < plan->n; i++) {
        json_array_append_new(list, render_choice(m, &plan->v[i]));
    }
    return json_pack("{so}", "plan", list);
}

static int plan_error(struct ipc_error *error, const char *subject, int number) {
    return ipc_fail(error, "failed", "", "%s: no plan: %s", subject, strerror(-number));
}

int plan_move(struct ipc_view *view, const struct cmd_vm_move *move, json_t **ret_plan,
              struct ipc_error *ret_error) {
    const struct model *m = view->model;
    const struct model_vm *vm = model_vm_by_name(m, move->vm);
    const struct model_node *node = move->to[0] ? model_node_by_name(m, move->to) : NULL;
    struct planner_plan plan = {0};
    struct planner_choice choice = {0};
    if (!vm) {
        return ipc_fail(ret_error, "not-found", "clusterctl vm list", "there is no VM %s",
                        move->vm);
    }
    if (move->to[0] && !node) {
        return ipc_fail(ret_error, "not-found", "clusterctl node list", "there is no node %s",
                        move->to);
    }
    int error = 0;
    if (node) {
        struct planner_verdict place = {.reason = ""};
        error = planner_check(m, vm->id, node->id, view->arena, &place);
        choice = (struct planner_choice){.vm = vm->id,
                                         .from = vm->owner,
                                         .to = place.possible ? node->id : 0,
                                         .reason = place.reason};
        plan = (struct planner_plan){.v = &choice, .n = 1};
    } else {
        error = planner_place(m, &vm->id, 1, view->arena, &plan);
    }
    if (error < 0) {
        return plan_error(ret_error, move->vm, error);
    }
    *ret_plan = render_plan(m, &plan);
    return 0;
}
