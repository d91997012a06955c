/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes: views, reports; the drawing is at enum node_state in model.h.
 */
#include "core/apply/inside.h"

#include "base/mutant.h"
#include "wire/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------- views ---- */

static const struct view_member *find_member(const struct cmd_view *view, uint32_t node) {
    const struct view_member *members = view->members.items;
    for (uint32_t i = 0; i < view->members.n; i++) {
        if (members[i].node == node) {
            return &members[i];
        }
    }
    return NULL;
}

static void update_configured(struct apply *a, const struct cmd_view *view) {
    APPLY_EACH(model_node, node, &a->m->nodes) {
        node->configured = 0;
    }
    const struct view_node *nodes = view->nodes.items;
    for (uint32_t i = 0; i < view->nodes.n; i++) {
        struct model_node *node = apply_node_by_id(a, nodes[i].id);
        if (!node) {
            node = model_add(&a->m->nodes);
            if (!node) {
                a->error = -ENOMEM;
                return;
            }
            node->id = nodes[i].id;
        }
        node->configured = 1;
        node->votes = nodes[i].votes;
        set_text(a, &node->name, nodes[i].name);
    }
}

static void node_came(struct apply *a, struct model_node *node, uint64_t incarnation) {
    if (node->state == NODE_ONLINE && node->incarnation == incarnation) {
        return;
    }
    apply_event(a, SEVERITY_INFO, "node-joining", node->name,
                "%s is in the view (was %s); it takes VMs once it has reported what it runs",
                node->name, node_state_name(node->state));
    node->incarnation = incarnation;
    node->fence_attempts = 0;
    node->fence_order = 0;
    node->fence_asked = 0;
    node->evidence = EVIDENCE_NONE;
    set_text(a, &node->libvirt, ""); /* it reports if this is wrong */
    fencing_end(a, node, OPERATION_FAILED, "it came back before the fence device had answered");
    node_set_state(a, node, NODE_JOINING, "waiting for its report of what runs there");
}

static void node_gone(struct apply *a, struct model_node *node, bool in_ring) {
    if (node->state != NODE_ONLINE && node->state != NODE_JOINING &&
        !(node->state == NODE_SILENT && !in_ring)) {
        return;
    }
    if (node->state != NODE_SILENT) {
        node->lost_index = a->index;
    }
    if (in_ring) {
        apply_event(a, SEVERITY_WARNING, "node-silent", node->name,
                    "clusterd on %s does not answer, but its corosync does", node->name);
        node_set_state(a, node, NODE_SILENT,
                       "its corosync answers, its clusterd does not: see clusterd's log there");
        return;
    }
    if (model_node_holds_vms(a->m, node->id)) {
        apply_event(a, SEVERITY_ERROR, "node-lost", node->name,
                    "contact with %s is lost: it will be fenced, then its VMs start elsewhere",
                    node->name);
        node_set_state(a, node, NODE_LOST, "contact lost; not yet fenced");
    } else {
        apply_event(a, SEVERITY_WARNING, "node-offline", node->name,
                    "%s is gone; no VM ran there, so it is not fenced", node->name);
        node_set_state(a, node, NODE_OFFLINE, "gone; no VM ran there");
    }
    node->fence_attempts = 0;
}

void apply_view(struct apply *a, const void *command) {
    const struct cmd_view *view = command;
    const struct view_member *members = view->members.items;
    uint32_t ids[WIRE_MAX_NODES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < view->members.n && i < WIRE_MAX_NODES; i++) {
        ids[n++] = members[i].node;
    }
    a->m->epoch = view->epoch;
    a->m->protocol = view->protocol > PROTOCOL_LOWEST ? view->protocol : 0;
    set_ids(a, &a->m->members, ids, n);
    update_configured(a, view);
    APPLY_EACH(model_node, node, &a->m->nodes) {
        const struct view_member *member = find_member(view, node->id);
        if (member) {
            node_came(a, node, member->incarnation);
        } else {
            node_gone(a, node, ids_contain(&view->ring, node->id));
        }
    }
    claims_view(a);
    apply_event(a, SEVERITY_INFO, "view", model_node_name(a->m, model_coordinator(a->m)),
                "view %llu with %u of %u nodes; coordinator %s", (unsigned long long)view->epoch, n,
                view->nodes.n, model_node_name(a->m, model_coordinator(a->m)));
}

