/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model: the tables that all nodes agree on.
 *
 * Only applying a committed log entry changes them (apply.h), in the same way on every node. A row
 * is a record of the wire (wire/record.h), so a snapshot is simply all rows encoded one after the
 * other.
 *
 * What is NOT here: anything that only one node knows or that changes by itself (time, progress of
 * a migration, usage). Readers outside the core get a const model; only apply/ writes.
 */
#ifndef CLUSTERD_CORE_MODEL_MODEL_H
#define CLUSTERD_CORE_MODEL_MODEL_H

#include "core/model/checkpoints.h"
#include "core/model/journal.h"
#include "core/model/leftover.h"
#include "core/model/operations.h"
#include "core/model/orders.h"
#include "wire/command.h"
#include "wire/record.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A node's membership:
 *
 *                 VIEW without it               FENCE_BEGIN            FENCE_RESULT ok, CONFIRM_OFF
 *     ONLINE ───────────────────────► LOST ───────────────► FENCING ─────────────────► FENCED
 *       ▲  ▲                           │ ▲ owns nothing:       │  attempt failed          │
 *       │  └── NODE_REPORT ── JOINING ◄┴─┼────────────────────-┴── VIEW with it ──────────┤
 *       │                        ▲       └► OFFLINE ◄── NODE_LEAVE                        │
 *       │                        └──────────────┴── VIEW with it ◄────────────────────────┘
 *       └ nothing but its own report of what it runs makes a node ONLINE.
 *
 * SILENT: corosync sees the node but no clusterd answers there (it is being restarted, or hangs):
 * LOST after a grace.
 */
enum node_state {
    NODE_NEVER_SEEN = 0, /* configured, and has not been in any view */
    NODE_JOINING,
    NODE_ONLINE,
    NODE_SILENT,
    NODE_LOST,
    NODE_FENCING,
    NODE_FENCED,
    NODE_OFFLINE
};

enum node_service { SERVICE_ACTIVE = 0, SERVICE_DRAINING, SERVICE_DRAINED };

/*
 * A VM: where its one copy may be. `owner` is the node on which it may run; `generation` grows
 * whenever that changes. It is the log index of the order that made the copy, so that no two copies
 * ever have the same: not even the half copy of a migration that failed and the start after it.
 *
 *         ORDER START         report: runs            ORDER STOP        report: off
 *     OFF ────────────► STARTING ─────────► RUNNING ────────────► STOPPING ────────► OFF
 *      ▲ ▲  report: off    │                │  │  ▲ ▲
 *      │ └─────────────────┘      ORDER SAVE│  │  │ │ report: failed, runs here
 *      │                                    │  │  │ │
 *      │               SAVED ◄─── SAVING ◄──┘  │  │ └─ (of MIGRATING and SAVING)
 *      │                 │                     │  │
 *      │    ORDER RESTORE│        ORDER MIGRATE│  │report: moved (owner = target)
 *      │                 ▼                     ▼  │
 *      │             RESTORING               MIGRATING
 *      │                 │ not clear             │ not clear
 *      │                 ▼                       ▼
 *      └───────────── RESOLVING: PROBE owner and target; then resume, destroy or adopt (resolve.c)
 *
 * Any state but OFF and SAVED becomes RESOLVING when its node's clusterd was restarted in the
 * middle of an order, and OFF when its node has been fenced (a migration: RESOLVING with one
 * answer less to wait for).
 */
enum vm_state {
    VM_OFF = 0, /* no copy anywhere: this is known, not assumed */
    VM_STARTING,
    VM_RUNNING,
    VM_STOPPING,
    VM_MIGRATING,
    VM_SAVING,
    VM_SAVED, /* no copy runs; the guest's state lies on the volume */
    VM_RESTORING,
    VM_RESOLVING
};

enum vm_wanted { WANTED_STOPPED = 0, WANTED_RUNNING };

