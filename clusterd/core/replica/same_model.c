/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether all nodes have come to the same model.
 *
 * The logs are the same, their chains prove it. What applying them comes to need not be: memory
 * goes bad, and two builds may apply a command differently. So each node takes a sample of its
 * model, a digest at an index of the log, and its heartbeats carry it. Samples are taken where all
 * nodes take them: at the first entry of each view, at each REPLICA_SAMPLE_EVERY-th entry (both
 * are told at once), and of a model that has not changed between two heartbeats.
 * (model_check_digest() takes some 8 ms for 10,000 VMs. An incremental digest would cost each
 * change a little, and every place that writes a row a line that can be forgotten; this costs 1 %
 * of the loop at the worst, and usually nothing.)
 *
 * Of the samples at one index:
 *
 *   - A majority of all votes is alike: whoever said another twice in a row is wrong. (Once may be
 *     the message's fault.) It leaves: the others form the view without it, and it refuses to work
 *     until it is started again. All hear the same heartbeats in the same order, so all say the
 *     same, the wrong one too.
 *   - They differ, and no majority is alike: of two nodes; or of three, one of which is away.
 *     Nobody can tell who is right. Nothing is begun until it is known: no VM is started, moved,
 *     stopped or destroyed by a model that may be wrong. So no VM can run twice. The view stays,
 *     both logs are kept, every VM runs on: nothing is lost, and the cluster is not taken down for
 *     what may be one bit in a text. If one of the two goes, the other one goes on as ever: of two
 *     nodes only when the one that is gone is known to be off.
 *
 * A clusterd that has just been started may bring a wrong model along, in its snapshot. So it
 * reports for duty (NODE_REPORT) only when another node has come to the same, or nobody has
 * contradicted it for a while: a node that left for its model, and is started again, gets no VMs.
 */
#include "core/replica/replica.h"

#include "base/mutant.h"

#include "core/model/settings.h"
#include "core/timeouts.h"

#include <stdio.h>
#include <string.h>

#define SAID_TWICE 2u

static bool is_alike(const struct replica_sample *a, const struct replica_sample *b) {
    return a->index == b->index && a->digest == b->digest;
}

static bool tells(const struct replica_peer *p, uint64_t index) {
    return p->in_view && p->sample.index == index && index != 0;
}

/* The votes of the nodes that agree with the peer. */
static bool most_are_like(const struct replica *r, const struct replica_peer *as) {
    const struct node_list *list = &r->lists.v[0];
    uint64_t votes = 0, all = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct replica_peer *p = replica_peer(r, list->v[i].id);
        bool like = p && tells(p, as->sample.index) && is_alike(&p->sample, &as->sample);
        votes += like ? list->v[i].votes : 0;
        all += list->v[i].votes;
    }
    return votes >= all / 2 + 1;
}

/* A node of the majority reports about the same index. */
static const struct replica_peer *right_one(const struct replica *r, uint64_t index) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        if (tells(&r->peers[i], index) && most_are_like(r, &r->peers[i])) {
            return &r->peers[i];
        }
    }
    return NULL;
}

static bool only_reports(const struct replica *r) {
    return setting_get(r->model, SETTING_state_check) == STATE_CHECK_REPORT;
}

/* Those that tell of that index are not alike. */
static void note_unlike(struct replica *r, struct replica_peer *p, const struct replica_peer *other,
                        struct outbox *out) {
    if (++p->unlike < SAID_TWICE) {
        return;
    }
    if (r->differs_index == 0) {
        outbox_log(out, SEVERITY_ERROR,
                   "%s and %s disagree about the state of the cluster at index %llu of the log, "
                   "and no majority says which is right: %s; see clusterd(8), UPDATES",
                   r->names[other - r->peers], r->names[p - r->peers],
                   (unsigned long long)p->sample.index,
                   only_reports(r) ? "nothing is done about it, because state_check says so"
                                   : "VMs keep running, and nothing is started, moved or stopped");
    }
    r->differs_index = p->sample.index;
    r->differs[0] = other->id;
    r->differs[1] = p->id;
}

/* The majority at that index says that the peer is wrong. */
static int note_wrong(struct replica *r, struct replica_peer *p, struct outbox *out) {
    const char *name = r->names[p - r->peers];
    if (++p->unlike < SAID_TWICE) {
        return 0;
    }
    if (p->wrong_incarnation != p->incarnation) {
        outbox_log(
            out, SEVERITY_ERROR,
            "%s disagrees with the others about the state of the cluster at index %llu of the log: "
            "its memory is bad, or it runs a different clusterd; %s; see clusterd(8), UPDATES",
            name, (unsigned long long)p->sample.index,
            only_reports(r) ? "nothing is done about it, because state_check says so"
                            : "it leaves the cluster and starts nothing");
    }
    p->wrong_incarnation = p->incarnation;
    p->wrong_index = p->sample.index;
    if (only_reports(r)) {
        return 0;
    }
    p->wrong_leaves = true;
    return replica_leave_out(r, p,
                             "this node disagrees with the others about the state of the cluster "
                             "after the same log: check its memory and its version of clusterd; "
                             "then stop clusterd, move cluster.db away and start it again",
                             out);
}

