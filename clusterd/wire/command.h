/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands: the entries of the replicated log. Nothing else ever changes the model.
 *
 * A command says what somebody asks for or has seen. Whether it is accepted is decided when it is
 * applied, by the same rules on every node (core/apply/). Fields "by name" come from people (IPC),
 * fields "by id" from clusterd itself.
 */
#ifndef CLUSTERD_WIRE_COMMAND_H
#define CLUSTERD_WIRE_COMMAND_H

#include "wire/move_figures.h"
#include "wire/record.h"

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */

/* ---- membership; made by the replica and by each node for itself ---- */

#define WIRE_FIELDS_view_member(F, S) \
    F(S, U32, node, 0)                \
    F(S, U64, incarnation, 0) /* random number of one run of clusterd on that node */
WIRE_STRUCT(view_member);

#define WIRE_FIELDS_view_node(F, S) /* a node of corosync's configuration */ \
    F(S, U32, id, 0)                \
    F(S, STR, name, WIRE_MAX_NAME)  \
    F(S, U32, votes, 0)
WIRE_STRUCT(view_node);

#define WIRE_FIELDS_cmd_view(F, S)                                                              \
    F(S, U64, epoch, 0)                                                                         \
    F(S, LIST, members, view_member)                                                            \
    F(S, IDS, ring, WIRE_MAX_NODES) /* nodes that corosync sees, with or without a clusterd */  \
    F(S, LIST, nodes, view_node)                                                                \
    F(S, U32, protocol, 0) /* version of the view; 0: the first one */

#define WIRE_FIELDS_report_domain(F, S)  \
    F(S, STR, uuid, WIRE_MAX_NAME)       \
    F(S, U64, generation, 0)             \
    F(S, U8, state, 0) /* enum agent_vm_state */ \
    F(S, STR, machine, WIRE_MAX_NAME) /* machine type that it runs with; "": unknown */
WIRE_STRUCT(report_domain);

#define WIRE_FIELDS_report_order(F, S) \
    F(S, U32, vm, 0)                   \
    F(S, U64, order, 0) /* its log index */
WIRE_STRUCT(report_order);

#define WIRE_FIELDS_cmd_node_report(F, S) /* "here I am, and this runs here": ends JOINING */ \
    F(S, U32, node, 0)                    \
    F(S, U64, incarnation, 0)             \
    F(S, U64, memory_mb, 0)               \
    F(S, U32, cpus, 0)                    \
    F(S, STR, site, WIRE_MAX_NAME)        \
    F(S, STR, rack, WIRE_MAX_NAME)        \
    F(S, U64, watchdog_ms, 0) /* 0: no watchdog is armed there */ \
    F(S, STR, version, WIRE_MAX_NAME)     \
    F(S, STRS, cpu_models, 512)           \
    F(S, LIST, domains, report_domain)    \
    F(S, LIST, orders, report_order) /* that its agents still carry out */ \
    F(S, STRS, machines, 1024) /* machine types: "ARCH/NAME", "ARCH/ALIAS=NAME" */ \
    F(S, STRS, networks, WIRE_MAX_NETWORKS) /* "bridge/br0", "network/lan", "device/eth1" */

#define WIRE_FIELDS_cmd_node_libvirt(F, S) /* libvirt stopped answering, or answers again */ \
    F(S, U32, node, 0)                   \
    F(S, U64, incarnation, 0)            \
    F(S, STR, reason, WIRE_MAX_TEXT) /* "": it answers */

#define WIRE_FIELDS_cmd_node_leave(F, S) /* orderly stop; its VMs were moved or stopped */ \
    F(S, U32, node, 0)                   \
    F(S, U64, incarnation, 0)

/* ---- nodes, asked for by people ---- */

/* An amount of a further resource (hugepages, vGPUs, SR-IOV ports): the node's capacity or the VM's
 * need. */
#define WIRE_FIELDS_resource_amount(F, S) \
    F(S, STR, name, WIRE_MAX_NAME)        \
    F(S, U64, amount, WIRE_MAX_AMOUNT)
WIRE_STRUCT(resource_amount);