/* ------------------------------------------------------------------------------- reports ---- */

static const struct report_domain *find_domain(const struct cmd_node_report *report,
                                               const struct model_vm *vm) {
    const struct report_domain *domains = report->domains.items;
    for (uint32_t i = 0; i < report->domains.n; i++) {
        if (strcmp(domains[i].uuid, vm->uuid) == 0) {
            return &domains[i];
        }
    }
    return NULL;
}

static bool under_way(const struct cmd_node_report *report, const struct model_vm *vm) {
    const struct report_order *orders = report->orders.items;
    for (uint32_t i = 0; i < report->orders.n; i++) {
        if (orders[i].vm == vm->id && orders[i].order == vm->order_index) {
            return true;
        }
    }
    return false;
}

/* Its answers from before it left say nothing about now. */
static void forget_probe(struct apply *a, struct model_vm *vm, uint32_t node) {
    if (vm->order_node == node) {
        vm_clear_order(a, vm);
    }
    if (vm->owner == node) {
        vm->probe_owner = VM_STATE_UNKNOWN;
    }
    if (vm->target == node) {
        vm->probe_target = VM_STATE_UNKNOWN;
    }
    vm_touch(a, vm);
}

/*
 * A VM on a node that has come back without having been fenced. If its clusterd is the same and the
 * order's agent still works, the order stands and its end will be reported. Any other order is
 * never taken for done or not done: libvirt is asked (RESOLVING). The same applies to a VM missing
 * from the report: libvirt's events can lag, and the agent may have reported the end of the start
 * before libvirt announced the domain, while the node was away.
 */
static void adopt_vm(struct apply *a, struct model_vm *vm, const struct cmd_node_report *report) {
    const struct report_domain *domain = find_domain(report, vm);
    bool ordered = vm->order != ORDER_NONE && !order_on_files(vm->order);
    if (ordered && vm->order_node == report->node &&
        (under_way(report, vm) || MUTANT(start_repeated))) {
        return;
    }
    if (vm->state == VM_RESOLVING) {
        forget_probe(a, vm, report->node);
        return;
    }
    if (vm->owner != report->node) {
        return; /* the target of a migration: the source reports how that ends */
    }
    if ((ordered || vm->state != VM_RUNNING) && !MUTANT(adopt_blindly)) {
        vm_set_resolving(a, vm);
        return;
    }
    if (!domain || domain->state == VM_STATE_OFF) {
        apply_event(a, SEVERITY_WARNING, "vm-missing", vm->name,
                    "%s is back and did not report %s, which ran there: libvirt is being asked",
                    model_node_name(a->m, vm->owner), vm->name);
        if (MUTANT(untold_is_gone)) {
            vm_set_off(a, vm, "");
        } else {
            vm_set_resolving(a, vm);
        }
        return;
    }
    if (domain->generation != vm->generation ||
        (domain->state != VM_STATE_RUNNING && domain->state != VM_STATE_PAUSED)) {
        vm_set_resolving(a, vm);
        return;
    }
    vm->paused = domain->state == VM_STATE_PAUSED;
    if (domain->machine[0]) {
        set_text(a, &vm->machine_running, domain->machine);
    }
    vm_touch(a, vm);
}

