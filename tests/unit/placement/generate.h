/* SPDX-License-Identifier: GPL-2.0-or-later */
/* generate.h - random problems, small ones for the brute force and large ones for the checker: with
 * every rule and every field of the header. The same seed gives the same problem. */
#pragma once

#include "world.h"

struct generate_size {
    uint32_t nodes_max, vms_max, rules_max;
};

struct world *generate_small(uint64_t seed, const struct generate_size *size);
/* The same maker, steered by bytes; they may be of any number, not NULL. */
struct world *generate_from_bytes(const uint8_t *bytes, size_t n, const struct generate_size *size);
/* Exactly so many; the nodes are filled to about `fill_percent` with VMs that run. */
struct world *generate_large(uint64_t seed, const struct generate_size *size,
                             uint32_t fill_percent);
/* Node 0 is lost (or drained): its large VMs have room elsewhere only where several small ones
 * leave, for holes that are just large enough for one each. Beyond what the engine looks at state
 * by state, small enough for the brute force. */
struct world *generate_crowded(uint64_t seed);
/* The same, larger: node 0 is lost, and there is a plan by which all run again, by moves of one VM
 * after the other, since the generator has made the problem by undoing one. */
struct world *generate_undone(uint64_t seed);
