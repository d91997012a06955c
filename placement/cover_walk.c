/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cover_walk.c - from choices of VMs that each fill a node, pick many that share no VM.
 *
 * The walk repeats: draw a VM without a place, and a choice that contains it. Take the choice if
 * that drops at most one choice taken before; seldom, if it drops two. (Like WalkSAT: Selman, Kautz
 * and Cohen, Noise strategies for improving local search, AAAI 1994.) The few VMs without a place
 * thus wander until they fit together.
 *
 * Triplets for 167 nodes, out of 4,000 that fill one, are all found within some millions of steps.
 * An earlier version, depth first with dancing links (Knuth, 2000), did not find them; a walk with
 * weights of VMs, like those of clauses, was less reliable. If the last few are not found, the
 * result still fills nearly all nodes, which depth first does not achieve either.
 */
#include "cover.h"

#define WALK_WORK 8000000u /* then the walk starts anew: some walks lead nowhere */
#define SELDOM 22000u      /* one in this many; twice or half as many take longer */

/* For each VM the choices that contain it; none is taken. */
static void index_choices(struct cover *x) {
    const struct pack *p = x->p;
    const size_t n_cells = (size_t)x->n_choices * CHOICE_VMS;
    uint32_t sum = 0;
    x->n_without = x->n_taken = 0;
    p->s->work += x->n_choices + p->n_left / 4;
    for (uint32_t i = 0; i < p->n_left; i++) {
        x->n_with[p->left[i]] = 0;
        x->taken_for[p->left[i]] = PLACEMENT_NONE;
    }
    for (size_t i = 0; i < n_cells; i++) {
        if (x->vms_of[i] != PLACEMENT_NONE) {
            x->n_with[x->vms_of[i]]++;
        }
    }
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        x->with_start[vm] = sum;
        sum += x->n_with[vm];
        if (x->n_with[vm] > 0) {
            x->without_at[vm] = x->n_without;
            x->without[x->n_without++] = vm;
        }
        x->n_with[vm] = 0;
    }
    for (size_t i = 0; i < n_cells; i++) {
        const uint32_t vm = x->vms_of[i];
        if (vm != PLACEMENT_NONE) {
            x->with[x->with_start[vm] + x->n_with[vm]++] = (uint32_t)(i / CHOICE_VMS);
        }
    }
    x->n_hopeless = p->n_left - x->n_without;
}

/* The taken choices that share a VM with this one; reports at most `most` + 1. */
static uint32_t find_in_way(const struct cover *x, uint32_t choice, uint32_t most,
                            uint32_t *ret_choices) {
    const uint32_t *vms = &x->vms_of[(size_t)choice * CHOICE_VMS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < CHOICE_VMS && vms[i] != PLACEMENT_NONE; i++) {
        const uint32_t other = x->taken_for[vms[i]];
        uint32_t k = 0;
        while (k < n && ret_choices[k] != other) {
            k++;
        }
        if (other == PLACEMENT_NONE || k < n) {
            continue;
        }
        if (n == most) {
            return n + 1;
        }
        ret_choices[n++] = other;
    }
    return n;
}

static void take_choice(struct cover *x, uint32_t choice) {
    const uint32_t *vms = &x->vms_of[(size_t)choice * CHOICE_VMS];
    for (uint32_t i = 0; i < CHOICE_VMS && vms[i] != PLACEMENT_NONE; i++) {
        const uint32_t at = x->without_at[vms[i]], last = x->without[--x->n_without];
        x->without[at] = last;
        x->without_at[last] = at;
        x->taken_for[vms[i]] = choice;
    }
    x->n_taken++;
}

static void give_back_choice(struct cover *x, uint32_t choice) {
    const uint32_t *vms = &x->vms_of[(size_t)choice * CHOICE_VMS];
    for (uint32_t i = 0; i < CHOICE_VMS && vms[i] != PLACEMENT_NONE; i++) {
        x->without_at[vms[i]] = x->n_without;
        x->without[x->n_without++] = vms[i];
        x->taken_for[vms[i]] = PLACEMENT_NONE;
    }
    x->n_taken--;
}

/* Stored as node numbers: the choices are listed again before the best plan is carried out. */
static void remember(struct cover *x) {
    const struct pack *p = x->p;
    p->s->work += p->n_left / 4;
    x->least_left = x->n_without + x->n_hopeless;
    x->n_best = 0;
    for (uint32_t i = 0; i < p->n_left; i++) {
        x->best[p->left[i]] = PLACEMENT_NONE;
    }
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t choice = x->taken_for[p->left[i]];
        if (choice == PLACEMENT_NONE || x->best[p->left[i]] != PLACEMENT_NONE) {
            continue;
        }
        const uint32_t *vms = &x->vms_of[(size_t)choice * CHOICE_VMS];
        for (uint32_t k = 0; k < CHOICE_VMS && vms[k] != PLACEMENT_NONE; k++) {
            x->best[vms[k]] = x->n_best;
        }
        x->n_best++;
    }
}

bool placement_cover_done(const struct cover *x) {
    return x->least_left == 0 || x->n_best + x->n_spare >= x->n_small;
}

static void walk(struct cover *x, uint64_t work) {
    struct placement_solver *s = x->p->s;
    const uint64_t end = s->work + work;
    uint32_t in_way[2];
    for (uint32_t step = 0; x->n_without > 0 && !placement_cover_done(x) && s->work < end; step++) {
        const uint32_t vm = x->without[random_below(s, x->n_without)];
        const uint32_t choice = x->with[x->with_start[vm] + random_below(s, x->n_with[vm])];
        const uint32_t n = find_in_way(x, choice, 2, in_way);
        s->work += step % 2;
        if (n > 2 || (n == 2 && random_below(s, SELDOM) != 0)) {
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            give_back_choice(x, in_way[i]);
        }
        take_choice(x, choice);
        if (x->n_without + x->n_hopeless < x->least_left && x->n_taken <= x->n_small) {
            remember(x);
        }
    }
}

/* Keeps a quarter of the work. Ends early when everything that can be placed has a place. */
void placement_cover_walk(struct cover *x) {
    const struct pack *p = x->p;
    const struct placement_solver *s = p->s;
    const uint64_t end = s->work < x->work_end ? x->work_end - (x->work_end - s->work) / 4 : 0;
    while (!placement_cover_done(x) && s->work < end) {
        index_choices(x);
        if (x->n_hopeless > p->n_left / COVER_LEFT) {
            return;
        }
        walk(x, end - s->work < WALK_WORK ? end - s->work : WALK_WORK);
        if (x->n_without == 0) {
            return;
        }
    }
}
