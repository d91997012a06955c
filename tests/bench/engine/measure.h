/* SPDX-License-Identifier: GPL-2.0-or-later */
/* measure.h - what placement_bench measures; each adds its figures to a JSON object. Errors are
 * negative errno: the engine's, or -EINVAL for a measurement that there is not. */
#pragma once

#include "check.h"

/* failover, drain, balance, admit1, admit2 on a generated cluster; adds an object of that name. */
int bench_measure_kind(const char *kind, uint32_t n_nodes, uint32_t n_vms, uint32_t fill_permille,
                       uint64_t seed, uint32_t runs, json_t *answer);

/* The plan for a cluster that was read: placed, moves, unplaced, seconds, and the verdict. */
int bench_measure_plan(struct bench_cluster *cluster, uint32_t runs, json_t *answer);

/* The fewest nodes that the engine gets all items onto within the time. */
int bench_measure_vbp(const struct bench_vbp *vbp, double seconds, json_t *answer);

/* Seconds of CLOCK_MONOTONIC. */
double bench_now(void);
double bench_median(double *values, uint32_t n);
