/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMs of a cluster file; see cluster/reader.h.
 */
#include "cluster/reader.h"
#include "placement/words.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct raw_vm {
    const char *name;
    uint64_t cpu, mem;
    const char *host, *also_on, *return_to, *cpu_model, *bound_cpu_model;
    const char *machine, *bound_machine;
    int32_t priority;
    uint32_t mobility, start_ms;
    bool sleeping, stay_off, no_auto_start;
    const json_t *possible, *preferred, *excluded, *volumes, *networks, *resources, *load;
};

struct raw_load {
    uint64_t cpu, mem;
    const json_t *resources;
};

static const char *const mobilities[] = {
    PLACEMENT_WORDS_OF_MOBILITIES,
    [PLACEMENT_FIXED + 1] = NULL,
};

#define START_MS_MAX (24u * 3600 * 1000)
#define AT(member) offsetof(struct raw_vm, member)

static const struct cluster_field fields[] = {
    {"name", FIELD_NAME, true, AT(name), 0, NULL},
    {"cpu", FIELD_AMOUNT, true, AT(cpu), 0, NULL},
    {"mem", FIELD_AMOUNT, true, AT(mem), 0, NULL},
    {"host", FIELD_NAME_OR_NULL, false, AT(host), 0, NULL},
    {"priority", FIELD_I32, false, AT(priority), 0, NULL},
    {"was", FIELD_ANY, false, 0, 0, NULL},
    {"sleeping", FIELD_BOOL, false, AT(sleeping), 0, NULL},
    {"stay_off", FIELD_BOOL, false, AT(stay_off), 0, NULL},
    {"no_auto_start", FIELD_BOOL, false, AT(no_auto_start), 0, NULL},
    {"start_ms", FIELD_U32, false, AT(start_ms), START_MS_MAX, NULL},
    {"mobility", FIELD_WORD, false, AT(mobility), 0, mobilities},
    {"also_on", FIELD_NAME_OR_NULL, false, AT(also_on), 0, NULL},
    {"return_to", FIELD_NAME_OR_NULL, false, AT(return_to), 0, NULL},
    {"cpu_model", FIELD_NAME_OR_NULL, false, AT(cpu_model), 0, NULL},
    {"bound_cpu_model", FIELD_NAME_OR_NULL, false, AT(bound_cpu_model), 0, NULL},
    {"machine", FIELD_NAME_OR_NULL, false, AT(machine), 0, NULL},
    {"bound_machine", FIELD_NAME_OR_NULL, false, AT(bound_machine), 0, NULL},
    {"volumes", FIELD_ARRAY, false, AT(volumes), 0, NULL},
    {"networks", FIELD_ARRAY, false, AT(networks), 0, NULL},
    {"possible", FIELD_ARRAY, false, AT(possible), 0, NULL},
    {"preferred", FIELD_ARRAY, false, AT(preferred), 0, NULL},
    {"excluded", FIELD_ARRAY, false, AT(excluded), 0, NULL},
    {"resources", FIELD_OBJECT, false, AT(resources), 0, NULL},
    {"load", FIELD_OBJECT, false, AT(load), 0, NULL},
};

static const struct cluster_field load_fields[] = {
    {"cpu", FIELD_AMOUNT, false, offsetof(struct raw_load, cpu), 0, NULL},
    {"mem", FIELD_AMOUNT, false, offsetof(struct raw_load, mem), 0, NULL},
    {"resources", FIELD_OBJECT, false, offsetof(struct raw_load, resources), 0, NULL},
};

static int find_node(struct cluster_reader *r, const char *key, const char *name, uint32_t *ret) {
    r->key = key;
    return name == NULL ? 0 : reader_find(r, &r->file->nodes, "node", name, ret);
}

