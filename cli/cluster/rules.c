/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of a cluster file; see cluster/reader.h.
 *
 * Some are rules of clusterd (apart, together, on, not-on), which apply to VMs that are placed and
 * leave running VMs alone. The others are rules of BtrPlace, which must hold at the end: running
 * VMs that break one are asked to move (cluster/repair.c). Each is expressed by rules of the
 * engine: groups that share no node or part become anti-affinity of groups, and a group that stays
 * within one part becomes affinity.
 */
#include "cluster/reader.h"
#include "placement/words.h"

#include <errno.h>
#include <inttypes.h>
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
    RULE_ROOT, /* not a rule of the engine: its VMs are fixed */
    RULE_LONELY,
    RULE_SPLIT,
    RULE_SPLIT_AMONG,
    RULE_CAP,
    RULE_RUNNING_CAPACITY,
    RULE_MAX_ONLINE, /* no rule to the engine, which turns no node off: it holds, or does not */
    RULE_TYPES
};

/* Keys that a type needs, and VMS_OR_ALL, which it may have. */
enum { VMS = 1, NODES = 2, PARTS = 4, GROUPS = 8, AMOUNT = 16, RESOURCE = 32, VMS_OR_ALL = 64 };

static const struct {
    const char *name;
    enum placement_rule_kind kind;
    bool own;
    unsigned keys;
} types[] = {
    [RULE_APART] = {"apart", PLACEMENT_APART, true, VMS},
    [RULE_TOGETHER] = {"together", PLACEMENT_TOGETHER, true, VMS},
    [RULE_ON] = {"on", PLACEMENT_ON_NODES, true, VMS | NODES},
    [RULE_NOT_ON] = {"not-on", PLACEMENT_NOT_ON_NODES, true, VMS | NODES},
    [RULE_SPREAD] = {"spread", PLACEMENT_APART, false, VMS},
    [RULE_GATHER] = {"gather", PLACEMENT_TOGETHER, false, VMS},
    [RULE_FENCE] = {"fence", PLACEMENT_ON_NODES, false, VMS | NODES},
    [RULE_BAN] = {"ban", PLACEMENT_NOT_ON_NODES, false, VMS | NODES},
    [RULE_AMONG] = {"among", PLACEMENT_TOGETHER, false, VMS | PARTS},
    [RULE_ROOT] = {"root", PLACEMENT_RULE_KIND_COUNT, false, VMS},
    [RULE_LONELY] = {"lonely", PLACEMENT_APART, false, VMS},
    [RULE_SPLIT] = {"split", PLACEMENT_APART, false, GROUPS},
    [RULE_SPLIT_AMONG] = {"splitAmong", PLACEMENT_APART, false, GROUPS | PARTS},
    [RULE_CAP] = {"cap", PLACEMENT_AT_MOST, false, NODES | AMOUNT | RESOURCE | VMS_OR_ALL},
    [RULE_RUNNING_CAPACITY] = {"runningCapacity", PLACEMENT_AT_MOST, false,
                               NODES | AMOUNT | VMS_OR_ALL},
    [RULE_MAX_ONLINE] = {"maxOnline", PLACEMENT_RULE_KIND_COUNT, false, NODES | AMOUNT},
};

#define NO_AMOUNT UINT64_MAX

struct raw_rule {
    const char *name, *resource;
    uint32_t type, scope, strength, weight;
    uint64_t amount; /* or NO_AMOUNT */
    bool continuous;
    const json_t *vms, *nodes, *parts, *groups;
};

static const char *const scopes[] = {
    PLACEMENT_WORDS_OF_SCOPES, [PLACEMENT_PART] = "part", [PLACEMENT_SCOPE_COUNT] = NULL};
static const char *const strengths[] = {
    [PLACEMENT_SOFT] = "soft", [PLACEMENT_HARD] = "hard", [PLACEMENT_STRENGTH_COUNT] = NULL};

#define AT(member) offsetof(struct raw_rule, member)

