/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node has of corosync and of its disk.
 */
#include "unit/core/world_internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ corosync */

bool world_in_ring(const struct world *w, uint32_t a, uint32_t b) {
    return w->nodes[a].power && w->nodes[b].power && w->nodes[a].group == w->nodes[b].group;
}

static void push_view(struct world *w, uint32_t node) {
    struct item *item = world_push(w, node, CORE_EVENT_VIEW);
    uint32_t members = 0, ring = 0;
    for (uint32_t i = 1; i <= w->n; i++) {
        if (world_in_ring(w, node, i)) {
            item->ids[WORLD_NODES + ring++] = i;
            if (w->nodes[i].alive) {
                item->ids[members++] = i;
            }
        }
    }
    item->event.view.members = (struct wire_ids){.v = item->ids, .n = members};
    item->event.view.ring = (struct wire_ids){.v = item->ids + WORLD_NODES, .n = ring};
    const struct world_quorum *q = &w->quorum;
    item->event.view.quorate = ring >= w->n / 2 + 1 || q->two_node || q->last_man_standing;
}

/* Every node's view is compared by the caller's intent: all of a group hear of a change. */
void world_views_changed(struct world *w) {
    for (uint32_t i = 1; i <= w->n; i++) {
        if (w->nodes[i].alive) {
            push_view(w, i);
        }
    }
}

void world_broadcast(struct world *w, uint32_t sender, const uint8_t *data, uint32_t size) {
    w->seq++;
    for (uint32_t i = 1; i <= w->n; i++) {
        if (!w->nodes[i].alive || !world_in_ring(w, sender, i)) {
            continue;
        }
        struct item *item = world_push(w, i, CORE_EVENT_MESSAGE);
        item->seq = w->seq;
        item->data = malloc(size);
        CHECK(item->data != NULL);
        memcpy(item->data, data, size);
        item->event.message =
            (struct core_message){.sender = sender, .data = item->data, .size = size};
    }
}

static void lose_after(struct world *w, uint32_t node, uint64_t cut) {
    struct node *n = &w->nodes[node];
    struct item **at = &n->first;
    while (*at) {
        struct item *item = *at;
        if (item->seq > cut && !world_in_ring(w, node, item->event.message.sender)) {
            *at = item->next;
            free(item->data);
            free(item);
        } else {
            at = &item->next;
        }
    }
    n->last = at;
}

/*
 * When a ring breaks, totem delivers in each part what that part has got: after the first message
 * that it misses, only those of its own members. So two parts may have sequences of which neither
 * is the beginning of the other.
 */
void world_lose_messages(struct world *w) {
    bool done[WORLD_NODES + 1] = {false};
    for (uint32_t i = 1; i <= w->n; i++) {
        uint64_t cut = 0;
        for (uint32_t k = 1; k <= w->n; k++) {
            bool in = world_in_ring(w, i, k) && w->nodes[k].alive;
            cut = in && w->nodes[k].processed > cut ? w->nodes[k].processed : cut;
        }
        cut += world_random(w) % (w->seq - cut + 1);
        for (uint32_t k = 1; k <= w->n; k++) {
            if (!done[k] && world_in_ring(w, i, k)) {
                lose_after(w, k, cut);
                done[k] = true;
            }
        }
    }
}

/* ----------------------------------------------------------------------------------- the store */

void world_store_truncate(struct node *n, uint64_t from) {
    while (n->n_log && n->snapshot_index + n->n_log >= from) {
        free(n->log[--n->n_log].data);
    }
}

static void store_now(struct world *w, uint32_t node, const struct core_store *s) {
    struct node *n = &w->nodes[node];
    n->promised = s->promised ? s->promised : n->promised;
    n->commit_index = s->commit_index > n->commit_index ? s->commit_index : n->commit_index;
    if (s->truncate_from) {
        CHECK(s->snapshot || s->truncate_from > n->commit_index);
        world_store_truncate(n, s->truncate_from);
    }
    if (s->snapshot) {
        uint32_t drop = s->snapshot_index > n->snapshot_index
                            ? (uint32_t)(s->snapshot_index - n->snapshot_index)
                            : 0;
        drop = drop > n->n_log ? n->n_log : drop;
        for (uint32_t i = 0; i < drop; i++) {
            free(n->log[i].data);
        }
        memmove(n->log, n->log + drop, (n->n_log - drop) * sizeof(*n->log));
        n->n_log -= drop;
        free(n->snapshot);
        n->snapshot = malloc(s->snapshot_size);
        CHECK(n->snapshot != NULL);
        memcpy(n->snapshot, s->snapshot, s->snapshot_size);
        n->snapshot_size = s->snapshot_size;
        n->snapshot_index = s->snapshot_index;
        n->snapshot_epoch = s->snapshot_epoch;
        n->snapshot_chain = s->snapshot_chain;
    }
    for (uint32_t i = 0; i < s->n_entries; i++) {
        const struct core_entry *e = &s->entries[i];
        CHECK(e->index == n->snapshot_index + n->n_log + 1);
        n->log = realloc(n->log, (n->n_log + 1) * sizeof(*n->log));
        CHECK(n->log != NULL);
        uint8_t *data = malloc(e->size);
        CHECK(data != NULL);
        memcpy(data, e->data, e->size);
        n->log[n->n_log++] = (struct entry){.epoch = e->epoch, .data = data, .size = e->size};
    }
    world_push(w, node, CORE_EVENT_STORED)->event.stored.seq = s->seq;
}

static void free_store(struct slow_store *s) {
    for (uint32_t i = 0; i < s->store.n_entries; i++) {
        free((void *)(uintptr_t)s->entries[i].data);
    }
    free(s->entries);
    free(s->snapshot);
    free(s);
}

static uint8_t *copy_bytes(const uint8_t *data, uint32_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    CHECK(copy != NULL);
    if (size) {
        memcpy(copy, data, size);
    }
    return copy;
}

/* The disk takes its time, and keeps the order. What has not come to its end is lost in a crash. */
void world_store(struct world *w, uint32_t node, const struct core_store *s) {
    struct node *n = &w->nodes[node];
    if (w->store_ms == 0 && !n->stores) {
        store_now(w, node, s);
        return;
    }
    struct slow_store *slow = calloc(1, sizeof(*slow));
    CHECK(slow != NULL);
    slow->store = *s;
    slow->due_ms = w->now_ms + world_random(w) % (w->store_ms + 1);
    slow->entries = calloc(s->n_entries ? s->n_entries : 1, sizeof(*slow->entries));
    CHECK(slow->entries != NULL);
    for (uint32_t i = 0; i < s->n_entries; i++) {
        slow->entries[i] = s->entries[i];
        slow->entries[i].data = copy_bytes(s->entries[i].data, s->entries[i].size);
    }
    slow->store.entries = slow->entries;
    if (s->snapshot) {
        slow->snapshot = copy_bytes(s->snapshot, s->snapshot_size);
        slow->store.snapshot = slow->snapshot;
    }
    if (!n->stores) {
        n->last_store = &n->stores;
    }
    *n->last_store = slow;
    n->last_store = &slow->next;
}

void world_store_due(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    while (n->stores && n->stores->due_ms <= w->now_ms) {
        struct slow_store *slow = n->stores;
        n->stores = slow->next;
        store_now(w, node, &slow->store);
        free_store(slow);
    }
}

void world_store_lose(struct node *n) {
    while (n->stores) {
        struct slow_store *next = n->stores->next;
        free_store(n->stores);
        n->stores = next;
    }
}
