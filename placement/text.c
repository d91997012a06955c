/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.c - verdicts as lines for a person.
 *
 * The library has no I/O and no locale, so numbers are written here by hand. A line that does not
 * fit is cut off; it is always terminated.
 */
#include "search.h"

#include <string.h>

struct line {
    char *text;
    size_t size, length;
};

static void put(struct line *line, const char *text) {
    for (; *text != '\0' && line->length + 1 < line->size; text++) {
        line->text[line->length++] = *text;
    }
    if (line->size > 0) {
        line->text[line->length] = '\0';
    }
}

static void put_number(struct line *line, uint64_t number) {
    char digits[21];
    size_t i = sizeof(digits) - 1;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(line, &digits[i]);
}

/* value / per_unit with as many of three decimals as say something. */
static void put_fraction(struct line *line, uint64_t value, uint32_t per_unit) {
    uint64_t thousandths = value % per_unit * 1000 / per_unit;
    put_number(line, value / per_unit);
    if (thousandths > 0) {
        char decimals[] = {'.', (char)('0' + thousandths / 100),
                           (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10),
                           '\0'};
        size_t end = 3;
        while (decimals[end] == '0') {
            decimals[end--] = '\0';
        }
        put(line, decimals);
    }
}

static void put_permille(struct line *line, uint32_t permille) {
    put_number(line, permille / 10);
    put(line, (const char[]){'.', (char)('0' + permille % 10), '\0'});
    put(line, " %");
}

static void put_name(struct line *line, const char *name, const char *kind, uint32_t index) {
    if (name != NULL) {
        put(line, name);
    } else {
        put(line, kind);
        put(line, " ");
        put_number(line, index);
    }
}

static void put_node(struct line *line, const struct placement_problem *p, uint32_t node) {
    put_name(line, p->nodes[node].name, "node", node);
}

static struct placement_resource resource_of(const struct placement_problem *p, uint32_t r) {
    static const struct placement_resource built_in[] = {
        [PLACEMENT_MEMORY] = {.name = "memory", .unit = "MB", .per_unit = 1},
        [PLACEMENT_CPU] = {.name = "cpu", .unit = "cpu", .per_unit = 1000},
    };
    struct placement_resource resource = {0};
    if (p->resources != NULL) {
        resource = p->resources[r];
    } else if (r <= PLACEMENT_CPU) {
        resource = built_in[r];
    }
    resource.unit = resource.unit != NULL ? resource.unit : "";
    resource.per_unit = resource.per_unit > 0 ? resource.per_unit : 1;
    return resource;
}

static void put_resource(struct line *line, const struct placement_problem *p, uint32_t r) {
    put_name(line, resource_of(p, r).name, "resource", r);
}

static void put_amount(struct line *line, const struct placement_problem *p, uint32_t r,
                       uint64_t amount) {
    const struct placement_resource resource = resource_of(p, r);
    put_fraction(line, amount, resource.per_unit);
    if (resource.unit[0] != '\0') {
        put(line, " ");
        put(line, resource.unit);
    }
}

/* "8192 MB", or for an overcommitted cpu "32 cpu (8 cpu at ratio 4)". */
static void put_capacity(struct line *line, const struct placement_problem *p, uint32_t node,
                         const struct placement_verdict *v) {
    const uint32_t ratio = p->nodes[node].cpu_overcommit_permille;
    put_amount(line, p, v->resource, v->capacity);
    if (v->resource == PLACEMENT_CPU && ratio > 0 && ratio != 1000) {
        put(line, " (");
        put_amount(line, p, v->resource,
                   p->capacities[(size_t)node * p->n_resources + PLACEMENT_CPU]);
        put(line, " at ratio ");
        put_fraction(line, ratio, 1000);
        put(line, ")");
    }
}

