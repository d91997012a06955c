/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cover.c - no room to spare: each node full, each VM on one.
 *
 * If the nodes together have no more room than is needed, a plan consists of choices of VMs that
 * each fill a node completely. There are few such choices. All are listed, and as many as possible
 * are selected with no VM in common (cover_walk.c).
 *
 * The same works if there are a few more nodes than needed: then the others are full. The nodes
 * must be equal, except for a few larger ones, which are not filled here. VMs that remain, or that
 * their node does not accept, are left to pack.c: with most nodes full these are few, and they have
 * all the spare room.
 */
#include "cover.h"

#include <string.h>

#define CHOICES_PER_VM 16u
#define SPARE_MOST 3u /* nodes that are not needed */

/* ---- the choices */

static void add_choice(struct cover *x) {
    if (x->n_choices == x->n_max) {
        x->too_many = true;
        return;
    }
    uint32_t *cells = &x->vms_of[(size_t)x->n_choices++ * CHOICE_VMS];
    for (uint32_t i = 0; i < CHOICE_VMS; i++) {
        cells[i] = i < x->n_chosen ? x->chosen[i] : PLACEMENT_NONE;
    }
}

static bool is_full(const struct cover *x) {
    for (uint32_t r = 0; r < x->p->s->n_resources; r++) {
        if (x->room[r] > x->within[r]) {
            return false;
        }
    }
    return true;
}

static bool fits(const struct cover *x, const uint64_t *need) {
    for (uint32_t r = 0; r < x->p->s->n_resources; r++) {
        if (need[r] > x->room[r]) {
            return false;
        }
    }
    return true;
}

/* The first VM from list[first] on that is no larger. */
static uint32_t first_not_above(const struct cover *x, uint32_t first, uint64_t size) {
    uint32_t end = x->p->n_left;
    while (first < end) {
        const uint32_t middle = first + (end - first) / 2;
        if (x->sizes[middle] > size) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

/* Lists all choices that continue with VMs from list[first] on. The next VM is the largest of those
 * to come: the loop ends when even as many of that size as may be added do not fill the node. */
static void list_choices(struct cover *x, uint32_t first, uint64_t room) {
    const struct pack *p = x->p;
    struct placement_solver *s = p->s;
    if (x->n_chosen > 0 && is_full(x)) {
        add_choice(x);
    }
    const uint64_t least = x->sizes[p->n_left - 1], free = x->vms_most - x->n_chosen;
    const uint64_t more = least > 0 && room / least < free ? room / least : free;
    s->work += 2;
    for (uint32_t i = first_not_above(x, first, room); i < p->n_left && !x->too_many; i++) {
        if (x->sizes[i] * more + x->slack < room) {
            return;
        }
        const uint64_t *need = vm_need(s, p->list[i]);
        s->work += i % 4 == 0;
        if (!fits(x, need)) {
            continue;
        }
        for (uint32_t r = 0; r < s->n_resources; r++) {
            x->room[r] -= need[r];
        }
        x->chosen[x->n_chosen++] = p->list[i];
        list_choices(x, i + 1, room - x->sizes[i]);
        x->n_chosen--;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            x->room[r] += need[r];
        }
        x->too_many = x->too_many || s->work >= x->list_end;
    }
}

/* ---- all together */

static uint64_t room_of(const struct placement_solver *s, uint32_t node, uint32_t r) {
    const size_t i = (size_t)node * s->n_resources + r;
    return s->capacities[i] > s->used[i] ? s->capacities[i] - s->used[i] : 0;
}

static bool is_small(const struct cover *x, uint32_t node) {
    const struct placement_solver *s = x->p->s;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (room_of(s, node, r) != x->node[r]) {
            return false;
        }
    }
    return true;
}

/* The smallest nodes, which must be most of them; false: they are too different. */
static bool gather_nodes(struct cover *x) {
    const struct placement_solver *s = x->p->s;
    x->n_nodes = x->n_small = 0;
    memset(x->node, 0xff, sizeof(x->node));
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        if (!bit_test(s->accepts, node)) {
            continue;
        }
        x->n_nodes++;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            const uint64_t room = room_of(s, node, r);
            x->node[r] = room < x->node[r] ? room : x->node[r];
        }
    }
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        x->n_small += bit_test(s->accepts, node) && is_small(x, node) ? 1 : 0;
    }
    return x->n_nodes > 0 && x->n_small >= x->n_nodes - x->n_nodes / 8;
}

