/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.c - verdicts and explanations as lines for a person.
 */
#include "base/check.h"
#include "line.h"

/* "8192 MB", or for an overcommitted cpu "32 cpu (8 cpu at ratio 4)". */
static void put_capacity(struct line *line, const struct placement_problem *p, uint32_t node,
                         const struct placement_verdict *v) {
    const uint32_t ratio = p->nodes[node].cpu_overcommit_permille;
    placement_line_amount(line, p, v->resource, v->capacity);
    if (v->resource == PLACEMENT_CPU && ratio > 0 && ratio != 1000) {
        placement_line_text(line, " (");
        placement_line_amount(line, p, v->resource,
                              p->capacities[(size_t)node * p->n_resources + PLACEMENT_CPU]);
        placement_line_text(line, " at ratio ");
        placement_line_fraction(line, ratio, 1000);
        placement_line_text(line, ")");
    }
}

static const char *const reason_names[PLACEMENT_REASON_COUNT] = {
    [PLACEMENT_CHOSEN] = "chosen",
    [PLACEMENT_POSSIBLE] = "possible",
    [PLACEMENT_CURRENT_HOST] = "previous host",
    [PLACEMENT_IN_TRANSIT] = "on its way there",
    [PLACEMENT_NO_AUTO_START] = "no automatic start",
    [PLACEMENT_VM_FIXED] = "must not be moved",
    [PLACEMENT_NOT_RETURN_NODE] = "not its return node",
    [PLACEMENT_NOT_POSSIBLE_OWNER] = "not a possible owner",
    [PLACEMENT_NODE_STATE] = "node accepts no VMs",
    [PLACEMENT_NODE_LEAVING] = "node is drained or lost",
    [PLACEMENT_CPU_MODEL] = "lacks the CPU model",
    [PLACEMENT_MACHINE] = "lacks the machine type",
    [PLACEMENT_VOLUME_MISSING] = "lacks a volume",
    [PLACEMENT_NETWORK_MISSING] = "lacks a network",
    [PLACEMENT_EXCLUDED] = "excluded this time",
    [PLACEMENT_NODE_RULE] = "forbidden by a node rule",
    [PLACEMENT_AFFINITY] = "forbidden by affinity",
    [PLACEMENT_ANTI_AFFINITY] = "forbidden by anti-affinity",
    [PLACEMENT_LIMIT_NODES] = "limit over several nodes",
    [PLACEMENT_LIMIT_VMS] = "limit of VMs reached",
    [PLACEMENT_NO_RESOURCE] = "not enough of a resource",
    [PLACEMENT_NO_CPU] = "not enough cpu",
    [PLACEMENT_NO_MEMORY] = "not enough memory",
    [PLACEMENT_OVER_THRESHOLD] = "would exceed its threshold",
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
    [PLACEMENT_NODE_NO_HYPERVISOR] = "without a responding hypervisor",
    [PLACEMENT_NODE_NO_WATCHDOG] = "without a watchdog",
};

const char *placement_reason_name(enum placement_reason reason) {
    return (unsigned)reason < PLACEMENT_REASON_COUNT ? reason_names[reason] : "unknown";
}

const char *placement_node_state_name(enum placement_node_state state) {
    return (unsigned)state < PLACEMENT_NODE_STATE_COUNT ? state_names[state] : "unknown";
}

