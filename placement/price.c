/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * price.c - the price of each VM: what its place is worth, in units of nodes.
 *
 * A VM's size says how much it takes, but not what it wastes: of two VMs of the same size, one may
 * go well with others while the other leaves a rest that no VM can use. The right prices are the
 * dual prices of the linear program that covers each VM with choices of VMs for a node: then no
 * choice is worth more than a node, and all choices of a good plan are worth nearly a node.
 * (Gilmore and Gomory's column generation, Operations Research 9, 1961; its bound, rounded up, is
 * nearly always the optimum.)
 *
 * No linear program has to be solved: the incremental subgradient method finds the prices (Nedic
 * and Bertsekas, SIAM Journal on Optimization 12, 2001). Each node in turn takes the most valuable
 * choice from a pool, no matter which other nodes take the same VMs. The VMs taken get cheaper at
 * once. After a sweep over the nodes, all VMs get dearer until the sum is as before. Thus VMs that
 * two nodes take get cheaper, and VMs that no node takes get dearer. The steps become smaller.
 * Between sweeps the pool gets, for each VM, the best choice with it at the current prices, as far
 * as the work allows. The result is the mean of the last sweeps' prices.
 */
#include "knapsack.h"

#include <string.h>

#define ROUNDS 32u     /* of new choices */
#define LAST_ROUNDS 8u /* their mean is the result */
#define SWEEPS 3u      /* in each round */
#define DOUBT 64u      /* this part of the prices may be wrong: choices are missing */
#define CHOICE_VMS 13u
#define CHOICES_PER_VM 8u
#define CHOICE_WORK_LEAST 800u
#define CHOICE_WORK_MOST 40000u
#define NODE_TRIES 8u      /* to find a node for a VM */
#define CHOICE_TRIES 1024u /* to find a choice that a node can hold */

/* VMs that can be on one node together. */
struct choice {
    uint64_t value; /* at least the sum of their prices */
    uint32_t n;
    uint32_t next;            /* in the pool, with the same first VM; NONE: the last one */
    uint32_t vms[CHOICE_VMS]; /* ascending */
};

struct pricing {
    struct pack *p;
    uint64_t *prices; /* per VM */
    uint32_t *with;   /* per VM: a choice that begins with it; see choice.next */
    uint32_t *idle;   /* per VM: how many of the last rounds in a row found nothing new */
    struct choice *pool;
    uint32_t *heap; /* indices of the pool, the highest value first */
    uint32_t n_pool, n_max, n_heap;
    uint64_t sum; /* of all prices */
    uint64_t work_end;
};

static uint64_t value_of(const struct pricing *x, const struct choice *choice) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < choice->n; i++) {
        value += x->prices[choice->vms[i]];
    }
    return value;
}

/* ---- the pool as a heap */

static uint64_t heap_value(const struct pricing *x, uint32_t i) {
    return x->pool[x->heap[i]].value;
}

static void heap_swap(struct pricing *x, uint32_t i, uint32_t k) {
    const uint32_t kept = x->heap[i];
    x->heap[i] = x->heap[k];
    x->heap[k] = kept;
}

static void sift_down(struct pricing *x, uint32_t i) {
    for (uint32_t child; (child = 2 * i + 1) < x->n_heap; i = child) {
        if (child + 1 < x->n_heap && heap_value(x, child + 1) > heap_value(x, child)) {
            child++;
        }
        if (heap_value(x, child) <= heap_value(x, i)) {
            return;
        }
        heap_swap(x, i, child);
    }
}

static void sift_up(struct pricing *x, uint32_t i) {
    for (; i > 0 && heap_value(x, i) > heap_value(x, (i - 1) / 2); i = (i - 1) / 2) {
        heap_swap(x, i, (i - 1) / 2);
    }
}

static void heapify(struct pricing *x) {
    for (uint32_t i = 0; i < x->n_pool; i++) {
        x->heap[i] = i;
        x->pool[i].value = value_of(x, &x->pool[i]);
    }
    x->n_heap = x->n_pool;
    for (uint32_t i = x->n_heap / 2; i-- > 0;) {
        sift_down(x, i);
    }
}

/* ---- new choices */

static bool is_known(const struct pricing *x, const struct choice *choice) {
    for (uint32_t i = x->with[choice->vms[0]]; i != PLACEMENT_NONE; i = x->pool[i].next) {
        const struct choice *known = &x->pool[i];
        if (known->n == choice->n &&
            memcmp(known->vms, choice->vms, choice->n * sizeof(*choice->vms)) == 0) {
            return true;
        }
    }
    return false;
}

static void into_pool(struct pricing *x, const struct choice *choice) {
    uint32_t *with = &x->with[choice->vms[0]];
    x->pool[x->n_pool] = *choice;
    x->pool[x->n_pool].next = *with;
    *with = x->n_pool++;
}

/* Keeps the better half. */
static void make_pool_smaller(struct pricing *x) {
    const uint32_t n = x->n_pool;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += x->pool[i].value = value_of(x, &x->pool[i]);
        x->with[x->pool[i].vms[0]] = PLACEMENT_NONE;
    }
    x->n_pool = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (x->pool[i].value > sum / n) {
            into_pool(x, &x->pool[i]);
        }
    }
}

