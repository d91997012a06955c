/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two clocks: one that only runs forward, also while the machine sleeps, and one for people.
 */
#ifndef CLUSTERD_ADAPTERS_CLOCK_H
#define CLUSTERD_ADAPTERS_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ms(void);  /* CLOCK_BOOTTIME; all deadlines count on it */
uint64_t clock_wall_ms(void); /* UTC since 1970; nothing is decided by it */

#endif
