/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror: the files of a VM that runs move to their new places, and it goes on running. QEMU copies
 * its disks (libvirt's block copy), and copies again what the guest writes meanwhile.
 *
 *   step            guest           disks                      what counts if all breaks off here
 *   begin           runs            originals                  the originals
 *   copy            runs            originals, being copied    the originals
 *   catch up        runs            originals, almost copied   the originals
 *   stand still     PAUSED          originals, the rest copied the originals
 *   go over         paused          one after the other        the originals: nothing was written
 *   flush, report   paused          copies                     the originals, as above
 *
 * This is where it ends: the guest stands still on its copies. The cluster enters them into the
 * VM's definition and only then lets the guest go on (clusterd/core/apply/storage.c says why). The
 * flush is ours: once QEMU has a copy complete, it hands a guest's flushes on to the original only.
 *
 * A guest's write is never made to wait for its copy (libvirt's SYNCHRONOUS_WRITES), although then
 * there would be nothing to catch up with: if such copying is ended, or fails, while a write is in
 * flight, QEMU (7.2 to 10.0, block/mirror.c) goes on to use memory that it has freed. Seen as the
 * end of a running guest; it may as well be its data.
 *
 * QEMU's copying outlives this process, clusterd and libvirtd. Repeated, this action continues what
 * it finds. So it says FAILED or CANCELLED with state "running" only if QEMU copies no more and all
 * disks are the originals (also if the guest stands still for a reason of its own); otherwise the
 * state is another one, and it is to be repeated. With `cancelled`, it goes back if it still can.
 */
#include "actions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <libvirt/virterror.h>

#include "../shared/ocf.h"
#include "host.h"
#include "mirror_disks.h"
#include "sync.h"

enum {
    LOOK_MS = 500,         /* and report how far it is */
    SETTLE_MS = 30 * 1000, /* so long QEMU may take to go over, or to end its copying */

    /* What the guest has written last is copied while it stands still. The longer it writes faster
     * than QEMU copies, the longer it may stand still: a 20th of the time it took so far. */
    CATCH_UP_MS = 50, /* libvirt has no event for it */
    STAND_STILL_MS = 100,
    STAND_STILL_MAX_MS = 2000,
    VOLUME_BYTES_MS = 40 * 1024, /* what a slow volume takes in a millisecond */
};

struct mirror {
    struct operation *operation;
    struct mirror_disks disks;
    uint64_t suspended_ms;
    uint64_t done; /* bytes, at the last report */
    uint64_t done_ms;
    char why[512];
};

/* ---- reports ---- */

__attribute__((format(printf, 4, 5))) static void end(const struct mirror *mirror,
                                                      enum vm_result result,
                                                      enum agent_vm_state state, const char *format,
                                                      ...) {
    char text[768];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    mirror->operation->report.state = state;
    report_set(&mirror->operation->report, result, "%s on %s: %s", mirror->operation->params->name,
               ocf_node(), text);
}

static int look(struct mirror *mirror) {
    return mirror_read(mirror->operation, &mirror->disks, mirror->why, sizeof(mirror->why));
}

static size_t count(const struct mirror *mirror, enum mirror_state state) {
    return mirror_count(&mirror->disks, state);
}

/* ---- waiting ---- */

/* Until no disk is in one of these states any more. -ETIME; another errno if libvirt cannot say. */
static int settle(struct mirror *mirror, enum mirror_state one, enum mirror_state other) {
    uint64_t due_ms = ocf_now_ms() + SETTLE_MS;

    for (;;) {
        uint64_t seen = operation_changes(mirror->operation);
        int r = look(mirror);
        if (r < 0 || count(mirror, one) + count(mirror, other) == 0) {
            return r;
        }
        if (ocf_now_ms() >= due_ms) {
            snprintf(mirror->why, sizeof(mirror->why), "QEMU did not end it within %d s",
                     SETTLE_MS / 1000);
            return -ETIME;
        }
        operation_pause_unstopped(mirror->operation, seen, LOOK_MS);
    }
}

/*
 * Looks again, behind everything that libvirt is doing with the domain. While QEMU goes over, and
 * for a moment afterwards, libvirt (9.0) shows the original without a job: a guest that went on
 * then would write to a copy that is about to be removed. What changes the domain waits for what
 * else changes it, and a note in its metadata does no harm.
 */