static bool add_choice(struct pricing *x, const struct knapsack *k, uint32_t first) {
    struct choice choice = {.n = 1, .vms = {first}};
    if (k->n_best >= CHOICE_VMS) {
        return false;
    }
    for (uint32_t i = 0; i < k->n_best; i++) {
        const uint32_t vm = k->list[k->best[i]];
        uint32_t at = choice.n++;
        for (; at > 0 && choice.vms[at - 1] > vm; at--) {
            choice.vms[at] = choice.vms[at - 1];
        }
        choice.vms[at] = vm;
    }
    if (is_known(x, &choice)) {
        return false;
    }
    if (x->n_pool == x->n_max) {
        make_pool_smaller(x);
    }
    if (x->n_pool < x->n_max) {
        into_pool(x, &choice);
    }
    return true;
}

static bool may_take(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    return placement_allowed(s, vm, node) && placement_fits(s, vm, node);
}

/* A node that may take the VM: `node` if it may. NONE: none was found. */
static uint32_t node_for(struct placement_solver *s, uint32_t vm, uint32_t node) {
    for (uint32_t i = 0; i < NODE_TRIES; i++) {
        if (may_take(s, vm, node)) {
            return node;
        }
        node = random_below(s, s->problem->n_nodes);
    }
    return PLACEMENT_NONE;
}

/* The VMs that may go to the node, in the order of the search. */
static void list_for(struct pricing *x, struct knapsack *k, uint32_t node) {
    struct pack *p = x->p;
    k->n_list = 0;
    memset(k->least, 0xff, sizeof(k->least));
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        if (may_take(p->s, vm, node)) {
            p->list[k->n_list++] = vm;
            placement_knapsack_least(k, vm);
        }
    }
    placement_knapsack_sort(p, p->list, k->n_list);
    p->s->work += p->n_left / 2;
}

/* The node's best choice that contains the VM, which is in the list. */
static void seek_choice(struct pricing *x, struct knapsack *k, uint32_t vm, uint32_t node,
                        uint32_t work) {
    struct pack *p = x->p;
    uint32_t at = 0;
    while (p->list[at] != vm) {
        at++;
    }
    const uint32_t behind = --k->n_list - at;
    memmove(&p->list[at], &p->list[at + 1], behind * sizeof(*p->list));
    placement_knapsack_room(k, node);
    placement_knapsack_take(k, vm);
    k->slots -= 1;
    k->value = k->best_value = 0;
    k->n_best = 0;
    k->work = work;
    placement_knapsack_search(k, 0);
    x->idle[vm] = add_choice(x, k, vm) ? 0 : x->idle[vm] + 1;
    memmove(&p->list[at + 1], &p->list[at], behind * sizeof(*p->list));
    p->list[at] = vm;
    k->n_list++;
    p->s->work += (work - k->work) / 4 + 4;
}

/* Searches for each VM, less and less often if the VM's searches find nothing new. */
static void seek_choices(struct pricing *x, uint32_t work) {
    struct pack *p = x->p;
    struct knapsack k = {.p = p, .list = p->list, .by_value = true, .best_within = true};
    uint32_t listed = PLACEMENT_NONE, node = random_below(p->s, p->s->problem->n_nodes);
    for (uint32_t i = 0; i < p->n_left; i++) {
        p->value[p->left[i]] = x->prices[p->left[i]] | 1;
    }
    for (uint32_t i = 0; i < p->n_left && p->s->work < x->work_end; i++) {
        const uint32_t vm = p->left[i];
        const bool rests = random_below(p->s, x->idle[vm] + 1) > 0;
        const uint32_t found = rests ? PLACEMENT_NONE : node_for(p->s, vm, node);
        if (found == PLACEMENT_NONE) {
            continue;
        }
        node = found;
        if (node != listed) {
            list_for(x, &k, node);
            listed = node;
        }
        seek_choice(x, &k, vm, node, work);
    }
}

/* ---- sweeps */

static bool can_hold(const struct pricing *x, uint32_t node, const struct choice *choice) {
    const struct placement_solver *s = x->p->s;
    uint64_t need[PLACEMENT_RESOURCES_MAX] = {0};
    for (uint32_t i = 0; i < choice->n; i++) {
        if (!placement_allowed(s, choice->vms[i], node)) {
            return false;
        }
        for (uint32_t r = 0; r < s->n_resources; r++) {
            need[r] += vm_need(s, choice->vms[i])[r];
        }
    }
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        if (need[r] > 0 && s->used[i] + need[r] > s->capacities[i]) {
            return false;
        }
    }
    return s->n_vms_on[node] + choice->n <= s->vms_max[node];
}

/* Prices only fall during a sweep, so values in the heap are never too low: a choice that comes
 * first by its current value is the best. */