static const struct cluster_field fields[] = {
    {"name", FIELD_NAME_OR_NULL, false, AT(name), 0, NULL},
    {"type", FIELD_ANY, true, 0, 0, NULL}, /* read before all others */
    {"vms", FIELD_ARRAY, false, AT(vms), 0, NULL},
    {"groups", FIELD_ARRAY, false, AT(groups), 0, NULL},
    {"nodes", FIELD_ARRAY, false, AT(nodes), 0, NULL},
    {"scope", FIELD_WORD, false, AT(scope), 0, scopes},
    {"strength", FIELD_WORD, false, AT(strength), 0, strengths},
    {"weight", FIELD_U32, false, AT(weight), 1000000, NULL},
    {"parts", FIELD_ARRAY, false, AT(parts), 0, NULL},
    {"amount", FIELD_AMOUNT, false, AT(amount), 0, NULL},
    {"resource", FIELD_NAME, false, AT(resource), 0, NULL},
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
            return 0;
        }
    }
    return reader_fail(r,
                       "there is no rule \"%.40s\"; there are apart, together, on, not-on, "
                       "spread, gather, fence, ban, among, root, lonely, split, splitAmong, cap, "
                       "runningCapacity, maxOnline",
                       text);
}

/* A key that the type needs, or does not use: ignoring a mistaken key would hide the mistake. */
static int check_key(struct cluster_reader *r, const char *key, bool needed, bool given,
                     const struct raw_rule *raw) {
    r->key = key;
    if (needed && !given) {
        return reader_fail(r, "is missing; the rule \"%s\" needs it", types[raw->type].name);
    }
    if (!needed && given) {
        return reader_fail(r, "does not apply to the rule \"%s\"", types[raw->type].name);
    }
    return 0;
}

