/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volumes that a definition is checked against, and which of them a path is on. Pure: no file
 * is accessed. */
#ifndef AGENTS_VM_VOLUMES_H
#define AGENTS_VM_VOLUMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/path.h"

enum { VOLUMES_MAX = 256 };

struct volume {
    char *name;
    char *path; /* absolute, without "." or double slashes */
};

struct volumes {
    size_t count;
    struct volume items[VOLUMES_MAX];
};

/* Reads "name=path:name=path"; "" means no volume. -EINVAL: not of that form; -E2BIG.
 * volumes_finish frees it. */
int volumes_parse(const char *text, struct volumes *ret_volumes);
void volumes_finish(struct volumes *volumes);

/* The volume of a path (the innermost, if one lies inside another), or NULL. */
const struct volume *volumes_find(const struct volumes *volumes, const char *path);

/* The directory of an absolute path; -ENAMETOOLONG. */
int path_parent(const char *path, char ret_parent[PATH_MAX]);

/* True if path is dir or lies in it, by whole components. Both are normalized. */
bool path_is_in(const char *path, const char *dir);

#endif
