/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world_read.c - the reader of world.h's text. Fixed tables, one pass, the first error ends it. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(struct world *w, const char *what, const char *word) {
    if (w->error[0] == '\0') {
        snprintf(w->error, sizeof(w->error), "%s: %s", what, word != NULL ? word : "(end of line)");
    }
    return -EINVAL;
}

static uint32_t intern(struct world *w, const char **words, uint32_t *n, const char *word) {
    for (uint32_t i = 0; i < *n; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    if (*n == WORLD_WORDS) {
        fail(w, "too many names", word);
        return 0;
    }
    words[*n] = word;
    return (*n)++;
}

static uint64_t read_number(struct world *w, const char *word, uint32_t scale) {
    char *end = NULL;
    if (word == NULL || word[0] < '0' || word[0] > '9') {
        fail(w, "not a number", word);
        return 0;
    }
    uint64_t number = strtoull(word, &end, 10) * scale;
    if (*end == '.') {
        for (end++; *end >= '0' && *end <= '9'; end++) {
            scale /= 10;
            number += (uint64_t)(*end - '0') * scale;
        }
    }
    if (*end != '\0') {
        fail(w, "not a number", word);
    }
    return number;
}

enum list_of { LIST_NODES, LIST_VMS, LIST_VOLUMES, LIST_CPU_MODELS, LIST_MACHINES, LIST_NETWORKS };

static uint32_t read_name(struct world *w, enum list_of what, const char *name) {
    uint32_t found = PLACEMENT_NONE;
    if (name == NULL) {
        fail(w, "a name is missing", name);
        return PLACEMENT_NONE;
    }
    switch (what) {
    case LIST_NODES: found = world_find_node(w, name); break;
    case LIST_VMS: found = world_find_vm(w, name); break;
    case LIST_VOLUMES: found = intern(w, w->volumes, &w->problem.n_volumes, name); break;
    case LIST_CPU_MODELS: found = intern(w, w->cpu_models, &w->problem.n_cpu_models, name); break;
    case LIST_MACHINES: found = intern(w, w->machines, &w->problem.n_machines, name); break;
    case LIST_NETWORKS: found = intern(w, w->networks, &w->problem.n_networks, name); break;
    }
    if (found == PLACEMENT_NONE) {
        fail(w, "no such name before this line", name);
    }
    return found;
}

static struct placement_set read_list(struct world *w, enum list_of what, char *word) {
    uint32_t index[WORLD_VMS], n = 0;
    char *rest = NULL;
    for (char *name = word != NULL ? strtok_r(word, ",", &rest) : NULL;
         name != NULL && n < WORLD_VMS; name = strtok_r(NULL, ",", &rest)) {
        index[n++] = read_name(w, what, name);
    }
    if (n == 0) {
        fail(w, "a list is missing", word);
    }
    return world_set(w, index, n);
}

static bool is(const char *word, const char *expected) {
    return strcmp(word, expected) == 0;
}

static bool read_amount(struct world *w, const char *key, const char *value, uint64_t *amounts) {
    for (uint32_t r = 0; r < w->problem.n_resources; r++) {
        if (is(key, w->resources[r].name)) {
            amounts[r] = read_number(w, value, w->resources[r].per_unit);
            return true;
        }
    }
    return false;
}

/* load-memory, load-cpu...: what the VM uses in truth. */
static bool read_load(struct world *w, const char *key, const char *value, uint32_t vm) {
    static const char prefix[] = "load-";
    size_t n = sizeof(prefix) - 1;
    if (strncmp(key, prefix, n) != 0 ||
        !read_amount(w, key + n, value, &w->loads[vm * w->problem.n_resources])) {
        return false;
    }
    w->problem.loads = w->loads;
    return true;
}

static bool read_state(const char *word, enum placement_node_state *ret_state) {
    static const char *const names[PLACEMENT_NODE_STATE_COUNT] = {
        "accepts", "joining", "draining", "drained",       "lost",
        "fencing", "fenced",  "offline",  "no-hypervisor", "no-watchdog"};
    for (unsigned i = 0; i < PLACEMENT_NODE_STATE_COUNT; i++) {
        if (is(word, names[i])) {
            *ret_state = (enum placement_node_state)i;
            return true;
        }
    }
    return false;
}

static char *next(char **rest) {
    return strtok_r(NULL, " \t", rest);
}

static int parse_node(struct world *w, char **rest) {
    const uint32_t i = w->problem.n_nodes;
    struct placement_node *node = &w->nodes[i];
    char *name = next(rest), *key;
    if (name == NULL || i == w->size.nodes || world_find_node(w, name) != PLACEMENT_NONE) {
        return fail(w, "no name, a name twice or too many nodes", name);
    }
    *node = (struct placement_node){.name = name};
    w->problem.n_nodes++;
    while ((key = next(rest)) != NULL) {
        if (read_state(key, &node->state)) {
            continue;
        }
        char *value = next(rest);
        if (value == NULL) {
            return fail(w, "no value", key);
        } else if (read_amount(w, key, value, &w->capacities[i * w->problem.n_resources])) {
            continue;
        } else if (is(key, "overcommit")) {
            node->cpu_overcommit_permille = (uint32_t)read_number(w, value, 1000);
        } else if (is(key, "max-vms")) {
            node->vms_max = (uint32_t)read_number(w, value, 1);
        } else if (is(key, "threshold")) {
            node->threshold_permille = (uint32_t)read_number(w, value, 1000);
        } else if (is(key, "bandwidth")) {
            node->bandwidth_mb_s = (uint32_t)read_number(w, value, 1);
        } else if (is(key, "site")) {
            node->site = intern(w, w->sites, &w->n_sites, value);
        } else if (is(key, "rack")) {
            node->rack = intern(w, w->racks, &w->n_racks, value);
        } else if (is(key, "volumes")) {
            node->volumes = read_list(w, LIST_VOLUMES, value);
        } else if (is(key, "cpu-models")) {
            node->cpu_models = read_list(w, LIST_CPU_MODELS, value);
        } else if (is(key, "machines")) {
            node->machines = read_list(w, LIST_MACHINES, value);
        } else if (is(key, "networks")) {
            node->networks = read_list(w, LIST_NETWORKS, value);
        } else {
            return fail(w, "unknown word in node", key);
        }
    }
    return 0;
}

static bool parse_vm_flag(struct placement_vm *vm, const char *key) {
    if (is(key, "cold")) {
        vm->mobility = PLACEMENT_MOVABLE_COLD;
    } else if (is(key, "fixed")) {
        vm->mobility = PLACEMENT_FIXED;
    } else if (is(key, "no-auto-start")) {
        vm->no_auto_start = true;
    } else {
        return false;
    }
    return true;
}

static int parse_vm_value(struct world *w, struct placement_vm *vm, const char *key, char *value) {
    if (is(key, "priority")) {
        vm->priority = value[0] == '-' ? (int32_t)(0u - (uint32_t)read_number(w, value + 1, 1))
                                       : (int32_t)read_number(w, value, 1);
    } else if (is(key, "start-ms")) {
        vm->start_ms = (uint32_t)read_number(w, value, 1);
    } else if (is(key, "on")) {
        vm->host = read_name(w, LIST_NODES, value);
    } else if (is(key, "also-on")) {
        vm->also_on = read_name(w, LIST_NODES, value);
    } else if (is(key, "return-to")) {
        vm->return_to = read_name(w, LIST_NODES, value);
    } else if (is(key, "cpu-model")) {
        vm->cpu_model = read_name(w, LIST_CPU_MODELS, value);
    } else if (is(key, "machine")) {
        vm->machine = read_name(w, LIST_MACHINES, value);
    } else if (is(key, "volumes")) {
        vm->volumes = read_list(w, LIST_VOLUMES, value);
    } else if (is(key, "networks")) {
        vm->networks = read_list(w, LIST_NETWORKS, value);
    } else if (is(key, "possible")) {
        vm->possible = read_list(w, LIST_NODES, value);
    } else if (is(key, "preferred")) {
        vm->preferred = read_list(w, LIST_NODES, value);
    } else if (is(key, "excluded")) {
        vm->excluded = read_list(w, LIST_NODES, value);
    } else {
        return fail(w, "unknown word in vm", key);
    }
    return 0;
}

static int parse_vm(struct world *w, char **rest) {
    const uint32_t i = w->problem.n_vms;
    struct placement_vm *vm = &w->vms[i];
    char *name = next(rest), *key;
    if (name == NULL || i == w->size.vms || world_find_vm(w, name) != PLACEMENT_NONE) {
        return fail(w, "no name, a name twice or too many VMs", name);
    }
    *vm = (struct placement_vm)PLACEMENT_VM_INIT;
    vm->name = name;
    w->problem.n_vms++;
    while ((key = next(rest)) != NULL) {
        if (parse_vm_flag(vm, key)) {
            continue;
        }
        char *value = next(rest);
        if (value == NULL) {
            return fail(w, "no value", key);
        }
        if (!read_amount(w, key, value, &w->needs[i * w->problem.n_resources]) &&
            !read_load(w, key, value, i) && parse_vm_value(w, vm, key, value) < 0) {
            return -EINVAL;
        }
    }
    return 0;
}

/* n1,n2/n3: two parts, and all other nodes in none. "-": all in none. */
static void read_parts(struct world *w, struct placement_rule *rule, char *word) {
    uint32_t part_of[WORLD_NODES], part = 0;
    char *rest = NULL;
    for (uint32_t i = 0; i < WORLD_NODES; i++) {
        part_of[i] = PLACEMENT_NONE;
    }
    word = word != NULL && is(word, "-") ? word + 1 : word;
    for (char *list = word != NULL ? strtok_r(word, "/", &rest) : NULL; list != NULL;
         list = strtok_r(NULL, "/", &rest), part++) {
        struct placement_set nodes = read_list(w, LIST_NODES, list);
        for (uint32_t i = 0; w->error[0] == '\0' && i < nodes.n; i++) {
            part_of[nodes.index[i]] = part;
        }
    }
    rule->scope = PLACEMENT_PART;
    rule->part_of = world_set(w, part_of, WORLD_NODES).index; /* nodes may follow */
}

/* a,b/c,d: two groups. */
static void read_groups(struct world *w, struct placement_rule *rule, char *word) {
    uint32_t vms[WORLD_VMS], group_of[WORLD_VMS], n = 0, group = 0;
    char *rest = NULL;
    if (word == NULL || strchr(word, '/') == NULL) {
        rule->vms = read_list(w, LIST_VMS, word);
        return;
    }
    for (char *list = strtok_r(word, "/", &rest); list != NULL;
         list = strtok_r(NULL, "/", &rest), group++) {
        struct placement_set set = read_list(w, LIST_VMS, list);
        for (uint32_t i = 0; w->error[0] == '\0' && i < set.n && n < WORLD_VMS; i++) {
            vms[n] = set.index[i];
            group_of[n++] = group;
        }
    }
    rule->vms = world_set(w, vms, n);
    rule->group_of = world_set(w, group_of, n).index;
}

static uint32_t read_resource(struct world *w, const char *word) {
    for (uint32_t r = 0; word != NULL && r < w->problem.n_resources; r++) {
        if (is(word, r == 0 ? "memory" : r == 1 ? "cpu" : w->resources[r].name)) {
            return r;
        }
    }
    fail(w, "no such resource", word);
    return PLACEMENT_NONE;
}

static int parse_rule(struct world *w, char **rest) {
    static const char *const kinds[] = {"apart", "together", "on", "off", "at-most"};
    static const char *const scopes[] = {"node", "rack", "site"};
    char *name = next(rest), *key;
    if (name == NULL || w->problem.n_rules == w->size.rules) {
        return fail(w, "no name or too many rules", name);
    }
    struct placement_rule *rule = &w->rules[w->problem.n_rules++];
    *rule = (struct placement_rule){.name = name, .resource = PLACEMENT_NONE};
    while ((key = next(rest)) != NULL) {
        bool known = is(key, "hard") || is(key, "soft");
        if (is(key, "hard")) {
            rule->strength = PLACEMENT_HARD;
        }
        for (unsigned i = 0; i < PLACEMENT_RULE_KIND_COUNT; i++) {
            if (is(key, kinds[i])) {
                rule->kind = (enum placement_rule_kind)i;
                known = true;
            }
        }
        for (unsigned i = 0; i < PLACEMENT_PART; i++) {
            if (is(key, scopes[i])) {
                rule->scope = (enum placement_scope)i;
                known = true;
            }
        }
        if (is(key, "weight")) {
            rule->weight = (uint32_t)read_number(w, next(rest), 1);
        } else if (is(key, "parts")) {
            read_parts(w, rule, next(rest));
        } else if (is(key, "vms")) {
            read_groups(w, rule, next(rest));
        } else if (is(key, "amount")) {
            rule->amount = read_number(w, next(rest), 1);
        } else if (is(key, "of")) {
            rule->resource = read_resource(w, next(rest));
        } else if (is(key, "nodes")) {
            rule->nodes = read_list(w, LIST_NODES, next(rest));
        } else if (!known) {
            return fail(w, "unknown word in rule", key);
        }
    }
    return 0;
}

static int parse_admit(struct world *w, char **rest) {
    char *key;
    w->admits = true;
    w->admit = (struct placement_admit_request){.k = (uint32_t)read_number(w, next(rest), 1)};
    while ((key = next(rest)) != NULL) {
        if (is(key, "may-move-others")) {
            w->admit.may_move_others = true;
        } else if (is(key, "work")) {
            w->admit.work = read_number(w, next(rest), 1);
        } else {
            return fail(w, "unknown word in request admit", key);
        }
    }
    return 0;
}

static int parse_request(struct world *w, char **rest) {
    static const char *const kinds[PLACEMENT_KIND_COUNT] = {"place", "failover", "drain", "return",
                                                            "balance"};
    char *word = next(rest), *key;
    unsigned kind = 0;
    if (word != NULL && is(word, "admit")) {
        return parse_admit(w, rest);
    }
    while (word != NULL && kind < PLACEMENT_KIND_COUNT && !is(word, kinds[kind])) {
        kind++;
    }
    if (word == NULL || kind == PLACEMENT_KIND_COUNT) {
        return fail(w, "unknown request", word);
    }
    w->request = (struct placement_request){.kind = (enum placement_kind)kind};
    while ((key = next(rest)) != NULL) {
        if (is(key, "vms")) {
            w->request.vms = read_list(w, LIST_VMS, next(rest));
        } else if (is(key, "nodes")) {
            w->request.nodes = read_list(w, LIST_NODES, next(rest));
        } else if (is(key, "may-move-others")) {
            w->request.may_move_others = true;
        } else if (is(key, "moves-max")) {
            w->request.moves_max = (uint32_t)read_number(w, next(rest), 1);
        } else if (is(key, "work")) {
            w->request.work = read_number(w, next(rest), 1);
        } else {
            return fail(w, "unknown word in request", key);
        }
    }
    return 0;
}

static int parse_seed(struct world *w, char **rest) {
    w->problem.seed = read_number(w, next(rest), 1);
    return 0;
}

static int parse_resource(struct world *w, char **rest) {
    char *name = next(rest);
    if (name == NULL || w->problem.n_resources == WORLD_RESOURCES || w->problem.n_nodes > 0) {
        return fail(w, "no name, too many resources, or after a node", name);
    }
    w->resources[w->problem.n_resources++] =
        (struct placement_resource){.name = name, .unit = next(rest), .per_unit = 1};
    return 0;
}

int world_parse(struct world *w, const char *text) {
    static const struct {
        const char *word;
        int (*parse)(struct world *w, char **rest);
    } lines[] = {{"resource", parse_resource}, {"node", parse_node}, {"vm", parse_vm},
                 {"rule", parse_rule},         {"seed", parse_seed}, {"request", parse_request}};
    char *rest_of_text = NULL;

    w->text = strdup(text);
    if (w->text == NULL) {
        abort();
    }
    for (char *line = strtok_r(w->text, "\n", &rest_of_text); line != NULL;
         line = strtok_r(NULL, "\n", &rest_of_text)) {
        char *rest = NULL;
        line[strcspn(line, "#")] = '\0';
        char *word = strtok_r(line, " \t", &rest);
        size_t i = 0;
        while (word != NULL && i < sizeof(lines) / sizeof(lines[0]) && !is(word, lines[i].word)) {
            i++;
        }
        if (word != NULL && i == sizeof(lines) / sizeof(lines[0])) {
            return fail(w, "unknown line", word);
        }
        if (word != NULL) {
            lines[i].parse(w, &rest);
        }
        if (w->error[0] != '\0') {
            return -EINVAL;
        }
    }
    return 0;
}
