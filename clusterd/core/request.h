/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of clients.
 */
#ifndef CLUSTERD_CORE_REQUEST_H
#define CLUSTERD_CORE_REQUEST_H

struct core;
struct core_request;

/* Checks it here, then proposes it; or answers at once. -ENOMEM. */
int core_request(struct core *c, const struct core_request *request);

#endif
