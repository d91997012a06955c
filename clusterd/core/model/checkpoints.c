/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Look-ups of checkpoints; see checkpoints.h.
 */
#include "core/model/checkpoints.h"

#include "core/model/model.h"

#include <string.h>

const struct model_checkpoint *model_checkpoint_by_id(const struct model *m, uint64_t id) {
    MODEL_EACH(model_checkpoint, row, &m->checkpoints) {
        if (row->id == id) {
            return row;
        }
    }
    return NULL;
}

const struct model_checkpoint *model_checkpoint_by_name(const struct model *m, uint32_t vm,
                                                        const char *name) {
    MODEL_EACH(model_checkpoint, row, &m->checkpoints) {
        if (row->vm == vm && strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

uint32_t model_checkpoints_of_vm(const struct model *m, uint32_t vm) {
    uint32_t n = 0;
    MODEL_EACH(model_checkpoint, row, &m->checkpoints) {
        n += row->vm == vm;
    }
    return n;
}

bool model_vm_is_reverting(const struct model *m, const struct model_vm *vm) {
    const struct model_journal *row = model_journal_of_vm(m, vm->id);
    return row && row->kind == JOURNAL_CHECKPOINT &&
           (row->phase == CHECKPOINT_REVERT || row->held_by != 0);
}
