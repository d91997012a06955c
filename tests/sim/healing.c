/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invariants at the end, after all is repaired and some time has passed: every wanted VM with a
 * possible node runs, where the model says; no node waits; every operation has ended; all nodes
 * form one view; and nobody had to help.
 */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BOUND_US \
    (400 * SIM_SECOND) /* two of the longest pauses between attempts to fence, and more */

static const char *says(struct sim *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *says(struct sim *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->unrest, sizeof(s->unrest), format, args);
    va_end(args);
    return s->unrest;
}

static const char *nodes_rest(struct sim *s) {
    for (uint32_t i = 1; i <= s->n; i++) {
        struct core_status status;
        if (!(s->there >> i & 1)) {
            continue;
        }
        if (!sim_status(s, i, &status)) {
            return says(s, "no clusterd runs on %s", s->names[i]);
        }
        if (!status.usable) {
            return says(s, "the view of %s is not usable: %s", s->names[i], status.phase);
        }
        const struct core *c = s->nodes[i].core;
        if (c->replica.catching || c->n_pending > 0) {
            return says(s, "%s is still at work (%u pending%s)", s->names[i], c->n_pending,
                        c->replica.catching ? ", catching up" : "");
        }
    }
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        if (a->used && a->fence && !a->status) { /* also one that nobody waits for any more */
            return says(s, "%s is about to be powered off", s->names[a->target]);
        }
    }
    const struct model *m = sim_model(s);
    MODEL_EACH(model_node, node, &m->nodes) {
        if (!node->configured) {
            continue;
        }
        if (node->state != NODE_ONLINE || node->fence_order || node->fence_asked ||
            node->libvirt[0]) {
            return says(s, "%s is %s%s%s", node->name, node_state_name(node->state),
                        node->fence_asked ? ", to be fenced" : "",
                        node->libvirt[0] ? ", without libvirt" : "");
        }
    }
    return "";
}

static const char *models_rest(struct sim *s) {
    uint32_t first = (uint32_t)__builtin_ctz(s->there);
    uint64_t digest = model_digest(core_model(s->nodes[first].core));
    for (uint32_t i = first + 1; i <= s->n; i++) {
        if (s->there >> i & 1 && !s->nodes[i].flipped &&
            model_digest(core_model(s->nodes[i].core)) != digest) {
            return says(s, "%s and %s are not of one state", s->names[first], s->names[i]);
        }
    }
    return "";
}

static const char *vm_rests(struct sim *s, const struct model *m, const struct model_vm *row) {
    uint32_t vm = guest_find(s, row->uuid);
    uint32_t there = vm ? sim_runs_on(s, vm) : 0;
    if (row->order != ORDER_NONE || row->state == VM_RESOLVING) {
        return says(s, "%s is %s, order %s", row->name, vm_state_name(row->state),
                    order_kind_name(row->order));
    }
    bool down = (row->state == VM_OFF || row->state == VM_SAVED) && row->wanted == WANTED_RUNNING;
    char why[200] = "";
    bool nowhere = down && rules_no_room(m, row, why, sizeof(why));
    bool may_lack = sim_is_tight(s) || row->resources.n > 0 || rules_bind(m, row);
    if (down && (rules_keep_down(m, row) || (may_lack && nowhere))) {
        return "";
    }
    if (row->wanted == WANTED_RUNNING && (row->state != VM_RUNNING || row->paused)) {
        return says(s, "%s is wanted and %s%s: %s (%s)", row->name, vm_state_name(row->state),
                    row->paused ? ", paused" : "", row->reason, why);
    }
    if (row->state == VM_RUNNING && there != row->owner) {
        return says(s, "%s runs on %s by the model, in truth on %s", row->name,
                    model_node_name(m, row->owner), there ? s->names[there] : "none");
    }
    if (row->state != VM_RUNNING && there) {
        return says(s, "%s is %s by the model, and runs on %s", row->name,
                    vm_state_name(row->state), s->names[there]);
    }
    if (row->wanted == WANTED_STOPPED && row->state != VM_OFF) {
        return says(s, "%s is to be off and is %s", row->name, vm_state_name(row->state));
    }
    if (row->shut_down_by) { /* of a node that is resumed by now */
        return says(s, "%s was shut down by a drain of %s, and nobody starts it again", row->name,
                    model_node_name(m, row->shut_down_by));
    }
    if (row->removing) {
        return says(s, "%s is to be removed and is still there", row->name);
    }
    return "";
}

