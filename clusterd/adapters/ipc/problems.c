/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The problems in `status`: what is wrong, why, and what to do. They are computed from the model
 * and never stored; a problem disappears with its cause.
 */
#include "adapters/ipc/view.h"

#include "core/model/fence_devices.h"
#include "core/model/settings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* libvirt answers in milliseconds: a VM that is unresolved for longer needs help. */
#define RESOLVING_LONG_MS 15000u

struct problems {
    struct ipc_view *view;
    json_t *list;
};

__attribute__((format(printf, 5, 6))) static void add(struct problems *p, enum severity severity,
                                                      const char *why, const char *todo,
                                                      const char *what_format, ...) {
    char what[IPC_MAX_MESSAGE];
    va_list args;
    va_start(args, what_format);
    (void)vsnprintf(what, sizeof(what), what_format, args);
    va_end(args);
    json_array_append_new(p->list,
                          json_pack("{ss so so so}", "severity", severity_name((uint8_t)severity),
                                    "what", json_of_text(what), "why", json_of_text(why), "todo",
                                    json_of_text(todo)));
}

static void about_view(struct problems *p) {
    const struct core_status *s = &p->view->status;
    if (p->view->waiting[0]) {
        add(p, SEVERITY_ERROR, p->view->waiting, IPC_WAITING_TODO,
            "this node has not joined the cluster");
    } else if (s->corosync_down) {
        add(p, SEVERITY_ERROR, s->reason, "systemctl status corosync",
            "no quorum: this node starts and changes nothing, and its data may be out of date");
    } else if (!s->quorate) {
        add(p, SEVERITY_ERROR,
            s->reason && s->reason[0] ? s->reason
                                      : "this node does not see a majority of the votes",
            "start more nodes or repair the network between them; corosync-quorumtool shows which "
            "nodes are seen",
            "no quorum: this node starts and changes nothing, and its data may be out of date");
    } else if (!s->usable) {
        add(p, SEVERITY_WARNING, s->reason ? s->reason : "", "",
            "this node has quorum, but may not act yet: %s", s->phase ? s->phase : "not started");
    }
}

/* A node reports this about itself only: each node has its own corosync, and any one may be
 * reloaded. */
static void about_misfit(struct problems *p) {
    if (p->view->misfit && p->view->misfit[0]) {
        add(p, SEVERITY_ERROR, p->view->misfit,
            "change one of the two on all nodes, then restart clusterd on one node after the other",
            "corosync's configuration does not fit clusterd.conf on this node");
    }
}

static void about_list(struct problems *p) {
    const char *now = p->view->list_changed;
    if (p->view->status.list_differs[0]) {
        add(p, SEVERITY_WARNING, p->view->status.list_differs,
            "put the same corosync.conf on all nodes, run corosync-cfgtool -R, then restart "
            "clusterd on one node after the other; see clusterd(8)",
            "nodes do not agree on the list of nodes");
    } else if (now && now[0]) {
        add(p, SEVERITY_WARNING, now,
            "restart clusterd on one node after the other; see clusterd(8)",
            "corosync's list of nodes has changed; clusterd still uses the list from its start");
    }
}

static void about_versions(struct problems *p) {
    if (p->view->status.version_differs[0]) {
        add(p, SEVERITY_ERROR, p->view->status.version_differs,
            "install the same version of clusterd on all nodes; see clusterd(8), UPDATES",
            "a node cannot work with the others: it runs another version of clusterd");
    }
}

static void about_states(struct problems *p) {
    if (p->view->status.state_differs[0]) {
        add(p, SEVERITY_ERROR, p->view->status.state_differs,
            "check that node's memory and its version of clusterd; then stop clusterd there, move "
            "cluster.db away and start clusterd again; see clusterd(8), UPDATES",
            "nodes disagree about the state of the cluster");
    }
}

static void about_lost_node(struct problems *p, const struct model_node *node,
                            const struct model_device *device) {
    const struct model *m = p->view->model;
    char todo[512];
    if (!model_node_holds_vms(m, node->id)) {
        return; /* nothing waits for this node */
    }
    (void)snprintf(todo, sizeof(todo),
                   "make sure that %s is off, then: clusterctl node confirm-off %s", node->name,
                   node->name);
    /* Do not count the attempt that is still running. */
    unsigned failed = node->fence_attempts - (node->fence_order && node->fence_attempts ? 1u : 0u);
    if (failed > 0) {
        char more[640];
        char times[32] = "";
        if (failed > 1) {
            (void)snprintf(times, sizeof(times), " %u times", failed);
        }
        (void)snprintf(more, sizeof(more), "repair the cause: fencing is tried again; or %s", todo);
        add(p, SEVERITY_ERROR, node->reason, more, "fencing of %s has failed%s: its VMs stay down",
            node->name, times);
    } else if (!device) {
        const char *why = node->watchdog_ms
                              ? "it has no fence device, but its watchdog will reset it in a moment"
                              : "it has no fence device: nothing proves that its VMs have stopped";
        add(p, node->watchdog_ms ? SEVERITY_WARNING : SEVERITY_ERROR, why, todo,
            "%s is lost: its VMs stay down", node->name);
    } else {
        add(p, SEVERITY_WARNING, node->reason, "",
            "%s is %s: its VMs start elsewhere once it is off", node->name,
            node_state_name(node->state));
    }
}