/* The VM's host. A VM of a failed node no longer runs; a sleeping VM takes nothing. */
static int read_hosts(struct cluster_reader *r, uint32_t i, const struct raw_vm *raw) {
    struct placement_vm *vm = &r->vms[i];
    int error = find_node(r, "host", raw->host, &vm->host);
    if (error == 0) {
        error = find_node(r, "return_to", raw->return_to, &vm->return_to);
    }
    if (error == 0) {
        error = find_node(r, "also_on", raw->also_on, &vm->also_on);
    }
    if (error == 0 && vm->also_on != PLACEMENT_NONE && vm->host == PLACEMENT_NONE) {
        error = reader_fail(r, "a VM without a host cannot be moving to another node");
    }
    if (error == 0 && vm->also_on != PLACEMENT_NONE && vm->also_on == vm->host) {
        error = reader_fail(r, "%.64s is its host", raw->also_on);
    }
    if (error < 0) {
        return error;
    }
    if (vm->also_on != PLACEMENT_NONE && r->failed[vm->also_on]) {
        vm->also_on = PLACEMENT_NONE;
    }
    bool lost = vm->host != PLACEMENT_NONE && r->failed[vm->host];
    if (raw->sleeping || lost) {
        vm->host = vm->also_on = PLACEMENT_NONE;
    }
    r->off[i] = raw->sleeping || raw->stay_off || (raw->no_auto_start && lost);
    r->waits[i] = vm->host == PLACEMENT_NONE && !r->off[i];
    return 0;
}

/* A running VM is bound to the CPU of its start, until it starts anew elsewhere. */
static int read_cpu_model(struct cluster_reader *r, uint32_t i, const struct raw_vm *raw) {
    uint32_t *ret = &r->vms[i].cpu_model;
    bool bound = raw->bound_cpu_model != NULL;
    const char *name = bound ? raw->bound_cpu_model : raw->cpu_model;
    r->key = bound ? "bound_cpu_model" : "cpu_model";
    if (bound && raw->cpu_model != NULL) {
        return reader_fail(r, "a VM with a cpu_model cannot be bound to another");
    }
    if (name == NULL || (bound && r->vms[i].host == PLACEMENT_NONE)) {
        return 0;
    }
    r->file->bound[i] = bound;
    if (cluster_names_add(&r->cpu_models, &r->file->arena, name, ret) < 0) {
        return reader_no_memory(r);
    }
    return r->cpu_models.n <= PLACEMENT_CPU_MODELS_MAX
               ? 0
               : reader_fail(r, "there are more than %u of them in all", PLACEMENT_CPU_MODELS_MAX);
}

static int read_machine(struct cluster_reader *r, const char *key, const char *name,
                        uint32_t *ret) {
    r->key = key;
    if (name != NULL && cluster_names_add(&r->machines, &r->file->arena, name, ret) < 0) {
        return reader_no_memory(r);
    }
    return r->machines.n <= PLACEMENT_MACHINES_MAX
               ? 0
               : reader_fail(r, "there are more than %u of them in all", PLACEMENT_MACHINES_MAX);
}

/* The machine types of a start and of the running VM: an alias has a different meaning on each
 * node. */
static int read_machines(struct cluster_reader *r, uint32_t i, const struct raw_vm *raw) {
    uint32_t *start = &r->file->start_machines[i];
    *start = PLACEMENT_NONE;
    int error = read_machine(r, "machine", raw->machine, start);
    r->vms[i].machine = *start;
    return error == 0 && r->vms[i].host != PLACEMENT_NONE
               ? read_machine(r, "bound_machine", raw->bound_machine, &r->vms[i].machine)
               : error;
}

static int read_sets(struct cluster_reader *r, uint32_t i, const struct raw_vm *raw) {
    struct placement_vm *vm = &r->vms[i];
    const struct cluster_names *nodes = &r->file->nodes;
    int error = reader_find_set(r, nodes, "node", "possible", raw->possible, &vm->possible);
    if (error == 0) {
        error = reader_find_set(r, nodes, "node", "preferred", raw->preferred, &vm->preferred);
    }
    if (error == 0) {
        error = reader_find_set(r, nodes, "node", "excluded", raw->excluded, &vm->excluded);
    }
    if (error == 0 && raw->volumes != NULL) {
        error = reader_add_set(r, &r->volumes, "volumes", PLACEMENT_VOLUMES_MAX, raw->volumes,
                               &vm->volumes);
    }
    if (error == 0 && raw->networks != NULL) {
        error = reader_add_set(r, &r->networks, "networks", PLACEMENT_NETWORKS_MAX, raw->networks,
                               &vm->networks);
    }
    if (error == 0) {
        error = read_cpu_model(r, i, raw);
    }
    return error == 0 ? read_machines(r, i, raw) : error;
}

