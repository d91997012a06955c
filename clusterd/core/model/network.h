/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VMs are attached to on a node. Nodes report and definitions need: "bridge/br0" (Linux or
 * Open vSwitch), "network/lan" (a libvirt network that is active), "device/eth1" (the device under
 * a macvtap interface).
 */
#ifndef CLUSTERD_CORE_MODEL_NETWORK_H
#define CLUSTERD_CORE_MODEL_NETWORK_H

#include "wire/record.h"

#include <stdbool.h>
#include <stddef.h>

/* Enough for all of "active network NAME". */
#define NETWORK_MAX_WORDS 80u

/* Whether a node has it, by its list. A node that has told of none (an older clusterd) counts as
 * one that has it: no VM is kept down by what nobody knows. */
bool network_is_there(const struct wire_strs *networks, const char *network);
/* As people say it: "bridge br0", "active network lan", "network device eth1". */
void network_words(const char *network, char *ret_text, size_t size);

#endif
