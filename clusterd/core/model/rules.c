/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of placement; see rules.h.
 */
#include "core/model/rules.h"

#include "base/mutant.h"

#include <string.h>

/* A rack or site that is not configured is a place like any other: who names none has one. */
static bool same_domain(const struct model *m, uint8_t scope, uint32_t a, uint32_t b) {
    const struct model_node *one = model_node_by_id(m, a), *other = model_node_by_id(m, b);
    if (a == b || !one || !other || scope == SCOPE_NODE) {
        return a == b;
    }
    return scope == SCOPE_RACK ? strcmp(one->rack, other->rack) == 0
                               : strcmp(one->site, other->site) == 0;
}

static bool is_in_domain(const struct model *m, const struct model_vm *vm, uint8_t scope,
                         uint32_t node) {
    if (vm->state == VM_OFF || vm->state == VM_SAVED) {
        return false;
    }
    bool moves = vm->target != 0 && model_vm_may_run_on(vm, vm->target);
    return same_domain(m, scope, vm->owner, node) ||
           (moves && same_domain(m, scope, vm->target, node));
}

static bool forbids(const struct model *m, const struct model_rule *rule, const struct model_vm *vm,
                    uint32_t node) {
    if (rule->kind == RULE_ON || rule->kind == RULE_NOT_ON) {
        return ids_contain(&rule->nodes, node) != (rule->kind == RULE_ON);
    }
    for (uint32_t i = 0; rule->kind == RULE_APART && i < rule->vms.n; i++) {
        const struct model_vm *other = model_vm_by_id(m, rule->vms.v[i]);
        if (other && other->id != vm->id && is_in_domain(m, other, rule->scope, node)) {
            return true;
        }
    }
    return false;
}

const struct model_rule *rules_forbid(const struct model *m, const struct model_vm *vm,
                                      uint32_t node) {
    if (MUTANT(rules_forgotten)) {
        return NULL;
    }
    MODEL_EACH(model_rule, rule, &m->rules) {
        if (rule->hard && ids_contain(&rule->vms, vm->id) && forbids(m, rule, vm, node)) {
            return rule;
        }
    }
    return NULL;
}

/* The VM runs and is the first of the rule in its domain. */
static bool is_first_there(const struct model *m, const struct model_rule *rule, uint32_t at,
                           uint32_t node) {
    for (uint32_t i = 0; i < at; i++) {
        const struct model_vm *other = model_vm_by_id(m, rule->vms.v[i]);
        if (other && other->state != VM_OFF && other->state != VM_SAVED &&
            same_domain(m, rule->scope, other->owner, node)) {
            return false;
        }
    }
    return true;
}

uint32_t rule_broken(const struct model *m, const struct model_rule *rule) {
    uint32_t run = 0, first = 0, astray = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const struct model_vm *vm = model_vm_by_id(m, rule->vms.v[i]);
        if (!vm || vm->state == VM_OFF || vm->state == VM_SAVED) {
            continue;
        }
        run++;
        if (rule->kind == RULE_APART || rule->kind == RULE_TOGETHER) {
            first += is_first_there(m, rule, i, vm->owner);
        } else {
            astray += ids_contain(&rule->nodes, vm->owner) != (rule->kind == RULE_ON);
        }
    }
    switch ((enum rule_kind)rule->kind) {
    case RULE_APART: return run - first;
    case RULE_TOGETHER: return first > 0 ? first - 1 : 0;
    case RULE_ON:
    case RULE_NOT_ON: return astray;
    case RULE_NONE: break;
    }
    return 0;
}

static uint32_t shared(const struct wire_ids *a, const struct wire_ids *b) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        n += ids_contain(b, a->v[i]);
    }
    return n;
}

/* What is together in a narrow domain is so in a wider one: there they cannot be apart. */
static bool never_both(const struct model_rule *a, const struct model_rule *b) {
    if (a->kind == RULE_TOGETHER && b->kind == RULE_APART) {
        return a->scope <= b->scope && shared(&a->vms, &b->vms) >= 2;
    }
    if (a->kind == RULE_ON && b->kind == RULE_ON) {
        return shared(&a->vms, &b->vms) > 0 && shared(&a->nodes, &b->nodes) == 0;
    }
    if (a->kind == RULE_ON && b->kind == RULE_NOT_ON) {
        return shared(&a->vms, &b->vms) > 0 && shared(&a->nodes, &b->nodes) == a->nodes.n;
    }
    return false;
}

const struct model_rule *rule_contradicts(const struct model *m, const struct model_rule *rule) {
    MODEL_EACH(model_rule, other, &m->rules) {
        if (rule->hard && other->hard && (never_both(rule, other) || never_both(other, rule))) {
            return other;
        }
    }
    return NULL;
}

uint32_t rule_domains(const struct model *m, uint8_t scope) {
    uint32_t n = 0;
    MODEL_EACH(model_node, node, &m->nodes) {
        bool first = node->configured;
        MODEL_EACH(model_node, other, &m->nodes) {
            if (other->id == node->id) {
                break;
            }
            first = first && !(other->configured && same_domain(m, scope, other->id, node->id));
        }
        n += first;
    }
    return n;
}
