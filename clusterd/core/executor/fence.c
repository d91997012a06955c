/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fencing other nodes: when a device's agent runs, and what follows from its result.
 *
 *                     off, and the node is not heard
 *     agent runs ──────────────────────────────────────► evidence
 *      │ │ off, but it is still heard       it is no longer heard ▲
 *      │ └───────────────────────────────► HEARD ─────────────────┘
 *      │ failed                              │ it has spoken since, or stays for too long
 *      └────────► no evidence ◄──────────────┘
 *
 * A device says "off" about the machine that it switches, and a person has configured which one
 * that is. So it is not believed while corosync still hears the node. Usually the node is already
 * lost when it is fenced. If it is not, it is heard for as long as corosync takes to notice (token
 * and consensus), so this node waits until corosync has lost it too. If a node was not heard before
 * it was fenced, nobody can say whether the device switched the right machine: that is what the
 * device's test is for.
 */
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/model/fence_devices.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool fence_begun(struct core *c, const struct model_node *node) {
    struct executor *x = &c->executor;
    uint32_t i = 0;
    while (i < x->n_fenced && x->fenced[i].node != node->id) {
        i++;
    }
    if (i == WIRE_MAX_NODES) {
        return true;
    }
    if (i < x->n_fenced && x->fenced[i].order == node->fence_order) {
        return true;
    }
    x->n_fenced = i == x->n_fenced ? i + 1 : x->n_fenced;
    x->fenced[i].node = node->id;
    x->fenced[i].order = node->fence_order;
    return false;
}

/* The device of the attempt that has begun. */
static const struct model_device *device_of(const struct core *c, const struct model_node *node) {
    return devices_turn(&c->model, node->id, node->fence_attempts ? node->fence_attempts - 1 : 0);
}

