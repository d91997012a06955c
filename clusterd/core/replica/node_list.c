/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose votes count: the node list, and how it changes.
 *
 * Each clusterd reads a list from corosync.conf when it starts. While nodes are added or removed,
 * these lists differ, and majorities of two lists need not share a node: {2, 3} is a majority of
 * {1, 2, 3}, and {1, 4, 5} of {1, 2, 3, 4, 5}. So the list that counts does not come from a file.
 * It is part of the log: the first entry of each view holds it, and every member uses it, whatever
 * its file says.
 *
 *   1. The view's list is the newest in the log of the view's source. It is the proposer's own
 *      instead if the nodes that have read this one are a majority of it and of each of the log's
 *      lists.
 *   2. The log's lists are the last committed one that the source knows of, and those of the later
 *      views in its log, committed or not.
 *   3. Promises and commits need a majority of the view's list and of each of the log's lists.
 *
 * Then two usable views still share a member: a majority of the previous list also has whatever a
 * view has committed, and a node that does not know of that view needs a majority of that list.
 * (This is Raft's joint consensus, with the view's first entry in place of the joint one.)
 *
 * A node outside the newest list proposes nothing, is not waited for, and makes nobody begin anew.
 */
#include "core/replica/replica.h"

#include "base/owned.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "core/replica/log.h"
#include "wire/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

bool node_list_has(const struct node_list *list, uint32_t id) {
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->v[i].id == id) {
            return true;
        }
    }
    return false;
}

void node_list_add(struct node_list *list, uint32_t id, uint32_t votes) {
    if (list->n == WIRE_MAX_NODES || node_list_has(list, id)) {
        return;
    }
    uint32_t at = list->n++;
    while (at > 0 && list->v[at - 1].id > id) {
        list->v[at] = list->v[at - 1];
        at--;
    }
    list->v[at].id = id;
    list->v[at].votes = votes;
}

uint64_t node_list_digest(const struct node_list *list) {
    uint64_t digest = FNV64_START;
    for (uint32_t i = 0; i < list->n; i++) {
        digest = fnv64_u64(fnv64_u64(digest, list->v[i].id), list->v[i].votes);
    }
    return digest;
}

static bool same_list(const struct node_list *a, const struct node_list *b) {
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++) {
        same = a->v[i].id == b->v[i].id && a->v[i].votes == b->v[i].votes;
    }
    return same;
}

static void list_of_entries(const struct wire_list *nodes, struct node_list *ret) {
    const struct view_node *node = nodes->items;
    *ret = (struct node_list){0};
    for (uint32_t i = 0; i < nodes->n; i++) {
        node_list_add(ret, node[i].id, node[i].votes);
    }
}

/* Adds it if it is not there yet. False: there is no room left. */
static bool add_list(struct node_lists *lists, const struct node_list *list) {
    for (uint32_t i = 0; i < lists->n; i++) {
        if (same_list(&lists->v[i], list)) {
            return true;
        }
    }
    if (lists->n == REPLICA_LISTS) {
        return false;
    }
    lists->v[lists->n++] = *list;
    return true;
}

/* ---- what is told ---- */

/* Adds the list of a view that is in our log, but not yet in the model. */
static void note_view(const struct log_item *item, struct node_lists *lists, struct outbox *out) {
    struct log_command entry;
    void *command = NULL;
    int err =
        item ? log_read_entry(item->data, item->size, &out->arena, &entry, &command) : -EBADMSG;
    if (err == 0 && entry.type == COMMAND_VIEW) {
        struct node_list list;
        list_of_entries(&((const struct cmd_view *)command)->nodes, &list);
        /* The newest one last, even if it equals one of the earlier ones. */
        for (uint32_t i = 0; i < lists->n; i++) {
            if (same_list(&lists->v[i], &list)) {
                memmove(&lists->v[i], &lists->v[i + 1], (lists->n - i - 1) * sizeof(lists->v[0]));
                lists->n--;
            }
        }
        err = add_list(lists, &list) ? 0 : -ENOMEM;
    }
    out->error = err == -ENOMEM ? err : out->error;
}

