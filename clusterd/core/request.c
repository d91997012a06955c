/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of clients. The node that took the request makes the checks that need the planner,
 * against its own model. These checks serve the client: a refusal comes at once and gives the
 * reason. Whatever must hold is checked again when the command is applied or ordered.
 */
#include "core/core_internal.h"
#include "core/model/fence_devices.h"
#include "core/model/machine.h"
#include "core/model/needed_protocol.h"
#include "core/model/network.h"
#include "core/model/volume_path.h"
#include "core/planner/planner.h"
#include "core/policy/outlook.h"
#include "core/request.h"
#include "core/timeouts.h"

#include <errno.h>
#include <string.h>

#define NAMES_SHOWN 10u /* of VMs, in one message */

static int propose(struct core *c, const struct core_request *request, const void *value) {
    return pending_propose_request(c, request, value);
}

static int refuse(struct core *c, const struct core_request *request, const char *message,
                  const char *hint) {
    outbox_reply(&c->out, request->id, REPLY_REFUSED, 0, message, hint);
    return 0;
}

static int request_move(struct core *c, const struct core_request *request) {
    struct cmd_vm_move move = *(const struct cmd_vm_move *)request->value;
    const struct model_vm *vm = model_vm_by_name(&c->model, move.vm);
    if (!vm) {
        return propose(c, request, &move); /* apply reports it */
    }
    if (move.mode == MOVE_LIVE && vm->mobility == MOBILITY_QUICK && model_vm_has_tpm(vm)) {
        return refuse(c, request,
                      outbox_text(&c->out,
                                  "%s may not be moved live: it has a TPM, whose state cannot "
                                  "change hands while the guest runs",
                                  vm->name),
                      "move it with --quick");
    }
    if (move.mode == MOVE_LIVE && vm->mobility == MOBILITY_QUICK) {
        return refuse(c, request, outbox_text(&c->out, "%s may not be moved live", vm->name),
                      outbox_text(&c->out,
                                  "move it with --quick, or clusterctl vm set %s "
                                  "--mobility live",
                                  vm->name));
    }
    struct planner_explanation all;
    int err = planner_explain(&c->model, vm->id, &c->out.arena, &all);
    if (err < 0) {
        return err;
    }
    if (move.to[0] == '\0') {
        if (!all.best) {
            return refuse(
                c, request,
                outbox_text(&c->out, "there is no node for %s: %s", vm->name, all.summary),
                outbox_text(&c->out, "clusterctl vm explain %s shows each node", vm->name));
        }
        move.to = outbox_text(&c->out, "%s", model_node_name(&c->model, all.best));
        struct cmd_vm_move any = move;
        any.any = 1; /* where all members know that */
        move = version_of_command(COMMAND_VM_MOVE, &any) <= c->replica.protocol ? any : move;
        return propose(c, request, &move);
    }
    for (uint32_t i = 0; i < all.n; i++) {
        const struct model_node *node = model_node_by_id(&c->model, all.v[i].node);
        if (node && strcmp(node->name, move.to) == 0 && !all.v[i].possible &&
            node->id != vm->owner) {
            return refuse(c, request,
                          outbox_text(&c->out, "%s cannot go to %s: %s", vm->name, node->name,
                                      all.v[i].reason),
                          outbox_text(&c->out, "clusterctl vm explain %s shows each node",
                                      vm->name));
        }
    }
    return propose(c, request, &move);
}

/* "web has no other place: ...", "web, db and 3 more have no other place; web: ..." */
static const char *without_place(struct core *c, const struct planner_plan *plan) {
    const char *names = "", *reason = "", *first = "";
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n; i++) {
        if (!planner_blocks_drain(&c->model, &plan->v[i])) {
            continue;
        }
        const char *name = model_vm_by_id(&c->model, plan->v[i].vm)->name;
        reason = n == 0 ? plan->v[i].reason : reason;
        first = n == 0 ? name : first;
        names = n == 0            ? name
                : n < NAMES_SHOWN ? outbox_text(&c->out, "%s, %s", names, name)
                                  : names;
        n++;
    }
    if (n == 1) {
        return outbox_text(&c->out, "%s has no other place: %s", names, reason);
    }
    const char *more = n > NAMES_SHOWN ? outbox_text(&c->out, " and %u more", n - NAMES_SHOWN) : "";
    return n == 0 ? NULL
                  : outbox_text(&c->out, "%s%s have no other place; %s: %s", names, more, first,
                                reason);
}

