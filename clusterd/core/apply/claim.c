/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM is added, and the nodes say what they know of it: libvirt may run it already.
 *
 *     VM_ADD ──► being asked: `unasked` holds the online nodes that have not answered
 *                  ├── VM_CLAIM "not here" of the last of them ──────────────► added
 *                  └── VM_CLAIM "it runs here", "cannot say"; a node leaves ─► removed again
 *                      (one that is to be adopted runs on one node: adopt.c)
 *
 * Until all have answered the VM is OFF: nothing starts it, and nothing is destroyed for it
 * (executor). Nodes that are not online cannot be asked, so the person who adds the VM gets a
 * warning. When such a node comes, it reports what runs there before it counts as online. Every
 * node does so, too, when somebody starts the VM by hand. The node is then in the VM's `foreign`
 * list, and nothing starts the VM while that list has entries. A person may have it adopted.
 */
#include "base/mutant.h"
#include "core/apply/inside.h"
#include "core/model/machine.h"

#include <errno.h>
#include <string.h>

static bool is_foreign_state(uint8_t state) {
    return state == VM_STATE_RUNNING || state == VM_STATE_PAUSED || state == VM_STATE_INCOMING;
}

static struct apply_added *tell(struct apply *a, const struct model_vm *vm,
                                enum core_reply_code code) {
    struct apply_added *added = arena_alloc(&a->out->arena, sizeof(*added));
    if (!added) {
        a->error = -ENOMEM;
        return NULL;
    }
    *added = (struct apply_added){
        .vm = vm->id, .code = code, .message = "", .hint = "", .warning = "", .next = a->added};
    a->added = added;
    return added;
}

/* "n2, n3"; "" if all are online. */
static const char *away(struct apply *a) {
    const char *names = "";
    MODEL_EACH(model_node, node, &a->m->nodes) {
        if (node->configured && node->state != NODE_ONLINE) {
            names = outbox_text(a->out, "%s%s%s", names, names[0] ? ", " : "", node->name);
        }
    }
    return names;
}

/* Two nodes that resolve the alias differently, each to its own newest type: neither can take the
 * VM as the other starts it. */
static const char *alias_doubt(struct apply *a, const struct model_vm *vm) {
    MODEL_EACH(model_node, from, &a->m->nodes) {
        const char *type = machine_find(&from->machines, vm->arch, vm->machine);
        if (!vm->machine[0] || !type || strcmp(type, vm->machine) == 0 ||
            (vm->possible.n && !ids_contain(&vm->possible, from->id))) {
            continue;
        }
        MODEL_EACH(model_node, to, &a->m->nodes) {
            const char *other = machine_find(&to->machines, vm->arch, vm->machine);
            if (!other || machine_find(&to->machines, vm->arch, type) ||
                (vm->possible.n && !ids_contain(&vm->possible, to->id))) {
                continue;
            }
            return outbox_text(a->out,
                               "%s is %s on %s and %s on %s: started on %s, %s cannot be moved to "
                               "%s; name a machine type that all nodes have",
                               vm->machine, type, from->name, other, to->name, from->name, vm->name,
                               to->name);
        }
    }
    return "";
}

/* The nodes' other findings, and the nodes that could not be asked. */
static const char *doubts(struct apply *a, const struct model_vm *vm) {
    const char *alias = alias_doubt(a, vm);
    const char *notes =
        outbox_text(a->out, "%s%s%s", vm->reason, vm->reason[0] && alias[0] ? "; " : "", alias);
    const char *names = away(a);
    if (names[0] == '\0') {
        return notes;
    }
    return outbox_text(a->out,
                       "%s%s%s could not be asked: make sure that %s does not run there under "
                       "libvirt",
                       notes, notes[0] ? "; " : "", names, vm->name);
}

/* Who asked for it when the nodes had not answered yet. */
static void recall_user(struct apply *a, struct model_vm *vm) {
    if (vm->asker && a->asker == 0) {
        apply_for(a, vm->asker, outbox_text(a->out, "%s", vm->user));
    }
    vm->asker = 0;
    set_text(a, &vm->user, "");
}

