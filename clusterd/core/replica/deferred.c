/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What waits in memory: commands of this node that are to be sent, and entries of the view that
 * arrived while this node was still catching up.
 */
#include "core/replica/replica.h"

#include "base/owned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- to be sent ---- */

int replica_propose(struct replica *r, struct wire_bytes entry) {
    if (r->n_outgoing == r->outgoing_capacity) {
        uint32_t capacity = r->outgoing_capacity ? r->outgoing_capacity * 2 : 16;
        struct entry_bytes *outgoing = realloc(r->outgoing, capacity * sizeof(*outgoing));
        if (!outgoing) {
            return -ENOMEM;
        }
        r->outgoing = outgoing;
        r->outgoing_capacity = capacity;
    }
    uint8_t *copy = malloc(entry.size ? entry.size : 1);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, entry.data, entry.size);
    r->outgoing[r->n_outgoing++] = (struct entry_bytes){.data = {.data = copy, .size = entry.size}};
    return 0;
}

void replica_drop_sent(struct replica *r, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        owned_free(r->outgoing[i].data.data);
    }
    memmove(r->outgoing, r->outgoing + n, (r->n_outgoing - n) * sizeof(*r->outgoing));
    r->n_outgoing -= n;
}

void replica_drop_outgoing(struct replica *r) {
    if (r->n_outgoing > 0) {
        replica_drop_sent(r, r->n_outgoing);
    }
    r->n_in_flight = 0;
}

/* ---- deferred ---- */

void replica_drop_deferred(struct replica *r) {
    for (uint32_t i = 0; i < r->n_deferred; i++) {
        free(r->deferred[i].data);
    }
    r->n_deferred = 0;
    r->deferred_bytes = 0;
}

int replica_defer(struct replica *r, const struct wire_bytes *entry) {
    if (r->deferred_bytes + entry->size > REPLICA_DEFER_BYTES) {
        r->deadline_ms = 0; /* too slow for what comes in: start over, nearer to the end */
        return 0;
    }
    if (r->n_deferred == r->deferred_capacity) {
        uint32_t capacity = r->deferred_capacity ? r->deferred_capacity * 2 : 64;
        struct log_item *items = realloc(r->deferred, capacity * sizeof(*items));
        if (!items) {
            return -ENOMEM;
        }
        r->deferred = items;
        r->deferred_capacity = capacity;
    }
    uint8_t *copy = malloc(entry->size ? entry->size : 1);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, entry->data, entry->size);
    r->deferred[r->n_deferred++] = (struct log_item){.data = copy, .size = entry->size};
    r->deferred_bytes += entry->size;
    return 0;
}
