/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a program whose output is wanted in a file, without being at its mercy: it has a
 * deadline, and what it says when it fails is at hand.
 */
#ifndef CLI_SUBPROCESS_H
#define CLI_SUBPROCESS_H

#include <stddef.h>
#include <stdint.h>

struct subprocess {
    const char *const *argv; /* looked for in PATH, then where the system's programs lie */
    int output;              /* its standard output is written there */
    int64_t deadline_ms;     /* then it is killed with all its children */
    int interrupt;           /* readable: the same; -1: none */
};

enum { SUBPROCESS_NOT_FOUND = 127 };

/* Runs it to its end. Its exit status (128 and more: killed by a signal), or
 *   -ETIMEDOUT, -EINTR  the deadline, the interrupt
 *   -ENOSPC, ...        `output` could not be written, or it could not be started
 * In `ret_words` (of `size` bytes) stands the first line that it wrote to standard error, "" if
 * none. */
int subprocess_run(const struct subprocess *call, char *ret_words, size_t size);

#endif