#define WIRE_FIELDS_cmd_node_drain(F, S) \
    F(S, STR, node, WIRE_MAX_NAME)       \
    F(S, U64, deadline_ms, WIRE_MAX_DEADLINE_MS) /* from now on; 0: none */

#define WIRE_FIELDS_cmd_node_resume(F, S)                                          \
    F(S, STR, node, WIRE_MAX_NAME)                                                 \
    F(S, U8, failback, 2) /* enum failback */                                      \
    F(S, U8, due, 1) /* the policy's: the hours have come for which VMs waited */

#define WIRE_FIELDS_cmd_node_fence(F, S) F(S, STR, node, WIRE_MAX_NAME)

#define WIRE_FIELDS_cmd_node_confirm_off(F, S) F(S, STR, node, WIRE_MAX_NAME)

#define WIRE_FIELDS_cmd_node_set(F, S) \
    F(S, STR, node, WIRE_MAX_NAME)     \
    F(S, U32, given, 0) /* of NODE_SET_* */ \
    F(S, U32, vms_max, WIRE_MAX_VMS_MAX) /* 0: no limit */ \
    F(S, LIST, resources, resource_amount) /* only those to change; 0: removes it */

/* ---- fencing, by the coordinator ---- */

#define WIRE_FIELDS_cmd_fence_begin(F, S)    \
    F(S, U32, node, 0)                       \
    F(S, U64, incarnation, 0)                \
    F(S, STR, device, WIRE_MAX_NAME)         \
    F(S, U32, by, 0) /* the coordinator; it runs the agent */

#define WIRE_FIELDS_cmd_fence_result(F, S)            \
    F(S, U32, node, 0)                                \
    F(S, U64, incarnation, 0)                         \
    F(S, U64, order, 0) /* index of its FENCE_BEGIN; 0: watchdog */ \
    F(S, U8, evidence, 0) /* enum fence_evidence; NONE: the attempt failed */  \
    F(S, STR, device, WIRE_MAX_NAME)                  \
    F(S, STR, message, WIRE_MAX_TEXT)                 \
    F(S, U8, more, 1) /* the attempt failed; the next device's turn */ \
    F(S, STR, then, WIRE_MAX_NAME + 100) /* with several devices: what follows, in words */

/* ---- VMs, asked for by people ---- */

#define WIRE_FIELDS_cmd_vm_add(F, S)             \
    F(S, STR, name, WIRE_MAX_NAME)               \
    F(S, STR, uuid, WIRE_MAX_NAME)               \
    F(S, STR, xml, WIRE_MAX_XML)                 \
    F(S, U64, memory_mb, 0)                      \
    F(S, U32, vcpus, 0)                          \
    F(S, STR, cpu_mode, WIRE_MAX_NAME)           \
    F(S, STR, cpu_model, WIRE_MAX_NAME)          \
    F(S, STRS, volumes, 64)                      \
    F(S, U32, priority, WIRE_MAX_PRIORITY)                    \
    F(S, STRS, possible, WIRE_MAX_NODES)  /* node names; none = all */ \
    F(S, STRS, preferred, WIRE_MAX_NODES) /* in this order */          \
    F(S, U8, start, 1)                           \
    F(S, LIST, resources, resource_amount) \
    F(S, STR, machine, WIRE_MAX_NAME) /* as in the definition: may be an alias, or "" */ \
    F(S, STR, arch, WIRE_MAX_NAME) \
    F(S, U8, move_policy, 4) /* enum vm_move_policy */ \
    F(S, U8, mobility, 2) /* enum vm_mobility */ \
    F(S, STRS, networks, WIRE_MAX_VM_NETWORKS) /* that its node must have; as in node_report */ \
    F(S, U8, adopt, 1) /* libvirt runs it on one node: it is taken over there as it runs */

#define WIRE_FIELDS_cmd_vm_remove(F, S) \
    F(S, STR, vm, WIRE_MAX_NAME)        \
    F(S, STR, release, WIRE_MAX_NAME) /* node: it runs there, and goes on by itself; "": it is off */