/* How many nodes are to spare: nearly this many by every resource; 0: none, or they differ. */
static uint32_t spare_nodes(const struct cover *x) {
    const struct pack *p = x->p;
    uint32_t n = 0;
    for (uint32_t r = 0; r < p->s->n_resources; r++) {
        const uint64_t node = x->node[r], slack = p->slack[r];
        const uint64_t nearest = node > 0 ? (slack + node / 2) / node : 0;
        const uint64_t nodes = nearest * node;
        if (nearest == 0 || nearest > SPARE_MOST || (n > 0 && nearest != n) ||
            (slack > nodes ? slack - nodes : nodes - slack) > node / 32) {
            return 0;
        }
        n = (uint32_t)nearest;
    }
    return n;
}

uint32_t placement_cover_spare(struct pack *p) {
    struct cover x = {.p = p};
    return gather_nodes(&x) ? spare_nodes(&x) : 0;
}

/* Exactly additive, unlike pack.h's. */
static uint64_t size_of(const struct pack *p, const uint64_t *amounts) {
    uint64_t size = 0;
    for (uint32_t r = 0; r < p->s->n_resources; r++) {
        size += amounts[r] * p->scale[r];
    }
    return size;
}

static void lay_out(struct cover *x) {
    const struct pack *p = x->p;
    const size_t n_vms = p->s->problem->n_vms;
    x->n_max = p->n_left * CHOICES_PER_VM;
    const size_t n_cells = (size_t)x->n_max * CHOICE_VMS;
    x->sizes = p->room_for_lists;
    x->vms_of = (uint32_t *)(void *)(x->sizes + n_vms);
    x->with = x->vms_of + n_cells;
    x->with_start = x->with + n_cells;
    x->n_with = x->with_start + n_vms;
    x->taken_for = x->n_with + n_vms;
    x->without = x->taken_for + n_vms;
    x->without_at = x->without + n_vms;
    x->best = x->without_at + n_vms;
    x->nodes = x->best + n_vms;
}

/* The list in order of size: with large VMs first the search is narrower. */
static void begin(struct cover *x) {
    const struct pack *p = x->p;
    const struct placement_solver *s = p->s;
    lay_out(x);
    x->n_spare = spare_nodes(x);
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const uint64_t spare = x->n_spare * x->node[r];
        x->room[r] = x->node[r];
        x->within[r] = p->slack[r] > spare ? p->slack[r] - spare : 0;
    }
    x->slack = size_of(p, x->within);
    x->least_left = p->n_left;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        const uint64_t size = size_of(p, vm_need(s, vm));
        uint32_t k = i;
        for (; k > 0 && x->sizes[k - 1] < size; k--) {
            p->list[k] = p->list[k - 1];
            x->sizes[k] = x->sizes[k - 1];
        }
        p->list[k] = vm;
        x->sizes[k] = size;
        x->best[vm] = PLACEMENT_NONE;
    }
}

/* The larger nodes stay empty. */
static void carry_out(struct cover *x) {
    struct pack *p = x->p;
    struct placement_solver *s = p->s;
    uint32_t kept = 0, n = 0;
    for (uint32_t node = 0; n < x->n_best; node++) {
        if (bit_test(s->accepts, node) && is_small(x, node)) {
            x->nodes[n++] = node;
        }
    }
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i], best = x->best[vm];
        if (best != PLACEMENT_NONE && placement_can_go(s, vm, x->nodes[best])) {
            placement_pack_put(p, vm, x->nodes[best]);
        } else {
            p->left[kept++] = vm;
        }
    }
    p->n_left = kept;
}

size_t placement_cover_room(uint32_t n_vms) {
    const size_t n_cells = (size_t)n_vms * CHOICES_PER_VM * CHOICE_VMS;
    return n_vms > LISTED_VMS_MAX
               ? 0
               : n_vms * (sizeof(uint64_t) + 7 * sizeof(uint32_t)) + n_cells * 2 * sizeof(uint32_t);
}

/* Choices of few VMs come first: there are fewer of them. */
bool placement_cover(struct pack *p, uint64_t work) {
    struct placement_solver *s = p->s;
    struct cover x = {.p = p, .list_end = s->work + work / 2, .work_end = s->work + work};
    uint32_t n_listed = 0;
    if (s->problem->n_vms > LISTED_VMS_MAX || p->n_left == 0 || !gather_nodes(&x)) {
        return false;
    }
    begin(&x);
    x.vms_most = (p->n_left + x.n_nodes - 1) / x.n_nodes;
    for (; x.vms_most <= CHOICE_VMS && !placement_cover_done(&x) && s->work < x.list_end;
         x.vms_most++) {
        x.n_choices = 0;
        list_choices(&x, 0, size_of(p, x.room));
        if (x.too_many) {
            break;
        }
        if (x.n_choices > n_listed + n_listed / 8) {
            n_listed = x.n_choices;
            placement_cover_walk(&x);
        }
    }
    if (x.least_left > p->n_left / COVER_LEFT) {
        return false;
    }
    carry_out(&x);
    return true;
}
