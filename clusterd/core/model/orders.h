/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of orders: all that is to be known of one stands in its row.
 *
 *     NAME      ORDER_NAME. apply/vm_report.c has NAME_reported(), which takes its report
 *     word      for people
 *     action    of the VM agent (resource-agents/vm)
 *     deadline  the setting that says how long the agent may take
 *     from      state that the VM must be in. One in RESOLVING takes the order that resolve_next()
 *               names, whatever stands here
 *     then      state that the order puts it into; RESOLVING stays
 *     copy      where the order makes a copy of the VM: on the node that acts, on its target, or
 *               NOWHERE. That node must be able to take VMs, and no hard rule may forbid it
 *     unbegun   what an agent that never began has left at its node; UNKNOWN: what it reports
 *     lost      what it counts as, if its end is not known and the VM is found nowhere: the node is
 *               AVOIDED, the failure is COUNTED as a crash is, or NOT
 *     mode      of the move that it is a part of, as the operation shows it; AUTO: of none
 *     how       ORDER_WITH_*: what the agent is given besides. ORDER_IS_A_MOVE: it ends when its
 *               operation is cancelled, and its agent outlives clusterd
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
               ON_TARGET, RUNNING, COUNTED, LIVE,  ORDER_IS_A_MOVE)                                \
    /* quick migration, first half; and its second */                                              \
    X(SAVE,    save,    "save",    "save",       save_timeout_ms,    RUNNING,   SAVING,            \
               ON_TARGET, RUNNING, COUNTED, QUICK, ORDER_IS_A_MOVE | ORDER_WITH_STATE_FILE)        \
    X(RESTORE, restore, "restore", "restore",    save_timeout_ms,    SAVED,     RESTORING,         \
               ON_NODE,   OFF,     AVOIDED, AUTO,  ORDER_WITH_DEFINITION | ORDER_WITH_STATE_FILE)  \
    /* say what runs at your place; wait for a job that libvirt still does */                      \
    X(PROBE,   probe,   "probe",   "monitor",    probe_timeout_ms,   RESOLVING, RESOLVING,         \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  ORDER_WITH_WAIT_JOB)                            \
    /* a migration that failed left the source paused */                                           \
    X(RESUME,  resume,  "resume",  "resume",     probe_timeout_ms,   RESOLVING, RESOLVING,         \
               NOWHERE,   UNKNOWN, NOT,     AUTO,  0)
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
    ORDER_IS_A_MOVE = 1u << 4
};

struct order_spec {
    const char *word, *action;
    uint8_t deadline; /* enum setting_id */
    uint8_t from;     /* enum vm_state */
    uint8_t then;     /* enum vm_state */
    uint8_t copy;     /* enum order_copy */
    uint8_t unbegun;  /* enum agent_vm_state */
    uint8_t lost;     /* enum order_lost */
    uint8_t mode;     /* enum move_mode, for the operation; AUTO: it says nothing of it */
    uint8_t how;
};

/* NULL: ORDER_NONE, or a kind that this version does not know. */
const struct order_spec *order_spec(uint8_t kind);
/* Whether it may leave a copy of the VM at the node that acts. */
bool order_makes_copy(uint8_t kind);
/* Whether it ends when its operation is cancelled; its agent outlives clusterd. */
bool order_is_a_move(uint8_t kind);

#endif