enum severity { SEVERITY_INFO = 0, SEVERITY_WARNING, SEVERITY_ERROR };

/* clang-format off */
#define WIRE_FIELDS_model_node(F, S)                                                            \
    F(S, U32, id, 0)                                                                            \
    F(S, STR, name, WIRE_MAX_NAME)                                                              \
    F(S, U32, votes, 0)                                                                         \
    F(S, U8, configured, 1) /* in corosync's node list as of the last view */                   \
    F(S, U8, state, 0)                                                                          \
    F(S, U8, service, 0)                                                                        \
    F(S, U64, incarnation, 0)  /* of the clusterd that was last in a view */                    \
    F(S, U64, since_ms, 0)     /* wall clock of the last change of state */                     \
    F(S, U64, since_index, 0)  /* log index of it */                                            \
    F(S, STR, reason, WIRE_MAX_TEXT)                                                            \
    F(S, U64, memory_mb, 0)                                                                     \
    F(S, U32, cpus, 0)                                                                          \
    F(S, STR, site, WIRE_MAX_NAME)                                                              \
    F(S, STR, rack, WIRE_MAX_NAME)                                                              \
    F(S, U64, watchdog_ms, 0)                                                                   \
    F(S, STR, version, WIRE_MAX_NAME)                                                           \
    F(S, STRS, cpu_models, 512)                                                                 \
    F(S, U32, fence_attempts, 0) /* since it was lost */                                        \
    F(S, U64, fence_order, 0)    /* index of the FENCE_BEGIN under way */                       \
    F(S, U32, fence_by, 0)                                                                      \
    F(S, U8, evidence, 0)        /* FENCED: why we may believe it */                            \
    F(S, U8, fence_asked, 1)     /* an administrator asked for it */                            \
    F(S, U64, operation, 0)      /* drain or resume under way */                                \
    F(S, U64, lost_index, 0)     /* log index of the view from which it was missing */          \
    F(S, U64, kept_epoch, 0)     /* its log reached at least this when it last reported, ... */ \
    F(S, U64, kept_index, 0)     /* ... and what is on a disk stays there: see replica.h */     \
    F(S, U32, vms_max, 0)        /* at most so many VMs; 0: no limit */                         \
    F(S, LIST, resources, resource_amount) /* what it has: by name ascending, no amount of 0 */ \
    F(S, STR, libvirt, WIRE_MAX_TEXT)      /* why libvirt does not answer there; "": it does */ \
    F(S, STRS, machines, 1024)   /* machine types, as in cmd_node_report; empty: unknown */     \
    F(S, U8, failback_due, 1)    /* resumed; VMs return once failback_hours lets them */        \
    F(S, STRS, networks, WIRE_MAX_NETWORKS) /* as in cmd_node_report; empty: unknown */
WIRE_STRUCT(model_node);

#define WIRE_FIELDS_vm_stay(F, S)                                                               \
    F(S, STR, node, WIRE_MAX_NAME)  /* which may be gone */                                     \
    F(S, U64, from_ms, 0)           /* wall clock */                                            \
    F(S, U64, until_ms, 0)          /* 0: it is there */                                        \
    F(S, U64, operation, 0)         /* that brought it; 0: none */                              \
    F(S, STR, began, WIRE_MAX_TEXT) /* how it came, and by whom */                              \
    F(S, STR, ended, WIRE_MAX_TEXT) /* why it went; "": it has not */
WIRE_STRUCT(vm_stay);