static void admit(struct apply *a, struct model_vm *vm) {
    recall_user(a, vm);
    a->warning = doubts(a, vm);
    set_text(a, &vm->reason, "");
    vm_touch(a, vm);
    bool start = vm->wanted == WANTED_RUNNING;
    const char *next = vm->adopt ? " and will be taken over as it runs"
                       : start   ? " and will be started"
                                 : "";
    apply_event(a, SEVERITY_INFO, "vm-added", vm->name, "VM %s was added (%llu MB, %u vcpus%s%s)%s",
                vm->name, (unsigned long long)vm->memory_mb, vm->vcpus, vm->resources.n ? ", " : "",
                apply_resources_text(a, &vm->resources), next);
    if (start) {
        begin_vm_operation(a, vm, vm->adopt ? OPERATION_ADOPT : OPERATION_START);
    }
}

static void refuse(struct apply *a, struct model_vm *vm, const char *message, const char *hint) {
    recall_user(a, vm);
    apply_event(a, SEVERITY_WARNING, "vm-not-added", vm->name, "VM %s was not added: %s", vm->name,
                message);
    struct apply_added *added = tell(a, vm, REPLY_REFUSED);
    if (added) {
        added->message = message;
        added->hint = hint;
    }
    rules_forget_vm(a, vm);
    model_remove(&a->m->vms, vm);
}

/* It was to be adopted. */
static void refuse_absent(struct apply *a, struct model_vm *vm) {
    refuse(a, vm,
           outbox_text(a->out, "VM %s runs on no node under libvirt: there is nothing to adopt",
                       vm->name),
           outbox_text(a->out,
                       "virsh list on its node; or add it without --adopt: it is started "
                       "by clusterctl vm start %s",
                       vm->name));
}

void claims_ask(struct apply *a, struct model_vm *vm) {
    MODEL_EACH(model_node, node, &a->m->nodes) {
        if (node->state == NODE_ONLINE && ids_contain(&a->m->members, node->id)) {
            add_id(a, &vm->unasked, node->id);
        }
    }
    if (vm->unasked.n == 0 && !vm->adopt) {
        admit(a, vm);
        return;
    }
    a->asking = vm->id;
    vm->asker = a->asker;
    set_text(a, &vm->user, a->asker ? a->user : "");
    if (vm->unasked.n == 0) {
        refuse_absent(a, vm);
    }
}

void claims_view(struct apply *a) {
    for (uint32_t i = a->m->vms.n; i > 0; i--) {
        struct model_vm *vm = (struct model_vm *)a->m->vms.rows + i - 1;
        for (uint32_t k = 0; k < vm->unasked.n; k++) {
            if (!ids_contain(&a->m->members, vm->unasked.v[k])) {
                refuse(a, vm,
                       outbox_text(a->out, "%s went away before it could say whether %s runs there",
                                   model_node_name(a->m, vm->unasked.v[k]), vm->name),
                       "add it again");
                break;
            }
        }
    }
}

void claims_node_off(struct apply *a, uint32_t node) {
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (ids_contain(&vm->foreign, node)) {
            remove_id(a, &vm->foreign, node);
            adoption_node_off(a, vm, node);
            vm_touch(a, vm);
        }
    }
}

bool claims_allow(struct apply *a, const struct model_vm *vm) {
    if (vm->unasked.n) {
        apply_refuse(
            a, REPLY_REFUSED,
            outbox_text(a->out,
                        "%s is being added: the nodes are being asked whether it runs there",
                        vm->name),
            "try again in a moment");
        return false;
    }
    if (vm->foreign.n && !MUTANT(foreign_unheard)) {
        const char *name = outbox_text(a->out, "%s", model_node_name(a->m, vm->foreign.v[0]));
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s runs on %s under libvirt, not by the cluster",
                                 vm->name, name),
                     outbox_text(a->out,
                                 "clusterctl vm adopt %s takes it over as it runs; or shut it down "
                                 "there first (virsh shutdown %s on %s)",
                                 vm->name, vm->name, name));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------- answers ---- */

static void take_note(struct apply *a, struct model_vm *vm, const struct model_node *node,
                      const char *note) {
    apply_event(a, SEVERITY_WARNING, "vm-definition", vm->name, "%s: %s", node->name, note);
    if (vm->unasked.n) {
        set_text(a, &vm->reason,
                 outbox_text(a->out, "%s%s%s: %s", vm->reason, vm->reason[0] ? "; " : "",
                             node->name, note));
    }
}

