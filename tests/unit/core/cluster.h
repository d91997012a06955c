/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusters for the tests of the core: cmocka's side of the simulator (tests/sim/sim.h). A test
 * does to the cluster what sim.h offers, asks it for commands here, and compares what it finds.
 *
 * The simulator checks its properties all the time; a test that violates one fails at the next
 * thing that it waits for, or in cluster_finish().
 */
#ifndef TESTS_CORE_CLUSTER_H
#define TESTS_CORE_CLUSTER_H

#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* WORLD_SEED=n: only that one; WORLD_SEEDS=n: so many. */
uint64_t cluster_first_seed(void);
uint64_t cluster_last_seed(uint64_t n);

#define FOR_SEEDS(seed, n)                                                         \
    for (uint64_t seed = cluster_first_seed(), seed##_last = cluster_last_seed(n); \
         seed <= seed##_last; seed++)

#define EXPECT(s, condition)                                                  \
    do {                                                                      \
        if (!(condition)) {                                                   \
            sim_print_trace(s);                                               \
            fail_msg("%s (seed %llu)", #condition, (unsigned long long)seed); \
        }                                                                     \
    } while (0)

/* ---- a cluster begins and ends ---- */

/* Settings as they are by default, VMs that are small; a ring that breaks and nodes that boot
 * almost at once; what has ended is started by the test alone. */
struct sim_options cluster_options(uint32_t nodes, uint32_t vms, uint64_t seed);
/* Two nodes as corosync should be configured for them: two_node with wait_for_all. */
struct sim_options cluster_options_of_two(uint32_t vms, uint64_t seed);
/* All nodes on, a volume, a fence device, and VMs that run: vm1, vm2, ... */
void cluster_bring_up(struct sim *s);
struct sim *cluster_set_up(const struct sim_options *options); /* a new one, brought up */
struct sim *cluster_ready(uint32_t nodes, uint32_t vms, uint64_t seed);
/* Fails if a property of the simulator was violated. */
void cluster_finish(struct sim *s);

/* ---- time ---- */

void cluster_run(struct sim *s, uint64_t ms);
bool cluster_run_until(struct sim *s, bool (*done)(struct sim *s, const void *arg), const void *arg,
                       uint64_t ms);
uint64_t cluster_now(const struct sim *s); /* ms */

/* ---- what is done to it ---- */

void cluster_power_off(struct sim *s, uint32_t node);
/* Power if it has none, else clusterd. */
void cluster_boot(struct sim *s, uint32_t node);
/* Until cluster_thaw(). */
void cluster_freeze(struct sim *s, uint32_t node);
void cluster_fence(struct sim *s, enum sim_fence how, uint64_t ms); /* of all nodes */
void cluster_disks(struct sim *s, enum sim_disk mode);              /* of all nodes */
/* Bytes that the node's clusterd sends to all. */
void cluster_send(struct sim *s, uint32_t sender, const uint8_t *data, uint32_t size);

/* ---- the administrator ---- */

/* A command to the node's clusterd. The code of the reply; -1: none within 20 s. */
int cluster_request(struct sim *s, uint32_t node, uint32_t command, const void *value);
/* Waits for nothing; whether the last one has been answered with OK. */
void cluster_post(struct sim *s, uint32_t node, uint32_t command, const void *value);
bool cluster_answered(const struct sim *s);
uint64_t cluster_last_operation(const struct sim *s);
const char *cluster_last_message(const struct sim *s);

/* ---- what there is to see ---- */

/* Counts the lines of any clusterd's log that have that text in them; the counter lives as long as
 * the cluster. */
struct listener {
    const char *text;
    uint32_t heard;
};
void cluster_listen(struct sim *s, struct listener *listener);
/* What the node knows; fails if no clusterd runs there. */
const struct model *cluster_model(const struct sim *s, uint32_t node);
struct core_status cluster_status(const struct sim *s, uint32_t node);
/* The VM's number in sim.h's functions; a VM's name is its UUID here. */
uint32_t cluster_vm(const struct sim *s, const char *name);
/* The node on which the VM of that name truly runs; 0: none. */
uint32_t cluster_runs_on(const struct sim *s, const char *vm);

struct want {
    uint32_t reader; /* node whose model is looked at */
    uint32_t vms;    /* run, by its model and in truth */
    uint32_t not_on; /* 0: anywhere */
};
bool vms_run(struct sim *s, const void *want);

#endif
