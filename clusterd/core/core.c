/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The step: one event through replica, apply, executor and policy. See core.h for the picture.
 */
#include "core/core.h"

#include "base/check.h"
#include "base/migrate_uri.h"
#include "base/mutant.h"
#include "core/apply/apply.h"
#include "core/core_internal.h"
#include "core/planner/planner.h"
#include "core/request.h"
#include "core/timeouts.h"
#include "core/telemetry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A snapshot is taken after this many entries, or when the log has outgrown the last snapshot. */
#define COMPACT_ENTRIES 2000u /* unless the boot says otherwise */
#define COMPACT_MIN_BYTES (4u * 1024 * 1024)

int core_create(struct core **ret_core) {
    struct core *c = calloc(1, sizeof(*c));
    if (!c) {
        return -ENOMEM;
    }
    model_init(&c->model);
    outbox_init(&c->out);
    executor_init(&c->executor);
    *ret_core = c;
    return 0;
}

void core_destroy(struct core *c) {
    if (!c) {
        return;
    }
    pending_finish(c);
    free(c->adds);
    if (c->booted) {
        replica_finish(&c->replica);
    }
    executor_finish(&c->executor);
    solve_finish(c);
    reserve_finish(c);
    outlook_finish(c);
    model_finish(&c->model);
    outbox_finish(&c->out);
    free(c->progress);
    free(c->version);
    free(c->site);
    free(c->rack);
    free(c->migrate_uri);
    free(c->libvirt_uri);
    free(c);
}

/* --------------------------------------------------------------------------------- apply ---- */

/* Events applied in an earlier run of clusterd have been reported already. */
static void drop_told(struct core *c, uint32_t first) {
    uint32_t kept = first;
    for (uint32_t i = first; i < c->out.n; i++) {
        enum core_action_type type = c->out.v[i].type;
        if (type != CORE_ACTION_EVENT && type != CORE_ACTION_OPERATION) {
            c->out.v[kept++] = c->out.v[i];
        }
    }
    c->out.n = kept;
}

/* From now on the log holds passwords that the model does not: of a device that was removed, or
 * refused. */
static bool leaves_secrets(const struct apply *a) {
    return (a->type == COMMAND_DEVICE_REMOVE && a->code == REPLY_OK) ||
           (a->type == COMMAND_DEVICE_ADD && a->code != REPLY_OK);
}

static int apply_committed(struct core *c) {
    struct replica *r = &c->replica;
    while (r->applied_index < r->commit_index && !r->catching) {
        const struct log_item *item = log_at(&r->log, r->applied_index + 1);
        if (!item) {
            return -EBADMSG;
        }
        uint32_t first = c->out.n;
        struct apply a;
        int err = apply_entry(&c->model, r->applied_index + 1, item->epoch, item->data, item->size,
                              &c->out, &a);
        if (err < 0) {
            return err;
        }
        r->applied_index++;
        c->forget = c->forget || leaves_secrets(&a);
        if (!c->replaying && replica_wants_sample(r, a.type, item->epoch)) {
            replica_sample(r, c->now_ms, &c->out);
        }
        if (c->replaying) {
            drop_told(c, first);
        } else if (a.origin == c->self && a.incarnation == c->incarnation) {
            uint64_t client = 0;
            err = pending_applied(c, &a, &client) ? answers_applied(c, &a, client) : 0;
        }
        if (err < 0) {
            return err;
        }
        answers_added(c, &a);
    }
    return 0;
}

static int load_snapshot(struct core *c) {
    struct replica *r = &c->replica;
    struct model arrived;
    model_init(&arrived);
    int err = replica_snapshot_fits(r) ? model_decode(&arrived, r->incoming.data, r->incoming.size)
                                       : -EBADMSG;
    if (err == 0 && arrived.index != r->arrived_index) {
        model_finish(&arrived);
        err = -EBADMSG;
    }
    if (err < 0) {
        return err == -EBADMSG ? replica_snapshot_refused(r, &c->out) : err;
    }
    model_finish(&c->model);
    c->model = arrived;
    c->model.speaks = r->speaks;
    c->model.vms.n -= MUTANT(snapshot_short) && c->model.vms.n > 0;
    pending_in_snapshot(c);
    answers_give_up(c, UINT64_MAX); /* what became of them is in it */
    outbox_log(&c->out, SEVERITY_INFO, "took over the cluster's state at index %llu (%zu bytes)",
               (unsigned long long)r->arrived_index, r->incoming.size);
    return replica_snapshot_loaded(r, &c->out);
}

