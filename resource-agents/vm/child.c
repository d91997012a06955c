/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another program, run to its end. See child.h. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* As a shell has it. */
enum { EXIT_CANNOT = 126, EXIT_NO_PROGRAM };

/*
 * Reads to the end, and keeps the last line that is not empty. A daemon that the program leaves has
 * closed its output by then, or this would not end.
 */
static void keep_last_line(int fd, char *last_line, size_t size) {
    char chunk[512];
    size_t len = 0;
    bool ended = false;

    last_line[0] = '\0';
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i] == '\n') {
                ended = true;
                continue;
            }
            if (ended) {
                len = 0;
                ended = false;
            }
            if (len + 1 < size) {
                last_line[len++] = chunk[i];
                last_line[len] = '\0';
            }
        }
    }
}

/* The agent's own signals are blocked or ignored; the program shall have the usual ones. */
static int set_signals(posix_spawnattr_t *attributes) {
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    int r = posix_spawnattr_setsigmask(attributes, &none);
    r = r != 0 ? r : posix_spawnattr_setsigdefault(attributes, &all);
    return r != 0 ? r
                  : posix_spawnattr_setflags(attributes,
                                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(const char *const arguments[], int output, pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0) {
        return -r;
    }
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        r = r != 0 ? r : posix_spawn_file_actions_adddup2(&actions, output, 1);
        r = r != 0 ? r : posix_spawn_file_actions_adddup2(&actions, output, 2);
        r = r != 0 ? r : set_signals(&attributes);
        r = r != 0 ? r
                   : posix_spawnp(ret_pid, arguments[0], &actions, &attributes,
                                  (char *const *)(uintptr_t)arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* In the child: only what is allowed between fork() and exec() of a process with threads. */
_Noreturn static void become(const char *const arguments[], int output, pid_t parent) {
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int signal = 1; signal < NSIG; signal++) {
        (void)sigaction(signal, &usual, NULL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && null >= 0 &&
        dup2(null, 0) == 0 && dup2(output, 1) == 1 && dup2(output, 2) == 2) {
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    }
    _exit(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_CANNOT);
}

/* posix_spawn() cannot tie the child to this thread. */
static int spawn_bound(const char *const arguments[], int output, pid_t *ret_pid) {
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        become(arguments, output, parent);
    }
    *ret_pid = pid;
    return pid < 0 ? -errno : 0;
}

static int run(const char *const arguments[], bool bound, char *last_line, size_t size) {
    int pipe_fds[2];
    int status = 0;
    pid_t pid = 0;

    last_line[0] = '\0';
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        return -errno;
    }
    int r = bound ? spawn_bound(arguments, pipe_fds[1], &pid) : spawn(arguments, pipe_fds[1], &pid);
    close(pipe_fds[1]);
    if (r == 0) {
        keep_last_line(pipe_fds[0], last_line, size);
        while (waitpid(pid, &status, 0) < 0) {
            if (errno != EINTR) {
                r = -errno;
                break;
            }
        }
    }
    close(pipe_fds[0]);
    if (r < 0) {
        return r;
    }
    if (bound && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PROGRAM) {
        return -ENOENT;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int child_run(const char *const arguments[], char *last_line, size_t size) {
    return run(arguments, false, last_line, size);
}

int child_run_bound(const char *const arguments[], char *last_line, size_t size) {
    return run(arguments, true, last_line, size);
}
