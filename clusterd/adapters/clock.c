/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two clocks; see clock.h.
 */
#include "adapters/clock.h"

#include "base/check.h"

#include <time.h>

static uint64_t read_ms(clockid_t id) {
    struct timespec t;
    CHECK(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_now_ms(void) {
    return read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ms(void) {
    return read_ms(CLOCK_REALTIME);
}
