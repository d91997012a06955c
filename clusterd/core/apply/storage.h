/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to be done next with the files of a VM that are being moved; the drawing is in storage.c.
 */
#ifndef CLUSTERD_CORE_APPLY_STORAGE_H
#define CLUSTERD_CORE_APPLY_STORAGE_H

#include "core/model/model.h"

/* NONE: nothing now. Any member that sees the volumes may carry it out. */
enum order_kind storage_next(const struct model *m, const struct model_vm *vm);

#endif
