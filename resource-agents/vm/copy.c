/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy: copies files of a VM that is off to their new places. The steps, for all files together, so
 * that a new name appears only when everything is copied and compared:
 *
 *   look      sources are regular files, no TO is there; nothing is changed
 *   parts     TO.clusterd-MOVE.part of each file, locked; the file system can link
 *   data      copied, flushed, compared with the source
 *   source    nobody has changed one of them meanwhile
 *   names     TO of each file, a second name of its part
 *
 * When it breaks off in the middle, the sources are untouched, and each TO that is there is
 * complete. Its repetition begins anew; copy-undo removes what is left. If it ends by itself
 * without success, it has removed its files, unless the storage hangs. copy_parts.h draws the
 * names.
 */
#include "actions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "copy_data.h"
#include "copy_list.h"
#include "copy_meter.h"
#include "copy_parts.h"
#include "copy_written.h"
#include "sync.h"

enum { MIB = 1024 * 1024 };

struct file {
    const struct copy_names *names;
    struct stat before; /* the source, when the copy began */
    int from;
    int part; /* locked; -1: not ours (yet) */
    uint64_t data;
    uint64_t began; /* what the meter said when its turn came */
    struct copy_written written;
};

struct copy {
    struct operation *operation;
    struct copy_list list;
    struct file files[COPY_FILES_MAX];
    struct copy_meter meter;
};

/* Always -1, for the caller to return. */
__attribute__((format(printf, 2, 3))) static int fail(const struct copy *copy, const char *format,
                                                      ...) {
    char why[640];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    report_set(&copy->operation->report, VM_FAILED, "%s on %s: %s", copy->operation->params->name,
               ocf_node(), why);
    return -1;
}

static int stopped(const struct copy *copy) {
    bool cancelled = operation_stopped(copy->operation) == STOP_CANCELLED;

    report_set(&copy->operation->report, cancelled ? VM_CANCELLED : VM_FAILED,
               "%s on %s: the copy of its files was stopped: %s; its files are where they were",
               copy->operation->params->name, ocf_node(), operation_stop_text(copy->operation));
    return -1;
}

static int open_source(struct copy *copy, struct file *file) {
    const char *from = file->names->from;

    file->from = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r = file->from < 0 ? -errno : copy_stat(file->from, &file->before);
    if (r < 0) {
        return fail(copy, "cannot read %s: %s", from, strerror(-r));
    }
    if (!S_ISREG(file->before.st_mode)) {
        return fail(copy, "%s is no regular file, so it cannot be copied", from);
    }
    return 0;
}

/* An image of many pieces on slow storage takes a while, so this belongs to the copy itself. */
static int count_data(struct copy *copy, struct file *file) {
    int r = copy_data_count(file->from, file->before.st_size, &file->data);
    if (r < 0) {
        return fail(copy, "cannot read %s: %s", file->names->from, strerror(-r));
    }
    atomic_fetch_add(&copy->meter.total_bytes, 2 * file->data);
    return 0;
}

/* A TO that somebody else has made is noticed at the end in any case; here it spares the copy. */
static int look_at_target(struct copy *copy, const struct file *file) {
    struct stat status;

    int r = copy_look(file->names->to, &status);
    if (r == -ENOENT) {
        return 0;
    }
    int ours = r == 0 ? copy_is_ours(file->names) : r;
    if (ours < 0) {
        return fail(copy, "cannot look at %s: %s", file->names->to, strerror(-ours));
    }
    return ours == 1 ? 0
                     : fail(copy, "%s exists and is not of this move; remove it if nobody needs it",
                            file->names->to);
}

/* Owner first: a change of the owner clears mode bits. */
static int dress(struct copy *copy, const struct file *file) {
    const struct stat *before = &file->before;
    struct stat status;

    if (fstat(file->part, &status) < 0 ||
        ((status.st_uid != before->st_uid || status.st_gid != before->st_gid) &&
         fchown(file->part, before->st_uid, before->st_gid) < 0) ||
        fchmod(file->part, before->st_mode & 07777) < 0) {
        return fail(copy, "cannot give %s the owner and mode of %s: %s", file->names->part,
                    file->names->from, strerror(errno));
    }
    return 0;
}