#define WIRE_FIELDS_cmd_vm_start(F, S) \
    F(S, STR, vm, WIRE_MAX_NAME)       \
    F(S, U8, adopt, 1) /* not started, but taken over where libvirt runs it */

#define WIRE_FIELDS_cmd_vm_stop(F, S) \
    F(S, STR, vm, WIRE_MAX_NAME)      \
    F(S, U8, force, 1) /* no ACPI shutdown first */

#define WIRE_FIELDS_cmd_vm_move(F, S)                              \
    F(S, STR, vm, WIRE_MAX_NAME)                                   \
    F(S, STR, to, WIRE_MAX_NAME) /* "": the best possible node */  \
    F(S, U8, mode, 2) /* enum move_mode */                         \
    F(S, U8, cause, 0) /* enum move_cause */                       \
    F(S, U64, serial, 0) /* the policy's: the VM's last change at the decision */ \
    F(S, STR, reason, WIRE_MAX_TEXT) /* the policy's: why, in words */ \
    F(S, U32, max_downtime_ms, WIRE_MAX_DOWNTIME_MS) /* 0: as for the VM */ \
    F(S, U32, bandwidth_mbps, WIRE_MAX_MBPS)         /* 0: the setting */    \
    F(S, U8, if_not_converging, 2) /* enum convergence */ \
    F(S, U8, any, 1) /* "to" was the best node then: another one will do, too */

/* Changes of an existing VM: only what `given` names. */
#define WIRE_FIELDS_cmd_vm_set(F, S)     \
    F(S, STR, vm, WIRE_MAX_NAME)         \
    F(S, U32, given, 0) /* of VM_SET_* */ \
    F(S, U32, priority, WIRE_MAX_PRIORITY)            \
    F(S, U8, auto_start, 1)              \
    F(S, U8, mobility, 2) /* enum vm_mobility */ \
    F(S, STRS, possible, WIRE_MAX_NODES)  \
    F(S, STRS, preferred, WIRE_MAX_NODES) \
    F(S, LIST, resources, resource_amount) /* as of NODE_SET */ \
    F(S, U8, accept_disks, 1) /* the disks in the definition may be used all the same */ \
    F(S, U32, max_downtime_ms, WIRE_MAX_DOWNTIME_MS) /* 0: the setting */ \
    F(S, U8, move_policy, 4) /* enum vm_move_policy */

#define WIRE_FIELDS_storage_file(F, S) /* a file of a VM that is moved */ \
    F(S, STR, disk, WIRE_MAX_NAME) /* as <target dev=>, or "nvram" */     \
    F(S, STR, from, WIRE_MAX_PATH)                                        \
    F(S, STR, to, WIRE_MAX_PATH)                                          \
    F(S, U64, bytes, 0)                                                   \
    F(S, STR, format, WIRE_MAX_NAME) /* of the copy, if it is another one than before */
WIRE_STRUCT(storage_file);

/* The files of a VM are to be moved, as the agent's copy-plan says (resource-agents/vm). */
#define WIRE_FIELDS_cmd_vm_storage(F, S)                                      \
    F(S, STR, vm, WIRE_MAX_NAME)                                              \
    F(S, U64, serial, 0) /* the VM's last change when the plan was made */         \
    F(S, LIST, files, storage_file)                                           \
    F(S, STR, xml, WIRE_MAX_XML) /* the definition afterwards */              \
    F(S, STRS, volumes, 64)      /* names: those that it needs afterwards */

/* A checkpoint of a VM is made, gone back to, or removed; the disks are those that the VM has now,
 * as the agent's checkpoint-plan says. */
#define CHECKPOINT_FIELDS(F, S)                                               \
    F(S, STR, vm, WIRE_MAX_NAME)                                              \
    F(S, U64, serial, 0) /* the VM's last change when the plan was made */    \
    F(S, STR, name, WIRE_MAX_NAME)                                            \
    F(S, STRS, disks, WIRE_MAX_STORAGE_FILES) /* <target dev=> of each, ... */ \
    F(S, STRS, paths, WIRE_MAX_STORAGE_FILES) /* ... and its file */

