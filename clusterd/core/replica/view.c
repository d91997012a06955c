/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forming a view: exchange, proposal, promises; see the drawing in replica.h.
 *
 * All members see the same STATEs in the same order, so the lowest id heard can speak for all: its
 * PROPOSE names the members, with the exact round of each. A node that has started a newer round
 * meanwhile ignores the proposal. Everybody sees its newer STATE after the proposal, and all start
 * again.
 */
#include "core/replica/replica.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "core/timeouts.h"

#include "core/replica/log.h"
#include "core/model/model.h"
#include "wire/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The peer would be a member if this node proposed now. The very first view takes only nodes that
 * have read the same list. */
static bool is_planned(const struct replica *r, const struct replica_peer *p) {
    return replica_peer_takes_part(r, p) && r->plan.n > 0 && node_list_has(&r->plan.v[0], p->id) &&
           (!r->plan_is_first || p->state.list == node_list_digest(&r->own));
}

static bool counts(const struct replica *r, const struct replica_peer *p) {
    return is_planned(r, p) && !replica_peer_forgets(r, p);
}

/* A node that the cluster does not know yet does not speak for it. */
static bool may_speak(const struct replica *r, const struct replica_peer *p) {
    return counts(r, p) && node_list_has(&r->newest, p->id);
}

static const char *name_in_list(const struct replica *r, uint32_t id) {
    const struct replica_peer *p = replica_peer(r, id);
    const struct model_node *node = model_node_by_id(r->model, id);
    return node && !node_list_has(&r->own, id) ? node->name : p ? r->names[p - r->peers] : "";
}

static struct wire_bytes first_entry(struct replica *r, uint64_t epoch, uint32_t protocol,
                                     uint64_t wall_ms, struct outbox *out) {
    struct view_member members[WIRE_MAX_NODES];
    struct view_node nodes[WIRE_MAX_NODES];
    const struct node_list *list = &r->plan.v[0];
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (is_planned(r, p)) {
            members[n++] = (struct view_member){.node = p->id, .incarnation = p->incarnation};
        }
    }
    for (uint32_t i = 0; i < list->n; i++) {
        nodes[i] = (struct view_node){
            .id = list->v[i].id, .name = name_in_list(r, list->v[i].id), .votes = list->v[i].votes};
    }
    struct cmd_view view = {.epoch = epoch,
                            .members = {.items = members, .n = n},
                            .ring = r->ring,
                            .nodes = {.items = nodes, .n = list->n},
                            .protocol = protocol};
    struct log_command entry = {.type = COMMAND_VIEW,
                                .time_ms = wall_ms,
                                .origin = r->self,
                                .incarnation = r->incarnation,
                                .body = outbox_encode(out, &cmd_view_record, &view)};
    return outbox_encode(out, &log_command_record, &entry);
}

static int propose(struct replica *r, uint64_t wall_ms, struct outbox *out) {
    struct propose_member members[WIRE_MAX_NODES];
    uint32_t n = 0;
    uint64_t promised = 0;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (!is_planned(r, p)) {
            continue;
        }
        members[n++] = (struct propose_member){
            .node = p->id, .incarnation = p->incarnation, .round = p->state.round};
        promised = p->state.promised > promised ? p->state.promised : promised;
    }
    const struct replica_peer *source = replica_peer(r, r->plan_source);
    promised -= MUTANT(epoch_twice) && promised > 0;
    const struct wire_list named = {.items = members, .n = n};
    uint32_t protocol = replica_lowest_protocol(r, &named);
    struct message m = {
        .type = MESSAGE_PROPOSE,
        .body.msg_propose = {.epoch = promised + 1,
                             .members = named,
                             .source = source->id,
                             .base_epoch = source->state.last_epoch,
                             .base_index = source->state.last_index,
                             .base_chain = source->state.chain,
                             .protocol = protocol},
    };
    struct wire_bytes entry = first_entry(r, promised + 1, protocol, wall_ms, out);
    m.body.msg_propose.entry = entry;
    replica_send(r, &m, out);
    return 0;
}

/*
 * Whether the nodes heard may form a view. In a small view (see replica_enough) the proposer first
 * makes sure that every silent node is off (replica_clear_small), or two halves could both go on.
 */
static bool may_propose(const struct replica *r) {
    return replica_majority(r, &r->plan, counts, 0) ||
           (r->small_quorum_allowed && r->plan.n == 1 &&
            (r->small_cleared || MUTANT(small_view_unchecked)));
}

