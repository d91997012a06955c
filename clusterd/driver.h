/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver: the loop around the core.
 *
 *     adapters ── post ──► queue ──► core_step() ──► actions, in order ──► adapters
 *                             ▲                          │
 *                             └── wakeup timer ◄─────────┘ wakeup_ms
 *
 * Events run one after the other, never one inside another: events that adapters post during
 * actions are queued.
 */
#ifndef CLUSTERD_DRIVER_H
#define CLUSTERD_DRIVER_H

#include "adapters/agents/agents.h"
#include "adapters/corosync/ring.h"
#include "adapters/agents/fence.h"
#include "adapters/ipc/server.h"
#include "adapters/sink.h"
#include "adapters/solver_thread.h"
#include "adapters/store/store.h"
#include "adapters/watchdog.h"
#include "core/core.h"

#include <qb/qbloop.h>
#include <stdbool.h>

struct driver; /* opaque */

/* All of them outlive the last step; the driver owns none. */
struct driver_adapters {
    struct corosync_ring *ring;
    struct sqlite_store *store;
    struct agents *agents;
    struct fence *fence;
    struct ipc_server *ipc;
    struct watchdog *watchdog;
    struct solver *solver;
};

/* -ENOMEM, or an errno of making a timer. */
int driver_create(qb_loop_t *loop, struct core *core, struct driver **ret_driver);
void driver_destroy(struct driver *driver); /* NULL is fine */

struct event_sink driver_sink(struct driver *driver);
/* Before the loop runs. */
void driver_attach(struct driver *driver, const struct driver_adapters *adapters);

/* The core's first event, carried out at once; events posted earlier wait for it. Negative errno:
 * the core cannot start. */
int driver_boot(struct driver *driver, const struct core_boot *boot);
bool driver_booted(const struct driver *driver);

/* Stops the loop. The first call's error and message are kept. */
void driver_exit(struct driver *driver, int error, const char *message);
/* Why the loop was stopped: 0 or a negative errno. */
int driver_error(const struct driver *driver);

#endif
