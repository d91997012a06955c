/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One child process: started in its own process group, read line by line, killed at its deadline;
 * its end is reported. Agents and fence agents use it. Nothing here ever waits.
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
    /* One line without its newline, ending in NUL, with no other NUL; valid until the call
     * returns. A line over PROCESS_MAX_LINE comes as its first bytes, with `cut` set; the rest
     * is dropped. */
    void (*line)(void *context, enum process_stream stream, const char *text, size_t size,
                 bool cut);
    /* The last call; all output has been handed over. The owner destroys the process afterwards. */
    void (*ended)(void *context, const struct process_end *end);
};

struct process_spec {
    const char *path;
    char *const *argv;
    char *const *extra; /* in its environment, besides what it inherits; see environment.h */
    const char *input;  /* the content of its stdin; NULL: nothing */
    size_t input_size;
    uint64_t timeout_ms; /* 0: none */
    /* It begins with SIGTERM blocked: one that comes before the program can take it waits. */
    bool blocks_sigterm;
};

#define PROCESS_UNDEAD_MS 2000u

/* Copies all it needs. Fails if the program cannot be run: -ENOENT, -EACCES, ... */
int process_start(qb_loop_t *loop, const struct process_spec *spec,
                  const struct process_handlers *handlers, void *context,
                  struct process **ret_process);
/* Sends the signal to the whole group. */
void process_kill(struct process *process, int signal);
/* Kills the group if it still runs, and frees the process; no handler is called afterwards. NULL is
 * fine. */
void process_destroy(struct process *process);
/* Frees the process, but lets it run. NULL is fine. */
void process_leave(struct process *process);

#endif
