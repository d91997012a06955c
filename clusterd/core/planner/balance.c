/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The question of balance: which VMs may be moved for it, and from where on a node is too full.
 */
#include "core/model/settings.h"
#include "core/planner/planner.h"

#include <errno.h>

struct planner_facts planner_balance_facts(const struct model *m, uint64_t wall_ms,
                                           const struct planner_load *loads, uint32_t n_loads) {
    return (struct planner_facts){
        .wall_ms = wall_ms,
        .threshold_permille = (uint32_t)setting_get(m, SETTING_balance_threshold_percent) * 10,
        .loads = loads,
        .n_loads = n_loads};
}

static bool may_be_balanced(const struct model *m, const struct model_vm *vm, uint64_t wall_ms) {
    uint64_t stay_ms = setting_get(m, SETTING_balance_stay_s) * 1000;
    bool stays = vm->moved_ms != 0 && wall_ms < vm->moved_ms + stay_ms;
    return vm->state == VM_RUNNING && !stays && !ids_contain(&vm->preferred, vm->owner);
}

int planner_balance_question(const struct model *m, uint64_t wall_ms, struct arena *arena,
                             struct planner_question *ret) {
    uint32_t *vms = arena_array(arena, m->vms.n, sizeof(*vms));
    struct planner_question question = {.kind = PLANNER_BALANCE, .vms = vms};
    if (!vms) {
        return -ENOMEM;
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (may_be_balanced(m, vm, wall_ms)) {
            vms[question.n_vms++] = vm->id;
        }
    }
    *ret = question;
    return 0;
}
