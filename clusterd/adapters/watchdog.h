/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog: what resets this node when clusterd does not say in time that all is well.
 *
 * It is opened, and so armed, by the first feed and not before: a node that has just booted must
 * not be reset because corosync is not up yet, and a clusterd that was restarted must not disarm
 * what still guards VMs that run here.
 */
#ifndef CLUSTERD_ADAPTERS_WATCHDOG_H
#define CLUSTERD_ADAPTERS_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watchdog; /* opaque */

/*
 * `path`: a watchdog device, or a unix stream socket or FIFO that takes the same bytes (see
 * watchdog.c); "": none, then all calls do nothing. ret_message (size bytes) says what is wrong
 * with it on error.
 */
int watchdog_create(const char *path, uint64_t timeout_ms, struct watchdog **ret_watchdog,
                    char *ret_message, size_t size);
/* Leaves it as it is: armed, it goes on counting. NULL is fine. */
void watchdog_destroy(struct watchdog *watchdog);

/* After how long without a feed the node is reset; 0: there is no watchdog. */
uint64_t watchdog_timeout_ms(const struct watchdog *watchdog);

/* Arms it if need be. What fails is logged, once until it works again. -EPROTO: the device does not
 * keep to the timeout that watchdog_timeout_ms() gave, could not be armed at all, or cannot be fed
 * for longer than that timeout; the caller must end, since the other nodes count on it. */
int watchdog_feed(struct watchdog *watchdog);
void watchdog_disarm(struct watchdog *watchdog);

#endif
