/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource agent's side of the OCF protocol: exit codes, parameters from the environment, and
 * what clusterd expects of every agent process: it dies with clusterd as a rule, reacts to SIGTERM,
 * and is not killed by a closed pipe.
 */
#ifndef AGENTS_SHARED_OCF_H
#define AGENTS_SHARED_OCF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ocf_exit {
    OCF_SUCCESS = 0,
    OCF_ERR_GENERIC = 1,
    OCF_ERR_ARGS = 2,
    OCF_ERR_UNIMPLEMENTED = 3,
    OCF_ERR_PERM = 4,
    OCF_ERR_INSTALLED = 5,
    OCF_ERR_CONFIGURED = 6,
    OCF_NOT_RUNNING = 7,
};

enum ocf_parent { OCF_DIES_WITH_PARENT, OCF_OUTLIVES_PARENT };

/* Settles what its parent's death means to this process, and makes it survive closed pipes. 0 or a
 * negative errno. To be called by the main thread. */
int ocf_process_setup(enum ocf_parent parent);

/* Value of OCF_RESKEY_<name>, or fallback where it is not set or empty. It belongs to the
 * environment. */
const char *ocf_param(const char *name, const char *fallback);

/* As ocf_param, for a decimal number of at most max. -EINVAL: not a number; -ERANGE: above max. */
int ocf_param_u64(const char *name, uint64_t fallback, uint64_t max, uint64_t *ret_value);

/* Reads standard input to its end. -EFBIG beyond limit bytes. *ret_text is NUL-terminated; the
 * caller frees it. */
int ocf_read_input(size_t limit, char **ret_text, size_t *ret_len);

/* Milliseconds on CLOCK_MONOTONIC: deadlines and durations of one process. */
uint64_t ocf_now_ms(void);

/* This node's name, for messages. Static storage. */
const char *ocf_node(void);

/* One line of human text to stderr, which is clusterd's log. */
void ocf_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Turns text into one line of printable characters, in place: libvirt and QEMU put line breaks into
 * their messages. */
void ocf_one_line(char *text);

#endif