#define WIRE_FIELDS_model_vm(F, S)                                                                    \
    F(S, U32, id, 0)                                                                                  \
    F(S, STR, name, WIRE_MAX_NAME)                                                                    \
    F(S, STR, uuid, WIRE_MAX_NAME)                                                                    \
    F(S, STR, xml, WIRE_MAX_XML)                                                                      \
    F(S, U64, memory_mb, 0)                                                                           \
    F(S, U32, vcpus, 0)                                                                               \
    F(S, STR, cpu_mode, WIRE_MAX_NAME)                                                                \
    F(S, STR, cpu_model, WIRE_MAX_NAME)                                                               \
    F(S, STRS, volumes, 64)                                                                           \
    F(S, U32, priority, 0)                                                                            \
    F(S, IDS, possible, WIRE_MAX_NODES)                                                               \
    F(S, IDS, preferred, WIRE_MAX_NODES)                                                              \
    F(S, U8, wanted, 0)                                                                               \
    F(S, U8, stop_force, 1)                                                                           \
    F(S, U8, removing, 1)                                                                             \
    F(S, U8, state, VM_RESOLVING)                                                                     \
    F(S, U32, owner, 0)                                                                               \
    F(S, U32, target, 0)       /* MIGRATING, RESOLVING: the other node that may have a copy */        \
    F(S, U64, generation, 0)                                                                          \
    F(S, U64, serial, 0)       /* log index of the last change of this row */                         \
    F(S, U64, since_ms, 0)                                                                            \
    F(S, U8, paused, 1)        /* RUNNING, but the guest is paused (I/O error, a person) */           \
    F(S, U8, order, 0)         /* enum order_kind of the standing order */                            \
    F(S, U64, order_index, 0)  /* its log index: its identity */                                      \
    F(S, U64, order_epoch, 0)                                                                         \
    F(S, U32, order_node, 0)   /* who acts on it */                                                   \
    F(S, U8, probe_owner, 0)   /* RESOLVING: enum agent_vm_state found on owner, target */            \
    F(S, U8, probe_target, 0)                                                                         \
    F(S, STR, state_file, WIRE_MAX_PATH) /* SAVING..RESTORING */                                      \
    F(S, U32, restore_node, 0) /* SAVED, STOPPING for a restart: where it is wanted then */           \
    F(S, U32, return_to, 0)    /* drained away from there; resume brings it back */                   \
    F(S, U64, operation, 0)    /* that moves, starts or stops it */                                   \
    F(S, U32, failures, 0)     /* crashes and failed starts since failures_ms */                      \
    F(S, U64, failures_ms, 0)  /* wall clock of the first of them */                                  \
    F(S, IDS, avoid, WIRE_MAX_NODES) /* where it failed to start, or crashed too often */             \
    F(S, STR, reason, WIRE_MAX_TEXT) /* the last failure, or why it is off */                         \
    F(S, U64, move_generation, 0) /* MIGRATING, RESOLVING: of the copy on the target */               \
    F(S, U8, no_auto_start, 1) /* when its node is lost, it stays down */                             \
    F(S, U8, mobility, 0)      /* enum vm_mobility */                                                 \
    F(S, U64, moved_ms, 0)      /* wall clock: last moved by a person or balance; it stays a while */ \
    F(S, LIST, resources, resource_amount) /* that it needs; as of a node */                          \
    F(S, U8, unclear, 0)       /* RESOLVING: enum order_kind that ended without a result */           \
    F(S, U32, saved_on, 0)     /* SAVING to RESTORING: where it ran; it may go back there */          \
    F(S, U8, waits, 1)         /* it has failed everywhere, and is tried again at: */                 \
    F(S, U64, retry_ms, 0)     /* wall clock of the next attempt, or of the last one, ... */          \
    F(S, U32, retries, 0)      /* which makes so many */                                              \
    F(S, U64, added, 0)        /* log index of its VM_ADD: our copies have no lower generation */     \
    F(S, IDS, unasked, WIRE_MAX_NODES) /* being added: nodes that have not yet answered */            \
    F(S, IDS, foreign, WIRE_MAX_NODES) /* OFF, being adopted: libvirt runs it there by itself */      \
    F(S, STR, other_disks, WIRE_MAX_TEXT) /* disks that differ from its definition; "": none */       \
    F(S, STR, machine, WIRE_MAX_NAME) /* as in the definition: may be an alias, or "" */              \
    F(S, STR, arch, WIRE_MAX_NAME)                                                                    \
    F(S, STR, machine_running, WIRE_MAX_NAME) /* with which it runs or was saved; "": unknown */      \
    F(S, U32, max_downtime_ms, 0) /* longest blackout of a live move; 0: the setting */               \
    F(S, U8, move_policy, 0)   /* enum vm_move_policy */                                              \
    F(S, U32, shut_down_by, 0) /* STOPPING, OFF: by the drain of that node; resume starts it */       \
    F(S, LIST, stays, vm_stay) /* where it ran, oldest first; see apply/stay.c */                     \
    F(S, STRS, networks, WIRE_MAX_VM_NETWORKS) /* bridges and networks that its node must have */     \
    F(S, U8, adopt, 1)         /* the one node in `foreign` is to hand its copy over */               \
    F(S, U8, release, 1)       /* RUNNING..RESOLVING: its owner is to let go of it; see apply/release.c */ \
    F(S, U64, asker, 0)        /* being added: by whom, as in log_command; 0 once it is there */      \
    F(S, STR, user, WIRE_MAX_NAME)