static bool is_listed(const struct replica *r, uint32_t id) {
    const struct model_node *node = model_node_by_id(r->model, id);
    return node_list_has(&r->own, id) || (node && node->configured);
}

static bool complete(const struct replica *r) {
    for (uint32_t i = 0; i < r->members.n; i++) {
        const struct replica_peer *p = replica_peer(r, r->members.v[i]);
        if (p && is_listed(r, p->id) && !replica_peer_heard(r, p) && !replica_left_out(p)) {
            return false;
        }
    }
    return true;
}

static uint32_t lowest_heard(const struct replica *r) {
    uint32_t lowest = 0;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        if (may_speak(r, &r->peers[i]) && (lowest == 0 || r->peers[i].id < lowest)) {
            lowest = r->peers[i].id;
        }
    }
    return lowest;
}

/* A member whose clusterd hangs is not waited for longer than the exchange lasts. */
bool replica_wants_clearance(const struct replica *r) {
    return r->phase == REPLICA_EXCHANGE && r->small_quorum_allowed && r->plan.n == 1 &&
           !r->small_cleared && (complete(r) || r->overdue > 0) && lowest_heard(r) == r->self &&
           !replica_majority(r, &r->plan, counts, 0);
}

static int try_propose(struct replica *r, uint64_t wall_ms, struct outbox *out) {
    if (r->phase == REPLICA_EXCHANGE && (complete(r) || r->small_cleared) &&
        lowest_heard(r) == r->self && may_propose(r)) {
        return propose(r, wall_ms, out);
    }
    return 0;
}

int replica_clear_small(struct replica *r, uint64_t now_ms, uint64_t wall_ms, struct outbox *out) {
    (void)now_ms;
    r->small_cleared = true;
    return try_propose(r, wall_ms, out);
}

static void keep_state(struct replica_peer *peer, const struct msg_state *state) {
    peer->state = *state;
    if (state->members.n) {
        memcpy(peer->state_members, state->members.v, state->members.n * sizeof(uint32_t));
    }
    peer->state.members.v = peer->state_members;
    if (state->floors.n) {
        memcpy(peer->floors, state->floors.items, state->floors.n * sizeof(peer->floors[0]));
    }
    peer->state.floors.items = peer->floors;
    if (state->lists.n) {
        memcpy(peer->lists, state->lists.items, state->lists.n * sizeof(peer->lists[0]));
    }
    peer->state.lists.items = peer->lists;
    peer->fresh = true;
}

int replica_on_state(struct replica *r, struct replica_peer *peer, const struct message *m,
                     uint64_t now_ms, uint64_t wall_ms, struct outbox *out) {
    const struct msg_state *state = &m->body.msg_state;
    bool own = peer->id == r->self;
    peer->incarnation = m->incarnation;
    if (!replica_state_makes_sense(state)) {
        return replica_damaged(r, peer, "a message about its log", out);
    }
    keep_state(peer, state);
    if (r->phase == REPLICA_DOWN) {
        return 0; /* our own quorum event is still to come, or never */
    }
    if (own && state->round != r->round) {
        peer->fresh = false; /* an earlier round of ours: the present one is on its way */
        return 0;
    }
    if (own && r->phase == REPLICA_EXCHANGE && replica_state_digest(state) != r->told) {
        return replica_damaged(r, peer, "a message about its log", out);
    }
    if (replica_left_out(peer)) {
        return 0; /* it is not waited for, and does not make us start again */
    }
    if (r->phase != REPLICA_EXCHANGE && replica_cannot_join(r, peer, out)) {
        return 0; /* likewise */
    }
    if (!own && r->phase != REPLICA_EXCHANGE && ids_contain(&r->members, peer->id) &&
        node_list_has(&r->lists.v[0], peer->id)) {
        int err = replica_enter_exchange(r, now_ms, out);
        if (err < 0) {
            return err;
        }
    }
    replica_judge_versions(r);
    replica_plan(r);
    replica_say_misfits(r, out);
    return try_propose(r, wall_ms, out);
}

/* Members that were proposed and have said nothing since. What they said before counts no more, or
 * they would be proposed again and again while their clusterd hangs. Each starts a new round when
 * it sees a proposal without it. */
