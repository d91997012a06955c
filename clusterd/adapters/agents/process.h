/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One child process: started in a process group of its own, read line by line, killed at its
 * deadline, told about when it has ended. Agents and fence agents are built on it. Nothing here
 * ever waits.
 */
#ifndef CLUSTERD_ADAPTERS_AGENTS_PROCESS_H
#define CLUSTERD_ADAPTERS_AGENTS_PROCESS_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_MAX_LINE ((size_t)64 * 1024)

struct process; /* opaque */

enum process_stream { PROCESS_STDOUT = 0, PROCESS_STDERR = 1 };

struct process_end {
    int exit_code;  /* -1 if a signal ended it */
    int signal;     /* 0 if it exited */
    bool timed_out; /* the deadline killed it */
    bool undead;    /* SIGKILL did not end it within PROCESS_UNDEAD_MS: it hangs in the kernel */
};

struct process_handlers {
    /* One line without its newline, ending in NUL, without any other NUL; valid until the call
     * returns. A line over PROCESS_MAX_LINE comes as its first bytes, with `cut` set; the rest is
     * dropped. */
    void (*line)(void *context, enum process_stream stream, const char *text, size_t size,
                 bool cut);
    /* The last call; everything that it wrote has been handed over. The process is destroyed after
     * it by its owner. */
    void (*ended)(void *context, const struct process_end *end);
};

struct process_spec {
    const char *path;
    char *const *argv;
    char *const *envp;
    const char *input; /* what it finds on stdin; NULL: nothing */
    size_t input_size;
    uint64_t timeout_ms; /* 0: none */
};

#define PROCESS_UNDEAD_MS 2000u

/* Copies all it needs. A program that cannot be run is an error here: -ENOENT, -EACCES, ... */
int process_start(qb_loop_t *loop, const struct process_spec *spec,
                  const struct process_handlers *handlers, void *context,
                  struct process **ret_process);
/* To the whole group. */
void process_kill(struct process *process, int signal);
/* Kills the group if it still runs, and forgets it; no handler is called any more. NULL is fine. */
void process_destroy(struct process *process);
/* Forgets it, and lets it go on. NULL is fine. */
void process_leave(struct process *process);

#endif