static int make_part(struct copy *copy, struct file *file) {
    const struct copy_names *names = file->names;

    operation_check_begun(copy->operation);
    int r = copy_dir_make(names);
    if (r < 0) {
        return fail(copy, "cannot make the directory of %s: %s", names->to, strerror(-r));
    }
    r = copy_part_create(names, &file->part);
    if (r == -EBUSY) {
        return fail(copy,
                    "%s is in use: an earlier copy of this move still works on it, or a VM uses "
                    "it; wait until that has ended",
                    names->part);
    }
    if (r < 0) {
        return fail(copy, "cannot create %s: %s", names->part,
                    r == -ENOTSUP ? "the name is taken by something that is no file"
                                  : strerror(-r));
    }
    /* Of an earlier attempt: TO must not be there half-written. */
    int ours = copy_is_ours(names);
    r = ours == 1 ? copy_remove(names->to) : ours;
    if (r < 0) {
        return fail(copy, "cannot take back %s: %s", names->to, strerror(-r));
    }
    r = copy_part_try_link(names);
    if (r < 0) {
        return fail(copy,
                    "cannot make a hard link to %s: %s; the file system has none, and without them "
                    "a copy could overwrite a file of somebody else: choose another place",
                    names->part, strerror(-r));
    }
    if (ftruncate(file->part, 0) < 0) {
        return fail(copy, "cannot empty %s: %s", names->part, strerror(errno));
    }
    return dress(copy, file);
}

/* What went wrong while the data moved, with the numbers. */
static int fail_data(struct copy *copy, const struct file *file, int error, const char *what) {
    struct statvfs room;
    uint64_t done = atomic_load(&copy->meter.done_bytes) - file->began;

    if (error == -ECANCELED) {
        return stopped(copy);
    }
    if (error == -ENODATA) {
        return fail(copy, "%s has become shorter: somebody writes to it; stop that and try again",
                    file->names->from);
    }
    uint64_t free_mb =
        fstatvfs(file->part, &room) == 0 ? (uint64_t)room.f_bavail * room.f_frsize / MIB : 0;
    return fail(copy,
                "cannot %s %s: %s; %" PRIu64 " of its %" PRIu64 " MB were copied, %" PRIu64
                " MB are free there",
                what, file->names->part, strerror(-error),
                (done < file->data ? done : file->data) / MIB, file->data / MIB, free_mb);
}

static int flush_one(struct copy *copy, const struct file *file) {
    operation_step(copy->operation, "flushing a copied file to the disk");
    return fsync(file->part) < 0 ? fail_data(copy, file, -errno, "flush") : 0;
}

/* Reads the copy back; what was not written of it needs no reading. */
static int compare_one(struct copy *copy, const struct file *file) {
    const uint64_t written = copy_written_count(&file->written);
    off_t offset = 0;

    operation_step(copy->operation, "comparing a copied file");
    int r = copy_meter_add(&copy->meter, file->data > written ? file->data - written : 0);
    if (r == 0) {
        r = copy_data_compare(file->from, file->part, &file->written, &copy->meter, &offset);
    }
    if (r == -EBADMSG) {
        return fail(
            copy,
            "%s differs from %s at byte %lld: the storage does not keep what is written, or "
            "somebody writes to one of them",
            file->names->part, file->names->from, (long long)offset);
    }
    return r < 0 ? fail_data(copy, file, r, "compare") : 0;
}

/* Copied by itself, not as the same blocks. */
static int copy_and_compare(struct copy *copy, struct file *file) {
    int r = copy_written_init(&file->written, file->before.st_size);
    if (r == 0) {
        r = copy_data(file->from, file->part, &file->written, &copy->meter);
    }
    if (r < 0) {
        return fail_data(copy, file, r, "copy");
    }
    return flush_one(copy, file) < 0 ? -1 : compare_one(copy, file);
}

static int copy_one(struct copy *copy, struct file *file) {
    file->began = atomic_load(&copy->meter.done_bytes);
    operation_step(copy->operation, "copying a file");
    int r = copy_data_clone(file->from, file->part) == 0 ? flush_one(copy, file)
                                                         : copy_and_compare(copy, file);
    copy_written_finish(&file->written);
    if (r < 0) {
        return r;
    }
    /* Not to be compared: the same blocks, and holes. Compared: some bytes around the data. */
    atomic_store(&copy->meter.done_bytes, file->began + 2 * file->data);
    return 0;
}

