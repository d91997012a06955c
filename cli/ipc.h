/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to this node's clusterd: JSON messages over libqb's IPC.
 *
 * It handles messages without knowing their meaning: each request has one answer, and events arrive
 * on a separate channel with a file descriptor. All deadlines are on CLOCK_BOOTTIME, in
 * milliseconds.
 */
#ifndef CLI_IPC_H
#define CLI_IPC_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ipc;

#define IPC_NO_DEADLINE INT64_MAX

int64_t ipc_now_ms(void);
/* The rest until the deadline, for poll(): -1 for none, never below 0. */
int ipc_left_ms(int64_t deadline_ms);

/* Connects to the service `name`, for messages of up to `size` bytes.
 *   -ECONNREFUSED  nobody listens there: clusterd does not run on this node
 *   -EACCES        clusterd does not talk to this user
 *   -ETIMEDOUT     somebody listens, but did not answer by the deadline
 *   -EPERM         somebody listens who is neither root nor this user: not clusterd
 *   -ENOSPC        no room for the shared memory in /dev/shm
 * or another errno. */
int ipc_connect(const char *name, size_t size, int64_t deadline_ms, struct ipc **ret_ipc);
void ipc_disconnect(struct ipc *ipc);

/* Waiting for an answer ends with -EINTR once this descriptor (a signalfd) is readable; -1 for
 * none. */
void ipc_set_interrupt(struct ipc *ipc, int fd);

/* Sends `request` (borrowed; gets "v" and "id") and waits for its answer, which the caller owns.
 *   -EMSGSIZE   the request is larger than clusterd takes
 *   -ENOTCONN   the connection broke, before or after clusterd had read the request
 *   -ETIMEDOUT  the deadline passed
 *   -EINTR      see ipc_set_interrupt()
 *   -EBADMSG    what came is not JSON */
int ipc_request(struct ipc *ipc, json_t *request, int64_t deadline_ms, json_t **ret_answer);

/* Readable when there is an event; hung up when clusterd is gone. */
int ipc_fd(const struct ipc *ipc);
/* The next event, without waiting: -EAGAIN if there is none, -ENOTCONN if the connection broke. The
 * caller owns it. */
int ipc_event(struct ipc *ipc, json_t **ret_event);

#endif