static const char *vms_rest(struct sim *s) {
    const struct model *m = sim_model(s);
    MODEL_EACH(model_vm, row, &m->vms) {
        const char *what = vm_rests(s, m, row);
        if (what[0]) {
            return what;
        }
    }
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        const struct model_vm *row = model_vm_by_uuid(m, s->vms[vm - 1].uuid);
        for (uint32_t i = 1; i <= s->n; i++) {
            const struct copy *copy = &s->vms[vm - 1].copies[i];
            bool wanted = row && row->state == VM_RUNNING && row->owner == i;
            bool his = !row && copy->foreign; /* it has left the cluster */
            if (copy->state != COPY_NONE && !wanted && !his) {
                return says(s, "a copy of %s is left on %s", s->vms[vm - 1].name, s->names[i]);
            }
        }
    }
    return "";
}

static const char *operations_rest(struct sim *s) {
    const struct model *m = sim_model(s);
    MODEL_EACH(model_operation, op, &m->operations) {
        if (op->state == OPERATION_RUNNING) {
            return says(s, "operation %llu (%s %s) has not ended", (unsigned long long)op->id,
                        operation_kind_name(op->kind), op->subject);
        }
    }
    for (uint32_t i = 0; i < MAX_REQUESTS; i++) {
        if (s->requests[i].id && s->requests[i].code < 0) {
            return says(s, "request %llu on %s was never answered",
                        (unsigned long long)s->requests[i].id, s->names[s->requests[i].node]);
        }
    }
    return "";
}

static const char *kept_moments_rest(struct sim *s) {
    return checkpoints_rest(s, s->unrest, sizeof(s->unrest));
}

static const char *moved_files_rest(struct sim *s) {
    return files_rest(s, s->unrest, sizeof(s->unrest));
}

static const char *saved_memory_rests(struct sim *s) {
    return saved_rest(s, s->unrest, sizeof(s->unrest));
}

const char *sim_unrest(struct sim *s) {
    static const char *(*const parts[])(
        struct sim *) = {nodes_rest,        vms_rest,           operations_rest, moved_files_rest,
                         kept_moments_rest, saved_memory_rests, models_rest};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (i > 0 && !sim_model(s)) {
            return says(s, "nothing was ever committed");
        }
        const char *what = parts[i](s);
        if (what[0]) {
            return what;
        }
    }
    return "";
}

/* ---- mending ---- */

void sim_mend(struct sim *s) {
    sim_trace(s, "everything is mended");
    s->next_agent.action[0] = '\0';
    s->dead_device[0] = '\0';
    s->other_cluster = false;
    memset(s->group, 0, sizeof(s->group));
    for (uint32_t i = 1; i <= s->n; i++) {
        struct node *n = &s->nodes[i];
        n->fence = FENCE_WORKS;
        n->crossed_until_us = 0;
        n->starves_until_us = 0;
        n->dies_after = 0;
        n->habit.action[0] = '\0';
        n->garbles_until_us = 0;
        if (s->there >> i & 1 && n->list != s->there) {
            sim_node_list(s, i, s->there);
        }
        if (n->alive && n->core && n->read_list != n->list) {
            sim_kill_clusterd(s, i);
        }
        if (n->garbled) {
            sim_kill_clusterd(s, i); /* whoever is left out is to be started again */
        }
        n->fence_us = 0;
        sim_disk_mode(s, i, DISK_FINE);
        sim_volume_mode(s, i, VOLUME_FINE);
        if (n->storage != 0) {
            sim_storage(s, i, 0);
        }
        sim_speak_newer(s, i, false);
        sim_install(s, i, 0, true);
        n->corosync.stuck_until_us = 0;
        if (!(s->there >> i & 1)) {
            continue;
        }
        if (!n->power) {
            sim_power_on(s, i);
        } else {
            ring_start_corosync(s, i);
            libvirtd_start(s, i);
            sim_start_clusterd(s, i);
        }
    }
    for (uint32_t vm = 0; vm < s->n_vms; vm++) {
        s->vms[vm].undying_us = 0;
        s->vms[vm].stubborn = false;
        if (s->vms[vm].overlaid) {
            sim_snapshot(s, vm + 1, false);
        }
        memset(s->vms[vm].refused_by, REFUSE_NOT, sizeof(s->vms[vm].refused_by));
    }
    ring_connectivity_changed(s);
}

