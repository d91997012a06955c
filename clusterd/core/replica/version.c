/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusterds of different versions: which can be in one view, and what the others are told.
 *
 * Each STATE gives the lowest and highest protocol version that its sender speaks, and the version
 * that its log needs: the highest that anything in the log came with. Nodes are judged by the
 * STATEs heard, in this order:
 *
 *   1. A node that speaks less than the highest log needs is too old. It would lose or misread what
 *      was acknowledged.
 *   2. The view can speak the lowest of the others' highest versions. A node that no longer speaks
 *      that version is too new: an update has skipped a step.
 *
 * Both stay out: nobody waits for them, and nothing they say makes anybody begin anew. They go on
 * listening, so that they know why. Once updated, they join like any other node. All members hear
 * the same STATEs, so all of them judge alike. A build that reports no versions judges nobody; its
 * proposals are not accepted if they do not fit.
 */
#include "core/replica/replica.h"

#include "base/mutant.h"
#include "core/model/needed_protocol.h"
#include "core/replica/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A build that reports no versions speaks one version only. */
static uint32_t lowest_of(const struct msg_state *s) {
    return s->lowest ? s->lowest : s->protocol;
}

uint32_t replica_log_needs(const struct replica *r, struct outbox *out) {
    uint32_t needs = r->model->needs;
    for (uint64_t i = r->applied_index + 1; i <= log_last_index(&r->log); i++) {
        const struct log_item *item = log_at(&r->log, i);
        uint32_t since = item ? log_needs(item->data, item->size, out) : 0;
        needs = since > needs ? since : needs;
    }
    return needs > PROTOCOL_LOWEST ? needs : 0;
}

/* The version only grows. If the entry that needed it is truncated, the database asks for too much,
 * which does no harm. */
void replica_note_needs(struct replica *r, uint32_t needs, struct core_store *store) {
    if (needs > r->stored_needs && needs > PROTOCOL_LOWEST && r->tells_versions) {
        r->stored_needs = needs;
        store->needs = needs;
    }
}

bool replica_versions_make_sense(const struct msg_state *s) {
    return s->lowest <= s->protocol && s->needs <= s->protocol;
}

void replica_judge_versions(struct replica *r) {
    const struct replica_peer *source = NULL;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        r->peers[i].misfit = MISFIT_NOT;
    }
    for (uint32_t tries = 0; tries < 2 && r->tells_versions; tries++) {
        uint32_t lowest = UINT32_MAX;
        source = replica_highest_log(r);
        for (uint32_t i = 0; source && i < r->n_peers; i++) {
            struct replica_peer *p = &r->peers[i];
            if (replica_takes_part(r, p->id) && p->state.protocol < source->state.needs &&
                !MUTANT(too_old_comes_in)) {
                p->misfit = MISFIT_TOO_OLD;
                p->misfit_version = source->state.needs;
            }
            if (replica_takes_part(r, p->id)) {
                lowest = p->state.protocol < lowest ? p->state.protocol : lowest;
            }
        }
        for (uint32_t i = 0; source && i < r->n_peers; i++) {
            struct replica_peer *p = &r->peers[i];
            if (replica_takes_part(r, p->id) && lowest_of(&p->state) > lowest) {
                p->misfit = MISFIT_TOO_NEW;
                p->misfit_version = lowest;
            }
        }
        if (!source || !source->misfit) {
            return;
        }
    }
}

/* While a view is being formed, or while this node is behind, the source's log counts too. */
bool replica_cannot_join(const struct replica *r, const struct replica_peer *p,
                         struct outbox *out) {
    const struct replica_peer *source = replica_peer(r, r->source);
    uint32_t needs = replica_log_needs(r, out);
    needs = source && source->state.needs > needs ? source->state.needs : needs;
    return r->tells_versions && p->id != r->self &&
           ((p->state.protocol < needs && !MUTANT(too_old_comes_in)) ||
            lowest_of(&p->state) > r->protocol);
}

