/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replica's frame: it takes events and hands them, by phase, to the files that know
 * (replica/view.c: forming a view; replica/commit.c: entries, acknowledgements, stores;
 * replica/catchup.c: members that are behind). See replica.h.
 */
#include "core/replica/replica.h"

#include "base/check.h"
#include "base/owned.h"
#include "base/mutant.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The nodes of corosync's list, and those the cluster uses, as the database has them. */
static int load_peers(struct replica *r, const struct core_boot *boot) {
    const struct view_node *nodes = boot->nodes.items;
    r->peers = calloc(WIRE_MAX_NODES, sizeof(*r->peers));
    r->names = calloc(WIRE_MAX_NODES, sizeof(*r->names));
    if (!r->peers || !r->names) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < boot->nodes.n && i < WIRE_MAX_NODES; i++) {
        if (!replica_add_peer(r, nodes[i].id, nodes[i].name)) {
            return -ENOMEM;
        }
        node_list_add(&r->own, nodes[i].id, nodes[i].votes);
    }
    MODEL_EACH(model_node, node, &r->model->nodes) {
        if (node->configured && r->n_peers < WIRE_MAX_NODES &&
            !replica_add_peer(r, node->id, node->name)) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int load_log(struct replica *r, const struct core_stored_state *state) {
    if (state->snapshot_index) {
        log_reset(&r->log, state->snapshot_index, state->snapshot_epoch, state->snapshot_chain);
    }
    for (uint32_t i = 0; i < state->n_entries; i++) {
        const struct core_entry *e = &state->entries[i];
        if (e->index != log_last_index(&r->log) + 1 || e->epoch < log_last_epoch(&r->log)) {
            return -EBADMSG;
        }
        int err = log_append(&r->log, e->epoch, e->data, e->size);
        if (err < 0) {
            return err;
        }
    }
    r->promised = state->promised;
    r->stored_needs = state->needs;
    if (r->promised < log_last_epoch(&r->log)) {
        return -EBADMSG;
    }
    r->stored_index = log_last_index(&r->log);
    r->commit_index =
        state->commit_index > state->snapshot_index ? state->commit_index : state->snapshot_index;
    if (r->commit_index > r->stored_index) {
        return -EBADMSG;
    }
    r->applied_index = state->snapshot_index;
    r->compacted_index = state->snapshot_index;
    r->snapshot_bytes = state->snapshot_size;
    return 0;
}

int replica_init(struct replica *r, const struct core_boot *boot, const struct model *model) {
    *r = (struct replica){
        .self = boot->node,
        .incarnation = boot->incarnation,
        .speaks = boot->speaks ? boot->speaks : PROTOCOL_HIGHEST,
        .tells_versions = !boot->tells_no_versions,
        .model = model,
        .keep_entries = boot->compact_entries ? boot->compact_entries / 4 : REPLICA_KEEP_ENTRIES,
        .deadline_ms = UINT64_MAX,
    };
    log_init(&r->log);
    buffer_init(&r->incoming);
    bool small = boot->two_node || boot->last_man_standing || boot->quorum_device;
    /*
     * Only in a two-node cluster may one node go on alone. With more nodes, a majority could go on
     * without this part and be gone by the time this part may go on, and what the majority had
     * committed would be lost. So there a view needs a majority of all votes, whatever corosync
     * calls quorate.
     */
    r->small_quorum_allowed = small && boot->wait_for_all && boot->nodes.n == 2;
    if (small && !boot->wait_for_all && boot->nodes.n == 2) {
        r->refusal = "corosync lets one of two nodes be quorate without wait_for_all, which can "
                     "lose committed changes: set wait_for_all: 1 in corosync.conf on both nodes";
    }
    int err = load_peers(r, boot);
    if (err == 0) {
        err = load_log(r, &boot->state);
    }
    if (err == 0 && !replica_peer(r, r->self)) {
        err = -EINVAL;
    }
    return err;
}

void replica_finish(struct replica *r) {
    replica_drop_deferred(r);
    log_finish(&r->log);
    buffer_finish(&r->incoming);
    free(r->deferred);
    free(r->first_entry);
    free(r->feed_snapshot);
    replica_drop_outgoing(r);
    free(r->outgoing);
    free(r->stores);
    for (uint32_t i = 0; i < r->n_peers; i++) {
        owned_free(r->names[i]);
    }
    free(r->names);
    free(r->peers);
    *r = (struct replica){0};
}

static uint32_t copy_ids(const struct wire_ids *from, uint32_t *to) {
    uint32_t n = from->n < WIRE_MAX_NODES ? from->n : WIRE_MAX_NODES;
    memcpy(to, from->v, n * sizeof(*to));
    return n;
}

int replica_view(struct replica *r, const struct core_view *view, uint64_t now_ms,
                 struct outbox *out) {
    r->members =
        (struct wire_ids){.v = r->member_ids, .n = copy_ids(&view->members, r->member_ids)};
    r->ring = (struct wire_ids){.v = r->ring_ids, .n = copy_ids(&view->ring, r->ring_ids)};
    r->quorate = view->quorate != 0;
    r->views++;
    r->small_cleared = false;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        /* What a node said before it left must not be taken for what it says when it is back. */
        if (!ids_contain(&r->members, r->peers[i].id)) {
            r->peers[i].fresh = false;
        }
    }
    if (!r->quorate || r->refusal || !ids_contain(&r->members, r->self)) {
        replica_go_down(r);
        return 0;
    }
    return replica_enter_exchange(r, now_ms, out);
}