static int look_behind(struct mirror *mirror) {
    if (mirror_set_mark(mirror->operation, &mirror->disks, MIRROR_MARK_BOTH) < 0) {
        snprintf(mirror->why, sizeof(mirror->why), "%s", host_error());
        return -EIO;
    }
    return look(mirror);
}

static void tell_progress(struct mirror *mirror, struct progress progress) {
    uint64_t now_ms = ocf_now_ms();

    if (mirror->done_ms != 0 && now_ms < mirror->done_ms + LOOK_MS) {
        return;
    }
    if (mirror->done_ms != 0 && progress.done_bytes > mirror->done) {
        progress.rate_bps =
            (progress.done_bytes - mirror->done) * 1000 / (now_ms - mirror->done_ms);
    }
    mirror->done = progress.done_bytes;
    mirror->done_ms = now_ms;
    report_progress(&progress);
}

/* ---- back ---- */

/* A guest that stands still on its originals goes on; one that an I/O error stopped stays so. */
static int let_go_on(struct mirror *mirror) {
    const char *text;

    int r = host_read_state(mirror->operation, &text);
    const char *detail = mirror->operation->report.detail;
    if (r < 0 || mirror->operation->report.state != AGENT_VM_PAUSED ||
        (detail != NULL && strcmp(detail, "io-error") == 0)) {
        return r;
    }
    operation_step(mirror->operation, "letting the guest go on");
    if (virDomainResume(mirror->operation->domain) < 0) {
        snprintf(mirror->why, sizeof(mirror->why), "%s", host_error());
        return -EIO;
    }
    return 0;
}

/* Ends QEMU's copying and lets the guest go on, on its originals. `because` says why. */
static void go_back(struct mirror *mirror, enum vm_result result, const char *because) {
    struct operation *operation = mirror->operation;
    char reason[sizeof(mirror->why)];

    snprintf(reason, sizeof(reason), "%s", because); /* it may be mirror->why, which changes */

    operation_step(operation, "ending QEMU's copying");
    for (size_t i = 0; i < mirror->disks.list.count; i++) {
        enum mirror_state state = mirror->disks.items[i].state;
        if (state == MIRROR_COPYING || state == MIRROR_READY) {
            (void)mirror_abort(operation,
                               &mirror->disks.items[i]); /* whether it worked is seen below */
        }
    }
    int r = settle(mirror, MIRROR_COPYING, MIRROR_READY);
    r = r < 0 ? r : look_behind(mirror);
    if (r == 0 && count(mirror, MIRROR_COPY) > 0) {
        end(mirror, VM_FAILED, AGENT_VM_PAUSED,
            "%s; some of its disks are the copies already, so there is no way back: it stands "
            "still, and the move is to be continued",
            reason);
        return;
    }
    r = r < 0 ? r : let_go_on(mirror);
    if (r < 0) {
        end(mirror, VM_FAILED, AGENT_VM_UNKNOWN, "%s; and QEMU's copying could not be ended: %s",
            reason, mirror->why);
        return;
    }
    (void)mirror_set_mark(operation, &mirror->disks, MIRROR_MARK_ORIGINALS);
    end(mirror, result, AGENT_VM_RUNNING, "%s; its files are where they were", reason);
}

/* libvirt could not say, or the VM has gone. */
static void give_in(struct mirror *mirror, const char *what) {
    struct operation *operation = mirror->operation;
    char why[sizeof(mirror->why)];

    memcpy(why, mirror->why, sizeof(why));
    host_settle(operation);
    enum agent_vm_state now = operation->report.state;
    end(mirror, VM_FAILED, now == AGENT_VM_OFF ? AGENT_VM_OFF : AGENT_VM_UNKNOWN, "%s: %s", what,
        why);
}

static const char *why_stopped(const struct mirror *mirror) {
    return operation_stopped(mirror->operation) == STOP_OUT_OF_TIME
               ? "the move of its files took longer than it may (storage_timeout_ms)"
               : "the move of its files was cancelled";
}

static enum vm_result result_of_stop(const struct mirror *mirror) {
    return operation_stopped(mirror->operation) == STOP_OUT_OF_TIME ? VM_FAILED : VM_CANCELLED;
}

/* ---- forth ---- */