static const struct choice *best_choice(struct pricing *x, uint32_t node) {
    const struct choice *best = NULL;
    const uint32_t n_heap = x->n_heap;
    while (best == NULL && x->n_heap > 0 && n_heap - x->n_heap < CHOICE_TRIES) {
        struct choice *first = &x->pool[x->heap[0]];
        const uint64_t value = value_of(x, first);
        x->p->s->work++;
        if (value < first->value) {
            first->value = value;
            sift_down(x, 0);
        } else if (can_hold(x, node, first)) {
            best = first;
        } else {
            heap_swap(x, 0, --x->n_heap); /* set aside */
            sift_down(x, 0);
        }
    }
    while (x->n_heap < n_heap) {
        sift_up(x, x->n_heap++);
    }
    return best;
}

/* Returns the sum of the values of all nodes' choices. */
static uint64_t sweep(struct pricing *x, uint64_t step) {
    struct pack *p = x->p;
    uint64_t filled = 0;
    heapify(x);
    p->s->work += x->n_pool / 4;
    for (uint32_t node = 0; node < p->s->problem->n_nodes; node++) {
        const struct choice *best = bit_test(p->s->accepts, node) ? best_choice(x, node) : NULL;
        filled += best != NULL ? best->value : 0;
        for (uint32_t i = 0; best != NULL && i < best->n; i++) {
            uint64_t *price = &x->prices[best->vms[i]];
            *price -= *price < step ? *price : step;
        }
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n_left; i++) {
        sum += x->prices[p->left[i]];
    }
    for (uint32_t i = 0; i < p->n_left && sum < x->sum; i++) {
        x->prices[p->left[i]] += (x->sum - sum) / p->n_left;
    }
    return filled;
}

/* ---- all together */

size_t placement_price_room(uint32_t n_vms) {
    const size_t per_vm = sizeof(uint64_t) + 2 * sizeof(uint32_t) +
                          CHOICES_PER_VM * (sizeof(struct choice) + sizeof(uint32_t));
    return n_vms > LISTED_VMS_MAX ? 0 : n_vms * per_vm;
}

/* The work of about one step of every search, over all rounds: soon two of three VMs rest, and a
 * unit of work is 4 steps. */
static uint64_t work_by_step(const struct pack *p) {
    return (ROUNDS * (uint64_t)p->n_left + 11) / 12;
}

static uint64_t work_of_sweeps(const struct pack *p) {
    return ROUNDS * SWEEPS * (16 * (uint64_t)p->s->problem->n_nodes + 2 * (uint64_t)p->n_left);
}

uint64_t placement_price_work(const struct pack *p) {
    const struct placement_solver *s = p->s;
    const uint64_t share = s->work_end > s->work ? (s->work_end - s->work) / 4 * 3 : 0;
    const uint64_t least = work_of_sweeps(p) + work_by_step(p) * CHOICE_WORK_LEAST;
    return p->n_left == 0 || s->problem->n_vms > LISTED_VMS_MAX || share < least ? 0 : share;
}

static void begin(struct pricing *x) {
    struct pack *p = x->p;
    struct placement_solver *s = p->s;
    const uint32_t n_vms = s->problem->n_vms;
    x->prices = p->room_for_lists;
    x->n_max = CHOICES_PER_VM * p->n_left;
    x->pool = (struct choice *)(void *)(x->prices + n_vms);
    x->heap = (uint32_t *)(void *)(x->pool + x->n_max);
    x->idle = x->heap + x->n_max;
    x->with = x->idle + n_vms;
    for (uint32_t vm = 0; vm < n_vms; vm++) {
        s->prices[vm] = x->prices[vm] = p->size[vm];
        x->idle[vm] = 0;
        x->with[vm] = PLACEMENT_NONE;
    }
    for (uint32_t i = 0; i < p->n_left; i++) {
        x->sum += p->size[p->left[i]];
        s->prices[p->left[i]] = 0;
    }
}

bool placement_price(struct pack *p, uint64_t work) {
    struct placement_solver *s = p->s;
    struct pricing x = {.p = p, .work_end = s->work + 2 * work};
    const uint64_t share = (work - work_of_sweeps(p)) / work_by_step(p);
    const uint32_t choice_work = share < CHOICE_WORK_MOST ? (uint32_t)share : CHOICE_WORK_MOST;
    uint64_t filled = 0;
    begin(&x);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (s->work >= x.work_end) {
            return false; /* the nodes differ too much */
        }
        const uint64_t slower = (uint64_t)ROUNDS + 8 * round;
        const uint64_t step = x.sum / p->n_left / 10 * ROUNDS * ROUNDS / (slower * slower);
        seek_choices(&x, choice_work);
        for (uint32_t i = 0; i < SWEEPS; i++) {
            filled = sweep(&x, step);
        }
        for (uint32_t i = 0; i < p->n_left && round >= ROUNDS - LAST_ROUNDS; i++) {
            s->prices[p->left[i]] += x.prices[p->left[i]];
        }
    }
    for (uint32_t i = 0; i < p->n_left; i++) {
        uint64_t *price = &s->prices[p->left[i]];
        *price = *price / LAST_ROUNDS | 1;
    }
    return filled >= x.sum - x.sum / DOUBT;
}