static int on_heartbeat(struct replica *r, struct replica_peer *peer, const struct message *m,
                        struct outbox *out) {
    if (peer->id == r->self && m->incarnation == r->incarnation) {
        uint64_t sequence = m->body.msg_heartbeat.sequence;
        if (sequence > r->heartbeat_sent) {
            return 0; /* we have never said that */
        }
        r->heartbeat_echoed = sequence;
        r->echo_sent_ms = r->heartbeat_sent - sequence < REPLICA_HEARTBEATS
                              ? r->heartbeat_ms[sequence % REPLICA_HEARTBEATS]
                              : 0;
        if (r->doubt_until && r->heartbeat_echoed >= r->doubt_until) {
            r->doubt_until = 0;
        }
    }
    return m->incarnation == peer->incarnation
               ? replica_compare(r, peer, &m->body.msg_heartbeat, out)
               : 0;
}

int replica_message(struct replica *r, uint32_t sender, const struct message *m, uint64_t now_ms,
                    uint64_t wall_ms, struct outbox *out) {
    struct replica_peer *peer = replica_peer(r, sender);
    if (!peer && m->type == MESSAGE_STATE && sender && r->n_peers < WIRE_MAX_NODES) {
        char name[WIRE_MAX_NAME];
        (void)snprintf(name, sizeof(name), "node %u", sender);
        peer = replica_add_peer(r, sender, name); /* the cluster may come to count it */
        if (!peer) {
            return -ENOMEM;
        }
    }
    if (!peer) {
        return 0;
    }
    peer->last_heard_ms = now_ms;
    peer->spoke_ms = now_ms;
    bool same_view = r->epoch != 0 && m->epoch == r->epoch && peer->in_view;
    switch (m->type) {
    case MESSAGE_STATE: return replica_on_state(r, peer, m, now_ms, wall_ms, out);
    case MESSAGE_PROPOSE: return replica_on_propose(r, peer, m, now_ms, out);
    case MESSAGE_PROMISED: return same_view ? replica_on_promised(r, peer, m, now_ms, out) : 0;
    case MESSAGE_ENTRIES:
    case MESSAGE_ACK:
    case MESSAGE_SUFFIX:
    case MESSAGE_SNAPSHOT: break;
    case MESSAGE_HEARTBEAT: return on_heartbeat(r, peer, m, out);
    case MESSAGE_PROGRESS: return 0;
    }
    if (!same_view || r->phase != REPLICA_ACTIVE) {
        return 0; /* of a view that is no more: nobody appends it */
    }
    return replica_active_message(r, peer, m, now_ms, out);
}

