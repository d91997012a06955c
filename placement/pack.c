/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.c - many VMs, little room.
 *
 * Some VMs are placed, each where it may be; the others are left. First the nodes are filled one
 * after the other (fill.c). Then, again and again, a few nodes are emptied of what the plan put
 * there and refilled, with the VMs left to choose from too. The result is kept unless more is left
 * than before. Accepting equally good results is the point: the free room wanders until it is in
 * one piece. (Buljubasic and Vasquez's consistent neighbourhood search for bin packing, Computers &
 * OR 76, 2016, keeps partial solutions in the same way.)
 *
 * VMs left count by their size or, once there is enough work for it, by their price (price.c),
 * which reflects what goes well together. If there is no room to spare, or only that of a few
 * nodes, as many nodes as possible are first filled completely (cover.c).
 *
 * When much more work is available than the nodes were filled with, they are filled again: with
 * hardly any room to spare, trying hard once is worth more than long repairs.
 *
 * This search fills nodes to the brim, so it is used only if spreading the load left VMs down.
 */
#include "pack.h"

#include <string.h>

#define PART_NODES 8u
#define NOISE 64u /* 1/64 of the worth; prices say more exactly what matters: */
#define PRICE_NOISE 256u
#define STUCK_WORK 40000000u /* without progress, and for each VM: */
#define STUCK_WORK_VM 300000u
#define MANNER_LASTS 2000u /* parts in a row that are filled in the same manner */

/* Sizes: each resource is weighted by its scarcity, relative to an average node. */
static void measure(struct pack *p) {
    const struct placement_solver *s = p->s;
    const struct placement_problem *problem = s->problem;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        uint64_t capacity = 1, need = 0;
        for (uint32_t node = 0; node < problem->n_nodes; node++) {
            if (bit_test(s->accepts, node)) {
                capacity += s->capacities[(size_t)node * s->n_resources + r];
            }
        }
        for (uint32_t i = 0; i < problem->n_vms; i++) {
            need += vm_need(s, i)[r];
        }
        const uint64_t average = capacity / (problem->n_nodes > 0 ? problem->n_nodes : 1) + 1;
        const uint64_t scarce = need / (capacity / 1024 + 1);
        p->scale[r] = ((scarce < 2048 ? scarce : 2048) << 22) / average;
    }
    for (uint32_t i = 0; i < problem->n_vms; i++) {
        p->size[i] = 1;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            p->size[i] += (vm_need(s, i)[r] * p->scale[r]) >> 16;
        }
    }
}

void placement_pack_put(struct pack *p, uint32_t vm, uint32_t node) {
    placement_put(p->s, vm, node);
    p->load[node] += p->worth[vm];
}

void placement_pack_take(struct pack *p, uint32_t vm) {
    p->load[p->s->at[vm]] -= p->worth[vm];
    placement_take(p->s, vm);
}

static bool make_room(struct pack *p, struct placement_solver *s) {
    const size_t v = s->problem->n_vms, n = s->problem->n_nodes;
    const size_t prices = placement_price_room(s->problem->n_vms);
    const size_t cover = placement_cover_room(s->problem->n_vms);
    *p = (struct pack){.s = s};
    unsigned char *room =
        placement_search_room(s, v * (2 * sizeof(*p->size) + 2 * sizeof(*p->left)) +
                                     n * sizeof(*p->load) + (prices > cover ? prices : cover));
    if (room == NULL) {
        return false;
    }
    p->size = (uint64_t *)(void *)room;
    p->value = p->size + v;
    p->load = p->value + v;
    p->left = (uint32_t *)(void *)(p->load + n);
    p->list = p->left + v;
    p->room_for_lists = p->list + v;
    return true;
}

/* The problem's own state; all VMs that are asked for and can be placed somewhere are left. */
static void begin(struct pack *p) {
    struct placement_solver *s = p->s;
    p->worth = s->by_price ? s->prices : p->size;
    placement_state_reset(s);
    p->n_left = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (!(s->flags[vm] & VM_MOVABLE) || placement_has_no_node(s, vm)) {
            continue;
        }
        if (s->at[vm] != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
        p->left[p->n_left++] = vm;
    }
    memset(p->load, 0, s->problem->n_nodes * sizeof(*p->load));
    for (uint32_t vm = 0; vm < s->problem->n_vms; vm++) {
        if (s->at[vm] != PLACEMENT_NONE) {
            p->load[s->at[vm]] += p->worth[vm];
        }
    }
}

