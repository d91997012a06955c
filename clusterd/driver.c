/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver; see driver.h.
 *
 * A zero timer empties the queue, from a clean stack: libqb runs it in the next turn of its loop,
 * before it looks for new input. A burst of messages is queued first and then stepped through in
 * one go, and everything that these steps store goes into one transaction.
 *
 * The core's wakeup is a timerfd on CLOCK_BOOTTIME: a machine that wakes from sleep runs its
 * overdue timers at once. libqb's own timers (CLOCK_MONOTONIC) would wait for the rest of their
 * time.
 */
#include "driver.h"

#include "adapters/clock.h"
#include "adapters/logging.h"
#include "base/check.h"
#include "event_queue.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_IN_A_ROW 512 /* then others in the loop get their turn */

struct driver {
    qb_loop_t *loop;
    struct core *core;
    struct driver_adapters adapters;
    struct event_queue queue;
    qb_loop_timer_handle pump_timer;
    int wakeup_fd;
    uint64_t wakeup_ms; /* the timer's setting; UINT64_MAX: off */
    bool booted;
    bool stepping;
    bool exiting;
    int error;
};

static void pump(void *data);

static void pump_soon(struct driver *d) {
    if (!d->pump_timer && !d->exiting) {
        int error = qb_loop_timer_add(d->loop, QB_LOOP_HIGH, 0, d, pump, &d->pump_timer);
        CHECK(error == 0);
    }
}

void driver_exit(struct driver *d, int error, const char *message) {
    if (d->exiting) {
        return;
    }
    d->exiting = true;
    d->error = error;
    if (error < 0) {
        log_error("clusterd ends: %s", message[0] ? message : strerror(-error));
    } else {
        log_info("clusterd ends%s%s", message[0] ? ": " : "", message);
    }
    qb_loop_stop(d->loop);
}

int driver_error(const struct driver *d) {
    return d->error;
}

bool driver_booted(const struct driver *d) {
    return d->booted;
}

static void post(void *context, const struct core_event *event) {
    struct driver *d = context;
    int error = event_queue_push(&d->queue, event);
    if (error < 0) {
        driver_exit(d, error, "out of memory");
    } else if (d->booted && !d->stepping) {
        pump_soon(d);
    }
}

struct event_sink driver_sink(struct driver *d) {
    return (struct event_sink){.post = post, .context = d};
}

void driver_attach(struct driver *d, const struct driver_adapters *adapters) {
    d->adapters = *adapters;
}

/* ---- actions ---- */

static void tell(enum severity severity, const char *message) {
    switch (severity) {
    case SEVERITY_INFO: log_info("%s", message); break;
    case SEVERITY_WARNING: log_warning("%s", message); break;
    case SEVERITY_ERROR: log_error("%s", message); break;
    }
}

/* What is said again and again is logged ever more seldom: the 1st, 2nd, 4th, 8th ... time. */
static void tell_event(const struct model_event *row) {
    char again[32] = "", by[WIRE_MAX_NAME + 32] = "";
    if ((row->repeated & (row->repeated - 1)) != 0) {
        return;
    }
    if (row->repeated > 0) {
        (void)snprintf(again, sizeof(again), " (repeated %u times)", row->repeated);
    }
    if (row->asker) {
        (void)snprintf(by, sizeof(by), " (asked for by user %llu%s%s)",
                       (unsigned long long)row->asker - 1, row->user[0] ? ", " : "", row->user);
    }
    log_write(row->severity == SEVERITY_INFO      ? LOG_LEVEL_INFO
              : row->severity == SEVERITY_WARNING ? LOG_LEVEL_WARNING
                                                  : LOG_LEVEL_ERROR,
              "event %llu %s %s: %s%s%s", (unsigned long long)row->seq, row->kind, row->subject,
              row->message, by, again);
}