static void put_rule(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    static const char *const here[PLACEMENT_SCOPE_COUNT] = {"there", "in that rack", "at that site",
                                                            "in that part"};
    const struct placement_rule *rule = &p->rules[v->rule];
    placement_line_name(line, rule->name, "rule", v->rule);
    switch (rule->kind) {
    case PLACEMENT_APART:
        placement_line_text(line, ": ");
        if (v->other_vm != PLACEMENT_NONE) {
            placement_line_name(line, p->vms[v->other_vm].name, "VM", v->other_vm);
        } else {
            placement_line_text(line, "another of its VMs");
        }
        placement_line_text(line, " is ");
        placement_line_text(line, here[rule->scope]);
        break;
    case PLACEMENT_TOGETHER:
        if (placement_in_no_part(rule, node)) {
            placement_line_text(line, ": in none of its parts");
            break;
        }
        placement_line_text(line, ": its other VMs are not ");
        placement_line_text(line, here[rule->scope]);
        break;
    case PLACEMENT_ON_NODES: placement_line_text(line, ": not among its nodes"); break;
    case PLACEMENT_NOT_ON_NODES: placement_line_text(line, ": keeps off this node"); break;
    case PLACEMENT_AT_MOST:
        placement_line_text(line, ": at most ");
        if (rule->resource == PLACEMENT_NONE) {
            placement_line_number(line, rule->amount);
            placement_line_text(line, " of its VMs on its nodes");
        } else {
            placement_line_amount(line, p, rule->resource, rule->amount);
            placement_line_text(line, " of ");
            placement_line_resource(line, p, rule->resource);
            placement_line_text(line, " for its VMs on its nodes");
        }
        break;
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
}

static void put_lack(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    placement_line_text(line, "not enough ");
    placement_line_resource(line, p, v->resource);
    placement_line_text(line, ": needs ");
    placement_line_amount(line, p, v->resource, v->need);
    placement_line_text(line, ", ");
    placement_line_amount(line, p, v->resource, v->have);
    placement_line_text(line, " free of ");
    put_capacity(line, p, node, v);
}

/* "87.5 % free after placing (memory, 7168 MB of 8192 MB)" */
static void put_share(struct line *line, const struct placement_problem *p, uint32_t node,
                      const struct placement_verdict *v, const char *when) {
    placement_line_permille(line, v->free_after_permille);
    placement_line_text(line, " free ");
    placement_line_text(line, when);
    placement_line_text(line, " (");
    placement_line_resource(line, p, v->resource);
    placement_line_text(line, ", ");
    placement_line_amount(line, p, v->resource, v->have > v->need ? v->have - v->need : 0);
    placement_line_text(line, " of ");
    put_capacity(line, p, node, v);
    placement_line_text(line, ")");
}

static void put_room(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    const bool for_others = v->rank != PLACEMENT_NONE && v->rank > 0;
    placement_line_text(line, v->reason != PLACEMENT_CHOSEN ? "possible: "
                              : for_others ? "chosen, to leave room for other VMs: "
                                           : "chosen: ");
    if (v->preferred_rank != PLACEMENT_NONE) {
        placement_line_text(line, "preferred owner ");
        placement_line_number(line, (uint64_t)v->preferred_rank + 1);
        placement_line_text(line, ", ");
    }
    put_share(line, p, node, v, "after placing");
    if (v->soft_broken > 0) {
        placement_line_text(line, "; breaks the soft rule ");
        put_rule(line, p, node, v);
    }
}

/* The host's own figures are worth reading too, as long as it may keep the VM. */
static void put_host(struct line *line, const struct placement_problem *p, uint32_t node,
                     const struct placement_verdict *v) {
    if (v->obstacles & (reason_bit(PLACEMENT_NODE_STATE) | reason_bit(PLACEMENT_NODE_LEAVING))) {
        placement_line_text(line, "its previous host");
    } else {
        placement_line_text(line, "its present host: ");
        put_share(line, p, node, v, "with it there");
    }
}

/* Any reason that is not CHOSEN or POSSIBLE. */
static void put_obstacle(struct line *line, const struct placement_problem *p, uint32_t vm,
                         uint32_t node, const struct placement_verdict *v) {
    switch ((unsigned)v->reason) {
    case PLACEMENT_CURRENT_HOST: put_host(line, p, node, v); break;
    case PLACEMENT_IN_TRANSIT: placement_line_text(line, "it is on its way there"); break;
    case PLACEMENT_NO_AUTO_START:
        placement_line_text(line, "a failover does not start the VM");
        break;
    case PLACEMENT_VM_FIXED: placement_line_text(line, "the VM must not be moved"); break;
    case PLACEMENT_NOT_RETURN_NODE: placement_line_text(line, "not its return node"); break;
    case PLACEMENT_NOT_POSSIBLE_OWNER:
        placement_line_text(line, "not among its possible owners");
        break;
    case PLACEMENT_NODE_STATE:
        placement_line_text(line, "the node is ");
        placement_line_text(line, placement_node_state_name(v->node_state));
        placement_line_text(line, " and accepts no VMs");
        break;
    case PLACEMENT_NODE_LEAVING:
        placement_line_text(line, "the node is being drained or is lost");
        break;
    case PLACEMENT_CPU_MODEL:
        placement_line_text(line, "the node's CPU does not provide the VM's CPU model");
        break;
    case PLACEMENT_MACHINE:
        placement_line_text(line, "it has no machine type ");
        placement_line_name(line,
                            p->machine_names != NULL ? p->machine_names[p->vms[vm].machine] : NULL,
                            "number", p->vms[vm].machine);
        break;
    case PLACEMENT_VOLUME_MISSING:
        placement_line_text(line, "volume ");
        placement_line_name(line, p->volume_names != NULL ? p->volume_names[v->volume] : NULL,
                            "number", v->volume);
        placement_line_text(line, " is not reachable or not healthy there");
        break;
    case PLACEMENT_NETWORK_MISSING:
        placement_line_text(line, "it has no ");
        placement_line_name(line, p->network_names != NULL ? p->network_names[v->network] : NULL,
                            "network", v->network);
        break;
    case PLACEMENT_EXCLUDED:
        placement_line_text(line, "excluded this time (it failed there before)");
        break;
    case PLACEMENT_NODE_RULE:
    case PLACEMENT_AFFINITY:
    case PLACEMENT_ANTI_AFFINITY:
    case PLACEMENT_LIMIT_NODES:
        placement_line_text(line, "forbidden by ");
        put_rule(line, p, node, v);
        break;
    case PLACEMENT_LIMIT_VMS:
        placement_line_text(line, "limit of VMs reached: ");
        placement_line_number(line, v->have);
        placement_line_text(line, " of ");
        placement_line_number(line, v->capacity);
        break;
    case PLACEMENT_OVER_THRESHOLD:
        placement_line_text(line, "the VM would lift the node above its threshold");
        break;
    case PLACEMENT_NO_WAY:
        placement_line_text(line, "there would be room, but no order of moves gets it there");
        break;
    default: put_lack(line, p, node, v); break;
    }
}

size_t placement_verdict_text(const struct placement_problem *p, uint32_t vm, uint32_t node,
                              const struct placement_verdict *v, char *ret_text, size_t size) {
    struct line line = {.text = ret_text, .size = size};

    CHECK(vm < p->n_vms && node < p->n_nodes);
    placement_line_text(&line, "");
    if (v->reason == PLACEMENT_CHOSEN || v->reason == PLACEMENT_POSSIBLE) {
        put_room(&line, p, node, v);
        return line.length;
    }
    put_obstacle(&line, p, vm, node, v);
    uint32_t others = v->obstacles & ~reason_bit(v->reason);
    const char *separator = "; also: ";
    for (unsigned reason = 0; reason < PLACEMENT_REASON_COUNT; reason++) {
        if (others & reason_bit((enum placement_reason)reason)) {
            placement_line_text(&line, separator);
            placement_line_text(&line, reason_names[reason]);
            separator = ", ";
        }
    }
    return line.length;
}

static void put_counts(struct line *line, const struct placement_explanation *e) {
    const char *separator = "";
    for (unsigned reason = PLACEMENT_POSSIBLE; reason < PLACEMENT_REASON_COUNT; reason++) {
        if (e->by_reason[reason] > 0) {
            placement_line_text(line, separator);
            placement_line_number(line, e->by_reason[reason]);
            placement_line_text(line, " ");
            placement_line_text(line, reason_names[reason]);
            separator = ", ";
        }
    }
}

size_t placement_explanation_text(const struct placement_problem *p, uint32_t vm,
                                  const struct placement_explanation *e, char *ret_text,
                                  size_t size) {
    struct line line = {.text = ret_text, .size = size};

    CHECK(vm < p->n_vms && (e->chosen == PLACEMENT_NONE || e->chosen < p->n_nodes));
    placement_line_text(&line, "");
    if (e->chosen != PLACEMENT_NONE) {
        placement_line_node(&line, p, e->chosen);
        if (e->for_others) {
            placement_line_text(&line,
                                " was chosen to leave room for other VMs; on its own it would be ");
            placement_line_node(&line, p, e->runner_up);
        } else if (e->runner_up == PLACEMENT_NONE) {
            placement_line_text(&line, " is the only possible node");
        } else {
            placement_line_text(&line, " is the best of ");
            placement_line_number(&line, e->n_possible);
            placement_line_text(&line, " possible nodes; runner-up ");
            placement_line_node(&line, p, e->runner_up);
        }
    } else if (e->reason == PLACEMENT_IN_TRANSIT && e->nearest != PLACEMENT_NONE) {
        placement_line_text(&line, "on its way to ");
        placement_line_node(&line, p, e->nearest);
    } else if (e->reason == PLACEMENT_NO_AUTO_START) {
        placement_line_text(&line, "stays down: a failover does not start the VM");
    } else if (e->reason == PLACEMENT_VM_FIXED) {
        placement_line_text(&line, "stays: the VM must not be moved");
    } else {
        placement_line_text(&line, "no node can take it: ");
        put_counts(&line, e);
        if (e->nearest != PLACEMENT_NONE) {
            placement_line_text(&line, "; nearest: ");
            placement_line_node(&line, p, e->nearest);
            placement_line_text(&line, " (");
            placement_line_text(&line, placement_reason_name(e->reason));
            placement_line_text(&line, ")");
        }
    }
    return line.length;
}

static bool by_rule(enum placement_reason reason) {
    return reason == PLACEMENT_NODE_RULE || reason == PLACEMENT_AFFINITY ||
           reason == PLACEMENT_ANTI_AFFINITY;
}

/* The node whose verdict explains the reason best: the first that a rule forbids, else the nearest
 * if it lacks a further resource or the machine type. PLACEMENT_NONE: none. */
static uint32_t telling_node(const struct placement_problem *p, const struct placement_verdict *v,
                             const struct placement_explanation *e) {
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        if (by_rule(v[i].reason)) {
            return i;
        }
    }
    bool lacks = e->nearest != PLACEMENT_NONE && (v[e->nearest].reason == PLACEMENT_NO_RESOURCE ||
                                                  v[e->nearest].reason == PLACEMENT_MACHINE);
    return lacks ? e->nearest : PLACEMENT_NONE;
}

size_t placement_nowhere_text(const struct placement_problem *p, uint32_t vm,
                              const struct placement_verdict *v,
                              const struct placement_explanation *e, char *ret_text, size_t size) {
    char words[PLACEMENT_TEXT_MAX];
    struct line line = {.text = ret_text, .size = size};
    uint32_t node = telling_node(p, v, e);

    placement_explanation_text(p, vm, e, words, sizeof(words));
    placement_line_text(&line, words);
    if (node != PLACEMENT_NONE) {
        placement_verdict_text(p, vm, node, &v[node], words, sizeof(words));
        placement_line_text(&line, "; ");
        placement_line_text(&line, p->nodes[node].name);
        placement_line_text(&line, ": ");
        placement_line_text(&line, words);
    }
    return line.length;
}
