/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Classes of nodes by the storage that they have; see storage.h. A class is a bit mask of claims.
 */
#include "core/model/storage.h"

#include "base/check.h"
#include "core/model/model.h"

struct class {
    uint64_t mask;
    uint64_t votes;
    uint32_t lowest; /* node id */
    bool ok, different;
};

static bool see_each_other(const struct storage_claim *a, const struct storage_claim *b) {
    return ids_contain(&a->sees, b->node) && ids_contain(&b->sees, a->node);
}

static struct class class_of(const struct storage_claim *v, uint32_t n, uint32_t first) {
    struct class c = {.mask = UINT64_C(1) << first, .lowest = v[first].node};
    uint32_t found[WIRE_MAX_NODES] = {first};
    uint32_t n_found = 1;
    for (uint32_t i = 0; i < n_found; i++) {
        const struct storage_claim *member = &v[found[i]];
        c.votes += member->votes;
        c.lowest = member->node < c.lowest ? member->node : c.lowest;
        c.ok = c.ok || member->state == VOLUME_OK;
        c.different = c.different || member->state == VOLUME_DIFFERENT;
        for (uint32_t k = 0; k < n; k++) {
            if (!(c.mask >> k & 1) && see_each_other(member, &v[k])) {
                c.mask |= UINT64_C(1) << k;
                found[n_found++] = k;
            }
        }
    }
    return c;
}

/* 3: a majority; 2: in use; 1: new; 0: found to be another storage. */
static int rank(const struct class *c, uint64_t total_votes) {
    return 2 * c->votes > total_votes ? 3 : c->ok ? 2 : c->different ? 0 : 1;
}

static bool is_before(const struct class *a, const struct class *b, uint64_t total_votes) {
    int rank_a = rank(a, total_votes), rank_b = rank(b, total_votes);
    if (rank_a != rank_b) {
        return rank_a > rank_b;
    }
    return a->votes != b->votes ? a->votes > b->votes : a->lowest < b->lowest;
}

bool storage_is_right(const struct storage_claim *v, uint32_t n, uint32_t self,
                      uint64_t total_votes) {
    CHECK(n <= WIRE_MAX_NODES && self < n);
    struct class own = class_of(v, n, self);
    uint64_t done = own.mask;
    if (rank(&own, total_votes) == 0) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (done >> i & 1) {
            continue;
        }
        struct class other = class_of(v, n, i);
        done |= other.mask;
        if (is_before(&other, &own, total_votes)) {
            return false;
        }
    }
    return true;
}
