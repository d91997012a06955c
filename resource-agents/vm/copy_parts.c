/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of a storage move on the disk. See copy_parts.h. */
#include "copy_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sync.h"
#include "volumes.h"

/* A network file system (and FUSE for a second) answers fstat() from what it was told before. Then
 * a file that another node has just written to seems to change while it is only read. */
static int stat_now(int fd, const char *path, int flags, struct stat *ret_status) {
    struct statx now;

    if (statx(fd, path, flags | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &now) < 0) {
        return -errno;
    }
    *ret_status = (struct stat){
        .st_dev = makedev(now.stx_dev_major, now.stx_dev_minor),
        .st_ino = now.stx_ino,
        .st_mode = now.stx_mode,
        .st_nlink = now.stx_nlink,
        .st_uid = now.stx_uid,
        .st_gid = now.stx_gid,
        .st_size = (off_t)now.stx_size,
        .st_blocks = (blkcnt_t)now.stx_blocks,
        .st_mtim = {.tv_sec = now.stx_mtime.tv_sec, .tv_nsec = now.stx_mtime.tv_nsec},
        .st_ctim = {.tv_sec = now.stx_ctime.tv_sec, .tv_nsec = now.stx_ctime.tv_nsec},
    };
    return 0;
}

int copy_stat(int fd, struct stat *ret_status) {
    return stat_now(fd, "", AT_EMPTY_PATH, ret_status);
}

int copy_lstat(const char *path, struct stat *ret_status) {
    int r = stat_now(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, ret_status);
    return r == -ESTALE ? -ENOENT : r; /* removed by another node */
}

int copy_look(const char *path, struct stat *ret_status) {
    struct stat status = {0};

    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        *ret_status = status;
        return 0;
    }
    /* Only an open reaches a network file system's server: what lstat() says of a file, or of none,
     * may be older than another node's change. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int r = copy_stat(fd, &status);
    close(fd);
    if (r == 0) {
        *ret_status = status;
    }
    return r;
}

bool copy_same_inode(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int copy_is_ours(const struct copy_names *names) {
    struct stat part = {0};
    struct stat to = {0};

    int r = copy_look(names->part, &part);
    if (r == 0) {
        r = copy_look(names->to, &to);
    }
    if (r == -ENOENT) {
        return 0;
    }
    return r < 0 ? r : copy_same_inode(&part, &to);
}

int copy_dir_make(const struct copy_names *names) {
    char dir[PATH_MAX];
    char former[PATH_MAX];
    struct stat like;

    if (!names->is_tpm) {
        return 0;
    }
    if (path_parent(names->to, dir) < 0 || path_parent(names->from, former) < 0) {
        return -ENAMETOOLONG;
    }
    if (stat(former, &like) < 0) {
        return -errno;
    }
    if (mkdir(dir, 0700) < 0) {
        return errno == EEXIST ? 0 : -errno;
    }
    if (chown(dir, like.st_uid, like.st_gid) < 0 || chmod(dir, like.st_mode & 07777) < 0) {
        int r = -errno;
        (void)rmdir(dir);
        return r;
    }
    return sync_parent(dir);
}

/* Nothing but swtpm's lock is in it. */
static bool is_left(const char *dir) {
    DIR *entries = opendir(dir);
    bool left = entries != NULL;

    for (struct dirent *entry; left && (entry = readdir(entries)) != NULL;) {
        left = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
               strcmp(entry->d_name, ".lock") == 0;
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return left;
}

void copy_dir_remove(const struct copy_names *names, const char *path) {
    char dir[PATH_MAX];
    char lock[PATH_MAX + 8];

    if (!names->is_tpm || path_parent(path, dir) < 0 || !is_left(dir)) {
        return;
    }
    snprintf(lock, sizeof(lock), "%s/.lock", dir);
    if (copy_remove(lock) == 0 && rmdir(dir) == 0) {
        (void)sync_parent(dir);
    }
}

/*
 * A lock on the whole file, which the kernel gives up with the last descriptor of this opening.
 * QEMU locks some bytes of an image that it uses in the same way, so a VM that runs from TO keeps
 * us out as well.
 */
static int lock(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_OFD_SETLK, &whole) == 0) {
        return 0;
    }
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* Locks the open file and makes sure that it still has the name: its former holder may have removed
 * it meanwhile. -EAGAIN: it has. */
static int settle(int fd, const char *path) {
    struct stat mine;
    struct stat named = {0};

    int r = lock(fd);
    if (r < 0) {
        return r;
    }
    if (fstat(fd, &mine) < 0) {
        return -errno;
    }
    if (!S_ISREG(mine.st_mode)) {
        return -ENOTSUP;
    }
    r = copy_look(path, &named);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    return r == 0 && copy_same_inode(&mine, &named) ? 0 : -EAGAIN;
}

static int open_part(const char *path, int flags, int *ret_fd) {
    struct stat status;

    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return -ENOTSUP;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
    if (fd < 0) {
        return -errno;
    }
    int r = settle(fd, path);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int copy_part_take(const struct copy_names *names, int *ret_fd) {
    int r = open_part(names->part, 0, ret_fd);
    return r == -EAGAIN ? -EBUSY : r;
}

int copy_part_create(const struct copy_names *names, int *ret_fd) {
    int r = -EAGAIN;

    /* Twice: with the first attempt, the former holder may just be removing it. */
    for (int i = 0; i < 2 && r == -EAGAIN; i++) {
        r = open_part(names->part, O_CREAT | O_EXCL, ret_fd);
        if (r == -EEXIST) {
            r = open_part(names->part, 0, ret_fd);
            r = r == -ENOENT ? -EAGAIN : r;
        }
    }
    return r == -EAGAIN ? -EBUSY : r;
}

int copy_part_try_link(const struct copy_names *names) {
    int r = copy_remove(names->link); /* an earlier attempt may have died right here */
    if (r < 0) {
        return r;
    }
    if (link(names->part, names->link) < 0) {
        return -errno;
    }
    return copy_remove(names->link);
}

int copy_part_publish(const struct copy_names *names) {
    if (link(names->part, names->to) == 0) {
        return 0;
    }
    int error = -errno;
    /* A file server may have carried it out and lost its answer. */
    int ours = error == -EEXIST ? copy_is_ours(names) : 0;
    return ours == 1 ? 0 : ours < 0 ? ours : error;
}

int copy_remove(const char *path) {
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
