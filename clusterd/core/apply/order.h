/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the policy and apply/ agree on: which orders a state of the cluster allows.
 */
#ifndef CLUSTERD_CORE_APPLY_ORDER_H
#define CLUSTERD_CORE_APPLY_ORDER_H

#include "core/model/model.h"

#include <stdbool.h>

/* Whether the order may be given in this state. The policy also asks before it proposes the
 * order. */
bool order_fits(const struct model *m, const struct model_vm *vm, const struct cmd_vm_order *o);

#endif
