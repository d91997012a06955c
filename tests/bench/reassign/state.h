/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - an assignment that is being changed, with all that makes the next change cheap.
 *
 * A change is one or two shifts (process to machine). Its cost difference touches two machines; it
 * is asked for before the change and costs no memory traffic but theirs. The rules between
 * services are looked at only for a change that is wanted: counters are changed, then those
 * counters that may now be wrong are looked at, and all is taken back if one is.
 *
 * Capacities may be exceeded for a while, at a price (reassign_loosen()): where machines are nearly
 * full, the way from one good assignment to another leads through such that are not allowed.
 */
#pragma once

#include "model.h"

/* Four amounts that the processor compares at once: nearly all changes that are drawn fail for want
 * of room, so that is looked at first and fast. Where amounts do not fit into 31 bits (`narrow` is
 * false) the slow way is taken. */
typedef int32_t reassign_four __attribute__((vector_size(16)));

struct reassign_state {
    const struct reassign_model *model;
    const uint32_t *initial;
    uint32_t *where;
    int64_t total;

    int64_t *used;         /* [machine * n_resources + r] */
    int64_t *slack;        /* likewise: what may still come; transient: initial holders count */
    int64_t *leeway;       /* likewise: how much more may come, all the same */
    reassign_four *need4;  /* [process * n_fours + i], of need */
    reassign_four *slack4; /* [machine * n_fours + i], of slack + leeway */
    reassign_four *kept4;  /* all ones for each resource that is not transient */
    uint32_t n_fours;
    bool narrow;
    int64_t *machine_cost; /* load and balance of each machine */
    int64_t *excess;       /* per machine: what is above capacity, weighted as its load */
    int64_t excess_total;  /* 0: the assignment is feasible */
    double excess_price;   /* of a unit of it */
    bool loose;            /* there is leeway */
    uint32_t *moved;       /* per service: processes that are not where they were */
    uint32_t *n_moved;     /* [n]: services of which n have moved */
    uint32_t most_moved;

    uint32_t *row;              /* per service: its row in `on`, or NONE if it has one process */
    uint8_t *on;                /* [row * n_machines + machine]: processes of the service there */
    uint32_t *in_location;      /* [service * n_locations + location] */
    uint32_t *n_in_locations;   /* per service: locations in use */
    uint32_t *in_neighbourhood; /* [service * n_neighbourhoods + neighbourhood] */
    struct reassign_lists needed_by; /* service -> services that depend on it */
};

/* -ENOMEM. The assignments must be feasible; they are read, not kept (but `initial` is). */
int reassign_state_init(struct reassign_state *state, const struct reassign_model *model,
                        const uint32_t *initial, const uint32_t *now);
void reassign_state_finish(struct reassign_state *state);

/* From now on machines may be filled up to this share above their capacities, and what is above
 * costs so much more: the differences below say so, `total` does not. */
void reassign_loosen(struct reassign_state *state, double leeway, double excess_price);

/* Whether the machines have room, and the cost difference; the rules between services are left
 * out. The target is another machine than the process's own. */
bool reassign_shift_fits(const struct reassign_state *state, uint32_t process, uint32_t to);
int64_t reassign_shift_delta(const struct reassign_state *state, uint32_t process, uint32_t to);
/* Of two processes on different machines that change places; never too low, exact but for the
 * service part. */
bool reassign_swap_fits(const struct reassign_state *state, uint32_t p, uint32_t q);
int64_t reassign_swap_delta(const struct reassign_state *state, uint32_t p, uint32_t q);

/* Make the change, unless a rule between services forbids it. */
bool reassign_shift(struct reassign_state *state, uint32_t process, uint32_t to);
bool reassign_swap(struct reassign_state *state, uint32_t p, uint32_t q);
/* Whatever is allowed or not: a way back to an assignment that was feasible. */
void reassign_put(struct reassign_state *state, uint32_t process, uint32_t to);
