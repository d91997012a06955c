/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that no VM needs any more are removed, by any node that sees their volume
 * (core/model/leftover.h). One at a time on each node: there is no hurry.
 */
#include "core/policy/inside.h"

static bool removes_one(const struct core *c, uint32_t node) {
    bool removes = false;
    MODEL_EACH(model_leftover, row, &c->model.leftovers) {
        removes = removes || (row->node == node && model_leftover_stands(&c->model, row));
    }
    return removes;
}

/* 0: nobody now. The last one first, so that the coordinator, which has most to do, is spared. */
static uint32_t who_removes(const struct core *c, const struct model_leftover *row) {
    const char *names[1] = {row->volume};
    struct wire_strs volume = {names, row->volume[0] ? 1 : 0};
    for (uint32_t i = c->model.members.n; i > 0; i--) {
        uint32_t node = c->model.members.v[i - 1];
        bool leaves = node == c->self && c->stopping;
        if (policy_node_ready(c, node) && !leaves &&
            model_node_sees_volumes(&c->model, node, &volume) && !removes_one(c, node)) {
            return node;
        }
    }
    return 0;
}

int policy_leftovers(struct core *c) {
    MODEL_EACH(model_leftover, row, &c->model.leftovers) {
        if (model_leftover_stands(&c->model, row)) {
            continue;
        }
        uint32_t node = who_removes(c, row);
        if (node == 0 || !policy_is_its_time(c, row->vm, PACE_LEFTOVER, 0)) {
            continue;
        }
        struct cmd_leftover_order order = {.path = row->path, .node = node};
        return policy_propose(c, COMMAND_LEFTOVER_ORDER, &order); /* the next one counts it */
    }
    return 0;
}
