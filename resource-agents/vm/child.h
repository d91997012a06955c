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

/* The same, but the program is killed when this thread or its process ends, however it ends: for a
 * program that must not go on after clusterd has taken its agent for gone. */
int child_run_bound(const char *const arguments[], char *last_line, size_t size);

#endif
