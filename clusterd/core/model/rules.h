/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of placement, as the model holds them: what a hard one forbids, and whether one is kept.
 *
 * The engine (placement/) plans by them. Here is only what must hold whatever was planned: two
 * orders thought of in the same moment may each be right and be wrong together, so each is held
 * against the hard rules once more when it is applied.
 */
#ifndef CLUSTERD_CORE_MODEL_RULES_H
#define CLUSTERD_CORE_MODEL_RULES_H

#include "core/model/model.h"

#include <stdbool.h>
#include <stdint.h>

/* The first hard rule that keeps the VM off the node as things are; NULL: none. Of APART: another
 * of its VMs is, or may be, in the node's domain. Where two are together already they may stay.
 * Hard TOGETHER forbids nothing here: it holds at the end of a plan, not at each step of it. */
const struct model_rule *rules_forbid(const struct model *m, const struct model_vm *vm,
                                      uint32_t node);

/* How often the rule is broken by the VMs that run: each VM beyond the first in a domain (APART),
 * each domain beyond the first (TOGETHER), each VM in the wrong place (ON, NOT_ON). 0: it is kept.
 */
uint32_t rule_broken(const struct model *m, const struct model_rule *rule);

/* A hard rule that cannot hold together with one like this; NULL: none. */
const struct model_rule *rule_contradicts(const struct model *m, const struct model_rule *rule);

/* Number of domains that VMs of the rule can be spread over: configured nodes, racks or sites. */
uint32_t rule_domains(const struct model *m, uint8_t scope);

#endif