/* The source must be what it was when the copy began, under its name, too. */
static int check_source(struct copy *copy, const struct file *file) {
    const struct stat *before = &file->before;
    struct stat now;
    struct stat part;

    int r = copy_look(file->names->from, &now);
    if (r < 0) {
        return fail(copy, "cannot look at %s again: %s", file->names->from, strerror(-r));
    }
    if (!copy_same_inode(before, &now) || before->st_size != now.st_size ||
        before->st_mtim.tv_sec != now.st_mtim.tv_sec ||
        before->st_mtim.tv_nsec != now.st_mtim.tv_nsec ||
        before->st_ctim.tv_sec != now.st_ctim.tv_sec ||
        before->st_ctim.tv_nsec != now.st_ctim.tv_nsec) {
        return fail(copy,
                    "%s has changed while it was copied: somebody writes to it; stop that and try "
                    "again",
                    file->names->from);
    }
    if (fstat(file->part, &part) < 0 || part.st_size != before->st_size) {
        return fail(copy, "%s has not the size of %s", file->names->part, file->names->from);
    }
    return 0;
}

static int publish(struct copy *copy, const struct file *file) {
    operation_check_begun(copy->operation);
    int r = copy_part_publish(file->names);
    if (r == -EEXIST) {
        return fail(copy,
                    "somebody has made %s while it was copied; remove it if nobody needs it, and "
                    "try again",
                    file->names->to);
    }
    if (r == 0) {
        r = sync_parent(file->names->to);
    }
    return r < 0 ? fail(copy, "cannot give %s its name: %s", file->names->to, strerror(-r)) : 0;
}

/* All parts are locked by us: removes them, and the names that they got. What cannot be removed
 * stays for copy-undo. */
static void discard(const struct copy *copy) {
    for (size_t i = 0; i < copy->list.count; i++) {
        const struct file *file = &copy->files[i];
        if (file->part < 0) {
            continue;
        }
        int r = copy_is_ours(file->names);
        if (r == 1) {
            r = copy_remove(file->names->to);
        }
        if (r == 0) {
            (void)copy_remove(file->names->link);
            (void)copy_remove(file->names->part);
            (void)sync_parent(file->names->part);
            copy_dir_remove(file->names, file->names->part);
        }
    }
}

/* For all files: a step that reports its own failure. */
static int for_all(struct copy *copy, int (*step)(struct copy *copy, struct file *file)) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < copy->list.count; i++) {
        r = operation_stopped(copy->operation) == STOP_NONE ? step(copy, &copy->files[i])
                                                            : stopped(copy);
    }
    return r;
}

static int step_look(struct copy *copy, struct file *file) {
    return open_source(copy, file) < 0 ? -1 : look_at_target(copy, file);
}

static int step_check(struct copy *copy, struct file *file) {
    return check_source(copy, file);
}

static void copy_all(struct copy *copy) {
    int r = copy_meter_start(&copy->meter, copy->operation);
    if (r < 0) {
        fail(copy, "cannot report progress: %s", strerror(-r));
        return;
    }
    operation_step(copy->operation, "creating the files");
    r = for_all(copy, make_part);
    if (r == 0) {
        operation_step(copy->operation, "counting the data of its files");
        r = for_all(copy, count_data);
    }
    if (r == 0) {
        r = for_all(copy, copy_one);
    }
    operation_step(copy->operation, "giving the copied files their names");
    if (r == 0) {
        r = for_all(copy, step_check);
    }
    /* From here on it is not stopped any more: what is left is quick. */
    for (size_t i = 0; r == 0 && i < copy->list.count; i++) {
        r = publish(copy, &copy->files[i]);
    }
    copy_meter_stop(&copy->meter);
    if (r == 0) {
        report_set(&copy->operation->report, VM_OK, "%s", "");
        return;
    }
    operation_step(copy->operation, "removing what was copied");
    discard(copy);
}

void action_copy(struct operation *operation) {
    static struct copy copy;
    const struct params *params = operation->params;
    char reason[512];

    operation->report.state = AGENT_VM_OFF; /* only then is a copy ordered */
    copy.operation = operation;
    if (copy_list_parse(params->files, params->move, &copy.list, reason, sizeof(reason)) < 0) {
        fail(&copy, "%s", reason);
        return;
    }
    for (size_t i = 0; i < copy.list.count; i++) {
        copy.files[i] = (struct file){.names = &copy.list.items[i], .from = -1, .part = -1};
    }
    for (size_t i = 0; i < copy.list.count; i++) {
        if (copy.list.items[i].format != NULL) {
            fail(&copy, "%s is to become %s, but a copy of files does not change them",
                 copy.list.items[i].from, copy.list.items[i].format);
            return;
        }
    }
    operation_step(operation, "looking at its files");
    if (for_all(&copy, step_look) == 0 && operation_may_begin(operation, "the copy of its files")) {
        copy_all(&copy);
    }
    /* The end of the process closes the files; the locks hold until then. */
}
