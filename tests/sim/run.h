/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run: set up a cluster, let faults happen, heal it and wait until it is at rest; repeat as
 * often as the given time allows.
 */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include "sim/faults.h"
#include "sim/sim.h"

struct run_options {
    uint64_t seed;
    uint32_t nodes, vms; /* 0: by the seed */
    uint64_t hours;      /* virtual; 0: one round */
    uint64_t kinds;      /* of faults */
    bool trace, messages;
    const struct fault_plan *plan; /* instead of a drawn one; one round */
};

struct run_result {
    char violation[400]; /* "": none */
    uint64_t at_us;
    uint64_t virtual_us;
    uint32_t nodes, vms;
    struct sim_figures figures;
};

/* What a seed makes of what is left to it. */
struct sim_options run_settings(const struct run_options *options);
/* `print_trace`: to standard error, after a violation. */
void run_once(const struct run_options *options, bool print_trace, struct run_result *ret);
/* The plan of a round. */
void run_plan(const struct run_options *options, uint32_t round, struct fault_plan *ret_plan);

#endif