static int compact(struct core *c) {
    struct replica *r = &c->replica;
    if (r->catching || c->model.index <= r->compacted_index) {
        return 0;
    }
    bool forget = c->forget;
    c->forget = false;
    uint64_t limit = 2 * r->snapshot_bytes;
    limit = limit < COMPACT_MIN_BYTES ? COMPACT_MIN_BYTES : limit;
    if (!forget && c->model.index - r->compacted_index < c->compact_entries &&
        r->log.bytes - r->kept_bytes < limit) {
        return 0;
    }
    return replica_compact(r, &c->model, &c->out);
}

/* -------------------------------------------------------------------------------- events ---- */

static char *keep(const char *text, int *err) {
    char *copy = strdup(text ? text : "");
    if (!copy) {
        *err = -ENOMEM;
    }
    return copy;
}

static int on_boot(struct core *c, const struct core_boot *boot) {
    CHECK(!c->booted);
    int err = 0;
    c->self = boot->node;
    c->incarnation = boot->incarnation;
    c->memory_mb = boot->memory_mb;
    c->cpus = boot->cpus;
    c->watchdog_ms = boot->watchdog_ms;
    c->compact_entries = boot->compact_entries ? boot->compact_entries : COMPACT_ENTRIES;
    c->solve_in_loop = boot->solve_in_loop ? boot->solve_in_loop : SOLVE_IN_LOOP;
    c->version = keep(boot->version, &err);
    c->site = keep(boot->site, &err);
    c->rack = keep(boot->rack, &err);
    c->migrate_uri = keep(boot->migrate_uri, &err);
    c->libvirt_uri = keep(boot->libvirt_uri, &err);
    if (err == 0 && boot->state.snapshot) {
        err = model_decode(&c->model, boot->state.snapshot, boot->state.snapshot_size);
        if (err == 0 && c->model.index != boot->state.snapshot_index) {
            err = -EBADMSG;
        }
    }
    if (err == 0) {
        err = replica_init(&c->replica, boot, &c->model);
        c->booted = true;
        c->replica.usage.moves_in_clear = migrate_uri_is_clear(c->migrate_uri);
    }
    if (err < 0) {
        return err;
    }
    c->model.speaks = c->replica.speaks;
    if (c->replica.refusal) {
        outbox_log(&c->out, SEVERITY_ERROR, "%s", c->replica.refusal);
    }
    c->executor.unusable_since_ms = c->now_ms;
    c->replaying = true;
    err = apply_committed(c);
    c->replaying = false;
    return err;
}

static int on_message(struct core *c, const struct core_message *event) {
    struct arena arena;
    arena_init(&arena);
    struct message m;
    int err = message_decode(event->data, event->size, &arena, &m);
    if (err == -EBADMSG) {
        err = replica_malformed(&c->replica, event->sender, event->data, event->size, &c->out);
    } else if (err == -EPROTONOSUPPORT) {
        replica_foreign(&c->replica, event->sender, event->data, event->size, &c->out);
        err = 0;
    } else if (err == 0) {
        err = replica_message(&c->replica, event->sender, &m, c->now_ms, c->wall_ms, &c->out);
        if (err == 0 && m.type == MESSAGE_HEARTBEAT) {
            usage_note(c, event->sender, &m.body.msg_heartbeat);
            moves_note(c, event->sender, &m.body.msg_heartbeat);
        }
        if (err == 0 && m.type == MESSAGE_PROGRESS && event->sender != c->self) {
            err = progress_note(c, &m.body.msg_progress, false);
        }
    }
    arena_finish(&arena);
    return err;
}

static void say_store_failed(struct core *c, int error, const char *what) {
    struct core_action *action = outbox_add(&c->out, CORE_ACTION_EXIT);
    action->exit.error = error;
    action->exit.message = outbox_text(&c->out,
                                       "%s; this node stops and will be fenced if it runs VMs; "
                                       "free space or mend the disk, then start clusterd",
                                       what);
}

