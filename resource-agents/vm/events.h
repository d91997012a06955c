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

/* A switch-over takes some tens of milliseconds, or as long as it was permitted to. */
enum { EVENTS_SWITCHOVER_MS = 2000 };

/*
 * Aborts the job of the operation's domain, but not while the guest stands still for the
 * switch-over of a migration: QEMU 7.2 gives its disks away in there, and an abort can end the
 * source's QEMU, with the guest in it (seen with Debian 12). The switch-over ends by itself, and
 * the VM then runs on one side or the other. One that takes longer than EVENTS_SWITCHOVER_MS may
 * hang, and is aborted all the same.
 * 0; -EBUSY: it is in there, ask again after the next event, or after that time; -EIO: libvirt
 * refuses.
 */
int events_abort_job(struct operation *operation);

/* Presses the domain's power button, now and then every every_ms, until the domain has stopped. */
void events_press_button(struct operation *operation, int every_ms);

/* Wakes the thread when the operation must stop. Safe at any time, from any thread. */
void events_wake(struct events *events);

#endif