static const char *const reason_names[PLACEMENT_REASON_COUNT] = {
    [PLACEMENT_CHOSEN] = "chosen",
    [PLACEMENT_POSSIBLE] = "possible",
    [PLACEMENT_CURRENT_HOST] = "host until now",
    [PLACEMENT_IN_TRANSIT] = "on its way there",
    [PLACEMENT_NO_AUTO_START] = "no automatic start",
    [PLACEMENT_VM_FIXED] = "must not be moved",
    [PLACEMENT_NOT_RETURN_NODE] = "not its return node",
    [PLACEMENT_NOT_POSSIBLE_OWNER] = "not a possible owner",
    [PLACEMENT_NODE_STATE] = "node takes no VMs",
    [PLACEMENT_NODE_LEAVING] = "node is to be left",
    [PLACEMENT_CPU_MODEL] = "lacks the CPU model",
    [PLACEMENT_VOLUME_MISSING] = "lacks a volume",
    [PLACEMENT_EXCLUDED] = "left out this time",
    [PLACEMENT_NODE_RULE] = "forbidden by a node rule",
    [PLACEMENT_AFFINITY] = "forbidden by affinity",
    [PLACEMENT_ANTI_AFFINITY] = "forbidden by anti-affinity",
    [PLACEMENT_LIMIT_VMS] = "limit of VMs reached",
    [PLACEMENT_NO_RESOURCE] = "not enough of a resource",
    [PLACEMENT_NO_CPU] = "not enough cpu",
    [PLACEMENT_NO_MEMORY] = "not enough memory",
    [PLACEMENT_OVER_THRESHOLD] = "above its threshold with it",
    [PLACEMENT_NO_WAY] = "no way to get there",
};

static const char *const state_names[PLACEMENT_NODE_STATE_COUNT] = {
    [PLACEMENT_NODE_ACCEPTS] = "online",
    [PLACEMENT_NODE_JOINING] = "joining",
    [PLACEMENT_NODE_DRAINING] = "draining",
    [PLACEMENT_NODE_DRAINED] = "drained",
    [PLACEMENT_NODE_LOST] = "lost",
    [PLACEMENT_NODE_FENCING] = "being fenced",
    [PLACEMENT_NODE_FENCED] = "fenced",
    [PLACEMENT_NODE_OFFLINE] = "offline",
    [PLACEMENT_NODE_NO_HYPERVISOR] = "without a hypervisor that answers",
    [PLACEMENT_NODE_NO_WATCHDOG] = "without a watchdog",
};

const char *placement_reason_name(enum placement_reason reason) {
    return (unsigned)reason < PLACEMENT_REASON_COUNT ? reason_names[reason] : "unknown";
}

const char *placement_node_state_name(enum placement_node_state state) {
    return (unsigned)state < PLACEMENT_NODE_STATE_COUNT ? state_names[state] : "unknown";
}

static bool in_no_part(const struct placement_rule *rule, uint32_t node) {
    return rule->scope == PLACEMENT_PART && rule->part_of[node] == PLACEMENT_NONE;
}