static void store_capacity(struct apply *a, struct model_node *node,
                           const struct cmd_node_report *report) {
    node->memory_mb = report->memory_mb;
    node->cpus = report->cpus;
    node->watchdog_ms = report->watchdog_ms;
    set_text(a, &node->site, report->site);
    set_text(a, &node->rack, report->rack);
    set_text(a, &node->version, report->version);
    /* Copied through a record, which owns its strings. */
    struct model_node empty = {.name = "", .reason = "", .site = "", .rack = "", .version = ""};
    empty.cpu_models = report->cpu_models;
    empty.machines = report->machines;
    empty.networks = report->networks;
    struct model_node copy;
    if (wire_copy(&model_node_record, &empty, &copy) < 0) {
        a->error = -ENOMEM;
        return;
    }
    struct wire_strs former = node->cpu_models, machines = node->machines,
                     networks = node->networks;
    node->cpu_models = copy.cpu_models;
    node->machines = copy.machines;
    node->networks = copy.networks;
    copy.cpu_models = former;
    copy.machines = machines;
    copy.networks = networks;
    wire_release(&model_node_record, &copy);
}

void apply_node_report(struct apply *a, const void *command) {
    const struct cmd_node_report *report = command;
    struct model_node *node = apply_node_by_id(a, report->node);
    if (!node || node->incarnation != report->incarnation ||
        !ids_contain(&a->m->members, node->id)) {
        apply_refuse(a, REPLY_REFUSED, "report of a clusterd that is no longer a member", "");
        return;
    }
    store_capacity(a, node, report);
    if (node->state != NODE_JOINING) {
        return;
    }
    /* A node reports only once it has this view's first entry on its disk. */
    node->kept_epoch = a->m->epoch;
    node->kept_index = node->since_index;
    uint32_t running = 0;
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (order_on_files(vm->order) && vm->order_node == node->id && !under_way(report, vm)) {
            vm_clear_order(a, vm); /* its agent has ended with the clusterd of before */
        }
        if (model_vm_may_run_on(vm, node->id)) {
            adopt_vm(a, vm, report);
            running += vm->state == VM_RUNNING;
        }
    }
    vms_forget_failures(a); /* one more node: what failed elsewhere may work there */
    node_set_state(a, node, NODE_ONLINE, "");
    apply_event(a, SEVERITY_INFO, "node-online", node->name, "%s is online; %u of its VMs run",
                node->name, running);
}

void apply_node_leave(struct apply *a, const void *command) {
    const struct cmd_node_leave *leave = command;
    struct model_node *node = apply_node_by_id(a, leave->node);
    if (!node || node->incarnation != leave->incarnation || model_node_holds_vms(a->m, node->id)) {
        apply_refuse(a, REPLY_REFUSED, "VMs run on the node", "");
        return;
    }
    node_set_state(a, node, NODE_OFFLINE, "clusterd was stopped there; no VM ran");
    apply_event(a, SEVERITY_INFO, "node-offline", node->name,
                "clusterd on %s was stopped; no VM ran there", node->name);
}

void apply_node_libvirt(struct apply *a, const void *command) {
    const struct cmd_node_libvirt *found = command;
    struct model_node *node = apply_node_by_id(a, found->node);
    bool answers = found->reason[0] == '\0';
    if (!node || node->incarnation != found->incarnation ||
        !ids_contain(&a->m->members, node->id) || answers == (node->libvirt[0] == '\0')) {
        apply_refuse(a, REPLY_REFUSED,
                     "the state of its libvirt is known already, or its clusterd was restarted",
                     "");
        return;
    }
    set_text(a, &node->libvirt, found->reason);
    if (answers) {
        apply_event(a, SEVERITY_INFO, "libvirt-back", node->name, "libvirt on %s answers again",
                    node->name);
        vms_forget_failures(a); /* what failed for want of it may work now */
        return;
    }
    apply_event(
        a, SEVERITY_WARNING, "libvirt-away", node->name,
        "libvirt on %s does not answer (%s): its VMs keep running, but it takes no new ones",
        node->name, found->reason);
}
