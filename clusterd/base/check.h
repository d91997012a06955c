/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks that stay on in release builds.
 *
 * A cluster manager that goes on after its own data contradicts itself is worse than one that
 * stops: its node is then fenced by the others, and its VMs run again elsewhere. So a failed check
 * ends the process at once, with one line that names the place. There is no way to compile the
 * checks out.
 */
#ifndef CLUSTERD_BASE_CHECK_H
#define CLUSTERD_BASE_CHECK_H

/* Called with the text of the failed check; never returns. Each program that links this code brings
 * its own: the daemon logs and aborts, the simulator prints the seed. The default, in base/check.c,
 * writes to stderr and aborts. */
_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression)                                  \
    do {                                                   \
        if (!(expression)) {                               \
            check_failed(#expression, __FILE__, __LINE__); \
        }                                                  \
    } while (0)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
