/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of a cluster file; see cluster_reader.h.
 *
 * Some are clusterd's own (apart, together, on, not-on), which judge what is placed and leave alone
 * what runs; the others are BtrPlace's, which must hold in the end: what runs against one of them
 * is asked to move (cluster_repair.c). A rule that the engine cannot keep is refused, never passed
 * over.
 */
#include "cluster_reader.h"
#include "placement/words.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum rule_type {
    RULE_APART,
    RULE_TOGETHER,
    RULE_ON,
    RULE_NOT_ON,
    RULE_SPREAD,
    RULE_GATHER,
    RULE_FENCE,
    RULE_BAN,
    RULE_AMONG,
    RULE_ROOT, /* no rule to the engine: its VMs are fixed */
    RULE_LONELY,
    RULE_SPLIT,
    RULE_SPLIT_AMONG,
    RULE_CAP,
    RULE_RUNNING_CAPACITY,
    RULE_MAX_ONLINE,
    RULE_TYPES
};

static const struct {
    const char *name;
    enum placement_rule_kind kind;
    bool own;
    bool has_nodes;
    const char *refused; /* what it means, where the engine cannot keep it */
} types[] = {
    [RULE_APART] = {"apart", PLACEMENT_APART, true, false, NULL},
    [RULE_TOGETHER] = {"together", PLACEMENT_TOGETHER, true, false, NULL},
    [RULE_ON] = {"on", PLACEMENT_ON_NODES, true, true, NULL},
    [RULE_NOT_ON] = {"not-on", PLACEMENT_NOT_ON_NODES, true, true, NULL},
    [RULE_SPREAD] = {"spread", PLACEMENT_APART, false, false, NULL},
    [RULE_GATHER] = {"gather", PLACEMENT_TOGETHER, false, false, NULL},
    [RULE_FENCE] = {"fence", PLACEMENT_ON_NODES, false, true, NULL},
    [RULE_BAN] = {"ban", PLACEMENT_NOT_ON_NODES, false, true, NULL},
    [RULE_AMONG] = {"among", PLACEMENT_TOGETHER, false, false, NULL},
    [RULE_ROOT] = {"root", PLACEMENT_RULE_KIND_COUNT, false, false, NULL},
    [RULE_LONELY] = {"lonely", 0, false, false, "VMs that share their nodes with no others"},
    [RULE_SPLIT] = {"split", 0, false, false, "groups of VMs that share no node"},
    [RULE_SPLIT_AMONG] = {"splitAmong", 0, false, false, "groups of VMs that share no part"},
    [RULE_CAP] = {"cap", 0, false, false, "a limit over several nodes"},
    [RULE_RUNNING_CAPACITY] = {"runningCapacity", 0, false, false, "a limit over several nodes"},
    [RULE_MAX_ONLINE] = {"maxOnline", 0, false, false, "a limit of nodes that are on"},
};

struct raw_rule {
    const char *name;
    uint32_t type, scope, strength, weight;
    bool continuous;
    const json_t *vms, *nodes, *parts;
};

static const char *const scopes[] = {
    PLACEMENT_WORDS_OF_SCOPES, [PLACEMENT_PART] = "part", [PLACEMENT_SCOPE_COUNT] = NULL};
static const char *const strengths[] = {
    [PLACEMENT_SOFT] = "soft", [PLACEMENT_HARD] = "hard", [PLACEMENT_STRENGTH_COUNT] = NULL};

#define AT(member) offsetof(struct raw_rule, member)

static const struct cluster_field fields[] = {
    {"name", FIELD_NAME_OR_NULL, false, AT(name), 0, NULL},
    {"type", FIELD_ANY, true, 0, 0, NULL}, /* read before all others */
    {"vms", FIELD_ARRAY, true, AT(vms), 0, NULL},
    {"nodes", FIELD_ARRAY, false, AT(nodes), 0, NULL},
    {"scope", FIELD_WORD, false, AT(scope), 0, scopes},
    {"strength", FIELD_WORD, false, AT(strength), 0, strengths},
    {"weight", FIELD_U32, false, AT(weight), 1000000, NULL},
    {"parts", FIELD_ARRAY, false, AT(parts), 0, NULL},
    {"continuous", FIELD_BOOL, false, AT(continuous), 0, NULL},
};

static int read_type(struct cluster_reader *r, const json_t *json, uint32_t *ret) {
    const json_t *type = json_object_get(json, "type");
    const char *text = NULL;
    if (type == NULL) {
        return 0; /* reader_object() says so */
    }
    r->key = "type";
    int error = reader_name(r, type, &text);
    if (error < 0) {
        return error;
    }
    for (uint32_t i = 0; i < RULE_TYPES; i++) {
        if (strcmp(types[i].name, text) == 0) {
            *ret = i;
            return types[i].refused == NULL
                       ? 0
                       : reader_fail(r,
                                     "the engine has no rule \"%s\" (%s), and nothing is planned "
                                     "against a rule; take it out to plan without it",
                                     text, types[i].refused);
        }
    }
    return reader_fail(r,
                       "there is no rule \"%.40s\"; there are apart, together, on, not-on, "
                       "spread, gather, fence, ban, among, root",
                       text);
}