static int request_drain(struct core *c, const struct core_request *request) {
    const struct cmd_node_drain *drain = request->value;
    const struct model_node *node = model_node_by_name(&c->model, drain->node);
    if (!node) {
        return propose(c, request, drain);
    }
    struct planner_plan plan;
    int err = planner_drain(&c->model, c->wall_ms, node->id, &c->out.arena, &plan);
    if (err < 0) {
        return err;
    }
    const char *why = without_place(c, &plan);
    if (!why) {
        return propose(c, request, drain);
    }
    return refuse(c, request, outbox_text(&c->out, "%s cannot be drained: %s", node->name, why),
                  outbox_text(&c->out,
                              "make room on other nodes, or stop VMs; clusterctl node drain %s "
                              "--dry-run shows the plan",
                              node->name));
}

static bool may_run_it(const struct cmd_vm_add *add, const struct model_node *node) {
    bool named = add->possible.n == 0;
    for (uint32_t i = 0; i < add->possible.n && !named; i++) {
        named = strcmp(add->possible.v[i], node->name) == 0;
    }
    return named && node->configured;
}

static bool has_cpu(const struct cmd_vm_add *add, const struct model_node *node) {
    return !cpu_is_by_name(add->cpu_mode, add->cpu_model) || cpu_is_offered(node, add->cpu_model);
}

static const char *known(const char *text) {
    return text ? text : "";
}

static bool has_arch(const struct cmd_vm_add *add, const struct model_node *node) {
    return known(add->arch)[0] == '\0' || node->machines.n == 0 ||
           machine_arch_is_there(&node->machines, add->arch);
}

static bool has_machine(const struct cmd_vm_add *add, const struct model_node *node) {
    return known(add->machine)[0] == '\0' || node->machines.n == 0 ||
           machine_find(&node->machines, known(add->arch), add->machine) != NULL;
}

/* Asked for one network at a time. */
static bool has_network(const struct cmd_vm_add *add, const struct model_node *node) {
    return network_is_there(&node->networks, add->networks.v[0]);
}

/*
 * If only one of the possible owners has the CPU, the machine type or a network, the VM cannot fail
 * over; if none has it, the VM cannot start. Someone who names a single possible owner has accepted
 * that. CPUs that mirror the host (host-passthrough, ...) can start anywhere; the agent warns about
 * the rest. NULL: enough nodes have it.
 */
static const char *too_few(struct core *c, const struct cmd_vm_add *add,
                           bool (*has)(const struct cmd_vm_add *, const struct model_node *),
                           const char *element, const char *what, const char *name) {
    uint32_t offered = 0, asked = 0;
    const char *only = "none";
    MODEL_EACH(model_node, node, &c->model.nodes) {
        if (may_run_it(add, node)) {
            bool found = has(add, node);
            only = found ? node->name : only;
            asked++;
            offered += found;
        }
    }
    if (offered >= 2 || offered == asked) {
        return NULL;
    }
    return outbox_text(&c->out,
                       "%s: of the %u node%s that may run the VM, %s %s '%s', so it could not %s",
                       element, asked, asked == 1 ? "" : "s",
                       outbox_text(&c->out, offered ? "only %s" : "%s", only), what, name,
                       offered ? "run again elsewhere" : "run at all");
}

static int request_add(struct core *c, const struct core_request *request) {
    const struct cmd_vm_add *add = request->value;
    const char *hint =
        "choose a CPU model that more of its nodes have (virsh domcapabilities shows a node's)";
    const char *text =
        too_few(c, add, has_cpu, "/domain/cpu/model", "offers the CPU", add->cpu_model);
    if (!text) {
        hint = "install the QEMU of that architecture on its nodes, or choose another";
        text = too_few(c, add, has_arch, "/domain/os/type", "has a QEMU for", add->arch);
    }
    if (!text) {
        hint = "choose one that more of its nodes have (virsh capabilities shows a node's)";
        text =
            too_few(c, add, has_machine, "/domain/os/type", "has the machine type", add->machine);
    }
    for (uint32_t i = 0; !text && i < add->networks.n; i++) {
        struct cmd_vm_add one = *add;
        char words[NETWORK_MAX_WORDS];
        one.networks = (struct wire_strs){.v = &add->networks.v[i], .n = 1};
        network_words(add->networks.v[i], words, sizeof(words));
        hint = "make it there as well, or choose one that more of its nodes have";
        text = too_few(c, &one, has_network, "/domain/devices/interface", "has",
                       outbox_text(&c->out, "%s", words));
    }
    if (text) {
        return refuse(c, request, text, hint);
    }
    struct cmd_vm_add command = *add;
    if (version_of_command(COMMAND_VM_ADD, add) > c->replica.protocol) {
        command.networks = (struct wire_strs){0}; /* older members would not keep them */
    }
    return propose(c, request, &command);
}