WIRE_STRUCT(model_vm);

#define WIRE_FIELDS_model_volume(F, S) \
    F(S, U32, id, 0)                   \
    F(S, STR, name, WIRE_MAX_NAME)     \
    F(S, STR, path, WIRE_MAX_PATH)
WIRE_STRUCT(model_volume);

#define WIRE_FIELDS_model_health(F, S) /* a volume as one node sees it */ \
    F(S, U32, volume, 0)                                                  \
    F(S, U32, node, 0)                                                    \
    F(S, U8, state, 0)                                                    \
    F(S, STR, nonce, WIRE_MAX_NAME)                                       \
    F(S, STR, reason, WIRE_MAX_TEXT)                                      \
    F(S, U64, since_ms, 0)                                                \
    F(S, IDS, sees, WIRE_MAX_NODES) /* nodes whose heartbeats it sees grow there */
WIRE_STRUCT(model_health);

#define WIRE_FIELDS_model_device(F, S) \
    F(S, STR, name, WIRE_MAX_NAME)     \
    F(S, STR, agent, WIRE_MAX_NAME)    \
    F(S, IDS, nodes, WIRE_MAX_NODES)   \
    F(S, STRS, keys, 64)               \
    F(S, STRS, values, 64)
WIRE_STRUCT(model_device);

#define WIRE_FIELDS_model_setting(F, S) \
    F(S, STR, key, WIRE_MAX_NAME)       \
    F(S, STR, value, WIRE_MAX_TEXT)
WIRE_STRUCT(model_setting);

#define WIRE_FIELDS_operation_vm(F, S)                                                     \
    F(S, U32, vm, 0)                                                                       \
    F(S, STR, name, WIRE_MAX_NAME)                                                         \
    F(S, U32, from, 0)                                                                     \
    F(S, U32, to, 0)                                                                       \
    F(S, U8, mode, 0)                                                                      \
    F(S, U8, state, 0)                                                                     \
    F(S, U64, blackout_ms, 0)                                                              \
    F(S, U64, total_ms, 0)                                                                 \
    F(S, U32, attempts, 0)                                                                 \
    F(S, STR, reason, WIRE_MAX_TEXT)                                                       \
    F(S, IDS, refused, WIRE_MAX_NODES) /* nodes that can never take it: not tried again */ \
    F(S, STR, live_failure, WIRE_MAX_TEXT) /* why its last live move failed */             \
    MOVE_FIGURES(F, S) /* of its last live move */
WIRE_STRUCT(operation_vm);

