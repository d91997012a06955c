/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a client learns the result of its change. The answer comes when the change is applied; for a
 * VM that is being added, once the nodes have said that it runs nowhere (apply/claim.c); or once
 * the effect on the reserve is known (policy/reserve.h).
 *
 * Only this node knows which client is waiting. If its clusterd ends, the connections break;
 * whether the change is made does not depend on that.
 */
#ifndef CLUSTERD_CORE_ANSWERS_H
#define CLUSTERD_CORE_ANSWERS_H

#include <stdint.h>

struct apply;
struct core;

struct add { /* a client that adds a VM and waits for the nodes' answers */
    uint64_t client;
    uint32_t vm;
    uint64_t deadline_ms;
};

/* A command whose client waits was applied. -ENOMEM: nobody will answer the client. */
int answers_applied(struct core *c, const struct apply *a, uint64_t client);
/* Answers the clients whose VM this command has finally added, or removed again. */
void answers_added(struct core *c, const struct apply *a);
/* Tells the clients whose deadline is at or before before_ms that the result is not known yet. */
void answers_give_up(struct core *c, uint64_t before_ms);
/* The next deadline; UINT64_MAX: none. */
uint64_t answers_deadline(const struct core *c);

#endif
