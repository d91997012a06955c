/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model to which commands are applied that are made from a fuzzer's bytes.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "core/model/model.h"
#include "core/outbox.h"
#include "fuzz/bytes.h"

#include <stdbool.h>

#define FUZZ_MAX_COMMANDS 48u

struct fuzz_world {
    struct model model;
    struct outbox out;
    uint64_t epoch;
};

void fuzz_world_init(struct fuzz_world *w);
void fuzz_world_finish(struct fuzz_world *w);
/* Three nodes that are online, a volume, a fence device and a VM, in both models. */
void fuzz_world_begin(struct fuzz_world *w, struct model *again);
/* Makes a command and applies it to both models. */
void fuzz_world_command(struct fuzz_world *w, struct model *again, struct bytes *b);
/* The other model becomes what the first one is as a snapshot. */
void fuzz_world_renew(struct fuzz_world *w, struct model *again);
/* Asks the planner what the policy, requests and people ask. Of a history it must know an answer,
 * for an error there ends the core, on all nodes; a snapshot may hold anything. */
void fuzz_world_ask(const struct fuzz_world *w, bool must_answer);
void fuzz_world_same(const struct fuzz_world *w, const struct model *again);

#endif
