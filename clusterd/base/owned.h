/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is const for its readers and freed by its owner.
 */
#ifndef CLUSTERD_BASE_OWNED_H
#define CLUSTERD_BASE_OWNED_H

#include <stdint.h>
#include <stdlib.h>

/* Like free(). The only place that casts const away, and only from owned memory. */
static inline void owned_free(const void *memory) {
    free((void *)(uintptr_t)memory);
}

#endif
