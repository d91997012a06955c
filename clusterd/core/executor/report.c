/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This node's report to the cluster: what runs here and what the node offers. The report makes a
 * joining node online.
 */
#include "core/executor/inside.h"
#include "core/model/needed_protocol.h"

#include <errno.h>

/*
 * Networks came with a later version of the protocol, and a report comes by itself: it must not be
 * what makes an update final. So they are told once something else did (model.needs), the first VM
 * that needs a network at the latest.
 */
static bool networks_are_told(const struct core *c) {
    const struct cmd_node_report report = {.networks = c->executor.offers.networks};
    return report.networks.n && version_of_command(COMMAND_NODE_REPORT, &report) <= c->model.needs;
}

static int send_report(struct core *c) {
    struct executor *x = &c->executor;
    struct report_domain *domains = arena_array(&c->out.arena, x->n_domains, sizeof(*domains));
    if (!domains) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->n_domains; i++) {
        const struct domain *d = &x->domains[i];
        if (d->state != VM_STATE_OFF) {
            domains[n++] = (struct report_domain){.uuid = d->uuid,
                                                  .generation = d->generation,
                                                  .state = d->state,
                                                  .machine = d->machine};
        }
    }
    struct report_order *orders = arena_array(&c->out.arena, x->n_runs, sizeof(*orders));
    if (!orders) {
        return -ENOMEM;
    }
    uint32_t n_orders = 0;
    for (uint32_t i = 0; i < x->n_runs; i++) {
        if (x->runs[i].kind == RUN_ORDER) {
            orders[n_orders++] =
                (struct report_order){.vm = x->runs[i].subject, .order = x->runs[i].order};
        }
    }
    struct cmd_node_report report = {
        .node = c->self,
        .incarnation = c->incarnation,
        .memory_mb = c->memory_mb,
        .cpus = c->cpus,
        .site = c->site,
        .rack = c->rack,
        .watchdog_ms = c->watchdog_ms,
        .version = c->version,
        .cpu_models = x->offers.cpu_models,
        .domains = {.items = domains, .n = n},
        .orders = {.items = orders, .n = n_orders},
        .machines = x->offers.machines,
    };
    x->offers_untold = false;
    if (networks_are_told(c)) {
        report.networks = x->offers.networks;
        x->networks_untold = false;
    }
    return pending_propose(c, PENDING_REPORT, COMMAND_NODE_REPORT, &report);
}

/* Copies that may not run here must be gone before this node counts as online. */
static bool strays_are_left(struct core *c) {
    for (uint32_t i = 0; i < c->executor.n_domains; i++) {
        const struct domain *d = &c->executor.domains[i];
        const struct model_vm *vm = model_vm_by_uuid(&c->model, d->uuid);
        if (d->state != VM_STATE_OFF && vm && !model_vm_may_run_on(vm, c->self) &&
            !executor_leaves_alone(d, vm)) {
            return true;
        }
    }
    return false;
}

int executor_report_if_joining(struct core *c) {
    const struct model_node *self = core_self(c);
    struct executor *x = &c->executor;
    if (!self || self->state != NODE_JOINING || self->incarnation != c->incarnation ||
        x->reported_index == self->since_index || !x->listed || !x->cpu_known ||
        strays_are_left(c)) {
        return 0;
    }
    if (c->replica.stored_index < c->replica.base_index + 1) {
        return 0; /* the report says that this much is kept */
    }
    if (!replica_may_report(&c->replica)) {
        return 0; /* the next heartbeat may confirm what this node has come to */
    }
    if (c->watchdog_ms && x->feed_ms == 0) {
        return 0; /* not armed yet: nobody may count on it */
    }
    x->reported_index = self->since_index;
    return send_report(c);
}

/* What it offers has changed, without a restart of clusterd: an update of QEMU, a new bridge. */
int executor_report_offers(struct core *c) {
    const struct model_node *self = core_self(c);
    bool online = self && self->state == NODE_ONLINE && self->incarnation == c->incarnation;
    bool untold =
        c->executor.offers_untold || (c->executor.networks_untold && networks_are_told(c));
    return online && untold ? send_report(c) : 0;
}

void executor_report_again(struct core *c) {
    c->executor.reported_index = 0;
    c->executor.offers_untold = true;
    c->executor.networks_untold = true;
}
