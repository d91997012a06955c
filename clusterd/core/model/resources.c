/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Further resources in the model; see resources.h.
 */
#include "core/model/resources.h"

#include <string.h>

bool resource_names_add(struct resource_names *names, const char *name) {
    uint32_t at = 0;
    while (at < names->n && strcmp(names->v[at], name) < 0) {
        at++;
    }
    if (at < names->n && strcmp(names->v[at], name) == 0) {
        return true;
    }
    if (names->n == WIRE_MAX_RESOURCES) {
        return false;
    }
    memmove(&names->v[at + 1], &names->v[at], (names->n - at) * sizeof(names->v[0]));
    names->v[at] = name;
    names->n++;
    return true;
}

/* There is room: what is set is held against the limit. */
static void add_list(struct resource_names *names, const struct wire_list *list) {
    const struct resource_amount *items = list->items;
    for (uint32_t i = 0; i < list->n; i++) {
        (void)resource_names_add(names, items[i].name);
    }
}

void resource_names_in_use(const struct model *m, const struct wire_list *but,
                           struct resource_names *ret) {
    *ret = (struct resource_names){.n = 0};
    MODEL_EACH(model_node, node, &m->nodes) {
        if (&node->resources != but) {
            add_list(ret, &node->resources);
        }
    }
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (&vm->resources != but) {
            add_list(ret, &vm->resources);
        }
    }
}

uint64_t resources_amount(const struct wire_list *list, const char *name) {
    const struct resource_amount *items = list->items;
    for (uint32_t i = 0; i < list->n; i++) {
        if (strcmp(items[i].name, name) == 0) {
            return items[i].amount;
        }
    }
    return 0;
}

void resources_used(const struct model *m, uint32_t node, const struct resource_names *names,
                    uint64_t ret[WIRE_MAX_RESOURCES]) {
    memset(ret, 0, WIRE_MAX_RESOURCES * sizeof(ret[0]));
    MODEL_EACH(model_vm, vm, &m->vms) {
        if (vm->resources.n == 0 || !model_vm_may_run_on(vm, node)) {
            continue;
        }
        /* No overflow: of at most MODEL_MAX_VMS, each at most WIRE_MAX_AMOUNT. */
        for (uint32_t i = 0; i < names->n; i++) {
            ret[i] += resources_amount(&vm->resources, names->v[i]);
        }
    }
}
