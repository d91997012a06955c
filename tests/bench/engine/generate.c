/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generate.c - a cluster as it may have grown, of any size, in a moment.
 *
 * Each VM goes to the node that is relatively emptiest. A heap of nodes by load makes that
 * V log N, so that 200,000 VMs take a fraction of a second; ties are broken by a random number
 * that each node draws anew when its load changes.
 */
#include "cluster.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct vm_size {
    uint32_t weight, cpu, memory;
};

static const struct vm_size sizes[] = {
    {30, 100, 2048}, {25, 200, 4096}, {15, 200, 8192}, {12, 400, 8192},
    {8, 400, 16384}, {6, 800, 16384}, {4, 800, 32768},
};

static const uint32_t node_shares[] = {3, 4, 4, 5, 6};

struct slot {
    uint64_t key; /* load in 2^-32, above; a random number, below */
    uint32_t node;
};

static uint64_t rng_next(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint64_t n) {
    return (uint32_t)(rng_next(state) % n);
}

static void draw_vm(uint64_t *need, uint64_t *rng) {
    uint32_t total = 0, i = 0;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        total += sizes[k].weight;
    }
    for (uint32_t k = below(rng, total); k >= sizes[i].weight; i++) {
        k -= sizes[i].weight;
    }
    /* Up to 10 % more or less, as nobody's VMs are all alike. */
    const uint32_t memory_steps = sizes[i].memory / 640, cpu_steps = sizes[i].cpu / 100;
    need[PLACEMENT_MEMORY] = sizes[i].memory - UINT64_C(64) * memory_steps +
                             UINT64_C(64) * below(rng, 2 * memory_steps + 1);
    need[PLACEMENT_CPU] =
        sizes[i].cpu - UINT64_C(10) * cpu_steps + UINT64_C(10) * below(rng, 2 * cpu_steps + 1);
}

static int larger_first(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;
    for (int r = 0; r < 2; r++) {
        if (a[r] != b[r]) {
            return a[r] > b[r] ? -1 : 1;
        }
    }
    return 0;
}