static void note_alike(struct replica *r, struct replica_peer *p) {
    const struct replica_peer *self = replica_peer(r, r->self);
    p->unlike = 0;
    p->wrong_incarnation = p->wrong_leaves ? p->wrong_incarnation : 0;
    r->confirmed = r->confirmed || (p != self && is_alike(&p->sample, &self->sample));
    for (uint32_t i = 0; p == self && i < r->n_peers; i++) {
        const struct replica_peer *other = &r->peers[i];
        r->confirmed = r->confirmed || (other != self && tells(other, p->sample.index) &&
                                        is_alike(&other->sample, &p->sample));
    }
    if (r->differs_index && (r->differs[0] == p->id || r->differs[1] == p->id)) {
        r->differs_index = 0;
    }
}

int replica_compare(struct replica *r, struct replica_peer *p, const struct msg_heartbeat *beat,
                    struct outbox *out) {
    p->sample = (struct replica_sample){.index = beat->check_index, .digest = beat->check_digest};
    if (r->phase != REPLICA_ACTIVE || !tells(p, beat->check_index) || MUTANT(digest_ignored)) {
        return 0;
    }
    const struct replica_peer *right = right_one(r, p->sample.index), *unlike = NULL;
    bool alone = true;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *other = &r->peers[i];
        if (other != p && tells(other, p->sample.index)) {
            alone = false;
            unlike = is_alike(&other->sample, &p->sample) ? unlike : other;
        }
    }
    if (right && !is_alike(&right->sample, &p->sample)) {
        return note_wrong(r, p, out);
    }
    if (!right && unlike) {
        note_unlike(r, p, unlike, out);
    } else if (!alone) {
        note_alike(r, p);
    }
    return 0;
}

/* ---- samples ---- */

static void take_sample(struct replica *r) {
    r->sample =
        (struct replica_sample){.index = r->applied_index, .digest = model_check_digest(r->model)};
}

bool replica_wants_sample(const struct replica *r, uint32_t type, uint64_t epoch) {
    return r->tells_versions && epoch == r->epoch && r->applied_index > r->base_index &&
           (type == COMMAND_VIEW || r->applied_index % REPLICA_SAMPLE_EVERY == 0);
}

static void put_sample(struct replica *r, struct msg_heartbeat *beat) {
    if (!r->tells_versions) {
        return;
    }
    bool rests = r->applied_index == r->beat_index && !r->catching;
    r->beat_index = r->applied_index;
    if (rests && r->phase == REPLICA_ACTIVE && r->sample.index != r->applied_index) {
        take_sample(r);
    }
    beat->check_index = r->sample.index;
    beat->check_digest = r->sample.digest;
}

void replica_send_heartbeat(struct replica *r, uint64_t now_ms, struct outbox *out) {
    struct message m = {.type = MESSAGE_HEARTBEAT, .body.msg_heartbeat = r->usage};
    m.body.msg_heartbeat.sequence = ++r->heartbeat_sent;
    r->heartbeat_ms[r->heartbeat_sent % REPLICA_HEARTBEATS] = now_ms;
    r->heartbeat_due_ms = now_ms + TIMEOUT_HEARTBEAT_MS;
    put_sample(r, &m.body.msg_heartbeat);
    replica_send(r, &m, out);
}

void replica_sample(struct replica *r, uint64_t now_ms, struct outbox *out) {
    take_sample(r);
    replica_send_heartbeat(r, now_ms, out);
}

void replica_forget_samples(struct replica *r, uint64_t now_ms) {
    r->view_ms = now_ms;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        r->peers[i].sample = (struct replica_sample){0};
        r->peers[i].unlike = 0;
    }
    const struct replica_peer *a = r->differs_index ? replica_peer(r, r->differs[0]) : NULL;
    const struct replica_peer *b = r->differs_index ? replica_peer(r, r->differs[1]) : NULL;
    if (!a || !b || !a->in_view || !b->in_view) {
        r->differs_index = 0; /* while both are there, until they agree */
    }
}

/* ---- what follows ---- */

bool replica_disagrees(const struct replica *r) {
    return r->differs_index != 0 && !only_reports(r);
}

bool replica_may_report(const struct replica *r) {
    bool anybody = false;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        anybody = anybody ||
                  (p->in_view && p->id != r->self && p->state.protocol >= PROTOCOL_VERSIONS_TOLD);
    }
    const struct replica_peer *self = replica_peer(r, r->self);
    bool contradicted = self->unlike > 0 || replica_disagrees(r);
    return r->confirmed || !anybody || !r->tells_versions ||
           (!contradicted && r->last_step_ms >= r->view_ms + TIMEOUT_CONFIRM_MS);
}

void replica_state_text(const struct replica *r, char *ret_text, size_t size) {
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (p->wrong_incarnation && p->wrong_incarnation == p->incarnation &&
            ids_contain(&r->members, p->id)) {
            (void)snprintf(ret_text, size,
                           "%s disagrees with the others about the state of the cluster at index "
                           "%llu of the log: its memory is bad, or it runs a different clusterd%s",
                           r->names[i], (unsigned long long)p->wrong_index,
                           p->wrong_leaves ? "; it is left out and starts nothing" : "");
            return;
        }
    }
    const struct replica_peer *a = r->differs_index ? replica_peer(r, r->differs[0]) : NULL;
    const struct replica_peer *b = r->differs_index ? replica_peer(r, r->differs[1]) : NULL;
    if (a && b) {
        (void)snprintf(
            ret_text, size,
            "%s and %s disagree about the state of the cluster at index %llu of the log, and no "
            "majority says which is right%s",
            r->names[a - r->peers], r->names[b - r->peers], (unsigned long long)r->differs_index,
            only_reports(r) ? "" : ": VMs keep running, and nothing is started, moved or stopped");
    }
}
