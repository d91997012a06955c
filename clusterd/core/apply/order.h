/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the policy and apply/ agree on: which orders a picture of the cluster allows.
 */
#ifndef CLUSTERD_CORE_APPLY_ORDER_H
#define CLUSTERD_CORE_APPLY_ORDER_H

#include "core/model/model.h"

#include <stdbool.h>

/* Whether the order may be given on this picture; also asked before it is proposed. */
bool order_fits(const struct model *m, const struct model_vm *vm, const struct cmd_vm_order *o);

#endif
