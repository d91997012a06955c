/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that came over the ring intact and make no sense: the sender's memory is bad, or its
 * build is.
 *
 * Nothing of such a message is taken over, and nobody ends because of it. All members see the same
 * messages in the same order and judge them alike. So all of them drop it, name the sender and form
 * the view again, in which the sender repeats what it had to say. A clusterd that keeps doing this
 * is left out until it is restarted. It recognises itself by its own messages, which come back to
 * it, and stays away by itself.
 *
 * A STATE that reports too little of a log, or wrong votes, must not count. Others build on it
 * before its sender can object, so it holds a digest of its own, made from what was to be said. Of
 * an older build's STATE, which has none, only the sender checks that it came back as it was sent.
 */
#include "core/replica/replica.h"

#include "base/hash.h"
#include "base/mutant.h"
#include "core/model/needed_protocol.h"
#include "core/replica/log.h"
#include "wire/command.h"

#include <errno.h>
#include <string.h>

/* Epochs and indexes start at 0 and grow by one: no cluster gets there. */
#define MOST (UINT64_C(1) << 62)

#define MINUTE_MS 60000u

/* ---- what is logged ---- */

/* Whether this line may be logged: at most `limit` in a minute are. A node that sends nothing else
 * must not fill the log. */
static bool may_say(struct replica_lines *l, uint32_t limit, uint64_t now_ms) {
    if (l->said == 0) {
        l->since_ms = now_ms;
    }
    bool says = l->said < limit;
    l->said += says;
    l->more += !says;
    return says;
}

void replica_say_damaged(struct replica *r, uint32_t sender, struct outbox *out) {
    struct replica_peer *p = replica_peer(r, sender);
    if (may_say(p ? &p->lines : &r->strangers, 1, r->last_step_ms)) {
        outbox_log(out, SEVERITY_WARNING,
                   "a damaged message of node %u was dropped, and more of them are counted only; "
                   "if they go on, check the memory of that node, and whether anything but "
                   "clusterd there sends to corosync's group \"clusterd\"",
                   sender);
    }
}

static void tell_more(struct replica_lines *l, const char *name, uint64_t now_ms,
                      struct outbox *out) {
    if (l->said == 0 || now_ms < l->since_ms + MINUTE_MS) {
        return;
    }
    if (l->more > 0) {
        outbox_log(out, SEVERITY_WARNING,
                   "%u more damaged messages of %s were dropped in the last minute", l->more, name);
    }
    *l = (struct replica_lines){0};
}

void replica_tell_more_damaged(struct replica *r, uint64_t now_ms, struct outbox *out) {
    for (uint32_t i = 0; i < r->n_peers; i++) {
        tell_more(&r->peers[i].lines, r->names[i], now_ms, out);
    }
    tell_more(&r->strangers, "nodes that the cluster does not know", now_ms, out);
}

void replica_count_damage(const struct replica *r, struct replica_peer *p, const char *what,
                          struct outbox *out) {
    const char *name = r->names[p - r->peers];
    if (p->damaged_incarnation != p->incarnation) {
        p->damaged_incarnation = p->incarnation;
        p->damaged = 0;
    }
    p->damaged++;
    /* Who claims to be another clusterd with each message is never left out. */
    if (p->damaged > REPLICA_MAX_DAMAGED ||
        !may_say(&p->lines, REPLICA_DAMAGED_LINES, r->last_step_ms)) {
        return;
    }
    if (p->damaged < REPLICA_MAX_DAMAGED) {
        outbox_log(out, SEVERITY_WARNING,
                   "%s has sent %s that cannot be read: it was dropped, and the nodes form a new "
                   "view; if this happens again, check the memory of %s",
                   name, what, name);
    } else {
        outbox_log(out, SEVERITY_ERROR,
                   "%s has sent %u messages that cannot be read, now %s: it is left out until its "
                   "clusterd is started again; check the memory of %s and its version of clusterd",
                   name, p->damaged, what, name);
    }
}

/* ---- STATE ---- */

uint64_t replica_state_digest(const struct msg_state *s) {
    const struct state_floor *floors = s->floors.items;
    const uint64_t numbers[] = {s->round,    s->last_epoch, s->last_index,
                                s->chain,    s->promised,   s->commit_index,
                                s->protocol, s->lowest,     s->needs};
    uint64_t digest = FNV64_START;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        digest = fnv64_u64(digest, numbers[i]);
    }
    for (uint32_t i = 0; i < s->members.n; i++) {
        digest = fnv64_u64(digest, s->members.v[i]);
    }
    for (uint32_t i = 0; i < s->floors.n; i++) {
        digest = fnv64_u64(fnv64_u64(digest, floors[i].node), floors[i].epoch);
        digest = fnv64_u64(digest, floors[i].index);
    }
    const struct state_vote *votes = s->lists.items;
    digest = fnv64_u64(digest, s->list);
    for (uint32_t i = 0; i < s->lists.n; i++) {
        digest = fnv64_u64(fnv64_u64(digest, votes[i].list), votes[i].node);
        digest = fnv64_u64(digest, votes[i].votes);
    }
    return digest;
}

bool replica_state_makes_sense(const struct msg_state *s) {
    bool whole = s->digest == 0 || s->digest == replica_state_digest(s) || MUTANT(state_unchecked);
    return whole && s->commit_index <= s->last_index && s->last_epoch <= s->promised &&
           s->promised < MOST && s->last_index < MOST && s->floors.n <= WIRE_MAX_NODES &&
           replica_lists_make_sense(s) && replica_versions_make_sense(s);
}