static void act(struct driver *d, const struct core_action *action) {
    const struct driver_adapters *a = &d->adapters;
    switch (action->type) {
    case CORE_ACTION_STORE: sqlite_store_put(a->store, &action->store); break;
    case CORE_ACTION_SEND: corosync_ring_send(a->ring, action->send.data, action->send.size); break;
    case CORE_ACTION_RUN_AGENT: agents_run(a->agents, &action->run_agent); break;
    case CORE_ACTION_KILL_AGENT: agents_kill(a->agents, &action->kill_agent); break;
    case CORE_ACTION_FENCE: fence_run(a->fence, &action->fence); break;
    case CORE_ACTION_REPLY: ipc_server_reply(a->ipc, &action->reply); break;
    case CORE_ACTION_EVENT:
        tell_event(action->event.row);
        ipc_server_event(a->ipc, action->event.row);
        break;
    case CORE_ACTION_OPERATION: ipc_server_operation(a->ipc, action->operation.id); break;
    case CORE_ACTION_PROGRESS: ipc_server_progress(a->ipc, &action->progress); break;
    case CORE_ACTION_LOG: tell(action->log.severity, action->log.message); break;
    case CORE_ACTION_WATCHDOG:
        if (!action->watchdog.feed) {
            watchdog_disarm(a->watchdog);
        } else if (watchdog_feed(a->watchdog) < 0) {
            driver_exit(d, -EPROTO, "the watchdog does not work");
        }
        break;
    case CORE_ACTION_SOLVE: solver_run(a->solver, action->solve.id, action->solve.job); break;
    case CORE_ACTION_EXIT: driver_exit(d, action->exit.error, action->exit.message); break;
    }
}

static void set_wakeup(struct driver *d, uint64_t wakeup_ms) {
    if (wakeup_ms == d->wakeup_ms) {
        return;
    }
    struct itimerspec when = {0};
    if (wakeup_ms != UINT64_MAX) {
        /* 0 would switch the timer off; a time in the past fires at once. */
        when.it_value.tv_sec = (time_t)(wakeup_ms / 1000);
        when.it_value.tv_nsec = (long)(wakeup_ms % 1000) * 1000000 + 1;
    }
    CHECK(timerfd_settime(d->wakeup_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    d->wakeup_ms = wakeup_ms;
}

static int step(struct driver *d, struct core_event *event) {
    struct core_actions actions = {.wakeup_ms = UINT64_MAX};
    CHECK(!d->stepping);
    d->stepping = true;
    event->now_ms = clock_now_ms();
    event->wall_ms = clock_wall_ms();
    int error = core_step(d->core, event, &actions);
    /* Act after an error, too: the core may have said why. */
    for (uint32_t i = 0; i < actions.n && !d->exiting; i++) {
        act(d, &actions.v[i]);
    }
    d->stepping = false;
    if (error < 0) {
        driver_exit(d, error, "");
    } else if (!d->exiting) {
        set_wakeup(d, actions.wakeup_ms);
    }
    return error;
}

/* ---- queue ---- */

static void pump(void *data) {
    struct driver *d = data;
    struct queued_event *queued = NULL;
    d->pump_timer = 0;
    for (int i = 0; i < EVENTS_IN_A_ROW && !d->exiting && (queued = event_queue_pop(&d->queue));
         i++) {
        (void)step(d, &queued->event);
        queued_event_free(queued);
    }
    if (d->queue.first) {
        pump_soon(d);
    }
}

static int32_t on_wakeup(int32_t fd, int32_t revents, void *data) {
    struct driver *d = data;
    uint64_t count = 0;
    (void)revents;
    if (read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
        const struct core_event event = {.type = CORE_EVENT_TIMEOUT,
                                         .timeout = {.due_ms = d->wakeup_ms}};
        d->wakeup_ms = UINT64_MAX; /* it has fired: setting the same time again must work */
        post(d, &event);
    }
    return 0;
}

int driver_boot(struct driver *d, const struct core_boot *boot) {
    struct core_event event = {.type = CORE_EVENT_BOOT, .boot = *boot};
    CHECK(!d->booted);
    d->booted = true;
    int error = step(d, &event);
    if (error == 0) {
        pump_soon(d);
    }
    return error;
}

int driver_create(qb_loop_t *loop, struct core *core, struct driver **ret_driver) {
    struct driver *d = calloc(1, sizeof(*d));
    if (!d) {
        return -ENOMEM;
    }
    d->loop = loop;
    d->core = core;
    d->wakeup_ms = UINT64_MAX;
    event_queue_init(&d->queue);
    d->wakeup_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    int error = d->wakeup_fd < 0
                    ? -errno
                    : qb_loop_poll_add(loop, QB_LOOP_HIGH, d->wakeup_fd, POLLIN, d, on_wakeup);
    if (error < 0) {
        driver_destroy(d);
        return error;
    }
    *ret_driver = d;
    return 0;
}

void driver_destroy(struct driver *d) {
    if (!d) {
        return;
    }
    if (d->pump_timer) {
        (void)qb_loop_timer_del(d->loop, d->pump_timer);
    }
    if (d->wakeup_fd >= 0) {
        (void)qb_loop_poll_del(d->loop, d->wakeup_fd);
        (void)close(d->wakeup_fd);
    }
    event_queue_finish(&d->queue);
    free(d);
}
