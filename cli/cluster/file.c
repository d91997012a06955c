/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster in a file: see cluster/file.h.
 */
#include "cluster/file.h"

#include "cluster/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct raw_file {
    uint32_t version, seconds;
    const json_t *resources, *volumes, *nodes, *vms, *rules, *events, *node_groups, *solve;
};

struct raw_resource {
    const char *name, *unit;
    uint32_t per_unit;
};

struct raw_solve {
    bool move_others, drain_moves_others;
    uint32_t improve_ms;
    uint64_t seed;
};

#define AT(member) offsetof(struct raw_file, member)

static const struct cluster_field fields[] = {
    {"nodes", FIELD_ARRAY, true, AT(nodes), 0, NULL},
    {"vms", FIELD_ARRAY, true, AT(vms), 0, NULL},
    {"rules", FIELD_ARRAY, false, AT(rules), 0, NULL},
    {"events", FIELD_OBJECT, false, AT(events), 0, NULL},
    {"node_groups", FIELD_ARRAY, false, AT(node_groups), 0, NULL},
    {"resources", FIELD_ARRAY, false, AT(resources), 0, NULL},
    {"volumes", FIELD_ARRAY, false, AT(volumes), 0, NULL},
    {"solve", FIELD_OBJECT, false, AT(solve), 0, NULL},
    {"version", FIELD_U32, false, AT(version), 1, NULL},
    {"params", FIELD_ANY, false, 0, 0, NULL},
};

static const struct cluster_field resource_fields[] = {
    {"name", FIELD_NAME, true, offsetof(struct raw_resource, name), 0, NULL},
    {"unit", FIELD_NAME_OR_NULL, false, offsetof(struct raw_resource, unit), 0, NULL},
    {"per_unit", FIELD_U32, false, offsetof(struct raw_resource, per_unit), 1000000, NULL},
};

static const struct cluster_field solve_fields[] = {
    {"move_others", FIELD_BOOL, false, offsetof(struct raw_solve, move_others), 0, NULL},
    {"drain_moves_others", FIELD_BOOL, false, offsetof(struct raw_solve, drain_moves_others), 0,
     NULL},
    {"improve_ms", FIELD_U32, false, offsetof(struct raw_solve, improve_ms),
     CLUSTER_FILE_SECONDS_MAX * 1000, NULL},
    {"seed", FIELD_SEED, false, offsetof(struct raw_solve, seed), 0, NULL},
};

#define DEFAULT_IMPROVE_MS 1000u

static const char *const first_names[] = {[PLACEMENT_MEMORY] = "mem", [PLACEMENT_CPU] = "cpu"};
static const char *const first_texts[] = {[PLACEMENT_MEMORY] = "memory", [PLACEMENT_CPU] = "cpu"};

/* The first two always exist; the file may give their units, and name more. */
static int read_resource(struct cluster_reader *r, const json_t *json, bool *given) {
    struct raw_resource raw = {0};
    uint32_t number = 0;
    int error = reader_object(r, json, resource_fields,
                              sizeof(resource_fields) / sizeof(resource_fields[0]), &raw);
    if (error < 0) {
        return error;
    }
    r->key = "name";
    if (cluster_names_add(&r->resource_names, &r->file->arena, raw.name, &number) < 0) {
        return reader_no_memory(r);
    }
    if (given[number]) {
        return reader_fail(r, "%.64s is listed twice", raw.name);
    }
    if (number >= PLACEMENT_RESOURCES_MAX) {
        return reader_fail(r, "there are more than %u", PLACEMENT_RESOURCES_MAX);
    }
    given[number] = true;
    r->resources[number] = (struct placement_resource){
        .name = number > PLACEMENT_CPU ? raw.name : first_texts[number],
        .unit = raw.unit != NULL ? raw.unit : "",
        .per_unit = raw.per_unit,
    };
    return 0;
}

static int read_resources(struct cluster_reader *r, const json_t *resources) {
    struct placement_problem *problem = &r->file->problem;
    size_t n = json_array_size(resources);
    uint32_t number = 0;
    reader_enter(r, "resources", CLUSTER_NOWHERE);
    r->resources = reader_array(r, n + 2, sizeof(*r->resources));
    bool *given = reader_array(r, n + 2, sizeof(*given));
    if (r->resources == NULL || given == NULL) {
        return -ENOMEM;
    }
    r->resources[PLACEMENT_MEMORY] =
        (struct placement_resource){.name = first_texts[0], .unit = "MB", .per_unit = 1};
    r->resources[PLACEMENT_CPU] =
        (struct placement_resource){.name = first_texts[1], .unit = "cpu", .per_unit = 1000};
    for (size_t i = 0; i < 2; i++) {
        if (cluster_names_add(&r->resource_names, &r->file->arena, first_names[i], &number) < 0) {
            return reader_no_memory(r);
        }
    }
    for (size_t i = 0; i < n; i++) {
        reader_enter(r, "resources", i);
        int error = read_resource(r, json_array_get(resources, i), given);
        if (error < 0) {
            return error;
        }
    }
    problem->resources = r->resources;
    problem->n_resources = r->resource_names.n;
    return 0;
}