#define WIRE_FIELDS_model_operation(F, S)                                                \
    F(S, U64, id, 0) /* log index of the command that began it */                        \
    F(S, U8, kind, 0)                                                                    \
    F(S, STR, subject, WIRE_MAX_NAME)                                                    \
    F(S, U32, node, 0) /* drain, resume, fence: that node; move: the target, 0 = best */ \
    F(S, U8, mode, 0)                                                                    \
    F(S, U8, state, 0)                                                                   \
    F(S, U8, cancelled, 1) /* asked for; ends when its orders have */                    \
    F(S, STR, reason, WIRE_MAX_TEXT)                                                     \
    F(S, U64, started_ms, 0)                                                             \
    F(S, U64, ended_ms, 0)                                                               \
    F(S, LIST, vms, operation_vm)                                                        \
    F(S, U8, cause, 0) /* MOVE: enum move_cause */                                       \
    F(S, STR, why, WIRE_MAX_TEXT) /* of one that no person asked for */                  \
    F(S, U32, max_downtime_ms, 0)  /* MOVE: as chosen for it; see cmd_vm_move */         \
    F(S, U32, bandwidth_mbps, 0)                                                         \
    F(S, U8, if_not_converging, 0) \
    F(S, U8, any, 1) /* MOVE: another node than `node` will do, too */                   \
    F(S, U64, deadline_ms, 0) /* DRAIN: wall clock at which it ends; 0: none */          \
    F(S, U8, late, 1)         /* DRAIN: it was cancelled by that */ \
    F(S, U64, asker, 0) /* who asked for it, as in log_command */                        \
    F(S, STR, user, WIRE_MAX_NAME)
WIRE_STRUCT(model_operation);

#define WIRE_FIELDS_model_rule(F, S)                        \
    F(S, STR, name, WIRE_MAX_NAME)                          \
    F(S, U8, kind, 0)                                       \
    F(S, U8, scope, 0) /* of APART and TOGETHER */          \
    F(S, U8, hard, 1)                                       \
    F(S, U32, weight, 0) /* at least 1 */                   \
    F(S, IDS, vms, WIRE_MAX_RULE_VMS)                       \
    F(S, IDS, nodes, WIRE_MAX_NODES) /* of ON and NOT_ON */ \
    F(S, U64, index, 0) /* log index of its creation: no two are the same */
WIRE_STRUCT(model_rule);

#define WIRE_FIELDS_model_event(F, S)                       \
    F(S, U64, seq, 0)                                       \
    F(S, U64, index, 0) /* of the log entry that made it */ \
    F(S, U64, time_ms, 0)                                   \
    F(S, U8, severity, 0)                                   \
    F(S, STR, kind, WIRE_MAX_NAME)                          \
    F(S, STR, node, WIRE_MAX_NAME)                          \
    F(S, STR, subject, WIRE_MAX_NAME)                       \
    F(S, STR, message, WIRE_MAX_TEXT)                       \
    /* since version 5 of the protocol */                   \
    F(S, U32, repeated, 0) /* how often it was said again */ \
    F(S, U64, first_ms, 0) /* when for the first time; 0: not repeated */ \
    F(S, U64, asker, 0) /* who asked for it, as in log_command */ \
    F(S, STR, user, WIRE_MAX_NAME)
WIRE_STRUCT(model_event);
/* clang-format on */

#define MODEL_MAX_EVENTS 2000u    /* the newest are kept */
#define MODEL_MAX_OPERATIONS 200u /* ended ones beyond it are forgotten */
#define MODEL_MAX_VMS 20000u
#define MODEL_MAX_VOLUMES 64u
#define MODEL_MAX_DEVICES 256u
#define MODEL_MAX_RULES 1000u
#define MODEL_MAX_JOURNAL 1000u
#define MODEL_MAX_LEFTOVERS 1000u
#define MODEL_MAX_STAYS 32u /* of each VM; the newest are kept */

/* One table: an array of rows in the order of their creation. Rows move when the array grows: keep
 * ids, not pointers. */
struct model_table {
    const struct wire_record *record;
    void *rows; /* owned, with all that the rows point to */
    uint32_t n;
    uint32_t capacity;
};