/* Lets QEMU begin to copy what it does not copy yet. False: it has gone back. */
static bool start_all(struct mirror *mirror) {
    struct operation *operation = mirror->operation;
    char why[sizeof(mirror->why)];

    operation_step(operation, "beginning to copy");
    if (mirror_set_mark(operation, &mirror->disks, MIRROR_MARK_BOTH) < 0) {
        snprintf(why, sizeof(why), "libvirt does not take a note of the move: %s", host_error());
        go_back(mirror, VM_FAILED, why);
        return false;
    }
    for (size_t i = 0; i < mirror->disks.list.count; i++) {
        if (mirror->disks.items[i].state == MIRROR_ORIGINAL &&
            mirror_start(operation, &mirror->disks.items[i], why, sizeof(why)) < 0) {
            (void)look(mirror);
            go_back(mirror, VM_FAILED, why);
            return false;
        }
    }
    return true;
}

/* Until all is copied. False, with the report: it was not. */
static bool wait_until_ready(struct mirror *mirror) {
    struct operation *operation = mirror->operation;

    operation_step(operation, "copying its disks");
    for (;;) {
        uint64_t seen = operation_changes(operation);
        if (look(mirror) < 0) {
            give_in(mirror, "its disks cannot be followed");
            return false;
        }
        if (count(mirror, MIRROR_ELSEWHERE) > 0) {
            go_back(mirror, VM_FAILED, mirror->why);
            return false;
        }
        if (count(mirror, MIRROR_ORIGINAL) > 0) {
            go_back(mirror, VM_FAILED,
                    "QEMU could not go on copying its disks (is there room, and do the volumes "
                    "answer? QEMU's log on that node may say more)");
            return false;
        }
        if (count(mirror, MIRROR_COPYING) == 0) {
            return true;
        }
        if (operation_stopped(operation) != STOP_NONE) {
            go_back(mirror, result_of_stop(mirror), why_stopped(mirror));
            return false;
        }
        struct progress progress;
        mirror_progress(operation, &mirror->disks, &progress);
        tell_progress(mirror, progress);
        (void)operation_pause(operation, seen, LOOK_MS);
    }
}

/* Until so little is left that the guest may stand still for it. False, with the report: never. */
static bool catch_up(struct mirror *mirror) {
    struct operation *operation = mirror->operation;
    uint64_t began_ms = ocf_now_ms();
    struct progress progress;

    operation_step(operation, "copying what the guest writes");
    for (;;) {
        uint64_t seen = operation_changes(operation);
        uint64_t may_ms = STAND_STILL_MS + (ocf_now_ms() - began_ms) / 20;
        may_ms = may_ms < STAND_STILL_MAX_MS ? may_ms : STAND_STILL_MAX_MS;
        mirror_progress(operation, &mirror->disks, &progress);
        if (progress.remaining_bytes <= may_ms * VOLUME_BYTES_MS) {
            return true;
        }
        enum stop_reason stop = operation_stopped(operation);
        if (stop != STOP_NONE) {
            go_back(mirror, result_of_stop(mirror),
                    stop == STOP_OUT_OF_TIME
                        ? "its guest wrote faster than QEMU copied until the time of the move was "
                          "over (storage_timeout_ms); move it when it writes less, or while it is "
                          "off"
                        : why_stopped(mirror));
            return false;
        }
        tell_progress(mirror, progress);
        (void)operation_pause(operation, seen, CATCH_UP_MS);
    }
}

/* What the guest has written is on the disk. */
static int flush(struct mirror *mirror) {
    int r = 0;

    operation_step(mirror->operation, "flushing the copies to the disk");
    for (size_t i = 0; r == 0 && i < mirror->disks.list.count; i++) {
        r = sync_file(mirror->disks.items[i].names->to);
        if (r < 0) {
            snprintf(mirror->why, sizeof(mirror->why), "cannot flush %s: %s",
                     mirror->disks.items[i].names->to, strerror(-r));
        }
    }
    return r;
}

/* All disks are the copies, and the guest stands still. */
static void complete(struct mirror *mirror) {
    struct operation *operation = mirror->operation;

    if (mirror_set_mark(operation, &mirror->disks, MIRROR_MARK_COPIES) < 0) {
        snprintf(mirror->why, sizeof(mirror->why), "%s", host_error());
        give_in(mirror, "libvirt does not take a note of the move");
        return;
    }
    if (flush(mirror) < 0) {
        end(mirror, VM_FAILED, AGENT_VM_PAUSED, "%s", mirror->why);
        return;
    }
    if (mirror->suspended_ms != 0) {
        operation->report.blackout_ms = (int64_t)(ocf_now_ms() - mirror->suspended_ms);
    }
    operation->report.state = AGENT_VM_PAUSED;
    report_set(&operation->report, VM_OK, "%s", "");
}

