/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths in one form: see path.h.
 */
#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int path_normalize(const char *path, char *ret_path, size_t size) {
    char result[PATH_MAX];
    size_t len = 0;

    if (path[0] != '/') {
        return -EINVAL;
    }
    for (const char *p = path; *p != '\0';) {
        size_t slashes = strspn(p, "/");
        const char *step = p + slashes;
        size_t step_len = strcspn(step, "/");
        p = step + step_len;
        if (step_len == 0 || (step_len == 1 && step[0] == '.')) {
            continue;
        }
        if (step_len == 2 && step[0] == '.' && step[1] == '.') {
            return -EINVAL;
        }
        if (len + 1 + step_len + 1 > sizeof(result)) {
            return -ENAMETOOLONG;
        }
        result[len++] = '/';
        memcpy(result + len, step, step_len);
        len += step_len;
    }
    if (len == 0) {
        result[len++] = '/';
    }
    result[len] = '\0';
    if (len + 1 > size) {
        return -ENAMETOOLONG;
    }
    memcpy(ret_path, result, len + 1);
    return 0;
}
