/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sync.h. */
#include "sync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "volumes.h"

static int sync_path(const char *path, int flags) {
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int sync_file(const char *path) {
    return sync_path(path, 0);
}

int sync_parent(const char *path) {
    char parent[PATH_MAX];

    int r = path_parent(path, parent);
    return r < 0 ? r : sync_path(parent, O_DIRECTORY);
}
