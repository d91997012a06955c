/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this node offers. The CPU models and machine types of its QEMU: an agent asks libvirt once,
 * and again when libvirt or QEMU may have been replaced. Its bridges and networks: the agent that
 * watches libvirt tells all of them at its start, and again whenever one comes or goes.
 */
#include "core/executor/inside.h"
#include "core/timeouts.h"

#include <errno.h>
#include <string.h>

int executor_ask_offers(struct core *c) {
    if (c->executor.cpu_asked || !c->executor.connected || executor_find_run(c, RUN_HOST_CPU, 0)) {
        return 0;
    }
    struct run *run = executor_add_run(c, RUN_HOST_CPU, 0);
    if (!run) {
        return -ENOMEM;
    }
    c->executor.cpu_asked = true;
    struct agent_call call = executor_call(c, run, "vm", "host-cpu", "host");
    if (!call.agent) {
        return -ENOMEM;
    }
    call.agent->timeout_ms = TIMEOUT_CPU_MODELS_MS;
    return 0;
}

static bool are_same(const struct wire_strs *a, const struct wire_strs *b) {
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++) {
        same = strcmp(a->v[i], b->v[i]) == 0;
    }
    return same;
}

/* Replaces some of the lists; `row` has those, and what is kept of the others. */
static int replace(struct executor *x, const struct model_node *row) {
    struct model_node copy;
    if (wire_copy(&model_node_record, row, &copy) < 0) {
        return -ENOMEM;
    }
    wire_release(&model_node_record, &x->offers);
    x->offers = copy;
    return 0;
}

int executor_keep_networks(struct core *c, const struct core_agent *line) {
    struct executor *x = &c->executor;
    struct model_node row = x->offers;
    row.networks = line->networks;
    x->networks_untold = x->networks_untold || !are_same(&x->offers.networks, &row.networks);
    return replace(x, &row);
}

int executor_keep_offers(struct core *c, const struct core_agent *line) {
    struct executor *x = &c->executor;
    struct model_node row = x->offers;
    row.cpu_models = line->models;
    row.machines = line->machines;
    x->offers_untold = x->offers_untold || !are_same(&x->offers.cpu_models, &row.cpu_models) ||
                       !are_same(&x->offers.machines, &row.machines);
    x->cpu_known = true;
    return replace(x, &row);
}

/* A machine type that QEMU did not list: another QEMU has been installed since. */
void executor_note_machine(struct core *c, const char *machine) {
    const struct wire_strs *told = &c->executor.offers.machines;
    bool found = machine == NULL || machine[0] == '\0' || told->n == 0;
    for (uint32_t i = 0; i < told->n && !found; i++) {
        const char *name = strchr(told->v[i], '/');
        found = name && strcmp(name + 1, machine) == 0;
    }
    c->executor.cpu_asked = c->executor.cpu_asked && found;
}