#define WIRE_FIELDS_cmd_checkpoint_create(F, S) CHECKPOINT_FIELDS(F, S)
#define WIRE_FIELDS_cmd_checkpoint_revert(F, S) CHECKPOINT_FIELDS(F, S)
#define WIRE_FIELDS_cmd_checkpoint_remove(F, S) CHECKPOINT_FIELDS(F, S)

/* ---- VMs, ordered by the coordinator and reported by the nodes ---- */

#define WIRE_FIELDS_cmd_vm_order(F, S)                                                  \
    F(S, U32, vm, 0)                                                                    \
    F(S, U64, generation, 0) /* the VM's generation at the decision */    \
    F(S, U64, serial, 0)     /* the VM's last change then: an order on older facts is refused */ \
    F(S, U8, kind, 0)        /* enum order_kind */                                      \
    F(S, U32, node, 0)       /* who acts */                                             \
    F(S, U32, target, 0)     /* MIGRATE: where to; STOP: where it is to start then */   \
    F(S, U64, operation, 0)  /* 0: none */                                              \
    F(S, STR, reason, WIRE_MAX_TEXT)

#define WIRE_FIELDS_cmd_vm_renew(F, S) /* an order of an earlier epoch is valid in this one too */ \
    F(S, U32, vm, 0)                   \
    F(S, U64, order, 0)

/* A VM has failed on every possible node: it waits. Or it has waited long enough: try again. */
#define WIRE_FIELDS_cmd_vm_retry(F, S) \
    F(S, U32, vm, 0)                   \
    F(S, U64, serial, 0) /* as of VM_ORDER */ \
    F(S, U8, wait, 1)

#define WIRE_FIELDS_cmd_vm_report(F, S) /* how an order ended */ \
    F(S, U32, vm, 0)                    \
    F(S, U64, order, 0)                 \
    F(S, U32, node, 0)                  \
    F(S, U64, incarnation, 0)           \
    F(S, U8, result, 0) /* enum agent_result */   \
    F(S, U8, state, 0)  /* enum agent_vm_state on that node, now */ \
    F(S, U64, blackout_ms, 0)           \
    F(S, U64, total_ms, 0)              \
    F(S, U8, state_lost, 1) /* RESTORE: there is no saved state, or it was used */ \
    F(S, STR, reason, WIRE_MAX_TEXT)    \
    F(S, U8, refused, 1) /* MIGRATE, RESTORE: the target never will take the VM */ \
    F(S, U8, not_begun, 1) /* nothing was changed, nor will be */ \
    F(S, STR, machine, WIRE_MAX_NAME) /* START: as of report_domain */ \
    F(S, U8, handed_over, 1) /* MIGRATE: the target has the VM, still paused */ \
    MOVE_FIGURES(F, S) /* MIGRATE */ \
    F(S, U8, moved_away, 1) /* PROBE of the source: libvirt has given it up for the target */

/* A file that no VM needs any more (model_leftover) is to be removed; and how that went. */
#define WIRE_FIELDS_cmd_leftover_order(F, S) \
    F(S, STR, path, WIRE_MAX_PATH)           \
    F(S, U32, node, 0) /* who acts */

#define WIRE_FIELDS_cmd_leftover_report(F, S) \
    F(S, U64, order, 0)                       \
    F(S, U32, node, 0)                        \
    F(S, U64, incarnation, 0)                 \
    F(S, U8, result, 0) /* enum agent_result */ \
    F(S, STR, reason, WIRE_MAX_TEXT)

#define WIRE_FIELDS_cmd_vm_event(F, S) /* seen by `vm watch`, not ordered by clusterd */ \
    F(S, U32, vm, 0)                   \
    F(S, U32, node, 0)                 \
    F(S, U64, generation, 0)           \
    F(S, U64, incarnation, 0)          \
    F(S, U8, kind, 0) /* enum agent_event */ \
    F(S, STR, reason, WIRE_MAX_TEXT)

/*
 * What a node finds when it is asked about a VM that is being added (model_vm.unasked), and later
 * changes: whether libvirt runs the VM there outside the cluster.
 */
