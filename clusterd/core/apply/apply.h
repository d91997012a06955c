/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Applying a committed command: the only way in which the model changes.
 *
 * Everything here must come out the same on every node: it looks at the model and the command, at
 * nothing else. A command that makes no sense any more (an order on an older picture, a report of a
 * former clusterd) is refused, which changes nothing; it is no error.
 */
#ifndef CLUSTERD_CORE_APPLY_APPLY_H
#define CLUSTERD_CORE_APPLY_APPLY_H

#include "core/core.h"
#include "core/model/model.h"
#include "core/outbox.h"

#include <stdint.h>

struct apply {
    struct model *m;
    struct outbox *out; /* EVENT and OPERATION actions; texts */
    uint64_t index, epoch, time_ms;
    uint32_t type;
    uint32_t origin;               /* node that sent the command */
    uint64_t incarnation, request; /* its clusterd, and the command's number there */
    /* for the client */
    enum core_reply_code code;
    uint64_t operation;
    const char *message, *hint;
    const char *warning;       /* of what was done and breaks something */
    uint32_t asking;           /* VM_ADD: the nodes are asked about that VM first; 0: it is added */
    struct apply_added *added; /* VMs about which all has been said with this entry */
    int error;                 /* -ENOMEM: the node must stop */
};

/* What its client is told at last. In the outbox's arena. */
struct apply_added {
    uint32_t vm;
    enum core_reply_code code;
    uint64_t operation;
    const char *message, *hint, *warning;
    struct apply_added *next;
};

/* Applies one log entry, whose index must be one above the model's. Result in *ret for the origin's
 * client. */
int apply_entry(struct model *m, uint64_t index, uint64_t epoch, const uint8_t *data, uint32_t size,
                struct outbox *out, struct apply *ret);

/* ---------------------------------------------------------------------- between apply*.c ---- */
typedef void (*apply_fn)(struct apply *a, const void *command);

#define APPLY(NAME) void apply_##NAME(struct apply *a, const void *command)
APPLY(view);
APPLY(node_report);
APPLY(node_leave);
APPLY(node_drain);
APPLY(node_resume);
APPLY(node_fence);
APPLY(node_confirm_off);
APPLY(fence_begin);
APPLY(fence_result);
APPLY(vm_add);
APPLY(vm_remove);
APPLY(vm_start);
APPLY(vm_stop);
APPLY(vm_move);
APPLY(vm_order);
APPLY(vm_renew);
APPLY(vm_report);
APPLY(vm_event);
APPLY(volume_add);
APPLY(volume_remove);
APPLY(volume_health);
APPLY(device_add);
APPLY(device_remove);
APPLY(config_set);
APPLY(operation_cancel);
APPLY(operation_end);
APPLY(rule_add);
APPLY(rule_remove);
APPLY(vm_set);
APPLY(node_set);
APPLY(vm_retry);
APPLY(vm_claim);
APPLY(node_libvirt);

/* Whether the order may be given on this picture; also asked before it is proposed. */
bool order_fits(const struct model *m, const struct model_vm *vm, const struct cmd_vm_order *o);

/* false: refused already. */
bool apply_node_ids(struct apply *a, const struct wire_strs *names, uint32_t *ids);
/* apply/resources.c. Whether what is given may be put into the row's list; false: refused already.
 */
bool apply_good_resources(struct apply *a, const struct wire_list *field,
                          const struct wire_list *given);
void set_resources(struct apply *a, struct wire_list *field, const struct wire_list *given);
/* "vgpu 2, sriov 4" */
const char *apply_resources_text(struct apply *a, const struct wire_list *list);
/* The node's VMs may now need more of what was given than it has. */
void apply_warn_of_resources(struct apply *a, const struct model_node *node,
                             const struct wire_list *given);
