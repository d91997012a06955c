/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster.h - a placement problem with the memory that it points into, for measurements.
 *
 * It comes from a generator, from the neutral JSON form, or from a .vbp file (each has a file of
 * its own here); the checker (check.h) knows only this form, and nothing of the engine.
 */
#pragma once

#include "placement/placement.h"

#include <jansson.h>

struct bench_cluster {
    struct placement_problem problem;
    struct placement_node *nodes;
    struct placement_vm *vms;
    uint64_t *capacities, *needs;
    uint32_t *lost;     /* nodes that are gone: the request's */
    uint32_t *homeless; /* VMs that run nowhere and shall */
    uint32_t n_lost, n_homeless;
    json_t *names; /* what the names point into; NULL: nameless */
};

/* All zero but the VMs' PLACEMENT_VM_INIT; `problem` points to the arrays. -ENOMEM. */
int bench_cluster_init(struct bench_cluster *cluster, uint32_t n_nodes, uint32_t n_vms,
                       uint32_t n_resources);
void bench_cluster_finish(struct bench_cluster *cluster);

static inline uint64_t *bench_capacity(struct bench_cluster *cluster, uint32_t node) {
    return &cluster->capacities[(size_t)node * cluster->problem.n_resources];
}

static inline uint64_t *bench_need(struct bench_cluster *cluster, uint32_t vm) {
    return &cluster->needs[(size_t)vm * cluster->problem.n_resources];
}

/* --- where clusters come from ------------------------------------------------------------------
 */

/* Nodes of sizes 3:4:4:5:6 and VMs of a few typical sizes, put on the least loaded node, biggest
 * first, such that the VMs fill fill_permille of the memory of all nodes but node 0 (cpu: 0.9 of
 * that). The idea is that of the public generator of such problems; the numbers are not. */
int bench_generate(struct bench_cluster *ret_cluster, uint32_t n_nodes, uint32_t n_vms,
                   uint32_t fill_permille, uint64_t seed);
/* Each tenth node gets VMs of the nodes after it until it is that full; all nodes get a threshold.
 * Returns how many are above it. */
uint32_t bench_generate_hot(struct bench_cluster *cluster, uint32_t hot_permille,
                            uint32_t threshold_permille);

/* The neutral JSON form. On failure ret_error says in one line what is wrong (BENCH_ERROR_MAX). */
#define BENCH_ERROR_MAX 256u
int bench_json_read(struct bench_cluster *ret_cluster, const char *path, char *ret_error);

/* A vector bin packing instance. An item that is larger than a bin is refused. */
struct bench_vbp {
    int64_t *capacity; /* n_dimensions */
    int64_t *sizes;    /* n_items * n_dimensions; see vbp.c for those below 0 */
    uint32_t n_dimensions, n_items;
};
int bench_vbp_read(struct bench_vbp *ret_vbp, const char *path, char *ret_error);
int bench_vbp_parse(struct bench_vbp *ret_vbp, const char *text, char *ret_error);
void bench_vbp_finish(struct bench_vbp *vbp);
int bench_vbp_cluster(const struct bench_vbp *vbp, uint32_t n_nodes,
                      struct bench_cluster *ret_cluster);
/* No packing has fewer bins. */
uint32_t bench_vbp_lower_bound(const struct bench_vbp *vbp);
