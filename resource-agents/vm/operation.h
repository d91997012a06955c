/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One operation on one VM: a process with a deadline, which can be cancelled and which always says
 * how it ended.
 *
 * Any call into libvirt may hang, so the thread that keeps these promises makes none:
 *
 *   main thread     waits for SIGTERM, for the deadline and for the worker's end; prints the final
 *                   line. It never calls libvirt.
 *   worker          does the operation with plain blocking calls.
 *   events thread   runs libvirt's event loop, where an action wants it (events.h): it follows the
 *                   domain, reports progress, and cancels a job while the worker is blocked in it.
 *
 * How it ends:
 *
 *   the worker is done        the worker's report.
 *   SIGTERM                   `stop` is set; the worker ends soon and reports the truth.
 *   soft deadline             the same, early enough to abort a migration in an orderly way.
 *   storage hangs             of an operation on files only: if it is cancelled, it ends within a
 *                             second, whatever its worker is blocked in.
 *   deadline                  "unknown", with the name of the step that hangs. The process ends;
 *                             libvirt's state stays as it is.
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

enum stop_reason { STOP_NONE, STOP_CANCELLED, STOP_OUT_OF_TIME, STOP_NOT_CONVERGING };

struct operation {
    const struct params *params;
    char *xml; /* the content of standard input, or NULL */
    size_t xml_len;
    uint64_t started_ms;
    uint64_t soft_deadline_ms; /* from here on nothing new is started */
    uint64_t deadline_ms;

    virConnectPtr conn;
    virDomainPtr domain;
    struct report report; /* owned by the worker until it is done */
    _Atomic(const char *) step;
    atomic_bool destroying;
    atomic_int stop;   /* enum stop_reason */
    bool gated;        /* nothing is changed before operation_may_begin() */
    uint64_t begin_ms; /* the time until then; 0: the usual one */
    bool files_only;   /* works on the files of a VM that is off; never calls libvirt */
    bool own_images;   /* those that the VM starts from: what is late may still write to them */

    pthread_mutex_t lock; /* guards events; each change of events and of stop signals `changed` */
    pthread_cond_t changed;
    struct events events;
    bool begun; /* guarded by the lock, too: the answer of operation_may_begin() */
    int done_fd;
};

/* Runs work on its own thread until the final line is written. Returns the exit code. */
int operation_run(struct operation *operation, void (*work)(struct operation *operation));

/* Names the next step, for the message if it hangs. The text must be static. */
void operation_step(struct operation *operation, const char *step);

/* Stops the operation: its job is aborted. Only the first reason counts. Safe from any thread. */
void operation_stop(struct operation *operation, enum stop_reason stop);

/* Why the operation must stop, or STOP_NONE. */
static inline enum stop_reason operation_stopped(const struct operation *operation) {
    return (enum stop_reason)atomic_load(&operation->stop);
}

/*
 * Waits until something changed since `seen` (a value of events.changes), or stop was set, or
 * due_ms. Call with the lock held. False if the operation is to stop or due_ms has passed.
 */
bool operation_wait(struct operation *operation, uint64_t seen, uint64_t due_ms);

/* The present value of events.changes. Takes the lock itself, as the next two. */
uint64_t operation_changes(struct operation *operation);

/* Waits for a change since `seen`, or so long. False if the operation is to stop. */
bool operation_pause(struct operation *operation, uint64_t seen, uint64_t ms);

/* The same for what cannot be stopped any more: it waits also if the operation is to stop. */
void operation_pause_unstopped(struct operation *operation, uint64_t seen, uint64_t ms);

/*
 * Call this right before the one step that changes something. It returns false and sets the report
 * if the operation is to stop, or if the process that ordered it is gone: its decision may be
 * outdated.
 *
 * If a gated operation ends before this call, its last line says so ("not-begun"): nothing has been
 * changed and nothing will be. An operation that does not get here within some seconds ends by
 * itself: libvirt hangs, and clusterd may have another node.
 */
bool operation_may_begin(struct operation *operation, const char *what);

/* Call this before each change. A gated operation that changed something without asking would carry
 * out a dead clusterd's decision: it ends here with a failed CHECK. */
void operation_check_begun(struct operation *operation);

/* Why the operation stopped: "cancelled" or "its time of N ms was over". */
const char *operation_stop_text(const struct operation *operation);

#endif
