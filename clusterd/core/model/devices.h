/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence devices: which one's turn it is, and which can never be right.
 *
 * The devices of a node are alternatives, tried in this order: those that name the node, as they
 * were added; then those for all nodes, as they were added. After one has failed the next is tried
 * at once. When all have failed there is a pause, and the round begins anew; pauses grow with the
 * rounds.
 *
 * What a device's values are is known to all that decide here, but never to what applies commands:
 * a log without secrets comes to the same state (model_digest()).
 */
#ifndef CLUSTERD_CORE_MODEL_DEVICES_H
#define CLUSTERD_CORE_MODEL_DEVICES_H

#include "core/model/model.h"
#include "core/outbox.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether it is for that node: it names it, or none. */
bool device_is_for(const struct model_device *device, uint32_t node);
/*
 * Whether it switches one machine, whichever of several nodes it is asked for: there is a plug, or
 * an agent that needs none, and no {node} in any value. What such a device says of a node is no
 * evidence, so it is never used.
 */
bool device_is_ambiguous(const struct model_device *device);
/* How many may be used for the node. */
uint32_t devices_count(const struct model *m, uint32_t node);
/* The one whose turn it is after so many attempts that failed; NULL: the node has none. */
const struct model_device *devices_turn(const struct model *m, uint32_t node, uint32_t failed);
/* The next one of the round; NULL: that was the last. */
const struct model_device *devices_after(const struct model *m, uint32_t node, const char *name);
/* The pause after so many attempts that failed; 0: another one's turn has come. */
uint64_t devices_pause_ms(const struct model *m, uint32_t node, uint32_t failed);

/* Why it cannot be added, and what to do; NULL: it can. In the outbox. */
const char *devices_refusal(const struct model *m, const struct cmd_device_add *add,
                            struct outbox *out, const char **ret_hint);
/* "n1 and n2", "all nodes". In the outbox. */
const char *device_nodes_text(const struct model *m, const struct model_device *device,
                              struct outbox *out);

#endif