static void answered(struct apply *a, struct model_vm *vm, const struct model_node *node,
                     const struct cmd_vm_claim *claim) {
    bool runs = claim->result == RESULT_OK && is_foreign_state(claim->state);
    if (runs && !vm->adopt) {
        refuse(a, vm, outbox_text(a->out, "VM %s runs on %s under libvirt", vm->name, node->name),
               outbox_text(a->out,
                           "add it with --adopt, which takes it over as it runs; or shut it down "
                           "there first (virsh shutdown %s)",
                           vm->name));
        return;
    }
    if (!runs && (claim->result != RESULT_OK || claim->state != VM_STATE_OFF)) {
        refuse(a, vm,
               outbox_text(a->out, "%s: %s", node->name,
                           claim->reason[0] ? claim->reason
                                            : "it cannot say whether the VM runs there"),
               "fix that, then add it again");
        return;
    }
    remove_id(a, &vm->unasked, node->id);
    if (runs && !ids_contain(&vm->foreign, node->id)) {
        add_id(a, &vm->foreign, node->id);
    }
    vm_touch(a, vm);
    if (vm->unasked.n > 0) {
        return;
    }
    if (vm->adopt && vm->foreign.n == 0) {
        refuse_absent(a, vm);
        return;
    }
    const char *hint = "";
    const char *obstacle = vm->adopt ? adoption_obstacle(a, vm, &hint) : NULL;
    if (obstacle) {
        refuse(a, vm, obstacle, hint);
        return;
    }
    struct apply_added *added = tell(a, vm, REPLY_OK);
    admit(a, vm);
    if (added) {
        added->operation = a->operation;
        added->warning = a->warning;
    }
}

/* A node reports, without being asked, that its libvirt runs the VM by itself. */
static void told(struct apply *a, struct model_vm *vm, const struct model_node *node, bool runs) {
    if (ids_contain(&vm->foreign, node->id) == runs || (!runs && vm->state != VM_OFF)) {
        return; /* of one that is being adopted, the order's end tells */
    }
    if (!runs) {
        remove_id(a, &vm->foreign, node->id);
        apply_event(a, SEVERITY_INFO, "vm-foreign", vm->name,
                    "%s no longer runs on %s under libvirt", vm->name, node->name);
        if (vm->adopt) {
            adoption_give_up(a, vm, outbox_text(a->out, "it no longer runs on %s", node->name),
                             true);
        }
    } else if (vm->state == VM_OFF) {
        add_id(a, &vm->foreign, node->id);
        const char *reason = outbox_text(a->out, "%s runs on %s under libvirt, not by the cluster",
                                         vm->name, node->name);
        apply_event(a, SEVERITY_WARNING, "vm-foreign", vm->name,
                    "%s: it is left alone, and not started elsewhere; take it over (clusterctl vm "
                    "adopt %s), or shut it down there (virsh shutdown %s)",
                    reason, vm->name, vm->name);
        if (vm->adopt) {
            adoption_give_up(a, vm, reason, false); /* it runs twice */
        }
        operation_vm_end(a, vm, OPERATION_FAILED, reason);
    }
    vm_touch(a, vm);
}

void apply_vm_claim(struct apply *a, const void *command) {
    const struct cmd_vm_claim *claim = command;
    struct model_vm *vm = apply_vm_by_id(a, claim->vm);
    const struct model_node *node = model_node_by_id(a->m, claim->node);
    if (!vm || !node || node->incarnation != claim->incarnation ||
        !ids_contain(&a->m->members, node->id)) {
        apply_refuse(a, REPLY_REFUSED, "the VM or the node's clusterd is gone", "");
        return;
    }
    bool runs = is_foreign_state(claim->state);
    if (claim->result == RESULT_OK && claim->reason[0]) {
        take_note(a, vm, node, claim->reason);
    }
    if (ids_contain(&vm->unasked, node->id) || (vm->unasked.n > 0 && runs)) {
        answered(a, vm, node, claim);
    } else if (claim->result == RESULT_OK && vm->unasked.n == 0) {
        told(a, vm, node, runs);
    }
}