static void heap_sift(struct slot *heap, uint32_t n, uint32_t at) {
    for (uint32_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && heap[child + 1].key < heap[child].key) {
            child++;
        }
        if (heap[at].key <= heap[child].key) {
            return;
        }
        const struct slot moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

static uint64_t load_key(const uint64_t *capacity, const uint64_t *used, uint64_t *rng) {
    uint64_t worst = 0;
    for (int r = 0; r < 2; r++) {
        const uint64_t load = capacity[r] > 0 ? (used[r] << 20) / capacity[r] : UINT64_C(1) << 20;
        worst = load > worst ? load : worst;
    }
    return worst << 32 | (rng_next(rng) >> 32);
}

/* Every VM onto the emptiest node; false if it has no room there. */
static bool place_all(struct bench_cluster *c, struct slot *heap, uint64_t *used, uint64_t *rng) {
    const uint32_t n = c->problem.n_nodes;
    for (uint32_t node = 0; node < n; node++) {
        heap[node] = (struct slot){.key = rng_next(rng) >> 32, .node = node};
    }
    for (uint32_t i = n / 2 + 1; i-- > 0;) {
        heap_sift(heap, n, i);
    }
    for (uint32_t vm = 0; vm < c->problem.n_vms; vm++) {
        const uint32_t node = heap[0].node;
        uint64_t *there = &used[(size_t)node * 2];
        for (int r = 0; r < 2; r++) {
            there[r] += bench_need(c, vm)[r];
            if (there[r] > bench_capacity(c, node)[r]) {
                return false;
            }
        }
        c->vms[vm].host = node;
        heap[0].key = load_key(bench_capacity(c, node), there, rng);
        heap_sift(heap, n, 0);
    }
    return true;
}

static void draw_capacities(struct bench_cluster *c, uint32_t fill_permille, uint64_t *rng) {
    uint64_t sum[2] = {0, 0}, shares = 0;
    for (uint32_t vm = 0; vm < c->problem.n_vms; vm++) {
        sum[0] += bench_need(c, vm)[0];
        sum[1] += bench_need(c, vm)[1];
    }
    for (uint32_t node = 0; node < c->problem.n_nodes; node++) {
        bench_capacity(c, node)[0] = node_shares[below(rng, 5)];
        shares += node > 0 ? bench_capacity(c, node)[0] : 0;
    }
    for (uint32_t node = 0; node < c->problem.n_nodes; node++) {
        uint64_t *capacity = bench_capacity(c, node);
        const uint64_t share = capacity[0];
        capacity[PLACEMENT_MEMORY] = sum[0] * 1000 / fill_permille * share / shares;
        capacity[PLACEMENT_CPU] = sum[1] * 10000 / (UINT64_C(9) * fill_permille) * share / shares;
    }
}

int bench_generate(struct bench_cluster *ret_cluster, uint32_t n_nodes, uint32_t n_vms,
                   uint32_t fill_permille, uint64_t seed) {
    if (n_nodes < 2 || fill_permille == 0) {
        return -EINVAL;
    }
    struct bench_cluster c;
    int error = bench_cluster_init(&c, n_nodes, n_vms, 2);
    if (error < 0) {
        return error;
    }
    uint64_t rng = seed * UINT64_C(0xD1342543DE82EF95) + 1;
    struct slot *heap = calloc(n_nodes, sizeof(*heap));
    uint64_t *used = calloc((size_t)n_nodes * 2, sizeof(*used));

    for (uint32_t vm = 0; vm < n_vms; vm++) {
        draw_vm(bench_need(&c, vm), &rng);
    }
    qsort(c.needs, n_vms, 2 * sizeof(uint64_t), larger_first);
    draw_capacities(&c, fill_permille, &rng);
    if (heap == NULL || used == NULL) {
        error = -ENOMEM;
    } else if (!place_all(&c, heap, used, &rng)) {
        error = -ENOSPC;
    }
    free(heap);
    free(used);
    if (error < 0) {
        bench_cluster_finish(&c);
        return error;
    }
    c.lost[0] = 0;
    c.n_lost = 1;
    *ret_cluster = c;
    return 0;
}

uint32_t bench_generate_hot(struct bench_cluster *c, uint32_t hot_permille,
                            uint32_t threshold_permille) {
    uint32_t n_over = 0;
    uint64_t *used = calloc((size_t)c->problem.n_nodes * 2, sizeof(*used));
    if (used == NULL) {
        return 0; /* no hot nodes: there is nothing to balance, which the figures show */
    }
    for (uint32_t vm = 0; vm < c->problem.n_vms; vm++) {
        for (int r = 0; r < 2; r++) {
            used[c->vms[vm].host * 2 + (uint32_t)r] += bench_need(c, vm)[r];
        }
    }
    for (uint32_t vm = c->problem.n_vms; vm-- > 0;) {
        const uint32_t from = c->vms[vm].host, to = from - from % 10;
        bool room = to != from;
        for (uint32_t r = 0; r < 2; r++) {
            room = room && (used[to * 2 + r] + bench_need(c, vm)[r]) * 1000 <=
                               bench_capacity(c, to)[r] * hot_permille;
        }
        for (uint32_t r = 0; room && r < 2; r++) {
            used[from * 2 + r] -= bench_need(c, vm)[r];
            used[to * 2 + r] += bench_need(c, vm)[r];
        }
        c->vms[vm].host = room ? to : from;
    }
    for (uint32_t node = 0; node < c->problem.n_nodes; node++) {
        bool over = false;
        for (uint32_t r = 0; r < 2; r++) {
            over =
                over || used[node * 2 + r] * 1000 > bench_capacity(c, node)[r] * threshold_permille;
        }
        c->nodes[node].threshold_permille = threshold_permille;
        n_over += over;
    }
    free(used);
    return n_over;
}