static int read_solve(struct cluster_reader *r, const json_t *solve) {
    struct raw_solve raw = {
        .move_others = true, .drain_moves_others = true, .improve_ms = DEFAULT_IMPROVE_MS};
    bool own = json_object_get(solve, "drain_moves_others") != NULL;
    int error = 0;
    reader_enter(r, "solve", CLUSTER_NOWHERE);
    if (solve != NULL) {
        error = reader_object(r, solve, solve_fields,
                              sizeof(solve_fields) / sizeof(solve_fields[0]), &raw);
    }
    r->file->request.may_move_others = raw.move_others;
    r->file->drain_moves_others = own ? raw.drain_moves_others : raw.move_others;
    r->file->solve_ms = raw.improve_ms;
    r->file->problem.seed = raw.seed;
    return error;
}

/* Nodes that do not list their volumes reach all of them; likewise CPU models, machine types and
 * networks. */
static int fill_all(struct cluster_reader *r) {
    struct placement_problem *problem = &r->file->problem;
    uint32_t n = r->volumes.n > r->cpu_models.n ? r->volumes.n : r->cpu_models.n;
    n = n > r->machines.n ? n : r->machines.n;
    n = n > r->networks.n ? n : r->networks.n;
    uint32_t *all = reader_array(r, n, sizeof(*all));
    if (all == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        all[i] = i;
    }
    for (uint32_t i = 0; i < problem->n_nodes; i++) {
        if (r->every_volume[i]) {
            r->nodes[i].volumes = (struct placement_set){.index = all, .n = r->volumes.n};
        }
        if (r->every_cpu_model[i]) {
            r->nodes[i].cpu_models = (struct placement_set){.index = all, .n = r->cpu_models.n};
        }
        if (r->every_machine[i]) {
            r->nodes[i].machines = (struct placement_set){.index = all, .n = r->machines.n};
        }
        if (r->every_network[i]) {
            r->nodes[i].networks = (struct placement_set){.index = all, .n = r->networks.n};
        }
    }
    problem->n_volumes = r->volumes.n;
    problem->volume_names = r->volumes.names;
    problem->n_cpu_models = r->cpu_models.n;
    problem->n_machines = r->machines.n;
    problem->machine_names = r->machines.names;
    problem->n_networks = r->networks.n;
    problem->network_names = r->networks.names;
    return 0;
}

/* If a VM is on one of the nodes, they are emptied; otherwise they only take no VMs. */
static bool any_runs_there(struct cluster_reader *r, const struct placement_set *nodes,
                           bool *leaving) {
    for (uint32_t i = 0; i < nodes->n; i++) {
        leaving[nodes->index[i]] = true;
    }
    for (uint32_t i = 0; i < r->file->problem.n_vms; i++) {
        if (r->vms[i].host != PLACEMENT_NONE && leaving[r->vms[i].host]) {
            return true;
        }
    }
    return false;
}

static int fill_request(struct cluster_reader *r, const struct placement_set *offline) {
    const struct placement_problem *problem = &r->file->problem;
    struct placement_request *request = &r->file->request;
    uint32_t *vms = reader_array(r, problem->n_vms, sizeof(*vms));
    bool *leaving = reader_array(r, problem->n_nodes, sizeof(*leaving));
    uint32_t n = 0;
    if (vms == NULL || leaving == NULL) {
        return -ENOMEM;
    }
    request->kind = PLACEMENT_PLACE;
    if (any_runs_there(r, offline, leaving)) {
        request->kind = PLACEMENT_DRAIN;
        request->nodes = *offline;
    }
    for (uint32_t i = 0; i < problem->n_vms; i++) {
        if (r->waits[i] || (r->moves[i] && r->vms[i].host != PLACEMENT_NONE)) {
            vms[n++] = i;
        }
    }
    request->vms = (struct placement_set){.index = vms, .n = n};
    return 0;
}

