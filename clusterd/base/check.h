/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks that stay on in release builds.
 *
 * A cluster manager that continues with contradictory data is worse than one that stops: the others
 * fence a stopped node, and its VMs run again elsewhere. Therefore a failed check ends the process
 * at once, with one line that names the place. The checks cannot be compiled out.
 */
#ifndef CLUSTERD_BASE_CHECK_H
#define CLUSTERD_BASE_CHECK_H

/* Gets the text of the failed check; never returns. A program may bring its own: the daemon logs
 * and aborts, the simulator prints the seed. The default in base/check.c writes to stderr and
 * aborts. */
_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression)                                  \
    do {                                                   \
        if (!(expression)) {                               \
            check_failed(#expression, __FILE__, __LINE__); \
        }                                                  \
    } while (0)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