struct wire_list replica_known_lists(const struct replica *r, struct outbox *out) {
    struct node_lists *lists = arena_alloc(&out->arena, sizeof(*lists));
    struct state_vote *told =
        arena_array(&out->arena, REPLICA_LISTS * WIRE_MAX_NODES, sizeof(*told));
    uint32_t n = 0;
    if (!lists || !told) {
        out->error = -ENOMEM;
        return (struct wire_list){0};
    }
    *lists = (struct node_lists){0};
    struct node_list committed = {0};
    MODEL_EACH(model_node, node, &r->model->nodes) {
        if (node->configured) {
            node_list_add(&committed, node->id, node->votes);
        }
    }
    if (committed.n > 0) {
        (void)add_list(lists, &committed);
    }
    for (uint64_t i = r->applied_index + 1; i <= log_last_index(&r->log); i++) {
        note_view(log_at(&r->log, i), lists, out);
    }
    for (uint32_t i = 0; i < lists->n; i++) {
        for (uint32_t k = 0; k < lists->v[i].n; k++) {
            told[n++] = (struct state_vote){
                .list = i, .node = lists->v[i].v[k].id, .votes = lists->v[i].v[k].votes};
        }
    }
    return (struct wire_list){.items = told, .n = n};
}

bool replica_lists_make_sense(const struct msg_state *s) {
    const struct state_vote *v = s->lists.items;
    bool sense = s->lists.n <= REPLICA_LISTS * WIRE_MAX_NODES;
    for (uint32_t i = 0; sense && i < s->lists.n; i++) {
        uint32_t before = i ? v[i - 1].list : 0;
        sense = v[i].list < REPLICA_LISTS && v[i].list >= before && v[i].list <= before + (i > 0);
        sense = sense && (i == 0 || v[i].list != before || v[i].node > v[i - 1].node);
    }
    return sense;
}

static void lists_of(const struct msg_state *s, struct node_lists *ret) {
    const struct state_vote *v = s->lists.items;
    *ret = (struct node_lists){0};
    for (uint32_t i = 0; i < s->lists.n; i++) {
        if (ret->n == 0 || v[i].list == ret->n) {
            ret->v[ret->n++] = (struct node_list){0};
        }
        node_list_add(&ret->v[ret->n - 1], v[i].node, v[i].votes);
    }
}

/* ---- majorities ---- */

static uint64_t votes_of(const struct replica *r, const struct node_list *list,
                         replica_counts_fn *counts) {
    uint64_t votes = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct replica_peer *p = replica_peer(r, list->v[i].id);
        votes += p && counts(r, p) ? list->v[i].votes : 0;
    }
    return votes;
}

static uint64_t all_votes(const struct node_list *list) {
    uint64_t votes = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        votes += list->v[i].votes;
    }
    return votes;
}

bool replica_majority(const struct replica *r, const struct node_lists *lists,
                      replica_counts_fn *counts, uint64_t more) {
    bool enough = lists->n > 0;
    for (uint32_t i = 0; i < (MUTANT(former_list_ignored) ? 1 : lists->n); i++) {
        const struct node_list *list = &lists->v[i];
        enough = enough && votes_of(r, list, counts) + more >= all_votes(list) / 2 + 1;
    }
    return enough;
}

bool replica_enough(const struct replica *r, replica_counts_fn *counts, uint64_t more) {
    const struct node_list *list = &r->lists.v[0];
    return replica_majority(r, &r->lists, counts, more) ||
           (r->small_view &&
            votes_of(r, list, counts) + more >= votes_of(r, list, replica_counts_in_view));
}

/* ---- the view's list ---- */

void replica_lists_from(const struct replica_peer *source, const struct node_list *list,
                        struct node_lists *ret) {
    struct node_lists logs;
    lists_of(&source->state, &logs);
    *ret = (struct node_lists){.n = 1, .v = {*list}};
    for (uint32_t i = 0; i < logs.n; i++) {
        (void)add_list(ret, &logs.v[i]);
    }
}

bool replica_newest_list(const struct replica_peer *source, struct node_list *ret) {
    struct node_lists logs;
    lists_of(&source->state, &logs);
    if (logs.n == 0) {
        return false;
    }
    *ret = logs.v[logs.n - 1];
    return true;
}

int replica_take_lists(struct replica *r, const struct msg_propose *p,
                       const struct cmd_view *view) {
    const struct view_node *nodes = view->nodes.items;
    struct node_list list = {0};
    for (uint32_t i = 0; i < view->nodes.n; i++) {
        node_list_add(&list, nodes[i].id, nodes[i].votes);
        struct replica_peer *peer = replica_add_peer(r, nodes[i].id, nodes[i].name);
        char *name = peer ? strdup(nodes[i].name) : NULL;
        if (!name) {
            return -ENOMEM;
        }
        owned_free(r->names[peer - r->peers]);
        r->names[peer - r->peers] = name;
    }
    replica_lists_from(replica_peer(r, p->source), &list, &r->lists);
    return 0;
}