/* What an administrator does when the trouble is over: nodes that were fenced are switched on, the
 * fence device is there, drained nodes are used again, VMs that somebody took away, or whose disks
 * are as they were, may run. */
static void tidy(struct sim *s) {
    for (uint32_t i = 1; i <= s->n; i++) {
        if (!(s->there >> i & 1)) {
            continue;
        }
        if (!s->nodes[i].power) {
            sim_power_on(s, i);
        } else if (!s->nodes[i].alive) {
            sim_start_clusterd(s, i);
        }
    }
    const struct model *m = sim_model(s);
    if (!m) {
        return;
    }
    if (!model_device_by_name(m, "pdu")) {
        sim_add_device(s, 1);
    }
    MODEL_EACH(model_vm, row, &m->vms) {
        if (row->state == VM_OFF && row->other_disks[0]) { /* its data is back, by sim_mend() */
            struct cmd_vm_set set = {
                .vm = row->name, .given = VM_SET_ACCEPT_DISKS, .accept_disks = 1};
            (void)sim_command(s, 1 + (uint32_t)sim_random(s, s->n), COMMAND_VM_SET, &set);
        }
    }
    MODEL_EACH(model_node, node, &m->nodes) {
        if (node->service != SERVICE_ACTIVE) {
            struct cmd_node_resume resume = {.node = node->name};
            (void)sim_command(s, 1 + (uint32_t)sim_random(s, s->n), COMMAND_NODE_RESUME, &resume);
        }
    }
}

static bool rests(struct sim *s, const void *arg) {
    (void)arg;
    const struct model *m = sim_model(s);
    bool drained = false;
    MODEL_EACH(model_node, node, &m->nodes) {
        drained = drained || node->service != SERVICE_ACTIVE;
    }
    return !drained && sim_unrest(s)[0] == '\0';
}

#define WISHES 10u

/* At rest a node tells once a second that it lives. A command costs two messages, its own and its
 * place in the log, and an acknowledgement from each node. */
static void check_cost(struct sim *s, uint64_t idle) {
    if (idle > 20 * s->n + 40) { /* a volume may have something to tell at last */
        sim_fail(s, "%llu messages in 10 s at rest", (unsigned long long)idle);
        return;
    }
    uint64_t before = s->figures.messages;
    struct cmd_config_set set = {.key = "start_timeout_ms", .value = "60000"};
    for (uint32_t i = 0; i < WISHES; i++) {
        (void)sim_command(s, 1 + i % s->n, COMMAND_CONFIG_SET, &set);
    }
    sim_run(s, SIM_SECOND);
    uint64_t most = WISHES * (2 + s->n) + 2 * s->n;
    if (!sim_violation(s) && s->figures.messages - before > most) {
        sim_fail(s, "%u commands took %llu messages", WISHES,
                 (unsigned long long)(s->figures.messages - before));
    }
}

void sim_heal_and_wait(struct sim *s) {
    sim_mend(s);
    uint64_t end = s->now_us + BOUND_US;
    while (s->now_us < end && !sim_violation(s)) {
        sim_run(s, 5 * SIM_SECOND);
        if (sim_model(s) && rests(s, NULL)) {
            uint64_t messages = s->figures.messages;
            sim_run(s, 10 * SIM_SECOND); /* and stays so */
            if (!sim_violation(s) && rests(s, NULL)) {
                if (!s->options.calm) {
                    check_cost(s, s->figures.messages - messages);
                }
                return;
            }
        }
        tidy(s);
    }
    if (!sim_violation(s)) {
        sim_fail(s, "not at rest %llu s after everything was mended: %s",
                 (unsigned long long)(BOUND_US / SIM_SECOND), sim_unrest(s));
    }
}
