/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checkpoint, checkpoint-revert, checkpoint-remove: the checkpoints of a VM that is off.
 *
 * A checkpoint is an internal snapshot in each of the VM's qcow2 images. qemu-img makes it, puts it
 * back and removes it; what is there is read from the image itself. All three may break off
 * anywhere, also by SIGKILL, with which qemu-img ends as well, and be repeated on any node:
 *
 *   checkpoint          a disk that has the snapshot is left alone
 *   checkpoint-revert   all disks are set back (again); the snapshot itself stays what it is
 *   checkpoint-remove   a disk that does not have it is left alone
 *
 * checkpoint-revert looks at all disks before it touches the first: each has the snapshot, and
 * nobody uses it. Once it has begun, it does not stop before all are set back.
 */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "actions.h"
#include "child.h"
#include "qcow2.h"

int checkpoint_fail(const struct checkpoint *checkpoint, const char *format, ...) {
    const struct operation *operation = checkpoint->operation;
    char why[640];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    report_set(&checkpoint->operation->report, VM_FAILED, "%s on %s: %s", operation->params->name,
               ocf_node(), why);
    return -1;
}

bool checkpoint_begin(struct operation *operation, struct checkpoint *ret_checkpoint) {
    const struct params *params = operation->params;
    char reason[512];

    ret_checkpoint->operation = operation;
    if (move_overrides_parse(params->disks, &ret_checkpoint->disks, reason, sizeof(reason)) < 0) {
        checkpoint_fail(ret_checkpoint, "parameter disks: %s", reason);
        return false;
    }
    if (ret_checkpoint->disks.count == 0) {
        checkpoint_fail(ret_checkpoint, "parameter disks names no disk");
        return false;
    }
    snprintf(ret_checkpoint->snapshot, sizeof(ret_checkpoint->snapshot), "clusterd-%" PRIu64,
             params->checkpoint);
    return true;
}

size_t checkpoint_count(const struct checkpoint *checkpoint) {
    size_t n = 0;

    for (size_t i = 0; i < checkpoint->disks.count; i++) {
        n += checkpoint->has[i];
    }
    return n;
}

/* Another node may have written to the image a moment ago, and this one may remember its former
 * size, as with FUSE; qemu-img would take what lies behind that for zeros. */
static void refresh(int fd) {
    struct statx status;

    (void)statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &status);
}

/* One that is missing has no snapshot, if that will do. */
static int look(struct checkpoint *checkpoint, size_t i, bool may_be_missing) {
    const struct move_override *disk = &checkpoint->disks.overrides[i];

    checkpoint->has[i] = false;
    int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && may_be_missing) {
        return 0;
    }
    int r = fd < 0 ? -errno : 0;
    if (fd >= 0) {
        refresh(fd);
        r = qcow2_has_snapshot(fd, checkpoint->snapshot);
        close(fd);
    }
    if (r == -EINVAL || r == -ENOTSUP) {
        return may_be_missing ? 0 /* another file has its place now */
                              : checkpoint_fail(checkpoint, "%s: %s is not a qcow2 image",
                                                disk->disk, disk->path);
    }
    if (r < 0) {
        return checkpoint_fail(checkpoint, "%s: cannot read %s: %s", disk->disk, disk->path,
                               r == -EBADMSG ? "its list of snapshots is damaged" : strerror(-r));
    }
    checkpoint->has[i] = r == 1;
    return 0;
}

static int look_at_all(struct checkpoint *checkpoint, bool may_be_missing) {
    int r = 0;

    operation_step(checkpoint->operation, "looking at its disks");
    for (size_t i = 0; r == 0 && i < checkpoint->disks.count; i++) {
        r = look(checkpoint, i, may_be_missing);
    }
    return r;
}