int executor_fencing(struct core *c) {
    int settled = executor_settle(c, RUN_FENCE);
    if (settled < 0) {
        return settled;
    }
    MODEL_EACH(model_node, node, &c->model.nodes) {
        if (node->fence_order == 0 || node->fence_by != c->self) {
            continue;
        }
        const struct model_device *device = device_of(c, node);
        if (!device || executor_find_run(c, RUN_FENCE, node->id) || fence_begun(c, node)) {
            continue;
        }
        struct run *run = executor_add_run(c, RUN_FENCE, node->id);
        if (!run) {
            return -ENOMEM;
        }
        run->order = node->fence_order;
        run->incarnation = node->incarnation;
        int err = executor_run_device(c, run, device, node->name, FENCE_OFF);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* --------------------------------------------------------------------- what the device says
 * ---- */

/* What follows after a device has failed; "" if there is only one. *ret_more: it is the next
 * device's turn. */
static const char *what_follows(struct core *c, const struct run *run, bool *ret_more) {
    *ret_more = false;
    if (devices_count(&c->model, run->subject) < 2) {
        return "";
    }
    const struct model_device *next = devices_after(&c->model, run->subject, run->device);
    *ret_more = next != NULL;
    return next ? outbox_text(&c->out, "next: device %s", next->name)
                : "all its devices have failed; they are tried again after a pause";
}

static int report(struct core *c, const struct run *run, bool off, const char *message) {
    bool more = false;
    bool evidence = off || MUTANT(fenced_unconfirmed);
    const char *then = evidence ? "" : what_follows(c, run, &more);
    struct cmd_fence_result fenced = {
        .node = run->subject,
        .incarnation = run->incarnation,
        .order = run->order,
        .evidence = evidence ? EVIDENCE_AGENT : EVIDENCE_NONE,
        .device = outbox_text(&c->out, "%s", run->device),
        .message = message,
        .more = more,
        .then = then,
    };
    return pending_propose(c, PENDING_REPORT, COMMAND_FENCE_RESULT, &fenced);
}

void executor_note_cleared(struct core *c, uint32_t node, bool ok, const char *message) {
    struct executor *x = &c->executor;
    if (!ok) {
        x->clear_from_ms = c->now_ms + devices_pause_ms(&c->model, node, ++x->clear_attempts);
        outbox_log(&c->out, SEVERITY_ERROR,
                   "%s could not be fenced (%s): this node does not go on alone",
                   model_node_name(&c->model, node), message);
        return;
    }
    if (!ids_contain(&x->cleared, node) && x->cleared.n < WIRE_MAX_NODES) {
        x->cleared_ids[x->cleared.n] = node;
        x->cleared.v = x->cleared_ids;
        x->cleared.n++;
    }
}

/* The run has been dropped: `run` is not in the table any more. */
static int conclude(struct core *c, const struct run *run, bool off, const char *message) {
    if (run->kind != RUN_CLEAR) {
        return report(c, run, off, message);
    }
    if (!off) {
        bool more = false;
        const char *then = what_follows(c, run, &more);
        message = outbox_text(&c->out, "device %s: %s%s%s", run->device, message,
                              then[0] ? "; " : "", then);
    }
    executor_note_cleared(c, run->subject, off, message);
    return 0;
}

/* If we are not in the ring ourselves, we hear nobody, and that proves nothing. */
static bool is_heard(const struct core *c, uint32_t node) {
    const struct wire_ids *ring = &c->replica.ring;
    return ids_contain(ring, node) || !ids_contain(ring, c->self);
}

/* Nobody waits for this result: another node decides by now, or the fenced node takes part
 * again. */
static bool is_void(const struct core *c, const struct run *run) {
    const struct model_node *node = model_node_by_id(&c->model, run->subject);
    if (run->kind == RUN_CLEAR) {
        return replica_is_heard(&c->replica, run->subject);
    }
    return !node || node->fence_order != run->order || node->fence_by != c->self;
}

/* The device said "off" while the node was still heard. *ret_gone: the run has been dropped. */
static int settle(struct core *c, struct run *run, bool *ret_gone) {
    const struct replica_peer *peer = replica_peer(&c->replica, run->subject);
    struct run done = *run;
    uint64_t spoke_ms = peer ? peer->spoke_ms : 0;
    uint64_t until_ms = run->off_ms + TIMEOUT_STILL_HEARD_MS;
    bool heard = is_heard(c, run->subject);
    bool speaks = spoke_ms > run->off_ms + TIMEOUT_ECHO_MS; /* not a message in flight */
    bool is_on = heard && (speaks || c->now_ms >= until_ms);
    bool nobody_waits = is_void(c, run);
    *ret_gone = !heard || is_on || nobody_waits;
    if (!*ret_gone) {
        executor_wake_at(c, until_ms); /* a message from it, or corosync losing it, is an event */
        return 0;
    }
    executor_drop_run(c, run);
    if (nobody_waits) {
        return 0;
    }
    const char *name = model_node_name(&c->model, done.subject);
    const char *message =
        is_on ? outbox_text(&c->out,
                            "the device says that %s is off, but %s is still heard: the device "
                            "switches another machine; check its plug",
                            name, name)
              : outbox_text(&c->out, "%s", done.said);
    return conclude(c, &done, !is_on, message);
}

int executor_settle(struct core *c, enum run_kind kind) {
    struct executor *x = &c->executor;
    for (uint32_t i = 0; i < x->n_runs;) {
        bool gone = false;
        if (x->runs[i].kind == kind && x->runs[i].off_ms) {
            int err = settle(c, &x->runs[i], &gone);
            if (err < 0) {
                return err;
            }
        }
        i += !gone;
    }
    return 0;
}

static void test_ended(struct core *c, const struct run *run, const struct core_fence *result,
                       const char *message) {
    const char *name = model_node_name(&c->model, run->subject);
    bool alive = ids_contain(&c->replica.ring, run->subject) || run->subject == c->self;
    if (result->ok && result->power == POWER_OFF && alive) {
        outbox_reply(&c->out, run->client, REPLY_FAILED, 0,
                     outbox_text(&c->out,
                                 "the device says that %s is off, but %s is alive: wrong plug?",
                                 name, name),
                     outbox_text(&c->out, "clusterctl fence-device list shows the parameters of %s",
                                 run->device));
        return;
    }
    outbox_reply(&c->out, run->client, result->ok ? REPLY_OK : REPLY_FAILED, 0, message,
                 result->ok ? "" : "check the device's address and parameters");
}

int executor_fence(struct core *c, const struct core_fence *result) {
    struct executor *x = &c->executor;
    struct run *run = NULL;
    for (uint32_t i = 0; i < x->n_runs; i++) {
        run = x->runs[i].id == result->run ? &x->runs[i] : run;
    }
    if (!run) {
        return 0;
    }
    const char *message = outbox_text(&c->out, "%s", result->message ? result->message : "");
    if (run->kind != RUN_TEST && result->ok && is_heard(c, run->subject) &&
        !MUTANT(fenced_and_heard)) {
        run->off_ms = c->now_ms;
        (void)snprintf(run->said, sizeof(run->said), "%s", message);
        return 0;
    }
    struct run done = *run;
    executor_drop_run(c, run);
    if (done.kind == RUN_TEST) {
        test_ended(c, &done, result, message);
        return 0;
    }
    return conclude(c, &done, result->ok != 0, message);
}
