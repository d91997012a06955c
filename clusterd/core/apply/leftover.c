/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that no VM needs any more get an owner that has them removed; the drawing is in
 * core/model/leftover.h.
 */
#include "base/mutant.h"
#include "core/apply/inside.h"

#include <errno.h>
#include <string.h>

static struct model_leftover *row_of(struct apply *a, const char *path) {
    return model_row(&a->m->leftovers, model_leftover_by_path(a->m, path));
}

/* The volume on which the path is. */
static const char *volume_of(const struct model *m, const char *path) {
    const char *name = "";
    size_t longest = 0;
    MODEL_EACH(model_volume, volume, &m->volumes) {
        size_t n = strlen(volume->path);
        if (n >= longest && strncmp(path, volume->path, n) == 0 && path[n] == '/') {
            name = volume->name;
            longest = n;
        }
    }
    return name;
}

static void tell_of_loss(struct apply *a, const char *vm, const char *path, const char *why) {
    apply_event(a, SEVERITY_WARNING, "leftover", vm,
                "%s holds memory of %s that nobody needs, and %s: remove it by hand", path, vm,
                why);
}

bool leftovers_are_known(struct apply *a) {
    return apply_by_version(a, command_since(COMMAND_LEFTOVER_ORDER));
}

void vm_drop_state_file(struct apply *a, struct model_vm *vm) {
    if (vm->state_file[0] == '\0') {
        return;
    }
    const char *path = outbox_text(a->out, "%s", vm->state_file);
    set_text(a, &vm->state_file, "");
    if (!leftovers_are_known(a) || MUTANT(leftover_unowned)) {
        return;
    }
    if (a->m->leftovers.n >= MODEL_MAX_LEFTOVERS) {
        tell_of_loss(a, vm->name, path, "too many others wait for their removal");
        return;
    }
    struct model_leftover *row = model_add(&a->m->leftovers);
    if (!row) {
        a->error = -ENOMEM;
        return;
    }
    set_text(a, &row->path, path);
    set_text(a, &row->name, vm->name);
    set_text(a, &row->volume, volume_of(a->m, path));
    row->vm = vm->id;
    row->since_ms = a->time_ms;
}

void leftovers_leave_volume(struct apply *a, const char *volume) {
    for (uint32_t i = a->m->leftovers.n; i > 0; i--) {
        const struct model_leftover *row =
            (const struct model_leftover *)a->m->leftovers.rows + (i - 1);
        if (strcmp(row->volume, volume) == 0) {
            tell_of_loss(a, row->name, row->path, "its volume was removed from the cluster");
            model_remove(&a->m->leftovers, row);
        }
    }
}

void apply_leftover_order(struct apply *a, const void *command) {
    const struct cmd_leftover_order *order = command;
    struct model_leftover *row = row_of(a, order->path);
    const struct model_node *node = model_node_by_id(a->m, order->node);
    if (!row || !node || a->origin != model_coordinator(a->m) || node->state != NODE_ONLINE ||
        !ids_contain(&a->m->members, node->id) || model_leftover_stands(a->m, row)) {
        apply_refuse(a, REPLY_REFUSED, "the order was decided on an older state", "");
        return;
    }
    row->order = a->index;
    row->node = node->id;
}

void apply_leftover_report(struct apply *a, const void *command) {
    const struct cmd_leftover_report *r = command;
    const struct model_node *node = model_node_by_id(a->m, r->node);
    struct model_leftover *row = NULL;
    MODEL_EACH(model_leftover, found, &a->m->leftovers) {
        row = found->order == r->order ? model_row(&a->m->leftovers, found) : row;
    }
    if (!row || r->order == 0 || !node || row->node != r->node ||
        node->incarnation != r->incarnation) {
        apply_refuse(a, REPLY_REFUSED, "report on an order that is no longer valid", "");
        return;
    }
    if (r->result == RESULT_OK) {
        if (row->reason[0]) {
            apply_event(a, SEVERITY_INFO, "leftover", row->name,
                        "the saved memory of %s that nobody needs was removed at last: %s",
                        row->name, row->path);
        }
        model_remove(&a->m->leftovers, row);
        return;
    }
    if (row->reason[0] == '\0') { /* it is tried again, which may go on for days: told once */
        apply_event(a, SEVERITY_WARNING, "leftover", row->name,
                    "the saved memory of %s that nobody needs could not be removed by %s, and it "
                    "is tried again: %s",
                    row->name, node->name, r->reason);
    }
    row->order = 0;
    row->node = 0;
    set_text(a, &row->reason, r->reason[0] ? r->reason : "no reason was given");
}