/* clang-format off */
#define MODEL_TABLES(X)             \
    X(nodes, model_node)            \
    X(vms, model_vm)                \
    X(volumes, model_volume)        \
    X(health, model_health)         \
    X(devices, model_device)        \
    X(settings, model_setting)      \
    X(operations, model_operation)  \
    X(events, model_event)          \
    X(rules, model_rule) /* since version 2 of the protocol */ \
    X(journal, model_journal)       \
    X(leftovers, model_leftover)    \
    X(checkpoints, model_checkpoint) /* new tables come last; see MODEL_TABLES_WRITTEN */

/* This many tables are always part of a snapshot. Later ones are left out while they are empty, so
 * that a build that does not know them has the same snapshot and the same digest. */
#define MODEL_TABLES_WRITTEN 9u

/* What rows of events say, as numbers: for apply/event_rows.c, which alone uses it. */
struct model_event_keys {
    uint32_t n;    /* rows */
    uint64_t last; /* seq of the last of them */
    uint64_t key[MODEL_MAX_EVENTS];
};

struct model {
#define X(table, type) struct model_table table;
    MODEL_TABLES(X)
#undef X
    uint64_t epoch;         /* of the last applied VIEW */
    uint64_t index;         /* of the last applied entry */
    uint64_t last_event;    /* seq */
    uint32_t last_vm;       /* ids are never used twice */
    uint32_t last_volume;
    struct wire_ids members; /* of that view, ascending; owned */
    uint32_t protocol; /* the version that the view speaks; 0: the lowest of all
                          (core/model/needed_protocol.h) */
    uint32_t needs;    /* protocol version that introduced its newest part; 0: the lowest */
    uint32_t speaks;   /* not replicated: of this clusterd */
    struct model_event_keys event_keys; /* nor is this, which follows from the events */
};
/* clang-format on */

