/* SPDX-License-Identifier: GPL-2.0-or-later */
/* search.h - looking for a cheaper assignment, from one that is feasible, until it is time. */
#pragma once

#include "state.h"

#define REASSIGN_ROUNDS_MAX 16u

struct reassign_search {
    uint64_t seed;
    double deadline; /* on the clock below */
    /* Seconds; asked for every few thousand steps. */
    double (*now)(void *data);
    /* Called now and then with the best assignment so far, if it is better than the last one that
     * was told. Returns true to go on, false to stop. */
    bool (*tell)(void *data, const uint32_t *machines, int64_t cost);
    void *data;
    /* Steps of each round. Given (n_rounds > 0): exactly these, the clock only cuts; the same seed
     * gives the same answer. Not given: made from the clock, and told here. */
    uint64_t rounds[REASSIGN_ROUNDS_MAX];
    uint32_t n_rounds;
    uint64_t steps; /* out: made in all */
    bool cut;       /* out: the clock made a round shorter than its steps */
};

/* best: in the assignment to begin with, out the best one. -ENOMEM. */
int reassign_search(const struct reassign_model *model, const uint32_t *initial, uint32_t *best,
                    struct reassign_search *options);