/*
 * In a two-node cluster, one node waits until the other is off. The administrator's word that it is
 * off cannot be committed before there is a view, so the executor takes it first. The command
 * follows once there is a view.
 */
static int request_confirm_off(struct core *c, const struct core_request *request) {
    const struct cmd_node_confirm_off *confirm = request->value;
    const struct model_node *node = model_node_by_name(&c->model, confirm->node);
    if (node && executor_waits_for(c, node->id)) {
        if (ids_contain(&c->replica.ring, node->id)) {
            return refuse(c, request,
                          outbox_text(&c->out, "corosync on %s answers: it is not off", node->name),
                          "power it off first");
        }
        executor_note_cleared(c, node->id, true, "an administrator confirmed that it is off");
    }
    return propose(c, request, confirm);
}

static int request_device_add(struct core *c, const struct core_request *request) {
    const char *hint = "";
    const char *message = devices_refusal(&c->model, request->value, &c->out, &hint);
    return message ? refuse(c, request, message, hint) : propose(c, request, request->value);
}

/* The path is proposed in the form in which it is kept: an older version applies the same. */
static int request_volume_add(struct core *c, const struct core_request *request) {
    struct cmd_volume_add add = *(const struct cmd_volume_add *)request->value;
    char path[WIRE_MAX_PATH + 1];
    const char *wrong = volume_path_refusal(add.path, path);
    if (wrong) {
        return refuse(c, request, outbox_text(&c->out, "'%s' %s", add.path, wrong),
                      "give the path at which the volume is mounted on all nodes");
    }
    const struct model_volume *other = volume_at_path(&c->model, path);
    if (other) {
        return refuse(c, request,
                      outbox_text(&c->out,
                                  "volume '%s' is at %s already, which is the same "
                                  "directory as %s",
                                  other->name, other->path, add.path),
                      "give another directory");
    }
    add.path = path;
    return propose(c, request, &add);
}

/* Refuses if the node has devices, but none that may be used. */
static int request_fence(struct core *c, const struct core_request *request) {
    const struct cmd_node_fence *fence = request->value;
    const struct model_node *node = model_node_by_name(&c->model, fence->node);
    const struct model_device *device = node ? model_device_for(&c->model, node->id) : NULL;
    if (!device || devices_count(&c->model, node->id) > 0) {
        return propose(c, request, fence);
    }
    return refuse(
        c, request,
        outbox_text(&c->out, "fence device %s switches one machine, but is for several nodes",
                    device->name),
        "add it again with {node} in a value; or power the node off by hand and confirm-off");
}

int core_request(struct core *c, const struct core_request *request) {
    if (request->kind == REQUEST_DEVICE_TEST) {
        return executor_test_device(c, request);
    }
    if (request->kind == REQUEST_PREDICT) {
        return executor_predict(c, request);
    }
    if (request->kind == REQUEST_OUTLOOK) {
        return outlook_request(c, request->id);
    }
    if (!c->replica.quorate || c->replica.refusal) {
        outbox_reply(&c->out, request->id, REPLY_NO_QUORUM, 0,
                     c->replica.refusal
                         ? c->replica.refusal
                         : "this node is not part of a majority: nothing was changed",
                     "clusterctl status says what is missing; try on a node of the majority");
        return 0;
    }
    switch (request->command) {
    case COMMAND_VM_MOVE: return request_move(c, request);
    case COMMAND_NODE_DRAIN: return request_drain(c, request);
    case COMMAND_VM_ADD: return request_add(c, request);
    case COMMAND_VOLUME_ADD: return request_volume_add(c, request);
    case COMMAND_DEVICE_ADD: return request_device_add(c, request);
    case COMMAND_NODE_FENCE: return request_fence(c, request);
    case COMMAND_NODE_CONFIRM_OFF: return request_confirm_off(c, request);
    default: return propose(c, request, request->value);
    }
}
