/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commit_client: sends changes to this node's clusterd and measures when each is answered, that is
 * committed by a majority's disks. Used by bench/commit.
 *
 *     commit_client COUNT WINDOW [FIRST] < REQUEST
 *
 * REQUEST is a call of Varlink on one line; {} in it becomes the number of the request,
 * counted from FIRST. WINDOW requests are under way at any time: 1 measures the latency of a lonely
 * change, more what the cluster can take. Out comes one JSON object.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLUSTERD "/run/clusterd/io.clusterd"
#define ANSWER_S 30
#define MAX_MESSAGE (1u << 20)
#define MAX_REQUEST 65536

struct client {
    int fd;
    const char *request;
    char *answer; /* `got` bytes, of which the first messages are complete */
    size_t got;
    double *sent, *took; /* seconds, by number */
    long first;
    long failed;
    char error[256];
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what, int error) {
    fprintf(stderr, "commit_client: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

/* The request with its number put in wherever it says {}; with its NUL, so many bytes. */
static size_t fill(const struct client *c, long number, char *text, size_t size) {
    size_t n = 0;
    for (const char *at = c->request; *at != '\0' && n + 24 < size; at++) {
        if (at[0] == '{' && at[1] == '}') {
            n += (size_t)snprintf(text + n, size - n, "%ld", number + c->first);
            at++;
        } else {
            text[n++] = *at;
        }
    }
    text[n] = '\0';
    return n + 1;
}

static void send_one(struct client *c, long number) {
    static char text[MAX_REQUEST];
    size_t length = fill(c, number, text, sizeof(text));
    c->sent[number] = now_s();
    for (size_t at = 0; at < length;) {
        ssize_t sent = send(c->fd, text + at, length - at, MSG_NOSIGNAL);
        if (sent < 0) {
            die("send", errno);
        }
        at += (size_t)sent;
    }
}

/* Replies come in the order of the requests. */
static void receive_one(struct client *c, long number) {
    char *nul = memchr(c->answer, '\0', c->got);
    while (nul == NULL) {
        ssize_t size = recv(c->fd, c->answer + c->got, MAX_MESSAGE - c->got, 0);
        if (size <= 0) {
            die("answer", size < 0 ? errno : EPIPE);
        }
        c->got += (size_t)size;
        nul = memchr(c->answer, '\0', c->got);
    }
    c->took[number] = now_s() - c->sent[number];
    if (strstr(c->answer, "\"error\":") != NULL && c->failed++ == 0) {
        snprintf(c->error, sizeof(c->error), "%s", c->answer);
    }
    size_t length = (size_t)(nul - c->answer) + 1;
    c->got -= length;
    memmove(c->answer, nul + 1, c->got);
}

static int open_clusterd(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CLUSTERD};
    struct timeval limit = {.tv_sec = ANSWER_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) {
        die("connect to " CLUSTERD, errno);
    }
    return fd;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv) {
    static char request[MAX_REQUEST];
    long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    long window = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1 || window < 1 || fgets(request, sizeof(request), stdin) == NULL) {
        fprintf(stderr, "usage: commit_client COUNT WINDOW [FIRST] < REQUEST\n");
        return 2;
    }
    request[strcspn(request, "\n")] = '\0';
    struct client c = {.request = request, .first = argc > 3 ? strtol(argv[3], NULL, 10) : 0};
    c.fd = open_clusterd();
    c.answer = malloc(MAX_MESSAGE);
    c.sent = calloc((size_t)count, sizeof(double));
    c.took = calloc((size_t)count, sizeof(double));
    if (c.answer == NULL || c.sent == NULL || c.took == NULL) {
        die("memory", ENOMEM);
    }

    double began = now_s();
    for (long sent = 0, received = 0; received < count; received++) {
        while (sent < count && sent - received < window) {
            send_one(&c, sent++);
        }
        receive_one(&c, received);
    }
    double seconds = now_s() - began;
    close(c.fd);

    qsort(c.took, (size_t)count, sizeof(double), compare);
    printf("{\"count\":%ld,\"window\":%ld,\"seconds\":%.6f,\"failed\":%ld,\"latency_ms\":{\"min\":%"
           ".3f,"
           "\"median\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}}\n",
           count, window, seconds, c.failed, c.took[0] * 1e3, c.took[count / 2] * 1e3,
           c.took[count * 9 / 10] * 1e3, c.took[count * 99 / 100] * 1e3, c.took[count - 1] * 1e3);
    if (c.failed > 0) {
        fprintf(stderr, "commit_client: %ld of %ld were not done; the first: %s\n", c.failed, count,
                c.error);
    }
    return c.failed > 0;
}