/* Which keys the type has no use for: one that is there by mistake would be passed over. */
static int check_keys(struct cluster_reader *r, const struct raw_rule *raw) {
    bool own = types[raw->type].own;
    bool has_scope = raw->type == RULE_APART || raw->type == RULE_TOGETHER;
    bool has_parts = raw->type == RULE_AMONG || raw->scope == PLACEMENT_PART;
    const char *type = types[raw->type].name;
    r->key = "nodes";
    if (types[raw->type].has_nodes && raw->nodes == NULL) {
        return reader_fail(r, "is missing; the rule \"%s\" needs them", type);
    }
    if (!types[raw->type].has_nodes && json_array_size(raw->nodes) > 0) {
        return reader_fail(r, "mean nothing to the rule \"%s\"", type);
    }
    r->key = "parts";
    if (has_parts && raw->parts == NULL) {
        return reader_fail(r, "is missing; it lists numbers of node_groups");
    }
    if (!has_parts && raw->parts != NULL) {
        return reader_fail(r, "mean nothing to the rule \"%s\"%s", type,
                           has_scope ? " without the scope \"part\"" : "");
    }
    r->key = "scope";
    if (!has_scope && raw->scope != PLACEMENT_NODE) {
        return reader_fail(r, "means nothing to the rule \"%s\"", type);
    }
    r->key = "strength";
    if (!own && raw->strength == PLACEMENT_SOFT) {
        return reader_fail(r, "the rule \"%s\" is always hard", type);
    }
    r->key = "weight";
    if (raw->weight > 0 && raw->strength == PLACEMENT_HARD) {
        return reader_fail(r, "means nothing to a hard rule");
    }
    return 0;
}

/* For each node the number of its part, and NONE. */
static int read_parts(struct cluster_reader *r, const json_t *parts, const json_t *groups,
                      const uint32_t **ret) {
    const struct cluster_names *nodes = &r->file->nodes;
    uint32_t *part_of = reader_array(r, nodes->n, sizeof(*part_of));
    if (part_of == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < nodes->n; i++) {
        part_of[i] = PLACEMENT_NONE;
    }
    if (json_array_size(parts) > nodes->n) {
        return reader_fail(r, "there are more of them than nodes");
    }
    for (size_t i = 0; i < json_array_size(parts); i++) {
        uint64_t group = 0;
        struct placement_set set = {0};
        r->key = "parts";
        r->element = i;
        int error = reader_amount(r, json_array_get(parts, i), UINT32_MAX, &group);
        const json_t *names = json_array_get(groups, group);
        if (error == 0 && !json_is_array(names)) {
            error = reader_fail(r, "node_groups has no array number %u", (uint32_t)group);
        }
        if (error == 0) {
            error = reader_find_set(r, nodes, "node", "parts", names, &set);
        }
        for (uint32_t k = 0; error == 0 && k < set.n; k++) {
            uint32_t *part = &part_of[set.index[k]];
            if (*part != PLACEMENT_NONE && *part != i) {
                error = reader_fail(r, "node %.64s is in two of them", nodes->names[set.index[k]]);
            }
            *part = (uint32_t)i;
        }
        if (error < 0) {
            return error;
        }
    }
    *ret = part_of;
    return 0;
}

static int read_rule(struct cluster_reader *r, const json_t *json, const json_t *groups,
                     uint32_t *n_rules) {
    struct raw_rule raw = {.type = RULE_APART, .strength = PLACEMENT_HARD};
    struct placement_rule rule = {0};
    int error = read_type(r, json, &raw.type);
    if (error == 0) {
        error = reader_object(r, json, fields, sizeof(fields) / sizeof(fields[0]), &raw);
    }
    if (error == 0) {
        error = check_keys(r, &raw);
    }
    if (error == 0) {
        error = reader_find_set(r, &r->file->vms, "VM", "vms", raw.vms, &rule.vms);
    }
    if (error == 0 && types[raw.type].has_nodes) {
        error = reader_find_set(r, &r->file->nodes, "node", "nodes", raw.nodes, &rule.nodes);
    }
    if (error == 0 && raw.parts != NULL) {
        error = read_parts(r, raw.parts, groups, &rule.part_of);
    }
    if (error < 0) {
        return error;
    }
    for (uint32_t i = 0; raw.type == RULE_ROOT && i < rule.vms.n; i++) {
        r->vms[rule.vms.index[i]].mobility = PLACEMENT_FIXED;
    }
    if (raw.type == RULE_ROOT) {
        return 0;
    }
    rule.name = raw.name != NULL ? raw.name : types[raw.type].name;
    rule.kind = types[raw.type].kind;
    rule.scope = raw.type == RULE_AMONG ? PLACEMENT_PART : (enum placement_scope)raw.scope;
    rule.strength = (enum placement_strength)raw.strength;
    rule.weight = raw.weight;
    if (!types[raw.type].own) {
        error = cluster_rule_repair(r, &rule, raw.continuous);
    }
    r->rules[(*n_rules)++] = rule;
    return error;
}

int cluster_read_rules(struct cluster_reader *r, const json_t *rules, const json_t *groups) {
    size_t n = json_array_size(rules);
    uint32_t n_rules = 0;
    reader_enter(r, "rules", CLUSTER_NOWHERE);
    if (n > PLACEMENT_RULES_MAX) {
        return reader_fail(r, "there are %zu; there may be up to %u", n, PLACEMENT_RULES_MAX);
    }
    r->rules = reader_array(r, n, sizeof(*r->rules));
    if (r->rules == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        reader_enter(r, "rules", i);
        int error = read_rule(r, json_array_get(rules, i), groups, &n_rules);
        if (error < 0) {
            return error;
        }
    }
    r->file->problem.rules = r->rules;
    r->file->problem.n_rules = n_rules;
    return 0;
}