static int check_keys(struct cluster_reader *r, const struct raw_rule *raw) {
    const unsigned keys = types[raw->type].keys;
    bool own = types[raw->type].own;
    bool has_scope = raw->type == RULE_APART || raw->type == RULE_TOGETHER;
    bool has_parts = (keys & PARTS) || raw->scope == PLACEMENT_PART;
    const char *type = types[raw->type].name;
    bool vms = keys & VMS_OR_ALL ? raw->vms != NULL
                                 : raw->vms != NULL && ((keys & VMS) || json_array_size(raw->vms));
    bool nodes = raw->nodes != NULL && ((keys & NODES) || json_array_size(raw->nodes));
    int error = check_key(r, "vms", (keys & VMS) || ((keys & VMS_OR_ALL) && vms), vms, raw);
    if (error == 0) {
        error = check_key(r, "nodes", keys & NODES, nodes, raw);
    }
    if (error == 0) {
        error = check_key(r, "groups", keys & GROUPS, raw->groups != NULL, raw);
    }
    if (error == 0) {
        error = check_key(r, "amount", keys & AMOUNT, raw->amount != NO_AMOUNT, raw);
    }
    if (error == 0) {
        error = check_key(r, "resource", keys & RESOURCE, raw->resource != NULL, raw);
    }
    if (error < 0) {
        return error;
    }
    r->key = "parts";
    if (has_parts && raw->parts == NULL) {
        return reader_fail(r, "is missing; it lists numbers of node_groups");
    }
    if (!has_parts && raw->parts != NULL) {
        return reader_fail(r, "do not apply to the rule \"%s\"%s", type,
                           has_scope ? " without the scope \"part\"" : "");
    }
    r->key = "scope";
    if (!has_scope && raw->scope != PLACEMENT_NODE) {
        return reader_fail(r, "does not apply to the rule \"%s\"", type);
    }
    r->key = "strength";
    if (!own && raw->strength == PLACEMENT_SOFT) {
        return reader_fail(r, "the rule \"%s\" is always hard", type);
    }
    r->key = "weight";
    if (raw->weight > 0 && raw->strength == PLACEMENT_HARD) {
        return reader_fail(r, "does not apply to a hard rule");
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

/* Groups of VMs: all of them in one list, and the number of each VM's group. */
static int read_groups(struct cluster_reader *r, const json_t *groups,
                       struct placement_rule *rule) {
    const struct cluster_names *names = &r->file->vms;
    uint32_t *vms = reader_array(r, names->n, sizeof(*vms));
    uint32_t *group_of = reader_array(r, names->n, sizeof(*group_of));
    bool *taken = reader_array(r, names->n, sizeof(*taken));
    uint32_t n = 0;
    if (vms == NULL || group_of == NULL || taken == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < json_array_size(groups); i++) {
        struct placement_set set = {0};
        r->key = "groups";
        r->element = i;
        if (!json_is_array(json_array_get(groups, i))) {
            return reader_fail(r, "must be an array of VMs");
        }
        int error = reader_find_set(r, names, "VM", "groups", json_array_get(groups, i), &set);
        for (uint32_t k = 0; error == 0 && k < set.n; k++) {
            if (taken[set.index[k]]) {
                r->key = "groups";
                r->element = i;
                return reader_fail(r, "VM %.64s is named twice", names->names[set.index[k]]);
            }
            taken[set.index[k]] = true;
            vms[n] = set.index[k];
            group_of[n++] = (uint32_t)i;
        }
        if (error < 0) {
            return error;
        }
    }
    /* Empty groups do not count: group numbers must be below the number of VMs. */
    for (uint32_t i = 0, number = 0, last = 0; i < n; i++) {
        number += i > 0 && group_of[i] != last ? 1 : 0;
        last = group_of[i];
        group_of[i] = number;
    }
    rule->vms = (struct placement_set){.index = vms, .n = n};
    rule->group_of = group_of;
    return 0;
}

/* The numbers of all VMs; NULL: no memory. */
static uint32_t *all_vms(struct cluster_reader *r) {
    uint32_t *vms = reader_array(r, r->file->problem.n_vms, sizeof(*vms));
    for (uint32_t i = 0; vms != NULL && i < r->file->problem.n_vms; i++) {
        vms[i] = i;
    }
    return vms;
}

/* The rule's VMs form one group, all others another. */
static int apart_from_all_others(struct cluster_reader *r, struct placement_rule *rule) {
    const uint32_t n = r->file->problem.n_vms;
    uint32_t *vms = all_vms(r);
    uint32_t *group_of = reader_array(r, n, sizeof(*group_of));
    if (vms == NULL || group_of == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        group_of[i] = n > 1 ? 1 : 0;
    }
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        group_of[rule->vms.index[i]] = 0;
    }
    rule->vms = (struct placement_set){.index = vms, .n = n};
    rule->group_of = group_of;
    return 0;
}

static int read_limit(struct cluster_reader *r, const struct raw_rule *raw,
                      struct placement_rule *rule) {
    rule->amount = raw->amount;
    rule->resource = PLACEMENT_NONE;
    if (raw->vms == NULL) {
        rule->vms = (struct placement_set){.index = all_vms(r), .n = r->file->problem.n_vms};
        if (rule->vms.index == NULL) {
            return -ENOMEM;
        }
    }
    if (raw->resource == NULL) {
        return 0;
    }
    r->key = "resource";
    return reader_find(r, &r->resource_names, "resource", raw->resource, &rule->resource);
}

static int check_online(struct cluster_reader *r, const struct raw_rule *raw,
                        const struct placement_set *nodes) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < nodes->n; i++) {
        const uint32_t node = nodes->index[i];
        const bool off = r->failed[node] || r->goes_off[node] ||
                         r->nodes[node].state == PLACEMENT_NODE_OFFLINE ||
                         r->nodes[node].state == PLACEMENT_NODE_FENCED;
        n += off ? 0 : 1;
    }
    r->key = "amount";
    return n <= raw->amount
               ? 0
               : reader_fail(
                     r,
                     "%u of its nodes would be on, and it allows %" PRIu64
                     "; a plan powers no node off: name those to be powered off in events.offline",
                     n, raw->amount);
}

static int read_sets(struct cluster_reader *r, const struct raw_rule *raw, const json_t *groups,
                     struct placement_rule *rule) {
    int error = reader_find_set(r, &r->file->vms, "VM", "vms", raw->vms, &rule->vms);
    if (error == 0 && (types[raw->type].keys & NODES)) {
        error = reader_find_set(r, &r->file->nodes, "node", "nodes", raw->nodes, &rule->nodes);
    }
    if (error == 0 && raw->groups != NULL) {
        error = read_groups(r, raw->groups, rule);
    }
    if (error == 0 && raw->parts != NULL) {
        error = read_parts(r, raw->parts, groups, &rule->part_of);
    }
    return error;
}

