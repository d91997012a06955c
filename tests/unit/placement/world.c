/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world.c - the room of a world, and its names. The text is read in world_read.c. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static void *room(size_t n, size_t size) {
    void *memory = calloc(n > 0 ? n : 1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

struct world *world_create_sized(const struct world_size *size) {
    struct world *w = room(1, sizeof(*w));
    w->size = *size;
    w->nodes = room(size->nodes, sizeof(*w->nodes));
    w->vms = room(size->vms, sizeof(*w->vms));
    w->rules = room(size->rules, sizeof(*w->rules));
    w->capacities = room((size_t)size->nodes * WORLD_RESOURCES, sizeof(*w->capacities));
    w->needs = room((size_t)size->vms * WORLD_RESOURCES, sizeof(*w->needs));
    w->loads = room((size_t)size->vms * WORLD_RESOURCES, sizeof(*w->loads));
    w->indices = room(size->indices, sizeof(*w->indices));
    w->problem = (struct placement_problem){
        .nodes = w->nodes,
        .vms = w->vms,
        .rules = w->rules,
        .n_resources = 2,
        .capacities = w->capacities,
        .needs = w->needs,
        .resources = w->resources,
        .volume_names = w->volumes,
        .network_names = w->networks,
        .machine_names = w->machines,
    };
    w->resources[PLACEMENT_MEMORY] = (struct placement_resource){"memory", "MB", 1};
    w->resources[PLACEMENT_CPU] = (struct placement_resource){"cpu", "cpu", 1000};
    return w;
}

struct world *world_create(void) {
    return world_create_sized(&(struct world_size){WORLD_NODES, WORLD_VMS, WORLD_RULES, 32768});
}

void world_destroy(struct world *w) {
    if (w != NULL) {
        free(w->nodes);
        free(w->vms);
        free(w->rules);
        free(w->capacities);
        free(w->needs);
        free(w->loads);
        free(w->indices);
        free(w->text);
        free(w);
    }
}

struct placement_set world_set(struct world *w, const uint32_t *index, uint32_t n) {
    if (w->n_indices + n > w->size.indices) {
        abort();
    }
    struct placement_set set = {.index = &w->indices[w->n_indices], .n = n};
    if (n > 0) {
        memcpy(&w->indices[w->n_indices], index, n * sizeof(*index));
    }
    w->n_indices += n;
    return set;
}

uint32_t world_find_node(const struct world *w, const char *name) {
    for (uint32_t i = 0; i < w->problem.n_nodes; i++) {
        if (strcmp(w->nodes[i].name, name) == 0) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}

uint32_t world_find_vm(const struct world *w, const char *name) {
    for (uint32_t i = 0; i < w->problem.n_vms; i++) {
        if (strcmp(w->vms[i].name, name) == 0) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}
