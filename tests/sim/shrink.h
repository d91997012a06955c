/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shrinking: of a seed that violates a property, a small part that violates it too.
 */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include "sim/run.h"

/* Prints what it finds: nodes, VMs, the faults that are needed, and their trace. */
void shrink(const struct run_options *options, const char *violation);

#endif