static void about_libvirt(struct problems *p, const struct model_node *node) {
    char todo[200];
    (void)snprintf(todo, sizeof(todo), "on %s: systemctl status libvirtd, then restart libvirtd",
                   node->name);
    add(p, SEVERITY_ERROR, node->libvirt, todo,
        "libvirt on %s does not answer: the node takes no VMs; its VMs keep running", node->name);
}

static void about_node(struct problems *p, const struct model_node *node) {
    const struct model *m = p->view->model;
    const struct model_device *device = devices_turn(m, node->id, 0);
    switch ((enum node_state)node->state) {
    case NODE_LOST:
    case NODE_FENCING: about_lost_node(p, node, device); break;
    case NODE_SILENT:
        add(p, SEVERITY_WARNING, "corosync sees the node, but no clusterd answers there",
            "see clusterd's log on that node", "%s is silent", node->name);
        break;
    case NODE_JOINING:
        if (node->libvirt[0]) {
            about_libvirt(p, node);
        } else if (node->reason[0]) {
            add(p, SEVERITY_WARNING, node->reason,
                "see the logs of clusterd and libvirt on that node", "%s takes no VMs yet",
                node->name);
        }
        break;
    case NODE_ONLINE:
        if (node->libvirt[0]) {
            about_libvirt(p, node);
        }
        break;
    case NODE_NEVER_SEEN:
    case NODE_FENCED:
    case NODE_OFFLINE: break;
    }
    if (node->configured && m->vms.n > 0 && !device && node->watchdog_ms == 0 &&
        node->state == NODE_ONLINE) {
        add(p, SEVERITY_WARNING, "it has neither a fence device nor a watchdog",
            "clusterctl fence-device add; or set watchdog in its clusterd.conf",
            "if %s dies, its VMs will not start elsewhere", node->name);
    }
}

/* Each node tells the others how it moves VMs; of a node that is away nothing is said. */
static void about_clear_moves(struct problems *p) {
    char names[400] = "";
    size_t used = 0;
    MODEL_EACH(model_node, node, &p->view->model->nodes) {
        bool here = node->state == NODE_ONLINE || node->state == NODE_JOINING;
        if (!here || !ids_contain(&p->view->status.in_clear, node->id)) {
            continue;
        }
        bool room = used + strlen(node->name) + sizeof(", , ...") < sizeof(names);
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "",
                                 room ? node->name : "...");
        if (!room) {
            break;
        }
    }
    if (used > 0) {
        char todo[600];
        (void)snprintf(
            todo, sizeof(todo),
            "give the nodes certificates, write migrate_uri = qemu+tls://%%s/system into "
            "clusterd.conf on %s, and restart clusterd there; see clusterd.conf(5)",
            names);
        add(p, SEVERITY_WARNING,
            "guest memory and control of libvirt are open to everybody on that network", todo,
            "moves are not encrypted: migrate_uri is qemu+tcp on %s", names);
    }
}

/* The same words on each node: a problem of the cluster, though each sees its own corosync only. */
static void about_clear_ring(struct problems *p) {
    if (p->view->ring_in_clear) {
        add(p, SEVERITY_WARNING,
            "passwords of fence devices and definitions of VMs can be read by everybody on that "
            "network, and commands forged",
            "make a key (corosync-keygen), copy /etc/corosync/authkey to all nodes, write into "
            "corosync.conf on all  totem { crypto_cipher: aes256  crypto_hash: sha256 }  and run "
            "corosync-cfgtool -R on one; see clusterd(8)",
            "corosync does not encrypt what the nodes tell each other");
    }
}