#define WIRE_FIELDS_cmd_vm_claim(F, S) \
    F(S, U32, vm, 0)                   \
    F(S, U32, node, 0)                 \
    F(S, U64, incarnation, 0)          \
    F(S, U8, result, 0) /* enum agent_result; not OK: why the VM cannot be added */ \
    F(S, U8, state, 0)  /* enum agent_vm_state on that node */ \
    F(S, STR, reason, WIRE_MAX_TEXT) /* OK: a remark */

/* ---- volumes, fence devices, settings, operations ---- */

#define WIRE_FIELDS_cmd_volume_add(F, S) \
    F(S, STR, name, WIRE_MAX_NAME)       \
    F(S, STR, path, WIRE_MAX_PATH)

#define WIRE_FIELDS_cmd_volume_remove(F, S) F(S, STR, volume, WIRE_MAX_NAME)

#define WIRE_FIELDS_cmd_volume_health(F, S) /* a node's view of a volume; sent when it changes */ \
    F(S, STR, volume, WIRE_MAX_NAME)        \
    F(S, U32, node, 0)                      \
    F(S, U64, incarnation, 0)               \
    F(S, U8, state, 0) /* enum volume_state */ \
    F(S, STR, nonce, WIRE_MAX_NAME) /* that node's mark in its heartbeat file */ \
    F(S, STR, reason, WIRE_MAX_TEXT)        \
    F(S, IDS, sees, WIRE_MAX_NODES) /* whose heartbeats advance there */

#define WIRE_FIELDS_cmd_device_add(F, S)       \
    F(S, STR, name, WIRE_MAX_NAME)             \
    F(S, STR, agent, WIRE_MAX_NAME)            \
    F(S, STRS, nodes, WIRE_MAX_NODES) /* none = all */ \
    F(S, STRS, keys, 64)                       \
    F(S, STRS, values, 64) /* may be secret: never shown, never logged */

#define WIRE_FIELDS_cmd_device_remove(F, S) F(S, STR, device, WIRE_MAX_NAME)

#define WIRE_FIELDS_cmd_config_set(F, S) \
    F(S, STR, key, WIRE_MAX_NAME)        \
    F(S, STR, value, WIRE_MAX_TEXT)

/* ---- rules of placement ---- */

#define WIRE_FIELDS_cmd_rule_add(F, S)    \
    F(S, STR, name, WIRE_MAX_NAME)        \
    F(S, U8, kind, 0)  /* enum rule_kind */  \
    F(S, U8, scope, 0) /* enum rule_scope */ \
    F(S, U8, hard, 1)                     \
    F(S, U32, weight, WIRE_MAX_WEIGHT) /* 0 means 1 */ \
    F(S, STRS, vms, WIRE_MAX_RULE_VMS)    \
    F(S, STRS, nodes, WIRE_MAX_NODES)

#define WIRE_FIELDS_cmd_rule_remove(F, S) F(S, STR, rule, WIRE_MAX_NAME)

#define WIRE_FIELDS_cmd_operation_cancel(F, S) \
    F(S, U64, operation, 0)                    \
    F(S, U8, late, 1) /* the policy's: the deadline of a drain has passed */

#define WIRE_FIELDS_cmd_operation_end(F, S) /* by the policy: the operation cannot go further */ \
    F(S, U64, operation, 0)                 \
    F(S, U8, state, 0) /* enum operation_state */ \
    F(S, STR, reason, WIRE_MAX_TEXT)

/*
 * The commands. A row declares everything about one command: its struct cmd_NAME, encoder and
 * decoder (from the fields above), its number in the log, the prototype of apply_NAME() and the
 * dispatch. Only WIRE_FIELDS_cmd_NAME above and apply_NAME() in core/apply/ remain to be written.
 *
 * The numbers are written to disk: never change or reuse one.
 *
 * The column after the name is the version of the protocol that added the command (wire/message.h):
 * the command is refused while a member speaks less. A field that was added later has its place in
 * core/model/needed_protocol.c.
 *
 * TAKES_ROOM: after it, VMs may find less room than before. The answer then says whether the
 * reserve still holds (core/policy/reserve.c).
 */
