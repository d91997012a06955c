/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Look-ups of files that are to be removed; see leftover.h.
 */
#include "core/model/leftover.h"

#include "core/model/model.h"

#include <string.h>

const struct model_leftover *model_leftover_by_path(const struct model *m, const char *path) {
    MODEL_EACH(model_leftover, row, &m->leftovers) {
        if (strcmp(row->path, path) == 0) {
            return row;
        }
    }
    return NULL;
}

bool model_leftover_stands(const struct model *m, const struct model_leftover *row) {
    const struct model_node *node = row->order ? model_node_by_id(m, row->node) : NULL;
    return node && node->state == NODE_ONLINE && node->since_index < row->order &&
           ids_contain(&m->members, node->id);
}
