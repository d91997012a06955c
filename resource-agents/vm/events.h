/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to one domain while an operation works on it: libvirt's event loop on a thread of
 * its own.
 *
 * For actions that wait for the domain (stop, migrate_from, monitor with wait_job), it replaces
 * polling. For actions that block in a job (migrate_to, save), it also reports progress and cancels
 * the job if the operation is to stop.
 */
#ifndef AGENTS_VM_EVENTS_H
#define AGENTS_VM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <libvirt/libvirt.h>

#include "report.h"

struct operation;

/* Guarded by the operation's lock, except wake_fd. */
struct events {
    uint64_t changes; /* grows with each event */
    bool stopped;     /* the domain is gone from here */
    int stop_detail;  /* enum virDomainEventStoppedDetailType */
    bool closed;      /* the connection broke */
    bool job_done;
    int64_t downtime_ms;    /* of the completed job; -1: not known */
    struct figures figures; /* of it: what libvirt knows of them */
    uint64_t suspended_ms;  /* when the guest last stopped running; 0: it did not */
    uint64_t busy_ms;       /* when an abort first met a switch-over; 0: none did */
    uint64_t near_ms;       /* when an abort first met one that was near; 0: none was */
    bool forbidden;         /* to switch over: an abort waits */
    int wake_fd;
    int press_every_ms;
};

int events_init(struct events *events);

/* Must be called before the connection is opened. -EIO. */
int events_prepare(void);

enum events_mode {
    EVENTS_ONLY,     /* follow the domain */
    EVENTS_WITH_JOB, /* and report the progress of its job, and cancel it when the operation is to
                        stop */
    EVENTS_OF_DISKS, /* follow the domain and its block jobs */
};

/* Begins to follow the operation's domain. 0 or -EIO; libvirt's last error says why. */
int events_start(struct operation *operation, enum events_mode mode);

/*
 * The operation's domain by another connection, for a thread that asks of it while the worker waits
 * for its job. The operation's own one if there is no other. It lives until the process ends.
 */
virDomainPtr events_domain(struct operation *operation);

/*
 * Aborts the job of the operation's domain, but not while a migration switches over, or may be
 * about to. Both were seen with QEMU 7.2 of Debian 12:
 *   - While the guest stands still for the switch-over, QEMU gives its disks away, and an abort can
 *     end the source's QEMU, with the guest in it.
 *   - If an abort meets the very beginning of it, QEMU waits for ever, and the guest stands still.
 * A switch-over ends by itself, and the VM then runs on one side or the other. One that is near is
 * put off (a downtime of 1 ms is permitted), so that most guests get away from it. What is in the
 * way for longer (two seconds; one if it is only near, or less if the operation's time is over) may
 * hang, and is aborted all the same.
 * 0; -EBUSY: ask again after the next event, or soon; -EIO: libvirt refuses.
 */
int events_abort_job(struct operation *operation);

/* Presses the domain's power button, now and then every every_ms, until the domain has stopped. */
void events_press_button(struct operation *operation, int every_ms);

/* Wakes the thread when the operation must stop. Safe at any time, from any thread. */
void events_wake(struct events *events);

#endif
