/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is const for whoever reads it, and that its owner frees.
 */
#ifndef CLUSTERD_BASE_OWNED_H
#define CLUSTERD_BASE_OWNED_H

#include <stdint.h>
#include <stdlib.h>

/* As free(). The one place where const is cast away from what we own. */
static inline void owned_free(const void *memory) {
    free((void *)(uintptr_t)memory);
}

#endif