/* Somebody runs the VM outside the cluster. */
static void about_foreign(struct problems *p, const struct model_vm *vm) {
    const struct model *m = p->view->model;
    const struct model_node *node = model_node_by_id(m, vm->foreign.v[0]);
    const char *name = model_node_name(m, vm->foreign.v[0]);
    char todo[320];
    if (vm->adopt) {
        (void)snprintf(
            todo, sizeof(todo),
            "it is being taken over; if that does not go on, see to libvirtd and clusterd "
            "on %s",
            name);
    } else if (node && node->state == NODE_ONLINE) {
        (void)snprintf(todo, sizeof(todo),
                       "take it over as it runs: clusterctl vm adopt %s; or shut it down there: "
                       "virsh shutdown %s, on %s",
                       vm->name, vm->name, name);
    } else {
        (void)snprintf(todo, sizeof(todo),
                       "start clusterd on %s; or make sure that it is off, then: clusterctl node "
                       "confirm-off %s",
                       name, name);
    }
    add(p, vm->wanted == WANTED_RUNNING ? SEVERITY_ERROR : SEVERITY_WARNING,
        "somebody started it there; while it runs, the cluster neither touches it nor starts it "
        "elsewhere",
        todo, "VM %s runs on %s under libvirt, not by the cluster", vm->name, name);
}

/* Nobody can tell whether the VM runs: why, and how to find out. */
static void about_unknown_vm(struct problems *p, const struct model_vm *vm, const char *reason) {
    const struct model *m = p->view->model;
    const struct model_node *owner = model_node_by_id(m, vm->owner);
    char todo[320];
    if (owner && owner->libvirt[0]) {
        (void)snprintf(
            todo, sizeof(todo),
            "restart libvirtd on %s; or, to start its VMs elsewhere: clusterctl node fence %s",
            owner->name, owner->name);
        add(p, SEVERITY_ERROR, reason, todo,
            "nobody can tell whether VM %s runs: libvirt on %s does not answer", vm->name,
            owner->name);
        return;
    }
    (void)snprintf(todo, sizeof(todo), "see the logs of clusterd and libvirt on %s",
                   model_node_name(m, vm->owner));
    add(p, SEVERITY_ERROR, reason, todo,
        "the state of VM %s is unknown: the cluster leaves it alone", vm->name);
}

/* The disks in the definition are older than what the guest has written since. */
static void about_disks(struct problems *p, const struct model_vm *vm) {
    char todo[512];
    if (vm->state == VM_OFF) {
        (void)snprintf(
            todo, sizeof(todo),
            "copy its data to the disks of the definition (qemu-img commit), then: clusterctl "
            "vm set %s --accept-disks and vm start; or remove it and add it with the new "
            "disks",
            vm->name);
        add(p, vm->wanted == WANTED_RUNNING ? SEVERITY_ERROR : SEVERITY_WARNING, vm->other_disks,
            todo, "VM %s is not started: it ran with disks that differ from its definition",
            vm->name);
    } else {
        (void)snprintf(todo, sizeof(todo),
                       "end the snapshot: virsh blockcommit %s DISK --active --pivot, on %s; or "
                       "remove the VM when it is off, and add it with the new disks",
                       vm->name, model_node_name(p->view->model, vm->owner));
        add(p, SEVERITY_WARNING, vm->other_disks, todo,
            "VM %s runs with disks that differ from its definition: if it stops, it stays down",
            vm->name);
    }
}

static void about_vm(struct problems *p, const struct model_vm *vm) {
    if (vm->other_disks[0]) {
        about_disks(p, vm);
    }
    if (vm->state == VM_OFF && vm->foreign.n > 0) {
        about_foreign(p, vm);
        return;
    }
    const char *reason = NULL;
    const char *state = shown_vm_state(p->view, vm, &reason);
    char todo[160];
    (void)snprintf(todo, sizeof(todo),
                   state[0] == 'f'
                       ? "repair the cause; to try again at once: clusterctl vm start %s"
                       : "clusterctl vm explain %s",
                   vm->name);
    if (vm->state == VM_OFF && vm->other_disks[0] && state[0] == 'b') {
        return; /* the disks are the reason, and they are a problem of their own */
    }
    if (state[0] == 'b' || state[0] == 'f') { /* blocked, failed */
        add(p, SEVERITY_ERROR, reason, todo, "VM %s does not run: %s", vm->name, state);
    } else if (vm->state == VM_RESOLVING && p->view->wall_ms >= vm->since_ms + RESOLVING_LONG_MS) {
        about_unknown_vm(p, vm, reason);
    } else if (vm->state == VM_RUNNING && vm->paused) {
        (void)snprintf(
            todo, sizeof(todo),
            "if you did not pause it: check the storage of its disks and libvirt's log on %s",
            model_node_name(p->view->model, vm->owner));
        add(p, SEVERITY_WARNING, reason, todo, "VM %s is paused", vm->name);
    }
}

