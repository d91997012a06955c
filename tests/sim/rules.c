/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of placement: random ones, and the invariant of the hard ones. By the model, no two VMs
 * that a hard rule keeps apart may be on one node, unless they were there when the rule was made
 * and have stayed together since.
 */
#include "sim/world.h"

#include "base/check.h"
#include "core/planner/planner.h"
#include "core/model/rules.h"
#include "core/model/settings.h"
#include "planned.h"

#include <stdio.h>
#include <string.h>

#define RULES 6u /* names; more VMs would be down than run */

/* ---- wishes ---- */

static void add(struct sim *s, uint32_t node, const char *name) {
    const char *vms[3], *nodes[1];
    uint32_t n = 2 + (uint32_t)sim_random(s, 2);
    uint32_t first = (uint32_t)sim_random(s, s->n_vms);
    if (s->n_vms < 3) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        vms[i] = s->vms[(first + i) % s->n_vms].name;
    }
    nodes[0] = s->names[1 + sim_random(s, s->n)];
    struct cmd_rule_add wish = {.name = name,
                                .kind = (uint8_t)(RULE_APART + sim_random(s, 4)),
                                .hard = sim_chance(s, 60),
                                .vms = {vms, n}};
    if (wish.kind == RULE_APART || wish.kind == RULE_TOGETHER) {
        wish.scope = SCOPE_NODE;
    } else {
        wish.nodes = (struct wire_strs){nodes, 1};
    }
    (void)sim_command(s, node, COMMAND_RULE_ADD, &wish);
}

static void set(struct sim *s, uint32_t node) {
    static const uint32_t given[] = {VM_SET_PRIORITY, VM_SET_AUTO_START, VM_SET_MOBILITY,
                                     VM_SET_PREFERRED, VM_SET_RESOURCES};
    const char *preferred[1] = {s->names[1 + sim_random(s, s->n)]};
    struct resource_amount amount = {.name = "vgpu", .amount = sim_random(s, 2)};
    struct cmd_vm_set wish = {
        .vm = s->n_vms ? s->vms[sim_random(s, s->n_vms)].name : "vm1",
        .given = given[sim_random(s, ARRAY_SIZE(given))],
        .priority = (uint32_t)sim_random(s, 10),
        .auto_start = sim_chance(s, 70),
        .mobility = (uint8_t)sim_random(s, 3),
        .preferred = {preferred, (uint32_t)sim_random(s, 2)},
        .resources = {&amount, 1},
    };
    (void)sim_command(s, node, COMMAND_VM_SET, &wish);
}

static void set_node(struct sim *s, uint32_t node) {
    struct resource_amount amount = {.name = "vgpu", .amount = sim_random(s, 4)};
    struct cmd_node_set wish = {.node = s->names[1 + sim_random(s, s->n)],
                                .given = NODE_SET_RESOURCES,
                                .resources = {&amount, 1}};
    (void)sim_command(s, node, COMMAND_NODE_SET, &wish);
}

void rules_wish(struct sim *s, uint32_t node) {
    char name[16];
    (void)snprintf(name, sizeof(name), "rule%u", (uint32_t)sim_random(s, RULES));
    const struct model *m = sim_model(s);
    struct cmd_rule_remove remove = {.rule = name};
    if (sim_chance(s, 30)) {
        set(s, node);
    } else if (sim_chance(s, 20)) {
        set_node(s, node);
    } else if (!m || !model_rule_by_name(m, name)) {
        add(s, node, name);
    } else {
        (void)sim_command(s, node, COMMAND_RULE_REMOVE, &remove);
    }
}

/* ---- the promise ---- */

static bool meet(const struct sim *s, const struct model_vm *a, const struct model_vm *b) {
    for (uint32_t i = 1; i <= s->n; i++) {
        if (model_vm_may_run_on(a, i) && model_vm_may_run_on(b, i)) {
            return true;
        }
    }
    return false;
}

static bool was_so(const struct sim *s, const struct model_rule *rule, uint32_t a, uint32_t b) {
    bool known = false;
    for (uint32_t i = 0; i < s->n_rules_seen; i++) {
        known = known || s->rules_seen[i] == rule->index;
    }
    for (uint32_t i = 0; i < s->n_meetings; i++) {
        const struct meeting *was = &s->meetings[i];
        if (was->rule == rule->index && was->a == a && was->b == b) {
            return true;
        }
    }
    return !known;
}

