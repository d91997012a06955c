/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who this node is, in the model that has been applied.
 */
#include "core/core_internal.h"

const struct model_node *core_self(const struct core *c) {
    return model_node_by_id(&c->model, c->self);
}

bool core_is_coordinator(const struct core *c) {
    return c->self != 0 && model_coordinator(&c->model) == c->self;
}
