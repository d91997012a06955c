/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change.c - what would have to change for a VM to go to another node, as a line for a person.
 */
#include "base/check.h"
#include "line.h"

#include <string.h>

static void put_more(struct line *line, const struct placement_problem *p,
                     const struct placement_verdict *v) {
    const struct placement_resource resource = placement_resource_of(p, v->resource);
    placement_line_fraction(line, v->need - v->have, resource.per_unit);
    if (resource.unit[0] != '\0' &&
        (resource.name == NULL || strcmp(resource.unit, resource.name) != 0)) {
        placement_line_text(line, " ");
        placement_line_text(line, resource.unit);
    }
    placement_line_text(line, " more free ");
    placement_line_resource(line, p, v->resource);
    placement_line_text(line, " there");
}

static void put_rule_gone(struct line *line, const struct placement_problem *p, uint32_t node,
                          const struct placement_verdict *v) {
    const struct placement_rule *rule = &p->rules[v->rule];
    if (rule->kind == PLACEMENT_APART && v->other_vm != PLACEMENT_NONE) {
        placement_line_name(line, p->vms[v->other_vm].name, "VM", v->other_vm);
        placement_line_text(line, " elsewhere, or ");
    } else if (rule->kind == PLACEMENT_TOGETHER && !placement_in_no_part(rule, node)) {
        placement_line_text(line, "the rule's other VMs there, or ");
    } else if (rule->kind == PLACEMENT_AT_MOST) {
        placement_line_text(line, "fewer of the rule's VMs on its nodes, or ");
    }
    placement_line_text(line, "no rule ");
    placement_line_name(line, rule->name, "with number", v->rule);
}

/* What would remove the obstacle. The figures are those of the verdict's own reason. */
static void put_remedy(struct line *line, const struct placement_problem *p, uint32_t node,
                       const struct placement_verdict *v, enum placement_reason reason) {
    const bool own = reason == v->reason;
    switch ((unsigned)reason) {
    case PLACEMENT_CURRENT_HOST: placement_line_text(line, "no need to leave its host"); break;
    case PLACEMENT_IN_TRANSIT: placement_line_text(line, "the end of its move there"); break;
    case PLACEMENT_NO_AUTO_START: placement_line_text(line, "automatic start of the VM"); break;
    case PLACEMENT_VM_FIXED: placement_line_text(line, "permission to move the VM"); break;
    case PLACEMENT_NOT_RETURN_NODE:
        placement_line_text(line, "this node as its return node");
        break;
    case PLACEMENT_NOT_POSSIBLE_OWNER:
        placement_line_text(line, "the node among its possible owners");
        break;
    case PLACEMENT_NODE_STATE:
        placement_line_text(line, "a node that accepts VMs (it is ");
        placement_line_text(line, placement_node_state_name(v->node_state));
        placement_line_text(line, ")");
        break;
    case PLACEMENT_NODE_LEAVING:
        placement_line_text(line, "a node that is not drained or lost");
        break;
    case PLACEMENT_CPU_MODEL:
        placement_line_text(line, "a CPU there that provides the VM's CPU model");
        break;
    case PLACEMENT_MACHINE:
        placement_line_text(line, "a hypervisor there that has its machine type");
        break;
    case PLACEMENT_VOLUME_MISSING:
        placement_line_text(line, "volume ");
        placement_line_name(line, p->volume_names != NULL ? p->volume_names[v->volume] : NULL,
                            "number", v->volume);
        placement_line_text(line, " reachable and healthy there");
        break;
    case PLACEMENT_NETWORK_MISSING:
        placement_line_name(line, p->network_names != NULL ? p->network_names[v->network] : NULL,
                            "network", v->network);
        placement_line_text(line, " there");
        break;
    case PLACEMENT_EXCLUDED:
        placement_line_text(line, "another attempt of what failed there");
        break;
    case PLACEMENT_NODE_RULE:
    case PLACEMENT_AFFINITY:
    case PLACEMENT_ANTI_AFFINITY:
    case PLACEMENT_LIMIT_NODES:
        if (v->rule != PLACEMENT_NONE) {
            put_rule_gone(line, p, node, v);
        }
        break;
    case PLACEMENT_LIMIT_VMS: placement_line_text(line, "a higher limit of VMs there"); break;
    case PLACEMENT_OVER_THRESHOLD: placement_line_text(line, "a higher threshold there"); break;
    case PLACEMENT_NO_WAY: placement_line_text(line, "room for the moves on the way"); break;
    default:
        if (own) {
            put_more(line, p, v);
        } else {
            placement_line_text(line, reason == PLACEMENT_NO_MEMORY ? "more free memory there"
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
            placement_line_text(line, separator);
            put_remedy(line, p, node, v, (enum placement_reason)reason);
            separator = "; and ";
        }
    }
}

/* Both are possible: where the chosen one is better, in the order of the criteria. */
static void put_advantage(struct line *line, const struct placement_problem *p, uint32_t node,
                          uint32_t chosen, const struct placement_verdict *v,
                          const struct placement_verdict *c) {
    if (v->soft_broken > c->soft_broken) {
        put_rule_gone(line, p, node, v);
    } else if (v->preferred_rank > c->preferred_rank) {
        placement_line_text(line, "a place before ");
        placement_line_node(line, p, chosen);
        placement_line_text(line, " among its preferred owners");
    } else if (v->waits && !c->waits) {
        placement_line_text(line, "room there without waiting for others to leave");
    } else if (v->rank < c->rank) {
        placement_line_text(line, "nothing for this VM: ");
        placement_line_node(line, p, chosen);
        placement_line_text(line, " was chosen to leave room for other VMs");
    } else if (v->free_after_permille < c->free_after_permille) {
        placement_line_text(line, "more than ");
        placement_line_permille(line, c->free_after_permille);
        placement_line_text(line, " free after placing (now ");
        placement_line_permille(line, v->free_after_permille);
        placement_line_text(line, ")");
    } else {
        placement_line_text(line, "more free memory than on ");
        placement_line_node(line, p, chosen);
    }
}

size_t placement_change_text(const struct placement_problem *p, uint32_t vm, uint32_t node,
                             const struct placement_verdict *verdicts,
                             const struct placement_explanation *e, char *ret_text, size_t size) {
    struct line line = {.text = ret_text, .size = size};

    CHECK(vm < p->n_vms && node < p->n_nodes);
    placement_line_text(&line, "");
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