/* apply/claim.c. A new VM: the nodes are asked about it, if there are any; else it is added. */
void claims_ask(struct apply *a, struct model_vm *vm);
/* Nodes that were asked have left the view. */
void claims_view(struct apply *a);
/* A node runs nothing any more: nothing foreign either. */
void claims_node_off(struct apply *a, uint32_t node);
/* false: refused already, since the VM is still being added, or runs under libvirt somewhere. */
bool claims_allow(struct apply *a, const struct model_vm *vm);
void begin_vm_operation(struct apply *a, struct model_vm *vm, enum operation_kind kind);
/* A VM is about to be removed: no rule names it any more. */
void rules_forget_vm(struct apply *a, const struct model_vm *vm);
/* false: refused already. */
bool apply_good_name(struct apply *a, const char *what, const char *name);
void apply_refuse(struct apply *a, enum core_reply_code code, const char *message,
                  const char *hint);
void apply_event(struct apply *a, enum severity severity, const char *kind, const char *subject,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Rows own their strings and arrays: these replace them. */
void set_text(struct apply *a, const char **field, const char *text);
void set_ids(struct apply *a, struct wire_ids *field, const uint32_t *v, uint32_t n);
void add_id(struct apply *a, struct wire_ids *field, uint32_t id);
void remove_id(struct apply *a, struct wire_ids *field, uint32_t id);

/* Change the state of a VM; every change of a VM's row goes through one of these or calls
 * vm_touch(). */
void vm_touch(struct apply *a, struct model_vm *vm);
void vm_set_state(struct apply *a, struct model_vm *vm, enum vm_state state);
/* The order that stood is no more. */
void vm_clear_order(struct apply *a, struct model_vm *vm);
/* It runs nowhere: known. */
void vm_set_off(struct apply *a, struct model_vm *vm, const char *reason);
/* Likewise, and its node was what failed: one that is not to start by itself stays down. */
void vm_set_lost(struct apply *a, struct model_vm *vm, const char *reason);
/* Which of its disks are others than its definition's (apply/disks.c). */
void vm_set_disks(struct apply *a, struct model_vm *vm, const char *text);
/* It is OFF and wanted: with such disks it stays down, which is told. */
void vm_hold_by_disks(struct apply *a, struct model_vm *vm);
/* false: refused already, as its definition has older disks. */
bool disks_may_be_accepted(struct apply *a, const char *name);
bool disks_allow(struct apply *a, const struct model_vm *vm);
/* It runs, on `owner`. */
void vm_set_running(struct apply *a, struct model_vm *vm, uint32_t owner);
/* What became of it is not clear: ask. */
void vm_set_resolving(struct apply *a, struct model_vm *vm);
/* Likewise, of the order that stands: it ended without a word. */
void vm_set_unclear(struct apply *a, struct model_vm *vm, const char *reason);
/* Answers of probes are in, or nodes have been fenced: decide. */
void vm_resolve(struct apply *a, struct model_vm *vm);
/* What an alias for its machine type means on nodes that it may run on; "": nothing to say. */
const char *vm_alias_doubt(struct apply *a, const struct model_vm *vm);
/* About to leave its owner. */
void vm_remember_return(struct apply *a, struct model_vm *vm);
/* A node is known to run nothing any more. */
void vms_node_off(struct apply *a, uint32_t node);
/* apply/failure.c: it has failed on that node. */
void vm_count_failure(struct apply *a, struct model_vm *vm, uint32_t node);
/* Something has changed, or somebody has helped: it may be tried everywhere, and its pauses begin
 * anew. */
void vm_forget_failures(struct apply *a, struct model_vm *vm);
/* Likewise, for all that do not run. */
void vms_forget_failures(struct apply *a);

struct model_operation *operation_add(struct apply *a, enum operation_kind kind,
                                      const char *subject);
struct operation_vm *operation_vm_add(struct apply *a, struct model_operation *op,
                                      const struct model_vm *vm);
struct operation_vm *operation_vm_find(struct model_operation *op, uint32_t vm);
void operation_changed(struct apply *a, const struct model_operation *op);
void operation_end(struct apply *a, struct model_operation *op, enum operation_state state,
                   const char *reason);
/* The VM's part in its operation is over. */
/* As operation_vm_end(), but a stop goes on: that is not what it waits for. */
void operation_vm_step(struct apply *a, struct model_vm *vm, enum operation_state state,
                       const char *reason);
void operation_vm_end(struct apply *a, struct model_vm *vm, enum operation_state state,
                      const char *reason);

#endif