static void add_rule(struct cluster_reader *r, uint32_t *n_rules,
                     const struct placement_rule *rule) {
    r->rules[(*n_rules)++] = *rule;
}

/* Each group in one part, and no two groups in the same part. */
static int add_split_among(struct cluster_reader *r, const struct placement_rule *apart,
                           bool continuous, uint32_t *n_rules) {
    struct placement_rule *first = &r->rules[*n_rules];
    uint32_t n = 0;
    for (uint32_t begin = 0, end = 0; begin < apart->vms.n; begin = end) {
        while (end < apart->vms.n && apart->group_of[end] == apart->group_of[begin]) {
            end++;
        }
        first[n] = (struct placement_rule){
            .name = apart->name,
            .kind = PLACEMENT_TOGETHER,
            .scope = PLACEMENT_PART,
            .strength = PLACEMENT_HARD,
            .vms = {.index = &apart->vms.index[begin], .n = end - begin},
            .part_of = apart->part_of,
        };
        n++;
    }
    *n_rules += n;
    add_rule(r, n_rules, apart);
    return cluster_groups_repair(r, first, n, continuous);
}

static int make_rule(struct cluster_reader *r, const struct raw_rule *raw,
                     struct placement_rule *rule, uint32_t *n_rules) {
    const bool has_part = raw->type == RULE_AMONG || raw->type == RULE_SPLIT_AMONG;
    int error = 0;
    rule->name = raw->name != NULL ? raw->name : types[raw->type].name;
    rule->kind = types[raw->type].kind;
    rule->scope = has_part ? PLACEMENT_PART : (enum placement_scope)raw->scope;
    rule->strength = (enum placement_strength)raw->strength;
    rule->weight = raw->weight;
    if (raw->type == RULE_SPLIT_AMONG) {
        return add_split_among(r, rule, raw->continuous, n_rules);
    }
    if (raw->type == RULE_LONELY) {
        error = apart_from_all_others(r, rule);
    }
    if (rule->kind == PLACEMENT_AT_MOST) {
        error = read_limit(r, raw, rule);
    }
    if (error == 0 && !types[raw->type].own) {
        error = cluster_rule_repair(r, rule, raw->continuous);
    }
    add_rule(r, n_rules, rule);
    return error;
}

static int read_rule(struct cluster_reader *r, const json_t *json, const json_t *groups,
                     uint32_t *n_rules) {
    struct raw_rule raw = {.type = RULE_APART, .strength = PLACEMENT_HARD, .amount = NO_AMOUNT};
    struct placement_rule rule = {0};
    int error = read_type(r, json, &raw.type);
    if (error == 0) {
        error = reader_object(r, json, fields, sizeof(fields) / sizeof(fields[0]), &raw);
    }
    if (error == 0) {
        error = check_keys(r, &raw);
    }
    if (error == 0) {
        error = read_sets(r, &raw, groups, &rule);
    }
    if (error < 0) {
        return error;
    }
    switch (raw.type) {
    case RULE_MAX_ONLINE: return check_online(r, &raw, &rule.nodes);
    case RULE_ROOT:
        for (uint32_t i = 0; i < rule.vms.n; i++) {
            r->vms[rule.vms.index[i]].mobility = PLACEMENT_FIXED;
        }
        return 0;
    default: return make_rule(r, &raw, &rule, n_rules);
    }
}

/* A rule of the file is one rule of the engine, except when several groups are each kept
 * together. */
static size_t rules_at_most(const json_t *rules) {
    size_t n = json_array_size(rules);
    for (size_t i = 0; i < json_array_size(rules); i++) {
        n += json_array_size(json_object_get(json_array_get(rules, i), "groups"));
    }
    return n;
}

int cluster_read_rules(struct cluster_reader *r, const json_t *rules, const json_t *groups) {
    const size_t n = json_array_size(rules), most = rules_at_most(rules);
    uint32_t n_rules = 0;
    reader_enter(r, "rules", CLUSTER_NOWHERE);
    if (most > PLACEMENT_RULES_MAX) {
        return reader_fail(r, "there are %zu, groups included; allowed are at most %u", most,
                           PLACEMENT_RULES_MAX);
    }
    r->rules = reader_array(r, most, sizeof(*r->rules));
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
