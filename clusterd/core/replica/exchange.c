/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting an exchange: what this node says about itself in its STATE, and what it forgets about
 * the view that it leaves; see the drawing in replica.h. Also leaving out a member
 * (replica/damage.c, replica/same_model.c), because the others then form a new view.
 */
#include "core/replica/replica.h"

#include "base/mutant.h"
#include "core/model/model.h"
#include "core/replica/log.h"
#include "core/timeouts.h"
#include "wire/command.h"

#include <errno.h>
#include <string.h>

/* ---- what our STATE says ---- */

/* For each node, the highest floor that is known. */
struct floors {
    struct state_floor *v; /* WIRE_MAX_NODES */
    uint32_t n;
};

static void raise_floor(struct floors *floors, uint32_t node, uint64_t epoch, uint64_t index) {
    struct state_floor *floor = floors->v;
    while (floor < floors->v + floors->n && floor->node != node) {
        floor++;
    }
    if (floor == floors->v + floors->n) {
        if (index == 0 || floors->n == WIRE_MAX_NODES) {
            return;
        }
        floors->n++;
        *floor = (struct state_floor){.node = node};
    }
    if (replica_is_before(floor->epoch, floor->index, epoch, index)) {
        floor->epoch = epoch;
        floor->index = index;
    }
}

/*
 * A node that has reported in an epoch had an entry of that epoch on its disk, whether the report
 * was committed or not. So the end of our log counts too, although the model does not know it yet:
 * the last entries that a node received before its clusterd ended are on its disk, but not the fact
 * that they were committed.
 */
static void note_reports(struct replica *r, struct floors *floors, struct outbox *out) {
    for (uint64_t i = r->applied_index + 1; i <= log_last_index(&r->log); i++) {
        const struct log_item *item = log_at(&r->log, i);
        struct log_command entry;
        struct cmd_node_report report;
        int err = item ? wire_decode(&log_command_record, item->data, item->size, &out->arena,
                                     &entry, NULL)
                       : -EBADMSG;
        if (err == 0 && entry.type == COMMAND_NODE_REPORT && !MUTANT(end_of_log_unread)) {
            err = wire_decode(&cmd_node_report_record, entry.body.data, entry.body.size,
                              &out->arena, &report, NULL);
            if (err == 0) {
                raise_floor(floors, report.node, item->epoch, 1);
            }
        }
        out->error = err == -ENOMEM ? err : out->error;
    }
}

/* How far each node's log is known to have reached. A node missing in our corosync.conf is no peer
 * yet, but the log and the model know it, and the others may count it. */
static struct wire_list known_floors(struct replica *r, struct outbox *out) {
    struct floors floors = {
        .v = arena_array(&out->arena, WIRE_MAX_NODES, sizeof(struct state_floor))};
    if (!floors.v) {
        out->error = -ENOMEM;
        return (struct wire_list){0};
    }
    for (uint32_t i = 0; i < r->n_peers; i++) {
        raise_floor(&floors, r->peers[i].id, r->peers[i].kept_epoch, r->peers[i].kept_index);
    }
    MODEL_EACH(model_node, node, &r->model->nodes) {
        raise_floor(&floors, node->id, node->kept_epoch, node->kept_index);
    }
    note_reports(r, &floors, out);
    for (uint32_t i = 0; i < floors.n; i++) {
        /* Kept, because the entry that says so may be replaced. */
        struct replica_peer *p = replica_peer(r, floors.v[i].node);
        if (p) {
            p->kept_epoch = floors.v[i].epoch;
            p->kept_index = floors.v[i].index;
        }
    }
    return (struct wire_list){.items = floors.v, .n = floors.n};
}

/* ---- leaving, and beginning anew ---- */

static void leave_view(struct replica *r) {
    r->epoch = 0;
    r->small_cleared = false; /* a node that was off may have been in a view since */
    r->catching = false;
    replica_drop_deferred(r);
    replica_drop_outgoing(r);
    buffer_clear(&r->incoming);
    for (uint32_t i = 0; i < r->n_peers; i++) {
        struct replica_peer *p = &r->peers[i];
        p->in_view = false;
        p->promised = false;
        p->acked_index = 0;
        p->feeding = false;
    }
}

void replica_go_down(struct replica *r) {
    r->phase = REPLICA_DOWN;
    r->epoch = 0;
    r->deadline_ms = UINT64_MAX;
    r->small_cleared = false;
    replica_drop_deferred(r);
    r->catching = false;
}

int replica_enter_exchange(struct replica *r, uint64_t now_ms, struct outbox *out) {
    leave_view(r);
    r->plan.n = 0;
    r->phase = REPLICA_EXCHANGE;
    r->deadline_ms = now_ms + TIMEOUT_EXCHANGE_MS;
    r->round++;
    replica_peer(r, r->self)->fresh = false; /* what we said in an earlier round */
    struct message m = {
        .type = MESSAGE_STATE,
        .body.msg_state = {.round = r->round,
                           .members = r->members,
                           .last_epoch = log_last_epoch(&r->log),
                           .last_index = log_last_index(&r->log),
                           .chain = log_last_chain(&r->log),
                           .promised = r->promised,
                           .commit_index = r->commit_index,
                           .protocol = r->speaks,
                           .floors = known_floors(r, out),
                           .list = node_list_digest(&r->own),
                           .lists = replica_known_lists(r, out)},
    };
    if (r->tells_versions) {
        m.body.msg_state.lowest = PROTOCOL_LOWEST;
        m.body.msg_state.needs = replica_log_needs(r, out);
    }
    r->told = replica_state_digest(&m.body.msg_state);
    m.body.msg_state.digest = r->tells_versions ? r->told : 0;
    replica_send(r, &m, out);
    return 0;
}

int replica_leave_out(struct replica *r, struct replica_peer *p, const char *refusal,
                      struct outbox *out) {
    if (p->id == r->self) {
        r->refusal = refusal;
        /* The others may take this clusterd's last words as its own: this message is from
         * nobody. */
        struct message m = {.type = MESSAGE_STATE,
                            .body.msg_state = {.round = ++r->round,
                                               .promised = r->promised,
                                               .last_epoch = log_last_epoch(&r->log),
                                               .protocol = r->speaks}};
        replica_send(r, &m, out);
        replica_go_down(r);
        return 0;
    }
    bool outside = r->phase == REPLICA_ACTIVE && !p->in_view;
    return r->phase == REPLICA_DOWN || outside ? 0
                                               : replica_enter_exchange(r, r->last_step_ms, out);
}

int replica_damaged(struct replica *r, struct replica_peer *p, const char *what,
                    struct outbox *out) {
    replica_count_damage(r, p, what, out);
    if (p->id == r->self && replica_left_out(p)) {
        return replica_leave_out(r, p,
                                 "messages of this clusterd repeatedly could not be read: check "
                                 "this node's memory, then start clusterd again",
                                 out);
    }
    bool outside = r->phase == REPLICA_ACTIVE && !p->in_view;
    return r->phase == REPLICA_DOWN || outside ? 0
                                               : replica_enter_exchange(r, r->last_step_ms, out);
}

int replica_malformed(struct replica *r, uint32_t sender, const uint8_t *data, size_t size,
                      struct outbox *out) {
    struct message_header header;
    struct replica_peer *p = replica_peer(r, sender);
    if (!p || message_header(data, size, &header) < 0 || p->incarnation != header.incarnation) {
        replica_say_damaged(r, sender, out);
        return 0; /* not from a clusterd that we know: it may say what it likes */
    }
    return replica_damaged(r, p, "a message", out);
}
