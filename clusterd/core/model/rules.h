/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Placement rules in the model: what a hard rule forbids, and whether a rule is kept.
 *
 * The engine (placement/) plans by the rules. Here is only what must hold whatever was planned. Two
 * orders decided at the same moment may each be right and be wrong together, so each is checked
 * against the hard rules again when it is applied.
 */
#ifndef CLUSTERD_CORE_MODEL_RULES_H
#define CLUSTERD_CORE_MODEL_RULES_H

#include "core/model/model.h"

#include <stdbool.h>
#include <stdint.h>

/* The first hard rule that keeps the VM off the node now; NULL: none. APART: another of the rule's
 * VMs is, or may be, in the node's domain. VMs that are together already may stay. Hard TOGETHER
 * forbids nothing here: it holds at the end of a plan, not at each step. */
const struct model_rule *rules_forbid(const struct model *m, const struct model_vm *vm,
                                      uint32_t node);

/* How often the running VMs break the rule: each VM beyond the first in a domain (APART), each
 * domain beyond the first (TOGETHER), each VM in the wrong place (ON, NOT_ON). 0: it is kept. */
uint32_t rule_broken(const struct model *m, const struct model_rule *rule);

/* A hard rule that contradicts one like this; NULL: none. */
const struct model_rule *rule_contradicts(const struct model *m, const struct model_rule *rule);

/* Number of domains over which the rule's VMs can be spread: configured nodes, racks or sites. */
uint32_t rule_domains(const struct model *m, uint8_t scope);

#endif