/* Loops over the rows of a table, in order:  MODEL_EACH(model_vm, vm, &model->vms) { ... } */
#define MODEL_EACH(type, row, table)                                                        \
    for (const struct type *row = (table)->rows, *row##_end = row ? row + (table)->n : row; \
         row != row##_end; row++)

void model_init(struct model *m);
void model_finish(struct model *m);

/* Appends a zeroed row; strings are "". NULL when memory has run out. Valid until the table
 * grows. */
void *model_add(struct model_table *table);
void model_remove(struct model_table *table, const void *row);
/* The row that a look-up found, writable; NULL stays NULL. For apply/, which alone changes the
 * model, and for code that builds a model of its own (snapshots, tests). */
void *model_row(const struct model_table *table, const void *found);

const struct model_node *model_node_by_id(const struct model *m, uint32_t id);
const struct model_node *model_node_by_name(const struct model *m, const char *name);
const struct model_vm *model_vm_by_id(const struct model *m, uint32_t id);
const struct model_vm *model_vm_by_name(const struct model *m, const char *name);
const struct model_vm *model_vm_by_uuid(const struct model *m, const char *uuid);
const struct model_volume *model_volume_by_name(const struct model *m, const char *name);
const struct model_health *model_health_of(const struct model *m, uint32_t volume, uint32_t node);
const struct model_device *model_device_by_name(const struct model *m, const char *name);
/* A device that serves the node; NULL if there is none. fence_devices.h says in which order they
 * are tried and which are never used. */
const struct model_device *model_device_for(const struct model *m, uint32_t node);
const struct model_rule *model_rule_by_name(const struct model *m, const char *name);
/* For messages only: its definition names a TPM. */
bool model_vm_has_tpm(const struct model_vm *vm);
/* NULL: nothing is under way for the VM. */
const struct model_journal *model_journal_of_vm(const struct model *m, uint32_t vm);
/* QEMU is copying the VM's disks, or stands still on the copies: it must stay where it is, and
 * nobody but the move's next order may let it go on. */
bool model_vm_is_bound(const struct model *m, const struct model_vm *vm);
/* It must stay where it is: bound, or to be released there. */
bool model_vm_is_held(const struct model *m, const struct model_vm *vm);
/* It was cancelled, or something else has ended its story, such as libvirt's word that it runs the
 * VM. */
bool model_journal_is_called_off(const struct model *m, const struct model_journal *row);
/* All of those volumes are there, as far as the node sees. */
bool model_node_sees_volumes(const struct model *m, uint32_t node, const struct wire_strs *names);
/* Why a storage move that is to go on is nobody's work now; NULL if it is, or soon will be. */
const char *model_journal_waits(const struct model *m, const struct model_journal *row);
/* Whether the node carries out an order that works on files alone: they are a VM's, so it counts as
 * a node that runs one. */
bool model_node_works_on_files(const struct model *m, uint32_t node);
const struct model_operation *model_operation_by_id(const struct model *m, uint64_t id);

/* "n2", or "node 7" if the model does not know it. Valid until the next call with the same id
 * changes the model. */
const char *model_node_name(const struct model *m, uint32_t id);
bool ids_contain(const struct wire_ids *ids, uint32_t id);
/* The node's name replaces "{node}" in a fence device's values; see adapters. */

/* The lowest id of the view: the member that decides. 0 before any view. */
uint32_t model_coordinator(const struct model *m);
/* Nothing is in progress, and no missing node may still come back (model/calm.c). */
bool model_is_calm(const struct model *m);
/* Whether a copy of the VM may be on the node: safety rests on this one question. */
bool model_vm_may_run_on(const struct model_vm *vm, uint32_t node);
/* Whether losing the node without warning leaves a VM's state unknown, so that the node must be
 * fenced. */
bool model_node_holds_vms(const struct model *m, uint32_t node);
/* Whether the node has nothing but VMs whose state depends on its libvirt, which does not answer.
 * Fencing such a node costs nobody anything and settles the question. */
bool model_node_is_stuck(const struct model *m, const struct model_node *node);

/* The cluster did not make the copy of this generation: somebody runs the VM under libvirt. */
bool model_vm_is_foreign(const struct model_vm *vm, uint64_t generation);

const char *node_state_name(uint8_t state);
const char *vm_state_name(uint8_t state);
const char *operation_kind_name(uint8_t kind);
const char *operation_state_name(uint8_t state);
const char *volume_state_name(uint8_t state);
const char *severity_name(uint8_t severity);
const char *evidence_name(uint8_t evidence);
const char *order_kind_name(uint8_t kind);
const char *move_mode_name(uint8_t mode);
const char *move_cause_name(uint8_t cause);
const char *rule_kind_name(uint8_t kind);
const char *rule_scope_name(uint8_t scope);
const char *vm_mobility_name(uint8_t mobility);
const char *vm_move_policy_name(uint8_t policy);
const char *failback_name(uint8_t failback);
const char *convergence_name(uint8_t convergence);

/* All rows and counters as bytes, the same on every node for the same history. */
void model_encode(const struct model *m, struct buffer *out);
/* Into an initialised, empty model. -EBADMSG, -ENOMEM: the model stays empty. */
int model_decode(struct model *m, const uint8_t *data, size_t size);
/*
 * A digest over everything but possible secrets: fence devices' values and VMs' definitions. So a
 * log without its secrets (the flight recorder's, adapters/redact.h) replays to the digest of the
 * node that wrote it. The skipped fields influence no decision, and the log's hash chain, which
 * covers every byte, still catches divergence in them. (A digest that covered a password would let
 * an attacker brute-force it.)
 */
uint64_t model_digest(const struct model *m);
/*
 * The digest that nodes compare while they run (replica/same_model.c). It is the same in every
 * build that applies alike, whatever other fields its rows have and however it words messages.
 * Never 0. It takes a tenth of the time of model_digest().
 */
uint64_t model_check_digest(const struct model *m);

#endif