/* The measured use; VMs without a figure count with all that they may use. */
static int read_load(struct cluster_reader *r, uint32_t i, size_t n, const json_t *json) {
    const uint32_t n_resources = r->file->problem.n_resources;
    struct raw_load raw = {0};
    if (r->loads == NULL) {
        r->loads = reader_array(r, n * n_resources, sizeof(*r->loads));
        if (r->loads == NULL) {
            return -ENOMEM;
        }
        memcpy(r->loads, r->needs, (size_t)i * n_resources * sizeof(*r->loads));
    }
    uint64_t *row = &r->loads[(size_t)i * n_resources];
    memcpy(row, &r->needs[(size_t)i * n_resources], n_resources * sizeof(*row));
    if (json == NULL) {
        return 0;
    }
    raw.cpu = row[PLACEMENT_CPU];
    raw.mem = row[PLACEMENT_MEMORY];
    r->within = "load"; /* until the next VM: its load comes last */
    int error =
        reader_object(r, json, load_fields, sizeof(load_fields) / sizeof(load_fields[0]), &raw);
    if (error < 0) {
        return error;
    }
    row[PLACEMENT_CPU] = raw.cpu;
    row[PLACEMENT_MEMORY] = raw.mem;
    return reader_resources(r, "resources", raw.resources, row);
}

static int read_vm(struct cluster_reader *r, uint32_t i, size_t n, const json_t *json) {
    struct raw_vm raw = {0};
    struct placement_vm *vm = &r->vms[i];
    uint64_t *row = &r->needs[(size_t)i * r->file->problem.n_resources];
    uint32_t number = 0;
    int error = reader_object(r, json, fields, sizeof(fields) / sizeof(fields[0]), &raw);
    if (error < 0) {
        return error;
    }
    r->key = "name";
    int added = cluster_names_add(&r->file->vms, &r->file->arena, raw.name, &number);
    if (added != 0) {
        return added < 0 ? reader_no_memory(r)
                         : reader_fail(r, "%.64s already has that name: vms[%u]", raw.name, number);
    }
    *vm = (struct placement_vm)PLACEMENT_VM_INIT;
    vm->name = raw.name;
    vm->priority = raw.priority;
    vm->no_auto_start = raw.no_auto_start;
    vm->start_ms = raw.start_ms;
    vm->mobility = (enum placement_mobility)raw.mobility;
    row[PLACEMENT_CPU] = raw.cpu;
    row[PLACEMENT_MEMORY] = raw.mem;
    error = read_hosts(r, i, &raw);
    if (error == 0) {
        error = read_sets(r, i, &raw);
    }
    if (error == 0) {
        error = reader_resources(r, "resources", raw.resources, row);
    }
    if (error == 0 && (raw.load != NULL || r->loads != NULL)) {
        error = read_load(r, i, n, raw.load);
    }
    return error;
}

int cluster_read_vms(struct cluster_reader *r, const json_t *vms) {
    struct placement_problem *problem = &r->file->problem;
    size_t n = json_array_size(vms);
    reader_enter(r, "vms", CLUSTER_NOWHERE);
    if (n > PLACEMENT_VMS_MAX) {
        return reader_fail(r, "there are %zu; allowed are at most %u", n, PLACEMENT_VMS_MAX);
    }
    r->vms = reader_array(r, n, sizeof(*r->vms));
    r->needs = reader_array(r, n * problem->n_resources, sizeof(*r->needs));
    r->waits = reader_array(r, n, sizeof(*r->waits));
    r->off = reader_array(r, n, sizeof(*r->off));
    r->moves = reader_array(r, n, sizeof(*r->moves));
    r->file->bound = reader_array(r, n, sizeof(*r->file->bound));
    r->file->start_machines = reader_array(r, n, sizeof(*r->file->start_machines));
    r->file->vm_rows = r->vms;
    if (r->file->bound == NULL || r->file->start_machines == NULL || r->vms == NULL ||
        r->needs == NULL || r->waits == NULL || r->off == NULL || r->moves == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        reader_enter(r, "vms", i);
        int error = read_vm(r, (uint32_t)i, n, json_array_get(vms, i));
        if (error < 0) {
            return error;
        }
    }
    problem->vms = r->vms;
    problem->needs = r->needs;
    problem->loads = r->loads;
    problem->n_vms = (uint32_t)n;
    return 0;
}