/* ---- PROPOSE ---- */

/* The view's first entry says the same as the proposal. */
static int check_first_entry(const struct msg_propose *p, struct arena *arena,
                             const struct cmd_view **ret_view) {
    const struct propose_member *members = p->members.items;
    struct log_command entry;
    void *command = NULL;
    int err = log_read_entry(p->entry.data, p->entry.size, arena, &entry, &command);
    if (err < 0) {
        return err;
    }
    if (entry.type != COMMAND_VIEW) {
        return -EBADMSG;
    }
    const struct cmd_view *view = command;
    uint32_t told = view->protocol ? view->protocol : PROTOCOL_LOWEST; /* by an older clusterd */
    if (told != p->protocol || view->epoch != p->epoch || view->members.n != p->members.n) {
        return -EBADMSG;
    }
    const struct view_member *listed = view->members.items;
    for (uint32_t i = 0; i < view->members.n; i++) {
        if (listed[i].node != members[i].node || listed[i].incarnation != members[i].incarnation) {
            return -EBADMSG;
        }
    }
    *ret_view = view;
    return 0;
}

/* Its list is the newest of the source's log, or the one the proposer says it has read; and the
 * members are in it. */
static int check_list(const struct replica_peer *proposer, const struct replica_peer *source,
                      const struct cmd_view *view) {
    const struct view_node *nodes = view->nodes.items;
    const struct view_member *members = view->members.items;
    struct node_list list = {0}, newest;
    for (uint32_t i = 0; i < view->nodes.n; i++) {
        node_list_add(&list, nodes[i].id, nodes[i].votes);
    }
    uint64_t digest = node_list_digest(&list);
    bool known = replica_newest_list(source, &newest) && digest == node_list_digest(&newest);
    bool sense = list.n == view->nodes.n && (known || digest == proposer->state.list);
    for (uint32_t i = 0; sense && i < view->members.n; i++) {
        sense = node_list_has(&list, members[i].node);
    }
    return sense ? 0 : -EBADMSG;
}

int replica_check_proposal(const struct replica *r, const struct replica_peer *proposer,
                           const struct msg_propose *p, struct arena *arena,
                           const struct cmd_view **ret_view) {
    const struct propose_member *members = p->members.items;
    const struct replica_peer *source = NULL;
    uint64_t promised = 0;
    for (uint32_t i = 0; i < p->members.n; i++) {
        const struct replica_peer *peer = replica_peer(r, members[i].node);
        if (!peer) {
            return -EBADMSG;
        }
        promised = peer->state.promised > promised ? peer->state.promised : promised;
        source = peer->id == p->source ? peer : source;
    }
    if (!source || source->state.last_epoch != p->base_epoch ||
        source->state.last_index != p->base_index || source->state.chain != p->base_chain ||
        p->base_index < r->commit_index || (p->epoch != promised + 1 && !MUTANT(epoch_twice)) ||
        p->protocol != replica_lowest_protocol(r, &p->members)) {
        return -EBADMSG;
    }
    int err = check_first_entry(p, arena, ret_view);
    return err == 0 ? check_list(proposer, source, *ret_view) : err;
}

/* ---- entries ---- */

/* This includes what is newer than the view: older members could not read it, or would read it
 * differently. */
int replica_check_entries(const struct replica *r, const struct entry_bytes *entries, uint32_t n,
                          struct arena *arena) {
    for (uint32_t i = 0; i < n; i++) {
        struct log_command entry;
        void *command = NULL;
        int err =
            log_read_entry(entries[i].data.data, entries[i].data.size, arena, &entry, &command);
        if (err == 0 && entry.type == COMMAND_VIEW) {
            err = -EBADMSG; /* comes by a proposal, or not at all */
        }
        if (err == 0 && version_of_command(entry.type, command) > r->protocol &&
            r->tells_versions && !MUTANT(newer_in_old_view)) {
            err = -EBADMSG;
        }
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* ---- catching up ---- */

uint64_t replica_snapshot_digest(uint64_t index, uint64_t epoch, uint64_t chain,
                                 const uint8_t *data, size_t size) {
    return fnv64(fnv64_u64(fnv64_u64(fnv64_u64(FNV64_START, index), epoch), chain), data, size);
}

bool replica_suffix_is_ours(const struct replica *r, const struct msg_suffix *m) {
    const struct suffix_entry *entries = m->entries.items;
    for (uint32_t i = 0; i < m->entries.n; i++) {
        const struct suffix_entry *e = &entries[i];
        const struct log_item *item = log_at(&r->log, e->index);
        bool gone = !item && e->index <= r->log.base_index; /* compacted away meanwhile */
        if (!gone && (!item || item->epoch != e->epoch || item->size != e->data.size ||
                      memcmp(item->data, e->data.data, e->data.size) != 0)) {
            return false;
        }
    }
    return true;
}

bool replica_snapshot_is_ours(const struct replica *r, const struct msg_snapshot *m) {
    return m->index == r->feed_snapshot_index && m->epoch == r->feed_snapshot_epoch &&
           m->chain == r->feed_snapshot_chain && m->digest == r->feed_snapshot_digest &&
           m->total_bytes == r->feed_snapshot_size && m->offset_bytes <= m->total_bytes &&
           m->data.size <= m->total_bytes - m->offset_bytes &&
           memcmp(r->feed_snapshot + m->offset_bytes, m->data.data, m->data.size) == 0;
}
