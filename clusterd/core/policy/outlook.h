/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outlook: what clients are told about decisions that are still open. Where could a VM that is
 * down start, and if nowhere, why not; and, with `balance advise`, what should be moved.
 *
 * A client that reads asks for it (REQUEST_OUTLOOK). It is planned beside the loop (solve.h), and
 * only if the answer that is kept is older than the model or than a second. The client then reads
 * core_get_outlook(). It never waits longer than TIMEOUT_OUTLOOK_MS; after that it reads an older
 * answer.
 */
#ifndef CLUSTERD_CORE_POLICY_OUTLOOK_H
#define CLUSTERD_CORE_POLICY_OUTLOOK_H

#include "core/policy/solve.h"

#include <stdint.h>

struct core;

#define OUTLOOK_WAITING 64u /* clients; more are answered at once */

struct outlook {
    struct {
        struct solve_job *job; /* owned: the last answer; NULL: none */
        uint64_t taken_ms;
    } starts, advice;
    struct {
        uint64_t client, index, since_ms;
    } waiting[OUTLOOK_WAITING];
    uint32_t n_waiting;
    uint64_t wakeup_ms;
};

/* Replies to the client when the outlook is known, at once if it is. 0, or -ENOMEM. */
int outlook_request(struct core *c, uint64_t client);
int outlook_run(struct core *c);
void outlook_finish(struct core *c);

#endif
