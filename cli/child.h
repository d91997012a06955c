/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running another program. It cannot hold up clusterctl: it has a deadline, and what it wrote to
 * standard error is at hand when it fails.
 */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum child_words { CHILD_FIRST_LINE, CHILD_LAST_LINE };

struct child_call {
    const char *const *argv;             /* searched in PATH, then in the system's directories */
    const char *const (*environment)[2]; /* names and values, ended by {NULL, NULL}; NULL: none */
    const char *input;                   /* for its standard input; NULL: /dev/null */
    int output; /* its standard output is written to this descriptor; -1: only to take() */
    void (*take)(void *context, const char *data, size_t size); /* as it comes; may be NULL */
    void *context;
    int64_t deadline_ms; /* then it is killed, with all its children */
    int interrupt;       /* the same happens when this is readable; -1: none */
    bool gently; /* when interrupted, it gets SIGTERM and may end by itself, until the deadline */
    enum child_words words; /* which line of standard error is wanted */
};

enum { CHILD_NOT_FOUND = 127 };

/* Runs it to its end. Returns its exit status (128 and more: killed by a signal), or
 *     -ETIMEDOUT, -EINTR   the deadline has passed; it was interrupted
 *     -ENOSPC and others   `output` cannot be written, or the program cannot be started
 * `ret_words` (of `size` bytes) receives one line of its standard error, "" if it wrote none. */
int child_run(const struct child_call *call, char *ret_words, size_t size);

#endif
