/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One operation on one VM: a process with a deadline, that can be cancelled and always says how it
 * ended.
 *
 * Any call into libvirt may hang, so none is made on the thread that keeps the promises:
 *
 *   main thread      waits for SIGTERM, for the deadline and for the worker's end; prints the final
 * line. Never in libvirt. worker           does the operation with plain blocking calls. events
 * thread    (only where an action wants it, events.h) libvirt's event loop: what happens to the
 * domain, progress, and the cancelling of a job while the worker is blocked in it.
 *
 * Ends:  the worker is done -> its report.   SIGTERM -> `stop` is set, the worker ends as soon as
 * it can, and tells the truth. a little before the deadline -> the same, so that a migration can be
 * aborted in an orderly way. the deadline -> "unknown", naming the step that hangs; the process
 * ends, libvirt's state stays what it is.
 */
#ifndef AGENTS_VM_OPERATION_H
#define AGENTS_VM_OPERATION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvirt/libvirt.h>

#include "events.h"
#include "params.h"
#include "report.h"

enum operation_stop { OPERATION_GOES_ON, OPERATION_CANCELLED, OPERATION_OUT_OF_TIME };

struct operation {
    const struct params *params;
    char *xml; /* what came on standard input, or NULL */
    size_t xml_len;
    uint64_t started_ms;
    uint64_t soft_deadline_ms; /* from here on nothing new is begun */
    uint64_t deadline_ms;

    virConnectPtr conn;
    virDomainPtr domain;
    struct report report; /* the worker's until it is done */
    _Atomic(const char *) step;
    atomic_bool destroying;
    atomic_int stop; /* enum operation_stop */
    bool gated;      /* nothing is changed before operation_may_begin() */

    pthread_mutex_t
        lock; /* guards events; `changed` is signalled with each change of it and of stop */
    pthread_cond_t changed;
    struct events events;
    bool begun; /* guarded by the lock, too: operation_may_begin() has said so */
    int done_fd;
};

/* Runs work on a thread of its own and sees it through to the final line. Returns the exit code. */
int operation_run(struct operation *operation, void (*work)(struct operation *operation));

/* Names what is done next, for the message should it hang. The text must be static. */
void operation_step(struct operation *operation, const char *step);

enum operation_stop operation_stopped(const struct operation *operation);

/*
 * Waits until something changed since `seen` (a value of events.changes), or stop was set, or
 * due_ms. Call with the lock held. False if the operation is to stop or due_ms has passed.
 */
bool operation_wait(struct operation *operation, uint64_t seen, uint64_t due_ms);

/*
 * To be asked right before the one step that changes something. False, with the report, if the
 * operation is to stop, or if who ordered it is dead: what it decided may be outdated by now.
 *
 * Of a gated operation that ends before it, the last line says so ("not-begun"): nothing has
 * changed, nor will it. One that does not get there within some seconds ends by itself: libvirt
 * hangs, and whoever ordered it may know another node.
 */
bool operation_may_begin(struct operation *operation, const char *what);

/* Why the operation did not go on, for a reason: "cancelled" or "its time of N ms was over". */
const char *operation_stop_text(const struct operation *operation);

#endif
