/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files and their file systems say against a storage move, before anything is changed. See
 * move_plan.h.
 *
 * Between this look and the copy the world may change; the copy looks again at what could do harm.
 * What is found here spares a long copy that would fail at its end.
 */
#include "move_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../shared/ocf.h"
#include "copy_list.h"
#include "copy_parts.h"
#include "qcow2.h"
#include "real_path.h"
#include "volumes.h"

enum { MIB = 1024 * 1024 };

/* By its name, and also by what its symbolic links lead to. If its directory is missing, its name
 * alone counts. */
static bool on_volume(const struct volumes *volumes, const char *path) {
    char real[PATH_MAX];
    int error;

    return volumes_find(volumes, path) != NULL &&
           real_place(volumes, path, real, &error) != REAL_ELSEWHERE;
}

static int check_backing(const struct move_file *file, const char *backing,
                         const struct volumes *volumes, struct move_refusal *refusal) {
    if (backing[0] != '/') {
        return move_refuse(refusal, file->element,
                           "%s: %s has the backing file %s, which its copy would look for in "
                           "another place; give it an absolute path first (qemu-img rebase -u -b "
                           "/path -F FORMAT %s)",
                           file->disk, file->from, backing, file->from);
    }
    if (!on_volume(volumes, backing)) {
        return move_refuse(refusal, file->element,
                           "%s: %s has the backing file %s, which is on none of the cluster's %zu "
                           "volumes, so no other node could start the VM; move it to a volume "
                           "first (clusterctl volume list)",
                           file->disk, file->from, backing, volumes->count);
    }
    return 0;
}

/* The image's other files. Their names are in it, so they would not follow the copy. */
static int check_image(struct move_plan *plan, const struct move_file *file, int fd,
                       const struct volumes *volumes, struct move_refusal *refusal) {
    struct qcow2_header header;
    char backing[QCOW2_BACKING_MAX + 1];
    struct stat status;

    if (strcmp(file->format, "raw") == 0) {
        return 0; /* whatever it begins with, the guest wrote it */
    }
    if (strcmp(file->format, "qcow2") != 0) {
        return move_refuse(refusal, file->element,
                           "%s: clusterd does not know which other files an image of format %s "
                           "needs; convert it to qcow2 or raw first (qemu-img convert)",
                           file->disk, file->format);
    }
    int r = qcow2_read(fd, &header, backing);
    if (r < 0) {
        return move_refuse(refusal, file->element,
                           "%s: %s on %s is not a qcow2 image (%s), but the definition says so; "
                           "correct its <driver type=...>",
                           file->disk, file->from, ocf_node(),
                           r == -EINVAL ? "its header is another" : strerror(-r));
    }
    if (header.data_file) {
        return move_refuse(refusal, file->element,
                           "%s: the data of %s is in another file (data_file), which would stay "
                           "behind; convert it to an image of one file first (qemu-img convert)",
                           file->disk, file->from);
    }
    if (plan->running && header.snapshots > 0) {
        return move_refuse(refusal, file->element,
                           "%s: %s has internal snapshots (%" PRIu32 "), which QEMU does not copy; "
                           "stop the VM first, a move then takes them along",
                           file->disk, file->from, header.snapshots);
    }
    if (backing[0] == '\0') {
        return 0;
    }
    if (file->new_format != NULL) {
        return move_refuse(refusal, file->element,
                           "%s: %s has the backing file %s, so it cannot become %s; leave out "
                           "format=%s",
                           file->disk, file->from, backing, file->new_format, file->new_format);
    }
    r = check_backing(file, backing, volumes, refusal);
    if (r < 0 || stat(backing, &status) < 0) {
        return r; /* QEMU says it better that it is missing */
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->files[i].from_dev == status.st_dev && plan->files[i].from_ino == status.st_ino) {
            return move_refuse(refusal, file->element,
                               "%s: its backing file %s is the file of %s, which is to move as "
                               "well; let it stay",
                               file->disk, backing, plan->files[i].disk);
        }
    }
    return 0;
}

