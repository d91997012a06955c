/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults, drawn and named; see faults.h. faults_nodes.c, faults_disks.c and faults_guests.c say
 * what each one does.
 */
#include "sim/faults_inner.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *set, *text;
    uint32_t weight;
    happen_fn *happen;
} kinds[N_FAULTS] = {
#define X(name, set, weight, text) {#set, text, weight, happen_##name},
    FAULTS(X)
#undef X
};

static uint64_t set_of(const char *name, size_t length) {
    uint64_t set = 0;
    for (uint32_t i = 0; i < N_FAULTS; i++) {
        bool all = length == 3 && strncmp(name, "all", 3) == 0;
        bool this = strlen(kinds[i].set) == length && strncmp(name, kinds[i].set, length) == 0;
        set |= all || this ? UINT64_C(1) << i : 0;
    }
    return set;
}

uint64_t faults_parse(const char *names) {
    uint64_t set = 0;
    while (*names) {
        size_t length = strcspn(names, ",");
        bool without = names[0] == '-';
        uint64_t found = set_of(names + without, length - without);
        if (found == 0) {
            return 0;
        }
        set = without ? set & ~found : set | found;
        names += length + (names[length] == ',');
    }
    return set;
}

/* ---- drawing ---- */

struct draw {
    uint64_t state;
};

static uint64_t draw(struct draw *d, uint64_t n) {
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (d->state >> 33) % n;
}

/* Most faults come close upon each other: what is interesting happens between two of them. */
static uint64_t pause_us(struct draw *d) {
    switch (draw(d, 10)) {
    case 0:
    case 1:
    case 2:
    case 3: return draw(d, 300000);
    case 4:
    case 5:
    case 6: return draw(d, 3 * SIM_SECOND);
    case 7:
    case 8: return draw(d, 10 * SIM_SECOND);
    default: return draw(d, 30 * SIM_SECOND);
    }
}

static uint32_t draw_kind(struct draw *d, uint64_t set) {
    uint32_t whole = 0;
    for (uint32_t i = 0; i < N_FAULTS; i++) {
        whole += set >> i & 1 ? kinds[i].weight : 0;
    }
    uint64_t at = draw(d, whole);
    for (uint32_t i = 0; i < N_FAULTS; i++) {
        uint32_t w = set >> i & 1 ? kinds[i].weight : 0;
        if (at < w) {
            return i;
        }
        at -= w;
    }
    return 0;
}

void faults_draw(struct fault_plan *plan, uint64_t seed, uint64_t set, uint32_t nodes,
                 uint64_t us) {
    struct draw d = {.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 77};
    *plan = (struct fault_plan){0};
    for (uint64_t at = 0; at < us;) {
        plan->v = realloc(plan->v, (plan->n + 1) * sizeof(*plan->v));
        CHECK(plan->v != NULL);
        struct fault *f = &plan->v[plan->n++];
        *f = (struct fault){.kind = (enum fault_kind)draw_kind(&d, set),
                            .after_us = pause_us(&d),
                            .node = 1 + (uint32_t)draw(&d, nodes),
                            .choice = (uint32_t)draw(&d, 1 << 20),
                            .us = draw(&d, draw(&d, 4) ? 4 * SIM_SECOND : 20 * SIM_SECOND)};
        at += f->after_us;
    }
}

void faults_finish(struct fault_plan *plan) {
    free(plan->v);
    *plan = (struct fault_plan){0};
}

void fault_text(const struct fault *f, char *ret_text, size_t size) {
    (void)snprintf(ret_text, size, "after %6llu ms: %s (n%u, %u, %llu ms)",
                   (unsigned long long)f->after_us / 1000, kinds[f->kind].text, f->node, f->choice,
                   (unsigned long long)f->us / 1000);
}

void fault_happen(struct sim *s, const struct fault *f) {
    sim_run(s, f->after_us);
    if (!sim_violation(s)) {
        kinds[f->kind].happen(s, f);
    }
}
