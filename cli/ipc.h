/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to this node's clusterd: Varlink on a stream socket in its run_dir.
 *
 * It handles messages without knowing their meaning: each call has one answer, as calls.h has it,
 * or begins a stream of events. All deadlines are on CLOCK_BOOTTIME, in milliseconds.
 */
#ifndef CLI_IPC_H
#define CLI_IPC_H

#include <jansson.h>
#include <stdint.h>

struct ipc;

#define IPC_NO_DEADLINE INT64_MAX

int64_t ipc_now_ms(void);
/* The rest until the deadline, for poll(): -1 for none, never below 0. */
int ipc_left_ms(int64_t deadline_ms);

struct ipc_patience {
    int64_t deadline_ms; /* of everything: somebody listens, or clusterd is about to */
    int64_t absent_ms;   /* the deadline while no clusterd runs; not after the other one */
    int interrupt_fd;    /* a signalfd that ends every wait of this connection with -EINTR; or -1 */
};

/* Connects to the clusterd of that run_dir, and has heard it: nothing but a question for its name
 * has been sent. Tries again while that may help.
 *   -ECONNREFUSED  nobody listens there: clusterd does not run on this node
 *   -EACCES        clusterd does not talk to this user
 *   -EUSERS        too many clients are connected to it
 *   -ETIMEDOUT     it runs, but did not answer by the deadline
 *   -EPERM         somebody listens who is neither root nor this user: not clusterd
 *   -EBADMSG       who listens does not speak Varlink
 *   -EINTR         see above
 * or another errno. */
int ipc_connect(const char *directory, const struct ipc_patience *patience, struct ipc **ret_ipc);
void ipc_disconnect(struct ipc *ipc);

/* Replaces the interrupt_fd that ipc_connect() was given. */
void ipc_set_interrupt(struct ipc *ipc, int fd);

/* Calls `verb` with `arguments` (borrowed; NULL for none) and waits for its answer, which the
 * caller owns. After an error the connection is of no use any more.
 *   -EMSGSIZE   the request is larger than clusterd takes
 *   -ENOTCONN   the connection broke, before or after clusterd had read the request
 *   -ETIMEDOUT  the deadline passed
 *   -EINTR      see ipc_set_interrupt()
 *   -EBADMSG    what came is no reply */
int ipc_call(struct ipc *ipc, const char *verb, const json_t *arguments, int64_t deadline_ms,
             json_t **ret_answer);
/* The same, but after this first answer events come, and nothing else: no more calls. */
int ipc_stream(struct ipc *ipc, const char *verb, const json_t *arguments, int64_t deadline_ms,
               json_t **ret_answer);

/* Readable when there is an event; hung up when clusterd is gone. */
int ipc_fd(const struct ipc *ipc);
/* The next event, without waiting: -EAGAIN if there is none, -ENOTCONN if the connection broke, or
 * the stream has ended. The caller owns it. */
int ipc_event(struct ipc *ipc, json_t **ret_event);

#endif
