/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another program, run to its end. */
#ifndef AGENTS_VM_CHILD_H
#define AGENTS_VM_CHILD_H

#include <stddef.h>

/*
 * Runs a program of the PATH, without input. The last line that it writes goes into last_line. 0 if
 * it exits with 0; -ENOENT: there is no such program; -EIO: it failed; another negative errno.
 */
int child_run(const char *const arguments[], char *last_line, size_t size);

#endif
