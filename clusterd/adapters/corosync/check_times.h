/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether corosync's configuration fits clusterd.conf, and whether a reload has changed the nodes.
 */
#ifndef CLUSTERD_ADAPTERS_COROSYNC_CHECK_TIMES_H
#define CLUSTERD_ADAPTERS_COROSYNC_CHECK_TIMES_H

#include "adapters/corosync/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The least watchdog_ms, in whole seconds, with which the loss of one node resets no other node:
 * see the timeline of the survivors in core/timeouts.h. */
uint64_t fit_least_watchdog_ms(uint64_t token_ms, uint64_t consensus_ms);
/* False: watchdog_ms is too short; ret_message has the numbers that fit. No watchdog (0) always
 * fits. */
bool fit_watchdog(const struct corosync_config *c, uint64_t watchdog_ms, char *ret_message,
                  size_t size);
/* The example of corosync's package: one node, at an address that no other node can reach. */
bool fit_is_package_example(const struct corosync_config *c);

/* False: what the nodes tell each other can be read on the network. One node tells nobody. */
bool fit_is_private(const struct corosync_config *c);

/* Whether both have the same nodes with the same votes. */
bool fit_same_nodes(const struct corosync_config *a, const struct corosync_config *b);
/* "4 nodes: n1 n2 n3 n4" */
void fit_nodes_text(const struct corosync_config *c, char *ret_text, size_t size);

#endif
