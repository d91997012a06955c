/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knapsack.c - which VMs to put on one node: those that fit together and are worth most.
 *
 * The search is depth first with a bound, up to a limit. The bound treats all resources as one
 * (sizes, pack.h) and fills the remaining room with the VMs of the highest worth per size, as if
 * VMs could be divided (Dantzig's bound).
 */
#include "knapsack.h"

#include "base/check.h"

bool placement_knapsack_fits(const struct knapsack *k, uint32_t vm) {
    const struct placement_solver *s = k->p->s;
    const uint64_t *need = vm_need(s, vm);
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (need[r] > k->room[r]) {
            return false;
        }
    }
    return true;
}

void placement_knapsack_take(struct knapsack *k, uint32_t vm) {
    const uint64_t *need = vm_need(k->p->s, vm);
    const uint64_t size = k->p->size[vm];
    for (uint32_t r = 0; r < k->p->s->n_resources; r++) {
        k->room[r] -= need[r];
    }
    k->room_size -= size < k->room_size ? size : k->room_size;
    k->value += k->p->value[vm];
}

static void give_back(struct knapsack *k, uint32_t vm, uint64_t room_size) {
    const uint64_t *need = vm_need(k->p->s, vm);
    for (uint32_t r = 0; r < k->p->s->n_resources; r++) {
        k->room[r] += need[r];
    }
    k->room_size = room_size;
    k->value -= k->p->value[vm];
}

bool placement_knapsack_within_slack(const struct knapsack *k) {
    for (uint32_t r = 0; k->slack != NULL && r < k->p->s->n_resources; r++) {
        if (k->room[r] > k->slack[r]) {
            return false;
        }
    }
    return true;
}

void placement_knapsack_least(struct knapsack *k, uint32_t vm) {
    const uint64_t *need = vm_need(k->p->s, vm);
    for (uint32_t r = 0; r < k->p->s->n_resources; r++) {
        k->least[r] = need[r] < k->least[r] ? need[r] : k->least[r];
    }
}

static void consider(struct knapsack *k) {
    if (k->best_within && k->value <= k->best_value) {
        return;
    }
    const bool within = placement_knapsack_within_slack(k);
    if (within == k->best_within ? k->value <= k->best_value : !within) {
        return;
    }
    k->best_within = within;
    k->best_value = k->value;
    k->n_best = k->n_chosen;
    for (uint32_t i = 0; i < k->n_chosen; i++) {
        k->best[i] = k->chosen[i];
    }
}

/* No VM from this one on can make a better choice than the best: none is worth more per size. */
static bool bounded(const struct knapsack *k, uint64_t value, uint64_t size) {
    uint64_t most, enough;
    return k->value <= k->best_value && !__builtin_mul_overflow(k->room_size, value, &most) &&
           !__builtin_mul_overflow(k->best_value - k->value + 1, size, &enough) && most < enough;
}

void placement_knapsack_search(struct knapsack *k, uint32_t first) {
    const struct pack *p = k->p;
    consider(k);
    for (uint32_t r = 0; r < p->s->n_resources; r++) {
        if (k->room[r] < k->least[r]) {
            return; /* no VM fits any more */
        }
    }
    for (uint32_t i = first; i < k->n_list && k->work > 0; i++) {
        const uint32_t vm = k->list[i];
        k->work--;
        if ((k->best_within || k->by_value) && bounded(k, p->value[vm], p->size[vm])) {
            return;
        }
        if (k->n_chosen == k->slots || !placement_knapsack_fits(k, vm)) {
            continue;
        }
        const uint64_t room_size = k->room_size;
        placement_knapsack_take(k, vm);
        CHECK(k->n_chosen < KNAPSACK_VMS); /* the size of the array */
        k->chosen[k->n_chosen++] = i;
        placement_knapsack_search(k, i + 1);
        k->n_chosen--;
        give_back(k, vm, room_size);
    }
}

void placement_knapsack_sort(const struct pack *p, uint32_t *vms, uint32_t n) {
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            const uint32_t vm = vms[i];
            uint32_t k = i;
            for (; k >= gap && p->value[vms[k - gap]] * (p->size[vm] >> 8 | 1) <
                                   p->value[vm] * (p->size[vms[k - gap]] >> 8 | 1);
                 k -= gap) {
                vms[k] = vms[k - gap];
            }
            vms[k] = vm;
        }
    }
}

void placement_knapsack_room(struct knapsack *k, uint32_t node) {
    const struct placement_solver *s = k->p->s;
    uint64_t size = 0;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        k->room[r] = s->capacities[i] > s->used[i] ? s->capacities[i] - s->used[i] : 0;
        size += (k->room[r] * k->p->scale[r]) >> 16;
    }
    k->room_size = size + 64;
    const uint32_t slots =
        s->vms_max[node] > s->n_vms_on[node] ? s->vms_max[node] - s->n_vms_on[node] : 0;
    k->slots = slots < KNAPSACK_VMS - 1 ? slots : KNAPSACK_VMS - 1;
}
