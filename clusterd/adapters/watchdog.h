/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog: it resets this node when clusterd does not say in time that all is well.
 *
 * The first feed opens and arms it, nothing earlier: a node that has just booted must not be reset
 * because corosync is not up yet, and a restarted clusterd must not disarm the watchdog that still
 * guards the VMs here.
 */
#ifndef CLUSTERD_ADAPTERS_WATCHDOG_H
#define CLUSTERD_ADAPTERS_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watchdog; /* opaque */

/*
 * `path`: a watchdog device, or a Unix stream socket or FIFO that takes the same bytes (see
 * watchdog.c); "": none, and all calls do nothing. On error ret_message (size bytes) says what is
 * wrong.
 */
int watchdog_create(const char *path, uint64_t timeout_ms, struct watchdog **ret_watchdog,
                    char *ret_message, size_t size);
/* Leaves the watchdog as it is: an armed one goes on counting. NULL is fine. */
void watchdog_destroy(struct watchdog *watchdog);

/* The node is reset after so long without a feed; 0: there is no watchdog. */
uint64_t watchdog_timeout_ms(const struct watchdog *watchdog);

/* Arms it if need be. Logs a failure once, until feeding works again. -EPROTO: the device does not
 * keep to the timeout of watchdog_timeout_ms(), could never be armed, or could not be fed for
 * longer than that timeout. The caller must end: the other nodes rely on the watchdog. */
int watchdog_feed(struct watchdog *watchdog);
void watchdog_disarm(struct watchdog *watchdog);

#endif
