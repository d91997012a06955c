/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nodes of a cluster file; see cluster/reader.h.
 */
#include "cluster/reader.h"
#include "placement/words.h"

#include <errno.h>
#include <stddef.h>

struct raw_node {
    const char *name;
    uint64_t cpu, mem;
    uint32_t state;
    uint32_t cpu_overcommit_permille, vms_max, threshold_permille, bandwidth_mb_s;
    const char *site, *rack;
    const json_t *volumes, *cpu_models, *machines, *networks, *resources;
};

/* The engine's states. The last one is the file's own: the node is known to run nothing, and its
 * VMs must start elsewhere. */
static const char *const states[] = {
    PLACEMENT_WORDS_OF_STATES,
    [PLACEMENT_NODE_STATE_COUNT] = "failed",
    [PLACEMENT_NODE_STATE_COUNT + 1] = NULL,
};

#define AT(member) offsetof(struct raw_node, member)

static const struct cluster_field fields[] = {
    {"name", FIELD_NAME, true, AT(name), 0, NULL},
    {"cpu", FIELD_AMOUNT, true, AT(cpu), 0, NULL},
    {"mem", FIELD_AMOUNT, true, AT(mem), 0, NULL},
    {"state", FIELD_WORD, false, AT(state), 0, states},
    {"cpu_overcommit_permille", FIELD_U32, false, AT(cpu_overcommit_permille),
     PLACEMENT_OVERCOMMIT_MAX, NULL},
    {"vms_max", FIELD_U32, false, AT(vms_max), PLACEMENT_VMS_MAX, NULL},
    {"threshold_permille", FIELD_U32, false, AT(threshold_permille), 1000, NULL},
    {"bandwidth_mb_s", FIELD_U32, false, AT(bandwidth_mb_s), 1000000, NULL},
    {"site", FIELD_NAME_OR_NULL, false, AT(site), 0, NULL},
    {"rack", FIELD_NAME_OR_NULL, false, AT(rack), 0, NULL},
    {"volumes", FIELD_ARRAY, false, AT(volumes), 0, NULL},
    {"cpu_models", FIELD_ARRAY, false, AT(cpu_models), 0, NULL},
    {"machines", FIELD_ARRAY, false, AT(machines), 0, NULL},
    {"networks", FIELD_ARRAY, false, AT(networks), 0, NULL},
    {"resources", FIELD_OBJECT, false, AT(resources), 0, NULL},
};

/* The number of a site or rack; nodes without one share a number. There are never more than
 * nodes. */
static int place_number(struct cluster_reader *r, struct cluster_names *places, const char *name,
                        uint32_t *ret) {
    if (cluster_names_add(places, &r->file->arena, name != NULL ? name : "", ret) < 0) {
        return reader_no_memory(r);
    }
    return 0;
}

static int read_sets(struct cluster_reader *r, uint32_t i, const struct raw_node *raw) {
    struct placement_node *node = &r->nodes[i];
    int error = 0;
    r->every_volume[i] = raw->volumes == NULL;
    r->every_cpu_model[i] = raw->cpu_models == NULL;
    r->every_machine[i] = raw->machines == NULL;
    r->every_network[i] = raw->networks == NULL;
    if (raw->volumes != NULL) {
        error = reader_add_set(r, &r->volumes, "volumes", PLACEMENT_VOLUMES_MAX, raw->volumes,
                               &node->volumes);
    }
    if (error == 0 && raw->cpu_models != NULL) {
        error = reader_add_set(r, &r->cpu_models, "cpu_models", PLACEMENT_CPU_MODELS_MAX,
                               raw->cpu_models, &node->cpu_models);
    }
    if (error == 0 && raw->machines != NULL) {
        error = reader_add_set(r, &r->machines, "machines", PLACEMENT_MACHINES_MAX, raw->machines,
                               &node->machines);
    }
    if (error == 0 && raw->networks != NULL) {
        error = reader_add_set(r, &r->networks, "networks", PLACEMENT_NETWORKS_MAX, raw->networks,
                               &node->networks);
    }
    return error;
}

static int read_node(struct cluster_reader *r, uint32_t i, const json_t *json,
                     struct cluster_names *racks) {
    struct raw_node raw = {0};
    const uint32_t n_resources = r->file->problem.n_resources;
    struct placement_node *node = &r->nodes[i];
    uint64_t *row = &r->capacities[(size_t)i * n_resources];
    uint32_t number = 0;
    int error = reader_object(r, json, fields, sizeof(fields) / sizeof(fields[0]), &raw);
    if (error < 0) {
        return error;
    }
    r->key = "name";
    int added = cluster_names_add(&r->file->nodes, &r->file->arena, raw.name, &number);
    if (added != 0) {
        return added < 0
                   ? reader_no_memory(r)
                   : reader_fail(r, "%.64s already has that name: nodes[%u]", raw.name, number);
    }
    r->failed[i] = raw.state == PLACEMENT_NODE_STATE_COUNT;
    *node = (struct placement_node){
        .name = raw.name,
        .state = r->failed[i] ? PLACEMENT_NODE_FENCED : (enum placement_node_state)raw.state,
        .cpu_overcommit_permille = raw.cpu_overcommit_permille,
        .vms_max = raw.vms_max,
        .threshold_permille = raw.threshold_permille,
        .bandwidth_mb_s = raw.bandwidth_mb_s,
    };
    row[PLACEMENT_CPU] = raw.cpu;
    row[PLACEMENT_MEMORY] = raw.mem;
    error = place_number(r, &r->sites, raw.site, &node->site);
    if (error == 0) {
        error = place_number(r, racks, raw.rack, &node->rack);
    }
    if (error == 0) {
        error = read_sets(r, i, &raw);
    }
    return error == 0 ? reader_resources(r, "resources", raw.resources, row) : error;
}

int cluster_read_nodes(struct cluster_reader *r, const json_t *nodes) {
    struct placement_problem *problem = &r->file->problem;
    struct cluster_names racks = {0};
    size_t n = json_array_size(nodes);
    reader_enter(r, "nodes", CLUSTER_NOWHERE);
    if (n == 0 || n > PLACEMENT_NODES_MAX) {
        return reader_fail(r, "there are %zu; allowed are 1 to %u", n, PLACEMENT_NODES_MAX);
    }
    r->nodes = reader_array(r, n, sizeof(*r->nodes));
    r->failed = reader_array(r, n, sizeof(*r->failed));
    r->goes_off = reader_array(r, n, sizeof(*r->goes_off));
    r->every_volume = reader_array(r, n, sizeof(*r->every_volume));
    r->every_cpu_model = reader_array(r, n, sizeof(*r->every_cpu_model));
    r->every_machine = reader_array(r, n, sizeof(*r->every_machine));
    r->every_network = reader_array(r, n, sizeof(*r->every_network));
    r->capacities = reader_array(r, n * problem->n_resources, sizeof(*r->capacities));
    if (r->nodes == NULL || r->failed == NULL || r->goes_off == NULL || r->every_volume == NULL ||
        r->every_cpu_model == NULL || r->every_machine == NULL || r->every_network == NULL ||
        r->capacities == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        reader_enter(r, "nodes", i);
        int error = read_node(r, (uint32_t)i, json_array_get(nodes, i), &racks);
        if (error < 0) {
            return error;
        }
    }
    problem->nodes = r->nodes;
    problem->capacities = r->capacities;
    problem->n_nodes = (uint32_t)n;
    return 0;
}