/* How many of the nodes heard have this very log. */
static uint32_t with_log(const struct replica *r, const struct msg_state *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct msg_state *other = &r->peers[i].state;
        n += replica_peer_takes_part(r, &r->peers[i]) && other->last_epoch == s->last_epoch &&
             other->last_index == s->last_index && other->chain == s->chain;
    }
    return n;
}

/* Two logs that end at the same place are the same, unless one is damaged or was reported wrongly:
 * then the minority is wrong. Once there is a plan, only nodes in its list count. */
const struct replica_peer *replica_highest_log(const struct replica *r) {
    const struct replica_peer *best = NULL;
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (!replica_peer_takes_part(r, p) ||
            (r->plan.n > 0 && !node_list_has(&r->plan.v[0], p->id))) {
            continue;
        }
        bool level = best && p->state.last_epoch == best->state.last_epoch;
        if (!best || p->state.last_epoch > best->state.last_epoch ||
            (level && p->state.last_index != best->state.last_index &&
             (p->state.last_index > best->state.last_index) != MUTANT(shorter_log)) ||
            (level && p->state.last_index == best->state.last_index &&
             with_log(r, &p->state) > with_log(r, &best->state))) {
            best = p;
        }
    }
    return best;
}

/* The peer has read the same list from its corosync.conf as this node. */
static bool agrees(const struct replica *r, const struct replica_peer *p) {
    return replica_counts(r, p) && p->state.list == node_list_digest(&r->own);
}

void replica_plan(struct replica *r) {
    r->plan.n = 0;
    const struct replica_peer *source = replica_highest_log(r);
    for (uint32_t tries = 0; source && tries < 2; tries++) {
        struct node_list newest;
        bool fresh = !replica_newest_list(source, &newest);
        replica_lists_from(source, &r->own, &r->plan);
        if (!fresh && !replica_majority(r, &r->plan, agrees, 0)) {
            replica_lists_from(source, &newest, &r->plan);
        }
        r->newest = fresh ? r->own : newest;
        r->plan_is_first = fresh;
        r->plan_source = source->id;
        if (node_list_has(&r->plan.v[0], source->id)) {
            return;
        }
        source = replica_highest_log(r); /* among the nodes in that list */
    }
    r->plan.n = 0;
}

/* ---- what people are told ---- */

static void add_name(char *text, size_t size, const char *name) {
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
}

static const char *name_of(const struct replica *r, uint32_t id) {
    const struct replica_peer *p = replica_peer(r, id);
    return p ? r->names[p - r->peers] : model_node_name(r->model, id);
}

void replica_list_text(const struct replica *r, char *ret_text, size_t size) {
    struct node_list used = {0};
    char more[128] = "", fewer[128] = "", others[128] = "";
    ret_text[0] = '\0';
    MODEL_EACH(model_node, node, &r->model->nodes) {
        if (node->configured) {
            node_list_add(&used, node->id, node->votes);
            if (!node_list_has(&r->own, node->id)) {
                add_name(fewer, sizeof(fewer), node->name);
            }
        }
    }
    for (uint32_t i = 0; used.n > 0 && i < r->own.n; i++) {
        if (!node_list_has(&used, r->own.v[i].id)) {
            add_name(more, sizeof(more), name_of(r, r->own.v[i].id));
        }
    }
    for (uint32_t i = 0; i < r->n_peers; i++) {
        const struct replica_peer *p = &r->peers[i];
        if (p->id != r->self && p->incarnation && ids_contain(&r->members, p->id) &&
            p->state.list != node_list_digest(&r->own)) {
            add_name(others, sizeof(others), r->names[i]);
        }
    }
    if (more[0] || fewer[0]) {
        (void)snprintf(ret_text, size,
                       "corosync.conf, as clusterd read it here when it started, %s %s%s%s, and "
                       "the cluster still uses its previous list of nodes",
                       more[0] ? "names" : "does not name", more[0] ? more : fewer,
                       more[0] && fewer[0] ? " and not " : "", more[0] && fewer[0] ? fewer : "");
    } else if (others[0]) {
        (void)snprintf(ret_text, size,
                       "%s started with another list of nodes in corosync.conf than this node",
                       others);
    } else if (used.n > 0 && !same_list(&used, &r->own)) {
        (void)snprintf(ret_text, size,
                       "corosync.conf, as clusterd read it here when it started, has other votes "
                       "than the cluster uses");
    }
}
