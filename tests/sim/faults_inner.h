/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the faults: one function for each fault, and shared helpers.
 */
#ifndef TESTS_SIM_FAULTS_INNER_H
#define TESTS_SIM_FAULTS_INNER_H

#include "sim/faults.h"
#include "sim/world.h"

typedef void happen_fn(struct sim *s, const struct fault *f);
#define X(name, set, weight, text) happen_fn happen_##name;
FAULTS(X)
#undef X

void fault_cut(struct sim *s, uint32_t node);                  /* off from all others */
uint32_t fault_all_nodes(const struct sim *s);                 /* bit by id */
uint32_t fault_vm(const struct sim *s, const struct fault *f); /* that it is about */

#endif