/* `what` says what could not be done. */
static int qemu_img(const struct checkpoint *checkpoint, const struct move_override *disk,
                    const char *option, const char *what) {
    const char *const change[] = {"qemu-img",           "snapshot", option,
                                  checkpoint->snapshot, disk->path, NULL};
    const char *const list[] = {"qemu-img", "snapshot", "-l", disk->path, NULL};
    bool changes = strcmp(option, "-l") != 0;
    char last_line[400];

    if (changes) {
        operation_check_begun(checkpoint->operation);
    }
    int r = child_run_bound(changes ? change : list, last_line, sizeof(last_line));
    if (r == -ENOENT) {
        return checkpoint_fail(checkpoint, "qemu-img is not installed");
    }
    return r < 0 ? checkpoint_fail(checkpoint, "%s: cannot %s %s: %s", disk->disk, what, disk->path,
                                   r == -EIO && last_line[0] != '\0' ? last_line : strerror(-r))
                 : 0;
}

/* What fails from here on until operation_may_begin() has touched nothing. */
static bool begin(struct operation *operation, struct checkpoint *checkpoint, bool may_be_missing) {
    operation->report.state = AGENT_VM_OFF; /* only then is it ordered */
    operation->report.detail = REPORT_NOT_BEGUN;
    return checkpoint_begin(operation, checkpoint) && look_at_all(checkpoint, may_be_missing) == 0;
}

static bool may_change(struct operation *operation, const char *what) {
    bool may = operation_may_begin(operation, what);

    operation->report.detail = may ? NULL : REPORT_NOT_BEGUN;
    return may;
}

static void end(const struct checkpoint *checkpoint, int r) {
    if (r == 0) {
        report_set(&checkpoint->operation->report, VM_OK, "%s", "");
    }
}

void action_checkpoint(struct operation *operation) {
    static struct checkpoint checkpoint;
    int r = 0;

    if (!begin(operation, &checkpoint, false) || !may_change(operation, "its checkpoint")) {
        return;
    }
    operation_step(operation, "making the checkpoint");
    for (size_t i = 0; r == 0 && i < checkpoint.disks.count; i++) {
        const struct move_override *disk = &checkpoint.disks.overrides[i];
        r = checkpoint.has[i] ? 0 : qemu_img(&checkpoint, disk, "-c", "make a checkpoint in");
    }
    end(&checkpoint, r);
}

/* QEMU keeps a lock on an image that it uses, and qemu-img asks for one as well. */
static int check_all(const struct checkpoint *checkpoint) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < checkpoint->disks.count; i++) {
        const struct move_override *disk = &checkpoint->disks.overrides[i];
        r = checkpoint->has[i]
                ? qemu_img(checkpoint, disk, "-l", "read the checkpoints of")
                : checkpoint_fail(checkpoint,
                                  "%s: %s has no snapshot %s: the image has been replaced, or "
                                  "somebody has removed it; nothing was set back",
                                  disk->disk, disk->path, checkpoint->snapshot);
    }
    return r;
}

void action_checkpoint_revert(struct operation *operation) {
    static struct checkpoint checkpoint;
    int r = 0;

    if (!begin(operation, &checkpoint, false) || check_all(&checkpoint) < 0 ||
        !may_change(operation, "the return to its checkpoint")) {
        return;
    }
    operation_step(operation, "setting its disks back");
    for (size_t i = 0; r == 0 && i < checkpoint.disks.count; i++) {
        r = qemu_img(&checkpoint, &checkpoint.disks.overrides[i], "-a", "set back");
    }
    end(&checkpoint, r);
}

void action_checkpoint_remove(struct operation *operation) {
    static struct checkpoint checkpoint;
    int r = 0;

    if (!begin(operation, &checkpoint, true) ||
        !may_change(operation, "the removal of its checkpoint")) {
        return;
    }
    operation_step(operation, "removing the checkpoint");
    for (size_t i = 0; r == 0 && i < checkpoint.disks.count; i++) {
        const struct move_override *disk = &checkpoint.disks.overrides[i];
        r = checkpoint.has[i] ? qemu_img(&checkpoint, disk, "-d", "remove the checkpoint in") : 0;
    }
    end(&checkpoint, r);
}
