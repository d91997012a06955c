/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The default for a failed check: one line on stderr, then abort(). Weak: a program may replace it.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) void check_failed(const char *expression, const char *file, int line) {
    (void)fprintf(stderr, "clusterd: internal check failed: %s at %s:%d; stopping this process\n",
                  expression, file, line);
    abort();
}