/* QEMU copies the disks of a VM, or has done so, and something is in the way. */
static void about_mirror(struct problems *p, const struct model_journal *row,
                         const struct model_vm *vm) {
    char todo[256];
    (void)snprintf(todo, sizeof(todo),
                   "remove the cause; clusterctl operation cancel ends the move; if libvirt on %s "
                   "cannot help it, clusterctl vm stop %s --force: its data is safe",
                   model_node_name(p->view->model, vm->owner), vm->name);
    add(p, row->phase == STORAGE_CONTINUE ? SEVERITY_ERROR : SEVERITY_WARNING, row->reason, todo,
        row->phase == STORAGE_CONTINUE
            ? "%s stands still: its disks have been moved, and it could not be continued"
            : "the move of the disks of %s does not go on; it is tried again",
        vm->name);
}

/* Nobody can work on it: it would wait in silence for as long as that is so. */
static void about_waiting_storage(struct problems *p, const struct model_journal *row,
                                  const struct model_vm *vm, const char *waits) {
    char todo[256];
    (void)snprintf(todo, sizeof(todo),
                   "clusterctl volume list shows which node lacks which volume, clusterctl node "
                   "resume ends a drain%s",
                   row->phase == STORAGE_COPY ? "; clusterctl operation cancel gives the move up"
                                              : "");
    add(p, SEVERITY_WARNING, waits, todo,
        row->phase == STORAGE_COPY     ? "the files of %s are not being moved"
        : row->phase == STORAGE_FINISH ? "the original files of %s (moved to other storage) are "
                                         "not being removed"
                                       : "the copies of the files of %s (not moved to other "
                                         "storage) are not being removed",
        vm->name);
}

/* Disks are not set back, or a checkpoint is not made or removed: nobody can (`waits`), or it has
 * failed. */
static void about_checkpoint(struct problems *p, const struct model_journal *row,
                             const struct model_vm *vm, const char *waits) {
    const struct model_checkpoint *checkpoint =
        model_checkpoint_by_id(p->view->model, row->checkpoint);
    const char *name = checkpoint ? checkpoint->name : "?";
    const char *why = waits ? waits : row->reason;
    bool reverts = row->phase == CHECKPOINT_REVERT;
    char todo[256];
    if (why[0] == '\0') {
        return;
    }
    (void)snprintf(todo, sizeof(todo),
                   waits     ? "clusterctl volume list shows which node lacks which volume, "
                               "clusterctl node resume ends a drain"
                   : reverts ? "remove the cause: it is tried again; or go back to another "
                               "checkpoint (clusterctl vm checkpoint list %s)"
                             : "remove the cause: it is tried again",
                   vm->name);
    if (reverts) {
        add(p, SEVERITY_ERROR, why, todo,
            "%s cannot start: its disks are not all set back to checkpoint %s", vm->name, name);
    } else {
        add(p, SEVERITY_WARNING, why, todo, "checkpoint %s of %s is not being %s", name, vm->name,
            row->phase == CHECKPOINT_CREATE ? "made" : "removed");
    }
}

/* Files are left over that nobody needs any more. */
static void about_storage(struct problems *p, const struct model_journal *row) {
    const struct model_vm *vm = model_vm_by_id(p->view->model, row->vm);
    const char *waits = model_journal_waits(p->view->model, row);
    char todo[256];
    if (vm && row->kind == JOURNAL_CHECKPOINT) {
        about_checkpoint(p, row, vm, waits);
        return;
    }
    if (vm && waits) {
        about_waiting_storage(p, row, vm, waits);
        return;
    }
    if (!vm || row->phase == STORAGE_COPY || row->reason[0] == '\0') {
        return;
    }
    (void)snprintf(todo, sizeof(todo),
                   "remove the cause, not the files: clusterctl vm show %s names them; the VM may "
                   "run meanwhile",
                   vm->name);
    if (model_vm_is_bound(p->view->model, vm)) {
        about_mirror(p, row, vm);
    } else if (row->phase == STORAGE_FINISH) {
        add(p, SEVERITY_WARNING, row->reason, todo,
            "the original files of %s (moved to other storage) could not be removed; it is tried "
            "again",
            vm->name);
    } else {
        add(p, SEVERITY_WARNING, row->reason, todo,
            "the copies of the files of %s (not moved to other storage) could not be removed; it "
            "is tried again",
            vm->name);
    }
}

static void about_leftover(struct problems *p, const struct model_leftover *row) {
    if (row->reason[0]) {
        add(p, SEVERITY_WARNING, row->reason,
            "remove the cause: the file goes by itself then; or remove it by hand",
            "the saved memory of %s that nobody needs could not be removed, and it is tried again: "
            "%s",
            row->name, row->path);
    }
}

