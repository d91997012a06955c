/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other nodes, as the replica knows them: who has been heard in this exchange, whose log is the
 * highest, who counts. Questions only; nothing here changes the phase.
 */
#include "core/replica/replica.h"

#include "base/mutant.h"
#include "core/replica/log.h"

#include <stdlib.h>
#include <string.h>

struct replica_peer *replica_peer(const struct replica *r, uint32_t id) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].id == id) {
            return &r->peers[i];
        }
    }
    return NULL;
}

struct replica_peer *replica_add_peer(struct replica *r, uint32_t id, const char *name) {
    struct replica_peer *p = replica_peer(r, id);
    char *copy = p || id == 0 || r->n_peers == WIRE_MAX_NODES ? NULL : strdup(name);
    if (!copy) {
        return p;
    }
    p = &r->peers[r->n_peers];
    p->id = id;
    r->names[r->n_peers++] = copy;
    return p;
}

void replica_send(struct replica *r, struct message *m, struct outbox *out) {
    m->incarnation = r->incarnation;
    m->epoch = r->epoch;
    outbox_send(out, m);
}

bool replica_left_out(const struct replica_peer *p) {
    return (p->damaged >= REPLICA_MAX_DAMAGED && p->damaged_incarnation == p->incarnation) ||
           (p->wrong_leaves && p->wrong_incarnation == p->incarnation);
}

bool replica_is_before(uint64_t epoch, uint64_t index, uint64_t than_epoch, uint64_t than_index) {
    return epoch < than_epoch || (epoch == than_epoch && index < than_index);
}

static bool same_members(const struct replica *r, const struct replica_peer *p) {
    return p->state.members.n == r->members.n &&
           memcmp(p->state_members, r->member_ids, r->members.n * sizeof(uint32_t)) == 0;
}

/* Its STATE is about the same configuration as ours. */
bool replica_peer_heard(const struct replica *r, const struct replica_peer *p) {
    return p->fresh && ids_contain(&r->members, p->id) && same_members(r, p);
}

/* By what the nodes heard have said about it: so all of us say the same. */
bool replica_peer_forgets(const struct replica *r, const struct replica_peer *p) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *teller = &r->peers[i];
        for (uint32_t k = 0; replica_peer_heard(r, teller) && k < teller->state.floors.n; k++) {
            const struct state_floor *floor = &teller->floors[k];
            if (!MUTANT(forgetful_counts) && floor->node == p->id &&
                replica_is_before(p->state.last_epoch, p->state.last_index, floor->epoch,
                                  floor->index)) {
                return true;
            }
        }
    }
    return false;
}

/* Heard, not left out, and not kept out by its version. Only a proposer uses this: a node that was
 * started later may not know that somebody is left out, and its proposal is as good. */
bool replica_peer_takes_part(const struct replica *r, const struct replica_peer *p) {
    return replica_peer_heard(r, p) && !replica_left_out(p) && !p->misfit;
}

bool replica_counts(const struct replica *r, const struct replica_peer *p) {
    return replica_peer_takes_part(r, p) && !replica_peer_forgets(r, p);
}

const char *replica_forgetful(const struct replica *r) {
    for (uint32_t i = 0; r->phase == REPLICA_EXCHANGE && i < r->n_peers; i++) {
        if (replica_peer_heard(r, &r->peers[i]) && replica_peer_forgets(r, &r->peers[i])) {
            return r->names[i];
        }
    }
    return NULL;
}

bool replica_is_heard(const struct replica *r, uint32_t node) {
    const struct replica_peer *peer = replica_peer(r, node);
    return peer && replica_peer_heard(r, peer);
}

bool replica_takes_part(const struct replica *r, uint32_t node) {
    const struct replica_peer *peer = replica_peer(r, node);
    return peer && replica_peer_takes_part(r, peer);
}

bool replica_counts_in_view(const struct replica *r, const struct replica_peer *p) {
    (void)r;
    return p->in_view && !p->forgetful;
}
