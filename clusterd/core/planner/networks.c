/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bridges, libvirt networks and network devices that VMs need and nodes have. To the solver they
 * are numbers, one for each that a VM needs.
 */
#include "core/model/network.h"
#include "core/planner/problem.h"

#include <errno.h>
#include <string.h>

struct needed { /* by VMs, each once */
    const char **v;
    uint32_t n;
};

static uint32_t number_of(struct needed *needed, const char *network) {
    for (uint32_t i = 0; i < needed->n; i++) {
        if (strcmp(needed->v[i], network) == 0) {
            return i;
        }
    }
    needed->v[needed->n] = network;
    return needed->n++;
}

static int fill_vms(struct planner_problem *pr, const struct model *m, struct needed *needed) {
    uint32_t i = 0;
    MODEL_EACH(model_vm, vm, &m->vms) {
        uint32_t *v = arena_array(pr->arena, vm->networks.n, sizeof(*v));
        if (!v) {
            return -ENOMEM;
        }
        for (uint32_t k = 0; k < vm->networks.n; k++) {
            v[k] = number_of(needed, vm->networks.v[k]);
        }
        pr->vms[i++].networks = (struct placement_set){.index = v, .n = vm->networks.n};
    }
    return 0;
}

static int fill_nodes(struct planner_problem *pr, const struct model *m,
                      const struct needed *needed) {
    uint32_t i = 0;
    MODEL_EACH(model_node, node, &m->nodes) {
        uint32_t *v = arena_array(pr->arena, needed->n, sizeof(*v));
        uint32_t n = 0;
        if (!v) {
            return -ENOMEM;
        }
        for (uint32_t k = 0; k < needed->n; k++) {
            if (network_is_there(&node->networks, needed->v[k])) {
                v[n++] = k;
            }
        }
        pr->nodes[i++].networks = (struct placement_set){.index = v, .n = n};
    }
    return 0;
}

int planner_networks_init(struct planner_problem *pr, const struct model *m) {
    size_t n = 0;
    MODEL_EACH(model_vm, vm, &m->vms) {
        n += vm->networks.n;
    }
    struct needed needed = {.v = arena_array(pr->arena, n, sizeof(*needed.v))};
    const char **names = arena_array(pr->arena, n, sizeof(*names));
    if (!needed.v || !names || fill_vms(pr, m, &needed) < 0 || fill_nodes(pr, m, &needed) < 0) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < needed.n; i++) {
        char words[NETWORK_MAX_WORDS];
        network_words(needed.v[i], words, sizeof(words));
        names[i] = arena_strdup(pr->arena, words);
        if (!names[i]) {
            return -ENOMEM;
        }
    }
    pr->p.n_networks = needed.n;
    pr->p.network_names = names;
    return 0;
}
