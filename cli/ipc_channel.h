/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between ipc_connect.c, which makes connections, and ipc.c, which uses them.
 */
#ifndef CLI_IPC_CHANNEL_H
#define CLI_IPC_CHANNEL_H

#include "ipc.h"

/* Takes the non-blocking socket over, also when it fails: -ENOMEM. */
int ipc_create(int fd, int interrupt_fd, struct ipc **ret_ipc);

/* Sends the text (freed; NULL: out of memory) and waits for the answer, as ipc_call() does. */
int ipc_ask(struct ipc *ipc, char *text, int64_t deadline_ms, json_t **ret_answer);

#endif