/* The room on the nodes that take VMs, minus what is to be placed there. */
static void measure_slack(struct pack *p) {
    const struct placement_solver *s = p->s;
    p->enough = true;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        uint64_t room = 0, need = 0;
        for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
            const size_t i = (size_t)node * s->n_resources + r;
            if (bit_test(s->accepts, node) && s->capacities[i] > s->used[i]) {
                room += s->capacities[i] - s->used[i];
            }
        }
        for (uint32_t i = 0; i < p->n_left; i++) {
            need += vm_need(s, p->left[i])[r];
        }
        p->room[r] = room;
        p->slack[r] = room > need ? room - need : 0;
        p->enough = p->enough && room >= need;
    }
}

/* Where the search was when it was interrupted. */
static void resume(struct pack *p) {
    struct placement_solver *s = p->s;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i], node = s->packed[vm];
        if (node != PLACEMENT_NONE) {
            placement_pack_put(p, vm, node);
        } else {
            p->left[kept++] = vm;
        }
    }
    p->n_left = kept;
}

static void interrupt(struct pack *p) {
    struct placement_solver *s = p->s;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        s->packed[vm] = s->at[vm] != s->home[vm] ? s->at[vm] : PLACEMENT_NONE;
    }
}

/* At random, with a preference for those with most room if `roomy`. */
static uint32_t choose_nodes(struct pack *p, uint32_t *nodes, bool roomy) {
    struct placement_solver *s = p->s;
    const uint32_t n_nodes = s->problem->n_nodes;
    uint32_t n = 2 + random_below(s, PART_NODES - 1);
    n = n < n_nodes ? n : n_nodes;
    for (uint32_t i = 0; i < n;) {
        uint32_t node = random_below(s, n_nodes);
        for (uint32_t k = 0; roomy && k < 2; k++) {
            const uint32_t other = random_below(s, n_nodes);
            node = p->load[other] < p->load[node] ? other : node;
        }
        bool again = false;
        for (uint32_t k = 0; k < i; k++) {
            again |= nodes[k] == node;
        }
        if (!again) {
            nodes[i++] = node;
        } else if (roomy) {
            n--;
        }
    }
    return n;
}

static void fill_anew(struct pack *p, uint32_t work) {
    struct placement_solver *s = p->s;
    const uint32_t part = s->by_price ? PRICE_NOISE : NOISE;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        const uint32_t noise = random_below(s, s->filled_with > 0 ? 12 : 1);
        p->value[vm] = p->worth[vm] + p->worth[vm] / part * noise;
    }
    s->filled_with = work;
    s->least_left = UINT64_MAX;
    placement_fill(p, work);
}

/* Less of some resource will be free than one node has; or as much of each as a few nodes have, so
 * that the others must be full. Then sizes are as good as the best prices. */
static bool is_perfect(struct pack *p) {
    const struct placement_solver *s = p->s;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (p->room[r] > 0 && p->slack[r] < p->room[r] / s->problem->n_nodes) {
            return true;
        }
    }
    return placement_cover_spare(p) > 0;
}

/* Retried whenever at least as much work is available as last time, as long as that helps. True if
 * the cover produced a plan that is no worse than the current one. */
static bool cover(struct pack *p) {
    struct placement_solver *s = p->s;
    const uint64_t work = s->work < s->work_end ? (s->work_end - s->work) / 4 * 3 : 0;
    const uint32_t filled_before = s->filled_with;
    const uint64_t least_before = filled_before > 0 ? s->least_left : UINT64_MAX;
    if (work == 0 || work < s->listed_with) {
        return false;
    }
    const bool covered = placement_cover(p, work);
    s->listed_with = covered ? work : 4 * work;
    if (!covered) {
        return false;
    }
    fill_anew(p, placement_fill_work(p));
    if (placement_worth_left(p) <= least_before) {
        return true;
    }
    begin(p);
    s->filled_with = filled_before;
    s->least_left = least_before;
    return false;
}

/* Worth trying whenever much more work is available. True: prices count now instead of sizes, or
 * the reverse, so everything begins again. If better prices replace prices, the search continues
 * where it was. */
