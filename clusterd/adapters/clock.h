/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two clocks: one only runs forward, also while the machine sleeps; the other one is for
 * people.
 */
#ifndef CLUSTERD_ADAPTERS_CLOCK_H
#define CLUSTERD_ADAPTERS_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ms(void);  /* CLOCK_BOOTTIME; all deadlines use it */
uint64_t clock_wall_ms(void); /* UTC since 1970; it decides nothing */

#endif
