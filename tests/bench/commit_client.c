/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commit_client: sends changes to this node's clusterd and measures when each is answered, that is
 * committed by a majority's disks. Used by bench/commit.
 *
 *     commit_client COUNT WINDOW [FIRST] < REQUEST
 *
 * REQUEST is one line of JSON without "v" and "id"; {} in it becomes the number of the request,
 * counted from FIRST. WINDOW requests are under way at any time: 1 measures the latency of a lonely
 * change, more what the cluster can take. Out comes one JSON object.
 */
#include <errno.h>
#include <qb/qbipcc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MS 30000
#define MAX_MESSAGE (1u << 20)
#define MAX_REQUEST 65536

struct client {
    qb_ipcc_connection_t *connection;
    const char *request;
    char *answer;
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

/* The request with its number put in wherever it says {}. */
static size_t fill(const struct client *c, long number, char *text, size_t size) {
    size_t n = (size_t)snprintf(text, size, "{\"v\":1,\"id\":%ld,", number);
    for (const char *at = c->request + 1; *at != '\0' && n + 24 < size; at++) {
        if (at[0] == '{' && at[1] == '}') {
            n += (size_t)snprintf(text + n, size - n, "%ld", number + c->first);
            at++;
        } else {
            text[n++] = *at;
        }
    }
    text[n] = '\0';
    return n;
}

static void send_one(struct client *c, long number) {
    static char text[MAX_REQUEST];
    size_t length = fill(c, number, text, sizeof(text));
    struct qb_ipc_request_header header = {.id = QB_IPC_MSG_USER_START,
                                           .size = (int32_t)(sizeof(header) + length)};
    struct iovec parts[2] = {{&header, sizeof(header)}, {text, length}};
    c->sent[number] = now_s();
    ssize_t sent = qb_ipcc_sendv(c->connection, parts, 2);
    while (sent == -EAGAIN) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        sent = qb_ipcc_sendv(c->connection, parts, 2);
    }
    if (sent < 0) {
        die("send", (int)sent);
    }
}

static void receive_one(struct client *c) {
    ssize_t size = qb_ipcc_recv(c->connection, c->answer, MAX_MESSAGE - 1, ANSWER_MS);
    if (size < (ssize_t)sizeof(struct qb_ipc_response_header)) {
        die("answer", (int)size);
    }
    c->answer[size] = '\0';
    const char *text = c->answer + sizeof(struct qb_ipc_response_header);
    const char *id = strstr(text, "\"id\":");
    if (id == NULL) {
        die("answer without id", EPROTO);
    }
    long number = strtol(id + 5, NULL, 10);
    c->took[number] = now_s() - c->sent[number];
    if (strstr(text, "\"ok\":true") == NULL) {
        if (c->failed++ == 0) {
            snprintf(c->error, sizeof(c->error), "%s", text);
        }
    }
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
    c.connection = qb_ipcc_connect("clusterd", MAX_MESSAGE);
    c.answer = malloc(MAX_MESSAGE);
    c.sent = calloc((size_t)count, sizeof(double));
    c.took = calloc((size_t)count, sizeof(double));
    if (c.connection == NULL || c.answer == NULL || c.sent == NULL || c.took == NULL) {
        die("connect to clusterd", errno);
    }

    double began = now_s();
    for (long sent = 0, received = 0; received < count; received++) {
        while (sent < count && sent - received < window) {
            send_one(&c, sent++);
        }
        receive_one(&c);
    }
    double seconds = now_s() - began;
    qb_ipcc_disconnect(c.connection);

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
