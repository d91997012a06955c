/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neutral.c - the neutral JSON form: nodes, vms, and BtrPlace's events. Rules are refused: these
 * measurements are about size, and clusterctl plan --file is what knows them.
 */
#include "cluster.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct bench_cluster cluster;
    json_t *nodes; /* name -> index */
    json_t *vms;
    char *error;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r->error, BENCH_ERROR_MAX, format, args);
    va_end(args);
    return -EBADMSG;
}

static int amount(struct reader *r, const json_t *object, const char *what, const char *key,
                  uint64_t *ret_amount) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return refuse(r, "%s: \"%s\" is not a number of 0 or more", what, key);
    }
    *ret_amount = (uint64_t)json_integer_value(value);
    return 0;
}

static int name_of(struct reader *r, json_t *known, const json_t *object, const char *what,
                   size_t index, const char **ret_name) {
    const char *name = json_string_value(json_object_get(object, "name"));
    if (name == NULL || json_object_get(known, name) != NULL) {
        return refuse(r, "%s %zu: \"name\" is %s", what, index,
                      name == NULL ? "missing" : "one that was there before");
    }
    *ret_name = name;
    return json_object_set_new(known, name, json_integer((json_int_t)index)) == 0 ? 0 : -ENOMEM;
}

static int read_node(struct reader *r, const json_t *node, size_t index) {
    struct bench_cluster *c = &r->cluster;
    struct placement_node *n = &c->nodes[index];
    int error = name_of(r, r->nodes, node, "node", index, &n->name);
    if (error == 0) {
        error = amount(r, node, n->name, "mem", &bench_capacity(c, (uint32_t)index)[0]);
    }
    if (error == 0) {
        error = amount(r, node, n->name, "cpu", &bench_capacity(c, (uint32_t)index)[1]);
    }
    if (error < 0) {
        return error;
    }
    const char *state = json_string_value(json_object_get(node, "state"));
    if (state != NULL && strcmp(state, "online") != 0) {
        n->state = PLACEMENT_NODE_OFFLINE;
    }
    return 0;
}

static int read_vm(struct reader *r, const json_t *vm, size_t index) {
    struct bench_cluster *c = &r->cluster;
    struct placement_vm *v = &c->vms[index];
    int error = name_of(r, r->vms, vm, "VM", index, &v->name);
    if (error == 0) {
        error = amount(r, vm, v->name, "mem", &bench_need(c, (uint32_t)index)[0]);
    }
    if (error == 0) {
        error = amount(r, vm, v->name, "cpu", &bench_need(c, (uint32_t)index)[1]);
    }
    if (error < 0) {
        return error;
    }
    const char *host = json_string_value(json_object_get(vm, "host"));
    if (host != NULL) {
        const json_t *node = json_object_get(r->nodes, host);
        if (node == NULL) {
            return refuse(r, "%s: its host %s is not among the nodes", v->name, host);
        }
        v->host = (uint32_t)json_integer_value(node);
    }
    v->priority = (int32_t)json_integer_value(json_object_get(vm, "priority"));
    return 0;
}

static int read_events(struct reader *r, const json_t *events) {
    struct bench_cluster *c = &r->cluster;
    const json_t *ready = json_object_get(events, "ready"), *entry;
    size_t i;
    json_array_foreach (json_object_get(events, "offline"), i, entry) {
        const json_t *node = json_object_get(r->nodes, json_string_value(entry));
        if (node == NULL || c->n_lost == c->problem.n_nodes) {
            return refuse(r, "events: offline %zu is none of the nodes, or doubled", i);
        }
        c->lost[c->n_lost++] = (uint32_t)json_integer_value(node);
    }
    /* Without events every VM that has no host shall run. */
    for (uint32_t vm = 0; ready == NULL && vm < c->problem.n_vms; vm++) {
        if (c->vms[vm].host == PLACEMENT_NONE) {
            c->homeless[c->n_homeless++] = vm;
        }
    }
    json_array_foreach (ready, i, entry) {
        const json_t *vm = json_object_get(r->vms, json_string_value(entry));
        if (vm == NULL || c->n_homeless == c->problem.n_vms) {
            return refuse(r, "events: ready %zu is none of the VMs, or doubled", i);
        }
        c->homeless[c->n_homeless++] = (uint32_t)json_integer_value(vm);
    }
    return 0;
}

static int read_all(struct reader *r, json_t *root) {
    const json_t *nodes = json_object_get(root, "nodes"), *vms = json_object_get(root, "vms");
    const json_t *entry;
    size_t i;
    if (!json_is_array(nodes) || !json_is_array(vms)) {
        return refuse(r, "\"nodes\" and \"vms\" are wanted, each a list");
    }
    if (json_array_size(json_object_get(root, "rules")) != 0) {
        return refuse(r, "it has rules, which this program does not know");
    }
    int error = bench_cluster_init(&r->cluster, (uint32_t)json_array_size(nodes),
                                   (uint32_t)json_array_size(vms), 2);
    if (error < 0) {
        return error;
    }
    r->cluster.names = json_incref(root);
    json_array_foreach (nodes, i, entry) {
        if ((error = read_node(r, entry, i)) < 0) {
            return error;
        }
    }
    json_array_foreach (vms, i, entry) {
        if ((error = read_vm(r, entry, i)) < 0) {
            return error;
        }
    }
    return read_events(r, json_object_get(root, "events"));
}

int bench_json_read(struct bench_cluster *ret_cluster, const char *path, char *ret_error) {
    json_error_t where;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        snprintf(ret_error, BENCH_ERROR_MAX, "line %d: %.180s", where.line, where.text);
        return -EBADMSG;
    }
    struct reader r = {.nodes = json_object(), .vms = json_object(), .error = ret_error};
    snprintf(ret_error, BENCH_ERROR_MAX, "no memory");
    int error = read_all(&r, root);
    json_decref(r.nodes);
    json_decref(r.vms);
    json_decref(root);
    if (error < 0) {
        bench_cluster_finish(&r.cluster);
        return error;
    }
    *ret_cluster = r.cluster;
    return 0;
}