static int check_source(struct move_plan *plan, struct move_file *file,
                        struct move_refusal *refusal) {
    struct stat status;

    if (lstat(file->from, &status) < 0 && errno == ENOENT && strcmp(file->disk, MOVE_TPM) == 0) {
        return move_refuse(refusal, file->element,
                           "its TPM has no state yet (%s on %s): start the VM once, or leave it "
                           "where it is (--disks-only)",
                           file->from, ocf_node());
    }
    if (lstat(file->from, &status) < 0) {
        return move_refuse(refusal, file->element,
                           "%s: its file %s on %s: %s; is its volume there?", file->disk,
                           file->from, ocf_node(), strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return move_refuse(refusal, file->element, "%s: %s on %s is no regular file%s", file->disk,
                           file->from, ocf_node(),
                           S_ISLNK(status.st_mode)
                               ? " but a symbolic link; name the file itself in the definition"
                               : "; only files can be copied");
    }
    for (const struct move_file *other = plan->files; other < file; other++) {
        if (other->from_dev == status.st_dev && other->from_ino == status.st_ino) {
            return move_refuse(refusal, file->element,
                               "%s and %s are the same file (%s); it cannot move to two places",
                               other->disk, file->disk, file->from);
        }
    }
    file->from_dev = status.st_dev;
    file->from_ino = status.st_ino;
    file->bytes = (uint64_t)status.st_size;
    file->allocated = (uint64_t)status.st_blocks * 512;
    return 0;
}

static int check_target_name(const struct move_file *file, struct move_refusal *refusal) {
    struct stat status;

    int r = copy_lstat(file->to, &status);
    if (r < 0) {
        return r == -ENOENT ? 0
                            : move_refuse(refusal, file->element, "%s: cannot look at %s on %s: %s",
                                          file->disk, file->to, ocf_node(), strerror(-r));
    }
    struct stat followed = status;
    if (S_ISLNK(status.st_mode) && stat(file->to, &followed) < 0) {
        followed = status; /* it leads nowhere */
    }
    if (followed.st_dev == file->from_dev && followed.st_ino == file->from_ino) {
        return move_refuse(refusal, file->element,
                           "%s: %s is the same file as %s, by another name; it is there already",
                           file->disk, file->to, file->from);
    }
    if (S_ISDIR(followed.st_mode)) {
        return move_refuse(refusal, file->element,
                           "%s: %s is a directory; name the file in it as well: %s=%s%s",
                           file->disk, file->to, file->disk, file->to, strrchr(file->from, '/'));
    }
    return move_refuse(refusal, file->element,
                       "%s: %s exists on %s already; remove it if nobody needs it, or choose "
                       "another place (%s=/path)",
                       file->disk, file->to, ocf_node(), file->disk);
}

static int check_target(struct move_plan *plan, struct move_file *file,
                        const struct volumes *volumes, struct move_refusal *refusal) {
    struct stat status;

    if (volumes_find(volumes, file->to) == NULL) {
        return move_refuse(refusal, file->element,
                           "%s: %s is on none of the cluster's %zu volumes, so no other node could "
                           "start the VM; choose a place on a volume (clusterctl volume list)",
                           file->disk, file->to, volumes->count);
    }
    int r = path_parent(file->to, file->dir);
    /* The copy makes the directory of a TPM's state, which is its own. */
    if (r == 0 && strcmp(file->disk, MOVE_TPM) == 0 && stat(file->dir, &status) < 0) {
        char dir[PATH_MAX];
        memcpy(dir, file->dir, sizeof(dir));
        r = path_parent(dir, file->dir);
    }
    if (r < 0 || stat(file->dir, &status) < 0 || !S_ISDIR(status.st_mode)) {
        return move_refuse(refusal, file->element,
                           "%s: there is no directory %s on %s; create it, or check that its "
                           "volume is mounted",
                           file->disk, file->dir, ocf_node());
    }
    r = check_target_name(file, refusal);
    if (r < 0) {
        return r;
    }
    if (!on_volume(volumes, file->to)) {
        return move_refuse(refusal, file->element,
                           "%s: %s leads away from the cluster's volumes by a symbolic link, so no "
                           "other node could start the VM; choose a place on a volume",
                           file->disk, file->dir);
    }
    if (access(file->dir, W_OK | X_OK) < 0) {
        return move_refuse(refusal, file->element, "%s: cannot write to %s on %s: %s", file->disk,
                           file->dir, ocf_node(), strerror(errno));
    }
    file->dir_dev = status.st_dev;
    file->dir_ino = status.st_ino;
    for (const struct move_file *other = plan->files; r == 0 && other < file; other++) {
        if (other->dir_dev == file->dir_dev && other->dir_ino == file->dir_ino &&
            strcmp(strrchr(other->to, '/'), strrchr(file->to, '/')) == 0) {
            r = move_refuse(refusal, file->element,
                            "%s and %s would become the same file: %s is %s, by another name",
                            other->disk, file->disk, file->to, other->to);
        }
    }
    return r;
}

/* All files that go to one file system need room there at the same time. */
static int check_room(const struct move_plan *plan, const struct move_file *first,
                      struct move_refusal *refusal) {
    struct statvfs room;
    uint64_t needed = 0;

    for (size_t i = 0; i < plan->count; i++) {
        needed += plan->files[i].dir_dev == first->dir_dev ? plan->files[i].allocated : 0;
    }
    if (statvfs(first->dir, &room) < 0) {
        return move_refuse(refusal, first->element, "%s: cannot ask for the room in %s on %s: %s",
                           first->disk, first->dir, ocf_node(), strerror(errno));
    }
    uint64_t available = (uint64_t)room.f_bavail * room.f_frsize;
    if (needed <= available) {
        return 0;
    }
    return move_refuse(refusal, first->element,
                       "not enough room in %s on %s: %" PRIu64 " MB are needed, %" PRIu64
                       " MB are free; free some, or choose another place",
                       first->dir, ocf_node(), (needed + MIB - 1) / MIB, available / MIB);
}

int move_check(struct move_plan *plan, const struct volumes *volumes,
               struct move_refusal *refusal) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->count; i++) {
        r = check_source(plan, &plan->files[i], refusal);
    }
    for (size_t i = 0; r == 0 && i < plan->count; i++) {
        struct move_file *file = &plan->files[i];
        int fd = open(file->from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) {
            return move_refuse(refusal, file->element, "%s: cannot read %s on %s: %s", file->disk,
                               file->from, ocf_node(), strerror(errno));
        }
        r = check_image(plan, file, fd, volumes, refusal);
        close(fd);
    }
    for (size_t i = 0; r == 0 && i < plan->count; i++) {
        r = check_target(plan, &plan->files[i], volumes, refusal);
    }
    for (size_t i = 0; r == 0 && i < plan->count; i++) {
        r = check_room(plan, &plan->files[i], refusal);
    }
    return r;
}
