/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a placement problem and request, written as text.
 *
 * One line per thing, so that tests and golden cases read as a situation, not as initialisers:
 *
 *     resource vgpu                              a further resource, before the nodes
 *     node n1 memory 8192 cpu 4 overcommit 2.5 draining site a rack a1 max-vms 10 threshold 0.8
 *             volumes csv1,csv2 cpu-models skylake bandwidth 1000 vgpu 2   (all on one line)
 *     vm web1 memory 2048 cpu 2 priority 5 on n1 also-on n2 return-to n3 possible n1,n2
 *             preferred n2 excluded n3 volumes csv1 cpu-model skylake cold|fixed no-auto-start vgpu
 *             1 load-memory 1024 load-cpu 0.5 start-ms 800
 *     rule NAME apart|together|on|off|at-most hard|soft [node|rack|site|parts n1,n2/n3] [weight 3]
 *             vms web1,web2[/db1,db2] [nodes n1] [amount 2 [of vgpu]]
 *     request place|failover|drain|return|balance [vms web1,web2] [nodes n1] [may-move-others]
 *             [moves-max 2] [work 1000]
 *     request admit 2 [may-move-others] [work 1000]
 *     seed 7
 *
 * A slash parts groups. An amount is in the engine's own units, of VMs if no resource is named.
 * cpu is in cpus, decimals allowed. A node without `volumes` reaches none. As soon as one VM has a
 * load, all have; 0 where it is not said. # begins a comment.
 * Things are named after they are declared; volumes and cpu models exist by being named.
 */
#pragma once

#include "placement/placement.h"

#define WORLD_NODES 32u
#define WORLD_VMS 128u
#define WORLD_RULES 32u
#define WORLD_RESOURCES 6u
#define WORLD_WORDS 32u

struct world_size {
    uint32_t nodes, vms, rules, indices;
};

struct world {
    struct placement_problem problem;
    struct placement_request request;
    bool admits; /* the request is an admission: */
    struct placement_admit_request admit;

    struct world_size size;
    struct placement_node *nodes;
    struct placement_vm *vms;
    struct placement_rule *rules;
    struct placement_resource resources[WORLD_RESOURCES];
    uint64_t *capacities, *needs, *loads;
    /* Names that exist by being named. */
    const char *volumes[WORLD_WORDS], *cpu_models[WORLD_WORDS], *machines[WORLD_WORDS],
        *networks[WORLD_WORDS], *sites[WORLD_WORDS], *racks[WORLD_WORDS];
    uint32_t n_sites, n_racks;
    uint32_t *indices; /* what all sets point into */
    uint32_t n_indices;
    char *text; /* a copy, cut into words, that the names point into */
    char error[160];
};

/* On the heap, for it is large. destroy(NULL) is fine. */
struct world *world_create(void);
struct world *world_create_sized(const struct world_size *size);
void world_destroy(struct world *world);

/* 0, or -EINVAL with one line in world->error. */
int world_parse(struct world *world, const char *text);

/* The text that world_parse() reads; things without a name get one from their index. To be freed by
 * the caller. */
char *world_write(const struct world *world);

/* For generators: append a list of indices, to be used as a set. */
struct placement_set world_set(struct world *world, const uint32_t *index, uint32_t n);

/* PLACEMENT_NONE if there is none. */
uint32_t world_find_node(const struct world *world, const char *name);
uint32_t world_find_vm(const struct world *world, const char *name);
