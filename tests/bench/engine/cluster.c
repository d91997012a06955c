/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cluster.c - the memory of a problem. */
#include "cluster.h"

#include <errno.h>
#include <stdlib.h>

int bench_cluster_init(struct bench_cluster *cluster, uint32_t n_nodes, uint32_t n_vms,
                       uint32_t n_resources) {
    *cluster = (struct bench_cluster){
        .nodes = calloc((size_t)n_nodes + 1, sizeof(*cluster->nodes)),
        .vms = calloc((size_t)n_vms + 1, sizeof(*cluster->vms)),
        .capacities = calloc((size_t)n_nodes * n_resources + 1, sizeof(uint64_t)),
        .needs = calloc((size_t)n_vms * n_resources + 1, sizeof(uint64_t)),
        .lost = calloc((size_t)n_nodes + 1, sizeof(uint32_t)),
        .homeless = calloc((size_t)n_vms + 1, sizeof(uint32_t)),
    };
    if (cluster->nodes == NULL || cluster->vms == NULL || cluster->capacities == NULL ||
        cluster->needs == NULL || cluster->lost == NULL || cluster->homeless == NULL) {
        bench_cluster_finish(cluster);
        return -ENOMEM;
    }
    for (uint32_t vm = 0; vm < n_vms; vm++) {
        cluster->vms[vm] = (struct placement_vm)PLACEMENT_VM_INIT;
    }
    cluster->problem = (struct placement_problem){
        .nodes = cluster->nodes,
        .vms = cluster->vms,
        .n_nodes = n_nodes,
        .n_vms = n_vms,
        .n_resources = n_resources,
        .capacities = cluster->capacities,
        .needs = cluster->needs,
    };
    return 0;
}

void bench_cluster_finish(struct bench_cluster *cluster) {
    free(cluster->nodes);
    free(cluster->vms);
    free(cluster->capacities);
    free(cluster->needs);
    free(cluster->lost);
    free(cluster->homeless);
    json_decref(cluster->names);
    *cluster = (struct bench_cluster){0};
}