/* The guest stands still, and QEMU goes over. It is not stopped any more: what is left is quick. */
static void go_over(struct mirror *mirror) {
    struct operation *operation = mirror->operation;

    operation_step(operation, "pausing the guest for the switch");
    operation_check_begun(operation);
    mirror->suspended_ms = ocf_now_ms();
    if (virDomainSuspend(operation->domain) < 0) {
        snprintf(mirror->why, sizeof(mirror->why), "the guest cannot be paused: %s", host_error());
        go_back(mirror, VM_FAILED, mirror->why);
        return;
    }
    operation_step(operation, "going over to the copies");
    for (size_t i = 0; i < mirror->disks.list.count; i++) {
        if (mirror->disks.items[i].state == MIRROR_READY) {
            (void)mirror_pivot(operation,
                               &mirror->disks.items[i]); /* whether it worked is seen below */
        }
    }
    int r = settle(mirror, MIRROR_READY, MIRROR_COPYING);
    r = r < 0 ? r : look_behind(mirror);
    if (r == 0 && mirror_all_are(&mirror->disks, MIRROR_COPY)) {
        complete(mirror);
    } else if (r == 0 || r == -ETIME) {
        go_back(mirror, VM_FAILED, "QEMU could not go over to the copies of its disks");
    } else {
        give_in(mirror, "its disks cannot be followed");
    }
}

static void carry_out(struct mirror *mirror) {
    struct operation *operation = mirror->operation;

    if (look(mirror) < 0) {
        end(mirror, VM_FAILED, AGENT_VM_UNKNOWN, "%s", mirror->why);
        return;
    }
    if (mirror_all_are(&mirror->disks, MIRROR_COPY)) {
        complete(mirror); /* an earlier attempt has come so far: there is no way back */
    } else if (count(mirror, MIRROR_ELSEWHERE) > 0) {
        go_back(mirror, VM_FAILED, mirror->why);
    } else if (operation->params->cancelled && count(mirror, MIRROR_COPY) == 0) {
        go_back(mirror, VM_CANCELLED, "the move of its files was cancelled");
    } else if (start_all(mirror) && wait_until_ready(mirror)) {
        (void)flush(mirror); /* most of it while the guest still runs */
        if (catch_up(mirror)) {
            go_over(mirror);
        }
    }
}

/* The copy here is the one that is meant, and is up. */
static bool find(struct mirror *mirror) {
    struct operation *operation = mirror->operation;
    const struct params *params = operation->params;
    const char *text;

    if (host_open(operation) < 0) {
        return false;
    }
    if (host_read_state(operation, &text) < 0) {
        end(mirror, VM_FAILED, operation->report.state, "cannot read its state: %s", host_error());
        return false;
    }
    bool up =
        operation->report.state == AGENT_VM_RUNNING || operation->report.state == AGENT_VM_PAUSED;
    if (!up || operation->report.generation != params->generation) {
        end(mirror, VM_FAILED, up ? AGENT_VM_UNKNOWN : operation->report.state,
            "cannot move its files while it is %s, with generation %" PRIu64 " instead of %" PRIu64,
            text, operation->report.generation, params->generation);
        return false;
    }
    if (events_start(operation, EVENTS_OF_DISKS) < 0) {
        end(mirror, VM_FAILED, AGENT_VM_UNKNOWN, "cannot follow its events: %s", host_error());
        return false;
    }
    return true;
}

void action_mirror(struct operation *operation) {
    static struct mirror mirror;

    mirror.operation = operation;
    if (events_prepare() < 0) {
        end(&mirror, VM_FAILED, AGENT_VM_UNKNOWN, "libvirt's event loop: %s", host_error());
        return;
    }
    if (mirror_parse(operation->params, &mirror.disks, mirror.why, sizeof(mirror.why)) < 0) {
        end(&mirror, VM_FAILED, AGENT_VM_UNKNOWN, "%s", mirror.why);
        return;
    }
    if (find(&mirror) && operation_may_begin(operation, "the move of its files")) {
        carry_out(&mirror);
    }
}
