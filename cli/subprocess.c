/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a program: see subprocess.h. (agent.c serves agents, which are given input and write
 * JSON.)
 */
#include "subprocess.h"
#include "ipc.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

struct child {
    pid_t pid;
    int output; /* we read */
    int words;  /* its standard error; we read */
    int end;    /* readable when it has ended */
    size_t words_used;
};

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void search_everywhere(void) {
    char path[4096];
    const char *given = getenv("PATH");
    snprintf(path, sizeof(path), "%s%s" SYSTEM_PATH, given != NULL ? given : "",
             given != NULL ? ":" : "");
    setenv("PATH", path, 1);
}

static _Noreturn void child_main(const char *const *argv, int output, int words, pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    /* A group of its own, so that the deadline reaches its children too; and no life after ours. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0 || dup2(words, STDERR_FILENO) < 0) {
        _exit(SUBPROCESS_NOT_FOUND);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setenv("LC_ALL", "C.UTF-8", 1);
    search_everywhere();
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(SUBPROCESS_NOT_FOUND);
}

static int child_start(const char *const *argv, struct child *child) {
    int output[2] = {-1, -1};
    int words[2] = {-1, -1};
    int r = pipe2(output, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC) < 0 ? -errno : 0;
    pid_t parent = getpid();
    pid_t pid = r == 0 ? fork() : -1;
    if (pid == 0) {
        child_main(argv, output[1], words[1], parent);
    }
    r = r == 0 && pid < 0 ? -errno : r;
    close_fd(&output[1]);
    close_fd(&words[1]);
    if (r < 0) {
        close_fd(&output[0]);
        close_fd(&words[0]);
        return r;
    }
    setpgid(pid, pid); /* whoever of the two comes first */
    *child = (struct child){
        .pid = pid, .output = output[0], .words = words[0], .end = pidfd_open(pid, 0)};
    return 0;
}

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int pass_output(struct child *child, const struct subprocess *call) {
    char data[65536];
    ssize_t got = read(child->output, data, sizeof(data));
    if (got <= 0) {
        close_fd(&child->output);
        return 0;
    }
    return write_all(call->output, data, (size_t)got);
}

static void take_words(struct child *child, char *words, size_t size) {
    char rest[4096];
    bool full = child->words_used + 1 >= size;
    ssize_t got = full
                      ? read(child->words, rest, sizeof(rest))
                      : read(child->words, words + child->words_used, size - 1 - child->words_used);
    if (got <= 0) {
        close_fd(&child->words);
        return;
    }
    child->words_used += full ? 0 : (size_t)got;
    words[child->words_used] = '\0';
}

/* Until it has closed its side of both pipes, and ended. */
static int child_serve(struct child *child, const struct subprocess *call, char *words,
                       size_t size) {
    while (child->output >= 0 || child->words >= 0 || child->end >= 0) {
        bool piped = child->output >= 0 || child->words >= 0;
        struct pollfd fds[] = {{.fd = child->output, .events = POLLIN},
                               {.fd = child->words, .events = POLLIN},
                               {.fd = call->interrupt, .events = POLLIN},
                               {.fd = piped ? -1 : child->end, .events = POLLIN}};
        int ready = poll(fds, 4, ipc_left_ms(call->deadline_ms));
        if (ready == 0) {
            return -ETIMEDOUT;
        }
        if (ready < 0) {
            continue; /* EINTR */
        }
        if (fds[2].revents != 0) {
            return -EINTR;
        }
        if (fds[3].revents != 0) {
            close_fd(&child->end);
        }
        if (fds[1].revents != 0) {
            take_words(child, words, size);
        }
        int r = fds[0].revents != 0 ? pass_output(child, call) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int child_finish(struct child *child, int r) {
    int status = 0;
    close_fd(&child->output);
    close_fd(&child->words);
    close_fd(&child->end);
    if (r < 0) {
        kill(-child->pid, SIGKILL);
    }
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    /* Whatever it left behind. */
    kill(-child->pid, SIGKILL);
    if (r < 0) {
        return r;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int subprocess_run(const struct subprocess *call, char *ret_words, size_t size) {
    struct child child = {.pid = -1, .output = -1, .words = -1, .end = -1};
    ret_words[0] = '\0';
    int r = child_start(call->argv, &child);
    if (r < 0) {
        return r;
    }
    r = child_finish(&child, child_serve(&child, call, ret_words, size));
    ret_words[strcspn(ret_words, "\n")] = '\0';
    text_clean(ret_words);
    return r;
}
