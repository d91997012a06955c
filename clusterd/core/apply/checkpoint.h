/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to be done next for a checkpoint; the drawing is in checkpoint.c.
 */
#ifndef CLUSTERD_CORE_APPLY_CHECKPOINT_H
#define CLUSTERD_CORE_APPLY_CHECKPOINT_H

#include "core/model/model.h"

/* The VM is off or runs, no order stands, and the row is one of kind CHECKPOINT. */
enum order_kind checkpoint_next(const struct model_vm *vm, const struct model_journal *row);

#endif
