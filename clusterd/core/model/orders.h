/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of orders. A row holds all facts about one kind.
 *
 *     NAME      ORDER_NAME. apply/vm_report.c has NAME_reported(), which handles its report
 *     word      for people
 *     action    of the VM agent (resource-agents/vm)
 *     deadline  the setting that says how long the agent may take
 *     from      state that the VM must be in. In RESOLVING it takes the order that resolve_next()
 *               names, whatever this says
 *     then      state that the order puts it into; RESOLVING stays
 *     copy      where the order makes a copy of the VM: on the node that acts, on its target, or
 *               NOWHERE. That node must be able to take VMs, and no hard rule may forbid it
 *     unbegun   state of the VM on the node if the agent never began; UNKNOWN: what it reports
 *     lost      if the order's end is not known and the VM is found nowhere: the node is AVOIDED,
 *               the failure is COUNTED like a crash, or NOT
 *     mode      of the move that it is part of, as the operation shows it; AUTO: no move
 *     how       ORDER_WITH_*: what else the agent is given. ORDER_CANCELS: it ends when its
 *               operation is cancelled. ORDER_OUTLIVES: its agent outlives clusterd.
 *               ORDER_ON_FILES: it works on the VM's files alone, and does not change the VM's
 *               state; `from` and `then` say nothing, apply/storage.c says when it fits.
 *               ORDER_BY_OWNER: only the VM's owner can do it, for it works on its QEMU
 *
 * The numbers are written to disk: a new kind is appended.
 */
#ifndef CLUSTERD_CORE_MODEL_ORDERS_H
#define CLUSTERD_CORE_MODEL_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define ORDER_KINDS(X)                                                                             \
  /*  NAME     name     word       action        deadline            from       then      */       \
  /*           copy       unbegun  lost     mode   how                                    */       \
    X(START,   start,   "start",   "start",      start_timeout_ms,   OFF,       STARTING,          \
               ON_NODE,   OFF,     AVOIDED, AUTO,  ORDER_WITH_DEFINITION)                          \
    /* ACPI shutdown, destroy at the deadline */                                                   \
    X(STOP,    stop,    "stop",    "stop",       probe_timeout_ms,   RUNNING,   STOPPING,          \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  ORDER_WITH_GRACE)                               \
    /* at once */                                                                                  \
    X(DESTROY, destroy, "destroy", "destroy",    probe_timeout_ms,   RUNNING,   STOPPING,          \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  0)                                              \
    /* live, by the source */                                                                      \
    X(MIGRATE, migrate, "migrate", "migrate_to", migrate_timeout_ms, RUNNING,   MIGRATING,         \
               ON_TARGET, RUNNING, COUNTED, LIVE,  ORDER_CANCELS | ORDER_OUTLIVES)                 \
    /* quick migration, first half and second half */                                              \
    X(SAVE,    save,    "save",    "save",       save_timeout_ms,    RUNNING,   SAVING,            \
               ON_TARGET, RUNNING, COUNTED, QUICK,                                                 \
               ORDER_CANCELS | ORDER_OUTLIVES | ORDER_WITH_STATE_FILE)                             \
    X(RESTORE, restore, "restore", "restore",    save_timeout_ms,    SAVED,     RESTORING,         \
               ON_NODE,   OFF,     AVOIDED, AUTO,  ORDER_WITH_DEFINITION | ORDER_WITH_STATE_FILE)  \
    /* report what runs here; wait for a job that libvirt still does */                            \
    X(PROBE,   probe,   "probe",   "monitor",    probe_timeout_ms,   RESOLVING, RESOLVING,         \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  ORDER_WITH_WAIT_JOB)                            \
    /* a migration that failed left the source paused */                                           \
    X(RESUME,  resume,  "resume",  "resume",     probe_timeout_ms,   RESOLVING, RESOLVING,         \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  0)                                              \
    /* a storage move: its files are copied; the copies are removed; the originals are removed */  \
    X(COPY,    copy,    "copy of the files", "copy", storage_timeout_ms, OFF, OFF,                 \
               NOWHERE,   OFF,     NOT,     AUTO,  ORDER_ON_FILES | ORDER_CANCELS)                 \
    X(UNDO,    undo,    "removal of the copies", "copy-undo", start_timeout_ms, OFF, OFF,           \
               NOWHERE,   OFF,     NOT,     AUTO,  ORDER_ON_FILES)                                 \
    X(FINISH,  finish,  "removal of the originals", "copy-finish", start_timeout_ms, OFF, OFF,      \
               NOWHERE,   OFF,     NOT,     AUTO,  ORDER_ON_FILES)                                 \
    /* the same of a VM that runs: QEMU copies, and stands still on the copies; it goes on */      \
    X(MIRROR,  mirror,  "mirroring of the disks", "mirror", storage_timeout_ms, RUNNING, RUNNING,  \
               NOWHERE,   UNKNOWN, NOT,     AUTO,                                                  \
               ORDER_ON_FILES | ORDER_CANCELS | ORDER_BY_OWNER)                                    \
    X(CONTINUE, continue, "continuing on the copies", "mirror-continue", probe_timeout_ms, RUNNING, RUNNING,\
               NOWHERE,   UNKNOWN, NOT,     AUTO,  ORDER_ON_FILES | ORDER_BY_OWNER)                \
    /* checkpoints of a VM that is off, and of one that runs */                                    \
    X(CHECKPOINT, checkpoint, "checkpoint", "checkpoint", start_timeout_ms, OFF, OFF,              \
               NOWHERE,   OFF,     NOT,     AUTO,  ORDER_ON_FILES)                                 \
    X(REVERT,  revert,  "return to a checkpoint", "checkpoint-revert", storage_timeout_ms, OFF, OFF,\
               NOWHERE,   OFF,     NOT,     AUTO,  ORDER_ON_FILES)                                 \
    X(FORGET,  forget,  "removal of a checkpoint", "checkpoint-remove", storage_timeout_ms, OFF, OFF,\
               NOWHERE,   OFF,     NOT,     AUTO,  ORDER_ON_FILES)                                 \
    X(CHECKPOINT_LIVE, checkpoint_live, "checkpoint of the running VM", "checkpoint-live",         \
               start_timeout_ms, RUNNING, RUNNING, NOWHERE, UNKNOWN, NOT, AUTO,                    \
               ORDER_ON_FILES | ORDER_BY_OWNER)                                                    \
    X(FORGET_LIVE, forget_live, "removal of a checkpoint of the running VM",                       \
               "checkpoint-remove-live", start_timeout_ms, RUNNING, RUNNING, NOWHERE, UNKNOWN, NOT, AUTO,\
               ORDER_ON_FILES | ORDER_BY_OWNER)                                                    \
    /* what libvirt runs by itself becomes the cluster's copy; it does not notice */               \
    X(ADOPT,   adopt,   "adoption", "adopt",     start_timeout_ms,   OFF,       STARTING,          \
               ON_NODE,   UNKNOWN, NOT,     AUTO,  ORDER_WITH_DEFINITION)                          \
    /* the reverse: libvirt keeps it, and it runs on */                                            \
    X(RELEASE, release, "release", "release",    start_timeout_ms,   RUNNING,   STOPPING,          \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  ORDER_WITH_DEFINITION)