static bool price(struct pack *p) {
    struct placement_solver *s = p->s;
    const bool by_price_before = s->by_price;
    const uint64_t work = placement_price_work(p);
    if (work == 0 || work < 4 * s->listed_with) {
        return false;
    }
    s->listed_with = work;
    s->by_price = s->priced = placement_price(p, work);
    begin(p);
    if (s->by_price && by_price_before) {
        s->filled_with = placement_fill_work(p);
        s->least_left = UINT64_MAX;
    }
    return s->by_price != by_price_before;
}

static void begin_or_resume(struct pack *p) {
    const bool perfect = is_perfect(p);
    if (p->enough && perfect && cover(p)) {
        return;
    }
    const bool priced_anew = p->enough && !perfect && price(p);
    const uint32_t fill_work = placement_fill_work(p);
    if (priced_anew || fill_work >= 4 * (uint64_t)p->s->filled_with) {
        fill_anew(p, fill_work);
    } else {
        resume(p);
    }
}

static uint64_t mean_worth(const struct pack *p) {
    const uint32_t n_vms = p->s->problem->n_vms;
    uint64_t sum = 0;
    for (uint32_t vm = 0; vm < n_vms; vm++) {
        sum += p->worth[vm];
    }
    return n_vms > 0 ? sum / n_vms : 0;
}

/* With prices, hardly ever exactly as much is left as before: sometimes a little more is accepted.
 */
static struct fill_manner choose_manner(const struct pack *p) {
    struct placement_solver *s = p->s;
    struct fill_manner manner = {.work = random_below(s, 4) == 0 ? 5000 : 1000,
                                 .concentrate = random_below(s, 4) > 0,
                                 .noise = NOISE};
    if (s->by_price) {
        const uint64_t left = placement_worth_left(p);
        const uint64_t least = left < s->least_left ? left : s->least_left;
        const uint32_t kind = random_below(s, 4);
        manner.noise = random_below(s, 2) == 0 ? PRICE_NOISE : NOISE;
        manner.tolerated = kind > 1 ? least + mean_worth(p) / (kind > 2 ? 64 : 16) : 0;
    }
    return manner;
}

/* No progress for a long time: another start may lead further. */
static bool is_stuck(const struct pack *p) {
    struct placement_solver *s = p->s;
    const uint64_t work = STUCK_WORK + (uint64_t)s->problem->n_vms * STUCK_WORK_VM;
    const uint64_t left = placement_worth_left(p);
    if (left < s->least_left) {
        s->least_left = left;
        s->least_since = s->work;
    }
    return s->work - s->least_since > (s->by_price ? work / 3 : work);
}

/* VMs left that run stay at their hosts; false: one of them no longer has room there. */
static bool left_stay(struct pack *p) {
    struct placement_solver *s = p->s;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i], home = s->home[vm];
        if (home == PLACEMENT_NONE) {
            continue;
        }
        if (!placement_fits(s, vm, home) || !placement_rules_allow(s, vm, home)) {
            return false;
        }
        placement_put(s, vm, home);
    }
    return true;
}

bool placement_pack(struct placement_solver *s, bool *ret_all) {
    struct pack p;
    uint32_t nodes[PART_NODES];
    *ret_all = false;
    if (!make_room(&p, s)) {
        return false;
    }
    measure(&p);
    begin(&p);
    measure_slack(&p);
    begin_or_resume(&p);
    const uint32_t fill_work = placement_fill_work(&p);
    while (p.n_left > 0 && s->work < s->work_end) {
        const struct fill_manner manner = choose_manner(&p);
        const bool roomy = random_below(s, 2) == 0;
        for (uint32_t i = 0; i < MANNER_LASTS && p.n_left > 0 && s->work < s->work_end; i++) {
            const uint32_t n = choose_nodes(&p, nodes, roomy);
            placement_fill_part(&p, nodes, n, &manner);
        }
        if (is_stuck(&p)) { /* now and then by sizes: some problems are easier that way */
            s->by_price = s->priced && random_below(s, 4) > 0;
            begin(&p);
            fill_anew(&p, fill_work);
        }
    }
    interrupt(&p);
    *ret_all = p.n_left == 0;
    return left_stay(&p);
}
