/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a VM keeps outside of its disks. See kept.h. */
#include "kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sync.h"
#include "volumes.h"

/* 1, 0, or a negative errno. */
static int is_there(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        return 1;
    }
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

/* The record of a path: in the directory .clusterd of the innermost directory that has one. */
static bool find_record(const char *path, const char *uuid, const char *what,
                        char ret_record[PATH_MAX]) {
    char dir[PATH_MAX];
    char parent[PATH_MAX];

    ret_record[0] = '\0';
    if (path_parent(path, dir) < 0) {
        return false;
    }
    for (;;) {
        int n = snprintf(ret_record, PATH_MAX, "%s/.clusterd", strcmp(dir, "/") == 0 ? "" : dir);
        if (n > 0 && n < PATH_MAX && access(ret_record, X_OK) == 0) {
            size_t used = (size_t)n;
            n = snprintf(ret_record + used, PATH_MAX - used, "/kept.%s.%s", uuid, what);
            return n > 0 && (size_t)n < PATH_MAX - used;
        }
        ret_record[0] = '\0';
        if (strcmp(dir, "/") == 0 || path_parent(dir, parent) < 0) {
            return false;
        }
        memcpy(dir, parent, sizeof(dir));
    }
}

int kept_look(const char *path, const char *uuid, const char *what, char ret_record[PATH_MAX]) {
    bool on_volume = find_record(path, uuid, what, ret_record);

    int r = is_there(path);
    if (r != 0) {
        return r < 0 ? r : KEPT_THERE;
    }
    if (!on_volume) {
        ret_record[0] = '\0';
        return KEPT_NO_VOLUME;
    }
    r = is_there(ret_record);
    return r < 0 ? r : r == 1 ? KEPT_LOST : KEPT_NEVER_MADE;
}

int kept_record(const char *record, const char *path) {
    int fd = open(record, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? 0 : -errno;
    }
    /* What counts is that it is there; its text is for people. */
    int r = dprintf(fd, "%s\n", path) < 0 || fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r < 0 ? r : sync_parent(record);
}
