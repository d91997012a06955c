/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who this node is, in the model that has been applied.
 */
#ifndef CLUSTERD_CORE_CONTEXT_H
#define CLUSTERD_CORE_CONTEXT_H

#include <stdbool.h>

struct core;
struct model_node;

/* NULL: the model does not have this node yet. */
const struct model_node *core_self(const struct core *c);
bool core_is_coordinator(const struct core *c);

#endif
