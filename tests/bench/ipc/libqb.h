/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What clusterd's IPC was before: libqb's, with memory that client and server share. Here it has
 * the same requests, and answers them from the same model in the same process, so that only the
 * way of the messages differs.
 */
#ifndef CLUSTERD_BENCH_IPC_LIBQB_H
#define CLUSTERD_BENCH_IPC_LIBQB_H

#include "core/core.h"

#include <qb/qbipcc.h>
#include <qb/qbloop.h>

/* Opens the service in the loop of `core`. Ends the process if it cannot. */
void libqb_serve(qb_loop_t *loop, const char *service, const struct core *core);

/* Ends the process if nobody serves. The caller calls qb_ipcc_disconnect(). */
qb_ipcc_connection_t *libqb_connected(const char *service);
/* Sends a request and waits for its answer. */
void libqb_ask(qb_ipcc_connection_t *connection, const char *request);

#endif
