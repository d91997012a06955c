/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one form in which paths are compared: that of a volume, and those of the files on it. */
#ifndef CLUSTERD_BASE_PATH_H
#define CLUSTERD_BASE_PATH_H

#include <stddef.h>

/*
 * Brings a path into the form that is compared: "/a//b/./c/" becomes "/a/b/c". -EINVAL if it is not
 * absolute, or has "..", which could leave the volume again; -ENAMETOOLONG.
 */
int path_normalize(const char *path, char *ret_path, size_t size);

#endif
