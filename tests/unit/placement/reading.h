/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reading.h - placement.h's words, read once more and as plainly as can be: who is asked for, who
 * may be moved, what a node can take before any other VM is looked at. The checker and the brute
 * force stand on it; it shares no line with the library.
 *
 * Where the header leaves something open, this is what was taken to be sensible:
 *   - A VM on its way (also_on) is not sent elsewhere, asked for or not.
 *   - A VM on its way to a node that is lost is on its host alone.
 *   - Rules are about all of a VM's places at once only where the header says so (a hard APART).
 *   - A hard APART forbids a move into a domain that holds another of its VMs, even if the mover
 *     was in that domain too.
 *   - An AT_MOST forbids a move to its nodes, from among them too, if it is exceeded then and the
 *     mover takes anything; a VM counts once.
 *   - A hard TOGETHER binds those that are placed or moved: to a domain of those that stay, or, if
 *     none of its VMs stays, to one common domain.
 */
#pragma once

#include "placement/placement.h"

#define READING_NOWHERE PLACEMENT_NONE

bool reading_has(const struct placement_set *set, uint32_t index);

/* Whether the request asks for the VM; see enum placement_kind. */
bool reading_asks(const struct placement_problem *p, const struct placement_request *q,
                  uint32_t vm);
/* Whether it takes its needs where it is. One asked for in a failover holds nothing any more. */
bool reading_runs(const struct placement_problem *p, const struct placement_request *q,
                  uint32_t vm);
/* Whether a move of it is in progress. */
bool reading_on_its_way(const struct placement_problem *p, const struct placement_request *q,
                        uint32_t vm);
/* Where it is once all moves in progress have ended, before the plan begins; or NOWHERE. */
uint32_t reading_begins_on(const struct placement_problem *p, const struct placement_request *q,
                           uint32_t vm);
/* Whether a plan may move it though it is not asked for. */
bool reading_is_movable_other(const struct placement_problem *p, const struct placement_request *q,
                              uint32_t vm);

/* What forbids the VM on the node whoever else is there: reasons up to NODE_RULE, as 1u << reason.
 * RETURN's "no other node" is among them only for the end of a plan, not for a stop between. */
uint32_t reading_obstacles(const struct placement_problem *p, const struct placement_request *q,
                           uint32_t vm, uint32_t node);

/* After overcommit. */
uint64_t reading_capacity(const struct placement_problem *p, uint32_t node, uint32_t resource);
/* A number that nodes of one domain have in common, and no others; see placement_rule. */
uint32_t reading_domain(const struct placement_problem *p, const struct placement_rule *rule,
                        uint32_t node);
/* Whether a hard TOGETHER forbids the node to all of its VMs. */
bool reading_outside(const struct placement_rule *rule, uint32_t node);
uint64_t reading_weight(const struct placement_rule *rule);
/* Whether two of the VMs that an APART names are one to it: the same VM, or of one group. */
bool reading_one_group(const struct placement_rule *rule, uint32_t vm, uint32_t other);
/* Whether the node is among those of an AT_MOST; false for NOWHERE. */
bool reading_counts_on(const struct placement_rule *rule, uint32_t node);
/* What the VM takes of an AT_MOST's amount. */
uint64_t reading_share(const struct placement_problem *p, const struct placement_rule *rule,
                       uint32_t vm);

/* The first place in the rule's list where this entry's VM stands: a VM named twice counts once. */
bool reading_first_named(const struct placement_rule *rule, uint32_t entry);

/* Weights of soft rules broken, with VM i on at[i]; see placement_cost for which rules. */
uint64_t reading_soft_broken(const struct placement_problem *p, const struct placement_request *q,
                             const uint32_t *at);
/* Nodes whose loads are above their threshold, with VM i on at[i]. */
uint32_t reading_nodes_over(const struct placement_problem *p, const uint32_t *at);