static void forget_silent(struct replica *r, uint64_t now_ms) {
    for (uint32_t i = 0; r->phase == REPLICA_PROMISE && i < r->n_peers; i++) {
        struct replica_peer *p = &r->peers[i];
        bool silent = p->spoke_ms + TIMEOUT_PROMISE_MS <= now_ms;
        p->fresh = p->fresh && !(p->in_view && !p->promised && silent && p->id != r->self);
    }
}

/*
 * Somebody has not answered. The nodes heard go on without it if they are enough, and the lowest of
 * them speaks. If that one hangs too, the next by rank takes its turn, after one deadline each.
 */
int replica_exchange_deadline(struct replica *r, uint64_t now_ms, uint64_t wall_ms,
                              struct outbox *out) {
    if (r->phase != REPLICA_EXCHANGE) {
        forget_silent(r, now_ms);
        return replica_enter_exchange(r, now_ms, out);
    }
    r->overdue++;
    replica_judge_versions(r);
    replica_plan(r);
    uint32_t rank = 0;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        rank += may_speak(r, &r->peers[i]) && r->peers[i].id < r->self;
    }
    const struct replica_peer *self = replica_peer(r, r->self);
    if (may_speak(r, self) && r->overdue > rank && may_propose(r)) {
        r->overdue = 0;
        r->deadline_ms = now_ms + TIMEOUT_PROMISE_MS;
        return propose(r, wall_ms, out);
    }
    if (r->overdue > r->n_peers + 1 && !replica_is_misfit(r)) {
        r->overdue = 0;
        return replica_enter_exchange(r, now_ms, out);
    }
    r->deadline_ms = now_ms + TIMEOUT_EXCHANGE_MS;
    return 0;
}

static int keep_first_entry(struct replica *r, const struct wire_bytes *entry) {
    uint8_t *copy = malloc(entry->size ? entry->size : 1);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, entry->data, entry->size);
    free(r->first_entry);
    r->first_entry = copy;
    r->first_entry_size = entry->size;
    return 0;
}

static const struct propose_member *find_member(const struct msg_propose *p, uint32_t node) {
    const struct propose_member *members = p->members.items;
    for (uint32_t i = 0; i < p->members.n; i++) {
        if (members[i].node == node) {
            return &members[i];
        }
    }
    return NULL;
}

/*
 * Whether the proposal names the rounds that everybody is in. All of us have seen the same STATEs
 * before it, so all of us agree on that. Without this check, a proposer that hears of a newer round
 * before its own proposal comes back would make a second one for the same epoch, and each would be
 * accepted by somebody.
 */
static bool rounds_are_current(const struct replica *r, const struct msg_propose *p) {
    const struct propose_member *members = p->members.items;
    for (uint32_t i = 0; i < p->members.n; i++) {
        const struct replica_peer *peer = replica_peer(r, members[i].node);
        if (!peer || !peer->fresh || peer->incarnation != members[i].incarnation ||
            peer->state.round != members[i].round) {
            return false;
        }
    }
    return true;
}

/* Promises count for one proposal, not for an epoch: see rounds_are_current(). */
static uint64_t digest_of(const struct msg_propose *p) {
    const struct propose_member *members = p->members.items;
    uint64_t digest = fnv64(fnv64_u64(FNV64_START, p->epoch), p->entry.data, p->entry.size);
    digest = fnv64_u64(fnv64_u64(digest, p->base_index), p->base_chain);
    for (uint32_t i = 0; i < p->members.n; i++) {
        digest = fnv64_u64(fnv64_u64(digest, members[i].incarnation), members[i].round);
    }
    return digest;
}

