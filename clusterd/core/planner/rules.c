/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's rules in the solver's terms. VMs and nodes that the model no longer has are left out.
 */
#include "core/planner/problem.h"

#include "base/mutant.h"

#include <errno.h>

static int rule_vms(const struct planner_problem *pr, const struct model_rule *rule,
                    struct placement_set *ret) {
    uint32_t *v = arena_array(pr->arena, rule->vms.n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        uint32_t index = planner_vm_index(pr, rule->vms.v[i]);
        if (index != PLACEMENT_NONE) {
            v[n++] = index;
        }
    }
    *ret = (struct placement_set){.index = v, .n = n};
    return 0;
}

static enum placement_rule_kind kind_of(const struct model_rule *rule) {
    switch ((enum rule_kind)rule->kind) {
    case RULE_TOGETHER: return PLACEMENT_TOGETHER;
    case RULE_ON: return PLACEMENT_ON_NODES;
    case RULE_NOT_ON: return PLACEMENT_NOT_ON_NODES;
    case RULE_APART:
    case RULE_NONE: break;
    }
    return PLACEMENT_APART;
}

static enum placement_scope scope_of(const struct model_rule *rule) {
    return rule->scope == SCOPE_RACK   ? PLACEMENT_RACK
           : rule->scope == SCOPE_SITE ? PLACEMENT_SITE
                                       : PLACEMENT_NODE;
}

int planner_rules_init(struct planner_problem *pr, const struct model *m) {
    struct placement_rule *rules = arena_array(pr->arena, m->rules.n, sizeof(*rules));
    uint32_t n = 0;
    if (!rules) {
        return -ENOMEM;
    }
    MODEL_EACH(model_rule, row, &m->rules) {
        struct placement_rule *rule = &rules[n];
        *rule = (struct placement_rule){
            .name = arena_strdup(pr->arena, row->name),
            .kind = kind_of(row),
            .scope = scope_of(row),
            .strength = row->hard ? PLACEMENT_HARD : PLACEMENT_SOFT,
            .weight = row->weight,
        };
        int err = rule->name ? rule_vms(pr, row, &rule->vms) : -ENOMEM;
        if (err == 0) {
            err = planner_node_set(pr, &row->nodes, &rule->nodes);
        }
        if (err < 0) {
            return err;
        }
        n += !(MUTANT(rules_forgotten) && row->hard);
    }
    pr->p.rules = rules;
    pr->p.n_rules = n;
    return 0;
}