static int on_stored(struct core *c, uint64_t seq, int error) {
    if (error < 0) {
        say_store_failed(c, error, "the database in state_dir could not be written");
        return -EIO;
    }
    return replica_stored(&c->replica, seq, &c->out);
}

static int dispatch(struct core *c, const struct core_event *event) {
    switch (event->type) {
    case CORE_EVENT_BOOT: return on_boot(c, &event->boot);
    case CORE_EVENT_VIEW: return replica_view(&c->replica, &event->view, c->now_ms, &c->out);
    case CORE_EVENT_MESSAGE: return on_message(c, &event->message);
    case CORE_EVENT_STORED: return on_stored(c, event->stored.seq, event->stored.error);
    case CORE_EVENT_AGENT: return executor_agent(c, &event->agent);
    case CORE_EVENT_FENCE: return executor_fence(c, &event->fence);
    case CORE_EVENT_REQUEST: return core_request(c, &event->request);
    case CORE_EVENT_TIMEOUT:
        if (c->now_ms <= event->timeout.due_ms + TIMEOUT_PROMPT_MS) {
            c->prompt_ms = c->now_ms;
        }
        return 0;
    case CORE_EVENT_STOP: c->stopping = true; return 0;
    case CORE_EVENT_SOLVED: solve_note(c, event->solved.id); return 0;
    }
    return -EINVAL;
}

/* ---------------------------------------------------------------------------------- step ---- */

static int stop_if_done(struct core *c) {
    const struct model_node *self = core_self(c);
    if (!c->stopping) {
        return 0;
    }
    bool works = executor_end_files(c) || model_node_works_on_files(&c->model, c->self);
    if (works && replica_usable(&c->replica)) {
        return 0; /* their reports come, and others go on */
    }
    if (executor_may_stop(c)) {
        outbox_add(&c->out, CORE_ACTION_WATCHDOG)->watchdog.feed = 0;
        outbox_add(&c->out, CORE_ACTION_EXIT)->exit.message = "stopped";
        return 0;
    }
    if (executor_runs_something(c) || !replica_usable(&c->replica)) {
        outbox_add(&c->out, CORE_ACTION_EXIT)->exit.message =
            "stopped while VMs run here, or without a quorum: unless clusterd is started again "
            "at once, this node will be fenced";
        return 0;
    }
    if (self && self->state != NODE_OFFLINE && !pending_has(c, COMMAND_NODE_LEAVE)) {
        struct cmd_node_leave leave = {.node = c->self, .incarnation = c->incarnation};
        return pending_propose(c, PENDING_REPORT, COMMAND_NODE_LEAVE, &leave);
    }
    return 0;
}

static int act(struct core *c) {
    int err = apply_committed(c);
    if (err == 0 && c->replica.snapshot_arrived) {
        err = load_snapshot(c);
    }
    if (err == 0 && replica_usable(&c->replica)) {
        bool report_dropped = false;
        err = pending_resend(c, &report_dropped);
        if (report_dropped) {
            executor_report_again(c);
        }
    }
    pending_expire(c);
    answers_give_up(c, c->now_ms);
    if (err == 0) {
        err = executor_run(c);
    }
    if (err == 0) {
        err = policy_run(c);
    }
    if (err == 0) {
        err = reserve_run(c);
    }
    if (err == 0) {
        err = outlook_run(c);
    }
    if (err == 0) {
        err = stop_if_done(c);
    }
    replica_flush(&c->replica, &c->out);
    if (err == 0) {
        err = compact(c);
    }
    return err;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* A core that gives up says why and does nothing more. Its pending actions may be incomplete, and
 * none of them has been promised yet. */
static void keep_words(struct outbox *out) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < out->n; i++) {
        enum core_action_type type = out->v[i].type;
        if (type == CORE_ACTION_LOG || type == CORE_ACTION_EXIT) {
            out->v[kept++] = out->v[i];
        }
    }
    out->n = kept;
}