uint32_t replica_lowest_protocol(const struct replica *r, const struct wire_list *members) {
    const struct propose_member *member = members->items;
    uint32_t lowest = UINT32_MAX;
    for (uint32_t i = 0; i < members->n; i++) {
        const struct replica_peer *p = replica_peer(r, member[i].node);
        lowest = p && p->state.protocol < lowest ? p->state.protocol : lowest;
    }
    return lowest;
}

bool replica_view_fits(const struct replica *r, const struct msg_propose *p) {
    const struct propose_member *member = p->members.items;
    for (uint32_t i = 0; i < p->members.n; i++) {
        const struct replica_peer *peer = replica_peer(r, member[i].node);
        if (peer && peer->misfit) {
            return false;
        }
    }
    return true;
}

/* ---- what people are told ---- */

static void misfit_text(const struct replica *r, const struct replica_peer *p, char *text,
                        size_t size) {
    const char *name = r->names[p - r->peers];
    if (p->misfit == MISFIT_TOO_OLD) {
        (void)snprintf(text, size,
                       "%s speaks protocol %u at most, and the cluster's log needs %u: it stays "
                       "out; update clusterd on %s",
                       name, p->state.protocol, p->misfit_version, name);
    } else if (p->misfit == MISFIT_TOO_NEW) {
        (void)snprintf(text, size,
                       "%s speaks protocol %u and higher, and other nodes %u at most: it stays "
                       "out; update clusterd on the older ones first",
                       name, lowest_of(&p->state), p->misfit_version);
    }
}

void replica_say_misfits(struct replica *r, struct outbox *out) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        struct replica_peer *p = &r->peers[i];
        if (p->misfit && p->misfit_said != p->incarnation) {
            char text[300];
            misfit_text(r, p, text, sizeof(text));
            outbox_log(out, SEVERITY_ERROR, "%s", text);
            p->misfit_said = p->incarnation;
        }
    }
}

/* Logged once per clusterd: it sends such messages for as long as it runs. */
void replica_foreign(struct replica *r, uint32_t sender, const uint8_t *data, size_t size,
                     struct outbox *out) {
    struct message_header h;
    struct replica_peer *peer = replica_peer(r, sender);
    if (!peer || message_header(data, size, &h) < 0 || peer->foreign_incarnation == h.incarnation) {
        return;
    }
    peer->foreign_incarnation = h.incarnation;
    peer->foreign_version = h.version;
    const char *name = r->names[peer - r->peers];
    if (h.version <= r->speaks) {
        outbox_log(out, SEVERITY_WARNING,
                   "%s sends messages of a kind (%u) that this clusterd does not know: update "
                   "clusterd on this node",
                   name, h.type);
        return;
    }
    outbox_log(out, SEVERITY_ERROR,
               "%s speaks version %u of clusterd's protocol and higher, and this node version %u "
               "at most: they cannot work together; update clusterd on this node",
               name, h.version, r->speaks);
}

bool replica_is_misfit(const struct replica *r) {
    const struct replica_peer *self = replica_peer(r, r->self);
    return self && self->misfit;
}

void replica_version_text(const struct replica *r, char *ret_text, size_t size) {
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < r->n_peers && !ret_text[0]; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (!ids_contain(&r->members, p->id)) {
            continue;
        }
        if (p->misfit) {
            misfit_text(r, p, ret_text, size);
        } else if (p->foreign_incarnation && p->foreign_version > r->speaks &&
                   p->foreign_incarnation != p->incarnation) {
            (void)snprintf(
                ret_text, size,
                "%s speaks protocol %u and higher, and this node %u at most: they cannot "
                "work together; update clusterd on this node",
                r->names[i], p->foreign_version, r->speaks);
        }
    }
}

void replica_who_speaks_less(const struct replica *r, uint32_t version, char *ret_text,
                             size_t size) {
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (p->in_view && p->state.protocol < version && used < size) {
            int n = snprintf(ret_text + used, size - used, "%s%s speaks %u", used ? ", " : "",
                             r->names[i], p->state.protocol);
            used += n > 0 ? (size_t)n : 0;
        }
    }
}