#define WIRE_COMMANDS(X) \
    X(VIEW,             1,  view,             1, 0)          \
    X(NODE_REPORT,      2,  node_report,      1, 0)          \
    X(NODE_LEAVE,       3,  node_leave,       1, 0)          \
    X(NODE_DRAIN,       4,  node_drain,       1, TAKES_ROOM) \
    X(NODE_RESUME,      5,  node_resume,      1, 0)          \
    X(NODE_FENCE,       6,  node_fence,       1, 0)          \
    X(NODE_CONFIRM_OFF, 7,  node_confirm_off, 1, 0)          \
    X(FENCE_BEGIN,      8,  fence_begin,      1, 0)          \
    X(FENCE_RESULT,     9,  fence_result,     1, 0)          \
    X(VM_ADD,           10, vm_add,           1, TAKES_ROOM) \
    X(VM_REMOVE,        11, vm_remove,        1, 0)          \
    X(VM_START,         12, vm_start,         1, TAKES_ROOM) \
    X(VM_STOP,          13, vm_stop,          1, 0)          \
    X(VM_MOVE,          14, vm_move,          1, 0)          \
    X(VM_ORDER,         15, vm_order,         1, 0)          \
    X(VM_RENEW,         16, vm_renew,         1, 0)          \
    X(VM_REPORT,        17, vm_report,        1, 0)          \
    X(VM_EVENT,         18, vm_event,         1, 0)          \
    X(VOLUME_ADD,       19, volume_add,       1, 0)          \
    X(VOLUME_REMOVE,    20, volume_remove,    1, 0)          \
    X(VOLUME_HEALTH,    21, volume_health,    1, 0)          \
    X(DEVICE_ADD,       22, device_add,       1, 0)          \
    X(DEVICE_REMOVE,    23, device_remove,    1, 0)          \
    X(CONFIG_SET,       24, config_set,       1, TAKES_ROOM) \
    X(OPERATION_CANCEL, 25, operation_cancel, 1, 0)          \
    X(OPERATION_END,    26, operation_end,    1, 0)          \
    X(RULE_ADD,         27, rule_add,         2, TAKES_ROOM) \
    X(RULE_REMOVE,      28, rule_remove,      2, 0)          \
    X(VM_SET,           29, vm_set,           2, TAKES_ROOM) \
    X(NODE_SET,         30, node_set,         2, TAKES_ROOM) \
    X(VM_RETRY,         31, vm_retry,         4, 0)          \
    X(VM_CLAIM,         32, vm_claim,         4, 0)          \
    X(NODE_LIBVIRT,     33, node_libvirt,     4, 0)          \
    X(VM_STORAGE,       34, vm_storage,       5, 0)          \
    X(LEFTOVER_ORDER,   35, leftover_order,   5, 0)          \
    X(LEFTOVER_REPORT,  36, leftover_report,  5, 0)          \
    X(CHECKPOINT_CREATE, 37, checkpoint_create, 5, 0)        \
    X(CHECKPOINT_REVERT, 38, checkpoint_revert, 5, 0)        \
    X(CHECKPOINT_REMOVE, 39, checkpoint_remove, 5, 0)

enum { TAKES_ROOM = 1u << 0 };

enum command_type {
#define X(NAME, number, ...) COMMAND_##NAME = number,
    WIRE_COMMANDS(X)
#undef X
};

#define X(NAME, number, command, since, flags) WIRE_STRUCT(cmd_##command);
WIRE_COMMANDS(X)
#undef X
/* clang-format on */

