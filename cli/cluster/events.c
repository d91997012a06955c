/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of a cluster file: what happens to some of its nodes and VMs; see cluster/reader.h.
 * They change the problem that has been read; the rest becomes a request.
 */
#include "cluster/reader.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct raw_events {
    const json_t *offline, *online, *ready, *stop, *resize;
};

struct raw_resize {
    const char *vm;
    uint64_t cpu, mem;
    const json_t *resources;
};

static const struct cluster_field fields[] = {
    {"offline", FIELD_ARRAY, false, offsetof(struct raw_events, offline), 0, NULL},
    {"online", FIELD_ARRAY, false, offsetof(struct raw_events, online), 0, NULL},
    {"ready", FIELD_ARRAY, false, offsetof(struct raw_events, ready), 0, NULL},
    {"stop", FIELD_ARRAY, false, offsetof(struct raw_events, stop), 0, NULL},
    {"resize", FIELD_ARRAY, false, offsetof(struct raw_events, resize), 0, NULL},
};

static const struct cluster_field resize_fields[] = {
    {"vm", FIELD_NAME, true, offsetof(struct raw_resize, vm), 0, NULL},
    {"cpu", FIELD_AMOUNT, false, offsetof(struct raw_resize, cpu), 0, NULL},
    {"mem", FIELD_AMOUNT, false, offsetof(struct raw_resize, mem), 0, NULL},
    {"resources", FIELD_OBJECT, false, offsetof(struct raw_resize, resources), 0, NULL},
};

static int read_nodes(struct cluster_reader *r, const struct raw_events *raw,
                      struct placement_set *ret_offline) {
    const struct cluster_names *names = &r->file->nodes;
    struct placement_set online = {0};
    int error = reader_find_set(r, names, "node", "online", raw->online, &online);
    if (error == 0) {
        error = reader_find_set(r, names, "node", "offline", raw->offline, ret_offline);
    }
    for (uint32_t i = 0; error == 0 && i < online.n; i++) {
        r->nodes[online.index[i]].state = PLACEMENT_NODE_ACCEPTS;
    }
    for (uint32_t i = 0; error == 0 && i < ret_offline->n; i++) {
        struct placement_node *node = &r->nodes[ret_offline->index[i]];
        r->goes_off[ret_offline->index[i]] = true;
        if (node->state == PLACEMENT_NODE_ACCEPTS) {
            node->state = PLACEMENT_NODE_DRAINING;
        }
    }
    return error;
}

/* If there are events, they say which of the VMs without a host must run. */
static int read_vms(struct cluster_reader *r, const struct raw_events *raw) {
    const struct cluster_names *names = &r->file->vms;
    struct placement_set ready = {0}, stop = {0};
    int error = reader_find_set(r, names, "VM", "ready", raw->ready, &ready);
    if (error == 0) {
        error = reader_find_set(r, names, "VM", "stop", raw->stop, &stop);
    }
    if (error < 0) {
        return error;
    }
    memset(r->waits, 0, r->file->problem.n_vms * sizeof(*r->waits));
    for (uint32_t i = 0; i < ready.n; i++) {
        r->waits[ready.index[i]] = r->vms[ready.index[i]].host == PLACEMENT_NONE;
    }
    for (uint32_t i = 0; i < stop.n; i++) {
        struct placement_vm *vm = &r->vms[stop.index[i]];
        vm->host = vm->also_on = PLACEMENT_NONE;
        r->waits[stop.index[i]] = false;
    }
    return 0;
}

/* The use of each node; VMs on their way count at both ends. */
static uint64_t *use_of_nodes(struct cluster_reader *r) {
    const struct placement_problem *p = &r->file->problem;
    const uint32_t n_resources = p->n_resources;
    uint64_t *used = reader_array(r, (size_t)p->n_nodes * n_resources, sizeof(*used));
    for (uint32_t vm = 0; used != NULL && vm < p->n_vms; vm++) {
        const uint32_t ends[] = {r->vms[vm].host, r->vms[vm].also_on};
        for (size_t e = 0; e < 2; e++) {
            for (uint32_t k = 0; ends[e] != PLACEMENT_NONE && k < n_resources; k++) {
                used[(size_t)ends[e] * n_resources + k] += r->needs[(size_t)vm * n_resources + k];
            }
        }
    }
    return used;
}

static bool is_overloaded(const struct cluster_reader *r, const uint64_t *used, uint32_t node) {
    const uint32_t n_resources = r->file->problem.n_resources;
    for (uint32_t k = 0; k < n_resources; k++) {
        uint64_t capacity = r->capacities[(size_t)node * n_resources + k];
        uint32_t overcommit = r->nodes[node].cpu_overcommit_permille;
        if (k == PLACEMENT_CPU && overcommit > 0) {
            capacity = capacity * overcommit / 1000;
        }
        if (used[(size_t)node * n_resources + k] > capacity) {
            return true;
        }
    }
    return false;
}

static int read_resize(struct cluster_reader *r, const json_t *json, uint32_t *ret_vm) {
    const uint32_t n_resources = r->file->problem.n_resources;
    /* More than a file can express: the need stays as it was. */
    struct raw_resize raw = {.cpu = UINT64_MAX, .mem = UINT64_MAX};
    int error = reader_object(r, json, resize_fields,
                              sizeof(resize_fields) / sizeof(resize_fields[0]), &raw);
    if (error < 0) {
        return error;
    }
    r->key = "vm";
    error = reader_find(r, &r->file->vms, "VM", raw.vm, ret_vm);
    if (error < 0) {
        return error;
    }
    uint64_t *row = &r->needs[(size_t)*ret_vm * n_resources];
    row[PLACEMENT_CPU] = raw.cpu != UINT64_MAX ? raw.cpu : row[PLACEMENT_CPU];
    row[PLACEMENT_MEMORY] = raw.mem != UINT64_MAX ? raw.mem : row[PLACEMENT_MEMORY];
    return reader_resources(r, "resources", raw.resources, row);
}

/* Applies new needs. A node that can no longer hold its VMs gives away the changed ones, in the
 * order of the file, until it can. */
static int read_resizes(struct cluster_reader *r, const json_t *resizes) {
    const uint32_t n_resources = r->file->problem.n_resources;
    size_t n = json_array_size(resizes);
    uint32_t *changed = reader_array(r, n, sizeof(*changed));
    if (changed == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        reader_enter(r, "events.resize", i);
        int error = read_resize(r, json_array_get(resizes, i), &changed[i]);
        if (error < 0) {
            return error;
        }
    }
    uint64_t *used = use_of_nodes(r);
    if (used == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t host = r->vms[changed[i]].host;
        if (host == PLACEMENT_NONE || r->moves[changed[i]] || !is_overloaded(r, used, host)) {
            continue;
        }
        r->moves[changed[i]] = true;
        for (uint32_t k = 0; k < n_resources; k++) {
            used[(size_t)host * n_resources + k] -= r->needs[(size_t)changed[i] * n_resources + k];
        }
    }
    return 0;
}

int cluster_read_events(struct cluster_reader *r, const json_t *events,
                        struct placement_set *ret_offline) {
    struct raw_events raw = {0};
    reader_enter(r, "events", CLUSTER_NOWHERE);
    int error = reader_object(r, events, fields, sizeof(fields) / sizeof(fields[0]), &raw);
    if (error == 0) {
        error = read_nodes(r, &raw, ret_offline);
    }
    if (error == 0) {
        error = read_vms(r, &raw);
    }
    return error == 0 && raw.resize != NULL ? read_resizes(r, raw.resize) : error;
}