/* What holds between two steps, whatever has come in. */
static void check_step(const struct core *c) {
    const struct replica *r = &c->replica;
    CHECK(r->applied_index <= r->commit_index);
    CHECK(r->catching || r->commit_index <= log_last_index(&r->log));
    CHECK(c->model.index == r->applied_index);
    CHECK(r->promised >= log_last_epoch(&r->log));
}

int core_step(struct core *c, const struct core_event *event, struct core_actions *ret_actions) {
    outbox_reset(&c->out);
    c->now_ms = event->now_ms;
    c->wall_ms = event->wall_ms;
    CHECK(c->booted || event->type == CORE_EVENT_BOOT);
    uint64_t heartbeats = c->replica.heartbeat_sent;
    int err = 0;
    if (c->booted) {
        err = replica_tick(&c->replica, c->now_ms, c->wall_ms, &c->out);
        if (err == -ETIME) {
            say_store_failed(c, err,
                             "the database has not answered for 10 s: the disk of state_dir hangs");
        }
    }
    if (err == 0) {
        err = dispatch(c, event);
    }
    if (err == 0) {
        err = act(c);
    }
    if (err == 0 && c->replica.heartbeat_sent != heartbeats) {
        progress_send(c);
    }
    if (err == 0) {
        err = c->out.error;
    }
    if (err == 0 && c->booted) {
        check_step(c);
    }
    if (err < 0) {
        keep_words(&c->out);
    }
    *ret_actions = (struct core_actions){.v = c->out.v, .n = c->out.n, .wakeup_ms = UINT64_MAX};
    if (err == 0) {
        /* The policy continues once its commands have been applied, which is an event of its
         * own. */
        uint64_t policy_ms = c->policy_inflight ? UINT64_MAX : c->policy.wakeup_ms;
        ret_actions->wakeup_ms =
            earlier(earlier(earlier(replica_next_ms(&c->replica), c->executor.wakeup_ms),
                            earlier(c->reserve.wakeup_ms, answers_deadline(c))),
                    earlier(earlier(policy_ms, c->outlook.wakeup_ms), pending_deadline(c)));
    }
    return err;
}

/* ------------------------------------------------------------------------------- readers ---- */

const struct model *core_model(const struct core *c) {
    return &c->model;
}

void core_get_status(const struct core *c, struct core_status *ret) {
    const struct replica *r = &c->replica;
    *ret = (struct core_status){
        .node = c->self,
        .quorate = r->quorate,
        .corosync_down = c->booted && r->members.n == 0,
        .usable = c->booted && replica_usable(r),
        .phase = c->booted ? replica_phase_text(r) : "starting",
        .reason = "",
        .epoch = r->epoch,
        .last_index = log_last_index(&r->log),
        .commit_index = r->commit_index,
        .applied_index = r->applied_index,
        .stored_index = r->stored_index,
        .in_clear = {.v = c->in_clear, .n = c->n_in_clear},
    };
    if (c->booted) {
        replica_list_text(r, ret->list_differs, sizeof(ret->list_differs));
        replica_state_text(r, ret->state_differs, sizeof(ret->state_differs));
        replica_version_text(r, ret->version_differs, sizeof(ret->version_differs));
    }
    if (r->refusal) {
        ret->reason = r->refusal;
    } else if (ret->corosync_down) {
        ret->reason = "corosync does not run on this node, or does not answer";
    } else if (!r->quorate) {
        ret->reason = "this node is not part of a majority: see corosync-quorumtool, and the "
                      "network to the other nodes";
    } else if (!ret->usable && c->booted && replica_is_misfit(r)) {
        ret->reason = "this node's clusterd is of a version that cannot work with the others': it "
                      "stays out until it, or theirs, is updated";
    } else if (!ret->usable && c->booted && replica_forgetful(r)) {
        ret->reason = "the database of a node is older than it was (replaced, or restored from a "
                      "backup): that node does not count; start clusterd on more of the others";
    } else if (!ret->usable && c->booted && replica_wants_clearance(r)) {
        ret->reason = "of two nodes, one goes on alone only when the other is known to be off: its "
                      "fence device is being asked; or power it off by hand, then clusterctl node "
                      "confirm-off";
    } else if (!ret->usable) {
        ret->reason = "the nodes are agreeing on who is there; this takes well under a second";
    }
}
