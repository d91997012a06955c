/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the stories of the small cluster share: seeds, expectations, what they wait for.
 */
#ifndef TESTS_CORE_STORY_H
#define TESTS_CORE_STORY_H

#include "unit/core/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* WORLD_SEED=n: only that one; WORLD_SEEDS=n: so many. */
static inline uint64_t story_first(void) {
    const char *text = getenv("WORLD_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

static inline uint64_t story_last(uint64_t n) {
    const char *many = getenv("WORLD_SEEDS");
    n = many ? strtoull(many, NULL, 10) : n;
    return getenv("WORLD_SEED") ? story_first() : n;
}

#define FOR_SEEDS(seed, n) \
    for (uint64_t seed = story_first(), seed##_last = story_last(n); seed <= seed##_last; seed++)

#define EXPECT(w, condition)                                                  \
    do {                                                                      \
        if (!(condition)) {                                                   \
            world_print(w);                                                   \
            fail_msg("%s (seed %llu)", #condition, (unsigned long long)seed); \
        }                                                                     \
    } while (0)

struct want {
    uint32_t reader; /* node whose model is looked at */
    uint32_t vms;    /* run, by its model and in truth */
    uint32_t not_on; /* 0: anywhere */
};

static inline bool vms_run(struct world *w, const void *arg) {
    const struct want *want = arg;
    uint32_t running = 0;
    MODEL_EACH(model_vm, vm, &world_model(w, want->reader)->vms) {
        running += vm->state == VM_RUNNING && vm->owner != want->not_on &&
                   world_runs_on(w, vm->uuid) == vm->owner;
    }
    return running == want->vms;
}

#endif