static int read_all(struct cluster_reader *r, const json_t *root) {
    struct raw_file raw = {.version = 1};
    struct placement_set offline = {0};
    reader_enter(r, NULL, CLUSTER_NOWHERE);
    int error = reader_object(r, root, fields, sizeof(fields) / sizeof(fields[0]), &raw);
    if (error == 0 && raw.version != 1) {
        r->key = "version";
        error = reader_fail(r, "this program reads version 1");
    }
    if (error == 0) {
        error = read_resources(r, raw.resources);
    }
    if (error == 0) {
        error = read_solve(r, raw.solve);
    }
    if (error == 0 && raw.volumes != NULL) {
        struct placement_set all = {0};
        reader_enter(r, NULL, CLUSTER_NOWHERE);
        error = reader_add_set(r, &r->volumes, "volumes", PLACEMENT_VOLUMES_MAX, raw.volumes, &all);
    }
    if (error == 0) {
        error = cluster_read_nodes(r, raw.nodes);
    }
    if (error == 0) {
        error = cluster_read_vms(r, raw.vms);
    }
    if (error == 0 && raw.events != NULL) {
        error = cluster_read_events(r, raw.events, &offline);
    }
    if (error == 0) {
        error = cluster_read_rules(r, raw.rules, raw.node_groups);
    }
    if (error == 0) {
        error = fill_all(r);
    }
    return error == 0 ? fill_request(r, &offline) : error;
}

int cluster_file_take(json_t *root, const char *path, struct cluster_file **ret_file,
                      char *ret_message) {
    struct cluster_file *file = calloc(1, sizeof(*file));
    struct cluster_reader reader = {.file = file, .path = path, .message = ret_message};
    if (file == NULL) {
        json_decref(root);
        return reader_no_memory(&reader);
    }
    arena_init(&file->arena);
    file->root = root;
    int error = read_all(&reader, root);
    if (error < 0) {
        cluster_file_destroy(file);
        return error;
    }
    *ret_file = file;
    return 0;
}

/* Examples are often distributed compressed. A text cannot begin with this byte. */
static bool is_compressed(FILE *stream) {
    int first = getc(stream);
    (void)ungetc(first, stream);
    return first == 0x1f;
}

int cluster_file_read(const char *path, struct cluster_file **ret_file, char *ret_message) {
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    json_error_t wrong;
    FILE *stream = standard ? stdin : fopen(path, "re");
    if (stream == NULL) {
        int error = -errno;
        (void)snprintf(ret_message, CLUSTER_FILE_MESSAGE_MAX, "cannot read %s: %s", path,
                       strerror(-error));
        return error;
    }
    bool compressed = is_compressed(stream);
    json_t *root = compressed ? NULL : json_loadf(stream, JSON_REJECT_DUPLICATES, &wrong);
    int error = ferror(stream) ? -EIO : -EINVAL;
    if (!standard) {
        (void)fclose(stream);
    }
    if (compressed) {
        (void)snprintf(ret_message, CLUSTER_FILE_MESSAGE_MAX,
                       "%s: is compressed: gunzip it first, or pipe it: gzip -dc FILE | clusterctl "
                       "plan --file -",
                       name);
        return error;
    }
    if (root == NULL) {
        (void)snprintf(ret_message, CLUSTER_FILE_MESSAGE_MAX,
                       "%s: line %d, column %d: not JSON: %s", name, wrong.line, wrong.column,
                       error == -EIO ? "it cannot be read" : wrong.text);
        return error;
    }
    return cluster_file_take(root, name, ret_file, ret_message);
}

static bool has_machine(const struct placement_node *node, uint32_t machine) {
    bool found = machine == PLACEMENT_NONE;
    for (uint32_t i = 0; i < node->machines.n && !found; i++) {
        found = node->machines.index[i] == machine;
    }
    return found;
}

/* It may also run wherever it could start: as in planner/machine.c. */
static bool starts_only_where_it_can_go(const struct placement_problem *p, uint32_t start,
                                        uint32_t running) {
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        if (has_machine(&p->nodes[i], start) && !has_machine(&p->nodes[i], running)) {
            return false;
        }
    }
    return true;
}

void cluster_file_unbind(struct cluster_file *file) {
    for (uint32_t i = 0; i < file->problem.n_vms; i++) {
        struct placement_vm *vm = &file->vm_rows[i];
        uint32_t start = file->start_machines[i];
        bool cold =
            file->bound[i] || (vm->host != PLACEMENT_NONE &&
                               !starts_only_where_it_can_go(&file->problem, start, vm->machine));
        vm->machine = start;
        if (file->bound[i]) {
            vm->cpu_model = PLACEMENT_NONE;
        }
        if (cold && vm->mobility == PLACEMENT_MOVABLE_LIVE) {
            vm->mobility = PLACEMENT_MOVABLE_COLD;
        }
    }
}

void cluster_file_destroy(struct cluster_file *file) {
    if (file == NULL) {
        return;
    }
    arena_finish(&file->arena);
    json_decref(file->root);
    free(file);
}
