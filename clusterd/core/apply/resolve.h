/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to ask or order next for a VM in RESOLVING; the table is in resolve.c. And where a VM that
 * was saved for nothing may go.
 */
#ifndef CLUSTERD_CORE_APPLY_RESOLVE_H
#define CLUSTERD_CORE_APPLY_RESOLVE_H

#include "core/model/model.h"

struct resolve_step {
    enum order_kind kind; /* NONE: all is known */
    uint32_t node;
};

struct resolve_step resolve_next(const struct model_vm *vm);

/* Whether a saved VM may be restored where it was saved, though that node is being drained: better
 * there than nowhere. Not on one that is drained: who drained it counts on its being empty. */
bool resolve_goes_back(const struct model *m, const struct model_vm *vm);

#endif