static void put_rule(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    static const char *const here[PLACEMENT_SCOPE_COUNT] = {"there", "in that rack", "at that site",
                                                            "in that part"};
    const struct placement_rule *rule = &p->rules[v->rule];
    put_name(line, rule->name, "rule", v->rule);
    switch (rule->kind) {
    case PLACEMENT_APART:
        put(line, ": ");
        if (v->other_vm != PLACEMENT_NONE) {
            put_name(line, p->vms[v->other_vm].name, "VM", v->other_vm);
        } else {
            put(line, "another of its VMs");
        }
        put(line, " is ");
        put(line, here[rule->scope]);
        break;
    case PLACEMENT_TOGETHER:
        if (in_no_part(rule, node)) {
            put(line, ": in none of its parts");
            break;
        }
        put(line, ": its other VMs are not ");
        put(line, here[rule->scope]);
        break;
    case PLACEMENT_ON_NODES: put(line, ": not among its nodes"); break;
    case PLACEMENT_NOT_ON_NODES: put(line, ": keeps off this node"); break;
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
}

static void put_lack(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    put(line, "not enough ");
    put_resource(line, p, v->resource);
    put(line, ": needs ");
    put_amount(line, p, v->resource, v->need);
    put(line, ", ");
    put_amount(line, p, v->resource, v->have);
    put(line, " free of ");
    put_capacity(line, p, node, v);
}

/* "87.5 % free after placing (memory, 7168 MB of 8192 MB)" */
static void put_share(struct line *line, const struct placement_problem *p, uint32_t node,
                      const struct placement_verdict *v, const char *when) {
    put_permille(line, v->free_after_permille);
    put(line, " free ");
    put(line, when);
    put(line, " (");
    put_resource(line, p, v->resource);
    put(line, ", ");
    put_amount(line, p, v->resource, v->have > v->need ? v->have - v->need : 0);
    put(line, " of ");
    put_capacity(line, p, node, v);
    put(line, ")");
}

static void put_room(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    const bool for_others = v->rank != PLACEMENT_NONE && v->rank > 0;
    put(line, v->reason != PLACEMENT_CHOSEN ? "possible: "
              : for_others                  ? "chosen, so that others have room: "
                                            : "chosen: ");
    if (v->preferred_rank != PLACEMENT_NONE) {
        put(line, "preferred owner ");
        put_number(line, (uint64_t)v->preferred_rank + 1);
        put(line, ", ");
    }
    put_share(line, p, node, v, "after placing");
    if (v->soft_broken > 0) {
        put(line, "; against the wish of ");
        put_rule(line, p, node, v);
    }
}

/* Beside the candidates' figures the host's own are worth reading, while it may keep the VM. */
static void put_host(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    if (v->obstacles & (reason_bit(PLACEMENT_NODE_STATE) | reason_bit(PLACEMENT_NODE_LEAVING))) {
        put(line, "its host until now");
    } else {
        put(line, "its present host: ");
        put_share(line, p, node, v, "with it there");
    }
}

/* Any reason that is not CHOSEN or POSSIBLE. */
static void put_obstacle(struct line *line, const struct placement_problem *p, uint32_t node,
                         const struct placement_verdict *v) {
    switch ((unsigned)v->reason) {
    case PLACEMENT_CURRENT_HOST: put_host(line, p, node, v); break;
    case PLACEMENT_IN_TRANSIT: put(line, "it is on its way there"); break;
    case PLACEMENT_NO_AUTO_START: put(line, "the VM is not started by a failover"); break;
    case PLACEMENT_VM_FIXED: put(line, "the VM must not be moved"); break;
    case PLACEMENT_NOT_RETURN_NODE: put(line, "not the node that it returns to"); break;
    case PLACEMENT_NOT_POSSIBLE_OWNER: put(line, "not among its possible owners"); break;
    case PLACEMENT_NODE_STATE:
        put(line, "the node is ");
        put(line, placement_node_state_name(v->node_state));
        put(line, " and takes no VMs");
        break;
    case PLACEMENT_NODE_LEAVING: put(line, "the node is to be left or is lost"); break;
    case PLACEMENT_CPU_MODEL: put(line, "the node's CPU cannot give the VM its CPU model"); break;
    case PLACEMENT_VOLUME_MISSING:
        put(line, "volume ");
        put_name(line, p->volume_names != NULL ? p->volume_names[v->volume] : NULL, "number",
                 v->volume);
        put(line, " is not in reach or not in health there");
        break;
    case PLACEMENT_EXCLUDED: put(line, "left out this time (it failed there before)"); break;
    case PLACEMENT_NODE_RULE:
    case PLACEMENT_AFFINITY:
    case PLACEMENT_ANTI_AFFINITY:
        put(line, "forbidden by ");
        put_rule(line, p, node, v);
        break;
    case PLACEMENT_LIMIT_VMS:
        put(line, "limit of VMs reached: ");
        put_number(line, v->have);
        put(line, " of ");
        put_number(line, v->capacity);
        break;
    case PLACEMENT_OVER_THRESHOLD:
        put(line, "with it the node would be above its threshold");
        break;
    case PLACEMENT_NO_WAY:
        put(line, "there will be room, but no order of moves that gets it there");
        break;
    default: put_lack(line, p, node, v); break;
    }
}

size_t placement_verdict_text(const struct placement_problem *p, uint32_t vm, uint32_t node,
                              const struct placement_verdict *v, char *ret_text, size_t size) {
    struct line line = {.text = ret_text, .size = size};

    (void)vm;
    put(&line, "");
    if (v->reason == PLACEMENT_CHOSEN || v->reason == PLACEMENT_POSSIBLE) {
        put_room(&line, p, node, v);
        return line.length;
    }
    put_obstacle(&line, p, node, v);
    uint32_t others = v->obstacles & ~reason_bit(v->reason);
    const char *separator = "; also: ";
    for (unsigned reason = 0; reason < PLACEMENT_REASON_COUNT; reason++) {
        if (others & reason_bit((enum placement_reason)reason)) {
            put(&line, separator);
            put(&line, reason_names[reason]);
            separator = ", ";
        }
    }
    return line.length;
}

static void put_counts(struct line *line, const struct placement_explanation *e) {
    const char *separator = "";
    for (unsigned reason = PLACEMENT_POSSIBLE; reason < PLACEMENT_REASON_COUNT; reason++) {
        if (e->by_reason[reason] > 0) {
            put(line, separator);
            put_number(line, e->by_reason[reason]);
            put(line, " ");
            put(line, reason_names[reason]);
            separator = ", ";
        }
    }
}

size_t placement_explanation_text(const struct placement_problem *p, uint32_t vm,
                                  const struct placement_explanation *e, char *ret_text,
                                  size_t size) {
    struct line line = {.text = ret_text, .size = size};

    (void)vm;
    put(&line, "");
    if (e->chosen != PLACEMENT_NONE) {
        put_node(&line, p, e->chosen);
        if (e->for_others) {
            put(&line, " was taken so that others have room; by itself it would be ");
            put_node(&line, p, e->runner_up);
        } else if (e->runner_up == PLACEMENT_NONE) {
            put(&line, " is the only possible node");
        } else {
            put(&line, " is the best of ");
            put_number(&line, e->n_possible);
            put(&line, " possible nodes; runner-up ");
            put_node(&line, p, e->runner_up);
        }
    } else if (e->reason == PLACEMENT_IN_TRANSIT && e->nearest != PLACEMENT_NONE) {
        put(&line, "on its way to ");
        put_node(&line, p, e->nearest);
    } else if (e->reason == PLACEMENT_NO_AUTO_START) {
        put(&line, "left down: the VM is not started by a failover");
    } else if (e->reason == PLACEMENT_VM_FIXED) {
        put(&line, "stays: the VM must not be moved");
    } else {
        put(&line, "no node can take it: ");
        put_counts(&line, e);
        if (e->nearest != PLACEMENT_NONE) {
            put(&line, "; nearest: ");
            put_node(&line, p, e->nearest);
            put(&line, " (");
            put(&line, placement_reason_name(e->reason));
            put(&line, ")");
        }
    }
    return line.length;
}

/* ---- what would have to change */

static void put_more(struct line *line, const struct placement_problem *p,
                     const struct placement_verdict *v) {
    const struct placement_resource resource = resource_of(p, v->resource);
    put_fraction(line, v->need - v->have, resource.per_unit);
    if (resource.unit[0] != '\0' &&
        (resource.name == NULL || strcmp(resource.unit, resource.name) != 0)) {
        put(line, " ");
        put(line, resource.unit);
    }
    put(line, " more free ");
    put_resource(line, p, v->resource);
    put(line, " there");
}

static void put_rule_gone(struct line *line, const struct placement_problem *p, uint32_t node,
                          const struct placement_verdict *v) {
    const struct placement_rule *rule = &p->rules[v->rule];
    if (rule->kind == PLACEMENT_APART && v->other_vm != PLACEMENT_NONE) {
        put_name(line, p->vms[v->other_vm].name, "VM", v->other_vm);
        put(line, " elsewhere, or ");
    } else if (rule->kind == PLACEMENT_TOGETHER && !in_no_part(rule, node)) {
        put(line, "the rule's other VMs there, or ");
    }
    put(line, "no rule ");
    put_name(line, rule->name, "with number", v->rule);
}

/* What the obstacle's going would take. Figures are those of the verdict's own reason. */
static void put_remedy(struct line *line, const struct placement_problem *p, uint32_t node,
                       const struct placement_verdict *v, enum placement_reason reason) {
    const bool own = reason == v->reason;
    switch ((unsigned)reason) {
    case PLACEMENT_CURRENT_HOST: put(line, "no need to leave its host"); break;
    case PLACEMENT_IN_TRANSIT: put(line, "its move there is to end first"); break;
    case PLACEMENT_NO_AUTO_START: put(line, "automatic start of the VM"); break;
    case PLACEMENT_VM_FIXED: put(line, "leave to move the VM"); break;
    case PLACEMENT_NOT_RETURN_NODE: put(line, "this node as the one that it returns to"); break;
    case PLACEMENT_NOT_POSSIBLE_OWNER: put(line, "the node among its possible owners"); break;
    case PLACEMENT_NODE_STATE:
        put(line, "a node that takes VMs (it is ");
        put(line, placement_node_state_name(v->node_state));
        put(line, ")");
        break;
    case PLACEMENT_NODE_LEAVING: put(line, "a node that is not to be left"); break;
    case PLACEMENT_CPU_MODEL: put(line, "a CPU there that can give the VM its model"); break;
    case PLACEMENT_VOLUME_MISSING:
        put(line, "volume ");
        put_name(line, p->volume_names != NULL ? p->volume_names[v->volume] : NULL, "number",
                 v->volume);
        put(line, " in reach and in health there");
        break;
    case PLACEMENT_EXCLUDED: put(line, "another try of what failed there"); break;
    case PLACEMENT_NODE_RULE:
    case PLACEMENT_AFFINITY:
    case PLACEMENT_ANTI_AFFINITY:
        if (v->rule != PLACEMENT_NONE) {
            put_rule_gone(line, p, node, v);
        }
        break;
    case PLACEMENT_LIMIT_VMS: put(line, "a higher limit of VMs there"); break;
    case PLACEMENT_OVER_THRESHOLD: put(line, "a higher threshold there"); break;
    case PLACEMENT_NO_WAY: put(line, "room for the moves on the way"); break;
    default:
        if (own) {
            put_more(line, p, v);
        } else {
            put(line, reason == PLACEMENT_NO_MEMORY ? "more free memory there"
                      : reason == PLACEMENT_NO_CPU  ? "more free cpu there"
                                                    : "more of a resource there");
        }
        break;
    }
}

static void put_remedies(struct line *line, const struct placement_problem *p, uint32_t node,
                         const struct placement_verdict *v) {
    const char *separator = "";
    for (unsigned reason = 0; reason < PLACEMENT_REASON_COUNT; reason++) {
        if (v->obstacles & reason_bit((enum placement_reason)reason)) {
            put(line, separator);
            put_remedy(line, p, node, v, (enum placement_reason)reason);
            separator = "; and ";
        }
    }
}

/* Both are possible: in what the chosen one is better, in the order in which it counts. */
static void put_advantage(struct line *line, const struct placement_problem *p, uint32_t node,
                          uint32_t chosen, const struct placement_verdict *v,
                          const struct placement_verdict *c) {
    if (v->soft_broken > c->soft_broken) {
        put_rule_gone(line, p, node, v);
    } else if (v->preferred_rank > c->preferred_rank) {
        put(line, "a place before ");
        put_node(line, p, chosen);
        put(line, " among its preferred owners");
    } else if (v->waits && !c->waits) {
        put(line, "room there without waiting for others to leave");
    } else if (v->rank < c->rank) {
        put(line, "nothing for its own sake: ");
        put_node(line, p, chosen);
        put(line, " was taken so that others have room");
    } else if (v->free_after_permille < c->free_after_permille) {
        put(line, "more than ");
        put_permille(line, c->free_after_permille);
        put(line, " free after placing (now ");
        put_permille(line, v->free_after_permille);
        put(line, ")");
    } else {
        put(line, "more free memory than on ");
        put_node(line, p, chosen);
    }
}

size_t placement_change_text(const struct placement_problem *p, uint32_t vm, uint32_t node,
                             const struct placement_verdict *verdicts,
                             const struct placement_explanation *e, char *ret_text, size_t size) {
    struct line line = {.text = ret_text, .size = size};

    (void)vm;
    put(&line, "");
    if (node == e->chosen || (verdicts[node].obstacles & reason_bit(PLACEMENT_CURRENT_HOST))) {
        return 0;
    }
    if (verdicts[node].obstacles != 0) {
        put_remedies(&line, p, node, &verdicts[node]);
    } else if (e->chosen != PLACEMENT_NONE) {
        put_advantage(&line, p, node, e->chosen, &verdicts[node], &verdicts[e->chosen]);
    }
    return line.length;
}
