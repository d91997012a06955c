/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running a resource agent from the command line: see agent.h.
 */
#include "agent.h"
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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1024 * 1024, WORDS_MAX = 4096 };

struct agent {
    pid_t pid;
    int input;  /* we write */
    int output; /* we read */
    int words;  /* its standard error; we read */
};

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static _Noreturn void agent_child(const struct agent_call *call, const int fds[3], pid_t parent) {
    /* A group of its own, so that the deadline reaches its children too; and no life after ours. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++) {
        if (dup2(fds[i], i) < 0) {
            _exit(1);
        }
    }
    for (size_t i = 0; call->settings[i][0] != NULL; i++) {
        setenv(call->settings[i][0], call->settings[i][1], 1);
    }
    execl(call->path, call->path, call->action, (char *)NULL);
    _exit(1);
}

static int agent_start(const struct agent_call *call, struct agent *agent) {
    int input[2] = {-1, -1};
    int output[2] = {-1, -1};
    int words[2] = {-1, -1};
    if (access(call->path, X_OK) < 0) {
        return -errno;
    }
    int r = 0;
    if (pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0 ||
        pipe2(words, O_CLOEXEC) < 0) {
        r = -errno;
    }
    pid_t parent = getpid();
    pid_t pid = r == 0 ? fork() : -1;
    if (pid == 0) {
        const int fds[3] = {input[0], output[1], words[1]};
        agent_child(call, fds, parent);
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
    fcntl(input[1], F_SETFL, O_NONBLOCK);
    *agent = (struct agent){pid, input[1], output[0], words[0]};
    return 0;
}

/* Reads what is there into `text`, up to `max`; the rest is thrown away. Closes the descriptor at
 * its end. */
static void take(int *fd, char *text, size_t *used, size_t max) {
    char rest[4096];
    bool full = *used + 1 >= max;
    ssize_t got = full ? read(*fd, rest, sizeof(rest)) : read(*fd, text + *used, max - 1 - *used);
    if (got <= 0) {
        close_fd(fd);
        return;
    }
    *used += full ? 0 : (size_t)got;
    text[*used] = '\0';
}

static void give(int *fd, const char **text) {
    ssize_t wrote = write(*fd, *text, strlen(*text));
    if (wrote > 0) {
        *text += wrote;
    }
    /* An agent need not read all that it is given. */
    if ((wrote < 0 && errno != EAGAIN) || **text == '\0') {
        close_fd(fd);
    }
}

/* Serves the three pipes until the agent has closed its side of them. -ETIMEDOUT if that lasts too
 * long. */
static int agent_serve(struct agent *agent, const struct agent_call *call, char *output,
                       char *words) {
    const char *input = call->input;
    size_t output_used = 0;
    size_t words_used = 0;
    while (agent->output >= 0 || agent->words >= 0) {
        struct pollfd fds[] = {{.fd = agent->input, .events = POLLOUT},
                               {.fd = agent->output, .events = POLLIN},
                               {.fd = agent->words, .events = POLLIN}};
        int ready = poll(fds, 3, ipc_left_ms(call->deadline_ms));
        if (ready == 0) {
            return -ETIMEDOUT;
        }
        if (ready < 0) {
            continue; /* EINTR */
        }
        if (fds[0].revents != 0) {
            give(&agent->input, &input);
        }
        if (fds[1].revents != 0) {
            take(&agent->output, output, &output_used, OUTPUT_MAX);
        }
        if (fds[2].revents != 0) {
            take(&agent->words, words, &words_used, WORDS_MAX);
        }
    }
    return 0;
}

static void agent_finish(struct agent *agent) {
    int status = 0;
    close_fd(&agent->input);
    close_fd(&agent->output);
    close_fd(&agent->words);
    /* Whatever it left behind, and itself if it is past its deadline. */
    kill(-agent->pid, SIGKILL);
    while (waitpid(agent->pid, &status, 0) < 0 && errno == EINTR) {
    }
}

/* The members of all lines that are JSON objects, later ones over earlier ones. NULL if there is
 * none. */
static json_t *parse_lines(char *output) {
    json_t *result = NULL;
    char *rest = NULL;
    for (char *line = strtok_r(output, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        if (!json_is_object(object)) {
            json_decref(object);
        } else if (result == NULL) {
            result = object;
        } else {
            json_object_update(result, object);
            json_decref(object);
        }
    }
    return result;
}

static void last_line(char *words, char *ret_line, size_t size) {
    size_t length = strlen(words);
    while (length > 0 && words[length - 1] == '\n') {
        words[--length] = '\0';
    }
    const char *line = strrchr(words, '\n');
    snprintf(ret_line, size, "%s", line != NULL ? line + 1 : words);
    text_clean(ret_line);
}

int agent_run(const struct agent_call *call, json_t **ret_result, char *ret_words, size_t size) {
    struct agent agent = {.pid = -1, .input = -1, .output = -1, .words = -1};
    char words[WORDS_MAX] = "";
    ret_words[0] = '\0';
    char *output = calloc(1, OUTPUT_MAX);
    if (output == NULL) {
        return -ENOMEM;
    }
    void (*old_handler)(int) = signal(SIGPIPE, SIG_IGN);
    int r = agent_start(call, &agent);
    if (r == 0) {
        r = agent_serve(&agent, call, output, words);
        agent_finish(&agent);
        last_line(words, ret_words, size);
    }
    signal(SIGPIPE, old_handler);
    json_t *result = r == 0 ? parse_lines(output) : NULL;
    free(output);
    if (r == 0 && result == NULL) {
        return -EBADMSG;
    }
    if (r == 0) {
        *ret_result = result;
    }
    return r;
}