static void about_volume(struct problems *p, const struct model_volume *volume) {
    const struct model *m = p->view->model;
    MODEL_EACH(model_node, node, &m->nodes) {
        const struct model_health *health = model_health_of(m, volume->id, node->id);
        if (node->state == NODE_ONLINE && health && health->state != VOLUME_OK &&
            health->state != VOLUME_UNKNOWN) {
            add(p, SEVERITY_ERROR, health->reason, "check the storage and the mount on that node",
                "volume %s is %s on %s: no VM that needs it can run there", volume->name,
                volume_state_name(health->state), node->name);
        }
    }
}

static void about_device(struct problems *p, const struct model_device *device) {
    char todo[200];
    if (device_is_ambiguous(device)) {
        (void)snprintf(todo, sizeof(todo),
                       "clusterctl fence-device remove %s; then add it with {node} in a value, or "
                       "add one for each node",
                       device->name);
        add(p, SEVERITY_ERROR, "it switches one machine, but is assigned to several nodes", todo,
            "fence device %s is never used", device->name);
    }
}

/* With `balance advise`: moves that an administrator might make. */
static void about_balance(struct problems *p) {
    struct ipc_view *view = p->view;
    const struct model *m = view->model;
    const struct planner_plan *plan = view->outlook.advice;
    for (uint32_t i = 0; plan && i < plan->n; i++) {
        const struct planner_choice *choice = &plan->v[i];
        const struct model_vm *vm = model_vm_by_id(m, choice->vm);
        char todo[200];
        if (!vm || choice->to == 0) {
            continue;
        }
        (void)snprintf(todo, sizeof(todo), "clusterctl vm move %s --to %s", vm->name,
                       model_node_name(m, choice->to));
        add(p, SEVERITY_WARNING, "a node uses more than balance_threshold_percent of its capacity",
            todo, "balance advises to move %s from %s to %s", vm->name,
            model_node_name(m, choice->from), model_node_name(m, choice->to));
    }
}

static void about_reserve(struct problems *p) {
    struct core_reserve reserve;
    char todo[160];
    if (!p->view->core || !p->view->status.usable) {
        return;
    }
    core_get_reserve(p->view->core, &reserve);
    (void)snprintf(todo, sizeof(todo),
                   "free capacity, remove the cause, or: clusterctl config set reserve_nodes %u",
                   reserve.nodes ? reserve.nodes - 1 : 0);
    if (reserve.state == RESERVE_BROKEN) {
        add(p, SEVERITY_WARNING, reserve.text, todo,
            "not all VMs could run again after the loss of %u node%s", reserve.nodes,
            reserve.nodes == 1 ? "" : "s");
    } else if (reserve.state == RESERVE_UNKNOWN) {
        add(p, SEVERITY_WARNING, reserve.text, "",
            "it is not known whether all VMs could run again after the loss of %u node%s",
            reserve.nodes, reserve.nodes == 1 ? "" : "s");
    }
}

json_t *render_reserve(const struct ipc_view *view) {
    static const char *const states[] = {[RESERVE_OFF] = "unknown",
                                         [RESERVE_OK] = "ok",
                                         [RESERVE_BROKEN] = "broken",
                                         [RESERVE_UNKNOWN] = "unknown"};
    struct core_reserve reserve = {.text = ""};
    if (view->core) {
        core_get_reserve(view->core, &reserve);
    }
    return json_pack("{so ss so}", "nodes", json_of_number(reserve.nodes), "state",
                     reserve.nodes ? states[reserve.state] : "off", "reason",
                     json_of_text(reserve.text));
}

json_t *render_problems(struct ipc_view *view) {
    const struct model *m = view->model;
    struct problems p = {.view = view, .list = json_array()};
    about_view(&p);
    about_misfit(&p);
    about_list(&p);
    about_versions(&p);
    about_states(&p);
    MODEL_EACH(model_node, node, &m->nodes) {
        about_node(&p, node);
    }
    about_clear_ring(&p);
    about_clear_moves(&p);
    MODEL_EACH(model_vm, vm, &m->vms) {
        about_vm(&p, vm);
    }
    MODEL_EACH(model_journal, row, &m->journal) {
        about_storage(&p, row);
    }
    MODEL_EACH(model_leftover, row, &m->leftovers) {
        about_leftover(&p, row);
    }
    MODEL_EACH(model_volume, volume, &m->volumes) {
        about_volume(&p, volume);
    }
    MODEL_EACH(model_device, device, &m->devices) {
        about_device(&p, device);
    }
    about_balance(&p);
    about_reserve(&p);
    return p.list;
}
