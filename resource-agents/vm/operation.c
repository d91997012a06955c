/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One operation on one VM. See operation.h. */
#include "operation.h"

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

/* Before its deadline an operation gets this long to end by itself: a tenth of its time within
 * these bounds. */
enum { SOFT_MARGIN_MIN_MS = 50, SOFT_MARGIN_MAX_MS = 3000 };

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

enum operation_stop operation_stopped(const struct operation *operation) {
    return (enum operation_stop)atomic_load(&operation->stop);
}

const char *operation_stop_text(const struct operation *operation) {
    switch (operation_stopped(operation)) {
    case OPERATION_GOES_ON: return "not stopped";
    case OPERATION_CANCELLED: return "cancelled";
    case OPERATION_OUT_OF_TIME: return "its time was over";
    }
    return "stopped";
}

bool operation_may_begin(struct operation *operation, const char *what) {
    const char *name = operation->params->name;

    switch (operation_stopped(operation)) {
    case OPERATION_CANCELLED:
        report_set(&operation->report, VM_CANCELLED, "%s on %s: %s was cancelled before it began",
                   name, ocf_node(), what);
        return false;
    case OPERATION_OUT_OF_TIME:
        report_set(&operation->report, VM_FAILED, "%s on %s: no time was left for %s", name,
                   ocf_node(), what);
        return false;
    case OPERATION_GOES_ON: break;
    }
    if (jsonl_reader_gone()) {
        report_set(&operation->report, VM_CANCELLED,
                   "%s on %s: %s did not begin, as clusterd went away", name, ocf_node(), what);
        return false;
    }
    return true;
}

bool operation_wait(struct operation *operation, uint64_t seen, uint64_t due_ms) {
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                           .tv_nsec = (long)(due_ms % 1000) * 1000000};

    while (operation->events.changes == seen && operation_stopped(operation) == OPERATION_GOES_ON) {
        if (pthread_cond_timedwait(&operation->changed, &operation->lock, &due) == ETIMEDOUT) {
            return false;
        }
    }
    return operation_stopped(operation) == OPERATION_GOES_ON && ocf_now_ms() < due_ms;
}

static void set_stop(struct operation *operation, enum operation_stop stop) {
    int expected = OPERATION_GOES_ON;

    if (!atomic_compare_exchange_strong(&operation->stop, &expected, (int)stop)) {
        return; /* the first reason stands */
    }
    pthread_mutex_lock(&operation->lock);
    pthread_cond_broadcast(&operation->changed);
    pthread_mutex_unlock(&operation->lock);
    events_wake(&operation->events);
}

static uint64_t next_due(const struct operation *operation) {
    return operation_stopped(operation) == OPERATION_GOES_ON ? operation->soft_deadline_ms
                                                             : operation->deadline_ms;
}

/* Returns 0 when the worker is done, -ETIMEDOUT when it did not end in time. */
static int supervise(struct operation *operation, int signal_fd) {
    for (;;) {
        struct pollfd fds[] = {{.fd = operation->done_fd, .events = POLLIN},
                               {.fd = signal_fd, .events = POLLIN}};
        uint64_t now = ocf_now_ms();
        uint64_t due = next_due(operation);
        if (now >= operation->deadline_ms) {
            return -ETIMEDOUT;
        }
        if (now >= due) {
            set_stop(operation, OPERATION_OUT_OF_TIME);
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
                set_stop(operation, OPERATION_CANCELLED);
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
    /* Blocked before any thread exists, so that none of libvirt's gets them. */
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

int operation_run(struct operation *operation, void (*work)(struct operation *operation)) {
    struct job job = {.operation = operation, .work = work};
    struct report *report = &operation->report;
    struct report late;
    pthread_t worker;
    sigset_t signals;

    operation->report = (struct report){
        .result = VM_FAILED, .state = VM_UNKNOWN, .blackout_ms = -1, .exit_code = OCF_ERR_GENERIC};
    set_deadlines(operation);
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
        /* The worker still owns its report and may write it. */
        late = (struct report){.result = VM_FAILED,
                               .state = VM_UNKNOWN,
                               .blackout_ms = -1,
                               .exit_code = OCF_ERR_GENERIC};
        report_set(&late, VM_FAILED,
                   "%s on %s: no answer from libvirt (%s) within %llu ms while %s; see whether "
                   "libvirtd hangs",
                   operation->params->name, ocf_node(), operation->params->uri,
                   (unsigned long long)operation->params->timeout_ms,
                   atomic_load(&operation->step));
        report = &late;
    }
    report->total_ms = ocf_now_ms() - operation->started_ms;
    report_send(report);
    if (report->result != VM_OK) {
        ocf_log("%s", report->reason);
    }
    /* Threads may still be inside libvirt, and its connection needs no farewell: the kernel closes
     * it at once. */
    _exit(report->exit_code);
}
