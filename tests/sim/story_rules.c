/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules in a story: added, removed, and found to keep a VM down.
 */
#include "sim/story_inner.h"

#include "core/planner/planner.h"
#include "planned.h"

#include <string.h>

void story_rule_of_vms(struct story *t, const struct words *w) {
    const char *vms[2] = {sim_vm_name(t->sim, (uint32_t)w->v[1]),
                          sim_vm_name(t->sim, (uint32_t)w->v[2])};
    struct cmd_rule_add value = {.name = w->text,
                                 .kind = (uint8_t)(RULE_APART + w->v[0]),
                                 .scope = SCOPE_NODE,
                                 .hard = w->v[3] == 1,
                                 .vms = {vms, 2}};
    story_command(t, COMMAND_RULE_ADD, &value);
}

void story_rule_of_nodes(struct story *t, const struct words *w) {
    const char *vms[1] = {sim_vm_name(t->sim, (uint32_t)w->v[1])};
    const char *nodes[1] = {sim_node_name(t->sim, (uint32_t)w->v[2])};
    struct cmd_rule_add value = {.name = w->text,
                                 .kind = (uint8_t)(RULE_ON + w->v[0]),
                                 .hard = w->v[3] == 1,
                                 .vms = {vms, 1},
                                 .nodes = {nodes, 1}};
    story_command(t, COMMAND_RULE_ADD, &value);
}

void story_remove_rule(struct story *t, const struct words *w) {
    struct cmd_rule_remove value = {.rule = w->text};
    story_command(t, COMMAND_RULE_REMOVE, &value);
}

void story_node_has(struct story *t, const struct words *w) {
    struct resource_amount amount = {.name = w->text, .amount = w->v[1]};
    struct cmd_node_set value = {.node = sim_node_name(t->sim, (uint32_t)w->v[0]),
                                 .given = NODE_SET_RESOURCES,
                                 .resources = {&amount, 1}};
    story_command(t, COMMAND_NODE_SET, &value);
}

void story_priority(struct story *t, const struct words *w) {
    struct cmd_vm_set value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                               .given = VM_SET_PRIORITY,
                               .priority = (uint32_t)w->v[1]};
    story_command(t, COMMAND_VM_SET, &value);
}

void story_move_policy(struct story *t, const struct words *w) {
    struct cmd_vm_set value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                               .given = VM_SET_MOVE_POLICY,
                               .move_policy = (uint8_t)w->v[1]};
    story_command(t, COMMAND_VM_SET, &value);
}

void story_mobility(struct story *t, const struct words *w) {
    struct cmd_vm_set value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                               .given = VM_SET_MOBILITY,
                               .mobility = (uint8_t)w->v[1]};
    story_command(t, COMMAND_VM_SET, &value);
}

void story_vm_needs(struct story *t, const struct words *w) {
    struct resource_amount amount = {.name = w->text, .amount = w->v[1]};
    struct cmd_vm_set value = {.vm = sim_vm_name(t->sim, (uint32_t)w->v[0]),
                               .given = VM_SET_RESOURCES,
                               .resources = {&amount, 1}};
    story_command(t, COMMAND_VM_SET, &value);
}

/* What `status` says of a VM that does not run. */
void story_down_by(struct story *t, const struct words *w) {
    const struct model *m = sim_model(t->sim);
    const struct model_vm *vm =
        m ? model_vm_by_name(m, sim_vm_name(t->sim, (uint32_t)w->v[0])) : NULL;
    struct planner_plan plan = {0};
    struct arena arena;
    bool found = false;
    arena_init(&arena);
    if (vm && planned_starts(m, 0, true, &arena, &plan) == 0) {
        for (uint32_t i = 0; i < plan.n; i++) {
            const struct planner_choice *choice = &plan.v[i];
            found = found || (choice->vm == vm->id && choice->to == 0 &&
                              strstr(choice->reason, w->text) != NULL);
        }
    }
    if (!found) {
        story_wrong(t, "it is not down for that");
    }
    arena_finish(&arena);
}