static uint32_t check_rule(struct sim *s, const struct model *m, const struct model_rule *rule,
                           struct meeting *ret) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        for (uint32_t k = i + 1; k < rule->vms.n; k++) {
            const struct model_vm *a = model_vm_by_id(m, rule->vms.v[i]);
            const struct model_vm *b = model_vm_by_id(m, rule->vms.v[k]);
            if (!a || !b || !meet(s, a, b)) {
                continue;
            }
            bool adopted = a->adopt || b->adopt; /* it has been there before */
            if (!was_so(s, rule, a->id, b->id) && !adopted) {
                sim_fail(s, "%s and %s are on one node, which rule %s forbids", a->name, b->name,
                         rule->name);
            }
            ret[n++] = (struct meeting){rule->index, a->id, b->id};
        }
    }
    return n;
}

/* Nothing is ordered to where there is no room. (What is found somewhere, may be; what is adopted
 * has been there before.) */
static void check_rooms(struct sim *s, const struct model *m) {
    for (uint32_t i = 1; i <= s->n; i++) {
        uint64_t taken = 0;
        bool adopted = false;
        MODEL_EACH(model_vm, vm, &m->vms) {
            adopted = adopted || (vm->adopt && model_vm_may_run_on(vm, i));
            taken += model_vm_may_run_on(vm, i) ? vm->memory_mb : 0;
        }
        if (taken > SIM_MEMORY_MB && taken > s->memory_mb[i] && !adopted) {
            sim_fail(s, "VMs of %llu MB are on %s, which has %u", (unsigned long long)taken,
                     s->names[i], SIM_MEMORY_MB);
        }
        s->memory_mb[i] = taken;
    }
}

void rules_check(struct sim *s, const struct model *m) {
    check_rooms(s, m);
    struct meeting now[SIM_MEETINGS] = {{0}};
    uint32_t n = 0, seen = 0;
    MODEL_EACH(model_rule, rule, &m->rules) {
        bool promised = rule->hard && rule->kind == RULE_APART && rule->scope == SCOPE_NODE;
        if (promised && n + rule->vms.n * rule->vms.n <= SIM_MEETINGS) {
            n += check_rule(s, m, rule, &now[n]);
        }
    }
    MODEL_EACH(model_rule, rule, &m->rules) {
        if (seen < SIM_RULES) {
            s->rules_seen[seen++] = rule->index;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        s->meetings[i] = now[i];
    }
    s->n_meetings = n;
    s->n_rules_seen = seen;
}

/* No node may take it for a hard rule's sake. (Who is together hard is so at the end of a plan, and
 * that the engine judges.) */
bool rules_keep_down(const struct model *m, const struct model_vm *vm) {
    bool together = false;
    MODEL_EACH(model_rule, rule, &m->rules) {
        together = together ||
                   (rule->hard && rule->kind == RULE_TOGETHER && ids_contain(&rule->vms, vm->id));
    }
    uint32_t forbidden = 0;
    MODEL_EACH(model_node, node, &m->nodes) {
        forbidden += together || rules_forbid(m, vm, node->id);
    }
    return forbidden > 0 && forbidden == m->nodes.n;
}

/* A hard rule leaves it only some of the nodes, and those may be full. */
bool rules_bind(const struct model *m, const struct model_vm *vm) {
    bool bound = false;
    MODEL_EACH(model_rule, rule, &m->rules) {
        bound = bound || (rule->hard && ids_contain(&rule->vms, vm->id));
    }
    return bound;
}

/* Nodes that have been drained may leave too little room. That the engine finds what room there is,
 * its own tests show. ret_why: the engine's reason, "" if it has a place. */
bool rules_no_room(const struct model *m, const struct model_vm *vm, char *ret_why, size_t size) {
    struct planner_plan plan = {0};
    struct arena arena;
    bool nowhere = false;
    ret_why[0] = '\0';
    arena_init(&arena);
    bool may_move = setting_get(m, SETTING_failover_may_move) != 0;
    CHECK(planned_starts(m, 0, may_move, &arena, &plan) == 0);
    for (uint32_t i = 0; i < plan.n; i++) {
        if (plan.v[i].vm == vm->id && plan.v[i].to == 0) {
            nowhere = true;
            (void)snprintf(ret_why, size, "%s", plan.v[i].reason);
        }
    }
    arena_finish(&arena);
    return nowhere;
}
