/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence devices: whose turn it is, and which can never be right.
 *
 * The devices of a node are alternatives. Those that name the node come first, then those for all
 * nodes, each group in the order in which they were added. When one has failed, the next is tried
 * at once. When all have failed there is a pause and the round starts again; pauses grow with the
 * rounds.
 *
 * Code that decides here may know a device's values; code that applies commands never does. So a
 * log without secrets leads to the same state (model_digest()).
 */
#ifndef CLUSTERD_CORE_MODEL_FENCE_DEVICES_H
#define CLUSTERD_CORE_MODEL_FENCE_DEVICES_H

#include "core/model/model.h"
#include "core/outbox.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the device serves that node: it names the node, or none. */
bool device_is_for(const struct model_device *device, uint32_t node);
/*
 * Whether the device switches the same machine for each of several nodes: it has a plug, or an
 * agent that needs none, and no {node} in any value. What such a device says about a node is no
 * evidence, so it is never used.
 */
bool device_is_ambiguous(const struct model_device *device);
/* How many may be used for the node. */
uint32_t devices_count(const struct model *m, uint32_t node);
/* The device whose turn it is after this many failed attempts; NULL: the node has none. */
const struct model_device *devices_turn(const struct model *m, uint32_t node, uint32_t failed);
/* The next one of the round; NULL: that was the last. */
const struct model_device *devices_after(const struct model *m, uint32_t node, const char *name);
/* The pause after this many failed attempts; 0: it is another device's turn. */
uint64_t devices_pause_ms(const struct model *m, uint32_t node, uint32_t failed);

/* fence_, and then the name of a program, without a directory. */
bool devices_agent_is_name(const char *agent);
/* Why the device cannot be added, and what to do; NULL: it can. In the outbox. */
const char *devices_refusal(const struct model *m, const struct cmd_device_add *add,
                            struct outbox *out, const char **ret_hint);
/* "n1 and n2", "all nodes". In the outbox. */
const char *device_nodes_text(const struct model *m, const struct model_device *device,
                              struct outbox *out);

#endif
