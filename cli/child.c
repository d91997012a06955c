/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running another program: see child.h.
 */
#include "child.h"
#include "base/check.h"
#include "base/clean.h"
#include "ipc.h"

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

enum { WORDS_MAX = 4096 };

struct child {
    pid_t pid;
    int input;        /* for writing; -1: no input, or all written */
    int output;       /* for reading */
    int words;        /* its standard error; for reading */
    int end;          /* readable when it has ended */
    const char *rest; /* the part of the input that is not written yet */
    size_t words_used;
    char text[WORDS_MAX]; /* the start of its standard error; the rest is dropped */
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

static _Noreturn void child_main(const struct child_call *call, const int fds[3], pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    /* A process group of its own: the deadline reaches its children, too. It dies with
     * clusterctl. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(CHILD_NOT_FOUND);
    }
    for (int i = 0; i < 3; i++) {
        if (dup2(fds[i], i) < 0) {
            _exit(CHILD_NOT_FOUND);
        }
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setenv("LC_ALL", "C.UTF-8", 1);
    for (size_t i = 0; call->environment != NULL && call->environment[i][0] != NULL; i++) {
        setenv(call->environment[i][0], call->environment[i][1], 1);
    }
    search_everywhere();
    execvp(call->argv[0], (char *const *)(uintptr_t)call->argv);
    _exit(CHILD_NOT_FOUND);
}

/* The two ends of its standard input: a pipe, or /dev/null, which has no other end. */
static int open_input(const struct child_call *call, int ret[2]) {
    if (call->input != NULL) {
        return pipe2(ret, O_CLOEXEC) < 0 ? -errno : 0;
    }
    ret[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return ret[0] < 0 ? -errno : 0;
}

static int child_start(struct child *child, const struct child_call *call) {
    int input[2] = {-1, -1};
    int output[2] = {-1, -1};
    int words[2] = {-1, -1};
    int r = open_input(call, input);
    if (r == 0 && (pipe2(output, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC) < 0)) {
        r = -errno;
    }
    pid_t parent = getpid();
    pid_t pid = r == 0 ? fork() : -1;
    if (pid == 0) {
        const int fds[3] = {input[0], output[1], words[1]};
        child_main(call, fds, parent);
    }
    r = r == 0 && pid < 0 ? -errno : r;
    close_fd(&input[0]);
    close_fd(&output[1]);
    close_fd(&words[1]);
    if (r < 0) {
        close_fd(&input[1]);
        close_fd(&output[0]);
        close_fd(&words[0]);
        return r;
    }
    setpgid(pid, pid); /* whoever of the two comes first */
    if (input[1] >= 0) {
        fcntl(input[1], F_SETFL, O_NONBLOCK);
    }
    *child = (struct child){.pid = pid,
                            .input = input[1],
                            .output = output[0],
                            .words = words[0],
                            .end = pidfd_open(pid, 0),
                            .rest = call->input};
    return 0;
}

static void give_input(struct child *child) {
    CHECK(child->rest != NULL); /* without an input its descriptor is closed from the beginning */
    ssize_t wrote = write(child->input, child->rest, strlen(child->rest));
    if (wrote > 0) {
        child->rest += wrote;
    }
    /* A program need not read all of its input. */
    if ((wrote < 0 && errno != EAGAIN) || *child->rest == '\0') {
        close_fd(&child->input);
    }
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

static int pass_output(struct child *child, const struct child_call *call) {
    char data[65536];
    ssize_t got = read(child->output, data, sizeof(data));
    if (got <= 0) {
        close_fd(&child->output);
        return 0;
    }
    if (call->take != NULL) {
        call->take(call->context, data, (size_t)got);
    }
    return call->output >= 0 ? write_all(call->output, data, (size_t)got) : 0;
}

static void take_words(struct child *child) {
    char rest[4096];
    bool full = child->words_used + 1 >= sizeof(child->text);
    ssize_t got = full ? read(child->words, rest, sizeof(rest))
                       : read(child->words, child->text + child->words_used,
                              sizeof(child->text) - 1 - child->words_used);
    if (got <= 0) {
        close_fd(&child->words);
        return;
    }
    child->words_used += full ? 0 : (size_t)got;
    child->text[child->words_used] = '\0';
}

/* Serves the pipes until the program has closed them and has ended. */
static int child_serve(struct child *child, const struct child_call *call) {
    int interrupt = call->interrupt;
    while (child->output >= 0 || child->words >= 0 || child->end >= 0) {
        bool piped = child->output >= 0 || child->words >= 0;
        struct pollfd fds[] = {{.fd = child->output, .events = POLLIN},
                               {.fd = child->words, .events = POLLIN},
                               {.fd = interrupt, .events = POLLIN},
                               {.fd = piped ? -1 : child->end, .events = POLLIN},
                               {.fd = child->input, .events = POLLOUT}};
        int ready = poll(fds, sizeof(fds) / sizeof(fds[0]), ipc_left_ms(call->deadline_ms));
        if (ready == 0) {
            return -ETIMEDOUT;
        }
        if (ready < 0) {
            continue; /* EINTR */
        }
        if (fds[2].revents != 0 && !call->gently) {
            return -EINTR;
        }
        if (fds[2].revents != 0) {
            kill(child->pid, SIGTERM);
            interrupt = -1; /* once */
        }
        if (fds[3].revents != 0) {
            close_fd(&child->end);
        }
        if (fds[4].revents != 0) {
            give_input(child);
        }
        if (fds[1].revents != 0) {
            take_words(child);
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
    close_fd(&child->input);
    close_fd(&child->output);
    close_fd(&child->words);
    close_fd(&child->end);
    if (r < 0) {
        kill(-child->pid, SIGKILL);
    }
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    /* Kills what it left behind. */
    kill(-child->pid, SIGKILL);
    if (r < 0) {
        return r;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void take_line(char *text, enum child_words which, char *ret_line, size_t size) {
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    const char *last = which == CHILD_LAST_LINE ? strrchr(text, '\n') : NULL;
    snprintf(ret_line, size, "%s", last != NULL ? last + 1 : text);
    ret_line[strcspn(ret_line, "\n")] = '\0';
    clean_line(ret_line);
}

int child_run(const struct child_call *call, char *ret_words, size_t size) {
    struct child child;
    CHECK(call->argv[0] != NULL && (call->output >= 0 || call->take != NULL) && size > 0);
    ret_words[0] = '\0';
    int r = child_start(&child, call);
    if (r < 0) {
        return r;
    }
    /* Writing to a program that does not read must not end clusterctl. */
    void (*old_handler)(int) = signal(SIGPIPE, SIG_IGN);
    r = child_finish(&child, child_serve(&child, call));
    signal(SIGPIPE, old_handler);
    take_line(child.text, call->words, ret_words, size);
    return r;
}
