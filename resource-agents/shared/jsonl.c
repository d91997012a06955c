/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON lines on standard output. See jsonl.h. */
#include "jsonl.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocf.h"

static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;
static int output_broken; /* negative errno after a line was cut */

/* Waits until the pipe has room for PIPE_BUF bytes, at most until due_ms. */
static int wait_for_room(uint64_t due_ms) {
    for (;;) {
        struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
        uint64_t now = ocf_now_ms();
        int n = poll(&output, 1, due_ms > now ? (int)(due_ms - now) : 0);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0 && (output.revents & (POLLERR | POLLNVAL)) != 0) {
            return -EPIPE;
        }
        if (n > 0) {
            return 0;
        }
        if (ocf_now_ms() >= due_ms) {
            return -EAGAIN;
        }
    }
}

static int write_line(const char *text, size_t len, uint64_t due_ms) {
    size_t done = 0;

    while (done < len) {
        int r = wait_for_room(due_ms);
        if (r == -EAGAIN && done > 0) {
            return -ETIMEDOUT;
        }
        if (r < 0) {
            return r;
        }
        size_t piece = len - done < PIPE_BUF ? len - done : PIPE_BUF;
        ssize_t n = write(STDOUT_FILENO, text + done, piece);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return -errno;
        }
        if (n > 0) {
            done += (size_t)n;
        }
    }
    return 0;
}

int jsonl_send(json_t *value, int wait_ms) {
    uint64_t due_ms = ocf_now_ms() + (uint64_t)wait_ms;
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    if (text == NULL) {
        return -ENOMEM;
    }
    size_t len = strlen(text);
    text[len] = '\n'; /* in place of the NUL: the length is known */

    pthread_mutex_lock(&output_lock);
    int r = output_broken != 0 ? output_broken : write_line(text, len + 1, due_ms);
    if (r == -ETIMEDOUT || r == -EPIPE) {
        output_broken = r;
    }
    pthread_mutex_unlock(&output_lock);
    free(text);
    return r;
}

bool jsonl_reader_gone(void) {
    struct pollfd output = {.fd = STDOUT_FILENO, .events = 0};
    return poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLNVAL)) != 0;
}

json_t *jsonl_text(const char *text) {
    json_t *string = json_string(text);
    if (string != NULL) {
        return string;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return NULL;
    }
    for (char *p = copy; *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80) {
            *p = '?';
        }
    }
    string = json_string(copy);
    free(copy);
    return string;
}
