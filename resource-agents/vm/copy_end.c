/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy-undo and copy-finish: the two ends of a storage move. Both may break off anywhere and be
 * repeated; copy_parts.h draws the names.
 *
 *   copy-undo     removes each TO that is of this move, then the parts. The sources are not
 *                 touched, and a TO whose source is gone stays.
 *   copy-finish   after the cluster has entered the new paths: removes the sources, then the parts,
 *                 but only if every TO is there.
 */
#include "actions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "copy_list.h"
#include "copy_parts.h"
#include "sync.h"

/* Always -1, for the caller to return. */
__attribute__((format(printf, 2, 3))) static int fail(struct operation *operation,
                                                      const char *format, ...) {
    char why[640];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    report_set(&operation->report, VM_FAILED, "%s on %s: %s", operation->params->name, ocf_node(),
               why);
    return -1;
}

/* Removes one name, for good. */
static int remove_name(struct operation *operation, const char *path) {
    operation_check_begun(operation);
    int r = copy_remove(path);
    return r < 0 ? fail(operation, "cannot remove %s: %s", path, strerror(-r)) : 0;
}

static int sync_or_fail(struct operation *operation, const char *path) {
    int r = sync_parent(path);
    return r < 0 ? fail(operation, "cannot flush the directory of %s: %s", path, strerror(-r)) : 0;
}

/* TO is of this move and may go: but not while it is the only copy, as after half a copy-finish. */
static int remove_target(struct operation *operation, const struct copy_names *names) {
    struct stat from;

    int r = copy_look(names->from, &from);
    if (r < 0) {
        return fail(operation, "%s: %s; %s was not removed, because it may be the only copy",
                    names->from, strerror(-r), names->to);
    }
    return remove_name(operation, names->to) < 0 ? -1 : sync_or_fail(operation, names->to);
}

/* TO goes for good before its part does: without the part nobody could tell any more whose it
 * is. */
static int undo_one(struct operation *operation, const struct copy_names *names) {
    int part = -1;

    int r = copy_part_take(names, &part);
    if (r == -ENOENT) {
        if (remove_name(operation, names->link) < 0) {
            return -1;
        }
        copy_dir_remove(names, names->to);
        return 0;
    }
    if (r == -EBUSY) {
        return fail(operation,
                    "%s is in use: a copy of this move still works on it, or a VM uses it; wait "
                    "until that has ended",
                    names->part);
    }
    if (r < 0) {
        return fail(operation, "cannot open %s: %s", names->part,
                    r == -ENOTSUP ? "it is no file" : strerror(-r));
    }
    int ours = copy_is_ours(names);
    if (ours < 0) {
        r = fail(operation, "cannot look at %s: %s", names->to, strerror(-ours));
    } else if (ours == 1) {
        r = remove_target(operation, names);
    }
    if (r == 0 &&
        (remove_name(operation, names->link) < 0 || remove_name(operation, names->part) < 0 ||
         sync_or_fail(operation, names->part) < 0)) {
        r = -1;
    }
    close(part);
    if (r == 0) {
        copy_dir_remove(names, names->to);
    }
    return r;
}

static int check_finish_one(struct operation *operation, const struct copy_names *names) {
    struct stat to;
    struct stat other;

    int r = copy_look(names->to, &to);
    if (r < 0) {
        return fail(operation, "%s: %s; nothing was removed, %s is still needed", names->to,
                    strerror(-r), names->from);
    }
    if (!S_ISREG(to.st_mode)) {
        return fail(operation, "%s is no regular file; nothing was removed, %s is still needed",
                    names->to, names->from);
    }
    r = copy_look(names->from, &other);
    if (r == 0 && copy_same_inode(&to, &other)) {
        return fail(operation, "%s and %s are the same file; nothing was removed", names->from,
                    names->to);
    }
    if (r == 0 && !S_ISREG(other.st_mode)) {
        return fail(operation, "%s is no regular file; nothing was removed", names->from);
    }
    if (r < 0 && r != -ENOENT) {
        return fail(operation, "cannot look at %s: %s; nothing was removed", names->from,
                    strerror(-r));
    }
    r = copy_look(names->part, &other);
    if (r < 0 && r != -ENOENT) {
        return fail(operation, "cannot look at %s: %s; nothing was removed", names->part,
                    strerror(-r));
    }
    /* A VM that has started meanwhile has a swtpm, which replaces the file with each change. */
    if (r == 0 && !copy_same_inode(&to, &other) && !names->is_tpm) {
        return fail(operation,
                    "somebody has replaced %s since it was copied; nothing was removed: keep the "
                    "right one of it, %s and %s, and remove %s by hand",
                    names->to, names->part, names->from, names->part);
    }
    return 0;
}

static int finish_one(struct operation *operation, const struct copy_names *names) {
    if (remove_name(operation, names->from) < 0) {
        return -1;
    }
    int r = sync_parent(names->from);
    if (r < 0 && !(r == -ENOENT && names->is_tpm)) { /* its directory went the last time */
        return fail(operation, "cannot flush the directory of %s: %s", names->from, strerror(-r));
    }
    if (remove_name(operation, names->link) < 0 || remove_name(operation, names->part) < 0) {
        return -1;
    }
    copy_dir_remove(names, names->from);
    return sync_or_fail(operation, names->part);
}

/* Reads the files; false with the report. */
static bool begin(struct operation *operation, struct copy_list *ret_list) {
    const struct params *params = operation->params;
    char reason[512];

    operation->report.state = AGENT_VM_OFF; /* only then is a move undone or finished */
    if (copy_list_parse(params->files, params->move, ret_list, reason, sizeof(reason)) < 0) {
        fail(operation, "%s", reason);
        return false;
    }
    return true;
}

static void end(struct operation *operation, int r) {
    if (r == 0) {
        report_set(&operation->report, VM_OK, "%s", "");
    }
}

void action_copy_undo(struct operation *operation) {
    static struct copy_list list;
    int r = 0;

    if (!begin(operation, &list) || !operation_may_begin(operation, "the end of its move")) {
        return;
    }
    operation_step(operation, "removing what was copied");
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        r = undo_one(operation, &list.items[i]);
    }
    end(operation, r);
}

void action_copy_finish(struct operation *operation) {
    static struct copy_list list;
    int r = 0;

    if (!begin(operation, &list)) {
        return;
    }
    operation_step(operation, "looking at its files");
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        r = check_finish_one(operation, &list.items[i]);
    }
    if (r < 0 || !operation_may_begin(operation, "the end of its move")) {
        return;
    }
    operation_step(operation, "removing its former files");
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        r = finish_one(operation, &list.items[i]);
    }
    end(operation, r);
}
