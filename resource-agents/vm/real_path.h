/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a path leads once the symbolic links in it are followed. A link on a volume can lead to a
 * disk of one node: the next node would find another file there, or none.
 */
#ifndef AGENTS_VM_REAL_PATH_H
#define AGENTS_VM_REAL_PATH_H

#include <limits.h>

#include "volumes.h"

enum real_place { REAL_UNKNOWN = 1, REAL_ON_VOLUME, REAL_ELSEWHERE };

/*
 * The path without links. The file itself may be missing, and may be the missing target of a link.
 * -ENOENT: a directory in it is missing; else a negative errno of the file system. It may block as
 * long as the storage does.
 */
int real_path(const char *path, char ret_real[PATH_MAX]);

/*
 * Is it on one of the volumes, whose own paths may have links as well? ret_real has the path
 * without links unless the place is unknown; then *ret_error has the negative errno.
 */
enum real_place real_place(const struct volumes *volumes, const char *path, char ret_real[PATH_MAX],
                           int *ret_error);

#endif
