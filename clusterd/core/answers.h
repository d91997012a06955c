/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a client hears what became of its change: at once when it is applied; when the nodes have
 * said that a VM that is added runs nowhere (apply/claim.c); or when it is known what the change
 * does to the reserve (policy/reserve.h).
 *
 * Only this node knows who waits. If its clusterd ends, the connections break, and the change is
 * made, or not, all the same.
 */
#ifndef CLUSTERD_CORE_ANSWERS_H
#define CLUSTERD_CORE_ANSWERS_H

#include <stdint.h>

struct apply;
struct core;

struct add { /* a client that adds a VM, and waits for what the nodes say of it */
    uint64_t client;
    uint32_t vm;
    uint64_t deadline_ms;
};

/* A command that this client waits for was applied. -ENOMEM: nobody will answer it. */
int answers_applied(struct core *c, const struct apply *a, uint64_t client);
/* Answers those whose VM has been added, or removed again, by this command. */
void answers_added(struct core *c, const struct apply *a);
/* Those whose deadline is at before_ms or earlier are told that nothing is known yet. */
void answers_give_up(struct core *c, uint64_t before_ms);
/* The next deadline; UINT64_MAX: none. */
uint64_t answers_deadline(const struct core *c);

#endif
