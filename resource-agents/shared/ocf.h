/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource agent's side of the OCF protocol: exit codes, parameters from the environment, and
 * what clusterd expects of every agent process. As a rule it dies with clusterd; it reacts to
 * SIGTERM, and a closed pipe does not kill it.
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

/* Decides what the parent's death means for this process, and makes it survive closed pipes. 0 or a
 * negative errno. Only for the main thread. */
int ocf_process_setup(enum ocf_parent parent);

/* The value of OCF_RESKEY_<name>, or fallback if it is unset or empty. It belongs to the
 * environment. */
const char *ocf_param(const char *name, const char *fallback);

/* Like ocf_param, for a decimal number up to max. -EINVAL: not a number; -ERANGE: above max. */
int ocf_param_u64(const char *name, uint64_t fallback, uint64_t max, uint64_t *ret_value);

/* Reads standard input to its end. -EFBIG: more than limit bytes. *ret_text is NUL-terminated; the
 * caller frees it. */
int ocf_read_input(size_t limit, char **ret_text, size_t *ret_len);

/* Milliseconds on CLOCK_MONOTONIC: deadlines and durations of one process. */
uint64_t ocf_now_ms(void);

/* This node's name, for messages. Static storage. */
const char *ocf_node(void);

/* One line of human text to stderr, which is clusterd's log. */
void ocf_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Turns text into one line of printable characters, in place: messages of libvirt and QEMU contain
 * line breaks. */
void ocf_one_line(char *text);

#endif
