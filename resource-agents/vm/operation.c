/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One operation on one VM. See operation.h. */
#include "operation.h"

#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "../shared/jsonl.h"
#include "../shared/ocf.h"

/* An operation gets this long before its deadline to end by itself: a tenth of its time within
 * these bounds. */
enum { SOFT_MARGIN_MIN_MS = 50, SOFT_MARGIN_MAX_MS = 3000 };
/* The requests to libvirt before the changing step take milliseconds. An operation that must stop
 * before that step gets a moment for its own final report. */
enum { BEGIN_MS = 10000, LAST_WORD_MS = 300 };
/* An operation on files that is cancelled gets so long to remove what it made. It may break off
 * anywhere and be repeated, so there is no need to wait until the deadline. */
enum { CANCEL_FILES_MS = 800 };

struct job {
    struct operation *operation;
    void (*work)(struct operation *operation);
};

static void *worker_main(void *data) {
    struct job *job = data;
    uint64_t one = 1;

    job->work(job->operation);
    while (write(job->operation->done_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    return NULL;
}

void operation_step(struct operation *operation, const char *step) {
    atomic_store(&operation->step, step);
}

const char *operation_stop_text(const struct operation *operation) {
    switch (operation_stopped(operation)) {
    case STOP_NONE: return "not stopped";
    case STOP_CANCELLED: return "cancelled";
    case STOP_OUT_OF_TIME: return "its time was over";
    case STOP_NOT_CONVERGING: return "it does not converge";
    }
    return "stopped";
}

bool operation_may_begin(struct operation *operation, const char *what) {
    const char *name = operation->params->name;

    bool reader_gone = jsonl_reader_gone();
    pthread_mutex_lock(&operation->lock);
    enum stop_reason stop = operation_stopped(operation);
    operation->begun = operation->begun || (stop == STOP_NONE && !reader_gone);
    pthread_mutex_unlock(&operation->lock);
    switch (stop) {
    case STOP_CANCELLED:
        report_set(&operation->report, VM_CANCELLED, "%s on %s: %s was cancelled before it started",
                   name, ocf_node(), what);
        return false;
    case STOP_OUT_OF_TIME:
        report_set(&operation->report, VM_FAILED, "%s on %s: no time was left for %s", name,
                   ocf_node(), what);
        return false;
    case STOP_NOT_CONVERGING: /* of a migration that runs, so after this */
    case STOP_NONE: break;
    }
    if (reader_gone) {
        report_set(&operation->report, VM_CANCELLED,
                   "%s on %s: %s did not start, because clusterd has ended", name, ocf_node(),
                   what);
        return false;
    }
    return true;
}

void operation_check_begun(struct operation *operation) {
    pthread_mutex_lock(&operation->lock);
    bool begun = operation->begun;
    pthread_mutex_unlock(&operation->lock);
    CHECK(!operation->gated || begun);
}

/* False at due_ms. Each change of the events, and of `stop`, ends a round. */
static bool wait_once(struct operation *operation, uint64_t due_ms) {
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                           .tv_nsec = (long)(due_ms % 1000) * 1000000};

    return pthread_cond_timedwait(&operation->changed, &operation->lock, &due) != ETIMEDOUT;
}

bool operation_wait(struct operation *operation, uint64_t seen, uint64_t due_ms) {
    CHECK(pthread_mutex_trylock(&operation->lock) == EBUSY); /* the caller holds it */
    while (operation->events.changes == seen && operation_stopped(operation) == STOP_NONE) {
        if (!wait_once(operation, due_ms)) {
            return false;
        }
    }
    return operation_stopped(operation) == STOP_NONE && ocf_now_ms() < due_ms;
}

uint64_t operation_changes(struct operation *operation) {
    pthread_mutex_lock(&operation->lock);
    uint64_t changes = operation->events.changes;
    pthread_mutex_unlock(&operation->lock);
    return changes;
}

bool operation_pause(struct operation *operation, uint64_t seen, uint64_t ms) {
    pthread_mutex_lock(&operation->lock);
    (void)operation_wait(operation, seen, ocf_now_ms() + ms);
    pthread_mutex_unlock(&operation->lock);
    return operation_stopped(operation) == STOP_NONE;
}

void operation_pause_unstopped(struct operation *operation, uint64_t seen, uint64_t ms) {
    uint64_t due_ms = ocf_now_ms() + ms;

    pthread_mutex_lock(&operation->lock);
    while (operation->events.changes == seen && wait_once(operation, due_ms)) {
    }
    pthread_mutex_unlock(&operation->lock);
}

void operation_stop(struct operation *operation, enum stop_reason stop) {
    int expected = STOP_NONE;

    if (!atomic_compare_exchange_strong(&operation->stop, &expected, (int)stop)) {
        return; /* the first reason counts */
    }
    pthread_mutex_lock(&operation->lock);
    pthread_cond_broadcast(&operation->changed);
    pthread_mutex_unlock(&operation->lock);
    events_wake(&operation->events);
}

/* It has changed nothing, and will change nothing once it must stop. */
static bool has_changed_nothing(struct operation *operation) {
    pthread_mutex_lock(&operation->lock);
    bool begun = operation->begun;
    pthread_mutex_unlock(&operation->lock);
    return operation->gated && !begun;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t next_due(struct operation *operation, uint64_t stopped_ms) {
    bool idle = has_changed_nothing(operation);

    if (operation_stopped(operation) == STOP_NONE) {
        uint64_t begin_ms = operation->begin_ms != 0 ? operation->begin_ms : BEGIN_MS;
        uint64_t begin_by_ms = operation->started_ms + begin_ms;
        return idle ? earlier(begin_by_ms, operation->soft_deadline_ms)
                    : operation->soft_deadline_ms;
    }
    if (idle) {
        return earlier(stopped_ms + LAST_WORD_MS, operation->deadline_ms);
    }
    return operation->files_only && operation_stopped(operation) == STOP_CANCELLED
               ? earlier(stopped_ms + CANCEL_FILES_MS, operation->deadline_ms)
               : operation->deadline_ms;
}

/* Returns 0 when the worker is done, -ETIMEDOUT when it did not end in time. */
static int supervise(struct operation *operation, int signal_fd) {
    uint64_t stopped_ms = 0;

    for (;;) {
        struct pollfd fds[] = {{.fd = operation->done_fd, .events = POLLIN},
                               {.fd = signal_fd, .events = POLLIN}};
        uint64_t now = ocf_now_ms();
        bool goes_on = operation_stopped(operation) == STOP_NONE;
        uint64_t due = next_due(operation, stopped_ms);
        if (now >= operation->deadline_ms || (!goes_on && now >= due)) {
            return -ETIMEDOUT;
        }
        if (now >= due) {
            operation_stop(operation, STOP_OUT_OF_TIME);
            stopped_ms = now;
            continue;
        }
        if (poll(fds, 2, (int)(due - now)) < 0 && errno != EINTR) {
            return -errno;
        }
        if ((fds[0].revents & POLLIN) != 0) {
            return 0;
        }
        if ((fds[1].revents & POLLIN) != 0) {
            struct signalfd_siginfo info;
            if (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                operation_stop(operation, STOP_CANCELLED);
                stopped_ms = stopped_ms == 0 ? ocf_now_ms() : stopped_ms;
            }
        }
    }
}

static int prepare(struct operation *operation, sigset_t *ret_signals) {
    pthread_condattr_t attr;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    /* Blocked before any thread exists: none of libvirt's threads gets them. */
    int r = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (r != 0) {
        return -r;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&operation->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&operation->lock, NULL);
    operation->done_fd = eventfd(0, EFD_CLOEXEC);
    if (operation->done_fd < 0) {
        return -errno;
    }
    r = events_init(&operation->events);
    if (r < 0) {
        return r;
    }
    *ret_signals = signals;
    return 0;
}

static void set_deadlines(struct operation *operation) {
    uint64_t timeout_ms = operation->params->timeout_ms;
    uint64_t margin = timeout_ms / 10;

    margin = margin < SOFT_MARGIN_MIN_MS ? SOFT_MARGIN_MIN_MS : margin;
    margin = margin > SOFT_MARGIN_MAX_MS ? SOFT_MARGIN_MAX_MS : margin;
    operation->deadline_ms = operation->started_ms + timeout_ms;
    operation->soft_deadline_ms =
        operation->deadline_ms - (margin < timeout_ms ? margin : timeout_ms);
}

/* Of an operation on files. They are left for its repetition, or for copy-undo. */
static struct report late_files_report(struct operation *operation) {
    bool cancelled = operation_stopped(operation) == STOP_CANCELLED;
    bool idle = has_changed_nothing(operation);
    struct report late = {.state = operation->own_images && !idle ? AGENT_VM_UNKNOWN : AGENT_VM_OFF,
                          .blackout_ms = -1,
                          .detail = idle ? REPORT_NOT_BEGUN : NULL};
    const char *left = operation->own_images ? "its disks may still be written to"
                                             : "its files may stay for a while";

    report_set(&late, cancelled ? VM_CANCELLED : VM_FAILED,
               "%s on %s: %s%s: no answer from the storage for %llu ms while %s; check whether "
               "it hangs",
               operation->params->name, ocf_node(),
               idle        ? "nothing was started"
               : cancelled ? "cancelled, "
                           : "its time is over, ",
               idle ? "" : left, (unsigned long long)(ocf_now_ms() - operation->started_ms),
               atomic_load(&operation->step));
    return late;
}

/* The worker still owns its report and may write to it: use another one. */
static struct report late_report(struct operation *operation) {
    struct report late = {.result = VM_FAILED,
                          .state = AGENT_VM_UNKNOWN,
                          .blackout_ms = -1,
                          .exit_code = OCF_ERR_GENERIC};
    const char *name = operation->params->name;
    unsigned long long ms = ocf_now_ms() - operation->started_ms;

    if (has_changed_nothing(operation)) {
        bool cancelled = operation_stopped(operation) == STOP_CANCELLED;
        report_set(&late, cancelled ? VM_CANCELLED : VM_FAILED,
                   "%s on %s: nothing was started: no answer from libvirt (%s) for %llu ms while "
                   "%s; check whether libvirtd hangs",
                   name, ocf_node(), operation->params->uri, ms, atomic_load(&operation->step));
        late.detail = REPORT_NOT_BEGUN;
        return late;
    }
    report_set(&late, VM_FAILED,
               "%s on %s: no answer from libvirt (%s) within %llu ms while %s; check whether "
               "libvirtd hangs",
               name, ocf_node(), operation->params->uri,
               (unsigned long long)operation->params->timeout_ms, atomic_load(&operation->step));
    return late;
}

int operation_run(struct operation *operation, void (*work)(struct operation *operation)) {
    struct job job = {.operation = operation, .work = work};
    struct report *report = &operation->report;
    struct report late;
    pthread_t worker;
    sigset_t signals;

    operation->report = (struct report){.result = VM_FAILED,
                                        .state = AGENT_VM_UNKNOWN,
                                        .blackout_ms = -1,
                                        .exit_code = OCF_ERR_GENERIC};
    CHECK(operation->params != NULL && work != NULL);
    set_deadlines(operation);
    CHECK(operation->started_ms <= operation->soft_deadline_ms &&
          operation->soft_deadline_ms <= operation->deadline_ms);
    int r = prepare(operation, &signals);
    int signal_fd = r == 0 ? signalfd(-1, &signals, SFD_CLOEXEC) : -1;
    if (signal_fd >= 0) {
        r = -pthread_create(&worker, NULL, worker_main, &job);
    } else if (r == 0) {
        r = -errno;
    }
    if (r == 0) {
        r = supervise(operation, signal_fd);
    } else {
        report_set(report, VM_FAILED, "%s on %s: cannot start the operation: %s",
                   operation->params->name, ocf_node(), strerror(-r));
    }
    if (r == -ETIMEDOUT) {
        late = operation->files_only ? late_files_report(operation) : late_report(operation);
        report = &late;
    } else if (report->result != VM_OK && report->state == AGENT_VM_UNKNOWN &&
               has_changed_nothing(operation)) {
        report->detail = REPORT_NOT_BEGUN;
    }
    report->total_ms = ocf_now_ms() - operation->started_ms;
    report_send(report);
    if (report->result != VM_OK) {
        ocf_log("%s", report->reason);
    }
    /* Threads may still be inside libvirt; its connection needs no orderly close: the kernel closes
     * it at once. */
    _exit(report->exit_code);
}