/* A member whose clusterd hangs keeps its CPG membership: the view must go on without it. */
static bool member_silent(const struct replica *r, uint64_t now_ms) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (p->in_view && p->id != r->self && now_ms > p->last_heard_ms + TIMEOUT_MEMBER_MS) {
            return true;
        }
    }
    return false;
}

int replica_tick(struct replica *r, uint64_t now_ms, uint64_t wall_ms, struct outbox *out) {
    /* Without corosync there are no heartbeats, and seconds without an event are normal. */
    bool slept =
        r->members.n > 0 && r->last_step_ms && now_ms > r->last_step_ms + TIMEOUT_ASLEEP_MS;
    r->last_step_ms = now_ms;
    replica_tell_more_damaged(r, now_ms, out);
    if (slept) {
        /* The others seemed silent because we slept, and what we believe may be long out of date:
         * see timeouts.h. */
        for (uint32_t i = 0; i < r->n_peers; i++) {
            r->peers[i].last_heard_ms = now_ms;
        }
        r->doubt_until = MUTANT(lags_and_begins) ? 0 : r->heartbeat_sent + 1;
        outbox_log(out, SEVERITY_WARNING,
                   "this clusterd did not run for more than %u ms (frozen, or no cpu): it orders "
                   "nothing until the cluster has answered",
                   TIMEOUT_ASLEEP_MS);
    }
    if (r->members.n > 0 && (slept || now_ms >= r->heartbeat_due_ms)) {
        replica_send_heartbeat(r, now_ms, out);
    }
    for (uint32_t i = 0; slept && i < r->n_stores; i++) {
        r->stores[i].since_ms = now_ms; /* it may have been done while we slept */
    }
    /* Not if the ring's answers are late too: then it is this clusterd that does not get to run. */
    bool answered = r->members.n > 0 && now_ms <= r->echo_sent_ms + TIMEOUT_ECHO_MS;
    if (r->n_stores > 0 && answered && now_ms > r->stores[0].since_ms + TIMEOUT_STORE_MS) {
        return -ETIME;
    }
    if (now_ms >= r->deadline_ms) {
        r->deadline_ms = UINT64_MAX;
        return replica_exchange_deadline(r, now_ms, wall_ms, out);
    }
    /* While our own messages do not come back, nobody's do: the ring is between two
     * configurations. */
    if (r->phase == REPLICA_ACTIVE && answered && member_silent(r, now_ms)) {
        return replica_enter_exchange(r, now_ms, out);
    }
    return 0;
}

uint64_t replica_next_ms(const struct replica *r) {
    uint64_t next = r->members.n > 0 ? r->heartbeat_due_ms : UINT64_MAX;
    return r->deadline_ms < next ? r->deadline_ms : next;
}

bool replica_active(const struct replica *r) {
    return r->phase == REPLICA_ACTIVE && !r->catching && r->applied_index > r->base_index;
}

bool replica_usable(const struct replica *r) {
    return replica_active(r) && r->doubt_until == 0;
}

bool replica_is_current(const struct replica *r) {
    return r->last_step_ms <= r->echo_sent_ms + TIMEOUT_ECHO_MS || MUTANT(lags_and_begins);
}

const char *replica_phase_text(const struct replica *r) {
    switch (r->phase) {
    case REPLICA_DOWN: return r->refusal ? "refused" : "no quorum";
    case REPLICA_EXCHANGE:
    case REPLICA_PROMISE: return "forming a view";
    case REPLICA_ACTIVE:
        if (r->catching) {
            return "catching up";
        }
        return !replica_active(r) ? "forming a view" : r->doubt_until ? "in doubt" : "ready";
    }
    return "unknown";
}
