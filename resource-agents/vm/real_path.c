/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths without symbolic links. See real_path.h. */
#include "real_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as the kernel has it (path_resolution(7)) */

/* dir/name; "/" is a directory without a second slash. */
static int join(const char *dir, const char *name, char ret_path[PATH_MAX]) {
    int n = snprintf(ret_path, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
    return n > 0 && n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* What a link at `path`, in the directory `dir`, says; -EINVAL: it is no link. */
static int follow_one(const char *path, const char *dir, char ret_path[PATH_MAX]) {
    char target[PATH_MAX];

    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n < 0) {
        return -errno;
    }
    target[n] = '\0';
    if (target[0] != '/') {
        return join(dir, target, ret_path);
    }
    memcpy(ret_path, target, (size_t)n + 1);
    return 0;
}

/* realpath() says nothing of a name that is missing: its directory does. */
int real_path(const char *path, char ret_real[PATH_MAX]) {
    char here[PATH_MAX];
    char parent[PATH_MAX];
    char dir[PATH_MAX];
    char last[PATH_MAX];

    if (strlen(path) >= sizeof(here)) {
        return -ENAMETOOLONG;
    }
    memcpy(here, path, strlen(path) + 1);
    for (int i = 0; i < LINKS_MAX; i++) {
        if (realpath(here, ret_real) != NULL) {
            return 0;
        }
        if (errno != ENOENT) {
            return -errno;
        }
        int r = path_parent(here, parent);
        if (r == 0 && realpath(parent, dir) == NULL) {
            r = -errno;
        }
        if (r == 0) {
            r = join(dir, strrchr(here, '/') + 1, last);
        }
        if (r < 0) {
            return r;
        }
        r = follow_one(last, dir, here);
        if (r == -EINVAL || r == -ENOENT) {
            memcpy(ret_real, last, sizeof(last));
            return 0;
        }
        if (r < 0) {
            return r;
        }
    }
    return -ELOOP;
}

enum real_place real_place(const struct volumes *volumes, const char *path, char ret_real[PATH_MAX],
                           int *ret_error) {
    char root[PATH_MAX];

    *ret_error = real_path(path, ret_real);
    if (*ret_error < 0) {
        return REAL_UNKNOWN;
    }
    for (size_t i = 0; i < volumes->count; i++) {
        if (realpath(volumes->items[i].path, root) != NULL && path_is_in(ret_real, root)) {
            return REAL_ON_VOLUME;
        }
    }
    return REAL_ELSEWHERE;
}
