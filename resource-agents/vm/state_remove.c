/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state-remove: removes a saved state that nobody needs any more, under all its names (save.c,
 * restore.c). It does not ask libvirt: the cluster orders it only once no restore will use the
 * state. It may break off anywhere and be repeated, by any node.
 */
#include "actions.h"

#include <string.h>

#include "../shared/ocf.h"
#include "state_file.h"

static void fail(struct operation *operation, const char *why) {
    report_set(&operation->report, VM_FAILED, "%s: cannot remove its saved state %s on %s: %s",
               operation->params->name, operation->params->state_file, ocf_node(), why);
}

void action_state_remove(struct operation *operation) {
    const char *path = operation->params->state_file;

    operation_step(operation, "removing a saved state");
    if (!state_file_has_room(path)) {
        fail(operation, "its volume is not available");
        return;
    }
    if (!operation_may_begin(operation, "the removal of its saved state")) {
        return;
    }
    operation_check_begun(operation);
    int r = state_file_remove(path);
    if (r < 0) {
        fail(operation, strerror(-r));
        return;
    }
    report_set(&operation->report, VM_OK, "%s", "");
}
