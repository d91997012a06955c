/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shrinking: find a small part of a violating seed that still violates the property.
 */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include "sim/run.h"

/* Prints what it finds: nodes, VMs, the faults that are needed, and their trace. */
void shrink(const struct run_options *options, const char *violation);

#endif