int replica_on_propose(struct replica *r, struct replica_peer *peer, const struct message *m,
                       uint64_t now_ms, struct outbox *out) {
    const struct msg_propose *p = &m->body.msg_propose;
    if (r->phase == REPLICA_DOWN || peer->misfit ||
        (r->phase != REPLICA_EXCHANGE && replica_cannot_join(r, peer, out))) {
        return 0; /* if it does not know that it stays out, it may leave us out */
    }
    const struct propose_member *self = find_member(p, r->self);
    if (!self) {
        /* We were too late: a new round will bring us in. Or our version keeps us out. */
        return replica_is_misfit(r) ? 0 : replica_enter_exchange(r, now_ms, out);
    }
    if (r->phase != REPLICA_EXCHANGE || self->incarnation != r->incarnation ||
        self->round != r->round || (p->epoch <= r->promised && !MUTANT(epoch_twice)) ||
        (!rounds_are_current(r, p) && !MUTANT(rounds_not_compared)) || !replica_view_fits(r, p)) {
        return 0;
    }
    if (replica_is_before(p->base_epoch, p->base_index, log_last_epoch(&r->log),
                          log_last_index(&r->log)) &&
        !MUTANT(shorter_log)) {
        /* The proposer knows less of our log than there is: entries that only we have would be
         * lost. */
        return replica_enter_exchange(r, now_ms, out);
    }
    const struct cmd_view *view = NULL;
    int err = replica_check_proposal(r, peer, p, &out->arena, &view);
    if (err == -EBADMSG) {
        return replica_damaged(r, peer, "a proposal", out);
    }
    if (err == 0) {
        err = keep_first_entry(r, &p->entry);
    }
    if (err == 0) {
        err = replica_take_lists(r, p, view);
    }
    if (err < 0) {
        return err;
    }
    r->epoch = p->epoch;
    CHECK(p->epoch > r->promised || MUTANT(epoch_twice)); /* an epoch is promised once */
    r->promised = p->epoch;
    r->proposal = digest_of(p);
    r->protocol = replica_lowest_protocol(r, &p->members);
    r->source = p->source;
    r->sequencer = peer->id;
    r->next_index = p->base_index + 2; /* after the view's first entry */
    r->base_index = p->base_index;
    r->base_epoch = p->base_epoch;
    r->base_chain = p->base_chain;
    r->overdue = 0;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        struct replica_peer *member = &r->peers[i];
        member->in_view = find_member(p, member->id) != NULL;
        member->forgetful = member->in_view && replica_peer_forgets(r, member);
        member->promised = false;
        member->acked_index = 0;
        member->disagrees = false;
        member->feeding = false;
        member->last_heard_ms = now_ms;
    }
    replica_forget_samples(r, now_ms);
    r->small_view = !replica_majority(r, &r->lists, replica_counts_in_view, 0);
    if (r->small_view && (!r->small_quorum_allowed || r->lists.n > 1)) {
        return replica_enter_exchange(r, now_ms, out);
    }
    r->phase = REPLICA_PROMISE;
    r->deadline_ms = now_ms + TIMEOUT_PROMISE_MS;
    struct core_store *store = replica_store(r, r->epoch, 0, out);
    store->promised = MUTANT(promise_not_kept) ? 0 : r->epoch;
    return 0;
}

static bool has_promised(const struct replica *r, const struct replica_peer *p) {
    (void)r;
    return p->in_view && p->promised && !p->forgetful;
}

/*
 * The members' STATEs count as used only now. A failed proposal uses up only the rounds of the
 * nodes that accepted it, and they start new ones. A node that did not accept it is still in the
 * round that it reported.
 */
static int activate(struct replica *r, uint64_t now_ms, struct outbox *out) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        r->peers[i].fresh = r->peers[i].fresh && !r->peers[i].in_view;
    }
    r->phase = REPLICA_ACTIVE;
    r->deadline_ms = UINT64_MAX;
    struct wire_bytes entry = {.data = r->first_entry, .size = r->first_entry_size};
    bool at_base =
        log_last_index(&r->log) == r->base_index && log_last_epoch(&r->log) == r->base_epoch;
    if (at_base && log_last_chain(&r->log) != r->base_chain) {
        outbox_log(out, SEVERITY_ERROR,
                   "this node's log at index %llu differs from node %u's though both end there: "
                   "its database is damaged or a different one; stop clusterd here, move "
                   "cluster.db away and start it again: it will take a copy from the others",
                   (unsigned long long)r->base_index, r->source);
        return -ENOTRECOVERABLE;
    }
    if (at_base) {
        int err = replica_append(r, &entry, 1, out);
        if (err < 0) {
            return err;
        }
    } else {
        r->catching = true;
        r->taken_from = 0;
        r->deadline_ms = now_ms + TIMEOUT_CATCHUP_MS;
        int err = replica_defer(r, &entry);
        if (err < 0) {
            return err;
        }
    }
    return r->source == r->self ? replica_begin_feeding(r, out) : 0;
}

int replica_on_promised(struct replica *r, struct replica_peer *peer, const struct message *m,
                        uint64_t now_ms, struct outbox *out) {
    if (m->body.msg_promised.proposal != r->proposal && !MUTANT(rounds_not_compared)) {
        return 0;
    }
    peer->promised = true;
    if (r->phase != REPLICA_PROMISE || !replica_enough(r, has_promised, 0)) {
        return 0;
    }
    return activate(r, now_ms, out);
}