/* Values inside commands. 0 never means something good. */
enum agent_vm_state {
    VM_STATE_UNKNOWN = 0,
    VM_STATE_OFF,
    VM_STATE_RUNNING,
    VM_STATE_PAUSED,
    VM_STATE_INCOMING
};
enum agent_result { RESULT_NONE = 0, RESULT_OK, RESULT_FAILED, RESULT_CANCELLED, RESULT_TIMEOUT };
enum agent_event {
    VM_EVENT_NONE = 0,
    VM_EVENT_STARTED,
    VM_EVENT_STOPPED,  /* destroyed by somebody */
    VM_EVENT_CRASHED,  /* QEMU died or the guest panicked */
    VM_EVENT_SHUTDOWN, /* by the guest itself */
    VM_EVENT_PAUSED,
    VM_EVENT_RESUMED,
    VM_EVENT_MIGRATED,    /* left this node, or was saved */
    VM_EVENT_SURRENDERED, /* destroyed by its own node, which had no usable view */
    VM_EVENT_DISKS /* runs with other disks ("reason") than at its start, or no longer does */
};
enum fence_evidence { EVIDENCE_NONE = 0, EVIDENCE_AGENT, EVIDENCE_WATCHDOG, EVIDENCE_ADMIN };
/* Who wants the VM moved. */
enum move_cause { CAUSE_PERSON = 0, CAUSE_ROOM /* for VMs with no place */, CAUSE_BALANCE };
/* A person may choose up to QUICK; a drain also does the others, as the VM's policy says. */
enum move_mode { MOVE_AUTO = 0, MOVE_LIVE, MOVE_QUICK, MOVE_RESTART, MOVE_SHUT_DOWN };
/* What follows if a guest dirties its memory too fast to be moved live. */
enum convergence {
    CONVERGENCE_DEFAULT = 0 /* the setting */,
    CONVERGENCE_ABORT,
    CONVERGENCE_SUSPEND
};
enum volume_state {
    VOLUME_UNKNOWN = 0,
    VOLUME_OK,
    VOLUME_STALLED,
    VOLUME_FAILED,
    VOLUME_DIFFERENT
};
enum rule_kind { RULE_NONE = 0, RULE_APART, RULE_TOGETHER, RULE_ON, RULE_NOT_ON };
/* For APART and TOGETHER, from narrow to wide: one node is in one rack, one rack in one site. */
enum rule_scope { SCOPE_NONE = 0, SCOPE_NODE, SCOPE_RACK, SCOPE_SITE };
enum vm_mobility {
    MOBILITY_LIVE = 0, /* live where the VM allows it */
    MOBILITY_QUICK,    /* never live: only saved and restored */
    MOBILITY_FIXED     /* stays where it runs */
};
/* Whether a resume brings back the VMs that the drain has moved away. */
enum failback {
    FAILBACK_NOW = 0,
    FAILBACK_NO,    /* they stay where they are */
    FAILBACK_POLICY /* in the hours that the setting failback_hours names */
};
/* What a drain of its node does with the VM. */
enum vm_move_policy {
    MOVE_POLICY_LIVE_OR_QUICK = 0, /* live; quickly if that fails and drain_allow_quick is set */
    MOVE_POLICY_LIVE,              /* live, or it stays */
    MOVE_POLICY_RESTART,           /* shut down, and started on another node */
    MOVE_POLICY_SHUT_DOWN,         /* shut down, and started when the node is resumed */
    MOVE_POLICY_STAY               /* it runs on, and the node does not become empty */
};
enum {
    VM_SET_PRIORITY = 1u << 0,
    VM_SET_AUTO_START = 1u << 1,
    VM_SET_MOBILITY = 1u << 2,
    VM_SET_POSSIBLE = 1u << 3,
    VM_SET_PREFERRED = 1u << 4,
    VM_SET_RESOURCES = 1u << 5,
    VM_SET_ACCEPT_DISKS = 1u << 6,
    VM_SET_MAX_DOWNTIME = 1u << 7,
    VM_SET_MOVE_POLICY = 1u << 8
};
enum { NODE_SET_VMS_MAX = 1u << 0, NODE_SET_RESOURCES = 1u << 1 };
enum operation_state {
    OPERATION_RUNNING = 1,
    OPERATION_DONE,
    OPERATION_FAILED,
    OPERATION_CANCELLED
};

/* The record of a command type; NULL if there is no such command. */
const struct wire_record *command_record(uint32_t type);
const char *command_name(uint32_t type);
/* Whether it may leave less room for VMs. */
bool command_takes_room(uint32_t type);
/* The version of the protocol that added it. */
uint32_t command_since(uint32_t type);

#endif