/* clang-format on */

enum order_kind {
    ORDER_NONE = 0,
#define X(NAME, ...) ORDER_##NAME,
    ORDER_KINDS(X)
#undef X
};

enum order_copy { COPY_NOWHERE = 0, COPY_ON_NODE, COPY_ON_TARGET };
enum order_lost { LOST_NOT = 0, LOST_AVOIDED, LOST_COUNTED };
enum {
    ORDER_WITH_DEFINITION = 1u << 0, /* on its standard input */
    ORDER_WITH_STATE_FILE = 1u << 1,
    ORDER_WITH_GRACE = 1u << 2, /* stop_grace_ms, which it gets on top of its deadline */
    ORDER_WITH_WAIT_JOB = 1u << 3,
    ORDER_CANCELS = 1u << 4,
    ORDER_OUTLIVES = 1u << 5,
    ORDER_ON_FILES = 1u << 6,
    ORDER_BY_OWNER = 1u << 7
};

struct order_spec {
    const char *word, *action;
    uint8_t deadline; /* enum setting_id */
    uint8_t from;     /* enum vm_state */
    uint8_t then;     /* enum vm_state */
    uint8_t copy;     /* enum order_copy */
    uint8_t unbegun;  /* enum agent_vm_state */
    uint8_t lost;     /* enum order_lost */
    uint8_t mode;     /* enum move_mode, for the operation; AUTO: it shows none */
    uint8_t how;      /* ORDER_* above */
};

/* NULL: ORDER_NONE, or a kind that this version does not know. */
const struct order_spec *order_spec(uint8_t kind);
/* Whether it may leave a copy of the VM on the node that acts. */
bool order_makes_copy(uint8_t kind);
bool order_cancels(uint8_t kind);  /* ends when its operation is cancelled */
bool order_outlives(uint8_t kind); /* its agent outlives clusterd */
bool order_on_files(uint8_t kind); /* works on the VM's files alone */
bool order_by_owner(uint8_t kind); /* and on its QEMU */

#endif
